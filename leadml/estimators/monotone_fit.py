"""Fit scorecards on a table of patterns: one, or one for each fold or replicate, and choose how far to go.

minimise  log loss  +  shrink * (departure between criteria)  +  smooth * (departure within criteria)

with steps that never fall. shrink = inf is exactly the documented rule, calibrated; shrink = smooth = 0
is the free monotone model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.estimators.bounded_logistic import fit_bounded_logistic
from leadml.estimators.design import Family, make_family, step_columns, tie_unknowns, unknown_ties

Array = NDArray[Any]

# Strengths a deal, from the document to the data: the curvature of the log loss is about 0.4 a deal.
SHRINKS = (np.inf, 3.0, 1.0, 0.3, 0.1, 0.03, 0.0)
SMOOTHS = (np.inf, 0.3, 0.03)


def fit_scorecards(
    levels: Array,
    won: Array,
    total: Array,
    *,
    documented_points: Array,
    shrink: float,
    smooth: float,
    per_deal: bool = False,
    monotone: bool = True,
    start: Array | None = None,
    tolerance: float = 1e-8,
) -> Array:
    """Fit one scorecard for each row of weights.

    Parameters
    ----------
    levels : array of shape (n_patterns, n_criteria)
        Levels 0 to 4, NaN = unknown.
    won, total : arrays of shape (n_rows, n_patterns)
        Weight of won and of all deals of each pattern.
    documented_points : array of shape (n_criteria, 5)
        Points of levels 0 to 4 as documented.
    shrink, smooth : float
        Strengths, 0 to inf.
    per_deal : bool
        Whether the strengths are to be multiplied by the weight of all deals of a row.
    monotone : bool
        False leaves steps and unknowns free to be negative: a bootstrap at a bound would not cover the truth.
    start : array of shape (n_rows, n_full), optional
        Full coefficients to start from.
    tolerance : float
        Largest change of a coefficient at which a fit counts as found.

    Returns
    -------
    array of shape (n_rows, 1 + 5 * n_criteria)
        Full coefficients: intercept, then four steps and the unknown of each criterion.
    """
    won, total = np.atleast_2d(won), np.atleast_2d(total)
    family = make_family(documented_points, shrink, smooth)
    full_columns = step_columns(levels)
    columns = full_columns if family.is_free else full_columns @ family.basis
    size = total.sum(axis=1)
    if per_deal:
        unit = family.penalty(shrink, smooth, 1.0)
        penalty = size[:, None, None] * unit
    else:
        penalty = np.stack([family.penalty(shrink, smooth, n) for n in np.unique(size)])
        penalty = penalty[np.unique(size, return_inverse=True)[1]]
    free_start = None if start is None else start @ np.linalg.pinv(family.basis).T
    bounded = family.bounded & monotone
    if free_start is not None and monotone:
        free_start[:, 1:] = np.maximum(free_start[:, 1:], 0.0)
    free = fit_bounded_logistic(
        columns, won, total, penalty=penalty, bounded=bounded, start=free_start, tolerance=tolerance
    )
    if np.isfinite(shrink) and monotone:
        free = _hold_unknowns_down(columns, won, total, penalty, family, free)
    return free @ family.basis.T


def _hold_unknowns_down(
    columns: Array, won: Array, total: Array, penalty: Array, family: Family, free: Array
) -> Array:
    """Refit the rows in which an unknown earns more than its top level, with the two tied.

    A tie is let go again where the unknown would rather earn less (an active set). In the last rounds
    ties are only added, so that it ends with none above its top level.
    """
    k = (family.basis.shape[0] - 1) // 5
    ties = np.zeros((len(free), k), dtype=bool)
    at = family.unknowns
    for turn in range(3 * k):
        above = unknown_ties(free @ family.basis.T) & ~ties
        loose = np.zeros_like(ties)
        tied = np.flatnonzero(ties.any(axis=1))
        if len(tied) and turn < 2 * k:
            mu = 1.0 / (1.0 + np.exp(-(free[tied] @ columns.T)))
            slope = (total[tied] * mu - won[tied]) @ columns[:, at]
            slope += np.einsum("rij,rj->ri", penalty[tied], free[tied])[:, at]
            loose[tied] = ties[tied] & (slope > 1e-6 * total[tied].sum(axis=1, keepdims=True))
        rows = np.flatnonzero((above | loose).any(axis=1))
        if not len(rows):
            break
        ties = (ties | above) & ~loose
        free[rows] = fit_bounded_logistic(
            columns,
            won[rows],
            total[rows],
            penalty=penalty[rows],
            bounded=family.bounded,
            start=free[rows],
            restrict=tie_unknowns(family, ties[rows]),
        )
    return free


@dataclass(frozen=True)
class Strength:
    """A pair of strengths a deal and its cross-validated loss.

    Attributes
    ----------
    shrink, smooth : float
        Strength a deal, 0 to inf.
    log_loss : float
        Mean held-out log loss, nats a deal.
    standard_error : float
        Standard error over folds of its difference from the best pair's.
    """

    shrink: float
    smooth: float
    log_loss: float
    standard_error: float


@dataclass(frozen=True)
class Path:
    """Cross-validated losses along all strengths, for each of several training sets.

    Attributes
    ----------
    grid : list of (shrink, smooth)
        Strengths a deal, from the document to the data.
    losses : array of shape (n_sets, n_folds, n_grid)
        Held-out log loss, summed over the fold's deals.
    sizes : array of shape (n_sets, n_folds)
        Weight of the fold's deals.
    """

    grid: list[tuple[float, float]]
    losses: Array
    sizes: Array

    def even(self) -> Path:
        """Give the part of the grid in which steps keep their documented shape.

        Returns
        -------
        Path
            With smooth = inf throughout.
        """
        keep = [at for at, (_, smooth) in enumerate(self.grid) if np.isinf(smooth)]
        return Path([self.grid[at] for at in keep], self.losses[..., keep], self.sizes)

    def choose(self, one_standard_error: bool = True) -> list[Strength]:
        """Pick for each training set the strength nearest the document that is within one standard error.

        Parameters
        ----------
        one_standard_error : bool
            False picks the least loss itself.

        Returns
        -------
        list of Strength
            One a training set.
        """
        weight = self.sizes.sum(axis=1)
        mean = self.losses.sum(axis=1) / weight[:, None]
        out = []
        for row in range(len(mean)):
            best = int(np.argmin(mean[row]))
            per_fold = (self.losses[row] - self.losses[row][:, [best]]) / np.maximum(
                self.sizes[row][:, None], 1e-12
            )
            n_folds = len(per_fold)
            error = per_fold.std(axis=0, ddof=1) / np.sqrt(n_folds)
            near = mean[row] - mean[row, best] <= (error if one_standard_error else 0.0)
            pick = int(np.argmax(near))  # the grid starts at the document
            out.append(Strength(*self.grid[pick], float(mean[row, pick]), float(error[pick])))
        return out


def make_grid(steps: bool) -> list[tuple[float, float]]:
    """Strengths to choose from, in order from the document to the data.

    Parameters
    ----------
    steps : bool
        Whether steps within a criterion may be uneven.

    Returns
    -------
    list of (shrink, smooth)
        First the document itself.
    """
    grid = [(np.inf, np.inf)]
    for smooth in SMOOTHS if steps else SMOOTHS[:1]:
        grid += [(shrink, smooth) for shrink in SHRINKS[1:]]
    return grid


def cross_validate_strengths(
    levels: Array,
    won: Array,
    total: Array,
    *,
    documented_points: Array,
    grid: list[tuple[float, float]],
) -> Path:
    """Held-out log loss of every strength, for several training sets at once.

    Parameters
    ----------
    levels : array of shape (n_patterns, n_criteria)
        Levels 0 to 4, NaN = unknown.
    won, total : arrays of shape (n_sets, n_folds, n_patterns)
        Weight of won and of all deals of each pattern in each inner fold of each training set.
    documented_points : array of shape (n_criteria, 5)
        Points of levels 0 to 4 as documented.
    grid : list of (shrink, smooth)
        Strengths a deal.

    Returns
    -------
    Path
        Losses along the grid.
    """
    n_sets, n_folds, n_patterns = total.shape
    train_won = (won.sum(axis=1, keepdims=True) - won).reshape(-1, n_patterns)
    train_total = (total.sum(axis=1, keepdims=True) - total).reshape(-1, n_patterns)
    test_won, test_total = won.reshape(-1, n_patterns), total.reshape(-1, n_patterns)
    columns = step_columns(levels)
    losses = np.empty((n_sets * n_folds, len(grid)))
    start = None
    for at, (shrink, smooth) in enumerate(grid):
        full = fit_scorecards(
            levels,
            train_won,
            train_total,
            documented_points=documented_points,
            shrink=shrink,
            smooth=smooth,
            per_deal=True,
            start=start,
        )
        start = full if np.isfinite(shrink) else None
        eta = full @ columns.T
        losses[:, at] = (test_total * np.logaddexp(0.0, eta) - test_won * eta).sum(axis=1)
    return Path(
        grid,
        losses.reshape(n_sets, n_folds, len(grid)),
        test_total.sum(axis=1).reshape(n_sets, n_folds),
    )
