"""Contenders: what learns from earlier deals, in time order where there is time, and predicts later ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import special

from leadml.calibration.deals import count_by, count_patterns, learning_weight, plain_design, won_of
from leadml.calibration.drift import Timing, latest_shift
from leadml.card.build import LearnedPoints, learned_card
from leadml.card.codes import codes_of, codes_of_leads
from leadml.card.record import Card
from leadml.estimators.attributes import Column, offered
from leadml.estimators.misfit import find_misfits
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import CardFit, fit_scorecard
from leadml.estimators.solver import fit_logistic
from leadml.estimators.whole_points import whole_points
from leadml.estimators.wide import card_attributes
from leadml.estimators.wide_fit import WideDeals, fit_wide
from leadml.evaluation.log import Entries
from leadml.evaluation.rates import table_of_totals
from leadml.levels import N_CODES, Flags, Floats, Ints32, logistic
from leadml.result import Kind, LearnedCutoff

if TYPE_CHECKING:
    import pandas as pd

    from leadml.data.deals import Leads
    from leadml.estimators.context import Form
    from leadml.frameworks.model import Framework

MORE = 1.9
"""How many times more deals there must be before a classifier is tuned again."""
MOST = 5_000
"""Deals at the most (the latest, in time) that a wide classifier is fitted to."""


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A framework, and its criteria that these deals hold, in its order."""

    framework: Framework
    mapped: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Criteria of the framework that the deals do not hold."""
        return tuple(name for name in self.framework.criterion_ids if name not in self.mapped)


class Fitted(Protocol):
    """Something learned that can predict."""

    def predict(self, leads: Leads) -> Entries:
        """What it says of each lead; decided is what it decides by itself, NaN is left to the consequences."""


Learn = Callable[["Leads", Timing], Fitted]


@dataclasses.dataclass(frozen=True, eq=False)
class Contender:
    """What learns from closed deals; `framework` is the id of the one it belongs to.

    by_row : whether each deal is a row to it, so that it learns from those compared, where the others learn from
    counts of all.
    """

    id: str
    title: str
    fit: Learn
    kind: Kind = "learned"
    framework: str | None = None
    by_row: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class FittedCard:
    """A documented rule (with a title) as it stands, or what was learned as a card.

    lost : log loss a deal that whole points give up against what they were rounded from, of a framework's learned card.
    cutoff : that of a learned card to be used, with its interval.
    """

    card: Card
    title: str = ""
    lost: float | None = None
    cutoff: LearnedCutoff | None = None

    def totals(self, leads: Leads) -> Ints32:
        """(n,) points."""
        return self.card.lookup.totals(codes_of(self.card, leads))

    def predict(self, leads: Leads) -> Entries:
        """Points, P(won) of a learned card, a rule's own decision; a lead that fails a gate ranks below all others."""
        table, codes = self.card.lookup, codes_of(self.card, leads)
        totals, failed = table.totals(codes), table.failed(codes)
        score, is_rule = np.where(failed, -1.0, totals), self.card.kind == "documented"
        decision = (score >= self.card.cutoff).astype(np.float64) if is_rule else np.where(failed, 0.0, np.nan)
        return Entries(score, table.probabilities[totals], decision)


@dataclasses.dataclass(frozen=True, eq=False)
class LogOdds:
    """Log-odds of criteria."""

    fit: CardFit
    criteria: tuple[str, ...] = ()

    def predict(self, leads: Leads) -> Entries:
        """Log-odds and P(won)."""
        log_odds = self.fit.log_odds(codes_of_leads(leads, self.criteria))
        return Entries(log_odds, logistic(log_odds), np.full(len(leads), np.nan))


@dataclasses.dataclass(frozen=True, eq=False)
class FittedClassifier:
    """A scikit-learn classifier fitted to a frame of leads: levels, columns of the CRM, and the score of a rule."""

    model: Any
    kinds: dict[str, Any]  # of the columns that it was fitted to
    rule: FittedCard | None = None

    def predict(self, leads: Leads) -> Entries:
        """P(won), by which it ranks too."""
        from leadml.estimators.context import as_before

        frame = as_before(frame_with(leads, self.rule), self.kinds)
        p = np.asarray(self.model.predict_proba(frame)[:, list(self.model.classes_).index(1)], dtype=np.float64)
        return Entries(p, p, np.full(len(p), np.nan))


