"""Many logistic regressions with bounds, fitted together on one table of patterns.

Every fit (a fold, a bootstrap replicate, a candidate) is one row of weights over the same patterns, so
their Newton systems are one matrix product, and each step is a small bounded least-squares problem.

References
----------
Bertsekas, D. (1982). Projected Newton methods for optimization problems with simple constraints.
SIAM Journal on Control and Optimization 20(2).
Portugal, L., Judice, J., Vicente, L. (1994). A comparison of block pivoting and interior-point
algorithms for linear least squares problems with nonnegative variables. Mathematics of Computation 63.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CELLS_AT_ONCE = 4_000_000  # replicates x patterns held in memory in one block
FEW = 8  # rows below which their Gram matrices are made one by one
RIDGE = 1e-9  # per deal; keeps a separated fit finite without moving any other


def solve_bounded(hessian: Array, linear: Array, bounded: NDArray[np.bool_]) -> Array:
    """Minimise z'Hz/2 - c'z with z >= 0 where bounded, for many problems at once.

    Parameters
    ----------
    hessian : array of shape (n_problems, n_columns, n_columns)
        Positive definite matrices H.
    linear : array of shape (n_problems, n_columns)
        Vectors c.
    bounded : bool array of shape (n_columns,)
        Which entries of z may not be negative.

    Returns
    -------
    array of shape (n_problems, n_columns)
        The minimisers, by block principal pivoting.
    """
    n_problems, n_columns = linear.shape
    free = np.ones((n_problems, n_columns), dtype=bool)
    solution = np.zeros_like(linear)
    open_ = np.arange(n_problems)
    best = np.full(n_problems, n_columns + 1)
    patience = np.full(n_problems, 3)
    eye = np.eye(n_columns)
    for _ in range(10 * n_columns + 20):
        h, c, f = hessian[open_], linear[open_], free[open_]
        masked = np.where(f[:, :, None] & f[:, None, :], h, eye)
        z = np.linalg.solve(masked, np.where(f, c, 0.0)[..., None])[..., 0]
        slope = np.einsum("rij,rj->ri", h, z) - c
        scale = 1e-10 * (1.0 + np.abs(c).max(axis=1, keepdims=True))
        wrong = bounded & np.where(f, z < -1e-12, slope < -scale)
        n_wrong = wrong.sum(axis=1)
        solution[open_] = np.where(bounded, np.maximum(z, 0.0), z)
        still = n_wrong > 0
        if not still.any():
            break
        open_, wrong, n_wrong = open_[still], wrong[still], n_wrong[still]
        better = n_wrong < best[open_]
        best[open_] = np.minimum(best[open_], n_wrong)
        patience[open_] = np.where(better, 3, patience[open_] - 1)
        # exchange all wrong entries while that helps, else only the last: this cannot cycle
        last = n_columns - 1 - np.argmax(wrong[:, ::-1], axis=1)
        single = np.zeros_like(wrong)
        single[np.arange(len(open_)), last] = True
        free[open_] ^= np.where((patience[open_] > 0)[:, None], wrong, single)
    return solution


def fit_bounded_logistic(
    columns: Array,
    won: Array,
    total: Array,
    *,
    penalty: Array,
    bounded: NDArray[np.bool_],
    start: Array | None = None,
    restrict: Array | None = None,
    tolerance: float = 1e-8,
    max_iter: int = 60,
) -> Array:
    """Fit penalised logistic regressions with non-negative coefficients, one a row of weights.

    Minimises, for each row r, sum_p [total_rp log(1 + exp(eta_p)) - won_rp eta_p] + theta' S theta / 2
    with eta = columns @ theta and theta >= 0 where bounded.

    Parameters
    ----------
    columns : array of shape (n_patterns, n_columns)
        Design of the patterns; the intercept is a column of ones.
    won, total : arrays of shape (n_rows, n_patterns)
        Weight of won deals and of all deals of each pattern, for every fit.
    penalty : array of shape (n_columns, n_columns) or (n_rows, n_columns, n_columns)
        Quadratic penalty S, positive semi-definite.
    bounded : bool array of shape (n_columns,)
        Coefficients that may not be negative.
    start : array of shape (n_rows, n_columns), optional
        Where to start from.
    restrict : array of shape (n_rows, n_columns, n_columns), optional
        Linear restriction theta = T_r phi for each row; zero columns of T drop that entry.
    tolerance : float
        Largest change of a coefficient at which a fit counts as found.
    max_iter : int
        Newton steps at most.

    Returns
    -------
    array of shape (n_rows, n_columns)
        The coefficients theta.
    """
    n_rows, n_patterns = total.shape
    block = max(1, CELLS_AT_ONCE // max(1, n_patterns))
    if n_rows > block:
        parts = []
        for first in range(0, n_rows, block):
            rows = slice(first, first + block)
            parts.append(
                fit_bounded_logistic(
                    columns,
                    won[rows],
                    total[rows],
                    penalty=penalty[rows] if penalty.ndim == 3 else penalty,
                    bounded=bounded,
                    start=None if start is None else start[rows],
                    restrict=None if restrict is None else restrict[rows],
                    tolerance=tolerance,
                    max_iter=max_iter,
                )
            )
        return np.concatenate(parts)
    return _fit_block(columns, won, total, penalty, bounded, start, restrict, tolerance, max_iter)


def _fit_block(
    columns: Array,
    won: Array,
    total: Array,
    penalty: Array,
    bounded: NDArray[np.bool_],
    start: Array | None,
    restrict: Array | None,
    tolerance: float,
    max_iter: int,
) -> Array:
    n_rows, _ = total.shape
    n_columns = columns.shape[1]
    size = np.maximum(total.sum(axis=1), 1.0)  # an empty row still has a solution
    ridge = RIDGE * size[:, None, None] * np.eye(n_columns)
    penalties = np.broadcast_to(penalty, (n_rows, n_columns, n_columns)) + ridge
    theta = np.zeros((n_rows, n_columns)) if start is None else start.copy()
    if restrict is not None:
        theta = np.einsum("rij,rj->ri", restrict, theta)
    curvature_of = _curvature(columns, n_rows)
    won_columns = won @ columns
    found = np.empty_like(theta)
    open_ = np.arange(n_rows)
    theta_old = theta.copy()
    loss_old = np.full(n_rows, np.inf)
    halvings = np.zeros(n_rows, dtype=int)
    for _ in range(max_iter):
        eta = theta[open_] @ columns.T
        small = np.exp(-np.abs(eta))
        softplus = np.maximum(eta, 0.0) + np.log1p(small)
        mu = np.where(eta >= 0, 1.0, small) / (1.0 + small)
        s = penalties[open_]
        s_theta = np.einsum("rij,rj->ri", s, theta[open_])
        loss = (
            np.einsum("rp,rp->r", total[open_], softplus)
            - np.einsum("rj,rj->r", won_columns[open_], theta[open_])
            + 0.5 * np.einsum("rj,rj->r", theta[open_], s_theta)
        )
        worse = (loss > loss_old[open_] + 1e-9 * (1.0 + np.abs(loss))) & (halvings[open_] < 30)
        if worse.any():
            rows = open_[worse]
            theta[rows] = 0.5 * (theta[rows] + theta_old[rows])
            halvings[rows] += 1
        ok = ~worse
        rows = open_[ok]
        if len(rows):
            gradient = (total[rows] * mu[ok]) @ columns - won_columns[rows] + s_theta[ok]
            hessian = s[ok] + curvature_of(total[rows] * mu[ok] * (1.0 - mu[ok]))
            if restrict is None:
                linear = np.einsum("rij,rj->ri", hessian, theta[rows]) - gradient
                new = solve_bounded(hessian, linear, bounded)
            else:
                t = restrict[rows]
                linear = np.einsum("rij,rj->ri", hessian, theta[rows]) - gradient
                dropped = ~np.any(t, axis=1)
                inner = np.einsum("rki,rkl,rlj->rij", t, hessian, t, optimize=True)
                inner += dropped[:, :, None] * np.eye(n_columns)
                phi = solve_bounded(inner, np.einsum("rki,rk->ri", t, linear), bounded)
                new = np.einsum("rij,rj->ri", t, phi)
            change = np.abs(new - theta[rows]).max(axis=1)
            theta_old[rows], loss_old[rows], halvings[rows] = theta[rows], loss[ok], 0
            theta[rows] = new
            done = change <= tolerance * (1.0 + np.abs(new).max(axis=1))
            finished = rows[done]
            found[finished] = theta[finished]
            open_ = np.setdiff1d(open_, finished, assume_unique=True)
        if not len(open_):
            break
    if len(open_) and start is not None:  # so far off that the loss is flat there
        own = penalty[open_] if penalty.ndim == 3 else penalty
        held = None if restrict is None else restrict[open_]
        found[open_] = _fit_block(
            columns, won[open_], total[open_], own, bounded, None, held, tolerance, max_iter
        )
    else:
        found[open_] = theta[open_]
    return found


def _curvature(columns: Array, n_rows: int) -> Callable[[Array], Array]:
    """Make the map from weights of patterns (n, n_patterns) to Gram matrices (n, n_columns, n_columns)."""
    if n_rows < FEW:
        filled = np.flatnonzero(columns.any(axis=0))
        inner = columns if len(filled) == columns.shape[1] else columns[:, filled]

        def squares(weights: Array) -> Array:
            out = np.zeros((len(weights), columns.shape[1], columns.shape[1]))
            for gram, w in zip(out, weights, strict=True):
                # the square root makes it a product with itself, at half the cost
                gram[np.ix_(filled, filled)] = _square(np.sqrt(w)[:, None] * inner)
            return out

        return squares
    first, second = np.triu_indices(columns.shape[1])
    pairs = columns[:, first] * columns[:, second]

    def grams(weights: Array) -> Array:
        entries = weights @ pairs
        out = np.empty((len(weights), columns.shape[1], columns.shape[1]))
        out[:, first, second] = entries
        out[:, second, first] = entries
        return out

    return grams


def _square(columns: Array) -> Array:
    return np.asarray(columns.T @ columns)
