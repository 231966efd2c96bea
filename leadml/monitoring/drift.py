"""Drift of leads: levels (population stability index) and unknowns, against the deals learned from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.card.record import Card, Reference
from leadml.exceptions import StoreError
from leadml.levels import Codes
from leadml.monitoring.result import LevelDrift
from leadml.monitoring.sequential import Information, information_of
from leadml.registry.evidence import read_counts, recode
from leadml.registry.versions import CARD, Version

if TYPE_CHECKING:
    from leadml.estimators.patterns import PatternCounts

Floats = npt.NDArray[np.float64]

SHIFTED = 0.1
"""Population stability index from which a shift counts: the customary limit."""
ALARM = 20.0
REFERENCE = "reference.json"


@dataclasses.dataclass(frozen=True, eq=False)
class Before:
    """The deals that a card learned from, as far as they are known.

    levels : (row of the card) -> counts of its codes. points : counts of totals. information : in the
    directions of `directions`, None where no counts of patterns are kept. centre : mean log-odds of each row.
    """

    n: float = 0.0
    base_rate: float | None = None
    mean_probability: float | None = None
    as_of: str | None = None
    baseline: str | None = None
    levels: dict[str, Floats] = dataclasses.field(default_factory=dict)
    points: Floats | None = None
    information: Information | None = None
    centre: Floats | None = None


def load_before(card: Card, version: Version | None, card_path: Path | None = None) -> Before:
    """What lies beside a card: reference.json and counts of patterns, else what its provenance says."""
    known = card.provenance
    won, lost, as_of = known.get("n_won"), known.get("n_lost"), known.get("as_of")
    before = Before(as_of=as_of if isinstance(as_of, str) else None)
    if isinstance(won, int | float) and isinstance(lost, int | float) and won + lost > 0:
        before = dataclasses.replace(before, n=float(won + lost), base_rate=won / (won + lost))
    beside = version.folder / CARD if version is not None else card_path
    path = None if beside is None else beside.with_name(REFERENCE)
    if path is not None and path.is_file():
        try:
            kept = Reference.model_validate_json(path.read_bytes())
        except ValueError as error:
            raise StoreError(f"{path}: is no reference of leadml; calibrate again, or remove it") from error
        levels = {name: np.array(each) for name, each in kept.levels.items()}
        before = Before(
            kept.n, kept.base_rate, kept.mean_probability, kept.as_of or before.as_of, kept.baseline, levels,
            np.array(kept.points),
        )  # fmt: skip
    patterns = read_counts(version)
    return before if patterns is None else with_patterns(card, before, *patterns)


def with_patterns(card: Card, before: Before, names: tuple[str, ...], counts: PatternCounts) -> Before:
    """What the counts of patterns tell of the deals before: levels, totals, and how sure the card is."""
    codes, n = recode(counts.codes, names, card, card), counts.total
    sizes, rows = card.lookup.sizes, card.lookup.code_columns
    levels = {name: count(codes[:, j], sizes[j], n) for j, name in enumerate(rows)}
    points = count(card.lookup.answers(codes).points, card.total_max + 1, n)
    rate = float(counts.won.sum() / n.sum())
    effects = effects_of(card, codes)
    centre = np.average(effects, axis=0, weights=n)
    x, p = directions(effects, centre), predictions(card, codes, rate)
    won = information_of(x, np.ones(len(n)), p, counts.won)
    found = won + information_of(x, np.zeros(len(n)), p, counts.lost)
    return dataclasses.replace(
        before, n=float(n.sum()), base_rate=rate, levels=levels, points=points, information=found,
        centre=centre, mean_probability=float(p @ n / n.sum()),
    )  # fmt: skip


def count(codes: npt.NDArray[Any], size: int, weight: Floats | None = None) -> Floats:
    """Count codes below `size`."""
    return np.bincount(codes, weight, minlength=size).astype(np.float64)


def effects_of(card: Card, codes: Codes) -> Floats:
    """(n, r) log-odds that each row of the card contributes; without probabilities, its share of points."""
    ends = [np.clip(card.table[at].probability, 0.01, 0.99) for at in (0, -1)] if card.table else []
    slope = float(np.log(ends[1] / (1 - ends[1])) - np.log(ends[0] / (1 - ends[0]))) if ends else 4.0
    per_point = slope / max(card.total_max, 1)
    return np.stack([per_point * row[codes[:, j]] for j, row in enumerate(card.lookup.points)], axis=1)


def directions(effects: Floats, centre: Floats) -> Floats:
    """(n, 1 + r): 1, and centred contributions."""
    return np.hstack([np.ones((len(effects), 1)), effects - centre])


def predictions(card: Card, codes: Codes, base_rate: float) -> Floats:
    """P(won) by the card; by the base rate where it tells none."""
    if not card.table:
        return np.full(len(codes), base_rate)
    return np.clip(card.lookup.answers(codes).probability, 1e-3, 1 - 1e-3)


def titles_of(card: Card) -> dict[str, str]:
    """Id and title of each row of the card."""
    rows = [(each.id, each.title) for each in card.criteria]
    return dict(rows + [(each.id, each.title) for each in card.attributes])


def find_drift(card: Card, before: Before, codes: Codes) -> tuple[LevelDrift, ...]:
    """Compare the answers of (m, r) codes with those before, row by row."""
    rows, titles = [], titles_of(card)
    for j, (name, title) in enumerate(titles.items()):
        size, unknown = card.lookup.sizes[j], card.lookup.unknown[j]
        now, then = count(codes[:, j], size), before.levels.get(name)
        row = LevelDrift(id=name, title=title, n=len(codes), unknown_now=now[unknown] / len(codes))
        if then is not None and len(then) == size and then.sum() > 0:
            psi, e = stability(then, now), shift_evidence(then, now)
            found = {"psi": psi, "e": min(e, 1e9), "unknown_before": float(then[unknown] / then.sum())}
            shifted = psi >= SHIFTED and e / len(titles) >= ALARM
            row = row.model_copy(update=found | {"shifted": shifted})
        rows.append(row)
    return tuple(rows)


def stability(then: Floats, now: Floats) -> float:
    """Population stability index of counts of the same bins: sum((q - p) ln(q / p)).

    >>> round(stability(np.array([500.0, 500.0]), np.array([250.0, 750.0])), 2)
    0.27
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (then, now))
    return float(((q - p) * np.log(q / p)).sum())


def shift_evidence(then: Floats, now: Floats) -> float:
    """E-value of a shift: the counts now by shares of their own, against the shares that those before tell.

    Both are Dirichlet-multinomial, so their ratio is a martingale while nothing shifts, whatever the looks.
    """
    from scipy.special import gammaln

    def weight(a: Floats) -> float:
        return float(gammaln(a).sum() - gammaln(a.sum()))

    prior = np.full(len(then), 0.5)
    log_e = weight(prior + now) - weight(prior) - weight(prior + then + now) + weight(prior + then)
    return float(np.exp(np.clip(log_e, -500.0, 500.0)))
