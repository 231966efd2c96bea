"""Whole points of a wide card: criteria and attributes share one total, and are rounded together.

The same aim as `leadml.estimators.points` (weighted correlation with the fit), but rows of unequal length, one move
of one point at a time, and a total that may be a little below the one asked for.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from leadml.estimators.wide_fit import WideFit
from leadml.levels import LEVEL_MAX, N_CODES, UNKNOWN, logistic

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_MOVES = 400
SCALES = (1.0, 1.5, 2.2, 3.3)
"""Where the search begins: points in proportion, and larger ones, of which the rare extremes are taken off."""
UNSEEN = 0.02
"""Deals of weight that each code counts for even where none was seen, so that its points follow the fit."""


@dataclasses.dataclass(frozen=True, eq=False)
class WidePoints:
    """Points (k, 6) of criteria, and of each attribute's bins, other and unknown; every row begins at 0."""

    criteria: Ints
    attributes: tuple[Ints, ...]

    @property
    def rows(self) -> list[Ints]:
        """Points of every row of the card."""
        return [*self.criteria, *self.attributes]

    @property
    def total_max(self) -> int:
        """The highest total."""
        return int(sum(row.max() for row in self.rows))

    def totals(self, codes: list[npt.NDArray[np.uint8]]) -> Ints:
        """(n,) totals of the codes of every row."""
        out = np.zeros(len(codes[0]) if codes else 0, dtype=np.int64)
        for row, code in zip(self.rows, codes, strict=True):
            out += row[code]
        return out


def whole_points(fit: WideFit, codes: list[npt.NDArray[np.uint8]], weight: Floats, total: int) -> WidePoints:
    """Round a fit to whole points; codes of criteria, then of attributes, of the deals it was learned from."""
    k = len(fit.values)
    effects = [*fit.values, *(each.effects for each in fit.attributes)]
    starts = np.cumsum([0, *(len(row) for row in effects)])
    shifted = [row if j < k else row - row.min() for j, row in enumerate(effects)]
    span = sum(float(row[:UNKNOWN].max() if j < k else row.max()) for j, row in enumerate(shifted))
    if span <= 1e-9:
        return WidePoints(
            np.zeros((k, N_CODES), dtype=np.int64), tuple(np.zeros(len(r), np.int64) for r in effects[k:])
        )
    covariance = _covariance(codes, starts, weight, fit, effects)
    c, moves = covariance @ np.concatenate(shifted), _moves(starts, k)
    tried = []
    for scale in SCALES:
        x = np.concatenate([np.round(row * scale * total / span) for row in shifted])
        for at in starts[:k]:  # an unknown earns between nothing and the top of its criterion
            x[at + UNKNOWN] = np.clip(x[at + UNKNOWN], 0, x[at : at + UNKNOWN].max())
        tried.append(_improved(_within(x, covariance, c, starts, total), covariance, c, moves, starts, k, total))
    x = tried[int(np.argmax(_nearness(np.array(tried), covariance, c)))]
    rows = [x[a:b].astype(np.int64) for a, b in itertools.pairwise(starts)]
    return WidePoints(np.array(rows[:k], dtype=np.int64).reshape(k, N_CODES), tuple(rows[k:]))


def _covariance(
    codes: list[npt.NDArray[np.uint8]], starts: Ints, weight: Floats, fit: WideFit, effects: list[Floats]
) -> Floats:
    """Covariance of the indicators of all codes, weighted by w p (1 - p)."""
    from scipy.sparse import csr_array

    eta = fit.intercept + sum((row[code] for row, code in zip(effects, codes, strict=True)), np.zeros(len(weight)))
    w = weight * logistic(eta) * logistic(-eta)
    at = np.stack([code.astype(np.int64) + start for code, start in zip(codes, starts, strict=False)], axis=1)
    n, r = at.shape
    one_hot = csr_array((np.ones(n * r), at.ravel(), np.arange(0, n * r + 1, r)), shape=(n, int(starts[-1])))
    mean = one_hot.T @ w
    gram = (one_hot.multiply(w[:, None]).T @ one_hot).toarray()
    return np.asarray(gram - np.outer(mean, mean) / max(w.sum(), 1e-12) + UNSEEN * np.eye(len(mean)))


def _moves(starts: Ints, k: int) -> Floats:
    """One point on or off: a step of a criterion (all levels from it up), an unknown, or one bin."""
    size = int(starts[-1])
    made = []
    for at in starts[:k]:
        for level in range(1, LEVEL_MAX + 1):
            move = np.zeros(size)
            move[at + level : at + UNKNOWN] = 1
            made.append(move)
    made += list(np.eye(size)[[int(at) + UNKNOWN for at in starts[:k]]])
    made += list(np.eye(size)[int(starts[k]) :])
    return np.concatenate([np.array(made), -np.array(made)])


def _nearness(x: Floats, covariance: Floats, c: Floats) -> Floats:
    """(r,) squared correlation of rows of points with the fit, its sign kept, up to a factor."""
    top, bottom = x @ c, np.einsum("ij,ij->i", x @ covariance, x)
    return np.where(bottom > 1e-12, top * np.abs(top) / np.maximum(bottom, 1e-12), 0.0)


def _within(x: Floats, covariance: Floats, c: Floats, starts: Ints, total: int) -> Floats:
    """Take the top or the bottom off rows, where it costs least, until the total is within bounds."""
    while _total(x, starts) > total:
        tries = []
        for a, b in itertools.pairwise(starts):
            if (top := x[a:b].max()) > 0:
                tries += [x.copy(), x.copy()]
                tries[-2][a:b] = np.minimum(x[a:b], top - 1)
                tries[-1][a:b] = np.maximum(x[a:b] - 1, 0)
        x = tries[int(np.argmax(_nearness(np.array(tries), covariance, c)))]
    return x


def _improved(x: Floats, covariance: Floats, c: Floats, moves: Floats, starts: Ints, k: int, total: int) -> Floats:
    """Take the best valid move for as long as one brings the points nearer to the fit."""
    along, move_c = moves @ covariance, moves @ c
    move_size = np.einsum("ij,ij->i", along, moves)
    for _ in range(MAX_MOVES):
        size = float(x @ covariance @ x)
        now = float(x @ c) ** 2 / max(size, 1e-12)
        top, bottom = x @ c + move_c, size + 2 * (along @ x) + move_size
        near = np.where(bottom > 1e-12, top * np.abs(top) / np.maximum(bottom, 1e-12), 0.0)
        for i in np.argsort(-near):
            if near[i] <= now * (1 + 1e-9):
                return x
            moved = _grounded(x + moves[i], starts, k)
            if _total(moved, starts) <= total and _valid(moved, starts, k):
                x = moved
                break
        else:
            return x
    return x


def _grounded(x: Floats, starts: Ints, k: int) -> Floats:
    """Let every attribute's lowest bin earn 0."""
    for a, b in zip(starts[k:-1], starts[k + 1 :], strict=True):
        x[a:b] -= x[a:b].min()
    return x


def _total(x: Floats, starts: Ints) -> float:
    return float(np.maximum.reduceat(x, starts[:-1]).sum())


def _valid(x: Floats, starts: Ints, k: int) -> bool:
    """Whether criteria rise from 0 and their unknowns stay between."""
    rows = x[: int(starts[k])].reshape(k, N_CODES)
    levels, unknown = rows[:, :UNKNOWN], rows[:, UNKNOWN]
    rising = not (np.diff(levels, axis=1) < 0).any() and not (levels[:, 0] != 0).any()
    return bool(rising and (unknown >= 0).all() and (unknown <= levels[:, -1]).all())
