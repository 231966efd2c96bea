"""A sample of bounded size out of a stream of any length: the same rows on every machine, groups whole."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.leads.encode import encode_filled
from leadml.leads.values import as_categories

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    Numbers = npt.NDArray[np.uint64]

MIN_GROUPS = 200
"""A sample of fewer groups is thinned by rows, whatever their group."""


class Thinner:
    """Decides which rows stay, ever fewer as more come.

    A row stays while its number, drawn once for its group, is below a bar. The bar is halved whenever twice
    as many rows stay as are wanted, and in the end the lowest numbers stay; so which rows these are depends
    on the rows alone, not on how they came. A group that is large beside the sample stays or goes as a whole,
    as long as there are many others.

    Parameters
    ----------
    most : int
        At most so many rows are wanted, at least 1.

    Attributes
    ----------
    halvings : int
        How often the share of groups that stays was halved.
    halvings_of_rows : int
        And the share of rows within the groups, where few groups are large.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.halvings = self.halvings_of_rows = 0

    def stay(self, drawn: Numbers, rows: Numbers) -> npt.NDArray[np.bool_]:
        """Tell which rows stay for now.

        Parameters
        ----------
        drawn : uint64 array of shape (n,)
            What `draw_numbers` drew for the group of each row.
        rows : uint64 array of shape (n,)
            What it drew for each row.

        Returns
        -------
        bool array of shape (n,)
            Whether it stays.
        """
        stays = (drawn >> np.uint64(64 - self.halvings)) == 0 if self.halvings else np.ones(len(drawn), bool)
        if self.halvings_of_rows:
            stays &= (rows >> np.uint64(64 - self.halvings_of_rows)) == 0
        return stays

    def choose(self, drawn: Numbers, rows: Numbers) -> npt.NDArray[np.bool_]:
        """Choose the rows that stay in the end, of those that stay so far.

        Parameters
        ----------
        drawn, rows : uint64 arrays of shape (n,)
            As for `stay`.

        Returns
        -------
        bool array of shape (n,)
            Whole groups with at most `most` rows in all; rows, where groups are few or large.
        """
        if len(drawn) <= self.most:
            return np.ones(len(drawn), bool)
        groups, n_rows = np.unique(drawn, return_counts=True)
        n_kept = int(np.searchsorted(np.cumsum(n_rows), self.most, side="right"))
        if len(groups) > MIN_GROUPS and n_rows[:n_kept].sum() > self.most // 2:
            return np.asarray(drawn < groups[n_kept])
        return np.asarray(rows <= np.partition(rows, self.most - 1)[self.most - 1])

    def halve(self, n_groups: int) -> None:
        """Let half as many stay.

        Parameters
        ----------
        n_groups : int
            Groups that stay so far.
        """
        if n_groups > MIN_GROUPS:
            self.halvings += 1
        else:
            self.halvings_of_rows += 1


def draw_numbers(rows: npt.NDArray[np.integer[Any]], seed: int) -> Numbers:
    """Draw a number from 0 to 2^64 for each row number: always the same one.

    Parameters
    ----------
    rows : int array of shape (n,)
        Any numbers.
    seed : int
        Another seed, other numbers.

    Returns
    -------
    uint64 array of shape (n,)
        Numbers that look drawn at random.

    References
    ----------
    Steele, G., Lea, D., Flood, C. (2014). Fast splittable pseudorandom number generators. OOPSLA.
    """
    z = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64((seed * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Numbers = z ^ (z >> np.uint64(31))
    return out


def draw_for_groups(
    columns: Sequence[pa.Array], rows: npt.NDArray[np.int64], seed: int
) -> tuple[Numbers, Numbers]:
    """Draw a number for the group of each row.

    Parameters
    ----------
    columns : sequence of Array of shape (n,)
        What makes the group; none where every row stands alone.
    rows : int array of shape (n,)
        Number of each row.
    seed : int
        Seed.

    Returns
    -------
    of_group : uint64 array of shape (n,)
        Equal for rows of one group; a row whose cells are all empty stands alone.
    of_row : uint64 array of shape (n,)
        Of the row itself.
    """
    of_row = draw_numbers(rows, seed)
    if not columns:
        return of_row, of_row
    of_group = np.zeros(len(rows), np.uint64)
    filled = np.zeros(len(rows), bool)
    for column in columns:
        codes, distinct = as_categories(column)
        texts = np.array([zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in distinct], np.uint64)
        of_group = draw_numbers(of_group ^ texts[codes], seed)
        filled |= encode_filled(column)
    return np.where(filled, of_group, of_row), of_row