def frame_with(leads: Leads, rule: FittedCard | None) -> pd.DataFrame:
    """Leads as a frame, with the documented score."""
    from leadml.estimators.context import frame_of

    frame = frame_of(leads)
    return frame if rule is None else frame.assign(**{"documented score": rule.totals(leads).astype(np.float64)})


def logit(p: npt.ArrayLike) -> Floats:
    """Log-odds, kept finite."""
    return np.asarray(special.logit(np.clip(p, 1e-9, 1 - 1e-9)))


# ---------------------------------------------------------------- cards


def keep(rule: FittedCard, train: Leads, timing: Timing) -> FittedCard:  # noqa: ARG001
    """Nothing is learned of a documented rule."""
    return rule


def find_chances(
    train: Leads, at: npt.NDArray[np.integer], total_max: int, timing: Timing, slope: float = 1.0
) -> tuple[tuple[Floats, Floats, Floats], float]:
    """P(won) with its interval by total (`at`), isotonic where deals abound, else near a line; the shift in it."""
    (won, n), totals = count_by(train, at, total_max), np.arange(total_max + 1)
    table = table_of_totals(totals, won, n, total_max, slope=slope)
    shift, variance = latest_shift(logit(table.probability)[at], train, timing)
    if variance:
        table = table_of_totals(totals, won, n, total_max, min_variance=variance, slope=slope)
    p, low, high = (logistic(logit(each) + shift) for each in (table.probability, table.low, table.high))
    return (p, low, high), shift


def learn_cutoff(rule: FittedCard, view: View, train: Leads, timing: Timing = None) -> FittedCard:
    """The points that a document gives, with chances."""
    points = np.array(rule.card.lookup.points)
    chances, _ = find_chances(train, rule.totals(train), rule.card.total_max, timing)
    learned = LearnedPoints([c.id for c in rule.card.criteria], points, points[:, :5], *chances)
    return FittedCard(learned_card("learned", view.framework, learned))


def scorecard_learners(view: View, seed: int, points: int = 40, *, free: bool = False) -> tuple[Learn, Learn]:
    """What learns a framework's card (averaged over spreads, in whole points), and the same without rounding.

    The points of criteria that turn are `free` to fall.
    """

    @lru_cache(1)  # shared by both
    def fit(train: Leads) -> tuple[CardFit, PatternCounts, Flags]:
        counts, rising = count_patterns(train, view.mapped), np.ones(len(view.mapped), dtype=bool)
        if free:
            found = find_misfits(counts, view.mapped, random_state=seed)
            rising = ~np.isin(view.mapped, [each.criteria[0] for each in found if each.kind == "turning"])
        return fit_scorecard(counts, monotone=rising, random_state=seed), counts, rising

    def learn_card(train: Leads, timing: Timing = None) -> FittedCard:
        real, counts, rising = fit(train)
        whole = whole_points(real, counts.codes, counts.total, points, monotone=rising)
        at = whole.totals(codes_of_leads(train, view.mapped))
        chances, shift = find_chances(train, at, whole.total_max, timing)
        rows, base = np.array(whole.rows), whole.base + shift
        learned = LearnedPoints(view.mapped, rows, None, *chances, base=base, slope=whole.slope)
        return FittedCard(learned_card("learned", view.framework, learned), lost=whole.loss_against_real)

    return learn_card, lambda train, timing: learn_log_odds(view.mapped, fit(train)[0], train, timing)


