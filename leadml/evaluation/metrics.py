"""Held-out figures of a contender: ranking (AUC, wins captured), probability (log loss, Brier, calibration slope and
intercept) and decision (precision, recall, net value), weighted, ties shared, each with influence values.

Deals are ranked against deals of their own block only, since one model judged them. Every figure is a `Statistic`:
`.figure` has its 95% interval by unit, and `a - b` is the paired difference of two contenders. (scikit-learn's have
neither blocks nor influence values; the tests compare the figures themselves.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.evaluation.bootstrap import Statistic, Z, around
from leadml.evaluation.log import Entries, Log
from leadml.levels import Floats, Ints, logistic
from leadml.result import Figure

NEWTON_STEPS = 30
SURE = 1e-9
"""Predicted probabilities are kept this far from 0 and 1."""
NO_ANSWER = Statistic(np.nan, np.zeros(1))
"""A figure on which the deals hold no answer."""
Measures = dict[str, Statistic]
"""Figures of one contender that the deals hold an answer on, named as in the result."""


class HeldOut:
    """The held-out rows of a log as figures need them: outcome, weights, blocks and units numbered from 0."""

    def __init__(self, log: Log) -> None:
        self.y = log.outcome.astype(np.float64)
        self.n_repeats = int(log.repeat.max(initial=0)) + 1  # how often a deal appears: 1 in rolling blocks
        self.weight = log.weight / self.n_repeats
        if log.propensity is not None:  # where a chance is known it counts if followed up (Horvitz-Thompson)
            known = np.isfinite(log.propensity) & (log.propensity > 0)
            worked = np.ones(len(log)) if log.followed_up is None else log.followed_up
            self.weight = self.weight * np.divide(worked, log.propensity, out=np.ones(len(log)), where=known)
        self.block, self.unit = (np.unique(each, return_inverse=True)[1] for each in (log.block, log.unit))
        self.n_units = int(self.unit.max(initial=-1)) + 1
        self.n_won = float(self.weight @ self.y)

    def in_block(self, mass: Floats) -> Floats:
        """(m,) sum over each row's block."""
        return np.bincount(self.block, mass).astype(np.float64)[self.block]

    def by_unit(self, influence: Floats) -> Floats:
        """Add up row influences by unit."""
        return np.asarray(np.bincount(self.unit, influence, minlength=self.n_units), np.float64)

    def ratio(self, top: Floats, bottom: Floats | float = 1.0, whole: float | None = None) -> Statistic:
        """Weighted sum of `top` by weighted sum of `bottom`, of which it may be a part."""
        weighted = self.weight * np.broadcast_to(bottom, self.y.shape)
        size = float(weighted.sum())
        if size <= 0:
            return NO_ANSWER
        value = float(self.weight @ top) / size
        influence = self.by_unit((self.weight * top - value * weighted) / size)
        return Statistic(value, influence, whole)


