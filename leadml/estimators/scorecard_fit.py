"""The learned scorecard: additive and monotone, averaged over how far it departs from the document."""

from __future__ import annotations

import dataclasses
import itertools
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from leadml.estimators.design import (
    BETWEEN,
    WITHIN,
    code_table,
    design,
    is_step,
    known_shares,
    prior_precision,
    values_by_code,
)
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.solver import fit_logistic, solve_bounded
from leadml.levels import Codes

Floats = npt.NDArray[np.float64]

SPREADS = np.array(list(itertools.product(BETWEEN, WITHIN)))
NEGLIGIBLE = 1e-3
"""Share of the evidence below which a pair of spreads is left out of the average."""


@dataclasses.dataclass(frozen=True, eq=False)
class ScorecardFit:
    """Real-valued card: log-odds = intercept + sum_j values[j, code_j]."""

    intercept: float
    values: Floats
    """(k, 6): log-odds of codes 0 to 4 (0 at level 0) and of unknown."""
    draws: Floats
    """(D, 1 + 6k): posterior draws of intercept and values, each a card of the same form."""
    evidence: Floats
    """(G,): weight of each pair of spreads in the average, summing to 1."""
    spreads: Floats
    """(G, 2): between and within."""

    def log_odds(self, codes: Codes) -> Floats:
        """(n,) log-odds of (n, k) codes."""
        return self.intercept + sum_values(self.values, codes)


def sum_values(values: npt.NDArray[np.generic], codes: Codes) -> Floats:
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
    precision, log_det = _priors(documented.tobytes(), k)
    bounded = is_step(k)
    bounded[1 : 1 + 4 * k] &= np.repeat(np.broadcast_to(np.asarray(monotone, dtype=bool), k), 4)
    middle = len(SPREADS) // 2
    start = fit_logistic(columns, won, total, precision[[middle]], tolerance=1e-3).theta
    free = fit_logistic(columns, won, total, precision, start=np.repeat(start, len(SPREADS), axis=0))
    log_evidence = 0.5 * log_det - free.loss - 0.5 * np.linalg.slogdet(free.hessian)[1]
    evidence = np.exp(log_evidence - log_evidence.max())
    evidence[evidence < NEGLIGIBLE * evidence.sum()] = 0.0
    evidence /= evidence.sum()
    theta = free.theta.copy()
    broken = np.flatnonzero((theta[:, bounded] < 0).any(axis=1) & (evidence > 0))
    if len(broken):
        start = np.where(bounded, np.maximum(theta[broken], 0.0), theta[broken])
        theta[broken] = fit_logistic(
            columns, won, total, precision[broken], bounded=bounded, start=start
        ).theta
    mean = evidence @ theta
    draws = np.empty((0, 1 + 6 * k))
    if n_draws:
        rng = np.random.default_rng(random_state)
        drawn = _draw(free.theta, free.hessian, evidence, bounded, n_draws, rng)
        draws = np.concatenate([drawn[:, :1], values_by_code(drawn, table).reshape(n_draws, -1)], axis=1)
    return ScorecardFit(float(mean[0]), values_by_code(mean, table), draws, evidence, SPREADS)


def _draw(
    centre: Floats,
    hessian: Floats,
    evidence: Floats,
    bounded: npt.NDArray[np.bool_],
    n: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw from the mixture of Laplace posteriors, each draw projected onto the monotone cards."""
    grid = rng.choice(len(evidence), size=n, p=evidence)
    noise = rng.standard_normal((n, centre.shape[1]))
    out = np.empty_like(noise)
    for g in np.unique(grid):
        rows = np.flatnonzero(grid == g)
        root = np.linalg.cholesky(hessian[g])
        out[rows] = centre[g] + np.linalg.solve(root.T, noise[rows].T).T
    broken = np.flatnonzero((out[:, bounded] < 0).any(axis=1))
    if len(broken):
        h = hessian[grid[broken]]
        out[broken] = solve_bounded(h, (h @ out[broken, :, None])[..., 0], bounded)
    return out


@lru_cache(maxsize=64)
def _priors(documented: bytes, k: int) -> tuple[Floats, Floats]:
    """Precision matrices of all pairs of spreads, and their log-determinants."""
    points = np.frombuffer(documented).reshape(k, 5)
    made = [prior_precision(points, between, within) for between, within in SPREADS]
    return np.stack([each[0] for each in made]), np.array([each[1] for each in made])
