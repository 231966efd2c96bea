"""Whole points with the documented total kept: what is shown is what is used.

The real-valued card is rounded, then improved by moving one point at a time while the log loss falls that the
real-valued fit expects. Its own expected loss is a lower bound, so the gap that is reported bounds what any
other whole points could gain. Expected, not observed: the fit has already weighed the deals against the
document, and whole points need not fit their noise again.

References
----------
Ustun, B., Rudin, C. (2019). Learning optimized risk scores. Journal of Machine Learning Research 20.
Liu, J. et al. (2022). FasterRisk: fast and accurate interpretable risk scores. NeurIPS 35.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.estimators.bounded_logistic import fit_bounded_logistic
from leadml.estimators.design import PER_CRITERION, points_of, step_columns

Array = NDArray[Any]
Points = NDArray[Any]

MAX_ROUNDS = 60
FIRST_MOVES, MOVES = 8, 32  # most promising moves that are evaluated in full: at first, and if none helps
PAIRS = 4  # most promising second moves after each of the first moves, where no single one helps


@dataclass(frozen=True)
class IntegerCard:
    """Whole points and the line that turns totals into probabilities.

    Attributes
    ----------
    points : int array of shape (n_criteria, 5)
        Points of levels 0 to 4.
    unknown_points : int array of shape (n_criteria,)
        Points of an unknown, between those of level 0 and level 4.
    base, slope : float
        log-odds = base + slope * total.
    log_loss, real_log_loss : float
        Log loss a deal that the real-valued fit expects of this card, and of itself, which no whole points
        can beat.
    """

    points: Points
    unknown_points: Points
    base: float
    slope: float
    log_loss: float
    real_log_loss: float

    def totals(self, levels: Array) -> Points:
        """Total points of each lead.

        Parameters
        ----------
        levels : array of shape (n, n_criteria)
            Levels 0 to 4, NaN = unknown.

        Returns
        -------
        int array of shape (n,)
            Sums of points.
        """
        return total_points(levels, self.points, self.unknown_points)


def total_points(levels: Array, points: NDArray[np.generic], unknown_points: NDArray[np.generic]) -> Points:
    """Add up points by look-up.

    Parameters
    ----------
    levels : array of shape (n, n_criteria)
        Levels 0 to 4, NaN = unknown.
    points : array of shape (..., n_criteria, 5)
        Points of each level.
    unknown_points : array of shape (..., n_criteria)
        Points of an unknown.

    Returns
    -------
    array of shape (..., n)
        Totals.
    """
    codes = np.where(np.isnan(levels), 5, levels).astype(np.intp)
    table = np.concatenate([points, unknown_points[..., None]], axis=-1)
    out = table[..., 0, :][..., codes[:, 0]]
    for j in range(1, codes.shape[1]):
        out = out + table[..., j, :][..., codes[:, j]]
    return np.asarray(out)


def round_points(
    levels_log_odds: Array, unknown_log_odds: Array, documented_points: Array
) -> tuple[Points, Points]:
    """Round real-valued cards to whole points with the documented total, for many cards at once.

    Criteria share the total by largest remainders; levels within a criterion round in proportion.

    Parameters
    ----------
    levels_log_odds : array of shape (n_cards, n_criteria, 5)
        f_j(0) = 0 to f_j(4), never falling.
    unknown_log_odds : array of shape (n_cards, n_criteria)
        u_j.
    documented_points : array of shape (n_criteria, 5)
        Their top levels add up to the total that is kept; used where a card has no points at all.

    Returns
    -------
    points : int array of shape (n_cards, n_criteria, 5)
        Whole points.
    unknown_points : int array of shape (n_cards, n_criteria)
        Whole points of an unknown.
    """
    total = round(float(documented_points[:, -1].sum()))
    top = levels_log_odds[..., -1]
    empty = top.sum(axis=1) <= 1e-9
    top = np.where(empty[:, None], documented_points[:, -1], top)
    levels = np.where(empty[:, None, None], documented_points, levels_log_odds)
    unknown = np.where(empty[:, None], 0.0, unknown_log_odds)
    wanted = total * top / top.sum(axis=1, keepdims=True)
    whole = np.floor(wanted + 1e-12)
    rest = np.rint(total - whole.sum(axis=1)).astype(int)
    rank = np.argsort(np.argsort(-(wanted - whole), axis=1, kind="stable"), axis=1, kind="stable")
    whole += rank < rest[:, None]
    factor = np.where(top > 0, whole / np.where(top > 0, top, 1.0), 0.0)
    points = np.floor(levels * factor[..., None] + 0.5 - 1e-12)
    points[..., -1] = whole
    unknown_points = np.minimum(np.floor(unknown * factor + 0.5 - 1e-12), whole)
    return points.astype(np.int64), unknown_points.astype(np.int64)


def fit_lines(totals: Points, won: Array, total: Array, total_max: int) -> tuple[Array, Array]:
    """Fit log-odds = base + slope * points with slope >= 0, for many cards or replicates at once.

    Parameters
    ----------
    totals : int array of shape (n_rows, n_patterns) or (n_patterns,)
        Points of each pattern.
    won, total : arrays of shape (n_rows, n_patterns) or (n_patterns,)
        Weight of won and of all deals.
    total_max : int
        Largest total.

    Returns
    -------
    coefficients : array of shape (n_rows, 2)
        base and slope of each row.
    losses : array of shape (n_rows,)
        Log loss, summed over deals.
    """
    won_by, total_by = count_by_total(totals, won, total, total_max)
    columns = np.stack([np.ones(total_max + 1), np.arange(total_max + 1.0)], axis=1)
    line = fit_bounded_logistic(
        columns, won_by, total_by, penalty=np.zeros((2, 2)), bounded=np.array([False, True])
    )
    eta = line @ columns.T
    return line, np.asarray((total_by * np.logaddexp(0.0, eta) - won_by * eta).sum(axis=1))


def count_by_total(totals: Points, won: Array, total: Array, total_max: int) -> tuple[Array, Array]:
    """Won and all deals at each total.

    Parameters
    ----------
    totals : int array of shape (n_rows, n_patterns) or (n_patterns,)
        Points of each pattern.
    won, total : arrays of shape (n_rows, n_patterns) or (n_patterns,)
        Weight of won and of all deals.
    total_max : int
        Largest total.

    Returns
    -------
    won_by, total_by : arrays of shape (n_rows, total_max + 1)
        Sums of weights.
    """
    width = total_max + 1
    if totals.ndim == 1:
        order = np.zeros((len(totals), width))
        order[np.arange(len(totals)), totals] = 1.0
        return np.atleast_2d(won) @ order, np.atleast_2d(total) @ order
    n_rows = len(totals)
    flat = (totals + width * np.arange(n_rows)[:, None]).ravel()
    out = []
    for weights in (won, total):
        full = np.broadcast_to(weights, totals.shape).ravel()
        out.append(np.bincount(flat, full, minlength=n_rows * width).reshape(n_rows, width))
    return out[0], out[1]


def find_integer_card(
    levels: Array,
    won: Array,
    total: Array,
    full: Array,
    *,
    documented_points: Array,
    max_steps: int | None = None,
) -> IntegerCard:
    """Choose whole points that keep the documented total and lose least against the real-valued fit.

    Parameters
    ----------
    levels : array of shape (n_patterns, n_criteria)
        Levels 0 to 4, NaN = unknown.
    won, total : arrays of shape (n_patterns,)
        Weight of won and of all deals of each pattern.
    full : array of shape (1 + 5 * n_criteria,)
        Real-valued coefficients.
    documented_points : array of shape (n_criteria, 5)
        Points as documented: their total is kept.
    max_steps : int, optional
        Steps that may earn points at most, at least 1: a shorter card. Unlimited by default.

    Returns
    -------
    IntegerCard
        The card; base and slope are fitted to the deals.
    """
    total_max = round(float(documented_points[:, -1].sum()))
    columns = step_columns(levels)
    eta = columns @ full
    expected = total / (1.0 + np.exp(-eta))
    real = float((total * np.logaddexp(0.0, eta) - expected * eta).sum())
    seen = np.asarray(~np.isnan(levels)[total > 0].all(axis=0))
    vector = _start(full, columns, total, documented_points, max_steps)
    best = float(_score_vectors(columns, expected, total, vector[None], total_max)[1][0])
    nearness = _Nearness.make(columns, expected, total, full)
    for _ in range(MAX_ROUNDS):
        if best - real <= 1e-9 * abs(real):
            break
        for moves in _ever_more_moves(vector, seen, max_steps, nearness):
            _, losses = _score_vectors(columns, expected, total, moves, total_max)
            pick = int(np.argmin(losses))
            if losses[pick] < best - 1e-9 * abs(best):
                vector, best = moves[pick], float(losses[pick])
                break
        else:
            break
    points, unknown_points = _from_vector(vector)
    line, _ = _score_vectors(columns, won, total, vector[None], total_max)
    size = max(float(total.sum()), 1e-300)
    return IntegerCard(
        points, unknown_points, float(line[0, 0]), float(line[0, 1]), best / size, min(real, best) / size
    )


def _start(
    full: Array, columns: Array, total: Array, documented_points: Array, max_steps: int | None
) -> Points:
    """Rounded points, as few steps of them as allowed: those that spread the leads most."""
    log_odds, unknown = points_of(full)
    if max_steps is not None:
        steps = np.diff(log_odds, axis=1)
        if steps.sum() <= 1e-9:
            steps = np.diff(documented_points, axis=1)
        mean = total @ columns / total.sum()
        spread = np.sqrt(np.maximum(mean * (1 - mean), 0.0))[1:].reshape(-1, PER_CRITERION)[:, :-1]
        rank = np.argsort(np.argsort(-(steps * spread).ravel(), kind="stable"), kind="stable")
        kept = np.where(rank.reshape(steps.shape) < max_steps, steps, 0.0)
        log_odds = np.concatenate([np.zeros((len(kept), 1)), np.cumsum(kept, axis=1)], axis=1)
        unknown = np.minimum(unknown, log_odds[:, -1])
    points, unknown_points = round_points(log_odds[None], unknown[None], documented_points)
    return _to_vector(points[0], unknown_points[0])


def _to_vector(points: Points, unknown_points: Points) -> Points:
    """Steps and unknowns in the order of the design's columns, the intercept left 0."""
    body = np.concatenate([np.diff(points, axis=1), unknown_points[:, None]], axis=1)
    return np.concatenate([[0], body.ravel()])


