"""Deals as contenders see them: codes, weights and outcomes, and a framework as these deals can answer it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.levels import UNKNOWN, Codes

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.estimators.patterns import PatternCounts
    from leadml.estimators.scorecard_fit import ScorecardFit
    from leadml.frameworks.model import Framework, Policy

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Note = tuple[str, dict[str, Any]]
"""LML code, and the values that its text needs."""


def codes_of(leads: Leads, criteria: Sequence[str]) -> Codes:
    """Codes of some criteria, unknown where the leads hold none; (n, k)."""
    out = np.full((len(leads), len(criteria)), UNKNOWN, dtype=np.uint8, order="F")
    for at, name in enumerate(criteria):
        if name in leads.criteria:
            out[:, at] = leads.codes[:, leads.criteria.index(name)]
    return out


def weight_of(leads: Leads) -> Floats:
    """How many deals each row stands for."""
    return np.ones(len(leads)) if leads.weight is None else leads.weight


def learning_weight(leads: Leads) -> Floats:
    """The same; leads followed up at random stand for those that were not, by one over their chance.

    They add up to the effective number (Kish 1965): a lead that stands for ten is still one lead seen.
    """
    from leadml.data.selection import propensity_weights

    weight, stands_for = weight_of(leads), propensity_weights(leads)
    if stands_for is None:
        return weight
    return weight * stands_for * float(weight @ stands_for) / float(weight @ stands_for**2)


def won_of(leads: Leads) -> Floats:
    """1 won, 0 lost."""
    return np.asarray(leads.outcome == 1, dtype=np.float64)


def count_patterns(leads: Leads, criteria: Sequence[str]) -> PatternCounts:
    """Won and lost deals of each pattern of some criteria."""
    from leadml.estimators.patterns import PatternCounts

    return PatternCounts.from_codes(codes_of(leads, criteria), won_of(leads), learning_weight(leads))


def plain_design(codes: Codes, mean: Floats) -> Floats:
    """Levels with unknown at the mean, beside an indicator of each unknown."""
    unknown = codes == UNKNOWN
    return np.hstack([np.where(unknown, mean, codes), unknown]).astype(np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A framework as these deals can answer it.

    mapped : criteria of the framework that the deals hold, in its order.
    policies : its rules that are judged.
    """

    framework: Framework
    mapped: tuple[str, ...]
    policies: tuple[Policy, ...]
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

    def codes(self, leads: Leads) -> Codes:
        """Codes of the mapped criteria."""
        return codes_of(leads, self.mapped)

    def failed(self, leads: Leads) -> Flags:
        """Whether the framework's own gate disqualifies a lead."""
        failed = np.zeros(len(leads), dtype=bool)
        for gate in self.framework.gates:
            failed |= codes_of(leads, (gate.criterion,))[:, 0] < gate.below
        return failed

    def learn(self, train: Leads, random_state: int, rising: Flags | None = None) -> tuple[ScorecardFit, PatternCounts]:
        """Fit the scorecard on counts of patterns; contenders that share it ask one after the other."""
        from leadml.estimators.scorecard_fit import fit_scorecard

        if self._latest.get("train") is not train or rising is not None:
            counts = count_patterns(train, self.mapped)
            monotone = True if rising is None else rising
            fit = fit_scorecard(counts, self.documented, monotone=monotone, random_state=random_state)
            if rising is not None:
                return fit, counts
            self._latest.update(train=train, fit=(fit, counts))
        return self._latest["fit"]  # type: ignore[no-any-return]
