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
    x = np.concatenate([np.round(row * total / span) for row in shifted])
    for j in range(k):  # an unknown earns between nothing and the top of its criterion
        at = starts[j]
        x[at + UNKNOWN] = np.clip(x[at + UNKNOWN], 0, x[at : at + UNKNOWN].max())
    covariance = _covariance(codes, starts, weight, fit, effects)
    x = _improved(x, covariance, covariance @ np.concatenate(shifted), _moves(starts, k), starts, k, total)
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


def _improved(x: Floats, covariance: Floats, c: Floats, moves: Floats, starts: Ints, k: int, total: int) -> Floats:
    """Take the best valid move for as long as one brings the points nearer to the fit, and the total within bounds."""
    along, move_c = moves @ covariance, moves @ c
    move_size = np.einsum("ij,ij->i", along, moves)
    for _ in range(MAX_MOVES):
        size = float(x @ covariance @ x)
        now = float(x @ c) ** 2 / max(size, 1e-12)
        top, bottom = x @ c + move_c, size + 2 * (along @ x) + move_size
        near = np.where(bottom > 1e-12, top * np.abs(top) / np.maximum(bottom, 1e-12), 0.0)
        excess = _total(x, starts) > total
        for i in np.argsort(-near):
            if not excess and near[i] <= now * (1 + 1e-9):
                return x
            moved = _grounded(x + moves[i], starts, k)
            fits = _total(moved, starts) < _total(x, starts) if excess else _total(moved, starts) <= total
            if fits and _valid(moved, starts, k):
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
