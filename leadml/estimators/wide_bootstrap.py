"""Bootstrap a wide scorecard on deals whose patterns hardly repeat: exact refits, bounds kept.

All replicates share one factored Hessian, that of the sample, as preconditioner; their gradients are one
matrix product. With many deals the replicates' own Hessians differ little from it, so a handful of steps
reach the same solution that Newton's method would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.estimators.bounded_logistic import RIDGE, fit_bounded_logistic, solve_bounded

Array = NDArray[Any]

ROWS_AT_ONCE = 20_000_000  # replicates x deals held in memory in one block
MAX_ITER = 50


def bootstrap_bounded_logistic(
    columns: Array,
    won: Array,
    *,
    penalty: Array,
    bounded: NDArray[np.bool_],
    n_replicates: int,
    random_state: int = 0,
    tolerance: float = 1e-4,
) -> tuple[Array, Array]:
    """Fit a penalised logistic regression with non-negative coefficients, and refit it on every replicate.

    Parameters
    ----------
    columns : array of shape (n, n_columns)
        Design of the deals; the intercept is a column of ones.
    won : array of shape (n,)
        1 won, 0 lost.
    penalty : array of shape (n_columns, n_columns)
        Quadratic penalty S; theta' S theta / 2 is added to the log loss.
    bounded : bool array of shape (n_columns,)
        Coefficients that may not be negative.
    n_replicates : int
        Draws of n deals with replacement.
    random_state : int
        Seed.
    tolerance : float
        Largest change of a coefficient, relative to 1 + the largest coefficient, at which a refit counts
        as found; each step leaves a tenth or less, so what remains is far smaller. Sums are kept in single
        precision: a millionth of a standard error.

    Returns
    -------
    theta : array of shape (n_columns,)
        Coefficients of the sample.
    replicates : array of shape (n_replicates, n_columns)
        Coefficients of every draw.
    """
    n, n_columns = columns.shape
    ones = np.ones((1, n))
    theta = fit_bounded_logistic(columns, won[None], ones, penalty=penalty, bounded=bounded)[0]
    mu = 1.0 / (1.0 + np.exp(-(columns @ theta)))
    own = penalty + RIDGE * n * np.eye(n_columns)
    hessian = columns.T @ ((mu * (1.0 - mu))[:, None] * columns) + own
    thin = np.ascontiguousarray(columns, dtype=np.float32)
    rng = np.random.default_rng(random_state)
    out = np.empty((n_replicates, n_columns))
    block = max(1, ROWS_AT_ONCE // n)
    for first in range(0, n_replicates, block):
        rows = min(block, n_replicates - first)
        weights = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(rows)])
        out[first : first + rows] = _refit(
            thin, won, weights.astype(np.float32), theta, hessian, own, bounded, tolerance
        )
    return theta, out


def _refit(
    columns: Array,
    won: Array,
    weights: Array,
    start: Array,
    hessian: Array,
    penalty: Array,
    bounded: NDArray[np.bool_],
    tolerance: float,
) -> Array:
    found = np.tile(start, (len(weights), 1))
    open_ = np.arange(len(weights))
    won_columns = (weights * won.astype(np.float32)) @ columns
    buffer = np.empty_like(weights)
    for _ in range(MAX_ITER):
        theta, w = found[open_], weights if len(open_) == len(weights) else weights[open_]
        mu = buffer[: len(open_)]
        np.matmul(theta.astype(np.float32), columns.T, out=mu)
        np.negative(mu, out=mu)
        np.exp(np.clip(mu, -80.0, 80.0, out=mu), out=mu)
        mu += 1.0
        np.divide(w, mu, out=mu)
        gradient = (mu @ columns).astype(float) - won_columns[open_] + theta @ penalty
        shared = np.broadcast_to(hessian, (len(open_), *hessian.shape))
        new = solve_bounded(shared, theta @ hessian - gradient, bounded)
        found[open_] = new
        change = np.abs(new - theta).max(axis=1)
        open_ = open_[change > tolerance * (1.0 + np.abs(new).max(axis=1))]
        if not len(open_):
            break
    return found
