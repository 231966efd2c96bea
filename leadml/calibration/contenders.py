"""Contenders: everything that is compared. Each is a name and a function that learns from earlier deals; what that
returns predicts later ones. Leads come in time order where there is time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import special

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
from leadml.estimators.attributes import Bins, Column, offered
from leadml.estimators.probabilities import table_of_totals
from leadml.estimators.whole_points import WholePoints, whole_points
from leadml.estimators.wide_fit import WideDeals, WideFit, fit_wide
from leadml.levels import logistic
from leadml.result import Kind

if TYPE_CHECKING:
    import pandas as pd

    from leadml.card.record import Card, CardGate
    from leadml.data.deals import Leads
    from leadml.estimators.context import Form
    from leadml.frameworks.model import Gate

Totals = npt.NDArray[np.int32]
MORE = 1.9
"""How many times more deals there must be before a classifier is tuned again."""
MOST = 5_000
"""Deals at the most (the latest, in time) that a wide classifier is fitted to."""


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


class Fitted(Protocol):
    """Something learned that can predict."""

    def predict(self, leads: Leads) -> Said:
        """Say what it knows of each lead."""


@dataclasses.dataclass(frozen=True, eq=False)
class Contender:
    """What learns from closed deals; `framework` is the id of the one it belongs to.

    by_row : whether each deal is a row to it, so that it learns from those compared, where the others learn from
    counts of all.
    """

    id: str
    title: str
    fit: Callable[[Leads], Fitted]
    kind: Kind = "learned"
    framework: str | None = None
    by_row: bool = False


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Points:
    """Whole points by code, of each criterion, then of each attribute; whoever is known to lie below a gate fails."""

    criteria: tuple[str, ...]
    rows: Sequence[npt.NDArray[np.integer]]
    bins: tuple[Bins, ...] = ()
    gates: Sequence[Gate | CardGate] = ()

    @property
    def total_max(self) -> int:
        """The highest total."""
        return int(sum(row.max() for row in self.rows))

    def totals(self, leads: Leads) -> Totals:
        """(n,) points."""
        codes = [*codes_of(leads, self.criteria).T, *(each.codes(column_of(leads, each.name)) for each in self.bins)]
        totals = np.zeros(len(leads), dtype=np.int32)
        for row, own in zip(self.rows, codes, strict=True):
            totals += row.astype(np.int32)[own]
        return totals

    def failed(self, leads: Leads) -> Flags:
        """(n,) whether a gate disqualifies."""
        known = codes_of(leads, [gate.criterion for gate in self.gates])
        return np.asarray((known < [gate.below for gate in self.gates]).any(axis=1))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DocumentedRule(Points):
    """A documented rule as it stands."""

    id: str
    framework: str | None
    title: str
    card: Card

    @classmethod
    def of(cls, card: Card, title: str) -> DocumentedRule:
        """The rule that a card holds."""
        rows = [np.array([*each.points, each.unknown_points]) for each in card.criteria]
        criteria, of = tuple(each.id for each in card.criteria), card.framework
        return cls(criteria=criteria, rows=rows, gates=card.gates, id=card.name, framework=of, title=title, card=card)

    def fit(self, train: Leads) -> DocumentedRule:  # noqa: ARG002
        """Nothing is learned."""
        return self

    def predict(self, leads: Leads) -> Said:
        """Points given and the rule's own decision: it follows up from its cut-off, unless a gate fails."""
        score = np.where(self.failed(leads), -1.0, self.totals(leads))
        return Said(score, np.full(len(score), np.nan), (score >= self.card.cutoff).astype(np.float64))


@dataclasses.dataclass(frozen=True, eq=False)
class TotalTable:
    """Points, what was learned of P(won) at each total, and what the points were rounded from (None: documented)."""

    rule: Points
    probability: Floats
    low: Floats
    high: Floats
    shift: float = 0.0
    learned: WholePoints | WideFit | None = None

    def predict(self, leads: Leads) -> Said:
        """Points and P(won); a lead that fails a gate ranks below all others."""
        totals, failed = self.rule.totals(leads), self.rule.failed(leads)
        return Said(np.where(failed, -1.0, totals), self.probability[totals], refused=failed)


