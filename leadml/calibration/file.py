"""`leadml calibrate` of a file: read, calibrate, write the folder, store the card; and `leadml reproduce`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.calibration.experiment import load_experiment
from leadml.calibration.outcomes import check_enough
from leadml.calibration.run import Calibration, calibrate, name_of
from leadml.calibration.save import DEAL_COUNTS, REFERENCE, count_deals
from leadml.card.files import check_folder
from leadml.card.inputs import codes_of
from leadml.data.split import closed_deals
from leadml.levels import UNKNOWN
from leadml.result import load_result
from leadml.terminal import progress

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.registry.versions import Standing, Version

MAPPING, RULE_CARD = "mapping.yaml", "rule.json"
MAY_DIFFER = ("leadml_version", "data.source")
"""What a calibration that is reproduced may say otherwise: where the deals lie, and who calibrates."""
SHOWN = 20


@dataclasses.dataclass(frozen=True)
class CalibratedFile:
    """What was found, the folder that holds it, and its version in the store (None: no card)."""

    found: Calibration
    directory: Path
    version: Version | None

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self.found.leads.n_rows

    @property
    def n_rejected(self) -> int:
        """Rows that could not be used."""
        return self.n_rows - n_leads(self.found.leads)

    @property
    def rejected_share(self) -> float:
        """Share of the rows that could not be used."""
        return self.n_rejected / max(self.n_rows, 1)


def calibrate_file(
    read: Callable[[], Leads],
    experiment: Any = None,
    *,
    name: str | None = None,
    out_dir: Path | None = None,
    store_root: Path | None = None,
    as_of: str | None = None,
    at: str,
    say: Callable[[str], None],
) -> CalibratedFile:
    """Calibrate on what `read` reads; `at` is ISO time, kept in the history of the store."""
    settings = load_experiment(experiment)
    if as_of is not None:
        settings = type(settings).model_validate(settings.model_dump(exclude_unset=True) | {"as_of": as_of})
    leads = read()
    say(f"{leads.n_rows} rows: {n_leads(leads)} leads, {leads.n_rows - n_leads(leads)} rejected")
    check_enough(leads)
    directory = out_dir or Path(f"{name or name_of(leads)}-calibration")
    check_folder(directory)
    say("learning and comparing")
    found = calibrate(
        leads, settings, name=name, progress=lambda what, done, of: progress(what, done, of, "blocks")
    )
    found.save(directory)
    version = None
    if found.card is not None:
        version = store_card(found, directory, name or name_of(leads), at=at, store_root=store_root)
    return CalibratedFile(found, directory, version)


def n_leads(leads: Leads) -> int:
    """How many leads there are, also where they are counted."""
    return len(leads) if leads.weight is None else round(float(leads.weight.sum()))


def store_card(
    found: Calibration, directory: Path, name: str, *, at: str, store_root: Path | None
) -> Version:
    """Store the recommended card with its log, the patterns of its deals, the mapping and the reference."""
    from leadml.registry.evidence import HELD_OUT, PATTERNS, held_out_file, patterns_file
    from leadml.registry.versions import save_version

    card, contender = found.card, found.result.recommended.contender
    if card is None or contender is None:
        raise ValueError("these deals give no card")
    deals = closed_deals(found.leads)
    files = {PATTERNS: patterns_file(card, count_deals(codes_of(card, deals), deals))}
    if contender in found.held_out.entries:
        files[HELD_OUT] = held_out_file(found.held_out, contender)
    rule = found.result.policies[0].id if found.result.policies else ""
    beside = {each: each for each in (MAPPING, REFERENCE, "result.json", DEAL_COUNTS)}
    for title, file in {**beside, RULE_CARD: f"cards/{rule}.json"}.items():  # the last three for the page
        if (directory / file).is_file():
            files[title] = (directory / file).read_bytes()
    money = found.settings.economics
    ratio = money.won_value / money.follow_up_cost if money is not None and money.won_value else None
    metrics = {} if ratio is None else {"ratio": ratio}
    standing = _standing(found)
    return save_version(
        name, card, at=at, standing=standing, files=files, metrics=metrics, store_root=store_root
    )


def _standing(found: Calibration) -> Standing:
    """How the card stands against the baseline, the rule that is judged first."""
    from leadml.registry.versions import Standing

    columns = zip(found.leads.criteria, found.leads.codes.T, strict=True)
    varied = [name for name, codes in columns if len(np.unique(codes[codes != UNKNOWN])) > 1]
    if not found.result.policies:
        return Standing("cannot-judge", varied=varied)
    rule = found.result.policies[0]
    gain = None if rule.gain_weights is None else rule.gain_weights.value
    return Standing(rule.verdict, gain, found.cards.get(rule.id), varied)


def reproduce(directory: Path, source: Any) -> list[str]:
    """Calibrate again on the same deals; what came out otherwise, a line a value, empty for the same."""
    from leadml.data.read import read_leads

    before = load_result(directory)
    leads = read_leads(source, directory / "mapping.yaml")
    if leads.digest != before.data.digest:
        return [f"data: other deals than those of {before.data.source} (their digests differ)"]
    after = calibrate(leads, directory / "experiment.yaml", name=before.data.name).result
    old, new = (dict(_leaves(each.model_dump(mode="json"), "")) for each in (before, after))
    lines = [
        f"{path}: {old.get(path)!r} before, {new.get(path)!r} now"
        for path in {**old, **new}
        if path not in MAY_DIFFER and not _same(old.get(path), new.get(path))
    ]
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-9)
    return bool(old == new)
