"""From levels to the columns of a scorecard, and the penalties that tie it to its document.

A scorecard's log-odds are b + sum_j f_j(level). f_j climbs by steps d_jl >= 0 from level 0 to 4, and an
unknown earns u_j between f_j(0) = 0 and f_j(4). The columns are: intercept, then for each criterion four
steps and its unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

N_STEPS = 4
PER_CRITERION = N_STEPS + 1  # four steps and the unknown
UNKNOWN_CODE = 5.0  # of an unknown, where levels must equal each other
WIDEST = 24  # criteria whose codes fit into one whole number


def check_documented_points(points: ArrayLike | None, n_criteria: int) -> Array:
    """Validate documented points and return them, 0-4 for each criterion where none are given.

    Parameters
    ----------
    points : array-like of shape (n_criteria, 5) or None
        Points of levels 0 to 4 as documented; they start at 0 and never fall.
    n_criteria : int
        Number of criteria.

    Returns
    -------
    array of shape (n_criteria, 5)
        The points.

    Raises
    ------
    ValueError
        When the shape is another, or points start elsewhere, fall, or are all 0.
    """
    if points is None:
        return np.tile(np.arange(5.0), (n_criteria, 1))
    out = np.asarray(points, dtype=float)
    if out.shape != (n_criteria, 5):
        raise ValueError(
            f"documented_points has shape {out.shape}; valid is ({n_criteria}, 5): points of levels 0 to 4"
        )
    if not np.isfinite(out).all() or (out[:, 0] != 0).any() or (np.diff(out) < 0).any() or out.max() <= 0:
        raise ValueError("documented_points must start at 0 for level 0, never fall, and not all be 0")
    return out


def step_columns(levels: ArrayLike) -> Array:
    """Design of the free monotone card: intercept, then four steps and the unknown of each criterion.

    Parameters
    ----------
    levels : array-like of shape (n, n_criteria)
        Levels 0 to 4, NaN = unknown. Values between two levels count in proportion; values outside
        count as the nearest end.

    Returns
    -------
    array of shape (n, 1 + 5 * n_criteria)
        The columns, each between 0 and 1.
    """
    x = np.asarray(levels, dtype=float)
    n, k = x.shape
    unknown = np.isnan(x)
    steps = np.clip(np.where(unknown, 0.0, x)[:, :, None] - np.arange(N_STEPS), 0.0, 1.0)
    out = np.empty((n, 1 + PER_CRITERION * k))
    out[:, 0] = 1.0
    body = out[:, 1:].reshape(n, k, PER_CRITERION)
    body[:, :, :N_STEPS] = steps
    body[:, :, N_STEPS] = unknown
    return out


def group_rows(levels: Array) -> tuple[Array, NDArray[np.intp]]:
    """Put equal rows of levels together.

    Parameters
    ----------
    levels : array of shape (n, n_criteria)
        Levels 0 to 4, NaN = unknown.

    Returns
    -------
    patterns : array of shape (n_patterns, n_criteria)
        Each different row once, in order, an unknown after level 4.
    row : int array of shape (n,)
        Pattern of each row.
    """
    codes = np.where(np.isnan(levels), UNKNOWN_CODE, levels)
    n_criteria = codes.shape[1]
    if n_criteria > WIDEST or (codes != np.rint(codes)).any():
        patterns, row = np.unique(codes, axis=0, return_inverse=True)
        return np.where(patterns == UNKNOWN_CODE, np.nan, patterns), row.ravel()
    packed = codes.astype(np.int64) @ 6 ** np.arange(n_criteria - 1, -1, -1, dtype=np.int64)
    _, first, row = np.unique(packed, return_index=True, return_inverse=True)
    return levels[first], row


@dataclass(frozen=True)
class Family:
    """The scorecards one may choose from, as a linear map from few coefficients to all steps.

    Attributes
    ----------
    basis : array of shape (n_full, n_free)
        Full coefficients = basis @ free coefficients.
    between, within : arrays of shape (n_free, n_free)
        Quadratic forms: departure between criteria from the documented line, and within a criterion
        from its documented shape.
    """

    basis: Array
    between: Array
    within: Array

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Coefficients that may not be negative: all but the intercept."""
        out = np.ones(self.basis.shape[1], dtype=bool)
        out[0] = False
        return out

    @property
    def is_free(self) -> bool:
        """Whether the free coefficients are the full ones."""
        return bool(np.array_equal(self.basis, np.eye(len(self.basis))))

    @property
    def unknowns(self) -> NDArray[np.intp]:
        """Free coefficient of each criterion's unknown (shrink below infinity)."""
        n_criteria = (len(self.basis) - 1) // PER_CRITERION
        return np.array([np.flatnonzero(self.basis[_unknown_at(j)])[0] for j in range(n_criteria)])

    def penalty(self, shrink: float, smooth: float, n: float) -> Array:
        """Weigh both departures; a floor of 1e-7 a deal sends what no deal shows back to the document.

        Parameters
        ----------
        shrink, smooth : float
            Strengths in all, 0 to inf.
        n : float
            Number of deals.

        Returns
        -------
        array of shape (n_free, n_free)
            Penalty matrix of the free coefficients.
        """
        floor = 1e-7 * n
        between = max(shrink, floor) if np.isfinite(shrink) else floor
        within = max(smooth, floor) if np.isfinite(smooth) else floor
        # twice: the solver takes theta' S theta / 2
        return 2.0 * (between * self.between + within * self.within)