@dataclasses.dataclass(frozen=True, eq=False)
class LogOdds:
    """Log-odds of leads, and the shift of their intercept to that of now."""

    of: Callable[[Leads], Floats]
    shift: float

    def predict(self, leads: Leads) -> Said:
        """Log-odds and P(won)."""
        log_odds = self.of(leads) + self.shift
        return Said(log_odds, logistic(log_odds))


@dataclasses.dataclass(frozen=True, eq=False)
class FittedClassifier:
    """A scikit-learn classifier fitted to a frame of leads: levels, columns of the CRM, and the score of a rule."""

    model: Any
    kinds: dict[str, Any]  # of the columns that it was fitted to
    rule: Points | None = None

    def predict(self, leads: Leads) -> Said:
        """P(won), by which it ranks too."""
        from leadml.estimators.context import as_before

        frame = as_before(frame_with(leads, self.rule), self.kinds)
        p = np.asarray(self.model.predict_proba(frame)[:, list(self.model.classes_).index(1)], dtype=np.float64)
        return Said(p, p)


def frame_with(leads: Leads, rule: Points | None) -> pd.DataFrame:
    """Leads as a frame, with the documented score."""
    from leadml.estimators.context import frame_of

    frame = frame_of(leads)
    return frame if rule is None else frame.assign(**{"documented score": rule.totals(leads).astype(np.float64)})


def column_of(leads: Leads, name: str) -> Column:
    """A column as attributes are learned from; absent: all blank."""
    values = leads.context.get(name, leads.raw.get(name))
    if values is None:
        return Column(name, codes=np.full(len(leads), -1, np.int64))
    return Column.of_arrow(name, values, leads.created)


def logit(p: npt.ArrayLike) -> Floats:
    """Log-odds, kept finite."""
    return np.asarray(special.logit(np.clip(p, 1e-9, 1 - 1e-9)))


def learn_totals(
    rule: Points, train: Leads, timing: Timing, learned: WholePoints | WideFit | None = None, slope: float = 1.0
) -> TotalTable:
    """Count deals by total; isotonic where deals abound, else shrunk to the line."""
    at, weight, won = rule.totals(train), learning_weight(train), won_of(train)
    table = table_of_totals(at, weight * won, weight, rule.total_max, slope=slope)
    shift, variance = latest_shift(logit(table.probability)[at], train, timing)
    if variance:
        table = table_of_totals(at, weight * won, weight, rule.total_max, min_variance=variance, slope=slope)
    p, low, high = (logistic(logit(each) + shift) for each in (table.probability, table.low, table.high))
    return TotalTable(rule, p, low, high, shift, learned)


def learn_card(
    view: View, train: Leads, timing: Timing = None, *, points: int = 40, seed: int = 0, free: bool = False
) -> TotalTable:
    """Average the fits over their spreads, round to whole points; those of criteria that turn are `free` to fall."""
    fit, counts, rising = view.learn(train, seed, free)
    whole = whole_points(fit, counts.codes, counts.total, points, monotone=rising)
    rule = Points(criteria=view.mapped, rows=whole.rows, gates=view.framework.gates)
    return learn_totals(rule, train, timing, whole)


def learn_weights(view: View, train: Leads, timing: Timing = None, *, seed: int = 0) -> LogOdds:
    """The same as fitted, without rounding."""
    fit, _, _ = view.learn(train, seed)
    return _of_now(lambda leads: fit.log_odds(codes_of(leads, view.mapped)), train, timing)


