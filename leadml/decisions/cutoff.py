"""Cut-offs from consequences: follow up when P(won) is at least cost / value.

Everything takes many lines (base, slope) at once: one for the sample and one for each replicate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Basis = Literal["economics", "capacity", "probability", "break-even"]


@dataclass(frozen=True)
class Consequences:
    """What decides a cut-off.

    Attributes
    ----------
    basis : {"economics", "capacity", "probability", "break-even"}
        Where the threshold comes from.
    cost : float or None
        Cost of following up one lead, in `currency`; for probability the threshold itself.
    value : float, array of shape (n,) or None
        Value of a won deal; one for each set of deals where it is estimated from them. Break-even takes the
        value of a won deal as unit.
    share : float or None
        Share of leads that can be followed up, 0 to 1, for capacity.
    currency : str
        Unit of cost and value.
    """

    basis: Basis
    cost: float | None = None
    value: float | Array | None = None
    share: float | None = None
    currency: str = ""

    def threshold(self, base_rate: Array | float) -> Array:
        """P(won) from which following up pays.

        Parameters
        ----------
        base_rate : array or float
            Share of won deals, 0 to 1; break-even takes it for cost / value.

        Returns
        -------
        array
            Thresholds, 0 to 1.
        """
        if self.cost is not None and self.value is not None:
            return np.broadcast_to(np.asarray(self.cost / self.value), np.shape(base_rate)).copy()
        return np.asarray(base_rate, dtype=float)


def cutoff_at_probability(base: Array, slope: Array, threshold: Array, total_max: int) -> Array:
    """Lowest total whose probability reaches the threshold.

    Parameters
    ----------
    base, slope : arrays of shape (n,)
        log-odds = base + slope * total, slope >= 0.
    threshold : array of shape (n,)
        P(won) from which following up pays.
    total_max : int
        Largest total; one more means that no total is high enough.

    Returns
    -------
    int array of shape (n,)
        0 to total_max + 1.
    """
    totals = np.arange(total_max + 1)
    wanted = _logit(threshold)[..., None] - 1e-9
    reached = base[..., None] + slope[..., None] * totals >= wanted
    return np.where(reached.any(axis=-1), reached.argmax(axis=-1), total_max + 1)


def cutoff_at_capacity(by_total: Array, share: float) -> Array:
    """Lowest total such that no more leads than the share reach it.

    Parameters
    ----------
    by_total : array of shape (n, total_max + 1)
        Leads at each total.
    share : float
        Share of leads that can be followed up, 0 to 1.

    Returns
    -------
    int array of shape (n,)
        0 to total_max + 1. Leads tied just below the cut-off wait, and are the first to draw from
        where room is left.
    """
    size = by_total.sum(axis=-1, keepdims=True)
    above = np.cumsum(by_total[..., ::-1], axis=-1)[..., ::-1]
    fits = above <= share * size + 1e-9
    return np.asarray(np.where(fits.any(axis=-1), fits.argmax(axis=-1), by_total.shape[-1]))


def net_value_by_cutoff(won_by: Array, total_by: Array, threshold: Array) -> Array:
    """Net value a lead of every cut-off, in values of a won deal.

    Parameters
    ----------
    won_by, total_by : arrays of shape (n, total_max + 1)
        Won deals and all deals at each total.
    threshold : array of shape (n,)
        Cost / value.

    Returns
    -------
    array of shape (n, total_max + 2)
        (won deals followed up - threshold * deals followed up) / deals, for cut-offs 0 to total_max + 1.
    """
    worth = won_by - threshold[..., None] * total_by
    above = np.zeros((*worth.shape[:-1], worth.shape[-1] + 1))
    above[..., :-1] = np.cumsum(worth[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(above / np.maximum(total_by.sum(axis=-1), 1e-12)[..., None])


def not_distinguishable(net_value: Array, best: int) -> list[int]:
    """Cut-offs that cannot be told from the chosen one.

    Parameters
    ----------
    net_value : array of shape (1 + n_replicates, total_max + 2)
        Net value of every cut-off, on the sample and on each replicate.
    best : int
        The chosen cut-off.

    Returns
    -------
    list of int
        Those whose difference from the chosen one has a 95% interval that holds 0; the chosen one too.
    """
    difference = net_value[1:] - net_value[1:, [best]]
    low, high = np.percentile(difference, [2.5, 97.5], axis=0)
    return [int(k) for k in np.flatnonzero((low <= 1e-12) & (high >= -1e-12))]


def implied_value(base: Array, slope: Array, cutoff: int) -> tuple[Array, Array]:
    """Range of value / cost for which a cut-off is exactly right.

    It is right when following up pays at the cut-off and not one point below it:
    1 / P(won | cutoff) <= value / cost < 1 / P(won | cutoff - 1).

    Parameters
    ----------
    base, slope : arrays of shape (n,)
        log-odds = base + slope * total.
    cutoff : int
        The documented cut-off.

    Returns
    -------
    low, high : arrays of shape (n,)
        Follow-ups that a won deal must be worth, at least 1.
    """
    return 1.0 + np.exp(-(base + slope * cutoff)), 1.0 + np.exp(-(base + slope * (cutoff - 1)))


def _logit(p: Array) -> Array:
    clipped = np.clip(np.asarray(p, dtype=float), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped / (1 - clipped)))


def sweep_cutoffs(score: Array, outcome: Array, threshold: float) -> tuple[Array, Array]:
    """Net value of every cut-off that tells deals apart, exactly, by one sort.

    Parameters
    ----------
    score : array of shape (n,)
        Any numbers: a probability, points.
    outcome : array of shape (n,)
        1 won, 0 lost.
    threshold : float
        Cost of a follow-up over the value of a won deal.

    Returns
    -------
    cutoffs : array of shape (n_values + 1,)
        The scores that occur, rising, then infinity for following up no one.
    net_value : array of shape (n_values + 1,)
        (won deals followed up - threshold * deals followed up) / deals, at each cut-off.
    """
    score, n = np.asarray(score), max(len(outcome), 1)
    if score.dtype.kind in "iu" and len(score) and score.min() >= 0:  # points: count instead of sorting
        size = np.bincount(score)
        worth = np.bincount(score, outcome) - threshold * size
        seen = np.flatnonzero(size)
        above = np.append(np.cumsum(worth[seen][::-1])[::-1], 0.0)
        return np.append(seen, np.inf), above / n
    ranked = np.argsort(score)
    ordered = score[ranked].astype(float)
    above = np.append(np.cumsum((np.asarray(outcome, dtype=float)[ranked] - threshold)[::-1])[::-1], 0.0)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    return np.append(ordered[first[:-1]], np.inf), above[first] / n
