"""What is made of each chunk of a table of deals: counts by pattern, and the rows that may stay single."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.assemble import Picked
from leadml.leads.chunks import SHOWN_CHARACTERS, Chunk, Rejection
from leadml.leads.counted import N_BUCKETS, count_cells, month_keys, number_keys
from leadml.leads.dates import parse_dates
from leadml.leads.encode import LOST, OPEN, WON, encode_levels, encode_outcome
from leadml.leads.kept import Kept
from leadml.leads.thinning import Thinner, draw_for_groups
from leadml.leads.values import as_numbers, as_text, plain

if TYPE_CHECKING:
    import numpy.typing as npt

    from leadml.leads.mapping import Mapping

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Part:
    """What was made of one chunk.

    Attributes
    ----------
    n_usable : int
        Leads: rows without a fault.
    ended : int array of shape (5, n_cells)
        Outcomes by month of creation, as `count_cells` gives them.
    by_month, by_group : dict of str to int array of shape (5, n_cells)
        Outcomes by pattern and month, and by pattern and bucket, of each framework.
    kept : Kept
        Rows that stay for now.
    rejected : list of Rejection
        Every fault.
    unlisted : dict
        Outcomes that the mapping does not list.
    """

    n_usable: int
    ended: Ints
    by_month: dict[str, Ints]
    by_group: dict[str, Ints]
    kept: Kept
    rejected: list[Rejection]
    unlisted: dict[str, tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class PartWork:
    """Makes parts of chunks; it holds no state, so that it can work anywhere.

    Attributes
    ----------
    mapping : Mapping
        What the columns mean; it names an outcome.
    criteria : tuple of str
        Criteria that the table can say something about.
    frameworks : dict of str to tuple of str
        Criteria of each framework.
    decimal : str
        Decimal mark.
    orders : dict of str to str
        Order of day, month and year of each column of dates, by ``created`` and ``closed``.
    random_state : int
        Seed of the sample.
    """

    mapping: Mapping
    criteria: tuple[str, ...]
    frameworks: dict[str, tuple[str, ...]]
    decimal: str
    orders: dict[str, str]
    random_state: int

    def __call__(self, chunk: Chunk, thinner: Thinner) -> Part:
        """Judge a chunk.

        Parameters
        ----------
        chunk : Chunk
            Rows with every column.
        thinner : Thinner
            Which of them stay.

        Returns
        -------
        Part
            Counts, rows that stay, faults.
        """
        data, mapping = chunk.data, self.mapping
        if mapping.outcome is None:
            raise InputError(f"mapping {mapping.name!r} names no outcome; deals are counted by it; add it")
        encoded = encode_levels(data, mapping, self.criteria, rows=chunk.rows, decimal=self.decimal)
        ended, unlisted = encode_outcome(data.column(mapping.outcome.column), mapping.outcome, chunk.rows)
        ended = np.minimum(ended, OPEN)  # what is not listed is told at the end
        usable, rejected = encoded.usable, chunk.rejected + encoded.rejected
        dates: dict[str, npt.NDArray[np.datetime64]] = {}
        for key, order in self.orders.items():
            column = data.column(str(getattr(mapping.dates, key)))
            parsed = parse_dates(column, mapping.dates.day_first, order)
            reason = f"is not a date as {parsed.order}; write it so, or leave it empty"
            rejected += _faults(chunk, str(getattr(mapping.dates, key)), parsed.bad, reason)
            usable &= ~parsed.bad
            dates[key] = parsed.values
        amount = None
        if mapping.amount is not None and mapping.amount.column in data.schema.names:
            amount, _, bad = as_numbers(data.column(mapping.amount.column), self.decimal)
            reason = (
                f"is not a number with decimal mark {self.decimal!r}; correct it, or set read.decimal in the"
                " mapping"
            )
            rejected += _faults(chunk, mapping.amount.column, bad, reason)
            usable &= ~bad
        names = [name for name in mapping.group if name in data.schema.names]
        drawn, drawn_row = draw_for_groups(
            [data.column(name) for name in names], chunk.rows, self.random_state
        )
        at = slice(None) if usable.all() else np.flatnonzero(usable)
        created = dates.get("created")
        month = number_keys(month_keys(None if created is None else created[at], len(drawn[at])))
        by_month, by_group = {}, {}
        codes = dict(zip(self.criteria, encoded.codes.T, strict=True))
        bucket = number_keys((drawn[at] % np.uint64(N_BUCKETS)).astype(np.int64)) if names else None
        for name, members in self.frameworks.items():
            packed = _pack([codes.get(member) for member in members], len(usable))[at]
            by_month[name] = count_cells(month, packed, ended[at], 6 ** len(members))
            if bucket is not None:
                by_group[name] = count_cells(bucket, packed, ended[at], 6 ** len(members))
        stays = np.flatnonzero(thinner.stay(drawn, drawn_row) & usable)
        picked = Picked(
            columns=_taken(data, stays),
            rows=chunk.rows[stays],
            codes=encoded.codes[stays],
            outcome=np.select([ended[stays] == LOST, ended[stays] == WON], [0.0, 1.0], np.nan),
            created=_at(created, stays),
            closed=_at(dates.get("closed"), stays),
            amount=_at(amount, stays),
        )
        return Part(
            n_usable=int(usable.sum()),
            ended=count_cells(month, np.zeros(len(drawn[at]), np.int64), ended[at], 1),
            by_month=by_month,
            by_group=by_group,
            kept=Kept(picked, drawn[stays], drawn_row[stays]),
            rejected=rejected,
            unlisted=unlisted,
        )


def _faults(chunk: Chunk, column: str, bad: Bools, reason: str) -> list[Rejection]:
    where = np.flatnonzero(bad)
    if not len(where):
        return []
    cells = as_text(chunk.data.column(column).take(pa.array(where))).to_pylist()
    return [
        Rejection(row, column, str(cell)[:SHOWN_CHARACTERS], reason)
        for row, cell in zip(chunk.rows[where].tolist(), cells, strict=True)
    ]


def _pack(codes: list[npt.NDArray[np.uint8] | None], n: int) -> npt.NDArray[np.integer[Any]]:
    """Number the patterns of n rows; a criterion without codes is unknown throughout."""
    packed: npt.NDArray[Any] = np.zeros(n, np.uint16 if 3 * 6 ** len(codes) < 1 << 16 else np.int64)
    for each in reversed(codes):
        packed *= 6
        packed += np.uint8(5) if each is None else each
    return packed


def _taken(data: pa.RecordBatch, at: Ints) -> dict[str, pa.Array]:
    """Copy some rows of every column, so that the others can be forgotten."""
    picked = data.take(pa.array(at))
    return {name: plain(array) for name, array in zip(picked.schema.names, picked.columns, strict=True)}


def _at(values: npt.NDArray[Any] | None, at: Any) -> npt.NDArray[Any] | None:
    return None if values is None else values[at]
