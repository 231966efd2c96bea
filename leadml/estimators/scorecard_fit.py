"""The learned scorecard: additive and monotone, averaged over how far it departs from the document.

    log-odds = b + sum_j f_j(code_j),   f_j(level) = d_j1 + ... + d_j,level
    f_j(unknown) = mean of f_j over the known levels + u_j

Coefficients: intercept; four steps of each criterion; unknown of each criterion. The documented points w_j(level) are
the line d = a * D, D their steps, around which steps vary between criteria and within them:
    mean_l (d_jl - a D_jl) ~ N(0, between^2),   what is left ~ N(0, within^2)
    u_j ~ N(-part * mean of f_j over the known levels, sd^2)
Part 0 is unknown at random, part 1 is the document's word that unknown earns what level 0 earns.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from leadml.estimators.patterns import PatternCounts, sum_rows
from leadml.estimators.solver import Fits, fit_logistic, solve_bounded
from leadml.levels import LEVEL_MAX, N_CODES, UNKNOWN, Codes, Flags, Floats, logistic

SPREADS = np.array(list(itertools.product((0.001, 0.05, 0.1, 0.2, 0.4, 0.8), (0.001, 0.07, 0.15, 0.3, 0.6, 1.2))))
"""Spreads between and within criteria that are averaged over; the first keeps the document's proportions."""
UNKNOWN_MEANINGS = np.array([(0.0, 0.15, 0.6), (1.0, 0.15, 0.25), (0.5, 0.5, 0.15)])
"""Part, sd and prior chance of what unknown may mean. Averaged over: with one free spread of .5 for all, as many
deals earned a third less where unknown meant level 0, and a twentieth less where it was at random."""
LINE_SD = 20.0
"""Prior of the documented line, in log-odds from all criteria at 0 to all at their top: hardly any."""
INTERCEPT_SD = 20.0
NEGLIGIBLE = 1e-3
"""Share of the evidence below which spreads are left out of the average."""
HOPELESS = 9.0
"""How far behind in log-evidence spreads are given up after a rough fit."""


@dataclasses.dataclass(frozen=True, eq=False)
class CardFit:
    """Real-valued card: an intercept and log-odds of codes; `values` (k, 6) are those of criteria, 0 at level 0."""

    intercept: float
    values: Floats

    @property
    def rows(self) -> list[Floats]:
        """Log-odds of the codes of each row."""
        return [*self.values]

    def log_odds(self, codes: Codes) -> Floats:
        """(n,) log-odds of (n, rows) codes."""
        return self.intercept + sum_rows(self.rows, codes)


@dataclasses.dataclass(frozen=True, eq=False)
class ScorecardFit(CardFit):
    """Card of criteria alone; `draws` (D, 1 + 6k) of intercept and values from its posterior are such cards too."""

    draws: Floats


def code_basis(codes: Codes, total: Floats) -> Floats:
    """(1 + 6k, 1 + 5k): what the intercept and each code put into the coefficients; `total` deals a pattern."""
    counts = np.stack([np.bincount(column, total, minlength=N_CODES)[:UNKNOWN] for column in codes.T])
    size = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, size, out=np.full(counts.shape, 0.2), where=size > 0)  # even where none is known
    steps = np.empty((len(shares), N_CODES, LEVEL_MAX))
    steps[:, :UNKNOWN] = np.tri(UNKNOWN, LEVEL_MAX, -1)
    steps[:, UNKNOWN] = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1][:, 1:]
    unknown = np.arange(1 + N_CODES * len(shares))[:, None] == N_CODES * np.arange(1, len(shares) + 1)
    return np.hstack([block_diag(1.0, *steps), unknown])


def design(codes: Codes, basis: Floats) -> Floats:
    """(m, 1 + 5k): intercept, steps of all criteria, unknowns of all criteria."""
    rows = np.split(basis[1:], codes.shape[1])
    return np.asarray(basis[0] + sum(row[column] for row, column in zip(rows, codes.T, strict=True)))


def steps_priors(k: int, spreads: npt.ArrayLike = SPREADS) -> tuple[Floats, Floats]:
    """Precision matrices (G, p, p) of intercept and steps for rows of spreads (G, 2), and their log-determinants."""
    between, within = np.asarray(spreads).T[..., None, None]
    scale, mean = LINE_SD / (LEVEL_MAX * k), np.full((LEVEL_MAX, LEVEL_MAX), 1.0 / LEVEL_MAX)
    # the mean of four steps has variance between^2, so the direction of unit length has 4 between^2
    one = mean / (LEVEL_MAX * between**2) + (np.eye(LEVEL_MAX) - mean) / within**2
    # Sherman-Morrison: the line's slope a ~ N(0, scale^2) is integrated out
    line = scale**-2 + k / between**2
    precision = np.zeros((len(one), *(1 + (LEVEL_MAX + 1) * k,) * 2))
    precision[:, 0, 0] = INTERCEPT_SD**-2
    steps = slice(1, 1 + LEVEL_MAX * k)
    precision[:, steps, steps] = np.kron(np.eye(k), one) - 1 / (LEVEL_MAX * between**2) ** 2 / line
    log_det = -k * (np.log(LEVEL_MAX) + 2 * np.log(between) + 2 * (LEVEL_MAX - 1) * np.log(within))
    return precision, (log_det - np.log(scale**2 * line) - 2 * np.log(INTERCEPT_SD)).ravel()


def unknown_priors(basis: Floats) -> tuple[Floats, Floats]:
    """What each of `UNKNOWN_MEANINGS` adds to the precision matrix and to its log-determinant."""
    (part, sd, _), own = UNKNOWN_MEANINGS.T[..., None, None], basis[N_CODES::N_CODES]
    departure = np.where(np.arange(basis.shape[1]) <= LEVEL_MAX * len(own), part, 1.0) * own
    return departure.swapaxes(1, 2) @ departure / sd**2, -2 * len(own) * np.log(sd).ravel()