def standing(score: Floats, block: Ints, *masses: Floats) -> list[tuple[Floats, Floats]]:
    """For each mass (m,): what lies at each row's score (NaN the lowest) in its block, and what lies above it there."""
    scores, rank = np.unique(np.where(np.isnan(score), np.inf, -score), return_inverse=True)
    cells, cell = np.unique(block * len(scores) + rank, return_inverse=True)
    first, found = np.searchsorted(cells // len(scores), cells // len(scores)), []
    for mass in masses:
        at = np.bincount(cell, mass).astype(np.float64)
        before = np.cumsum(at) - at
        found.append((at[cell], (before - before[first])[cell]))
    return found


def at_workload(held: HeldOut, score: Floats, wanted: Floats) -> Floats:
    """Follow up the highest-ranked of each block, as many leads as `wanted` (m,) does, a decision of 0 to 1 a lead."""
    return highest(score, held.in_block(held.weight * wanted), held.weight, held.block)


def highest(score: Floats, share: Floats | float, weight: Floats | None = None, block: Ints | None = None) -> Floats:
    """Follow up the highest scores up to `share` of all, or as many (m,) of each block; a tie is shared."""
    weight = np.ones(len(score)) if weight is None else weight
    room = share if block is not None else share * weight.sum()
    ((own, above),) = standing(score, np.zeros(len(score), np.int64) if block is None else block, weight)
    part = np.divide(room - above, own, out=np.zeros(len(score)), where=own > 0)
    return np.asarray(np.clip(np.round(part, 12), 0.0, 1.0))


def auc(held: HeldOut, score: Floats) -> Statistic:
    """P(a won deal outranks a lost one of its block), ties half; blocks count by their pairs."""
    said = ~np.isnan(score)
    won, lost = held.weight * held.y * said, held.weight * (1.0 - held.y) * said
    (won_own, won_above), (lost_own, lost_above) = standing(score, held.block, won, lost)
    won_above, lost_all = won_above + 0.5 * won_own, held.in_block(lost)
    lost_below = lost_all - lost_above - 0.5 * lost_own
    pairs = float(won @ lost_all)
    if pairs <= 0:
        return NO_ANSWER
    value = float(won @ lost_below) / pairs
    influence = won * (lost_below - value * lost_all) + lost * (won_above - value * held.in_block(won))
    # of one score a block no pair is told apart: 1/2, whatever else is still to be seen
    whole = None if np.array_equal(won_own, held.in_block(won)) else 1.0
    return Statistic(value, held.by_unit(influence / pairs), whole)


def log_losses(y: Floats, probability: Floats) -> Floats:
    """Log loss of each deal, nats."""
    p = np.clip(probability, SURE, 1.0 - SURE)
    return np.asarray(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def calibration(held: HeldOut, probability: Floats, *, slope: bool) -> Statistic:
    """Slope of the outcomes on the predicted log-odds, or their intercept with slope 1 (Cox 1958).

    1 and 0 are calibrated; a slope below 1 is too extreme. NaN where one probability was told, or separation.
    """
    p = np.clip(probability, SURE, 1.0 - SURE)
    x = np.log(p / (1.0 - p))
    if slope and np.ptp(x) < SURE:
        return NO_ANSWER
    free = [0, 1] if slope else [0]
    columns, at = np.stack([np.ones(len(x)), x], axis=1), np.array([0.0, 1.0])
    design = columns[:, free]
    for _ in range(NEWTON_STEPS):
        mu = logistic(columns @ at)
        rest = held.weight * (held.y - mu)
        hessian = design.T @ (design * (held.weight * mu * (1.0 - mu))[:, None]) + 1e-12 * np.eye(len(free))
        step = np.linalg.solve(hessian, design.T @ rest)
        at[free] += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            influence = np.linalg.solve(hessian, (design * rest[:, None]).T)[-1]
            return Statistic(float(at[free[-1]]), held.by_unit(influence))
    return NO_ANSWER


def captured(held: HeldOut, score: Floats, wanted: Floats, per: Floats | None = None) -> Statistic:
    """Wins among the highest-ranked, at the workload of `wanted`: share of all wins, or of 100 that `per` adds up to.

    Influence is centred at r, the win rate of the leads judged differently: drawing one more lead that the score takes
    and `wanted` leaves also moves the edge, and costs r. The same sum, with less noise.
    """
    taken = at_workload(held, score, wanted)
    whole, bottom = (1.0, held.y) if per is None else (100.0, per)
    size, rate = float(held.weight @ bottom), rate_of_different(held, taken, wanted)
    if size <= 0:
        return NO_ANSWER
    value = float(held.weight @ (taken * held.y)) / size
    row = taken * (held.y - rate) + wanted * rate - value * bottom
    return Statistic(whole * value, held.by_unit(whole * held.weight * row / size), whole)


def rate_of_different(held: HeldOut, one: Floats, other: Floats) -> float:
    """Win rate of the leads that two decisions judge differently (0 when there is none)."""
    away = held.weight * np.abs(one - other)
    size = float(away.sum())
    return float(away @ held.y) / size if size > 0 else 0.0


def measure(held: HeldOut, said: Entries, workload: Floats | None = None, worth: Floats | None = None) -> Measures:
    """Every figure of one contender, but for those of a score, probability or decision that it has not.

    workload: (m,) the decision whose workload wins are compared at (the baseline's): the share of all won deals that
    is captured, and wins of 100 followed up. worth: (m,) of following up each, its cost taken off.
    """
    found: Measures = {}
    if not np.isnan(said.score).all():
        found["auc"] = auc(held, said.score)
        if workload is not None and float(held.weight @ workload) > 0:
            found["wins_captured"] = captured(held, said.score, workload)
            found["wins_per_100"] = captured(held, said.score, workload, per=workload)
    seen = (~np.isnan(said.probability)).astype(np.float64)
    if seen.any():
        p = np.where(seen, said.probability, 0.5)
        found["log_loss"] = held.ratio(log_losses(held.y, p) * seen, seen)
        found["brier"] = held.ratio((p - held.y) ** 2 * seen, seen)
        if seen.all():
            found["calibration_slope"] = calibration(held, p, slope=True)
            found["calibration_intercept"] = calibration(held, p, slope=False)
    seen, d = (~np.isnan(said.decision)).astype(np.float64), np.nan_to_num(said.decision)
    if seen.any():
        found["workload"] = held.ratio(d, seen, 1.0)
        found["precision"] = held.ratio(d * held.y, d, 1.0)
        found["recall"] = held.ratio(d * held.y, held.y * seen, 1.0)
        if worth is not None:
            found["net_value_per_lead"] = held.ratio(d * worth, seen)
    return {name: each for name, each in found.items() if np.isfinite(each.value)}


def reliability(held: HeldOut, probability: Floats, n_bins: int = 10) -> list[tuple[float, Figure]]:
    """Predicted and observed rate in bins of equal size; equal probabilities share a bin."""
    said = ~np.isnan(probability)
    if not said.any():
        return []
    edges = np.unique(np.quantile(probability[said], np.linspace(0, 1, n_bins + 1)[1:-1]))
    which, bins = np.where(said, np.searchsorted(edges, probability, side="right"), -1), []
    for number in range(len(edges) + 1):
        own = (which == number).astype(np.float64)
        if (n := float(held.weight @ own)) > 0:
            rate = held.ratio(held.y * own, own, 1.0)
            ends = [each.model_dump() for each in (rate.figure, wilson(rate.value * n, n))]  # few units: Wilson's
            low, high = min(each["low"] for each in ends), max(each["high"] for each in ends)
            bins.append((held.ratio(np.nan_to_num(probability) * own, own).value, around(rate.value, low, high)))
    return bins


def wilson(won: float, n: float) -> Figure:
    """Raw rate with Wilson's 95% interval (Wilson 1927)."""
    if n <= 0:
        return Figure(value=None)
    rate, z2 = min(won / n, 1.0), Z * Z
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * float(np.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n)))
    return around(rate, max(0.0, middle - half), min(1.0, middle + half))


def stability_index(then: npt.NDArray[Any], now: npt.NDArray[Any]) -> float:
    """Population stability index of counts of the same bins: sum((q - p) ln(q / p)).

    >>> round(stability_index(np.array([500.0, 500.0]), np.array([250.0, 750.0])), 2)
    0.27
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (then, now))
    return float(((q - p) * np.log(q / p)).sum())
