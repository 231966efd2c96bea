"""Closed deals as a table of patterns: the sufficient statistic of everything that is learned.

A framework of k criteria has at most 6^k patterns of levels, however many deals there are. The table counts
won and lost deals of each pattern for each key; a key is what a split or a bootstrap draw moves as one piece
(a deal, an account, or equal rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.leads.workers import Workers

Array = NDArray[Any]

LARGE = 30  # deals of a pattern from which the Poisson law is as good as normal with its skewness
ROWS_AT_ONCE = 100


@dataclass(frozen=True)
class PatternTable:
    """Won and lost deals by pattern and key.

    Attributes
    ----------
    levels : array of shape (n_patterns, n_criteria)
        Levels 0 to 4 of each pattern, NaN = unknown.
    pattern, key : int arrays of shape (n_rows,)
        Pattern and key of each row.
    won, lost : arrays of shape (n_rows,)
        Deals, or their weights.
    n_keys : int
        Number of keys; keys are 0 to n_keys - 1.
    of_deal : int array of shape (n,)
        Pattern of each deal that was counted.
    """

    levels: Array
    pattern: Array
    key: Array
    won: Array
    lost: Array
    n_keys: int
    of_deal: Array

    @property
    def n_patterns(self) -> int:
        """Number of patterns."""
        return len(self.levels)

    def counts(self) -> tuple[Array, Array]:
        """Won deals and all deals of each pattern.

        Returns
        -------
        won, total : arrays of shape (n_patterns,)
            Sums over keys.
        """
        won = np.bincount(self.pattern, self.won, minlength=self.n_patterns)
        lost = np.bincount(self.pattern, self.lost, minlength=self.n_patterns)
        return won, won + lost

    def weigh(self, key_weights: Array) -> tuple[Array, Array]:
        """Won deals and all deals of each pattern when keys are weighted, for many weightings at once.

        Parameters
        ----------
        key_weights : array of shape (n_rows, n_keys)
            One weighting a row: a fold (0 or 1), or a bootstrap draw (whole numbers).

        Returns
        -------
        won, total : arrays of shape (n_rows, n_patterns)
            Weighted sums.
        """
        from scipy.sparse import csr_array

        shape = (self.n_keys, self.n_patterns)
        weights = np.asarray(key_weights, dtype=float)
        won = weights @ csr_array((self.won, (self.key, self.pattern)), shape=shape)
        lost = weights @ csr_array((self.lost, (self.key, self.pattern)), shape=shape)
        return np.asarray(won), np.asarray(won + lost)

    def draw(self, n_replicates: int, random_state: int) -> tuple[Array, Array]:
        """Draw all deals again, each by itself whatever its key, as often as asked.

        Every count of the table becomes a Poisson number with that mean: the bootstrap of many deals at a
        cost that does not grow with them.

        Parameters
        ----------
        n_replicates : int
            Draws.
        random_state : int
            Seed.

        Returns
        -------
        won, total : arrays of shape (1 + n_replicates, n_patterns)
            Row 0 is the table itself.

        References
        ----------
        Hanley, J., MacGibbon, B. (2006). Creating non-parametric bootstrap samples using Poisson
        frequencies. Computer Methods and Programs in Biomedicine 83(1).
        """
        rng = np.random.default_rng(random_state)
        won, total = self.counts()
        lost = total - won
        all_won, all_lost = (np.empty((1 + n_replicates, len(won))) for _ in range(2))
        all_won[0], all_lost[0] = won, lost
        for mean, out in ((won, all_won), (lost, all_lost)):
            _draw_counts(mean, out[1:], rng)
        all_lost += all_won
        return all_won, all_lost


def _draw_counts(means: Array, out: Array, rng: np.random.Generator) -> None:
    """Poisson numbers; for large means by their normal law with the skewness put in, many times as fast."""
    large = means >= LARGE
    few, many = means[~large], means[large]

    def fill(part: tuple[Array, np.random.Generator]) -> None:
        rows, stream = part
        rows[:, ~large] = stream.poisson(few, (len(rows), len(few)))
        z = stream.standard_normal((len(rows), len(many)))
        rows[:, large] = np.rint(many + np.sqrt(many) * z + (z * z - 1.0) / 6.0)

    # in parts, for the room that they take; each has its own stream, so that cores change nothing
    parts = [out[first : first + ROWS_AT_ONCE] for first in range(0, len(out), ROWS_AT_ONCE)]
    with Workers() as workers:
        list(workers.map(fill, zip(parts, rng.spawn(len(parts)), strict=True)))


def make_patterns(levels: Array, outcome: Array, key: Array, n_keys: int | None = None) -> PatternTable:
    """Count closed deals by pattern and key.

    Parameters
    ----------
    levels : array of shape (n, n_criteria)
        Levels 0 to 4, NaN = unknown.
    outcome : array of shape (n,)
        1 won, 0 lost.
    key : int array of shape (n,)
        What each deal moves with.
    n_keys : int, optional
        Number of keys, the largest key plus one by default.

    Returns
    -------
    PatternTable
        The counts.
    """
    codes = np.where(np.isnan(levels), 5, levels).astype(np.int64)
    packed = codes @ (6 ** np.arange(codes.shape[1], dtype=np.int64))
    seen, first, pattern = np.unique(packed, return_index=True, return_inverse=True)
    n_keys = int(key.max()) + 1 if n_keys is None else n_keys
    cell, at = np.unique(key.astype(np.int64) * len(seen) + pattern, return_inverse=True)
    won = np.bincount(at, outcome, minlength=len(cell))
    total = np.bincount(at, minlength=len(cell)).astype(float)
    return PatternTable(
        levels=np.asarray(levels, dtype=float)[first],
        pattern=cell % len(seen),
        key=cell // len(seen),
        won=won,
        lost=total - won,
        n_keys=n_keys,
        of_deal=pattern,
    )
