"""What a calibration leaves in a folder: result, report, cards, log, models, inputs, counts of its deals."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

import leadml
from leadml.calibration.experiment import Experiment
from leadml.calibration.outcomes import sample_deals
from leadml.calibration.views import weight_of
from leadml.card.codes import codes_of_leads
from leadml.card.files import write_text
from leadml.data.chunks import release_memory
from leadml.data.rejections import Rejections
from leadml.data.split import closed_deals
from leadml.data.units import number_patterns
from leadml.exceptions import LeadmlError
from leadml.levels import Codes
from leadml.records import digest_record, dump_record
from leadml.registry.evidence import DEAL_COUNTS, counts_file
from leadml.result import load_result

MOST_COUNTED = 1_000_000
"""Of more deals a sample is counted, with weights that add up to all."""

if TYPE_CHECKING:
    from leadml.calibration.run import Calibration
    from leadml.data.deals import Leads


def save_calibration(found: Calibration, folder: Path) -> Path:
    """Write everything; a log.parquet of the same settings is appended to, one of others kept aside."""
    (folder / "cards").mkdir(parents=True, exist_ok=True)
    evaluation = found.result.evaluation.model_copy(update={"looks": append_log(found, folder)})
    found = dataclasses.replace(found, result=found.result.model_copy(update={"evaluation": evaluation}))
    write_text(folder / "result.json", found.result.model_dump_json(indent=2, by_alias=True) + "\n")
    for name, card in found.cards.items():
        card.save(folder / "cards" / f"{name}.json")
    if found.card is not None:
        found.card.save(folder / "card.json")
    save_models(found, folder / "models")
    if found.leads.mapping is not None:
        write_text(folder / "mapping.yaml", dump_record(found.leads.mapping))
    write_text(folder / "experiment.yaml", dump_record(found.settings))
    (found.leads.rejections or Rejections()).save(folder / "rejected.csv")
    save_deal_counts(found, folder)
    release_memory()  # charts are drawn by another engine, which needs some of its own
    write_text(folder / "report.html", found.to_html())
    return folder


def append_log(found: Calibration, folder: Path) -> int:
    """Append to log.parquet (first of all: it alone may refuse), and count how often it grew: the looks."""
    path = folder / "log.parquet"
    aside = log_aside(folder, found.leads, found.settings)
    if aside is not None:
        path.rename(aside)
    before = pq.read_metadata(path).num_rows if path.exists() else None
    found.held_out.append(path)
    return 1 if before is None else load_result(folder).evaluation.looks + (pq.read_metadata(path).num_rows > before)


def log_aside(folder: Path, leads: Leads, settings: Experiment) -> Path | None:
    """Where the log of a folder is kept, if it comes from another mapping, experiment or version; else None.

    A later day of export (as_of) continues a log, and contenders may enter later.
    """
    if not (folder / "log.parquet").exists():
        return None

    def asked(told: Mapping[str, object]) -> dict[str, object]:
        return {key: value for key, value in told.items() if key not in ("as_of", "contenders")}

    try:
        before = load_result(folder)
        same = before.leadml_version == leadml.__version__
        same &= asked(before.settings) == asked(settings.model_dump(mode="json", by_alias=True))
        same &= leads.mapping is None or before.data.mapping_digest == digest_record(leads.mapping)
    except LeadmlError:  # what this version cannot read is another version's
        same = False
    return None if same else next(each for n in count(1) if not (each := folder / f"log-{n}.parquet").exists())


def save_models(found: Calibration, folder: Path) -> None:
    """Write contenders that are no card: ID.joblib, and ID.json with what it is and its SHA-256."""
    import joblib

    for contender in found.result.contenders:
        name, kinds = contender.id, ("context", "custom", "wide")
        if name not in found.fitted or contender.kind not in kinds:
            continue
        folder.mkdir(exist_ok=True)
        joblib.dump(found.fitted[name], content := io.BytesIO(), compress=3)
        (folder / f"{name}.joblib").write_bytes(content.getvalue())
        about = {
            **contender.model_dump(include={"id", "title", "kind"}),
            "leadml_version": found.result.leadml_version,
            "criteria": list(found.leads.criteria),
            "context": list(found.leads.context),
            "data_digest": found.leads.digest,
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
        }
        write_text(folder / f"{name}.json", json.dumps(about, indent=2) + "\n")
        write_text(folder / f"{name}.joblib.sha256", f"{about['sha256']}\n")  # asked for before it is loaded


def save_deal_counts(found: Calibration, folder: Path) -> None:
    """Write deal_counts.parquet: answers to the card's rows and other criteria, and two counts."""
    deals, _ = sample_deals(closed_deals(found.leads), MOST_COUNTED, found.settings.random_state)
    attributes = () if found.card is None else found.card.attributes
    taken = {each.id for each in attributes}
    criteria = [name for name in found.leads.criteria if name not in taken]
    criteria += ["contactable"] if found.leads.contactable is not None else []
    patterns, at = distinct(codes_of_leads(deals, criteria, attributes))
    weight = weight_of(deals)
    won, lost = (np.bincount(at, weight * (deals.outcome == each), len(patterns)) for each in (1, 0))
    names = [*criteria, *(each.id for each in attributes)]
    (folder / DEAL_COUNTS).write_bytes(counts_file(dict(zip(names, patterns.T, strict=True)), won, lost))


def distinct(codes: Codes) -> tuple[Codes, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Distinct rows of codes, and which of them each row is; many times faster than `np.unique` by rows."""
    at = number_patterns(list(codes.T))
    return codes[np.unique(at, return_index=True)[1]], at
