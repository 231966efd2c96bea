"""Many penalised logistic regressions on one table of patterns, fitted together, with or without bounds.

Every fit (a strength of shrinkage, a bootstrap replicate) is a row; their Newton systems are one matrix product, and
each bounded step is a small least-squares problem by block principal pivoting (Portugal, Judice, Vicente 1994,
Mathematics of Computation 63).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from leadml.levels import Codes, Flags, Floats, Ints

PATIENCE = 3
"""Block exchanges without progress before single ones, which cannot cycle."""
MAX_PIVOTS = 1000


class Fits(NamedTuple):
    """Rows of fits: coefficients, Hessian of the penalised loss there, and that loss."""

    theta: Floats
    hessian: Floats
    loss: Floats


class Coded(LinearOperator):
    """Columns (n, p), never written: a row is the first row of a basis and one more for each of its codes, added up."""

    def __init__(self, codes: Codes, sizes: Sequence[int], basis: Floats) -> None:
        super().__init__(np.float64, (len(codes), basis.shape[1]))
        self.codes: list[Ints] = [*np.insert(codes.astype(np.int64), 0, 0, axis=1).T.copy()]
        self.sizes, self.basis = [1, *sizes], basis

    def counts(self, codes: Codes | Ints, size: int, weight: Floats) -> Floats:
        """(size, p) sums of the rows of each other code, weighted."""
        codes = codes.astype(np.int64)
        n = [np.bincount(codes * s + own, weight, size * s) for own, s in zip(self.codes, self.sizes, strict=True)]
        return np.asarray(np.hstack([each.reshape(size, -1) for each in n]) @ self.basis)

    def gram(self, weight: Floats) -> Floats:
        """(p, p) X' W X."""
        ends = np.cumsum([0, *self.sizes])
        parts = [*zip(self.codes, self.sizes, map(slice, ends, ends[1:]), strict=True)]
        sums = np.zeros((ends[-1], ends[-1]))
        for at, (codes, size, rows) in enumerate(parts):
            sums[rows, rows] = np.diag(np.bincount(codes, weight, size))
            for own, s, columns in parts[:at]:  # each pair is counted once
                sums[rows, columns] = np.bincount(codes * s + own, weight, size * s).reshape(size, s)
                sums[columns, rows] = sums[rows, columns].T
        return np.asarray(self.basis.T @ np.vstack([sums[rows] @ self.basis for _, _, rows in parts]))

    def _matvec(self, theta: Floats) -> Floats:
        rows = np.split((self.basis @ theta).ravel(), np.cumsum(self.sizes)[:-1])
        return np.asarray(np.sum([row[own] for row, own in zip(rows, self.codes, strict=True)], axis=0))

    def _rmatvec(self, weight: Floats) -> Floats:
        return np.asarray(self.counts(self.codes[0], 1, weight.ravel())[0])  # the first row of the basis: every code 0


def solve_bounded(hessian: Floats, linear: Floats, bounded: Flags) -> Floats:
    """Minimise z'Hz/2 - c'z with z >= 0 where bounded, H positive definite, for a row of problems (r, p, p), (r, p)."""
    n_rows, n_columns = linear.shape
    positive = np.ones((n_rows, n_columns), dtype=bool)
    solution = np.zeros_like(linear)
    open_ = np.arange(n_rows)
    fewest, patience = np.full(n_rows, n_columns + 1), np.full(n_rows, PATIENCE)
    for _ in range(MAX_PIVOTS):
        h, c, p = hessian[open_], linear[open_], positive[open_]
        masked = np.where(p[:, :, None] & p[:, None, :], h, np.eye(n_columns))
        z = np.linalg.solve(masked, np.where(p, c, 0.0)[..., None])[..., 0]
        slope = (h @ z[..., None])[..., 0] - c
        tolerance = 1e-10 * (1.0 + np.abs(c).max(axis=1, keepdims=True))
        wrong = bounded & np.where(p, z < -1e-12, slope < -tolerance)
        solution[open_] = np.where(bounded, np.maximum(z, 0.0), z)
        n_wrong = wrong.sum(axis=1)
        still = n_wrong > 0
        open_, wrong, n_wrong = open_[still], wrong[still], n_wrong[still]
        if not len(open_):
            break
        patience[open_] = np.where(n_wrong < fewest[open_], PATIENCE, patience[open_] - 1)
        fewest[open_] = np.minimum(fewest[open_], n_wrong)
        # all wrong entries change sides while that helps, else only the last: this cannot cycle (Murty 1974)
        last = n_columns - 1 - np.argmax(wrong[:, ::-1], axis=1)
        single = np.arange(n_columns) == last[:, None]
        positive[open_] ^= np.where((patience[open_] > 0)[:, None], wrong, single)
    return solution


