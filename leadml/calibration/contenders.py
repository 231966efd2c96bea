"""Contenders: everything that is compared. Each learns from earlier deals, then predicts later ones.

A contender is any object with `id`, `title`, `kind`, `framework`, `policy` and ``fit(train: Leads)``, which
gives an
object whose ``predict(leads: Leads)`` is a `Said`. Leads come in time order where there is time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from leadml.levels import UNKNOWN, logistic
from leadml.result import Kind

if TYPE_CHECKING:
    from leadml.card.record import Card
    from leadml.data.deals import Leads
    from leadml.estimators.patterns import PatternCounts
    from leadml.estimators.points import WholePoints
    from leadml.estimators.scorecard_fit import ScorecardFit
    from leadml.frameworks.model import Framework, Policy

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

Timing = int | None
"""Days that leads need to close (0: not known) where deals are in time order; None where they are not."""
DRIFTS = ((0.01, 0.8), (0.3, 0.1), (1.0, 0.1))
"""Standard deviations of the intercept's change over the later half of the deals, in log-odds; their prior chances."""
BIAS_SPREAD = 0.3
"""Prior standard deviation of the log-odds by which closed deals are off, since quick ones are too many."""
LEAST = 80
"""Deals from which on an intercept is looked at."""


@dataclasses.dataclass(frozen=True, eq=False)
class Said:
    """What was said of n leads.

    score: to rank by. probability: P(won) or NaN. decision: a rule's own, where it has one. refused: leads
    that a gate
    disqualifies, whatever their score.
    """

    score: Floats
    probability: Floats
    decision: Floats | None = None
    refused: npt.NDArray[np.bool_] | None = None


class Points(Protocol):
    """Whatever gives whole points to leads."""

    @property
    def total_max(self) -> int:
        """The highest total."""

    def totals(self, leads: Leads) -> npt.NDArray[np.int64]:
        """Points of each lead."""

    def failed(self, leads: Leads) -> npt.NDArray[np.bool_]:
        """Whether a gate disqualifies it."""


class Fitted(Protocol):
    """Something learned that can predict."""

    def predict(self, leads: Leads) -> Said:
        """Say what it knows of each lead."""


class Contender(Protocol):
    """Something that learns from closed deals; see the module."""

    @property
    def id(self) -> str:
        """Its name in the result."""

    @property
    def title(self) -> str:
        """What it is."""

    @property
    def kind(self) -> Kind:
        """What sort of contender it is."""

    @property
    def framework(self) -> str | None:
        """Id of the framework it belongs to."""

    @property
    def policy(self) -> str | None:
        """Id of the documented rule, where it is one."""

    def fit(self, train: Leads) -> Fitted:
        """Learn from closed deals."""


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
    def documented(self) -> Floats:
        """(k, 5) documented points of the mapped criteria: a level is a point."""
        return np.tile(np.arange(5.0), (len(self.mapped), 1))

    def codes(self, leads: Leads) -> Codes:
        """Codes of the mapped criteria."""
        return codes_of(leads, self.mapped)

    def learn(
        self, train: Leads, random_state: int, rising: npt.NDArray[np.bool_] | None = None
    ) -> tuple[ScorecardFit, PatternCounts]:
        """Fit the scorecard on counts of patterns; contenders that share it ask one after the other."""
        from leadml.estimators.patterns import PatternCounts
        from leadml.estimators.scorecard_fit import fit_scorecard

        if self._latest.get("train") is not train or rising is not None:
            counts = PatternCounts.from_codes(self.codes(train), won_of(train), learning_weight(train))
            monotone = True if rising is None else rising
            fit = fit_scorecard(counts, self.documented, monotone=monotone, random_state=random_state)
            if rising is not None:
                return fit, counts
            self._latest.update(train=train, fit=(fit, counts))
        return self._latest["fit"]  # type: ignore[no-any-return]


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
    """The same; leads followed up at random stand for those that were not, by one over their chance."""
    from leadml.data.selection import propensity_weights

    chance = propensity_weights(leads)
    return weight_of(leads) if chance is None else weight_of(leads) * chance


def won_of(leads: Leads) -> Floats:
    """1 won, 0 lost."""
    return np.asarray(leads.outcome == 1, dtype=np.float64)


