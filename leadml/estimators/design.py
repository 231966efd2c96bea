"""Design and priors of the learned scorecard: steps between levels, what unknown earns, three spreads.

    log-odds = b + sum_j f_j(code_j),   f_j(level) = d_j1 + ... + d_j,level
    f_j(unknown) = mean of f_j over the known levels + u_j

Columns: intercept; four steps of each criterion; unknown of each criterion. The documented points w_j(level)
are the line d = a * D, D their steps, around which steps vary between criteria and within them:
    mean_l (d_jl - a D_jl) ~ N(0, between^2),   what is left ~ N(0, within^2)
    u_j ~ N(-part * mean of f_j over the known levels, sd^2)
Part 0 is unknown at random, part 1 is the document's word that unknown earns what level 0 earns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leadml.levels import LEVEL_MAX, N_CODES, UNKNOWN, Codes

Floats = npt.NDArray[np.float64]

UNKNOWN_MEANINGS = ((0.0, 0.15, 0.6), (1.0, 0.15, 0.25), (0.5, 0.5, 0.15))
"""Part, sd and prior chance of what unknown may mean. Averaged over: with one free spread of .5 for all, as many
deals earned a third less where unknown meant level 0, and a twentieth less where it was at random."""
LINE_SD = 20.0
"""Prior of the documented line, in log-odds from all criteria at 0 to all at their top: hardly any."""
INTERCEPT_SD = 20.0


def known_shares(codes: Codes, total: Floats) -> Floats:
    """(k, 5): share of the known levels of each criterion; even where none is known."""
    counts = np.stack([np.bincount(column, total, minlength=N_CODES)[:UNKNOWN] for column in codes.T])
    size = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, size, out=np.full(counts.shape, 0.2), where=size > 0))


def code_table(shares: Floats) -> Floats:
    """(k, 6, 5): what each code puts into the four steps and the unknown of its criterion."""
    table = np.zeros((len(shares), N_CODES, LEVEL_MAX + 1))
    table[:, :UNKNOWN, :LEVEL_MAX] = np.tri(UNKNOWN, LEVEL_MAX, -1)
    table[:, UNKNOWN, :LEVEL_MAX] = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1][:, 1:]
    table[:, UNKNOWN, LEVEL_MAX] = 1.0
    return table


def design(codes: Codes, table: Floats) -> Floats:
    """(m, 1 + 5k): intercept, steps of all criteria, unknowns of all criteria."""
    each = table[np.arange(codes.shape[1]), codes]
    steps, unknown = each[..., :LEVEL_MAX].reshape(len(codes), -1), each[..., LEVEL_MAX]
    return np.concatenate([np.ones((len(codes), 1)), steps, unknown], axis=1)


def values_by_code(theta: Floats, table: Floats) -> Floats:
    """(..., k, 6): f_j of each code, out of coefficients (..., 1 + 5k)."""
    k = len(table)
    steps = theta[..., 1 : 1 + LEVEL_MAX * k].reshape(*theta.shape[:-1], k, LEVEL_MAX)
    each = np.concatenate([steps, theta[..., 1 + LEVEL_MAX * k :][..., None]], axis=-1)
    return np.asarray(np.einsum("jci,...ji->...jc", table, each))


def is_step(k: int) -> npt.NDArray[np.bool_]:
    """(1 + 5k,): which coefficients are steps, and may not be negative on a monotone card."""
    at = np.arange(1 + (LEVEL_MAX + 1) * k)
    return (at > 0) & (at <= LEVEL_MAX * k)


def steps_precision(documented: Floats, between: float, within: float) -> tuple[Floats, float]:
    """Precision matrix (1 + 5k square) of intercept and steps, and its log-determinant; unknowns left 0."""
    k = len(documented)
    line = np.diff(documented, axis=1).ravel()
    scale = LINE_SD / max(float(documented[:, -1].sum()), 1e-12)
    mean = np.full((LEVEL_MAX, LEVEL_MAX), 1.0 / LEVEL_MAX)
    # the mean of four steps has variance between^2, so the direction of unit length has 4 between^2
    one = mean / (LEVEL_MAX * between**2) + (np.eye(LEVEL_MAX) - mean) / within**2
    precision = np.zeros((1 + (LEVEL_MAX + 1) * k,) * 2)
    precision[0, 0] = INTERCEPT_SD**-2
    steps = np.kron(np.eye(k), one)
    # Sherman-Morrison: the line's slope a ~ N(0, scale^2) is integrated out
    along = steps @ line
    denominator = scale**-2 + line @ along
    precision[1 : 1 + LEVEL_MAX * k, 1 : 1 + LEVEL_MAX * k] = steps - np.outer(along, along) / denominator
    log_det = -2 * np.log(INTERCEPT_SD) - np.log(scale**2 * denominator)
    log_det -= k * (np.log(LEVEL_MAX) + 2 * np.log(between) + 2 * (LEVEL_MAX - 1) * np.log(within))
    return precision, float(log_det)


def unknown_precision(table: Floats, part: float, sd: float) -> tuple[Floats, float]:
    """What is added to the precision matrix for the unknowns, and to its log-determinant."""
    k = len(table)
    departure = np.zeros((k, 1 + (LEVEL_MAX + 1) * k))
    for j in range(k):
        departure[j, 1 + LEVEL_MAX * j : 1 + LEVEL_MAX * (j + 1)] = part * table[j, UNKNOWN, :LEVEL_MAX]
        departure[j, 1 + LEVEL_MAX * k + j] = 1.0
    return departure.T @ departure / sd**2, -2 * k * float(np.log(sd))
