"""P(won) at every total of a card, with its interval: a line where deals are few, the rates where they abound.

    logit P(t) = a + b t + walk(t) + own(t),   walk ~ N(0, smooth^2 Brownian),   own ~ N(0, rough^2)

The two spreads are averaged over by their evidence (Laplace; Rasmussen, Williams 2006, ch. 3), so that a straight
line is left only as far as the deals say. A total never tells less than a lower one (weighted isotonic mean).
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from leadml.levels import logistic

Floats = npt.NDArray[np.float64]

SPREADS = tuple(itertools.product((0.5, 1.5, 4.0), (0.2, 0.4, 0.8)))
"""Pairs of smooth (from end to end of the totals) and rough; with smaller ones 85% was covered of a total
where deals were few and the line was wrong."""
LINE_SD = (5.0, 20.0)
"""Prior of the intercept and of the slope, the latter from end to end: hardly any."""
Z95 = 1.959964


@dataclasses.dataclass(frozen=True, eq=False)
class TotalProbabilities:
    """(t,) P(won) at each total, and the ends of its 95% interval."""

    probability: Floats
    low: Floats
    high: Floats


def table_of_totals(
    totals: npt.ArrayLike,
    won: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    min_variance: npt.ArrayLike = 0.0,
    slope: float = 1.0,
) -> TotalProbabilities:
    """Learn P(won) at each of the rising `totals` from `won` of `n` deals there.

    `min_variance` (t,) is added to the variance of the log-odds; `slope` pulls these toward their mean, where the
    points were learned from the same deals.
    """
    at = np.asarray(totals, dtype=np.float64)
    y, size = np.asarray(won, dtype=np.float64), np.asarray(n, dtype=np.float64)
    x = (at - at[0]) / max(at[-1] - at[0], 1.0) - 0.5
    line = LINE_SD[0] ** 2 + LINE_SD[1] ** 2 * np.outer(x, x)
    walk = 0.5 * (np.abs(x)[:, None] + np.abs(x) - np.abs(x[:, None] - x))
    found: list[tuple[Floats, Floats, float, Floats]] = []
    for smooth, rough in SPREADS:  # each begins where the one before it ended
        prior = line + smooth**2 * walk + rough**2 * np.eye(len(x))
        found.append(_laplace(prior, y, size, found[-1][3] if found else np.zeros(len(x))))
    evidence = np.array([each[2] for each in found])
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    means, variances = np.stack([each[0] for each in found]), np.stack([each[1] for each in found])
    mean = weight @ means
    sd = np.sqrt(weight @ (variances + (means - mean) ** 2) + np.asarray(min_variance))
    middle = float(np.average(mean, weights=size + 1e-9))
    mean = middle + slope * (mean - middle)
    rising = isotonic(mean, 1.0 / sd**2)
    # what was observed may fall from one total to the next: the interval is its own, and holds the pooled mean
    low, high = np.minimum(mean - Z95 * sd, rising), np.maximum(mean + Z95 * sd, rising)
    return TotalProbabilities(logistic(rising), logistic(low), logistic(high))


def _laplace(prior: Floats, won: Floats, n: Floats, alpha: Floats) -> tuple[Floats, Floats, float, Floats]:
    """Mode and variances of the log-odds under a Gaussian prior, the log-evidence, and prior^-1 mode."""
    f = prior @ alpha
    objective = -np.inf
    for _ in range(50):
        p = logistic(f)
        w = np.maximum(n * p * (1 - p), 1e-12)
        root = np.sqrt(w)
        factor = np.linalg.cholesky(np.eye(len(n)) + root[:, None] * prior * root)
        b = w * f + won - n * p
        solved = np.linalg.solve(factor.T, np.linalg.solve(factor, root * (prior @ b)))
        new_alpha = b - root * solved
        step = 1.0
        while True:  # halve until the posterior rises
            trial_alpha = alpha + step * (new_alpha - alpha)
            trial = prior @ trial_alpha
            value = won @ trial - n @ np.logaddexp(0, trial) - 0.5 * trial_alpha @ trial
            if value >= objective - 1e-9 or step < 1e-3:
                break
            step *= 0.5
        done = value - objective < 1e-6
        f, alpha, objective = trial, trial_alpha, max(value, objective)
        if done:
            break
    half = np.linalg.solve(factor, root[:, None] * prior)
    variance = np.maximum(np.diag(prior) - np.sum(half**2, axis=0), 1e-12)
    return f, variance, float(objective - np.log(np.diag(factor)).sum()), alpha


def isotonic(values: Floats, weight: Floats) -> Floats:
    """Weighted mean that never falls, by pooling adjacent violators."""
    level, mass, length = [], [], []
    for value, w in zip(values.tolist(), weight.tolist(), strict=True):
        level.append(value)
        mass.append(w)
        length.append(1)
        while len(level) > 1 and level[-2] > level[-1]:
            total = mass[-2] + mass[-1]
            level[-2] = (level[-2] * mass[-2] + level[-1] * mass[-1]) / total
            mass[-2], length[-2] = total, length[-2] + length[-1]
            level.pop(), mass.pop(), length.pop()
    return np.repeat(level, length)