def latest_shift(log_odds: Floats, leads: Leads, timing: Timing) -> tuple[float, float]:
    """Shift of the intercept to that of now, as far as the deals tell of one, and its variance.

    Among deals closed so far quick ones, often losses, are too many: they are weighted for that first (see
    `seen_chance`). Then the later half of those that had the time to close is looked at.
    """
    if timing is None or len(leads) < LEAST:
        return 0.0, 0.0
    weight, rows, shift = learning_weight(leads), np.arange(len(leads)), 0.0
    if timing and leads.created is not None and leads.closed is not None:
        shift = _offset(
            log_odds, won_of(leads), weight / seen_chance(leads.created, leads.closed), BIAS_SPREAD
        )
        last = max(int(leads.created.max()), int(leads.closed.max()))
        rows = np.flatnonzero(leads.created.astype(np.int64) <= last - timing)
        rows = rows[np.argsort(leads.created[rows], kind="stable")]
    half = rows[len(rows) // 2 :]
    if len(half) < LEAST / 2:
        return shift, 0.0
    time = np.linspace(-1.0, 0.0, len(half))
    if timing and leads.created is not None and leads.closed is not None:
        # now is later than the latest deals that had the time to close
        day = leads.created[half].astype(np.float64)
        time = (day - last) / max(day[-1] - day[0], 1.0)
    found, variance = _offset_now(log_odds[half] + shift, won_of(leads)[half], weight[half], time)
    return float(np.clip(shift + found, -6, 6)), variance


def seen_chance(created: npt.NDArray[np.int32], closed: npt.NDArray[np.int32]) -> Floats:
    """Chance that a deal which took as long as each of these has closed by now (right truncation), at least 0.2.

    Leads come in evenly from the first to the last creation; one that takes T days is seen closed if it came
    in at
    least T days ago. Lagakos, Barraj, De Gruttola (1988), Biometrika 75.
    """
    first, newest = float(created.min()), float(created.max())
    took = np.maximum(closed.astype(np.float64) - created, 0.0)
    return np.asarray(np.clip((float(closed.max()) - took - first) / max(newest - first, 1.0), 0.2, 1.0))


def _offset(eta: Floats, y: Floats, weight: Floats, spread: float = np.inf) -> float:
    """Offset that makes predictions hold on average; `spread`: its prior standard deviation, in log-odds."""
    w = weight * (weight.sum() / max(float(weight @ weight), 1e-9))  # adds up to the effective number
    shift, pull = 0.0, 1.0 / spread**2
    for _ in range(25):  # Newton: sum w (y - p) = offset / spread^2
        p = logistic(eta + shift)
        step = (float(w @ (y - p)) - shift * pull) / max(float(w @ (p * (1 - p))) + pull, 1e-9)
        shift += float(np.clip(step, -2, 2))
        if abs(step) < 1e-9:
            break
    return shift


def _offset_now(eta: Floats, y: Floats, weight: Floats, time: Floats) -> tuple[float, float]:
    """Offset at time 0 and its variance: an offset and a drift along times below 0, averaged over `DRIFTS`."""
    w = weight * (weight.sum() / max(float(weight @ weight), 1e-9))
    columns = np.stack([np.ones(len(eta)), time], axis=1)
    means, variances, evidence = [], [], []
    for sd, chance in DRIFTS:
        theta, pull = np.zeros(2), sd**-2
        for _ in range(25):
            p = logistic(eta + columns @ theta)
            hessian = (columns * (w * p * (1 - p))[:, None]).T @ columns + pull * np.eye(2)
            step = np.linalg.solve(hessian, columns.T @ (w * (y - p)) - pull * theta)
            theta += np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-9:
                break
        moved = eta + columns @ theta
        fit = w @ (y * moved - np.logaddexp(0.0, moved)) - 0.5 * pull * theta @ theta
        evidence.append(np.log(chance * pull) + fit - 0.5 * np.linalg.slogdet(hessian)[1])
        means.append(theta[0])
        variances.append(np.linalg.inv(hessian)[0, 0])
    share = np.exp(np.array(evidence) - max(evidence))
    share /= share.sum()
    mean = float(share @ means)
    return mean, float(share @ (np.array(variances) + (np.array(means) - mean) ** 2))


@dataclasses.dataclass(frozen=True, eq=False)
class DocumentedRule:
    """A documented rule as it stands; it learns nothing."""

    card: Card
    id: str
    title: str
    framework: str | None
    kind: Kind = "documented"
    _latest: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def policy(self) -> str:
        """Its own id."""
        return self.id

    def fit(self, train: Leads) -> DocumentedRule:  # noqa: ARG002
        """Nothing is learned."""
        return self

    @property
    def total_max(self) -> int:
        """The highest score."""
        return self.card.total_max

    def totals(self, leads: Leads) -> npt.NDArray[np.int64]:
        """Points given."""
        return self._score(leads)[0]

    def failed(self, leads: Leads) -> npt.NDArray[np.bool_]:
        """Whether a gate is failed."""
        return self._score(leads)[1]

    def _score(self, leads: Leads) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Points and gates, worked out once a pattern; those of the leads asked about last are kept."""
        from leadml.card.inputs import codes_of as codes_of_card

        if self._latest.get("leads") is not leads:
            scores = self.card.lookup.score(codes_of_card(self.card, leads))
            points = np.asarray(scores.answers.points, dtype=np.int64)[scores.index]
            failed = np.asarray(scores.answers.gate_failed)[scores.index]
            self._latest.update(leads=leads, score=(points, failed))
        return self._latest["score"]  # type: ignore[no-any-return]

    def predict(self, leads: Leads) -> Said:
        """Points given and the rule's own decision: it follows up from its cut-off, unless a gate fails."""
        points, failed = self.totals(leads), self.failed(leads)
        score = np.where(failed, -1.0, points)
        ready = (score >= self.card.cutoff).astype(np.float64)
        return Said(score, np.full(len(score), np.nan), ready)


@dataclasses.dataclass(frozen=True, eq=False)
class DocumentedCutoff:
    """A documented score with learned chances; its cut-off follows from the consequences."""

    rule: DocumentedRule
    id: str
    title: str
    timing: Timing = None
    kind: Kind = "learned"

    @property
    def framework(self) -> str | None:
        """The rule's framework."""
        return self.rule.framework

    @property
    def policy(self) -> str | None:
        """None: it is no rule of a document."""
        return None

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
    def learn(cls, rule: Points, train: Leads, timing: Timing) -> TotalTable:
        """Count deals by total; isotonic where deals abound, else shrunk to the line."""
        from leadml.estimators.probabilities import table_of_totals

        at, weight, size = rule.totals(train), learning_weight(train), rule.total_max + 1
        n = np.bincount(at, weight, minlength=size)
        won = np.bincount(at, weight * won_of(train), minlength=size)
        table = table_of_totals(np.arange(size), won, n)
        shift, variance = latest_shift(logit(table.probability)[at], train, timing)
        if variance:
            table = table_of_totals(np.arange(size), won, n, min_variance=variance)
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
    """Whole points of a learned card, as arrays: what `leadml.card.build.learned_card` is made from."""

    view: View
    points: npt.NDArray[np.int64]  # (k, 6)

    @property
    def total_max(self) -> int:
        """The highest total."""
        return int(self.points.max(axis=1).sum())

    def totals(self, leads: Leads) -> npt.NDArray[np.int64]:
        """Points of each lead."""
        codes = self.view.codes(leads)
        totals = np.zeros(len(leads), dtype=np.int64)
        for j in range(codes.shape[1]):
            totals += self.points[j][codes[:, j]]
        return totals

    def failed(self, leads: Leads) -> npt.NDArray[np.bool_]:
        """Whether the framework's own gate disqualifies a lead."""
        failed = np.zeros(len(leads), dtype=bool)
        for gate in self.view.framework.gates:
            failed |= codes_of(leads, (gate.criterion,))[:, 0] < gate.below
        return failed


@dataclasses.dataclass(frozen=True, eq=False)
class FittedCard:
    """A learned card of whole points, with the fit behind it."""

    fit: ScorecardFit
    whole: WholePoints
    table: TotalTable

    def predict(self, leads: Leads) -> Said:
        """Points and P(won)."""
        return self.table.predict(leads)


@dataclasses.dataclass(frozen=True, eq=False)
class FittedWeights:
    """The averaged monotone fit before rounding."""

    view: View
    fit: ScorecardFit
    shift: float

    def predict(self, leads: Leads) -> Said:
        """Log-odds and P(won)."""
        log_odds = self.fit.log_odds(self.view.codes(leads)) + self.shift
        return Said(log_odds, logistic(log_odds))


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedCard:
    """A framework's learned scorecard, as whole points or (whole=False) as fitted.

    free : the points of criteria that turn in the training set need not rise.
    """

    view: View
    id: str
    title: str
    whole: bool = True
    points: int = 40
    timing: Timing = None
    random_state: int = 0
    free: bool = False
    kind: Kind = "learned"
    policy: str | None = None

    @property
    def framework(self) -> str:
        """Id of the framework."""
        return self.view.id

    def fit(self, train: Leads) -> FittedCard | FittedWeights:
        """Average the monotone fits over their spreads; round to whole points; learn what each total
        means."""
        from leadml.estimators.points import whole_points

        rising: npt.NDArray[np.bool_] | None = None
        if self.free:
            from leadml.calibration.misfits import turning

            rising = ~turning(self.view, train, self.random_state)
        fit, counts = self.view.learn(train, self.random_state, rising)
        if not self.whole:
            log_odds = fit.log_odds(self.view.codes(train))
            return FittedWeights(self.view, fit, latest_shift(log_odds, train, self.timing)[0])
        monotone = True if rising is None else rising
        whole = whole_points(fit, counts, total=self.points, monotone=monotone)
        rule = PointsOf(self.view, np.asarray(whole.points, dtype=np.int64))
        return FittedCard(fit, whole, TotalTable.learn(rule, train, self.timing))
