"""Whole points: a card that adds up by heart, as near as can be to the real-valued fit.

Near means correlated: of points x with the best line through them, the loss against the fit is least (to
second order) where (x'c)^2 / x'Cx is largest, C the covariance of the codes weighted by p (1 - p) and c that of
the codes with the fit. The rounded card is improved by moves of one point, two at a time where there are criteria
alone. The rows of a card are its criteria (codes 0 to 4, unknown), then its attributes (bins, other, unknown).
Ustun, Rudin (2019), Learning optimized risk scores, JMLR 20; Liu et al. (2022), FasterRisk, NeurIPS 35.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from leadml.estimators.patterns import sum_rows
from leadml.estimators.scorecard_fit import CardFit
from leadml.estimators.solver import Coded, fit_logistic
from leadml.levels import N_CODES, UNKNOWN, Codes, Flags, Floats, Ints, logistic

TOTAL = 40
MAX_ROUNDS = 400
SCALES = (1.0, 1.5, 2.2, 3.3)
"""Where the search for at most a total begins: in proportion, and larger, of which rare extremes are taken off."""
UNSEEN = 0.02
"""Deals of weight that each code counts for even where none was seen, so that its points follow the fit."""


@dataclasses.dataclass(frozen=True, eq=False)
class WholePoints:
    """Card in whole points: log-odds = base + slope * total.

    rows : of codes 0 to 4 and unknown of each criterion, of bins, other and unknown of each attribute, the lowest 0.
    loss_against_real : log loss a deal that the real-valued fit expects to be given up by whole points, at least 0.
    """

    rows: list[Ints]
    base: float
    slope: float
    loss_against_real: float

    @property
    def total_max(self) -> int:
        """The highest total."""
        return int(sum(row.max() for row in self.rows))

    def totals(self, codes: Codes) -> Ints:
        """(n,) totals of (n, rows) codes."""
        return sum_rows(self.rows, codes).astype(np.int64)


def whole_points(
    fit: CardFit, codes: Codes, weight: Floats, total: int = TOTAL, *,
    monotone: bool | npt.ArrayLike = True, at_most: bool = False,
) -> WholePoints:  # fmt: skip
    """Round a fit to whole points, by (n, rows) codes and the weight (n,) of the deals that have them.

    The tops of the rows add up to `total`, or, by single moves of one point, to no more (`at_most`). `monotone` as in
    `fit_scorecard` (points of the other criteria may turn).
    """
    k, rows = len(fit.values), fit.rows
    sizes = [len(row) for row in rows]
    columns = Coded(codes, sizes, np.eye(1 + sum(sizes)))
    real = columns @ np.concatenate([[fit.intercept], *rows])
    won = weight * logistic(real)
    gram = columns.gram(won * logistic(-real))
    covariance = gram[1:, 1:] - np.outer(gram[0, 1:], gram[0, 1:]) / max(gram[0, 0], 1e-300)
    covariance += UNSEEN * np.eye(len(covariance))
    rising = np.broadcast_to(np.asarray(monotone, dtype=bool), k)
    x = _Search(rows, k, rising, total, not at_most, covariance).nearest()
    line = np.stack([np.ones(len(codes)), columns @ np.append(0.0, x)], axis=1)
    theta = fit_logistic(line, won[None], weight[None], 1e-9 * np.eye(2)[None]).theta[0] * [1.0, x.any()]
    rounded, real_loss = (weight @ np.logaddexp(0.0, eta) - won @ eta for eta in (line @ theta, real))
    lost = max(float(rounded - real_loss) / max(float(weight.sum()), 1e-300), 0.0)
    points = np.split(x.astype(np.int64), np.cumsum(sizes)[:-1])
    return WholePoints(points if rows else [], float(theta[0]), float(theta[1]), lost)


class _Search:
    """Points of all rows, one after the other: the nearest to the fit that are valid (criteria never fall)."""

    def __init__(
        self, rows: Sequence[Floats], k: int, rising: Flags, total: int, exact: bool, covariance: Floats
    ) -> None:
        self.k, self.rising, self.total, self.exact, self.covariance = k, rising, total, exact, covariance
        self.sizes = np.array([len(row) for row in rows], dtype=np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        levels = [row[:UNKNOWN] if j < k else row for j, row in enumerate(rows)]
        low = np.array([row.min() if j >= k or not rising[j] else 0.0 for j, row in enumerate(levels)])
        self.top = np.array([row.max() for row in levels]) - low
        self.values = np.concatenate([[], *rows]) - np.repeat(low, self.sizes)
        # a move: one point on or off a step of a rising criterion (all levels from it up), or any other code by itself
        made = np.split(np.eye(len(self.values)), self.starts[1:]) if rows else []
        for j in np.flatnonzero(rising):
            made[j] = np.concatenate([np.cumsum(made[j][:UNKNOWN][::-1], axis=0)[-2::-1], made[j][UNKNOWN:]])
        self.moves = np.concatenate([each for sign in (1, -1) for each in (sign * own for own in made)] or [np.eye(0)])
        if exact:
            first, second = np.triu_indices(len(self.moves), 1)
            self.moves = np.concatenate([self.moves, self.moves[first] + self.moves[second]])

    def nearest(self) -> Floats:
        """The best of what is found from every start."""
        span = self.top.sum()
        if span <= 1e-9:
            return np.zeros(len(self.values))
        scales = [np.full(len(self.top), scale * self.total / span) for scale in SCALES]
        if self.exact:  # the rows share the total by largest remainders
            wanted = self.total * self.top / span
            whole = np.floor(wanted + 1e-12)
            whole[np.argsort(whole - wanted, kind="stable")[: round(self.total - whole.sum())]] += 1
            scales = [np.divide(whole, self.top, out=np.zeros_like(whole), where=self.top > 0)]
        found = np.array([self._improved(self._start(scale)) for scale in scales])
        return np.asarray(found[np.argmax(self._near(found))])

    def _near(self, x: Floats) -> Floats:
        """Squared correlation of points (..., size) with the fit, its sign kept, up to a factor."""
        along = x @ self.covariance
        top, bottom = along @ self.values, (along * x).sum(axis=-1)
        return np.where(bottom > 1e-12, top * np.abs(top) / np.maximum(bottom, 1e-12), 0.0)

    def _start(self, scale: Floats) -> Floats:
        """Round in proportion; take the top or the bottom off rows, where it costs least, until the total is kept."""
        row = np.repeat(np.arange(len(self.sizes)), self.sizes)
        x = np.clip(np.floor(self.values * scale[row] + 0.5), 0, np.floor(self.top * scale + 0.5)[row])
        while (top := np.maximum.reduceat(x, self.starts)).sum() > self.total:
            some = np.flatnonzero(top > 0)[:, None]
            tried = [np.where(row == some, less, x) for less in (np.minimum(x, top[some] - 1), np.maximum(x - 1, 0))]
            x = np.concatenate(tried)[np.argmax(self._near(np.concatenate(tried)))]
        return np.asarray(x)

    def _improved(self, x: Floats) -> Floats:
        """Take the best valid move for as long as one brings the points nearer to the fit; attributes begin at 0."""
        k, at = self.k, self.starts[self.k :]
        for _ in range(MAX_ROUNDS):
            moved = x + self.moves
            near = self._near(moved)
            moved[:, N_CODES * k :] -= np.repeat(np.minimum.reduceat(moved, at, axis=1), self.sizes[k:], axis=1)
            cards = moved[:, : N_CODES * k].reshape(len(moved), k, N_CODES)
            levels, unknown = cards[..., :UNKNOWN], cards[..., UNKNOWN]
            top = levels.max(axis=2)
            total = top.sum(axis=1) + np.maximum.reduceat(moved, at, axis=1).sum(axis=1)
            wrong = (levels.min(axis=2) != 0) | (unknown < 0) | (unknown > top)
            wrong |= self.rising & (np.diff(levels, axis=2) < 0).any(axis=2)
            valid = (total == self.total if self.exact else total <= self.total) & ~wrong.any(axis=1)
            best = int(np.argmax(np.where(valid, near, 0.0)))
            if not valid[best] or near[best] <= self._near(x) * (1 + 1e-9):
                break
            x = moved[best]
        return x
