"""The learned scorecard: additive and monotone, averaged over how far it departs from the document."""

from __future__ import annotations

import dataclasses
import itertools
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.estimators.design import (
    UNKNOWN_MEANINGS,
    code_table,
    design,
    is_step,
    known_shares,
    steps_precision,
    unknown_precision,
    values_by_code,
)
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.solver import Fits, fit_logistic, solve_bounded
from leadml.levels import LEVEL_MAX, N_CODES, UNKNOWN, Codes, logistic

Floats = npt.NDArray[np.float64]

SPREADS = np.array(list(itertools.product((0.001, 0.05, 0.1, 0.2, 0.4, 0.8), (0.001, 0.07, 0.15, 0.3, 0.6, 1.2))))
"""Spreads between and within criteria that are averaged over."""
NEGLIGIBLE = 1e-3
"""Share of the evidence below which spreads are left out of the average."""
HOPELESS = 9.0
"""How far behind in log-evidence spreads are given up after a rough fit."""


@dataclasses.dataclass(frozen=True, eq=False)
class ScorecardFit:
    """Real-valued card: log-odds = intercept + sum_j values[j, code_j].

    values : (k, 6) log-odds of codes 0 to 4 (0 at level 0) and of unknown.
    draws : (D, 1 + 6k) posterior draws of intercept and values, each a card of the same form.
    evidence : (G,) weight of each row of `spreads` in the average, summing to 1.
    spreads : (G, 3) between, within, and the part of its mean that unknown gives up (0 at random, 1 as level 0).
    """

    intercept: float
    values: Floats
    draws: Floats
    evidence: Floats
    spreads: Floats

    def log_odds(self, codes: Codes) -> Floats:
        """(n,) log-odds of (n, k) codes."""
        return self.intercept + sum_values(self.values, codes)


def sum_values(values: npt.NDArray[Any], codes: Codes) -> npt.NDArray[Any]:
    """(..., n): sum over criteria of values (..., k, 6) looked up at (n, k) codes."""
    out = values[..., 0, :][..., codes[:, 0]]
    for j in range(1, codes.shape[1]):
        out = out + values[..., j, :][..., codes[:, j]]
    return np.asarray(out)


def fit_scorecard(
    counts: PatternCounts,
    documented: npt.ArrayLike,
    *,
    monotone: bool | npt.ArrayLike = True,
    random_state: int = 0,
    n_draws: int = 0,
) -> ScorecardFit:
    """Learn a card around documented points (k, 5); `monotone` may be a flag for each criterion."""
    documented = np.asarray(documented, dtype=np.float64)
    k = len(documented)
    table = code_table(known_shares(counts.codes, counts.total))
    columns = design(counts.codes, table)
    won, total = counts.won[None], counts.total[None]
    bounded = is_step(k)
    bounded[1 : 1 + LEVEL_MAX * k] &= np.repeat(np.broadcast_to(np.asarray(monotone, dtype=bool), k), LEVEL_MAX)
    free, precision, evidence, spreads = _average(columns, won, total, table, documented)
    theta = free.theta.copy()
    broken = np.flatnonzero((theta[:, bounded] < 0).any(axis=1))
    if len(broken):
        start = np.where(bounded, np.maximum(theta[broken], 0.0), theta[broken])
        theta[broken] = fit_logistic(columns, won, total, precision[broken], bounded=bounded, start=start).theta
    mean = evidence @ theta
    drawn = _draw(free, evidence, bounded, table, n_draws, np.random.default_rng(random_state))
    draws = np.concatenate([drawn[:, :1], values_by_code(drawn, table).reshape(n_draws, N_CODES * k)], axis=1)
    return ScorecardFit(float(mean[0]), values_by_code(mean, table), draws, evidence, spreads)