def learn_prior(train: Leads, timing: Timing = None) -> LogOdds:
    """The share of won deals, half a deal of each kind added; of the latest deals where it moved."""
    weight = learning_weight(train)
    same = float(logit((weight @ won_of(train) + 0.5) / (weight.sum() + 1.0)))
    return _of_now(lambda leads: np.full(len(leads), same), train, timing)


def learn_plain(criteria: tuple[str, ...], train: Leads, timing: Timing = None) -> LogOdds:
    """Plain logistic regression (C = 1) on counts of patterns: the peer that is always there."""
    from sklearn.linear_model import LogisticRegression

    counts = count_patterns(train, criteria)
    mean = known_means(counts.codes, counts.total)
    design = plain_design(counts.codes, mean)
    both = np.repeat([1.0, 0.0], len(design))
    weight = np.concatenate([counts.won, counts.lost])
    model = LogisticRegression(C=1.0, max_iter=500).fit(np.vstack([design, design]), both, weight)
    return _of_now(lambda leads: model.decision_function(plain_design(codes_of(leads, criteria), mean)), train, timing)


def _of_now(of: Callable[[Leads], Floats], train: Leads, timing: Timing) -> LogOdds:
    return LogOdds(of, latest_shift(of(train), train, timing)[0])


def learn_wide(
    view: View | None, train: Leads, timing: Timing = None, *, columns: Sequence[str], attributes: int = 12,
    points: int = 40, as_score: bool = False,
) -> TotalTable:  # fmt: skip
    """Documented criteria (`as_score` keeps their proportions), and the columns of the CRM that tell more."""
    mapped, documented = ((), np.empty((0, 5))) if view is None else (view.mapped, view.documented)
    weight, codes = learning_weight(train), codes_of(train, mapped)
    there, _ = offered([column_of(train, name) for name in columns], len(train))
    deals = WideDeals(codes, documented, there, won_of(train), weight, train.unit)
    fit = fit_wide(deals, attributes=attributes, as_score=as_score)
    rows = whole_points(fit, fit.codes(codes, there), weight, points, at_most=True).rows
    bins = tuple(each.bins for each in fit.attributes)
    rule = Points(criteria=mapped, rows=rows, bins=bins, gates=() if view is None else view.framework.gates)
    return learn_totals(rule, train, timing, fit, fit.slope)


def learn_context(
    form: Form, rule: Points | None, seed: int, tuned: dict[str, Any], train: Leads, timing: Timing
) -> FittedClassifier:
    """Logistic regression or boosted trees on levels, the baseline's score and columns of the CRM.

    In time it is `tuned` anew when there are `MORE` times as many deals as when it was tuned last, since what
    earlier deals chose is still learned from the past; in folds it is tuned in each.
    """
    from leadml.estimators.context import fit_context

    if len(train) > MOST:
        late = np.arange(len(train) - MOST, len(train))
        rng = np.random.default_rng(seed)
        train = train.take(late if timing is not None else np.sort(rng.permutation(len(train))[:MOST]))
    n, tuned_at = len(train), tuned.get("n", 0)
    again = timing is not None and tuned_at <= n < MORE * tuned_at
    frame = frame_with(train, rule)
    chosen = tuned["chosen"] if again else None
    model, chosen = fit_context(form, frame, won_of(train), learning_weight(train), train.unit, seed, chosen)
    if not again:
        tuned.update(n=n, chosen=chosen)
    return FittedClassifier(model, dict(frame.dtypes), rule)


def learn_own(classifier: Any, train: Leads) -> FittedClassifier:
    """The user's own scikit-learn classifier. A pipeline gets the frame; anything else gets it as numbers."""
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline, make_pipeline

    from leadml.estimators.context import as_numbers

    model, frame = clone(classifier), frame_with(train, None)
    if not isinstance(model, Pipeline):
        model = make_pipeline(as_numbers(frame), model)
    weight = {} if train.weight is None else {f"{model.steps[-1][0]}__sample_weight": train.weight}
    return FittedClassifier(model.fit(frame, won_of(train).astype(int), **weight), dict(frame.dtypes))
