"""From an export to leads: every column that a mapping names, every row accounted for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.assemble import Picked, all_rejected, make_leads_of
from leadml.leads.catalogue import data_finding
from leadml.leads.chunks import SHOWN_CHARACTERS, Chunk, Rejection
from leadml.leads.dates import parse_dates
from leadml.leads.digest import CellDigest, digest_files
from leadml.leads.encode import (
    LOST,
    WON,
    encode_levels,
    encode_outcome,
    present_criteria,
)
from leadml.leads.mapping import Dates, Mapping, Outcome, load_mapping
from leadml.leads.model import Leads
from leadml.leads.rejections import Rejections
from leadml.leads.tables import Table, check_columns, open_table
from leadml.leads.values import as_numbers, as_text, plain
from leadml.records import nearest

if TYPE_CHECKING:
    import pandas as pd

Bools = npt.NDArray[np.bool_]


def read_leads(
    source: str | os.PathLike[str] | pd.DataFrame,
    mapping: Mapping | dict[str, Any] | str | os.PathLike[str],
    *,
    for_scoring: bool = False,
) -> Leads:
    """Read leads by a mapping.

    Parameters
    ----------
    source : str, path or DataFrame
        Whatever `leadml.leads.tables.open_table` opens.
    mapping : Mapping, dict, str or path
        What the columns mean.
    for_scoring : bool
        New leads: outcome, dates, amount and group are not read; contactable, context and facts if there.

    Returns
    -------
    Leads
        The leads; ``n_rows`` = leads + distinct rows of ``rejected``.

    Raises
    ------
    InputError
        The input cannot be used: missing columns, outcomes that the mapping does not list (all at once, with
        their rows), no usable row.
    RecordError
        The mapping is wrong.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"Need": ["3", "", "high"], "Status": ["Won", "Lost", "Won"]})
    >>> mapping = {"name": "mine", "criteria": {"need": {"column": "Need"}},
    ...            "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]}}
    >>> leads = read_leads(frame, mapping)
    >>> leads.levels["need"].tolist(), leads.outcome.tolist(), leads.rejected["row"].tolist()
    ([3.0, nan], [1.0, 0.0], [3])
    >>> read_leads(frame, {**mapping, "lead_id": "ID"})
    Traceback (most recent call last):
    leadml.exceptions.InputError: DataFrame: has no column...
    """
    whole = load_mapping(mapping)
    mapping = whole
    if for_scoring:
        mapping = whole.model_copy(update={"outcome": None, "dates": Dates(), "amount": None, "group": ()})
    table = open_table(source, mapping.read)
    absent = check_table(table, mapping, for_scoring=for_scoring)
    return put_together(table, mapping, whole, absent, list(table.chunks()))


def put_together(
    table: Table, mapping: Mapping, whole: Mapping, absent: dict[str, list[str]], chunks: Sequence[Chunk]
) -> Leads:
    """Make leads of every chunk of a table.

    Parameters
    ----------
    table : Table
        The table, read to its end.
    mapping : Mapping
        What its columns mean, as far as they are to be used.
    whole : Mapping
        The mapping that was given.
    absent : dict
        What `check_table` found.
    chunks : sequence of Chunk
        All that the table gave.

    Returns
    -------
    Leads
        The leads.

    Raises
    ------
    InputError
        Outcomes are not listed, or no row can be used.
    """
    content = Content.read(table, mapping, chunks)
    dates, findings = _dates(content, mapping, absent)
    amount = _amount(content, mapping, table.decimal)
    rejections = Rejections(held=len(content.rejected))
    rejections.add(content.rejected)
    at = np.flatnonzero(content.usable)
    picked = Picked(
        columns={
            name: array.take(pa.array(at)) if len(at) < len(content.rows) else array
            for name, array in content.columns.items()
        },
        rows=content.rows[at],
        codes=content.codes[at],
        outcome=None if content.outcome is None else content.outcome[at],
        created=None if (moments := dates["created"]) is None else moments[at],
        closed=None if (moments := dates["closed"]) is None else moments[at],
        amount=None if amount is None else amount[at],
    )
    if not len(at):
        raise all_rejected(table, rejections)
    if table.files:
        digest = digest_files(table.files)
    else:
        cells = CellDigest(table.columns)
        for name, array in content.columns.items():
            cells.add(name, array)
        digest = cells.hexdigest()
    return make_leads_of(table, mapping, whole, absent, picked, findings, rejections, digest)


def check_table(table: Table, mapping: Mapping, *, for_scoring: bool = False) -> dict[str, list[str]]:
    """Refuse missing columns.

    Parameters
    ----------
    table : Table
        The open table.
    mapping : Mapping
        What its columns mean.
    for_scoring : bool
        Only the columns are asked for that scoring cannot do without.

    Returns
    -------
    dict
        Columns that may be absent and are, each with what would have read it.
    """
    check_columns(table, mapping.uses(to_score=for_scoring), optional=mapping.optional)
    if mapping.criteria and not present_criteria(mapping, table.columns):
        check_columns(table, [use for use in mapping.uses() if use[0].startswith("criteria.")])
    return check_columns(table, mapping.uses(), optional=True)


@dataclasses.dataclass
class Content:
    """The table in memory: every row that could be cut into cells, usable or not."""

    columns: dict[str, pa.Array]
    rows: npt.NDArray[np.int64]
    criteria: tuple[str, ...]
    codes: npt.NDArray[np.uint8]
    usable: Bools
    outcome: npt.NDArray[np.float64] | None
    rejected: list[Rejection]

    @classmethod
    def read(cls, table: Table, mapping: Mapping, read: Sequence[Chunk]) -> Content:
        """Encode chunks and join them.

        Parameters
        ----------
        table : Table
            Where they come from.
        mapping : Mapping
            What the columns mean.
        read : sequence of Chunk
            The chunks.

        Returns
        -------
        Content
            All rows.
        """
        criteria = present_criteria(mapping, table.columns)
        outcome = mapping.outcome if mapping.outcome and mapping.outcome.column in table.columns else None
        chunks, encoded, ends = read, [], []
        unlisted: dict[str, tuple[int, int]] = {}
        for chunk in chunks:
            encoded.append(
                encode_levels(chunk.data, mapping, criteria, rows=chunk.rows, decimal=table.decimal)
            )
            if outcome is not None:
                codes, others = encode_outcome(chunk.data.column(outcome.column), outcome, chunk.rows)
                ends.append(np.select([codes == LOST, codes == WON], [0.0, 1.0], np.nan))
                for value, (row, n) in others.items():
                    first, before = unlisted.get(value, (row, 0))
                    unlisted[value] = (first, before + n)
        if outcome is not None and unlisted:
            raise InputError(outcome_fault(table.source, outcome, unlisted))
        columns = {name: join_arrays([chunk.data.column(name) for chunk in chunks]) for name in table.columns}
        return cls(
            columns=columns,
            rows=np.concatenate([chunk.rows for chunk in chunks]),
            criteria=criteria,
            codes=np.concatenate([part.codes for part in encoded]),
            usable=np.concatenate([part.usable for part in encoded]),
            outcome=np.concatenate(ends) if outcome is not None else None,
            rejected=table.rejected + [fault for part in encoded for fault in part.rejected],
        )

    def reject(self, column: str, bad: Bools, reason: str) -> None:
        """Strike rows out for a faulty cell.

        Parameters
        ----------
        column : str
            Where the cells stand.
        bad : bool array of shape (n,)
            Which rows.
        reason : str
            What is valid and what to do.
        """
        where = np.flatnonzero(bad)
        cells = as_text(self.columns[column]).take(pa.array(where)).to_pylist()
        self.rejected += [
            Rejection(int(self.rows[i]), column, str(cell)[:SHOWN_CHARACTERS], reason)
            for i, cell in zip(where, cells, strict=True)
        ]
        self.usable &= ~bad


def join_arrays(arrays: Sequence[pa.Array]) -> pa.Array:
    """Join the chunks of a column.

    Parameters
    ----------
    arrays : sequence of Array
        The chunks, at least one.

    Returns
    -------
    Array
        All cells, none of them in a dictionary; where the chunks disagree on the type, as text.
    """
    arrays = [plain(array) for array in arrays]
    if len({array.type for array in arrays}) > 1:
        arrays = [as_text(array) for array in arrays]
    return pa.concat_arrays(arrays)


def outcome_fault(source: str, outcome: Outcome, unlisted: dict[str, tuple[int, int]]) -> str:
    """Say which outcomes the mapping does not list.

    Parameters
    ----------
    source : str
        Name of the table.
    outcome : Outcome
        What the mapping lists.
    unlisted : dict
        The values, each with the row where it first stands and the number of its rows.

    Returns
    -------
    str
        The message.
    """
    listed = (*outcome.won, *outcome.lost, *outcome.open)
    lines = [
        f"  {value[:60]!r} in {n} rows, first in row {row}{nearest(value[:60], listed)}"
        for value, (row, n) in sorted(unlisted.items(), key=lambda item: item[1])
    ]
    shown = lines[:20] + ([f"  and {len(lines) - 20} more"] if len(lines) > 20 else [])
    return (
        f"{source}: column {outcome.column!r} holds outcomes that the mapping does not list\n"
        + "\n".join(shown)
        + f"\n  valid: won {', '.join(outcome.won)}; lost {', '.join(outcome.lost)};"
        f" open {', '.join(outcome.open) or '(none)'}; add each to outcome.won, outcome.lost or outcome.open"
    )


def _dates(
    content: Content, mapping: Mapping, absent: dict[str, list[str]]
) -> tuple[dict[str, npt.NDArray[np.datetime64] | None], list[dict[str, str]]]:
    made: dict[str, npt.NDArray[np.datetime64] | None] = {"created": None, "closed": None}
    findings = []
    for key in made:
        column = getattr(mapping.dates, key)
        if column is None or column in absent:
            continue
        parsed = parse_dates(content.columns[column], mapping.dates.day_first)
        made[key] = parsed.values
        if parsed.bad.any():
            content.reject(
                column, parsed.bad, f"is not a date as {parsed.order}; write it so, or leave it empty"
            )
        if parsed.ambiguous:
            findings.append(say_ambiguous(column, parsed.order))
    return made, findings


def say_ambiguous(column: str, order: str) -> dict[str, str]:
    """Say that the order of dates was assumed.

    Parameters
    ----------
    column : str
        The column.
    order : str
        The order assumed.

    Returns
    -------
    dict
        LML105.
    """
    explanation = (
        f"every date in {column!r} can be read day first and month first: read as {order};"
        " set dates.day_first in the mapping"
    )
    return data_finding("LML105", explanation, column)


def _amount(content: Content, mapping: Mapping, decimal: str) -> npt.NDArray[np.float64] | None:
    if mapping.amount is None or mapping.amount.column not in content.columns:
        return None
    column = mapping.amount.column
    numbers, _, bad = as_numbers(content.columns[column], decimal)
    if bad.any():
        reason = (
            f"is not a number with decimal mark {decimal!r}; correct it, or set read.decimal in the mapping"
        )
        content.reject(column, bad, reason)
    return numbers
