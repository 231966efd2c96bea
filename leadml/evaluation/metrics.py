"""Ranking, probability and decision figures of held-out deals, on the sample and every replicate at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CELLS_AT_ONCE = 2_000_000  # cells x draws held in memory in one block
STEP = 1e-9  # a step of Newton's method so small ends the fit of a calibration line
MAX_LOGIT_CELLS = 200  # cells of log-odds that calibration is fitted on


@dataclass(frozen=True)
class HeldOut:
    """Held-out deals and how they are drawn again.

    Attributes
    ----------
    outcome : array of shape (n,)
        1 won, 0 lost.
    stratum : int array of shape (n,)
        Fold of each deal: deals are ranked only against deals of their fold, which one model judged.
    cluster : int array of shape (n,)
        What is drawn together.
    draws : array of shape (1 + n_replicates, n_clusters)
        Weights of clusters; row 0 is the sample itself.
    """

    outcome: Array
    stratum: Array
    cluster: Array
    draws: Array

    def add_up(self, values: Array) -> Array:
        """Weighted sums of values for every draw.

        Parameters
        ----------
        values : array of shape (n, n_values)
            What to add up.

        Returns
        -------
        array of shape (1 + n_replicates, n_values)
            Sums.
        """
        n_clusters = self.draws.shape[1]
        sums = np.stack([np.bincount(self.cluster, v, minlength=n_clusters) for v in values.T], axis=1)
        return np.asarray(self.draws.astype(float) @ sums)

    @cached_property
    def totals(self) -> Array:
        """Deals and won deals of every draw, shape (1 + n_replicates, 2)."""
        return self.add_up(np.stack([np.ones(len(self.outcome)), self.outcome], axis=1))

    @cached_property
    def _by_cluster(self) -> Array:
        """Weights of clusters, shape (n_clusters, 1 + n_replicates)."""
        return np.ascontiguousarray(self.draws.T, dtype=float)

    def cells(
        self, cell: Array, n_cells: int, values: Sequence[Array]
    ) -> Iterator[tuple[slice, list[Array]]]:
        """Weighted sums by cell, for blocks of draws that fit in memory.

        Parameters
        ----------
        cell : int array of shape (n,)
            Cell of each deal.
        n_cells : int
            Number of cells.
        values : sequence of arrays of shape (n,)
            What to add up.

        Yields
        ------
        draws : slice
            Which draws.
        sums : list of arrays of shape (n_cells, n_draws)
            One for each of `values`.
        """
        from scipy.sparse import csr_array

        shape = (n_cells, self.draws.shape[1])
        matrices = [csr_array((v[v != 0], (cell[v != 0], self.cluster[v != 0])), shape) for v in values]
        step = max(1, CELLS_AT_ONCE // max(1, n_cells))
        for first in range(0, len(self.draws), step):
            block = slice(first, first + step)
            drawn = np.ascontiguousarray(self._by_cluster[:, block])
            yield block, [np.asarray(each @ drawn) for each in matrices]


@dataclass(frozen=True)
class Ranked:
    """Deals of each stratum in order of a score, highest first, ties in one cell.

    Attributes
    ----------
    cell : int array of shape (n,)
        Cell of each deal, in order.
    first_of_stratum : int array of shape (n_cells,)
        Cell with which the cell's stratum starts.
    """

    cell: Array
    first_of_stratum: Array

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.first_of_stratum)


def rank_within(score: Array, stratum: Array) -> Ranked:
    """Order deals within strata by score, highest first.

    Parameters
    ----------
    score : array of shape (n,)
        Any numbers.
    stratum : int array of shape (n,)
        Strata.

    Returns
    -------
    Ranked
        The order, with ties in cells.
    """
    rows = np.lexsort((-score, stratum))
    s, g = score[rows], stratum[rows]
    new_stratum = np.r_[True, g[1:] != g[:-1]]
    new_cell = new_stratum | np.r_[True, s[1:] != s[:-1]]
    starts = np.flatnonzero(new_cell)
    firsts = np.flatnonzero(new_stratum[starts])
    cell = np.empty(len(rows), np.int64)
    cell[rows] = np.cumsum(new_cell) - 1
    return Ranked(cell, firsts[np.cumsum(new_stratum[starts]) - 1])


def find_auc(held: HeldOut, score: Array) -> Array:
    """Area under the ROC curve within strata: P(a won deal outranks a lost one of its fold).

    Parameters
    ----------
    held : HeldOut
        Deals and draws.
    score : array of shape (n,)
        Any numbers; ties count half.

    Returns
    -------
    array of shape (1 + n_replicates,)
        0 to 1; NaN where a draw holds no pair.

    References
    ----------
    Hanley, J., McNeil, B. (1982). The meaning and use of the area under a ROC curve. Radiology 143(1).
    """
    ranked = rank_within(score, held.stratum)
    out = np.empty(len(held.draws))
    for block, (won, lost) in held.cells(ranked.cell, ranked.n_cells, (held.outcome, 1.0 - held.outcome)):
        won_above = _before(won, ranked.first_of_stratum)
        pairs = (_per_stratum(won, ranked) * _per_stratum(lost, ranked)).sum(axis=0)
        won_above += 0.5 * won
        concordant = np.einsum("ij,ij->j", lost, won_above)
        out[block] = np.divide(concordant, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return out


def _before(cells: Array, first: Array) -> Array:
    """Sum over the cells of a stratum that rank before each cell."""
    before = np.cumsum(cells, axis=0)
    before -= cells
    return np.asarray(before - before[first])


def _per_stratum(cells: Array, ranked: Ranked) -> Array:
    return np.asarray(np.add.reduceat(cells, np.unique(ranked.first_of_stratum), axis=0))


def wins_at_workload(held: HeldOut, score: Array, decision: Array) -> Array:
    """Won deals among the highest-ranked, as many of each fold as a rule would follow up.

    Ties at the edge are shared out: each tied deal counts with the part of the tie that is taken.

    Parameters
    ----------
    held : HeldOut
        Deals and draws.
    score : array of shape (n,)
        What to rank by.
    decision : array of shape (n,)
        1 where the rule would follow up, 0 elsewhere.

    Returns
    -------
    array of shape (1 + n_replicates,)
        Weighted count of won deals.
    """
    ranked = rank_within(score, held.stratum)
    firsts, at = np.unique(ranked.first_of_stratum, return_inverse=True)
    _, stratum = np.unique(held.stratum, return_inverse=True)
    taken = np.empty((len(firsts), len(held.draws)))
    for block, (sums,) in held.cells(stratum, len(firsts), (decision,)):
        taken[:, block] = sums
    out = np.empty(len(held.draws))
    everyone = np.ones(len(decision))
    for block, (size, won) in held.cells(ranked.cell, ranked.n_cells, (everyone, held.outcome)):
        room = taken[at, block] - _before(size, ranked.first_of_stratum)
        share = np.clip(np.divide(room, size, out=np.zeros_like(size), where=size > 0), 0.0, 1.0)
        out[block] = np.einsum("ij,ij->j", won, share)
    return out


def find_calibration(held: HeldOut, probability: Array) -> tuple[Array, Array]:
    """Calibration line: intercept (with the slope held at 1) and slope of outcomes on the log-odds told.

    Parameters
    ----------
    held : HeldOut
        Deals and draws.
    probability : array of shape (n,)
        P(won) as told.

    Returns
    -------
    intercept : array of shape (1 + n_replicates,)
        Calibration in the large, log-odds: 0 is calibrated, above 0 wins more than told.
    slope : array of shape (1 + n_replicates,)
        1 is calibrated, below 1 too extreme.

    References
    ----------
    Cox, D. (1958). Two further applications of a model for binary regression. Biometrika 45.
    """
    told = _log_odds(probability)
    values, cell = np.unique(told, return_inverse=True)
    if len(values) > MAX_LOGIT_CELLS:
        edges = np.quantile(told, np.linspace(0, 1, MAX_LOGIT_CELLS + 1)[1:-1])
        cell = np.searchsorted(edges, told)
        size = np.bincount(cell, minlength=MAX_LOGIT_CELLS)
        values = np.bincount(cell, told, minlength=MAX_LOGIT_CELLS) / np.maximum(size, 1)
    from scipy.sparse import csr_array

    shape = (held.draws.shape[1], len(values))
    draws = held.draws.astype(float)
    total = np.asarray(draws @ csr_array((np.ones(len(cell)), (held.cluster, cell)), shape=shape))
    won = np.asarray(draws @ csr_array((held.outcome, (held.cluster, cell)), shape=shape))
    n = len(draws)
    intercept = np.zeros(n)
    for _ in range(25):
        mu = _probability(intercept[:, None] + values)
        step = (won - total * mu).sum(axis=1) / np.maximum((total * mu * (1 - mu)).sum(axis=1), 1e-9)
        intercept += np.clip(step, -2, 2)
        if np.abs(step).max() < STEP:
            break
    by_fold = np.unique(np.stack([held.stratum, told], axis=1), axis=0)
    if len(by_fold) == len(np.unique(held.stratum)):  # one probability a fold: there is no slope
        return intercept, np.full(n, np.nan)
    a, b = np.zeros(n), np.ones(n)
    for _ in range(25):
        mu = _probability(a[:, None] + b[:, None] * values)
        rest, weight = won - total * mu, total * mu * (1 - mu)
        g0, g1 = rest.sum(axis=1), rest @ values
        h00, h01, h11 = weight.sum(axis=1), weight @ values, weight @ values**2
        det = np.maximum(h00 * h11 - h01**2, 1e-9)
        step_a, step_b = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        a += np.clip(step_a, -2, 2)
        b += np.clip(step_b, -1, 1)
        if max(np.abs(step_a).max(), np.abs(step_b).max()) < STEP:
            break
    return intercept, b


def log_loss_of(outcome: Array, probability: Array) -> Array:
    """Log loss of each deal, nats.

    Parameters
    ----------
    outcome : array of shape (n,)
        1 won, 0 lost.
    probability : array of shape (n,)
        P(won) as told.

    Returns
    -------
    array of shape (n,)
        At least 0.
    """
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(-(outcome * np.log(p) + (1 - outcome) * np.log(1 - p)))


def find_reliability(outcome: Array, probability: Array, n_bins: int = 10) -> list[dict[str, Any]]:
    """Told and seen rate of won deals in bins of equal size.

    Parameters
    ----------
    outcome : array of shape (n,)
        1 won, 0 lost.
    probability : array of shape (n,)
        P(won) as told.
    n_bins : int
        Bins.

    Returns
    -------
    list of dict
        p_mean, rate (with Wilson's interval), n.
    """
    ranked = np.argsort(probability, kind="stable")
    return [
        {
            "p_mean": float(probability[rows].mean()),
            "rate": rate_figure(float(outcome[rows].sum()), float(len(rows))),
            "n": len(rows),
        }
        for rows in np.array_split(ranked, min(n_bins, len(ranked)))
    ]


def rate_figure(won: float, n: float) -> dict[str, float | None]:
    """Rate of won deals with Wilson's 95% interval.

    Parameters
    ----------
    won, n : float
        Won deals and all deals.

    Returns
    -------
    dict
        value, low, high; None without deals.

    References
    ----------
    Wilson, E. (1927). Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22.
    """
    if n <= 0:
        return {"value": None, "low": None, "high": None}
    z2, p = 1.959964**2, won / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2) / (1 + z2 / n) * np.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return {"value": float(p), "low": float(max(0.0, centre - half)), "high": float(min(1.0, centre + half))}


def shrunk_rate(won: float, n: int, base_rate: float, strength: float) -> dict[str, float | None]:
    """Rate of a small cell, shrunk toward the base rate as if so many deals at that rate were added.

    Parameters
    ----------
    won, n : float, int
        Won deals and all deals of the cell.
    base_rate : float
        Rate to shrink toward, 0 to 1.
    strength : float
        Number of deals added, above 0.

    Returns
    -------
    dict
        value, and the 95% interval low to high of the beta posterior.
    """
    from scipy.stats import beta

    a, b = won + strength * base_rate, n - won + strength * (1 - base_rate)
    low, high = beta.ppf([0.025, 0.975], a, b)
    return {"value": float(a / (a + b)), "low": float(low), "high": float(high)}


def _log_odds(probability: Array) -> Array:
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.asarray(np.round(np.log(p / (1 - p)), 9))


def _probability(log_odds: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -500, 500))))
