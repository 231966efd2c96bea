"""Closed deals counted by pattern in one streamed pass, however many there are.

What is learned needs of each framework only how many deals of each pattern and key were won and lost. A pass
over the table counts them a chunk at a time; only the counts are held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Named
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.encode import LOST, UNKNOWN, WON, encode_levels, encode_outcome
from leadml.leads.patterns import PatternTable
from leadml.leads.tables import Table, check_columns, open_table
from leadml.leads.workers import Workers

if TYPE_CHECKING:
    import os

    import numpy.typing as npt

    from leadml.leads.chunks import Chunk
    from leadml.leads.mapping import Mapping

__all__ = ["KeyOf", "count_patterns"]

KeyOf = Callable[[pa.RecordBatch, "npt.NDArray[np.int64]"], "npt.NDArray[np.int64]"]
"""From the columns and the row numbers (from 1) of a chunk to the split key of each row, from 0."""

CELLS = 1 << 20
"""Counts are put together when so many have come in."""


class _Counts:
    """Won and all deals by key and pattern; what comes in is put together now and then."""

    def __init__(self) -> None:
        self._parts: list[npt.NDArray[np.int64]] = []
        self._n_rows = 0

    def add(self, part: npt.NDArray[np.int64]) -> None:
        self._parts.append(part)
        self._n_rows += part.shape[1]
        if self._n_rows > CELLS and self._n_rows > 2 * self._parts[0].shape[1]:
            self.together()

    def together(self) -> npt.NDArray[np.int64]:
        """Give rows key, pattern, won, total; each key and pattern once, in their order."""
        if self._parts:
            found = _sum_up(np.concatenate(self._parts, axis=1))
            self._parts, self._n_rows = [found], found.shape[1]
            return found
        return np.zeros((4, 0), np.int64)


def _sum_up(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sum won and total over equal key and pattern."""
    key, pattern, won, total = rows
    order = np.lexsort((pattern, key))
    key, pattern = key[order], pattern[order]
    begins = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]) | (pattern[1:] != pattern[:-1])][: len(key)])
    if not len(begins):
        return rows
    sums = [np.add.reduceat(each[order], begins) for each in (won, total)]
    return np.stack([key[begins], pattern[begins], *sums])


def count_patterns(
    source: str | os.PathLike[str],
    mapping: Mapping,
    frameworks: Named[str, Sequence[str]],
    *,
    key_of: KeyOf | None = None,
    key_columns: Sequence[str] = (),
    query: str | None = None,
) -> dict[str, PatternTable]:
    """Count the closed deals of a table by pattern and split key, for several frameworks in one pass.

    Parameters
    ----------
    source : str or path
        Where the deals come from; see `leadml.leads.tables.open_table`.
    mapping : Mapping
        What its columns mean; it must name the outcome. Rows that it rejects and open deals are not counted.
    frameworks : mapping of str to sequence of str
        Criteria of each framework, at most 20; one that is not mapped is unknown throughout.
    key_of : callable, optional
        Gives each row its split key; every deal has key 0 when absent.
    key_columns : sequence of str
        The columns that `key_of` reads.
    query : str, optional
        What to ask of a database.

    Returns
    -------
    dict of str to PatternTable
        The counts of each framework. Single deals are not held: ``of_deal`` is empty, and ``n_keys`` is the
        largest key plus one. Patterns stand in the order of `make_patterns`.

    Raises
    ------
    InputError
        When columns are missing, an outcome is not listed, or no closed deal is left.
    """
    table = open_table(source, mapping.read, query=query)
    if mapping.outcome is None:
        raise InputError(f"mapping {mapping.name!r} names no outcome; closed deals are counted by it; add it")
    asked = list(dict.fromkeys(name for names in frameworks.values() for name in names))
    columns = _columns(table, mapping, asked, key_columns)
    counts = {name: _Counts() for name in frameworks}
    unlisted: dict[str, int] = {}

    def count(chunk: Chunk) -> tuple[dict[str, npt.NDArray[np.int64]], dict[str, tuple[int, int]]]:
        return _count_chunk(chunk, mapping, asked, frameworks, key_of, table.decimal)

    with Workers() as workers:
        for _, (found, others) in workers.map(count, table.chunks(columns, workers)):
            for name, part in found.items():
                counts[name].add(part)
            unlisted.update({value: row for value, (row, _) in others.items() if value not in unlisted})
    if unlisted:
        shown = ", ".join(f"{value[:60]!r} (row {row})" for value, row in list(unlisted.items())[:20])
        raise InputError(
            f"{table.source}: column {mapping.outcome.column!r} holds outcomes that the mapping does not"
            f" list: {shown}; add each to outcome.won, outcome.lost or outcome.open"
        )
    return {name: _as_table(counts[name], len(names), table.source) for name, names in frameworks.items()}