def fit_scorecard(
    counts: PatternCounts, *, monotone: bool | npt.ArrayLike = True, random_state: int = 0, n_draws: int = 0
) -> ScorecardFit:
    """Learn a card around the document, whose points are the levels; `monotone` may be a flag for each criterion."""
    k, basis = counts.codes.shape[1], code_basis(counts.codes, counts.total)
    rising = np.broadcast_to(np.asarray(monotone, dtype=bool), k)
    bounded = np.pad(np.repeat(rising, LEVEL_MAX), (1, k))  # steps; intercept and unknowns are free
    columns, won, total = design(counts.codes, basis), counts.won[None], counts.total[None]
    free, precision, evidence, _ = fit_spreads(columns, won, total, basis)
    theta = free.theta.copy()
    broken = np.flatnonzero((theta[:, bounded] < 0).any(axis=1))
    if len(broken):
        start = np.where(bounded, np.maximum(theta[broken], 0.0), theta[broken])
        theta[broken] = fit_logistic(columns, won, total, precision[broken], bounded=bounded, start=start).theta
    intercept, *values = basis @ (evidence @ theta)
    draws = _draw(free, evidence, bounded, basis, n_draws, np.random.default_rng(random_state)) @ basis.T
    return ScorecardFit(float(intercept), np.reshape(values, (k, N_CODES)), draws)


def fit_spreads(columns: Floats, won: Floats, total: Floats, basis: Floats) -> tuple[Fits, Floats, Floats, Floats]:
    """Fits without bounds of all spreads that count, their precision matrices, their weights in the average, and they.

    (G, 3) between, within, and the part of its mean that unknown gives up (0 at random, 1 as level 0).
    """
    (steps, steps_log_det), (unknown, unknown_log_det) = steps_priors(len(basis) // N_CODES), unknown_priors(basis)
    # three steps for each prior with the curvature of one fit: enough to see which are hopeless
    rough, middle = steps + unknown[0], len(steps) // 2
    one = fit_logistic(columns, won, total, rough[[middle]], tolerance=1e-2)
    hessian, theta = rough + (one.hessian - rough[middle]), np.repeat(one.theta, len(rough), axis=0)
    for _ in range(3):
        gradient = (total * logistic(theta @ columns.T) - won) @ columns + (rough @ theta[..., None])[..., 0]
        theta -= np.linalg.solve(hessian, gradient[..., None])[..., 0]
    loss = np.logaddexp(0.0, theta @ columns.T) @ total[0] - theta @ (won @ columns)[0]
    loss += 0.5 * np.einsum("ri,rij,rj->r", theta, rough, theta, optimize=True)
    log_evidence = _log_evidence(Fits(theta, hessian, loss), steps_log_det)
    at = np.flatnonzero(log_evidence > log_evidence.max() - HOPELESS)
    at, meaning = np.tile(at, len(UNKNOWN_MEANINGS)), np.repeat(np.arange(len(UNKNOWN_MEANINGS)), len(at))
    precision = steps[at] + unknown[meaning]
    fits = fit_logistic(columns, won, total, precision, start=theta[at])
    part, _, chance = UNKNOWN_MEANINGS[meaning].T
    log_evidence = _log_evidence(fits, steps_log_det[at] + unknown_log_det[meaning]) + np.log(chance)
    evidence = np.exp(log_evidence - log_evidence.max())
    kept = evidence >= NEGLIGIBLE * evidence.sum()
    evidence = evidence[kept] / evidence[kept].sum()
    return Fits(*(each[kept] for each in fits)), precision[kept], evidence, np.c_[SPREADS[at], part][kept]


def _log_evidence(fits: Fits, prior_log_det: Floats) -> Floats:
    """Laplace: log of the integral of likelihood times prior, up to a constant."""
    return np.asarray(0.5 * prior_log_det - fits.loss - 0.5 * np.linalg.slogdet(fits.hessian)[1])


def _draw(fits: Fits, evidence: Floats, bounded: Flags, basis: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Draw from the mixture of Laplace posteriors; each draw is projected onto the cards within the bounds."""
    k, grid = len(basis) // N_CODES, rng.choice(len(evidence), size=n, p=evidence)
    noise = rng.standard_normal((n, fits.theta.shape[1]))
    root = np.linalg.cholesky(fits.hessian)[grid]
    free = fits.theta[grid] + np.linalg.solve(root.swapaxes(1, 2), noise[..., None])[..., 0]
    broken = np.flatnonzero((free[:, bounded] < 0).any(axis=1))
    hessian, out = fits.hessian[grid[broken]], free.copy()
    out[broken] = solve_bounded(hessian, (hessian @ free[broken, :, None])[..., 0], bounded)
    # Projected noise of four steps adds up to more than 0: a criterion as a whole weighs what it did before,
    # or nothing, turned about its mean level, so that intervals of weights cover 0 where 0 is true.
    own = slice(1, 1 + LEVEL_MAX * k)
    steps, before = (each[:, own].reshape(n, k, LEVEL_MAX) for each in (out, free))
    top = steps.sum(axis=2)
    ratio = np.divide(np.maximum(before.sum(axis=2), 0.0), top, out=np.ones_like(top), where=top > 1e-12)
    ratio[:, ~bounded[own][::LEVEL_MAX]] = 1.0
    out[:, 0] += ((1.0 - ratio) * (out[:, own] @ basis[N_CODES::N_CODES, own].T)).sum(axis=1)
    steps *= ratio[..., None]
    return out
