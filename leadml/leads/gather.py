"""Closed deals of any number in one streamed pass: all of them counted, a sample of single ones kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Named
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.assemble import all_rejected, make_leads_of
from leadml.leads.chunks import Chunk
from leadml.leads.counted import Cells, Counted, as_counted, sum_cells
from leadml.leads.dates import parse_dates
from leadml.leads.digest import CellDigest, digest_files
from leadml.leads.encode import present_criteria
from leadml.leads.kept import Kept, join_kept
from leadml.leads.mapping import Mapping, load_mapping
from leadml.leads.parts import Part, PartWork
from leadml.leads.read import check_table, join_arrays, outcome_fault, put_together, say_ambiguous
from leadml.leads.rejections import Rejections
from leadml.leads.tables import Table, open_table
from leadml.leads.thinning import Thinner
from leadml.leads.workers import Workers

if TYPE_CHECKING:
    import os

    import numpy.typing as npt
    import pandas as pd

    Ints = npt.NDArray[np.int64]

__all__ = ["Gatherer", "SumOfCells", "count_leads"]

RELEASE_ROWS = 1 << 18
"""After so many rows, memory that Arrow holds in reserve is given back."""
CELLS = 1 << 18
"""Counts are put together when so many have come in."""


def count_leads(
    source: str | os.PathLike[str] | pd.DataFrame,
    mapping: Mapping | dict[str, Any] | str | os.PathLike[str],
    frameworks: Named[str, Sequence[str]],
    *,
    most: int,
    random_state: int = 0,
    query: str | None = None,
) -> Counted:
    """Read leads by a mapping; of more than so many, count all and keep a sample.

    Parameters
    ----------
    source : str, path or DataFrame
        Whatever `leadml.leads.tables.open_table` opens; it is read once.
    mapping : Mapping, dict, str or path
        What the columns mean.
    frameworks : mapping of str to sequence of str
        Criteria of each framework, at most 20.
    most : int
        Up to so many rows are all kept, as `leadml.leads.read.read_leads` reads them, and nothing is counted.
        Of more leads a uniform sample of so many is kept: whole groups, where the mapping names a group, so
        that they may be a few less.
    random_state : int
        Seed of the sample.
    query : str, optional
        What to ask of a database.

    Returns
    -------
    Counted
        Counts and leads.

    Raises
    ------
    InputError
        The input cannot be used: missing columns, outcomes that the mapping does not list, no usable row.
    RecordError
        The mapping is wrong.
    """
    mapping = load_mapping(mapping)
    table = open_table(source, mapping.read, query=query, to_count=True)
    absent = check_table(table, mapping)
    with Workers() as workers:
        chunks = table.chunks(workers=workers)
        first: list[Chunk] = []
        for chunk in chunks:
            first.append(chunk)
            if mapping.outcome is not None and table.n_rows > most:
                break
        else:
            leads = put_together(table, mapping, mapping, absent, first)
            return as_counted(leads)
        digest = workers.submit(digest_files, table.files) if table.files else None
        gatherer = Gatherer(table, mapping, absent, frameworks, first, most, random_state)
        done = workers.map(gatherer.judge, itertools.chain(_handed_over(first), chunks))
        n_rows = 0
        for chunk, part in done:
            n_rows += len(chunk.rows)
            if n_rows >= RELEASE_ROWS:
                pa.default_memory_pool().release_unused()
                n_rows = 0
            gatherer.add(chunk, part)
        return gatherer.finish(None if digest is None else digest.result())


def _handed_over(chunks: list[Chunk]) -> Iterable[Chunk]:
    """Give chunks and hold them no longer."""
    chunks.reverse()
    while chunks:
        yield chunks.pop()


class SumOfCells:
    """Counts of many parts; they are put together now and then."""

    def __init__(self) -> None:
        self._parts: list[Ints] = []
        self._n_cells = 0

    def add(self, part: Ints) -> None:
        """Take the counts of a part.

        Parameters
        ----------
        part : int array of shape (5, n_cells)
            As `count_cells` gives them.
        """
        self._parts.append(part)
        self._n_cells += part.shape[1]
        if self._n_cells > CELLS and self._n_cells > 2 * self._parts[0].shape[1]:
            self._put_together()

    def _put_together(self) -> Ints:
        found = sum_cells(np.concatenate([np.zeros((5, 0), np.int64), *self._parts], axis=1))
        self._parts, self._n_cells = [found], found.shape[1]
        return found

    def cells(self) -> Cells:
        """Give the sums.

        Returns
        -------
        Cells
            Each key and pattern once.
        """
        return Cells(*self._put_together())


class Gatherer:
    """Takes the chunks of a table one by one and holds what is counted and kept of them.

    Parameters
    ----------
    table : Table
        The table.
    mapping : Mapping
        What its columns mean.
    absent : dict
        What `check_table` found.
    frameworks : mapping of str to sequence of str
        Criteria of each framework.
    first : sequence of Chunk
        Its first chunks, which tell how dates are written.
    most : int
        At most so many leads are kept.
    random_state : int
        Seed of the sample.
    """

    def __init__(
        self,
        table: Table,
        mapping: Mapping,
        absent: dict[str, list[str]],
        frameworks: Named[str, Sequence[str]],
        first: Sequence[Chunk],
        most: int,
        random_state: int,
    ) -> None:
        self._table, self._mapping, self._absent = table, mapping, absent
        orders, self._findings = find_orders(table, mapping, first)
        self.work = PartWork(
            mapping,
            present_criteria(mapping, table.columns),
            {name: tuple(members) for name, members in frameworks.items()},
            table.decimal,
            orders,
            random_state,
        )
        self._thinner = Thinner(most)
        self._cells = None if table.files else CellDigest(table.columns)
        self._rejections = Rejections()
        self._kept: list[Kept] = []
        self._n_kept = self._n_usable = 0
        self._ended = SumOfCells()
        self._by_month = {name: SumOfCells() for name in frameworks}
        self._by_group = {name: SumOfCells() for name in frameworks} if mapping.group else {}
        self._unlisted: dict[str, tuple[int, int]] = {}

    def judge(self, chunk: Chunk) -> Part:
        """Judge a chunk, in any thread.

        Parameters
        ----------
        chunk : Chunk
            Rows with every column.

        Returns
        -------
        Part
            What `add` takes.
        """
        return self.work(chunk, self._thinner)

    def add(self, chunk: Chunk, part: Part) -> None:
        """Take a part; parts are taken in the order of their chunks.

        Parameters
        ----------
        chunk : Chunk
            The rows.
        part : Part
            What was made of them.
        """
        if self._cells is not None:
            for name in self._table.columns:
                self._cells.add(name, chunk.data.column(name))
        self._n_usable += part.n_usable
        self._rejections.add(part.rejected)
        for value, (row, n) in part.unlisted.items():
            seen, before = self._unlisted.get(value, (row, 0))
            self._unlisted[value] = (seen, before + n)
        self._ended.add(part.ended)
        for name, cells in part.by_month.items():
            self._by_month[name].add(cells)
        for name, cells in part.by_group.items():
            self._by_group[name].add(cells)
        self._keep(part.kept)

    def _keep(self, kept: Kept) -> None:
        """Keep rows; which ones stay is the same however they come, since those judged earlier go too."""
        self._kept.append(kept.thin(self._thinner))
        self._n_kept += len(self._kept[-1])
        while self._n_kept > 2 * self._thinner.most:
            joined = join_kept(self._kept)
            self._thinner.halve(1 + int(np.count_nonzero(np.diff(np.sort(joined.drawn)))))
            self._kept = [joined.thin(self._thinner)]
            self._n_kept = len(self._kept[0])

    def finish(self, digest: str | None) -> Counted:
        """Give what was gathered.

        Parameters
        ----------
        digest : str or None
            Digest of the files; None where the table has none.

        Returns
        -------
        Counted
            Counts and leads.

        Raises
        ------
        InputError
            Outcomes are not listed, or no row can be used.
        """
        mapping, table = self._mapping, self._table
        if self._unlisted and mapping.outcome is not None:
            raise InputError(outcome_fault(table.source, mapping.outcome, self._unlisted))
        if not self._n_usable:
            raise all_rejected(table, self._rejections)
        picked = join_kept(self._kept).choose(self._thinner)
        self._kept = []
        pa.default_memory_pool().release_unused()
        digest = digest or (self._cells.hexdigest() if self._cells is not None else "")
        leads = make_leads_of(
            table, mapping, mapping, self._absent, picked, self._findings, self._rejections, digest
        )
        return Counted(
            leads=leads,
            n_leads=self._n_usable,
            rejections=self._rejections,
            ended=self._ended.cells(),
            by_month={name: each.cells() for name, each in self._by_month.items()},
            by_group={name: each.cells() for name, each in self._by_group.items()},
            criteria=self.work.frameworks,
        )


def find_orders(
    table: Table, mapping: Mapping, first: Sequence[Chunk]
) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Find from the first rows in which order dates are written.

    Parameters
    ----------
    table : Table
        The table.
    mapping : Mapping
        Names the columns.
    first : sequence of Chunk
        The first rows.

    Returns
    -------
    orders : dict of str to str
        By ``created`` and ``closed``, where the table has them.
    findings : list of dict
        LML105 where the order was assumed.
    """
    orders, findings = {}, []
    for key in ("created", "closed"):
        column = getattr(mapping.dates, key)
        if column is None or column not in table.columns:
            continue
        cells = join_arrays([chunk.data.column(column) for chunk in first])
        parsed = parse_dates(cells, mapping.dates.day_first)
        orders[key] = parsed.order
        if parsed.ambiguous:
            findings.append(say_ambiguous(column, parsed.order))
    return orders, findings