def learn_wide(
    view: View | None, train: Leads, timing: Timing = None, *, columns: Sequence[str], attributes: int = 12,
    points: int = 40, as_score: bool = False,
) -> Fitted:  # fmt: skip
    """Documented criteria (`as_score` keeps their proportions), and the columns of the CRM that tell more."""
    framework, criteria = (None, ()) if view is None else (view.framework, view.mapped)
    weight, codes, k = learning_weight(train), codes_of_leads(train, criteria), len(criteria)
    cells, blank = {**train.raw, **train.context}, np.full(len(train), np.nan)  # absent: all blank
    there, _ = offered(
        [
            Column.of_arrow(name, cells[name], train.created) if name in cells else Column(name, blank, ())
            for name in columns
        ],
        len(train),
    )
    fit = fit_wide(WideDeals(codes, there, won_of(train), weight, train.unit), attributes=attributes, as_score=as_score)
    codes = fit.codes(codes, there)
    if not codes.shape[1]:  # no criterion, and no column that tells anything
        return learn_prior(train, timing)
    whole = whole_points(fit, codes, weight, points, at_most=True)
    chances, _ = find_chances(train, whole.totals(codes), whole.total_max, timing, fit.slope)
    told, rows = card_attributes(fit.attributes, whole.rows[k:]), np.array(whole.rows[:k]).reshape(k, 6)
    learned = LearnedPoints(criteria, rows, None, *chances, attributes=told)
    return FittedCard(learned_card("learned", framework, learned))


# ---------------------------------------------------------------- what is no card


def learn_log_odds(criteria: Sequence[str], fit: CardFit, train: Leads, timing: Timing) -> LogOdds:
    """Log-odds with the intercept of the latest deals where it moved."""
    found = LogOdds(fit, tuple(criteria))
    shift, _ = latest_shift(found.predict(train).score, train, timing)
    return LogOdds(CardFit(fit.intercept + shift, fit.values), found.criteria)


def learn_prior(train: Leads, timing: Timing) -> LogOdds:
    """The share of won deals, half a deal of each kind added."""
    weight = learning_weight(train)
    share = (weight @ won_of(train) + 0.5) / (weight.sum() + 1.0)
    return learn_log_odds((), CardFit(float(logit(share)), np.zeros((0, N_CODES))), train, timing)


def learn_plain(criteria: Sequence[str], train: Leads, timing: Timing = None) -> LogOdds:
    """Plain logistic regression (C = 1) on counts of patterns: the peer that is always there."""
    counts, k = count_patterns(train, criteria), len(criteria)
    columns, pull = plain_design(counts.codes, counts.codes, counts.total), np.repeat([0.0, 1.0], [1, 2 * k])
    fit = fit_logistic(
        np.insert(columns, 0, 1.0, axis=1), counts.won[None], counts.total[None], np.diag(pull)[None], tolerance=1e-7
    )
    intercept, *slopes = fit.theta[0]
    # of each code of each criterion, so that a million deals are looked up
    each = plain_design(np.tile(np.arange(N_CODES, dtype=np.uint8)[:, None], k), counts.codes, counts.total) * slopes
    return learn_log_odds(criteria, CardFit(intercept, (each[:, :k] + each[:, k:]).T), train, timing)


def learn_context(
    form: Form, rule: FittedCard | None, seed: int, tuned: dict[str, Any], train: Leads, timing: Timing
) -> FittedClassifier:
    """Logistic regression or boosted trees on levels, the baseline's score and columns of the CRM.

    In time it is `tuned` anew at `MORE` times as many deals: what earlier deals chose is learned from the past too.
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


def learn_own(classifier: Any, train: Leads, timing: Timing) -> FittedClassifier:  # noqa: ARG001
    """The user's own scikit-learn classifier. A pipeline gets the frame; anything else gets it as numbers."""
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline, make_pipeline

    from leadml.estimators.context import as_numbers

    model, frame = clone(classifier), frame_with(train, None)
    if not isinstance(model, Pipeline):
        model = make_pipeline(as_numbers(frame), model)
    weight = {} if train.weight is None else {f"{model.steps[-1][0]}__sample_weight": train.weight}
    return FittedClassifier(model.fit(frame, won_of(train).astype(int), **weight), dict(frame.dtypes))