def make_family(documented_points: Array, shrink: float, smooth: float) -> Family:
    """Build the family of scorecards that the two strengths leave open.

    Parameters
    ----------
    documented_points : array of shape (n_criteria, 5)
        Points of levels 0 to 4 as documented.
    shrink : float
        inf keeps the documented points and fits one slope; otherwise criteria are re-weighted.
    smooth : float
        inf keeps each criterion's documented shape; otherwise steps are free.

    Returns
    -------
    Family
        Basis and penalties.
    """
    steps = np.diff(documented_points, axis=1)
    totals = documented_points[:, -1]
    k = len(steps)
    shape = np.where(totals[:, None] > 0, steps / np.where(totals > 0, totals, 1.0)[:, None], 0.25)
    n_full = 1 + PER_CRITERION * k
    if np.isinf(shrink):
        basis = np.zeros((n_full, 2))
        basis[0, 0] = 1.0
        for j in range(k):
            basis[_steps_at(j), 1] = steps[j]
    elif np.isinf(smooth):
        basis = np.zeros((n_full, 1 + 2 * k))
        basis[0, 0] = 1.0
        for j in range(k):
            basis[_steps_at(j), 1 + 2 * j] = shape[j] * N_STEPS  # one unit = one level's points
            basis[_unknown_at(j), 2 + 2 * j] = 1.0
    else:
        basis = np.eye(n_full)
    # between: mean step of each criterion, and a quarter of the unknown, against one common slope
    means = np.zeros((k, n_full))
    unknowns = np.zeros((k, n_full))
    within = np.zeros((n_full, n_full))
    for j in range(k):
        means[j, _steps_at(j)] = 1.0 / N_STEPS
        unknowns[j, _unknown_at(j)] = 1.0 / N_STEPS
        departure = np.eye(N_STEPS) - np.outer(shape[j], np.ones(N_STEPS))
        within[_steps_at(j), _steps_at(j)] = departure.T @ departure
    line = totals / np.sqrt(np.sum(totals**2))
    between = means.T @ (np.eye(k) - np.outer(line, line)) @ means + unknowns.T @ unknowns
    return Family(basis, basis.T @ between @ basis, basis.T @ within @ basis)


def unknown_ties(full: Array) -> NDArray[np.bool_]:
    """Which criteria's unknown earns more than their top level, which may not be.

    Parameters
    ----------
    full : array of shape (n_rows, n_full)
        Full coefficients.

    Returns
    -------
    bool array of shape (n_rows, n_criteria)
        True where u_j exceeds f_j(4).
    """
    body = full[:, 1:].reshape(len(full), -1, PER_CRITERION)
    top = body[:, :, :N_STEPS].sum(axis=2)
    return np.asarray(body[:, :, N_STEPS] > top + 1e-9)


def tie_unknowns(family: Family, ties: NDArray[np.bool_]) -> Array:
    """Restrictions that let a tied unknown earn exactly what its top level earns.

    Parameters
    ----------
    family : Family
        With one coefficient for each unknown (shrink below infinity).
    ties : bool array of shape (n_rows, n_criteria)
        Unknowns to tie.

    Returns
    -------
    array of shape (n_rows, n_free, n_free)
        One restriction a row, for `fit_bounded_logistic`.
    """
    n_rows, k = ties.shape
    n_free = family.basis.shape[1]
    out = np.tile(np.eye(n_free), (n_rows, 1, 1))
    for j in range(k):
        column = family.unknowns[j]
        top = family.basis[_steps_at(j)].sum(axis=0)
        out[:, column, :] = np.where(ties[:, j, None], top, out[:, column, :])
    return out


def points_of(full: Array) -> tuple[Array, Array]:
    """Log-odds of each level and of the unknown, out of full coefficients.

    Parameters
    ----------
    full : array of shape (..., n_full)
        Full coefficients.

    Returns
    -------
    levels : array of shape (..., n_criteria, 5)
        f_j(0) = 0 to f_j(4).
    unknown : array of shape (..., n_criteria)
        u_j.
    """
    body = full[..., 1:].reshape(*full.shape[:-1], -1, PER_CRITERION)
    levels = np.zeros((*body.shape[:-1], N_STEPS + 1))
    levels[..., 1:] = np.cumsum(body[..., :N_STEPS], axis=-1)
    return levels, body[..., N_STEPS]


def _steps_at(criterion: int) -> slice:
    first = 1 + PER_CRITERION * criterion
    return slice(first, first + N_STEPS)


def _unknown_at(criterion: int) -> int:
    return 1 + PER_CRITERION * criterion + N_STEPS