def _columns(table: Table, mapping: Mapping, asked: Sequence[str], key_columns: Sequence[str]) -> list[str]:
    """List the columns that have to be read."""
    criteria = set(asked)
    while more := {mapping.stand_in[name] for name in criteria & {*mapping.stand_in}} - criteria:
        criteria |= more
    places = {f"criteria.{name}" for name in criteria} | {"outcome.column"}
    uses = [use for use in mapping.uses() if use[0] in places]
    check_columns(table, uses, optional=mapping.optional)
    check_columns(table, [("outcome.column", column) for place, column in uses if place == "outcome.column"])
    check_columns(table, [("key_columns", column) for column in key_columns])
    return list(dict.fromkeys([*(column for _, column in uses if column in table.columns), *key_columns]))


def _count_chunk(
    chunk: Chunk,
    mapping: Mapping,
    asked: Sequence[str],
    frameworks: Named[str, Sequence[str]],
    key_of: KeyOf | None,
    decimal: str,
) -> tuple[dict[str, npt.NDArray[np.int64]], dict[str, tuple[int, int]]]:
    """Count one chunk for every framework."""
    if mapping.outcome is None:
        return {}, {}
    encoded = encode_levels(chunk.data, mapping, asked, rows=chunk.rows, decimal=decimal)
    outcome, unlisted = encode_outcome(chunk.data.column(mapping.outcome.column), mapping.outcome, chunk.rows)
    closed = encoded.usable & ((outcome == WON) | (outcome == LOST))
    key = np.zeros(len(closed), np.int64) if key_of is None else key_of(chunk.data, chunk.rows)
    codes = dict(zip(asked, encoded.codes.T, strict=True))
    found = {}
    for name, names in frameworks.items():
        packed = np.zeros(len(closed), np.int64)
        for criterion in reversed(names):
            packed *= 6
            packed += codes[criterion]
        found[name] = _cells(key[closed], packed[closed], (outcome == WON)[closed], 6 ** len(names))
    return found, unlisted


def _cells(
    key: npt.NDArray[np.int64], pattern: npt.NDArray[np.int64], won: npt.NDArray[np.bool_], n_possible: int
) -> npt.NDArray[np.int64]:
    """Count rows by key and pattern: by a table where it is small, by sorting otherwise."""
    n_keys = int(key.max(initial=0)) + 1
    if n_keys * n_possible <= max(4 * len(key), 1 << 16):
        cell = key * n_possible + pattern
        total = np.bincount(cell, minlength=1)
        at = np.flatnonzero(total)
        wins = np.bincount(cell[won], minlength=len(total))
        return np.stack([at // n_possible, at % n_possible, wins[at], total[at]])
    return _sum_up(np.stack([key, pattern, won.astype(np.int64), np.ones(len(key), np.int64)]))


def _as_table(counts: _Counts, n_criteria: int, source: str) -> PatternTable:
    key, packed, won, total = counts.together()
    if not len(key):
        raise InputError(f"{source}: holds no closed deal that can be used; leadml check shows why")
    seen, pattern = np.unique(packed, return_inverse=True)
    codes = seen[:, None] // 6 ** np.arange(n_criteria, dtype=np.int64) % 6
    levels: npt.NDArray[Any] = np.where(codes == UNKNOWN, np.nan, codes)
    return PatternTable(
        levels=levels,
        pattern=pattern,
        key=key,
        won=won.astype(float),
        lost=(total - won).astype(float),
        n_keys=int(key.max()) + 1,
        of_deal=np.zeros(0, np.int64),
    )
