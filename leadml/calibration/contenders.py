"""Contenders: everything that is compared. Each learns from earlier deals, then predicts later ones.

Leads come in time order where there is time. Those that read further columns are in `classifiers`.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from leadml.calibration.drift import Timing, latest_shift
from leadml.calibration.views import (
    Flags,
    Floats,
    View,
    codes_of,
    count_patterns,
    known_means,
    learning_weight,
    plain_design,
    won_of,
)
from leadml.levels import logistic
from leadml.result import Kind

if TYPE_CHECKING:
    from leadml.card.record import Card
    from leadml.data.deals import Leads
    from leadml.estimators.points import WholePoints

Totals = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Said:
    """What was said of n leads.

    score: to rank by. probability: P(won) or NaN. decision: a rule's own, where it has one. refused: leads
    that a gate disqualifies, whatever their score.
    """

    score: Floats
    probability: Floats
    decision: Floats | None = None
    refused: Flags | None = None


class Points(Protocol):
    """Whatever gives whole points to leads."""

    @property
    def total_max(self) -> int:
        """The highest total."""

    def totals(self, leads: Leads) -> Totals:
        """Points of each lead."""

    def failed(self, leads: Leads) -> Flags:
        """Whether a gate disqualifies it."""


class Fitted(Protocol):
    """Something learned that can predict."""

    def predict(self, leads: Leads) -> Said:
        """Say what it knows of each lead."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Contender(abc.ABC):
    """Something that learns from closed deals; `framework` is the id of the one it belongs to."""

    id: str
    title: str = ""
    kind: Kind = "learned"
    framework: str | None = None
    timing: Timing = None

    @abc.abstractmethod
    def fit(self, train: Leads) -> Fitted:
        """Learn from closed deals."""


@dataclasses.dataclass(frozen=True, eq=False)
class DocumentedRule(Contender):
    """A documented rule as it stands; it learns nothing."""

    card: Card
    kind: Kind = dataclasses.field(default="documented", kw_only=True)
    _latest: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def fit(self, train: Leads) -> DocumentedRule:  # noqa: ARG002
        """Nothing is learned."""
        return self

    @property
    def total_max(self) -> int:
        """The highest score."""
        return self.card.total_max

    def totals(self, leads: Leads) -> Totals:
        """Points given."""
        return self._score(leads)[0]

    def failed(self, leads: Leads) -> Flags:
        """Whether a gate is failed."""
        return self._score(leads)[1]

    def _score(self, leads: Leads) -> tuple[Totals, Flags]:
        """Points and gates, worked out once a pattern; those of the leads asked about last are kept."""
        if self._latest.get("leads") is not leads:
            scores = self.card.score(leads)
            points = np.asarray(scores.answers.points, dtype=np.int64)[scores.index]
            failed = np.asarray(scores.answers.gate_failed)[scores.index]
            self._latest.update(leads=leads, score=(points, failed))
        return self._latest["score"]  # type: ignore[no-any-return]

    def predict(self, leads: Leads) -> Said:
        """Points given and the rule's own decision: it follows up from its cut-off, unless a gate fails."""
        points, failed = self._score(leads)
        score = np.where(failed, -1.0, points)
        return Said(score, np.full(len(score), np.nan), (score >= self.card.cutoff).astype(np.float64))


@dataclasses.dataclass(frozen=True, eq=False)
class DocumentedCutoff(Contender):
    """A documented score with learned chances; its cut-off follows from the consequences."""

    rule: DocumentedRule

    def fit(self, train: Leads) -> TotalTable:
        """Learn what each total means."""
        return TotalTable.learn(self.rule, train, self.timing)


@dataclasses.dataclass(frozen=True, eq=False)
class TotalTable:
    """Points, and what was learned of P(won) at each total."""

    rule: Points
    probability: Floats
    low: Floats
    high: Floats
    shift: float = 0.0

    @classmethod
    def learn(cls, rule: Points, train: Leads, timing: Timing, slope: float = 1.0) -> TotalTable:
        """Count deals by total; isotonic where deals abound, else shrunk to the line."""
        from leadml.estimators.probabilities import table_of_totals

        at, weight, size = rule.totals(train), learning_weight(train), rule.total_max + 1
        n = np.bincount(at, weight, minlength=size)
        won = np.bincount(at, weight * won_of(train), minlength=size)
        table = table_of_totals(np.arange(size), won, n, slope=slope)
        shift, variance = latest_shift(logit(table.probability)[at], train, timing)
        if variance:
            table = table_of_totals(np.arange(size), won, n, min_variance=variance, slope=slope)
        p, low, high = (logistic(logit(each) + shift) for each in (table.probability, table.low, table.high))
        return cls(rule, p, low, high, shift)

    def predict(self, leads: Leads) -> Said:
        """Points and P(won); a lead that fails a gate ranks below all others."""
        totals, failed = self.rule.totals(leads), self.rule.failed(leads)
        return Said(np.where(failed, -1.0, totals), self.probability[totals], refused=failed)


