"""Closed deals counted by pattern, however many there are, with a sample of single leads beside the counts.

What is learned needs of each framework only how many deals of each pattern were won and lost, by month of
creation (recent months may have to be left out) and by group (groups are drawn and held out as one).
Whoever counts, in a stream on one machine or across many, fills a `Counted`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leadml.leads.encode import UNKNOWN
from leadml.leads.patterns import PatternTable

if TYPE_CHECKING:
    import numpy.typing as npt

    from leadml.leads.model import Leads
    from leadml.leads.rejections import Rejections

    Ints = npt.NDArray[np.int64]

__all__ = [
    "N_BUCKETS",
    "N_FOLDS",
    "UNDATED",
    "Cells",
    "Counted",
    "Keys",
    "as_counted",
    "count_cells",
    "month_keys",
    "number_keys",
    "sum_cells",
]

UNDATED = 0
"""The key of leads without a date of creation, and of all leads where none is mapped."""
YEAR_1 = 1970 * 12
"""Months are counted from the year 0, so that no key of a dated lead is 0."""
N_BUCKETS = 200
"""Groups are spread over so many buckets, which are drawn and held out as one."""
N_FOLDS = 5
"""Without groups, deals are spread at random over so many folds."""
FIELDS = 5
"""Rows of cells: key, pattern, won, lost, open."""
LARGEST_TABLE = 1 << 20
MOST = 999_999_999
"""numpy draws without replacement from at most so many."""


@dataclasses.dataclass(frozen=True)
class Cells:
    """How many leads ended how, by key and pattern.

    Attributes
    ----------
    key : int array of shape (n_cells,)
        Month of creation as `month_keys` numbers it, or bucket of the group, from 0.
    pattern : int array of shape (n_cells,)
        Level codes (5 = unknown) of a framework's criteria as digits to the base 6, the first one the lowest.
    won, lost, open : int arrays of shape (n_cells,)
        Leads.
    """

    key: Ints
    pattern: Ints
    won: Ints
    lost: Ints
    open: Ints

    def among(self, before: int | None) -> Cells:
        """Pick what was created before a month, and what is undated.

        Parameters
        ----------
        before : int, optional
            Key of the month; everything where absent.

        Returns
        -------
        Cells
            Those picked.
        """
        if before is None:
            return self
        kept = (self.key < before) | (self.key == UNDATED)
        return Cells(*(getattr(self, field.name)[kept] for field in dataclasses.fields(self)))

    def totals(self) -> tuple[int, int, int]:
        """Add up.

        Returns
        -------
        won, lost, open : int
            Leads.
        """
        return int(self.won.sum()), int(self.lost.sum()), int(self.open.sum())


@dataclasses.dataclass(frozen=True)
class Counted:
    """Every lead counted, and a sample of single ones.

    Attributes
    ----------
    leads : Leads
        All leads, or a uniform sample of them; whole groups where there are groups. ``n_rows`` are the rows
        of the input, ``digest`` is that of the input, and ``rejected`` tells the first rejected rows.
    n_leads : int
        Leads, sampled or not; the rows that are not rejected.
    rejections : Rejections or None
        Every rejected row; None where ``leads.rejected`` tells them all.
    ended : Cells
        Outcomes by month of creation alone; every pattern is 0.
    by_month : dict of str to Cells
        Outcomes by pattern and month of creation, for each framework.
    by_group : dict of str to Cells
        Outcomes by pattern and bucket of the group, for each framework; empty without groups.
    criteria : dict of str to tuple of str
        The criteria of each framework, in the order of the digits of its patterns.
    """

    leads: Leads
    n_leads: int
    rejections: Rejections | None
    ended: Cells
    by_month: dict[str, Cells]
    by_group: dict[str, Cells]
    criteria: dict[str, tuple[str, ...]]

    @property
    def is_sampled(self) -> bool:
        """Whether `leads` are fewer than were counted."""
        return len(self.leads) < self.n_leads

    def count_closed(self, before: int | None = None, *, open_is_lost: bool = False) -> tuple[int, int]:
        """Count closed deals.

        Parameters
        ----------
        before : int, optional
            Key of the month from which on leads are left out.
        open_is_lost : bool
            Whether dated open leads count as lost.

        Returns
        -------
        won, lost : int
            Deals.
        """
        won, lost = _closed(self.ended.among(before), open_is_lost)
        return int(won.sum()), int(lost.sum())

    def count_levels(self, before: int | None = None, *, open_is_lost: bool = False) -> dict[str, list[int]]:
        """Count closed deals at each level of each criterion.

        Parameters
        ----------
        before : int, optional
            Key of the month from which on leads are left out.
        open_is_lost : bool
            Whether dated open leads count as lost.

        Returns
        -------
        dict of str to list of 6 int
            Levels 0 to 4, then unknown.
        """
        found: dict[str, list[int]] = {}
        for name, cells in self.by_month.items():
            won, lost = _closed(cells.among(before), open_is_lost)
            pattern = cells.among(before).pattern
            for digit, criterion in enumerate(self.criteria[name]):
                if criterion not in found:
                    level = pattern // 6**digit % 6
                    found[criterion] = np.bincount(level, won + lost, 6).astype(int).tolist()
        return found

    def tables(
        self, random_state: int, before: int | None = None, *, open_is_lost: bool = False
    ) -> dict[str, PatternTable]:
        """Lay out the closed deals of each framework for learning.

        Parameters
        ----------
        random_state : int
            Seed of what is spread at random.
        before : int, optional
            Key of the month from which on leads are left out.
        open_is_lost : bool
            Whether dated open leads count as lost.

        Returns
        -------
        dict of str to PatternTable
            Counts by pattern and key. Keys are buckets of groups; without groups, folds that every deal was
            dealt to at random. Patterns stand in the order of `make_patterns`; ``of_deal`` is empty.

        Notes
        -----
        With groups, the deals of the months that count are spread over the buckets at random as the deals of
        all months are, pattern by pattern: months and groups are counted apart, or the counts would hardly be
        fewer than the deals.
        """
        rng = np.random.default_rng([random_state, 13])
        out = {}
        for name, cells in self.by_month.items():
            kept = cells.among(before)
            at, ends = _by_pattern(kept.pattern, _closed(kept, open_is_lost))
            at, ends = at[ends.sum(axis=0) > 0], ends[:, ends.sum(axis=0) > 0]
            if self.by_group:
                groups = self.by_group[name]
                spread = [
                    _spread_among(each, _by_bucket(groups.key, groups.pattern, side, at), rng)
                    for each, side in zip(ends, _closed(groups, open_is_lost), strict=True)
                ]
            else:
                spread = [_spread_evenly(each, N_FOLDS, rng) for each in ends]
            out[name] = _as_table(at, spread[0], spread[1], len(self.criteria[name]))
        return out


def as_counted(leads: Leads) -> Counted:
    """Hold leads that are all there, so that nothing need be counted.

    Parameters
    ----------
    leads : Leads
        All leads.

    Returns
    -------
    Counted
        Without counts.
    """
    none = Cells(*np.zeros((5, 0), np.int64))
    return Counted(leads, len(leads), None, none, {}, {}, {})


def month_keys(created: npt.NDArray[np.datetime64] | None, n: int) -> Ints:
    """Number the months of creation.

    Parameters
    ----------
    created : datetime64 array of shape (n,), optional
        NaT where missing.
    n : int
        Number of leads.

    Returns
    -------
    int array of shape (n,)
        Months since the year 0; 0 without a date.

    Examples
    --------
    >>> month_keys(np.array(["1970-01-31", "NaT", "1971-02-01"], "datetime64[s]"), 3).tolist()
    [23640, 0, 23653]
    """
    if created is None:
        return np.full(n, UNDATED, np.int64)
    months = created.astype("datetime64[M]").astype(np.int64) + YEAR_1
    return np.where(np.isnat(created), UNDATED, months)


class Keys(NamedTuple):
    """The keys of n leads, numbered.

    Attributes
    ----------
    distinct : int array of shape (n_keys,)
        Each key once, in their order.
    at : int array of shape (n,) or None
        Position of the key of each lead; None where all have key 0.
    """

    distinct: Ints
    at: Ints | None


def number_keys(key: Ints) -> Keys:
    """Number keys in their order.

    Parameters
    ----------
    key : int array of shape (n,)
        Few of them are distinct.

    Returns
    -------
    Keys
        The distinct ones, and where they stand.
    """
    if not key.any():
        return Keys(np.zeros(1, np.int64), None)
    distinct = np.unique(key)
    return Keys(distinct, np.searchsorted(distinct, key))


def count_cells(
    keys: Keys, pattern: npt.NDArray[np.integer[Any]], outcome: npt.NDArray[np.uint8], n_possible: int
) -> Ints:
    """Count leads by key, pattern and outcome: by a table where it is small, by sorting otherwise.

    Parameters
    ----------
    keys : Keys of n leads
        Their months or buckets.
    pattern : int array of shape (n,)
        From 0, of a type that also holds three times `n_possible`.
    outcome : uint8 array of shape (n,)
        Codes of `leadml.leads.encode`: lost, won, open.
    n_possible : int
        Patterns that there can be.

    Returns
    -------
    int array of shape (5, n_cells)
        The fields of `Cells`, one a row.
    """
    cell = pattern * 3 + outcome
    if keys.at is not None:
        cell = cell + keys.at * (3 * n_possible)
    size = 3 * n_possible * len(keys.distinct)
    if size <= LARGEST_TABLE:
        counts = np.bincount(cell, minlength=size).reshape(-1, 3)
        found = np.flatnonzero(counts[:, 0] + counts[:, 1] + counts[:, 2])
        counts = counts[found]
    else:
        seen, n = np.unique(cell, return_counts=True)
        found, row = np.unique(seen // 3, return_inverse=True)
        counts = np.zeros((len(found), 3), np.int64)
        counts[row, seen % 3] = n
    lost, won, still_open = counts.T
    return np.stack([keys.distinct[found // n_possible], found % n_possible, won, lost, still_open])


def sum_cells(cells: Ints) -> Ints:
    """Add up what is counted of the same key and pattern: by a table where it is small, by sorting otherwise.

    Parameters
    ----------
    cells : int array of shape (5, n)
        As `count_cells` gives them, perhaps several side by side; counts add up to less than 2^53.

    Returns
    -------
    int array of shape (5, n_cells)
        Each key and pattern once, in their order.
    """
    if not cells.shape[1]:
        return cells
    key, pattern = cells[:2]
    keys, n_patterns = number_keys(key), int(pattern.max()) + 1
    size = len(keys.distinct) * n_patterns
    if size <= LARGEST_TABLE:
        cell = pattern if keys.at is None else pattern + keys.at * n_patterns
        found = np.flatnonzero(np.bincount(cell, minlength=size))
        added = [np.bincount(cell, each, size)[found].astype(np.int64) for each in cells[2:]]
        return np.stack([keys.distinct[found // n_patterns], found % n_patterns, *added])
    order = np.lexsort((pattern, key))
    key, pattern = key[order], pattern[order]
    begins = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]) | (pattern[1:] != pattern[:-1])])
    sums = np.add.reduceat(cells[2:, order], begins, axis=1)
    return np.concatenate([np.stack([key[begins], pattern[begins]]), sums])


def _closed(cells: Cells, open_is_lost: bool) -> tuple[Ints, Ints]:
    """Won and lost deals of each cell."""
    if not open_is_lost:
        return cells.won, cells.lost
    return cells.won, cells.lost + np.where(cells.key == UNDATED, 0, cells.open)


def _by_pattern(pattern: Ints, ends: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Patterns in their order, and won and lost deals of each, shape (2, n_patterns)."""
    seen, at = np.unique(pattern, return_inverse=True)
    return seen, np.stack([np.bincount(at, each, len(seen)).astype(np.int64) for each in ends])


