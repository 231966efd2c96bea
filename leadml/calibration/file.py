"""`leadml calibrate`: read a file, calibrate, write the folder, store the card; tracking comes after."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.calibration.deal_counts import DEAL_COUNTS
from leadml.calibration.experiment import load_experiment
from leadml.calibration.outcomes import check_enough
from leadml.calibration.run import Calibration, calibrate, name_of
from leadml.calibration.save import REFERENCE
from leadml.card.files import check_folder
from leadml.levels import UNKNOWN
from leadml.terminal import progress

if TYPE_CHECKING:
    from leadml.card.record import Card
    from leadml.data.deals import Leads
    from leadml.estimators.patterns import PatternCounts
    from leadml.registry.versions import Standing, Version

MAPPING, RULE_CARD = "mapping.yaml", "rule.json"


@dataclasses.dataclass(frozen=True)
class CalibratedFile:
    """What was found, the folder that holds it, its version in the store (None: no card), and the
    champion's."""

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
    found: Calibration,
    directory: Path,
    name: str,
    *,
    at: str,
    store_root: Path | None,
) -> Version:
    """Store the recommended card with its log, the patterns of its deals, the mapping and the reference."""
    from leadml.registry.evidence import HELD_OUT, PATTERNS, held_out_file, patterns_file
    from leadml.registry.versions import save_version

    card, contender = found.card, found.result.recommended.contender
    if card is None or contender is None:
        raise ValueError("these deals give no card")
    files = {PATTERNS: patterns_file(card, count_patterns(card, found.leads))}
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
    return save_version(
        name,
        card,
        at=at,
        standing=_standing(found),
        files=files,
        metrics=metrics,
        store_root=store_root,
    )


def _standing(found: Calibration) -> Standing:
    """How the card stands against the baseline, the rule that is judged first."""
    from leadml.registry.versions import Standing

    codes = found.leads.codes
    varied = [
        name
        for at, name in enumerate(found.leads.criteria)
        if (np.bincount(codes[:, at], minlength=UNKNOWN + 1)[:UNKNOWN] > 0).sum() > 1
    ]
    if not found.result.policies:
        return Standing("cannot-judge", varied=varied)
    rule = found.result.policies[0]
    gain = None if rule.gain_weights is None else rule.gain_weights.value
    return Standing(rule.verdict, gain, found.cards.get(rule.id), varied)


def count_patterns(card: Card, leads: Leads) -> PatternCounts:
    """Won and lost deals of each pattern of the card's rows."""
    from leadml.card.inputs import codes_of
    from leadml.data.split import closed_deals
    from leadml.estimators.patterns import PatternCounts

    deals = closed_deals(leads)
    patterns, at = np.unique(codes_of(card, deals), axis=0, return_inverse=True)
    weight = np.ones(len(deals)) if deals.weight is None else deals.weight
    counts = [np.bincount(at.ravel(), weight * (deals.outcome == each), len(patterns)) for each in (1, 0)]
    return PatternCounts(patterns, *(each.astype(np.float64) for each in counts))
