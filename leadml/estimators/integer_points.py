"""Whole points with the documented total kept: what is shown is what is used.

The real-valued card is rounded, then improved by moving one point at a time while the penalised log loss
falls. The real-valued fit's loss is a lower bound, so the gap that is reported bounds what any other
whole points could gain.

References
----------
Ustun, B., Rudin, C. (2019). Learning optimized risk scores. Journal of Machine Learning Research 20.
Liu, J. et al. (2022). FasterRisk: fast and accurate interpretable risk scores. NeurIPS 35.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.estimators.bounded_logistic import fit_bounded_logistic
from leadml.estimators.design import make_family, points_of, step_columns

Array = NDArray[Any]
Points = NDArray[Any]

MAX_ROUNDS = 60
MOVES_TRIED = 64  # most promising moves of a round that are evaluated in full


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
        Penalised log loss a deal of this card, and of the real-valued fit, which no whole points can beat.
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


def fit_lines(
    totals: Points, won: Array, total: Array, total_max: int, penalty: Array | None = None
) -> tuple[Array, Array]:
    """Fit log-odds = base + slope * points with slope >= 0, for many cards or replicates at once.

    Parameters
    ----------
    totals : int array of shape (n_rows, n_patterns) or (n_patterns,)
        Points of each pattern.
    won, total : arrays of shape (n_rows, n_patterns) or (n_patterns,)
        Weight of won and of all deals.
    total_max : int
        Largest total.
    penalty : array of shape (n_rows,), optional
        Penalty s of the slope: s * slope squared / 2 is added to the log loss.

    Returns
    -------
    coefficients : array of shape (n_rows, 2)
        base and slope of each row.
    losses : array of shape (n_rows,)
        Penalised log loss, summed over deals.
    """
    won_by, total_by = count_by_total(totals, won, total, total_max)
    columns = np.stack([np.ones(total_max + 1), np.arange(total_max + 1.0)], axis=1)
    quadratic = np.zeros((len(won_by), 2, 2))
    if penalty is not None:
        quadratic[:, 1, 1] = penalty
    line = fit_bounded_logistic(columns, won_by, total_by, penalty=quadratic, bounded=np.array([False, True]))
    eta = line @ columns.T
    losses = (total_by * np.logaddexp(0.0, eta) - won_by * eta).sum(axis=1)
    return line, losses + 0.5 * quadratic[:, 1, 1] * line[:, 1] ** 2


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
    shrink: float,
    smooth: float,
) -> IntegerCard:
    """Choose whole points that keep the documented total and lose least against the real-valued fit.

    Parameters
    ----------
    levels : array of shape (n_patterns, n_criteria)
        Levels 0 to 4, NaN = unknown.
    won, total : arrays of shape (n_patterns,)
        Weight of won and of all deals of each pattern.
    full : array of shape (1 + 5 * n_criteria,)
        Real-valued coefficients fitted with these strengths.
    documented_points : array of shape (n_criteria, 5)
        Points as documented.
    shrink, smooth : float
        Strengths (not a deal, but in all), as in `fit_scorecards`.

    Returns
    -------
    IntegerCard
        The card.
    """
    total_max = round(float(documented_points[:, -1].sum()))
    n = float(total.sum())
    log_odds, unknown = points_of(full)
    start, start_unknown = round_points(log_odds[None], unknown[None], documented_points)
    points, unknown_points = start[0], start_unknown[0]
    family = make_family(documented_points, 0.0, 0.0)
    seen = np.asarray(~np.isnan(levels)[total > 0].all(axis=0))
    document = np.isinf(shrink) and np.isinf(smooth)
    strength = (0.0 if np.isinf(shrink) else shrink, 1e6 * n if np.isinf(smooth) else smooth)
    quadratic = family.penalty(*strength, n)
    columns = step_columns(levels)
    eta = columns @ full
    free_part = np.r_[0.0, full[1:]]
    real = float((total * np.logaddexp(0.0, eta) - won * eta).sum() + 0.5 * free_part @ quadratic @ free_part)
    vector = _to_vector(points, unknown_points)
    line, losses = _score_vectors(columns, won, total, vector[None], total_max, quadratic)
    best = float(losses[0])
    for _ in range(0 if document else MAX_ROUNDS):
        moves = _moves(vector, seen, keep_shape=np.isinf(smooth))
        if not len(moves):
            break
        moves = _most_promising(moves, vector, line[0], columns, won, total, quadratic)
        lines, losses = _score_vectors(columns, won, total, moves, total_max, quadratic)
        pick = int(np.argmin(losses))
        if losses[pick] >= best - 1e-9 * abs(best):
            break
        vector, line, best = moves[pick], lines[[pick]], float(losses[pick])
    points, unknown_points = _from_vector(vector)
    return IntegerCard(
        points, unknown_points, float(line[0, 0]), float(line[0, 1]), best / n, min(real, best) / n
    )


def _to_vector(points: Points, unknown_points: Points) -> Points:
    """Steps and unknowns in the order of the design's columns, the intercept left 0."""
    body = np.concatenate([np.diff(points, axis=1), unknown_points[:, None]], axis=1)
    return np.concatenate([[0], body.ravel()])


