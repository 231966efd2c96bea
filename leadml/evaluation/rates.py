"""P(won) at every total of a score: smooth rates (binomial Gaussian process, Laplace), drawn again or as a table.

Kernels are averaged over by their evidence, so that a straight line is left only as far as the deals say.
Rasmussen, Williams (2006), Gaussian processes for machine learning, algorithms 3.1 and 5.1.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.evaluation.bootstrap import Z
from leadml.levels import Floats, logistic

N_NEWTON = 50
LONGEST_STEP = 3.0
SPREADS = tuple(itertools.product((0.5, 1.5, 4.0), (0.2, 0.4, 0.8)))
"""Pairs of smooth (from end to end of the totals) and rough; with smaller ones 85% was covered of a total
where deals were few and the line was wrong."""
LINE_SD = (5.0, 20.0)
"""Prior of the intercept and of the slope, the latter from end to end: hardly any."""
ROUGHNESS = (0.0, 0.15, 0.4, 1.0)
"""Prior standard deviations of the departure of log-odds from a line in the total, of rates that are drawn again."""
LINE_SPREAD = 3.0
CLOSE = 1.0
"""Totals this far apart (in standard deviations of the total) depart from the line with correlation 1/e."""
OWN = 0.2
"""Departure of each total by itself, in log-odds: rates may jump at the cut-off (.75 covered without, .95 with)."""


class Smoothed(NamedTuple):
    """What k kernels say of the log-odds at t places: (k,) weights, (k, t) means, (k, t, t) covariances."""

    weight: Floats
    mean: Floats
    covariance: Floats


class TotalProbabilities(NamedTuple):
    """(t,) P(won) at each total, and the ends of its 95% interval."""

    probability: Floats
    low: Floats
    high: Floats


def smooth(kernels: Floats, won: Floats, n: Floats, offset: float = 0.0) -> Smoothed:
    """Log-odds offset + f, f a Gaussian process of each kernel (k, t, t), from `won` of `n` deals at each place."""
    f = np.zeros(kernels.shape[:2])
    for _ in range(N_NEWTON):
        p = logistic(offset + f)
        spread = n * p * (1 - p)
        root = np.sqrt(spread)
        inner = np.eye(len(n)) + root[:, :, None] * kernels * root[:, None, :]
        target = spread * f + won - n * p
        pull = target - root * np.linalg.solve(inner, (root * (kernels @ target[..., None])[..., 0])[..., None])[..., 0]
        step = (kernels @ pull[..., None])[..., 0] - f
        f = f + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max() < 1e-6:
            break
    inverse = np.linalg.solve(inner, root[:, :, None] * kernels)
    covariance = kernels - (kernels * root[:, None, :]) @ inverse
    evidence = (offset + f) @ won - np.logaddexp(0.0, offset + f) @ n
    evidence -= 0.5 * (pull * f).sum(axis=1) + 0.5 * np.linalg.slogdet(inner)[1]
    weight = np.exp(evidence - evidence.max())
    return Smoothed(weight / weight.sum(), offset + f, (covariance + covariance.swapaxes(1, 2)) / 2)


def table_of_totals(
    totals: npt.ArrayLike, won: npt.ArrayLike, n: npt.ArrayLike, total_max: int, *,
    min_variance: float = 0.0, slope: float = 1.0,
) -> TotalProbabilities:  # fmt: skip
    """Learn P(won) at each total up to the highest from rows of `won` of `n` deals with these totals.

    logit P(t) = a + b t + walk(t) + own(t), walk ~ N(0, smooth^2 Brownian), own ~ N(0, rough^2); a total never tells
    less than a lower one (weighted isotonic mean). `min_variance` is added to the variance of the log-odds; `slope`
    pulls these toward their mean, where the points were learned from the same deals.
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


def redraw_rates(won: Floats, n: Floats, n_draws: int = 1000, random_state: int = 0) -> Floats:
    """Draw P(won) at every total (n_draws, T) from what was observed: (T,) won and all deals of each total.

    Log-odds are a line plus a rough departure (exponential kernel).
    """
    total, size = np.arange(len(n), dtype=np.float64), max(float(n.sum()), 1e-9)
    middle = float(n @ total) / size
    at = (total - middle) / max(float(np.sqrt(n @ (total - middle) ** 2 / size)), 1e-3)
    line = LINE_SPREAD**2 * (1.0 + np.outer(at, at)) + OWN**2 * np.eye(len(at))
    near = np.exp(-np.abs(at[:, None] - at) / CLOSE)
    base = np.clip(float(won.sum()) / size, 1e-4, 1 - 1e-4)
    found = smooth(np.array([line + rough**2 * near for rough in ROUGHNESS]), won, n, np.log(base / (1 - base)))
    rng = np.random.default_rng(random_state)
    roots = np.linalg.cholesky(found.covariance + 1e-7 * np.eye(len(at)))
    shares = rng.multinomial(n_draws, found.weight)
    drawn = [
        mean + rng.standard_normal((k, len(at))) @ root.T
        for mean, root, k in zip(found.mean, roots, shares, strict=True)
    ]
    return logistic(np.concatenate(drawn))