def fit_logistic(
    columns: Floats | LinearOperator,
    won: Floats,
    total: Floats,
    penalty: Floats,
    *,
    bounded: Flags | None = None,
    start: Floats | None = None,
    offset: Floats | float = 0.0,
    tolerance: float = 1e-4,
    max_iter: int = 60,
) -> Fits:
    """Minimise sum_p [total log(1 + e^eta) - won eta] + theta' S theta / 2, theta >= 0 where bounded, row by row.

    (m, p) columns, or an operator that has their Gram matrix; (rows or 1, m) won and total;
    (rows or 1, p, p) penalty S; (rows, p) start; (m,) offset of every eta.
    """
    n_rows = max(len(won), len(penalty), 1 if start is None else len(start))
    n_columns = columns.shape[1]
    theta = np.zeros((n_rows, n_columns)) if start is None else start.copy()
    won_columns = np.broadcast_to(won @ columns, (n_rows, n_columns))
    total = np.broadcast_to(total, (n_rows, total.shape[1]))
    penalty = np.broadcast_to(penalty, (n_rows, n_columns, n_columns))
    hessian, loss = np.empty((n_rows, n_columns, n_columns)), np.full(n_rows, np.inf)
    before, open_ = theta.copy(), np.arange(n_rows)
    for _ in range(max_iter):
        at, s = theta[open_], penalty[open_]
        eta = at @ columns.T + offset
        small = np.exp(-np.abs(eta))
        s_at = (s @ at[..., None])[..., 0]
        now = ((np.maximum(eta, 0.0) + np.log1p(small)) * total[open_]).sum(axis=1)
        now += (at * (0.5 * s_at - won_columns[open_])).sum(axis=1)
        worse = now > loss[open_] + 1e-9 * (1.0 + np.abs(now))
        if worse.any():  # half-way back towards the last point that was better
            rows = open_[worse]
            theta[rows] = 0.5 * (theta[rows] + before[rows])
            if worse.all():
                continue
        ok = ~worse
        rows, at, eta, small, s, s_at = open_[ok], at[ok], eta[ok], small[ok], s[ok], s_at[ok]
        mu = np.where(eta >= 0, 1.0, small) / (1.0 + small)
        weighted = total[rows] * mu
        gradient = weighted @ columns - won_columns[rows] + s_at
        h, weighted = s.copy(), weighted * (1.0 - mu)
        for gram, each in zip(h, weighted, strict=True):
            if isinstance(columns, np.ndarray):
                scaled = np.sqrt(each)[:, None] * columns  # a product with itself, at half the cost
                gram += scaled.T @ scaled
            else:
                gram += columns.gram(each)
        linear = (h @ at[..., None])[..., 0] - gradient
        new = np.linalg.solve(h, linear[..., None])[..., 0] if bounded is None else solve_bounded(h, linear, bounded)
        hessian[rows], loss[rows] = h, now[ok]
        before[rows], theta[rows] = at, new
        moved = np.abs(new - at).max(axis=1) > tolerance * (1.0 + np.abs(new).max(axis=1))
        open_ = np.sort(np.concatenate([open_[worse], rows[moved]]))
        if not len(open_):
            break
    return Fits(theta, hessian, loss)