def _from_vector(vector: Points) -> tuple[Points, Points]:
    body = vector[1:].reshape(-1, 5)
    points = np.concatenate(
        [np.zeros((len(body), 1), dtype=np.int64), np.cumsum(body[:, :4], axis=1)], axis=1
    )
    return points, body[:, 4].copy()


def _moves(vector: Points, seen: NDArray[np.bool_], keep_shape: bool) -> Points:
    """All cards one move away: a point taken from one step and given to another, or an unknown's point."""
    k = len(seen)
    body = vector[1:].reshape(k, 5)
    out: list[Points] = []
    cells = [(j, level) for j in range(k) if seen[j] for level in range(4)]
    for j, level in cells:
        if body[j, level] == 0:
            continue
        for i, other in cells:
            if (i, other) == (j, level) or (keep_shape and i == j):
                continue
            new = body.copy()
            new[j, level] -= 1
            new[i, other] += 1
            if keep_shape:
                for row in {i, j}:
                    count = int(new[row, :4].sum())
                    new[row, :4] = np.diff(np.floor(np.arange(5) * count / 4 + 0.5 - 1e-12)).astype(int)
            new[j, 4] = min(new[j, 4], new[j, :4].sum())
            out.append(new.ravel())
    for j in range(k):
        for change in (-1, 1):
            if 0 <= body[j, 4] + change <= body[j, :4].sum():
                new = body.copy()
                new[j, 4] += change
                out.append(new.ravel())
    if not out:
        return np.empty((0, len(vector)), dtype=np.int64)
    moves = np.unique(np.array(out, dtype=np.int64), axis=0)
    return np.concatenate([np.zeros((len(moves), 1), dtype=np.int64), moves], axis=1)


def _most_promising(
    moves: Points, vector: Points, line: Array, columns: Array, won: Array, total: Array, quadratic: Array
) -> Points:
    """Keep the moves whose loss falls most to first and second order."""
    if len(moves) <= MOVES_TRIED:
        return moves
    theta = line[1] * vector + np.r_[line[0], np.zeros(len(vector) - 1)]
    mu = 1.0 / (1.0 + np.exp(-(columns @ theta)))
    gradient = (total * mu - won) @ columns + quadratic @ np.r_[0.0, theta[1:]]
    hessian = columns.T @ ((total * mu * (1.0 - mu))[:, None] * columns) + quadratic
    change = line[1] * (moves - vector)
    gain = change @ gradient + 0.5 * np.einsum("mi,ij,mj->m", change, hessian, change, optimize=True)
    return moves[np.argsort(gain, kind="stable")[:MOVES_TRIED]]


def _score_vectors(
    columns: Array, won: Array, total: Array, vectors: Points, total_max: int, quadratic: Array
) -> tuple[Array, Array]:
    totals = np.rint(vectors[:, 1:] @ columns[:, 1:].T).astype(np.int64)
    penalty = np.einsum("mi,ij,mj->m", vectors, quadratic, vectors, optimize=True)
    return fit_lines(totals, won, total, total_max, penalty)
