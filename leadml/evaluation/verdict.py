"""What may be said of a documented rule: keep, change, undecided, cannot-judge."""

from __future__ import annotations

from math import ceil, erfc, isfinite, sqrt
from typing import Literal

from leadml.evaluation.bootstrap import Figure

Verdict = Literal["keep", "change", "undecided", "cannot-judge"]

Z_INTERVAL = 1.959964  # 95%, two-sided
Z_POWER = 0.841621  # 80%


def give_verdict(gain: Figure, smallest_gain: float) -> Verdict:
    """Judge one gain by its interval.

    Parameters
    ----------
    gain : Figure
        Learned minus documented.
    smallest_gain : float
        Smallest gain worth having, above 0.

    Returns
    -------
    {"keep", "change", "undecided", "cannot-judge"}
        change: the interval lies above 0; keep: it lies below the smallest gain; cannot-judge: there is none.

    Examples
    --------
    >>> give_verdict(Figure(0.04, 0.01, 0.07), 0.01)
    'change'
    >>> give_verdict(Figure(-0.02, -0.05, 0.005), 0.01)
    'keep'
    >>> give_verdict(Figure(0.02, -0.01, 0.05), 0.01)
    'undecided'
    """
    if not (isfinite(gain.low) and isfinite(gain.high)):
        return "cannot-judge"
    if gain.low > 0:
        return "change"
    if gain.high < smallest_gain:
        return "keep"
    return "undecided"


def join_verdicts(weights: Verdict, cutoff: Verdict) -> Verdict:
    """Overall verdict: change if either is, keep if both are.

    Parameters
    ----------
    weights, cutoff : {"keep", "change", "undecided", "cannot-judge"}
        Verdicts on the two questions.

    Returns
    -------
    {"keep", "change", "undecided", "cannot-judge"}
        cannot-judge only if both are.
    """
    both = {weights, cutoff}
    if "change" in both:
        return "change"
    if both == {"keep"}:
        return "keep"
    if both == {"cannot-judge"}:
        return "cannot-judge"
    return "undecided"


def plan_more_deals(gain: Figure, smallest_gain: float, n_deals: int) -> int | None:
    """Number of further closed deals that would decide, with 80% power, if the gain is what it seems.

    The standard error falls with the root of the number of deals; whichever of change and keep the
    gain lies nearer to is planned for.

    Parameters
    ----------
    gain : Figure
        Learned minus documented, undecided so far.
    smallest_gain : float
        Smallest gain worth having.
    n_deals : int
        Closed deals so far.

    Returns
    -------
    int or None
        At least 0; None where there is no interval.
    """
    if not (isfinite(gain.low) and isfinite(gain.high)):
        return None
    error = (gain.high - gain.low) / (2 * Z_INTERVAL)
    distance = max(gain.value, smallest_gain - gain.value)
    if distance <= 0:
        return None
    return max(0, ceil(n_deals * ((Z_INTERVAL + Z_POWER) * error / distance) ** 2) - n_deals)


def planned_power(gain: float, standard_error: float) -> float:
    """Chance that `change` will be said when the true gain is this and its estimate is as uncertain as that.

    Parameters
    ----------
    gain : float
        True gain, learned minus documented.
    standard_error : float
        Of its estimate, above 0; it falls with the root of the number of deals.

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> round(planned_power(0.05, 0.05 / (1.96 + 0.84)), 2)
    0.8
    """
    return 0.5 * erfc((Z_INTERVAL - gain / standard_error) / sqrt(2.0))
