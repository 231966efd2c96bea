"""P(won) at every total of a score: a straight line in log-odds, with intervals that allow for its shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.evaluation.bootstrap import Figure, to_figure

Array = NDArray[Any]

Z_INTERVAL = 1.959964  # 95%, two-sided
LOW_QUANTILE = 0.25  # of chi-squared: departures are put too low in one sample of four


def probability_figures(line: Array, won_by: Array, total_by: Array) -> list[Figure]:
    """P(won) at every total, with its interval.

    Parameters
    ----------
    line : array of shape (1 + n_replicates, 2)
        base and slope, of the sample and of each replicate: log-odds = base + slope * total.
    won_by, total_by : arrays of shape (n_totals,)
        Won and all deals of the sample at each total.

    Returns
    -------
    list of Figure
        One a total, 0 to 1.

    Notes
    -----
    A bootstrap of the line takes its shape for granted. How far the totals depart from it beyond chance is
    estimated as in a meta-analysis of them, rather too far than not far enough, and added to its variance.

    References
    ----------
    DerSimonian, R., Laird, N. (1986). Meta-analysis in clinical trials. Controlled Clinical Trials 7(3).
    """
    totals = np.arange(len(total_by))
    log_odds = line[:, [0]] + line[:, [1]] * totals
    away = Z_INTERVAL * np.sqrt(_departure(log_odds[0], won_by, total_by))
    out = []
    for total in totals:
        drawn = to_figure(log_odds[:, total])
        low = drawn.value - np.hypot(max(drawn.value - drawn.low, 0.0), away)
        high = drawn.value + np.hypot(max(drawn.high - drawn.value, 0.0), away)
        out.append(Figure(*(float(1.0 / (1.0 + np.exp(-end))) for end in (drawn.value, low, high))))
    return out


def _departure(log_odds: Array, won_by: Array, total_by: Array) -> float:
    """Variance of the true log-odds of totals around the line."""
    from scipy.stats import chi2

    seen = total_by > 0
    expected = total_by / (1.0 + np.exp(-log_odds))
    weight = np.where(seen, expected * (1.0 - expected / np.where(seen, total_by, 1.0)), 0.0)
    free = int(seen.sum()) - 2
    if free < 1 or not (weight > 0).any():
        return 0.0
    rooted = np.maximum(weight[seen], 1e-9)
    spread = float(((won_by - expected)[seen] ** 2 / rooted).sum())
    room = float(weight.sum() - (weight**2).sum() / weight.sum())
    return max(0.0, spread - float(chi2.ppf(LOW_QUANTILE, free))) / room if room > 0 else 0.0
