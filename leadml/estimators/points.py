"""Whole points: a card that adds up by heart, as near as can be to the real-valued fit.

Near means correlated: of points x with the best line through them, the loss against the fit is least (to
second order) where (x'c)^2 / x'Cx is largest, C the covariance of the codes weighted by p (1 - p) and c that of
the codes with the fit. The rounded card is improved by moves of one point, two at a time.
Ustun, Rudin (2019), Learning optimized risk scores, JMLR 20; Liu et al. (2022), FasterRisk, NeurIPS 35.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import ScorecardFit, sum_values
from leadml.estimators.solver import fit_logistic
from leadml.levels import N_CODES, UNKNOWN, Codes, logistic

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOTAL = 40
MAX_ROUNDS = 200
AT_ONCE = 64
"""Most promising moves whose validity is looked at together."""
UNSEEN = 0.02
"""Deals of weight that each code counts for even where none was seen, so that its points follow the fit."""


@dataclasses.dataclass(frozen=True, eq=False)
class WholePoints:
    """Card in whole points: log-odds = base + slope * total."""

    points: Ints
    """(k, 6): points of codes 0 to 4 and of unknown; the tops of the levels add up to the total asked for."""
    base: float
    slope: float
    loss_against_real: float
    """Log loss a deal that the real-valued fit expects to be given up by whole points, at least 0."""

    def totals(self, codes: Codes) -> Ints:
        """(n,) total points of (n, k) codes."""
        return sum_values(self.points, codes).astype(np.int64)


def whole_points(
    fit: ScorecardFit, counts: PatternCounts, total: int = TOTAL, *, monotone: bool | npt.ArrayLike = True
) -> WholePoints:
    """Round a fit to whole points; `monotone` as in `fit_scorecard` (points of the other criteria may turn)."""
    k = len(fit.values)
    rising = np.broadcast_to(np.asarray(monotone, dtype=bool), k)
    real = fit.log_odds(counts.codes)
    weight = counts.total * logistic(real) * logistic(-real)
    points = _rounded(fit.values, total, rising)
    if points.any():
        covariance = _covariance(counts.codes, weight)
        points = _improved(points, covariance, covariance @ fit.values.ravel(), total, rising)
    line = np.stack([np.ones(len(real)), sum_values(points, counts.codes)], axis=1)
    expected = counts.total * logistic(real)
    ridge = 1e-9 * np.eye(2)[None]
    base, slope = fit_logistic(line, expected[None], counts.total[None], ridge).theta[0]
    if not points.any():
        slope = 0.0
    size = max(float(counts.total.sum()), 1e-300)
    lost = _loss(base + slope * line[:, 1], expected, counts.total) - _loss(real, expected, counts.total)
    return WholePoints(points, float(base), float(slope), max(lost / size, 0.0))


def _loss(log_odds: Floats, won: Floats, total: Floats) -> float:
    return float(total @ np.logaddexp(0.0, log_odds) - won @ log_odds)


def _rounded(values: Floats, total: int, rising: npt.NDArray[np.bool_]) -> Ints:
    """Criteria share the total by largest remainders; codes within a criterion round in proportion."""
    values = values - np.where(rising, 0.0, values[:, :UNKNOWN].min(axis=1))[:, None]
    top = values[:, :UNKNOWN].max(axis=1)
    if top.sum() <= 1e-9:
        return np.zeros(values.shape, dtype=np.int64)
    wanted = total * top / top.sum()
    whole = np.floor(wanted + 1e-12)
    rest = round(total - whole.sum())
    whole[np.argsort(whole - wanted, kind="stable")[:rest]] += 1
    scale = np.divide(whole, top, out=np.zeros_like(top), where=top > 0)
    points = np.floor(values * scale[:, None] + 0.5)
    return np.asarray(np.clip(points, 0, whole[:, None]), dtype=np.int64)


def _covariance(codes: Codes, weight: Floats) -> Floats:
    """(6k, 6k) weighted covariance of the indicators of all codes."""
    one_hot = np.concatenate([column[:, None] == np.arange(N_CODES) for column in codes.T], axis=1).astype(float)
    mean = weight @ one_hot / max(float(weight.sum()), 1e-300)
    centred = one_hot - mean
    return np.asarray((weight[:, None] * centred).T @ centred + UNSEEN * np.eye(one_hot.shape[1]))


def _improved(points: Ints, covariance: Floats, c: Floats, total: int, rising: npt.NDArray[np.bool_]) -> Ints:
    """Take the best move of one point, or two of them at once, for as long as there is one that helps."""
    single = _single_moves(rising)
    first, second = np.triu_indices(len(single), 1)
    moves = np.concatenate([single, single[first] + single[second]])
    along = moves @ covariance
    move_c, move_size = moves @ c, np.einsum("ij,ij->i", along, moves)
    x = points.ravel().astype(np.float64)
    for _ in range(MAX_ROUNDS):
        size = x @ covariance @ x
        now = (x @ c) ** 2 / size
        top = x @ c + move_c
        bottom = size + 2.0 * (along @ x) + move_size
        near = np.where(bottom > 1e-12, top * np.abs(top) / np.maximum(bottom, 1e-12), 0.0)
        better = np.flatnonzero(near > now * (1 + 1e-9))
        better = better[np.argsort(-near[better], kind="stable")]
        for start in range(0, len(better), AT_ONCE):
            candidates = x + moves[better[start : start + AT_ONCE]]
            valid = np.flatnonzero(_valid(candidates, total, rising))
            if len(valid):
                x = candidates[valid[0]]
                break
        else:
            break
    return x.reshape(points.shape).astype(np.int64)


def _single_moves(rising: npt.NDArray[np.bool_]) -> Floats:
    """Rows of 6k: one point on or off a step (all levels from it up), a single level, or an unknown."""
    rows = []
    for j, up in enumerate(rising):
        for code in range(1 if up else 0, N_CODES):
            row = np.zeros((len(rising), N_CODES))
            row[j, code : UNKNOWN if up and code < UNKNOWN else code + 1] = 1.0
            rows.append(row.ravel())
    return np.concatenate([np.array(rows), -np.array(rows)])


def _valid(candidates: Floats, total: int, rising: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether cards (n, 6k) keep the total, never fall where they may not, and start at 0."""
    cards = candidates.reshape(len(candidates), -1, N_CODES)
    levels, unknown = cards[..., :UNKNOWN], cards[..., UNKNOWN]
    top = levels.max(axis=2)
    falls = rising & (np.diff(levels, axis=2) < 0).any(axis=2)
    wrong = falls | (levels.min(axis=2) != 0) | (unknown < 0) | (unknown > top)
    return np.asarray((top.sum(axis=1) == total) & ~wrong.any(axis=1))