def _average(
    columns: Floats, won: Floats, total: Floats, table: Floats, documented: Floats
) -> tuple[Fits, Floats, Floats, Floats]:
    """Fits without bounds of all spreads that count, their precision matrices, evidence and spreads."""
    steps, steps_log_det = _steps_priors(documented.tobytes(), len(documented))
    unknown = [unknown_precision(table, part, sd) for part, sd, _ in UNKNOWN_MEANINGS]
    rough = _rough_fits(columns, won, total, steps + unknown[0][0])
    log_evidence = _log_evidence(rough, steps_log_det)
    at = np.flatnonzero(log_evidence > log_evidence.max() - HOPELESS)
    n = len(at)
    precision = np.concatenate([steps[at] + each for each, _ in unknown])
    fits = fit_logistic(columns, won, total, precision, start=np.tile(rough.theta[at], (len(unknown), 1)))
    log_det = np.concatenate([steps_log_det[at] + each for _, each in unknown])
    chance = np.repeat([chance for _, _, chance in UNKNOWN_MEANINGS], n)
    log_evidence = _log_evidence(fits, log_det) + np.log(chance)
    evidence = np.exp(log_evidence - log_evidence.max())
    kept = evidence >= NEGLIGIBLE * evidence.sum()
    parts = np.repeat([part for part, _, _ in UNKNOWN_MEANINGS], n)
    spreads = np.c_[np.tile(SPREADS[at], (len(unknown), 1)), parts]
    return fits[kept], precision[kept], evidence[kept] / evidence[kept].sum(), spreads[kept]


def _log_evidence(fits: Fits, prior_log_det: Floats) -> Floats:
    """Laplace: log of the integral of likelihood times prior, up to a constant."""
    return np.asarray(0.5 * prior_log_det - fits.loss - 0.5 * np.linalg.slogdet(fits.hessian)[1])


def _draw(
    fits: Fits, evidence: Floats, bounded: npt.NDArray[np.bool_], table: Floats, n: int, rng: np.random.Generator
) -> Floats:
    """Draw from the mixture of Laplace posteriors; each draw is projected onto the cards within the bounds."""
    grid = rng.choice(len(evidence), size=n, p=evidence)
    noise = rng.standard_normal((n, fits.theta.shape[1]))
    root = np.linalg.cholesky(fits.hessian)[grid]
    free = fits.theta[grid] + np.linalg.solve(root.swapaxes(1, 2), noise[..., None])[..., 0]
    broken = np.flatnonzero((free[:, bounded] < 0).any(axis=1))
    if not len(broken):
        return free
    hessian, out = fits.hessian[grid[broken]], free.copy()
    out[broken] = solve_bounded(hessian, (hessian @ free[broken, :, None])[..., 0], bounded)
    # Projected noise of four steps adds up to more than 0: a criterion as a whole weighs what it did before,
    # or nothing, turned about its mean level, so that intervals of weights cover 0 where 0 is true.
    k = len(table)
    steps, before = (each[:, 1 : 1 + LEVEL_MAX * k].reshape(n, k, LEVEL_MAX) for each in (out, free))
    top = steps.sum(axis=2)
    ratio = np.divide(np.maximum(before.sum(axis=2), 0.0), top, out=np.ones_like(top), where=top > 1e-12)
    ratio[:, ~bounded[1 : 1 + LEVEL_MAX * k : LEVEL_MAX]] = 1.0
    mean = np.einsum("rjl,jl->rj", steps, table[:, UNKNOWN, :LEVEL_MAX])
    out[:, 0] += ((1.0 - ratio) * mean).sum(axis=1)
    steps *= ratio[..., None]
    return out


def _rough_fits(columns: Floats, won: Floats, total: Floats, precision: Floats) -> Fits:
    """Three steps for each prior with the curvature of one fit: enough to see which are hopeless."""
    middle = len(precision) // 2
    one = fit_logistic(columns, won, total, precision[[middle]], tolerance=1e-2)
    hessian = precision + (one.hessian - precision[middle])
    theta, won_columns = np.repeat(one.theta, len(precision), axis=0), won @ columns
    for _ in range(3):
        gradient = (total * logistic(theta @ columns.T)) @ columns - won_columns
        gradient += (precision @ theta[..., None])[..., 0]
        theta -= np.linalg.solve(hessian, gradient[..., None])[..., 0]
    loss = np.logaddexp(0.0, theta @ columns.T) @ total[0] - theta @ won_columns[0]
    loss += 0.5 * np.einsum("ri,rij,rj->r", theta, precision, theta, optimize=True)
    return Fits(theta, hessian, loss)


@lru_cache(maxsize=64)
def _steps_priors(documented: bytes, k: int) -> tuple[Floats, Floats]:
    """Precision matrices of the steps for all pairs of spreads, and their log-determinants."""
    points = np.frombuffer(documented).reshape(k, 5)
    precision, log_det = zip(*(steps_precision(points, *spreads) for spreads in SPREADS), strict=True)
    return np.stack(precision), np.array(log_det)