def _by_bucket(bucket: Ints, pattern: Ints, counts: Ints, seen: Ints) -> Ints:
    """Counts of each bucket and pattern, shape (n_buckets, n_patterns)."""
    out = np.zeros((N_BUCKETS, len(seen)), np.int64)
    at = np.minimum(np.searchsorted(seen, pattern), len(seen) - 1)
    here = seen[at] == pattern
    out[bucket[here], at[here]] = counts[here]
    return out


def _spread_evenly(counts: Ints, n: int, rng: np.random.Generator) -> Ints:
    """Deal every unit of every count to one of n places at random; shape (n, n_counts)."""
    left, out = counts.copy(), np.empty((n, len(counts)), np.int64)
    for place in range(n):
        out[place] = rng.binomial(left, 1.0 / (n - place))
        left -= out[place]
    return out


def _spread_among(counts: Ints, among: Ints, rng: np.random.Generator) -> Ints:
    """Draw each count without replacement from the units that lie in the places, shape (n, n_counts)."""
    rest, left, out = among.sum(axis=0), counts.copy(), np.empty_like(among)
    for place, here in enumerate(among):
        rest -= here
        if rest.max(initial=0) <= MOST and here.max(initial=0) <= MOST:
            out[place] = rng.hypergeometric(here, rest, left)
        else:
            out[place] = np.clip(
                rng.binomial(left, here / np.maximum(here + rest, 1)), left - np.minimum(left, rest), here
            )
        left -= out[place]
    return out


def _as_table(seen: Ints, won: Ints, lost: Ints, n_criteria: int) -> PatternTable:
    codes = seen[:, None] // 6 ** np.arange(n_criteria, dtype=np.int64) % 6
    levels: npt.NDArray[Any] = np.where(codes == UNKNOWN, np.nan, codes)
    key, pattern = np.nonzero(won + lost)
    return PatternTable(
        levels=levels,
        pattern=pattern,
        key=key,
        won=won[key, pattern].astype(float),
        lost=lost[key, pattern].astype(float),
        n_keys=len(won),
        of_deal=np.zeros(0, np.int64),
    )
