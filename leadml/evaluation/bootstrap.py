"""Intervals by drawing whole clusters of held-out deals again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Figure:
    """A value with its 95% interval.

    Attributes
    ----------
    value, low, high : float
        NaN where the data hold no answer.
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain record; what is unknown is None.

        Returns
        -------
        dict
            value, low, high.
        """
        return {name: as_json(getattr(self, name)) for name in ("value", "low", "high")}


def as_json(number: float) -> float | None:
    """Finite number as it is, anything else as None.

    Parameters
    ----------
    number : float
        Any number.

    Returns
    -------
    float or None
        For JSON, which knows no NaN.
    """
    return float(number) if np.isfinite(number) else None


def draw_clusters(n_clusters: int, n_replicates: int, random_state: int) -> Array:
    """Weights of every cluster in every bootstrap replicate, after a first row of ones.

    Parameters
    ----------
    n_clusters : int
        Clusters to draw from, with replacement, as many as there are.
    n_replicates : int
        Draws.
    random_state : int
        Seed.

    Returns
    -------
    array of shape (1 + n_replicates, n_clusters), float32
        Row 0 is the sample itself.
    """
    rng = np.random.default_rng(random_state)
    out = np.empty((n_replicates + 1, n_clusters), dtype=np.float32)
    out[0] = 1.0
    for row in range(1, n_replicates + 1):
        out[row] = np.bincount(rng.integers(0, n_clusters, n_clusters), minlength=n_clusters)
    return out


def to_figure(replicates: Array, value: float | None = None, tail: float = 0.025) -> Figure:
    """Percentile interval out of replicates whose first entry is the sample itself.

    Parameters
    ----------
    replicates : array of shape (1 + n_replicates,)
        The statistic on the sample, then on each replicate. Of whole numbers the ends are whole, rounded
        outward.
    value : float, optional
        Value to show instead of the first entry.
    tail : float
        Share of replicates left out at each end.

    Returns
    -------
    Figure
        2.5th and 97.5th percentiles, unless `tail` says otherwise; NaN when fewer than half the
        replicates have a value.
    """
    first = float(replicates[0]) if value is None else value
    drawn = replicates[1:][np.isfinite(replicates[1:])]
    if len(drawn) < 0.5 * (len(replicates) - 1) or not len(drawn):
        return Figure(first, np.nan, np.nan)
    whole = replicates.dtype.kind in "iu"
    low = np.percentile(drawn, 100 * tail, method="lower" if whole else "linear")
    high = np.percentile(drawn, 100 - 100 * tail, method="higher" if whole else "linear")
    return Figure(first, float(low), float(high))


def expanded_tail(n_rarer: float, n_parameters: int) -> float:
    """Tail of a percentile interval that allows for the parameters fitted to few deals.

    A bootstrap draws from the sample as if it were all there is, so its spread is too small by about
    sqrt((n - p) / n), and its tails are those of the normal law, not of Student's.

    Parameters
    ----------
    n_rarer : float
        Deals of the rarer outcome, which is what a logistic fit learns from.
    n_parameters : int
        Parameters fitted.

    Returns
    -------
    float
        Share to leave out at each end, at most 0.025.

    References
    ----------
    Hesterberg, T. (2015). What teachers should know about the bootstrap. The American Statistician 69(4).
    """
    from scipy.stats import norm, t

    freedom = max(n_rarer - n_parameters, 2.0)
    return float(norm.cdf(-np.sqrt(max(n_rarer, 3.0) / freedom) * t.ppf(0.975, freedom)))


def two_sided_p(replicates: Array) -> float:
    """P-value of the hypothesis that the statistic is 0, by the normal law with the bootstrap's error.

    Parameters
    ----------
    replicates : array of shape (1 + n_replicates,)
        The statistic on the sample, then on each replicate.

    Returns
    -------
    float
        0 to 1; NaN where the statistic has no value, 1 where it never moves from 0.
    """
    from math import erfc, sqrt

    drawn = replicates[1:][np.isfinite(replicates[1:])]
    if not np.isfinite(replicates[0]) or len(drawn) < 2:
        return float("nan")
    error = float(drawn.std(ddof=1))
    if error == 0.0:
        return 1.0 if replicates[0] == 0.0 else 0.0
    return erfc(abs(float(replicates[0])) / error / sqrt(2.0))


def adjust_holm(p_values: Array) -> Array:
    """Holm's adjustment for several comparisons with one baseline.

    Parameters
    ----------
    p_values : array of shape (n,)
        NaN entries stay NaN and do not count.

    Returns
    -------
    array of shape (n,)
        Adjusted values, at most 1.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure.
    Scandinavian Journal of Statistics 6(2).
    """
    p = np.asarray(p_values, dtype=float)
    out = np.full(len(p), np.nan)
    valid = np.flatnonzero(np.isfinite(p))
    ranked = valid[np.argsort(p[valid], kind="stable")]
    factors = np.arange(len(ranked), 0, -1)
    out[ranked] = np.minimum(1.0, np.maximum.accumulate(p[ranked] * factors))
    return out