def _from_vector(vector: Points) -> tuple[Points, Points]:
    body = vector[1:].reshape(-1, PER_CRITERION)
    points = np.zeros((len(body), 5), dtype=np.int64)
    points[:, 1:] = np.cumsum(body[:, :4], axis=1)
    return points, body[:, 4].copy()


@dataclass(frozen=True)
class _Nearness:
    """How near cards come to the real-valued fit, to second order: there the expected loss is least.

    With the best line through them, points v lose less the larger (v'c)^2 / v'Hv is.
    """

    c: Array
    hessian: Array

    @classmethod
    def make(cls, columns: Array, expected: Array, total: Array, full: Array) -> _Nearness:
        """Take the curvature at the fit, its intercept profiled out."""
        size = np.maximum(total, 1e-300)
        root = np.sqrt(expected * (1.0 - expected / size))[:, None] * columns
        gram = root.T @ root
        hessian = gram[1:, 1:] - np.outer(gram[0, 1:], gram[0, 1:]) / max(gram[0, 0], 1e-300)
        return cls(hessian @ full[1:], hessian)

    def of_moves(self, points: Points, take: Points, give: Points) -> Array:
        """Nearness after one point is taken from one column and given to another (-1 = none), every move."""
        along = self.hessian @ points
        c, h = np.append(self.c, 0.0), np.append(np.diag(self.hessian), 0.0)
        along, across = np.append(along, 0.0), np.pad(self.hessian, (0, 1))
        top = points @ self.c + c[give] - c[take]
        bottom = points @ along[:-1] + 2.0 * (along[give] - along[take])
        bottom += h[give] + h[take] - 2.0 * across[give, take]
        return np.where(bottom > 1e-12, top * np.abs(top) / np.maximum(bottom, 1e-12), 0.0)


