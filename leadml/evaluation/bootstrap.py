"""Confidence intervals by unit (infinitesimal jackknife, unit bootstrap), and Holm's adjustment.

A figure keeps what each unit adds to it. Its interval, and that of any difference of two figures on the same deals
(paired), come from these values alone: what the unit bootstrap converges to, at the price of one sort.
Efron, Tibshirani (1993), An introduction to the bootstrap, chapter 21; for the AUC DeLong et al. (1988), Biometrics 44.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from leadml.levels import Floats, Ints, logistic
from leadml.result import Figure

Z = 1.959964
"""Two-sided 95% of the normal law."""
Z_ONE = 1.644854
"""One-sided 95%."""
UNSEEN = -np.log(0.025)
"""What was seen in none of n units happens in at most UNSEEN / n of all, at 97.5%."""


@dataclasses.dataclass(frozen=True, eq=False)
class Statistic:
    """A figure and its influence values.

    influence : (n_units,), reweighting unit u by 1 + d moves the figure by d * influence[u]; adds up to 0.
    whole : of which the figure is a part (1 or 100), so that its interval is that of log-odds; None: any number.
    """

    value: float
    influence: Floats
    whole: float | None = None

    @property
    def error(self) -> float:
        """Standard error, by unit."""
        n = int(np.count_nonzero(self.influence))
        return float(np.sqrt(self.influence @ self.influence * (n / max(n - 1, 1)))) if n else 0.0

    @property
    def figure(self) -> Figure:
        """Value and 95% interval, as a record of the result."""
        value, error, n = self.value, self.error, len(self.influence)
        if not np.isfinite(value) or not n:
            return Figure(value=None)
        if self.whole is None:
            return Figure(value=value, low=value - Z * error, high=value + Z * error)
        p, error = value / self.whole, error / self.whole
        if error == 0.0 or not 0.0 < p < 1.0:  # all alike: what was seen in no unit is still possible
            low, high = np.clip([p - UNSEEN / n, p + UNSEEN / n], 0.0, 1.0)
        else:
            middle, away = np.log(p / (1.0 - p)), Z * error / (p * (1.0 - p))
            low, high = logistic([middle - away, middle + away])
        return around(value, self.whole * float(low), self.whole * float(high))

    def __sub__(self, other: Statistic) -> Statistic:
        """Paired difference: both were measured on the same units."""
        return Statistic(self.value - other.value, self.influence - other.influence)

    def p_not_above(self, threshold: float = 0.0) -> float:
        """One-sided p-value against "the figure is at most the threshold"."""
        if self.error == 0.0:
            return 1.0 if self.value <= threshold else 0.0
        return float(ndtr((threshold - self.value) / self.error))


def around(value: float, low: float, high: float) -> Figure:
    """A figure and its interval, which the value lies in."""
    return Figure(value=value, low=min(value, low), high=max(value, high))


def percentile(draws: npt.ArrayLike, value: float | None = None) -> Figure:
    """95% percentile interval of draws around a value (their mean when none is given)."""
    seen = np.asarray(draws, dtype=np.float64)
    n, seen = len(seen), seen[np.isfinite(seen)]
    if len(seen) < max(1.0, 0.5 * n) or (value is not None and not np.isfinite(value)):
        return Figure(value=None)
    low, high = np.quantile(seen, [0.025, 0.975]).tolist()
    return around(float(seen.mean()) if value is None else value, low, high)


def bootstrap(
    statistic: Callable[[Floats], float], unit: Ints, weight: Floats, n_draws: int,
    random_state: int,
) -> Figure:  # fmt: skip
    """Any figure of row weights (the user's own metric), with a percentile interval by unit (Bayesian bootstrap)."""
    n_units = int(unit.max()) + 1
    drawn = np.random.default_rng(random_state).standard_exponential((n_draws, n_units))
    drawn *= n_units / drawn.sum(axis=1, keepdims=True)
    return percentile([statistic(weight * each[unit]) for each in drawn], float(statistic(weight)))


def holm(p_values: npt.ArrayLike) -> Floats:
    """Holm's adjustment of p-values for looking at several (Holm 1979, Scandinavian Journal of Statistics 6)."""
    p = np.asarray(p_values, dtype=np.float64)
    ranked, out = np.argsort(p), np.empty(len(p))
    adjusted = p[ranked] * np.arange(len(ranked), 0, -1)
    out[ranked] = np.minimum(1.0, np.maximum.accumulate(adjusted))  # a worse p never becomes a better one
    return out