def logit(p: npt.ArrayLike) -> Floats:
    """Log-odds, kept finite."""
    p = np.clip(np.asarray(p, dtype=np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


@dataclasses.dataclass(frozen=True, eq=False)
class PointsOf:
    """Whole points of a learned card."""

    view: View
    whole: WholePoints

    @property
    def total_max(self) -> int:
        """The highest total."""
        return int(self.whole.points.max(axis=1).sum())

    def totals(self, leads: Leads) -> Totals:
        """Points of each lead."""
        return self.whole.totals(self.view.codes(leads))

    def failed(self, leads: Leads) -> Flags:
        """Whether the framework's own gate disqualifies a lead."""
        return self.view.failed(leads)


@dataclasses.dataclass(frozen=True, eq=False)
class LogOdds:
    """Log-odds, of leads, and the shift of their intercept to that of now."""

    of: Callable[[Leads], Floats]
    shift: float

    @classmethod
    def learn(cls, of: Callable[[Leads], Floats], train: Leads, timing: Timing) -> LogOdds:
        """Find the shift that the training set tells."""
        return cls(of, latest_shift(of(train), train, timing)[0])

    def predict(self, leads: Leads) -> Said:
        """Log-odds and P(won)."""
        log_odds = self.of(leads) + self.shift
        return Said(log_odds, logistic(log_odds))


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedCard(Contender):
    """A framework's learned scorecard, as whole points or (whole=False) as fitted.

    free : the points of criteria that turn in the training set need not rise.
    """

    view: View
    whole: bool = True
    points: int = 40
    random_state: int = 0
    free: bool = False

    def fit(self, train: Leads) -> TotalTable | LogOdds:
        """Average the monotone fits over their spreads; round to whole points; learn what each total means."""
        from leadml.estimators.points import whole_points

        rising = ~self.view.turning(train, self.random_state) if self.free else True
        fit, counts = self.view.learn(train, self.random_state, rising)
        if not self.whole:
            return LogOdds.learn(lambda leads: fit.log_odds(self.view.codes(leads)), train, self.timing)
        whole = whole_points(fit, counts, total=self.points, monotone=rising)
        return TotalTable.learn(PointsOf(self.view, whole), train, self.timing)


@dataclasses.dataclass(frozen=True, eq=False)
class Prior(Contender):
    """Base rate alone; of the latest deals where it moved."""

    def fit(self, train: Leads) -> LogOdds:
        """The share of won deals, half a deal of each kind added."""
        weight, won = learning_weight(train), won_of(train)
        same = float(logit((weight @ won + 0.5) / (weight.sum() + 1.0)))
        return LogOdds.learn(lambda leads: np.full(len(leads), same), train, self.timing)


@dataclasses.dataclass(frozen=True, eq=False)
class Plain(Contender):
    """Plain logistic regression (C = 1) on the mapped criteria: the peer that is always there."""

    criteria: tuple[str, ...]

    def fit(self, train: Leads) -> LogOdds:
        """Fit on counts of patterns."""
        from sklearn.linear_model import LogisticRegression

        counts = count_patterns(train, self.criteria)
        mean = known_means(counts.codes, counts.total)
        design = plain_design(counts.codes, mean)
        model = LogisticRegression(C=1.0, max_iter=500)
        both = np.concatenate([np.ones(len(design)), np.zeros(len(design))])
        model.fit(np.vstack([design, design]), both, sample_weight=np.concatenate([counts.won, counts.lost]))

        def log_odds(leads: Leads) -> Floats:
            return np.asarray(model.decision_function(plain_design(codes_of(leads, self.criteria), mean)))

        return LogOdds.learn(log_odds, train, self.timing)