def _ever_more_moves(
    vector: Points, seen: NDArray[np.bool_], max_steps: int | None, nearness: _Nearness
) -> Iterator[Points]:
    """The most promising cards one move away, then more of them, then cards two moves away."""
    moves = _moves(vector, seen, max_steps, nearness, MOVES)
    yield from (part for part in (moves[:FIRST_MOVES], moves[FIRST_MOVES:]) if len(part))
    second = [_moves(move, seen, max_steps, nearness, PAIRS) for move in moves[:FIRST_MOVES]]
    if second:
        yield np.concatenate(second)


def _moves(
    vector: Points, seen: NDArray[np.bool_], max_steps: int | None, nearness: _Nearness, n: int
) -> Points:
    """The n most promising cards one move away: a point from one step to another, or an unknown's point."""
    k = len(seen)
    points = vector[1:]
    column = np.arange(k * PER_CRITERION)
    is_step = (column % PER_CRITERION < PER_CRITERION - 1) & np.repeat(seen, PER_CRITERION)
    take, give = np.meshgrid(column[is_step & (points > 0)], column[is_step], indexing="ij")
    unknown = column[PER_CRITERION - 1 :: PER_CRITERION]
    top = points.reshape(k, PER_CRITERION)[:, :-1].sum(axis=1)
    lower, raise_ = unknown[points[unknown] > 0], unknown[points[unknown] < top]
    take = np.concatenate([take.ravel(), lower, np.full(len(raise_), -1)])
    give = np.concatenate([give.ravel(), np.full(len(lower), -1), raise_])
    take, give = take[take != give], give[take != give]
    ranked = np.argsort(-nearness.of_moves(points, take, give), kind="stable")
    if max_steps is None:
        ranked = ranked[:n]
    moves = np.tile(np.append(points, 0), (len(ranked), 1))  # the last column stands for none
    rows = np.arange(len(ranked))
    moves[rows, take[ranked]] -= 1
    moves[rows, give[ranked]] += 1
    body = moves[:, :-1].reshape(-1, k, PER_CRITERION)
    body[:, :, -1] = np.minimum(body[:, :, -1], body[:, :, :-1].sum(axis=2))
    if max_steps is not None:
        body = body[(body[:, :, :-1] > 0).sum(axis=(1, 2)) <= max_steps][:n]
    return np.concatenate([np.zeros((len(body), 1), dtype=np.int64), body.reshape(len(body), -1)], axis=1)


def _score_vectors(
    columns: Array, won: Array, total: Array, vectors: Points, total_max: int
) -> tuple[Array, Array]:
    totals = np.rint(vectors[:, 1:] @ columns[:, 1:].T).astype(np.int64)
    return fit_lines(totals, won, total, total_max)
