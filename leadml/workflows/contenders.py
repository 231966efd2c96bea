"""Held-out scores, probabilities and decisions of every contender, all tuned inside the training part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.decisions.cutoff import Consequences, cutoff_at_capacity, cutoff_at_probability
from leadml.estimators.design import step_columns
from leadml.estimators.integer_points import count_by_total, find_integer_card, fit_lines
from leadml.estimators.monotone_fit import cross_validate_strengths, fit_scorecards, make_grid
from leadml.frameworks import Framework, Policy, documented_score, fails_gate
from leadml.leads.model import Leads
from leadml.leads.patterns import PatternTable, make_patterns
from leadml.leads.split import Split

Array = NDArray[Any]

SCORECARDS = ("integer", "steps", "weights")  # the first that competes answers for learned weights
INNER_FOLDS = 5
CONTEXT_FOLDS = 3  # on which a wide classifier is tuned
SMALL = 100_000  # deals below which a wide classifier is fitted on one thread

TITLES = {
    "cutoff": "documented score, learned cut-off",
    "weights": "learned weights",
    "steps": "learned weights and steps",
    "integer": "learned card of whole points",
    "context-logistic": "logistic regression on rule scores and context",
    "context-boosting": "boosted trees on rule scores and context",
    "prior": "base rate alone",
}


@dataclass
class Contender:
    """One way of judging leads, on all held-out deals.

    Attributes
    ----------
    id, title, kind, family : str
        As in result.json.
    framework : str or None
        Framework that it reads.
    score, decision : arrays of shape (n_held,)
        What it ranks by, and whether it would follow up (0 or 1).
    probability : array of shape (n_held,) or None
        P(won) as told; a documented policy tells none.
    rank : int
        Simplicity: lower is simpler.
    """

    id: str
    title: str
    kind: str
    family: str
    framework: str | None
    score: Array
    decision: Array
    probability: Array | None
    rank: int


@dataclass(frozen=True)
class Frame:
    """A framework's view of the closed deals.

    Attributes
    ----------
    framework : Framework
        The document.
    mapped : tuple of str
        Criteria that the deals hold.
    levels : array of shape (n, n_criteria)
        Levels in the framework's order, NaN where unknown or not mapped.
    table : PatternTable
        Counts by pattern and key.
    documented_points : array of shape (n_criteria, 5)
        0 to 4 points a criterion.
    gate_failed : bool array of shape (n_patterns,)
        Patterns that a gate disqualifies.
    """

    framework: Framework
    mapped: tuple[str, ...]
    levels: Array
    table: PatternTable
    documented_points: Array
    gate_failed: Array

    @property
    def total_max(self) -> int:
        """Documented total of the points form."""
        return int(self.documented_points[:, -1].sum())

    def documented_totals(self, policy: Policy, met_level: int) -> Array:
        """Documented score of each pattern.

        Parameters
        ----------
        policy : Policy
            A policy of this framework.
        met_level : int
            Level from which a criterion is met.

        Returns
        -------
        int array of shape (n_patterns,)
            Met criteria, or points.
        """
        codes = to_codes(self.table.levels)
        return documented_score(codes, policy, self.framework.criterion_ids, met_level).score.astype(int)


def to_codes(levels: Array) -> Array:
    """Level codes of float levels.

    Parameters
    ----------
    levels : array
        0 to 4, NaN = unknown.

    Returns
    -------
    uint8 array
        0 to 4, 5 = unknown.
    """
    return np.where(np.isnan(levels), 5, levels).astype(np.uint8)


def make_frame(framework: Framework, leads: Leads, key: Array, n_keys: int) -> Frame:
    """Look at closed deals through a framework.

    Parameters
    ----------
    framework : Framework
        The document.
    leads : Leads
        Closed deals only.
    key : int array of shape (n,)
        What each deal moves with.
    n_keys : int
        Number of keys.

    Returns
    -------
    Frame
        Levels and counts.
    """
    n = len(leads.lead_id)
    mapped = tuple(name for name in framework.criterion_ids if name in leads.levels.columns)
    levels = np.full((n, len(framework.criteria)), np.nan)
    for at, name in enumerate(framework.criterion_ids):
        if name in mapped:
            levels[:, at] = leads.levels[name].to_numpy(dtype=float)
    table = make_patterns(levels, np.asarray(leads.outcome, dtype=float), key, n_keys)
    failed = fails_gate(to_codes(table.levels), framework, framework.criterion_ids)
    points = np.tile(np.arange(5.0), (len(framework.criteria), 1))
    return Frame(framework, mapped, levels, table, points, failed)


@dataclass(frozen=True)
class Arena:
    """Held-out deals in one long row, fold after fold, and what trains for each fold.

    Attributes
    ----------
    rows : int array of shape (n_held,)
        Deal of each entry.
    fold : int array of shape (n_held,)
        Fold of each entry, through all repeats.
    training : array of shape (n_folds, n_keys)
        1 where a key trains for a fold.
    inner : int array of shape (n_keys,)
        Inner fold of each key.
    outcome : array of shape (n,)
        1 won, 0 lost, of every deal.
    key : int array of shape (n,)
        Key of every deal.
    """

    rows: Array
    fold: Array
    training: Array
    inner: Array
    outcome: Array
    key: Array

    def base_rates(self) -> Array:
        """Share of won deals in the training part of each fold."""
        n_keys = self.training.shape[1]
        won = self.training @ np.bincount(self.key, self.outcome, minlength=n_keys)
        size = self.training @ np.bincount(self.key, minlength=n_keys)
        return np.asarray(won / np.maximum(size, 1e-12))


def make_arena(split: Split, outcome: Array, random_state: int) -> Arena:
    """Lay the held-out deals out.

    Parameters
    ----------
    split : Split
        The folds.
    outcome : array of shape (n,)
        1 won, 0 lost.
    random_state : int
        Seed of the inner folds.

    Returns
    -------
    Arena
        Rows, folds and training parts.
    """
    held = split.held_out()
    rng = np.random.default_rng([random_state, 7])
    inner = np.empty(split.n_keys, dtype=np.int64)
    inner[rng.permutation(split.n_keys)] = np.arange(split.n_keys) % INNER_FOLDS
    return Arena(
        rows=np.concatenate([rows for _, rows in held]),
        fold=np.concatenate([np.full(len(rows), fold) for fold, rows in held]),
        training=split.training_keys(),
        inner=inner,
        outcome=outcome,
        key=split.key,
    )


def judge_by_policy(frame: Frame, policy: Policy, arena: Arena, met_level: int) -> Contender:
    """A documented rule as it stands.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    policy : Policy
        The rule.
    arena : Arena
        Held-out deals.
    met_level : int
        Level from which a criterion is met.

    Returns
    -------
    Contender
        Score and decision; no probability.
    """
    totals = frame.documented_totals(policy, met_level)
    decision = (totals >= policy.cutoff) & ~frame.gate_failed
    at = frame.table.of_deal[arena.rows]
    return Contender(
        policy.id,
        policy.title,
        "documented",
        "policy",
        frame.framework.id,
        np.where(frame.gate_failed, -1, totals)[at].astype(float),
        decision[at].astype(float),
        None,
        0,
    )


def learn_cutoff(
    frame: Frame,
    policy: Policy,
    arena: Arena,
    consequences: Consequences,
    met_level: int,
    floor: int = 0,
) -> Contender:
    """A documented score whose cut-off is learned from consequences in each training part.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    policy : Policy
        Gives the unit of the score.
    arena : Arena
        Held-out deals.
    consequences : Consequences
        What decides the cut-off.
    met_level : int
        Level from which a criterion is met.
    floor : int
        Lowest cut-off that can be judged.

    Returns
    -------
    Contender
        Score, probability and decision.
    """
    totals = frame.documented_totals(policy, met_level)
    won, total = frame.table.weigh(arena.training)
    line, _ = fit_lines(totals, won, total, policy.total_max)
    if consequences.share is not None:
        cutoff = cutoff_at_capacity(
            count_by_total(totals, won, total, policy.total_max)[1], consequences.share
        )
    else:
        threshold = consequences.threshold(arena.base_rates())
        cutoff = cutoff_at_probability(line[:, 0], line[:, 1], threshold, policy.total_max)
    at = frame.table.of_deal[arena.rows]
    score = np.where(frame.gate_failed, -1, totals)[at]
    probability = _sigmoid(line[arena.fold, 0] + line[arena.fold, 1] * totals[at])
    name = f"{frame.framework.id}-{policy.unit}-cutoff"
    title = f"{frame.framework.title}: documented {policy.unit}, learned cut-off"
    decision = (score >= np.maximum(cutoff, floor)[arena.fold]).astype(float)
    return Contender(
        name, title, "learned", "cutoff", frame.framework.id, score.astype(float), decision, probability, 1
    )


def learn_scorecards(
    frame: Frame, arena: Arena, consequences: Consequences, families: Sequence[str]
) -> list[Contender]:
    """Re-weighted, step-wise and whole-point cards, learned in each training part.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    arena : Arena
        Held-out deals.
    consequences : Consequences
        What decides the cut-off.
    families : sequence of {"weights", "steps", "integer"}
        Which to learn.

    Returns
    -------
    list of Contender
        One a family.
    """
    table = frame.table
    won, total = table.weigh(arena.training)
    inner = [table.weigh(arena.training * (arena.inner == f)) for f in range(INNER_FOLDS)]
    inner_won, inner_total = (np.stack(part, axis=1) for part in zip(*inner, strict=True))
    at = table.of_deal[arena.rows]
    columns = step_columns(table.levels)
    path = cross_validate_strengths(
        table.levels,
        inner_won,
        inner_total,
        documented_points=frame.documented_points,
        grid=make_grid(steps=families != ["weights"]),
    )
    out = []
    for family in families:
        chosen = (path.even() if family == "weights" else path).choose()
        shrink = np.array([strength.shrink for strength in chosen])
        smooth = np.array([strength.smooth for strength in chosen])
        full = fit_chosen(table.levels, won, total, frame.documented_points, shrink, smooth)
        if family == "integer":
            cards = [
                find_integer_card(
                    table.levels,
                    won[row],
                    total[row],
                    full[row],
                    documented_points=frame.documented_points,
                )
                for row in range(len(full))
            ]
            eta = np.stack([card.base + card.slope * card.totals(table.levels) for card in cards])
        else:
            eta = full @ columns.T
        by_pattern = _sigmoid(eta)
        threshold = thresholds(by_pattern, total, arena, consequences)
        probability = by_pattern[arena.fold, at]
        failed = frame.gate_failed[at]
        out.append(
            Contender(
                f"{frame.framework.id}-{family}",
                f"{frame.framework.title}: {TITLES[family]}",
                "learned",
                family,
                frame.framework.id,
                np.where(failed, -1.0, probability),
                (~failed & (probability >= threshold[arena.fold] - 1e-12)).astype(float),
                probability,
                {"weights": 2, "steps": 4, "integer": 3}[family],
            )
        )
    return out


def reweigh_freely(frame: Frame, arena: Arena) -> Array:
    """Rank held-out deals by criteria re-weighted in each training part without any shrinkage.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    arena : Arena
        Held-out deals.

    Returns
    -------
    array of shape (n_held,)
        P(won); -1 where a gate fails.
    """
    won, total = frame.table.weigh(arena.training)
    full = fit_scorecards(
        frame.table.levels,
        won,
        total,
        documented_points=frame.documented_points,
        shrink=0.0,
        smooth=np.inf,
    )
    by_pattern = _sigmoid(full @ step_columns(frame.table.levels).T)
    by_pattern = np.where(frame.gate_failed, -1.0, by_pattern)
    return np.asarray(by_pattern[arena.fold, frame.table.of_deal[arena.rows]])


def fit_chosen(
    levels: Array, won: Array, total: Array, documented_points: Array, shrink: Array, smooth: Array
) -> Array:
    """Fit each training part with its own strengths.

    Parameters
    ----------
    levels : array of shape (n_patterns, n_criteria)
        Levels of patterns.
    won, total : arrays of shape (n_sets, n_patterns)
        Weights.
    documented_points : array of shape (n_criteria, 5)
        Points as documented.
    shrink, smooth : arrays of shape (n_sets,)
        Strengths a deal.

    Returns
    -------
    array of shape (n_sets, n_full)
        Full coefficients.
    """
    out = np.empty((len(won), 1 + 5 * levels.shape[1]))
    for pair in sorted(set(zip(shrink.tolist(), smooth.tolist(), strict=True))):
        rows = (shrink == pair[0]) & (smooth == pair[1])
        out[rows] = fit_scorecards(
            levels,
            won[rows],
            total[rows],
            documented_points=documented_points,
            shrink=pair[0],
            smooth=pair[1],
            per_deal=True,
        )
    return out


def thresholds(probability: Array, weight: Array, arena: Arena, consequences: Consequences) -> Array:
    """Probability from which each training part's model would follow up.

    Parameters
    ----------
    probability : array of shape (n_folds, n_patterns)
        P(won) of patterns, or of training deals.
    weight : array of shape (n_folds, n_patterns)
        Training deals of each pattern.
    arena : Arena
        Gives the base rates.
    consequences : Consequences
        What decides.

    Returns
    -------
    array of shape (n_folds,)
        Thresholds.
    """
    if consequences.share is None:
        return consequences.threshold(arena.base_rates())
    return np.array(
        [threshold_at_share(p, w, consequences.share) for p, w in zip(probability, weight, strict=True)]
    )


def threshold_at_share(probability: Array, weight: Array, share: float) -> float:
    """Lowest probability from which at most a share of leads is followed up.

    Parameters
    ----------
    probability : array of shape (n_patterns,)
        P(won) of patterns, or of deals.
    weight : array of shape (n_patterns,)
        Deals of each pattern.
    share : float
        Share of leads, 0 to 1.

    Returns
    -------
    float
        Threshold; inf where even the highest probability is too common.
    """
    values, at = np.unique(probability, return_inverse=True)
    above = np.cumsum(np.bincount(at, weight)[::-1])[::-1]
    fits = above <= share * weight.sum() + 1e-9
    return float(values[np.argmax(fits)]) if fits.any() else np.inf


def learn_context(
    kind: str, table: Any, monotone: Iterable[str], arena: Arena, consequences: Consequences
) -> Contender:
    """A wide classifier, fitted in each training part.

    Parameters
    ----------
    kind : {"context-logistic", "context-boosting"}
        Which classifier.
    table : DataFrame of shape (n, n_columns)
        Rule scores, levels and context columns of every closed deal.
    monotone : iterable of str
        Columns that may only raise the prediction.
    arena : Arena
        Held-out deals.
    consequences : Consequences
        What decides the cut-off.

    Returns
    -------
    Contender
        Score, probability and decision.
    """
    from threadpoolctl import threadpool_limits

    from leadml.estimators.context import ContextClassifier

    base_rates = arena.base_rates()
    probability, decision = np.empty(len(arena.rows)), np.empty(len(arena.rows))
    # small trees: threads inside a fit wait for each other longer than they work
    with threadpool_limits(1 if len(table) < SMALL else None):
        for fold in range(len(arena.training)):
            train = np.flatnonzero(arena.training[fold][arena.key] > 0)
            at = arena.fold == fold
            model = ContextClassifier(kind.removeprefix("context-"), tuple(monotone))  # type: ignore[arg-type]
            model.fit(
                table.iloc[train], arena.outcome[train], fold=arena.inner[arena.key][train] % CONTEXT_FOLDS
            )
            probability[at] = model.predict_proba(table.iloc[arena.rows[at]])[:, 1]
            if consequences.share is None:
                threshold = float(consequences.threshold(base_rates)[fold])
            else:
                seen = model.predict_proba(table.iloc[train])[:, 1]
                threshold = float(np.quantile(seen, 1 - consequences.share))
            decision[at] = probability[at] >= threshold - 1e-12
    return Contender(
        kind,
        TITLES[kind],
        "context",
        kind,
        None,
        probability,
        decision,
        probability,
        5 if kind == "context-logistic" else 6,
    )


def judge_by_prior(arena: Arena, consequences: Consequences) -> Contender:
    """The training part's base rate for every lead.

    Parameters
    ----------
    arena : Arena
        Held-out deals.
    consequences : Consequences
        What decides whether to follow up everyone or no one.

    Returns
    -------
    Contender
        A constant within each fold.
    """
    rates = arena.base_rates()
    probability = rates[arena.fold]
    follow = rates >= consequences.threshold(rates) - 1e-12
    if consequences.share is not None:
        follow = np.zeros(len(rates), dtype=bool)
    return Contender(
        "prior",
        TITLES["prior"],
        "prior",
        "prior",
        None,
        np.zeros(len(arena.rows)),
        follow[arena.fold].astype(float),
        probability,
        -1,
    )


def _sigmoid(eta: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(eta, -500, 500))))
