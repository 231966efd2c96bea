"""Edges of bands on learned totals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.decisions.cutoff import cutoff_at_probability

Array = NDArray[Any]


def documented_shares(documented_by: Array, documented_from: list[int]) -> Array:
    """Share of leads at or above each documented band's edge.

    Parameters
    ----------
    documented_by : array of shape (n, documented_max + 1)
        Leads at each documented total.
    documented_from : list of int
        Totals from which the documented bands begin, rising; the first is 0.

    Returns
    -------
    array of shape (n, n_bands)
        Shares, falling from 1.
    """
    size = np.maximum(documented_by.sum(axis=1), 1e-12)
    return np.stack([documented_by[:, edge:].sum(axis=1) / size for edge in documented_from], axis=1)


def edges_at_shares(learned_by: Array, shares: Array) -> Array:
    """Edges on learned totals that give each band the same share of leads as documented.

    Parameters
    ----------
    learned_by : array of shape (n, learned_max + 1)
        Leads at each learned total.
    shares : array of shape (n, n_bands)
        Share at or above each edge, falling from 1.

    Returns
    -------
    int array of shape (n, n_bands)
        Edges, the first 0, never falling; the total whose share at or above comes nearest is taken.
    """
    size = np.maximum(learned_by.sum(axis=1, keepdims=True), 1e-12)
    above = np.cumsum(learned_by[:, ::-1], axis=1)[:, ::-1] / size
    above = np.concatenate([above, np.zeros((len(above), 1))], axis=1)
    out = np.abs(above[:, None, :] - shares[:, :, None]).argmin(axis=2)
    out[:, 0] = 0
    return np.maximum.accumulate(out, axis=1)


def edges_at_probabilities(base: Array, slope: Array, probabilities: Array, total_max: int) -> Array:
    """Edges on totals from which the chance of winning reaches given probabilities.

    Parameters
    ----------
    base, slope : arrays of shape (n,)
        log-odds = base + slope * total, slope >= 0.
    probabilities : array of shape (n, n_bands - 1)
        Rising, 0 to 1; from 1 on no total is high enough.
    total_max : int
        Largest total; one more means that no total is high enough.

    Returns
    -------
    int array of shape (n, n_bands)
        Edges, the first 0, never falling.
    """
    columns = [cutoff_at_probability(base, slope, np.minimum(p, 1.0), total_max) for p in probabilities.T]
    return np.stack([np.zeros(len(base), dtype=np.int64), *columns], axis=1)
