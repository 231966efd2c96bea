"""What a calibration leaves in a folder: result, report, cards, log, models, inputs, a reference for the
monitor."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.calibration.deal_counts import save_deal_counts
from leadml.calibration.views import weight_of, won_of
from leadml.card.record import Reference
from leadml.levels import N_CODES

if TYPE_CHECKING:
    from leadml.calibration.run import Calibration
    from leadml.card.record import Card

REFERENCE = "reference.json"


def save_calibration(found: Calibration, folder: Path, *, report: bool = True) -> Path:
    """Write everything; a log.parquet that is there is appended to, and refused where it says otherwise."""
    (folder / "cards").mkdir(parents=True, exist_ok=True)
    found.held_out.append(folder / "log.parquet")  # first: it alone may refuse
    write(folder / "result.json", found.result.model_dump_json(indent=2, by_alias=True) + "\n")
    save_cards(found, folder)
    save_models(found, folder / "models")
    save_inputs(found, folder)
    save_deal_counts(found, folder)
    if report:
        write(folder / "report.html", found.to_html())
    return folder


def save_cards(found: Calibration, folder: Path) -> None:
    """Write card.json (the recommended one) and cards/."""
    for name, card in found.cards.items():
        card.save(folder / "cards" / f"{name}.json")
    if found.card is not None:
        found.card.save(folder / "card.json")


def save_models(found: Calibration, folder: Path) -> None:
    """Write contenders that are no card: ID.joblib, and ID.json with what it is and its SHA-256."""
    import joblib

    kinds = {each.id: each for each in found.result.contenders}
    for name, fitted in found.fitted.items():
        contender = kinds[name]
        if contender.kind not in ("context", "custom", "wide"):
            continue
        folder.mkdir(exist_ok=True)
        content = io.BytesIO()
        joblib.dump(fitted, content, compress=3)
        (folder / f"{name}.joblib").write_bytes(content.getvalue())
        about = {
            "id": name,
            "title": contender.title,
            "kind": contender.kind,
            "leadml_version": found.result.leadml_version,
            "criteria": list(found.leads.criteria),
            "context": list(found.leads.context),
            "data_digest": found.leads.digest,
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
        }
        write(folder / f"{name}.json", json.dumps(about, indent=2) + "\n")
        write(folder / f"{name}.joblib.sha256", f"{about['sha256']}\n")  # asked for before it is loaded


def save_inputs(found: Calibration, folder: Path) -> None:
    """Write mapping.yaml, experiment.yaml, rejected.csv and, beside a card, the reference for the monitor."""
    from leadml.records import dump_record

    if found.leads.mapping is not None:
        write(folder / "mapping.yaml", dump_record(found.leads.mapping))
    write(folder / "experiment.yaml", dump_record(found.settings))
    if found.leads.rejections is not None:
        found.leads.rejections.save(folder / "rejected.csv")
    else:
        write(folder / "rejected.csv", "row,column,value,reason\n")
    if found.card is not None:
        reference = make_reference(found, found.card)
        write(folder / REFERENCE, reference.model_dump_json(indent=1) + "\n")


def make_reference(found: Calibration, card: Card) -> Reference:
    """Count the closed deals by level and by total of a card."""
    from leadml.data.split import closed_deals

    deals = closed_deals(found.leads)
    weight = weight_of(deals)
    answers = card.lookup.answers(card_codes(card, deals))
    levels = {
        name: tuple(np.bincount(deals.codes[:, at], weight, minlength=N_CODES).tolist())
        for at, name in enumerate(deals.criteria)
    }
    probability = answers.probability
    return Reference(
        card=card.name,
        sha256=card.sha256,
        baseline=None if found.result.champion is None else found.result.recommended.in_use,
        as_of=found.result.data.as_of,
        n=float(weight.sum()),
        base_rate=float(weight @ won_of(deals) / weight.sum()),
        mean_probability=None
        if np.isnan(probability).any()
        else float(np.average(probability, weights=weight)),
        levels=levels,
        points=tuple(np.bincount(answers.points, weight, minlength=card.total_max + 1).tolist()),
    )


def card_codes(card: Card, leads: Any) -> Any:
    """Codes of a card's rows."""
    from leadml.card.inputs import codes_of

    return codes_of(card, leads)


def write(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    from leadml.card.files import write_text

    write_text(path, text)
