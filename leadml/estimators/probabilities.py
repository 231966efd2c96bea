"""P(won) at every total of a card, with its interval: a line where deals are few, the rates where they abound.

    logit P(t) = a + b t + walk(t) + own(t),   walk ~ N(0, smooth^2 Brownian),   own ~ N(0, rough^2)

The two spreads are averaged over by their evidence, so that a straight line is left only as far as the deals say. A
total never tells less than a lower one (weighted isotonic mean).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.evaluation.bootstrap import Z
from leadml.evaluation.smooth import smooth
from leadml.levels import Floats, logistic

SPREADS = tuple(itertools.product((0.5, 1.5, 4.0), (0.2, 0.4, 0.8)))
"""Pairs of smooth (from end to end of the totals) and rough; with smaller ones 85% was covered of a total
where deals were few and the line was wrong."""
LINE_SD = (5.0, 20.0)
"""Prior of the intercept and of the slope, the latter from end to end: hardly any."""


class TotalProbabilities(NamedTuple):
    """(t,) P(won) at each total, and the ends of its 95% interval."""

    probability: Floats
    low: Floats
    high: Floats


def table_of_totals(
    totals: npt.ArrayLike, won: npt.ArrayLike, n: npt.ArrayLike, total_max: int, *,
    min_variance: float = 0.0, slope: float = 1.0,
) -> TotalProbabilities:  # fmt: skip
    """Learn P(won) at each total up to the highest from rows of `won` of `n` deals with these totals.

    `min_variance` is added to the variance of the log-odds; `slope` pulls these toward their mean, where the points
    were learned from the same deals.
    """
    from scipy.optimize import isotonic_regression

    size = total_max + 1
    won_at, n_at = (np.bincount(totals, each, size).astype(np.float64) for each in (won, n))
    x = np.arange(size) / max(total_max, 1) - 0.5
    line = LINE_SD[0] ** 2 + LINE_SD[1] ** 2 * np.outer(x, x)
    walk = 0.5 * (np.abs(x)[:, None] + np.abs(x) - np.abs(x[:, None] - x))
    found = smooth(np.array([line + wide**2 * walk + rough**2 * np.eye(size) for wide, rough in SPREADS]), won_at, n_at)
    mean = found.weight @ found.mean
    variance = found.weight @ (np.diagonal(found.covariance, axis1=1, axis2=2) + (found.mean - mean) ** 2)
    sd = np.sqrt(variance + min_variance)
    middle = float(np.average(mean, weights=n_at + 1e-9))
    mean = middle + slope * (mean - middle)
    rising = isotonic_regression(mean, weights=1.0 / sd**2).x
    # what was observed may fall from one total to the next: the interval is its own, and holds the pooled mean
    ends = np.minimum(mean - Z * sd, rising), np.maximum(mean + Z * sd, rising)
    return TotalProbabilities(*map(logistic, (rising, *ends)))
