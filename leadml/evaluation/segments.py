"""Gain of a card over a rule by segment (team, region, product), partially pooled (empirical Bayes)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leadml.evaluation.bootstrap import Z_ONE, Estimate, Z
from leadml.evaluation.log import Floats
from leadml.evaluation.metrics import HeldOut, rate_of_different
from leadml.result import Segment, SegmentVerdict

MIN_DIFFERENT = 10
"""Leads judged differently below which a segment's own deals say nothing."""
SPREADS = np.r_[0.0, np.geomspace(0.003, 0.5, 40)]
"""Standard deviations of the gain between segments (shares of their wins) that are averaged over."""
SPREAD_SCALE = 0.15
"""Half of the prior lies below it (half-Cauchy; Gelman 2006, Bayesian Analysis 1)."""


def segment_gains(
    held: HeldOut, rule: Floats, card: Floats, column: str, values: Sequence[str], smallest_gain: float
) -> tuple[Segment, ...]:
    """Gain for each of the (m,) values of a column, as a share of the wins there, shrunk towards that of all.

    rule, card: (m,) decisions at equal workload over all.
    """
    names, at = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    away = card - rule
    centre = rate_of_different(held, card, rule)
    each = held.weight * away * (held.y - centre)

    def add(column: Floats) -> Floats:
        return np.bincount(at, held.weight * column, minlength=len(names)).astype(np.float64)

    won = add(held.y)
    size, followed, different = add(np.ones(len(away))), add(rule), add(np.abs(away))
    raw = np.divide(np.bincount(at, each, minlength=len(names)), won, out=np.zeros(len(names)), where=won > 0)
    # spread by unit and segment; one win that nobody saw is always possible
    _, pair = np.unique(held.unit * len(names) + at, return_inverse=True)
    sums = np.bincount(pair, each)
    where = np.zeros(len(sums), np.int64)
    where[pair] = at
    error = np.sqrt(np.bincount(where, sums**2, minlength=len(names)) + 1.0) / np.maximum(won, 1.0)
    mean, spread = _pool(raw, error)
    return tuple(
        Segment(
            column=column,
            value=str(name),
            n=size[i],
            won=won[i],
            followed_up=followed[i],
            verdict=_verdict(mean[i], spread[i], different[i], smallest_gain),
            gain=Estimate(mean[i], mean[i] - Z * spread[i], mean[i] + Z * spread[i]).figure,
        )
        for i, name in enumerate(names)
    )


def _verdict(mean: float, spread: float, different: float, smallest_gain: float) -> SegmentVerdict:
    if different < MIN_DIFFERENT:
        return "too-few"
    if mean - Z_ONE * spread > 0:
        return "change"
    return "keep" if mean + Z_ONE * spread < smallest_gain else "undecided"


def _pool(raw: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and deviation of each segment's gain: normal model, spread between segments averaged.

    Averaging over the spread (not plugging in its best value, often 0) keeps the intervals honest.
    """
    prior = np.gradient(SPREADS) / (1.0 + (SPREADS / SPREAD_SCALE) ** 2)
    log_weight, means, squares = np.log(prior), [], []
    for i, spread in enumerate(SPREADS):
        precision = 1.0 / (error**2 + spread**2)
        centre = float(precision @ raw) / float(precision.sum())
        fit = np.log(precision).sum() - np.log(precision.sum()) - precision @ (raw - centre) ** 2
        log_weight[i] += 0.5 * fit
        keep = spread**2 * precision  # share of the segment's own deals
        means.append(keep * raw + (1 - keep) * centre)
        squares.append(keep * error**2 + (1 - keep) ** 2 / precision.sum() + means[-1] ** 2)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = weight @ np.array(means)
    return mean, np.sqrt(np.maximum(weight @ np.array(squares) - mean**2, 1e-18))
