"""Deals as contenders see them: codes, weights and outcomes, and a framework as these deals can answer it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.card.codes import codes_of_leads
from leadml.data.deals import NO_DAY
from leadml.data.selection import propensity_weights
from leadml.estimators.misfit import find_misfits
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import ScorecardFit, fit_scorecard
from leadml.levels import UNKNOWN, Codes

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.frameworks.model import Framework

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Note = tuple[str, dict[str, Any]]
"""LML code, and the values that its text needs."""
MISFITS: Mapping[str, str] = {"reversed": "LML205", "turning": "LML206", "together": "LML207"}
DAYS_A_MONTH = 365.25 / 12


def codes_of(leads: Leads, criteria: Sequence[str]) -> Codes:
    """Codes of some criteria, unknown where the leads hold none; (n, k)."""
    return codes_of_leads(leads, criteria, ())


def weight_of(leads: Leads) -> Floats:
    """How many deals each row stands for."""
    return np.broadcast_to(1.0, len(leads)) if leads.weight is None else leads.weight


def n_of(leads: Leads, outcome: int | None = None) -> float:
    """How many deals there are, or ended so; no column of numbers is made of ten million deals."""
    if leads.weight is None:
        return float(len(leads) if outcome is None else np.count_nonzero(leads.outcome == outcome))
    return float(leads.weight.sum() if outcome is None else leads.weight @ (leads.outcome == outcome))


def learning_weight(leads: Leads) -> Floats:
    """The same; leads followed up at random stand for those that were not, by one over their chance.

    They add up to the effective number (Kish 1965): a lead that stands for ten is still one lead seen.
    """
    weight, stands_for = weight_of(leads), propensity_weights(leads)
    if stands_for is None:
        return weight
    return weight * stands_for * float(weight @ stands_for) / float(weight @ stands_for**2)


def won_of(leads: Leads) -> Floats:
    """1 won, 0 lost."""
    return np.asarray(leads.outcome == 1, dtype=np.float64)


def count_patterns(leads: Leads, criteria: Sequence[str]) -> PatternCounts:
    """Won and lost deals of each pattern of some criteria."""
    return PatternCounts.from_codes(codes_of(leads, criteria), won_of(leads), learning_weight(leads))


def by_pattern(leads: Leads, criteria: Sequence[str]) -> Leads:
    """Won and lost deals of each pattern of some criteria, as two leads that stand for them."""
    counts = count_patterns(leads, criteria)
    codes = np.asfortranarray(np.vstack([counts.codes, counts.codes]))
    outcome, weight = np.repeat(np.array([1, 0], np.int8), len(counts.codes)), np.concatenate([counts.won, counts.lost])
    return type(leads)(tuple(criteria), codes, outcome, weight=weight, mapping=leads.mapping)


def known_means(codes: Codes, n: Floats) -> Floats:
    """(k,) mean known level of each criterion; `n` deals a row."""
    known = codes != UNKNOWN
    return np.asarray((n @ np.where(known, codes, 0)) / np.maximum(n @ known, 1e-9))


def plain_design(codes: Codes, mean: Floats) -> Floats:
    """Levels with unknown at the mean, beside an indicator of each unknown."""
    unknown = codes == UNKNOWN
    return np.hstack([np.where(unknown, mean, codes), unknown]).astype(np.float64)


def span(leads: Leads) -> tuple[int, int] | None:
    """First and last known day: of closing, else of creation."""
    for column in (leads.closed, leads.created):
        if column is not None and (known := column[column != NO_DAY]).size:
            return int(known.min()), int(known.max())
    return None


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A framework as these deals can answer it.

    mapped : criteria of the framework that the deals hold, in its order.
    """

    framework: Framework
    mapped: tuple[str, ...]
    _latest: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        """Id of the framework."""
        return self.framework.id

    @property
    def missing(self) -> tuple[str, ...]:
        """Criteria of the framework that the deals do not hold."""
        return tuple(name for name in self.framework.criterion_ids if name not in self.mapped)

    @property
    def documented(self) -> Floats:
        """(k, 5) documented points of the mapped criteria: a level is a point."""
        return np.tile(np.arange(5.0), (len(self.mapped), 1))

    def learn(self, train: Leads, seed: int, free: bool = False) -> tuple[ScorecardFit, PatternCounts, Flags]:
        """Fit the scorecard on counts of patterns; the points of criteria that turn are `free` to fall, not `rising`.

        Contenders that share the monotone fit ask one after the other.
        """
        if free or self._latest.get("train") is not train:
            counts, rising = count_patterns(train, self.mapped), np.ones(len(self.mapped), dtype=bool)
            if free:
                found = find_misfits(counts, self.documented, self.mapped, random_state=seed)
                rising = ~np.isin(self.mapped, [each.criteria[0] for each in found if each.kind == "turning"])
            fit = fit_scorecard(counts, self.documented, monotone=rising, random_state=seed)
            self._latest.update(train=None if free else train, fit=(fit, counts, rising))
        return self._latest["fit"]  # type: ignore[no-any-return]

    def misfits(self, deals: Leads, met_level: int) -> list[Note]:
        """Criteria that run backwards, turn, or only work together, on all deals."""
        counts = count_patterns(deals, self.mapped)
        notes: list[Note] = []
        for found in find_misfits(counts, self.documented, self.mapped, met_level=met_level):
            values: dict[str, Any] = {"cost": found.cost, "where": found.criteria[0]}
            if found.kind == "together":
                rates = ", ".join(f"{rate:.0%} where {words}" for words, rate in (found.low, found.best, found.high))
                values |= {"columns": " and ".join(found.criteria), "detail": f"Deals are won by {rates}."}
            else:
                values |= {"column": found.criteria[0], "top_rate": found.high[1]}
                for end in ("low", "high", "best"):
                    values[f"{end}_level"], values[f"{end}_rate"] = getattr(found, end)
            notes.append((MISFITS[found.kind], values))
        return notes
