"""From an export to leads: every column that a mapping names, every row accounted for."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.catalogue import data_finding
from leadml.leads.chunks import SHOWN_CHARACTERS, Rejection
from leadml.leads.dates import parse_dates
from leadml.leads.encode import (
    LOST,
    UNKNOWN,
    WON,
    encode_fact,
    encode_filled,
    encode_levels,
    encode_outcome,
    present_criteria,
)
from leadml.leads.mapping import Dates, Mapping, Outcome, load_mapping
from leadml.leads.model import Leads
from leadml.leads.tables import Table, check_columns, open_table
from leadml.leads.values import as_categories, as_numbers, as_text, buffer_bits, lengths
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
    absent = _check(table, mapping, for_scoring)
    content = _Content.read(table, mapping)
    columns, rows = content.columns, content.rows
    dates, findings = _dates(content, mapping, absent)
    amount = _amount(content, mapping, table.decimal)
    keep = content.usable
    if not keep.any():
        first = content.rejected[0] if content.rejected else None
        why = f"; row {first.row}: {first.column} {first.value!r} {first.reason}" if first else ""
        raise InputError(f"{table.source}: every row was rejected{why}; leadml check shows more")

    at = np.flatnonzero(keep)
    picked = {
        name: array.take(pa.array(at)) if len(at) < len(rows) else array for name, array in columns.items()
    }
    lead_id = _lead_id(picked, mapping, rows[at])
    findings += _reading_findings(table, mapping, absent, lead_id, content)
    return Leads(
        levels=_levels(content.codes[at], content.criteria),
        lead_id=lead_id,
        outcome=None if content.outcome is None else content.outcome[at],
        **{f"{key}_at": _moments(dates[key], at) for key in ("created", "closed")},
        in_time_order=mapping.order == "rows",
        group=_group(picked, mapping),
        row_key=_row_key(picked, whole),
        amount=None if amount is None else amount[at],
        context=_context(picked, mapping, table.decimal),
        facts=_facts(picked, mapping),
        contactable=_contactable(picked, mapping),
        rejected=_rejected_frame(content.rejected),
        mapping=whole,
        source=table.source,
        digest=_digest(table, columns),
        n_rows=table.n_rows,
        findings=tuple(findings),
        format=table.format,
    )


def _check(table: Table, mapping: Mapping, for_scoring: bool) -> dict[str, list[str]]:
    """Refuse missing columns; return those that may be absent and are."""
    check_columns(table, mapping.uses(to_score=for_scoring), optional=mapping.optional)
    if mapping.criteria and not present_criteria(mapping, table.columns):
        check_columns(table, [use for use in mapping.uses() if use[0].startswith("criteria.")])
    return check_columns(table, mapping.uses(), optional=True)


@dataclasses.dataclass
class _Content:
    """The table in memory: every row that could be cut into cells, usable or not."""

    columns: dict[str, pa.Array]
    rows: npt.NDArray[np.int64]
    criteria: tuple[str, ...]
    codes: npt.NDArray[np.uint8]
    usable: Bools
    outcome: npt.NDArray[np.float64] | None
    rejected: list[Rejection]

    @classmethod
    def read(cls, table: Table, mapping: Mapping) -> _Content:
        criteria = present_criteria(mapping, table.columns)
        outcome = mapping.outcome if mapping.outcome and mapping.outcome.column in table.columns else None
        chunks, encoded, ends = [], [], []
        unlisted: dict[str, tuple[int, int]] = {}
        for chunk in table.chunks():
            chunks.append(chunk)
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
            raise InputError(_outcome_fault(table.source, outcome, unlisted))
        columns = {name: _joined([chunk.data.column(name) for chunk in chunks]) for name in table.columns}
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
        """Strike rows out for a faulty cell."""
        where = np.flatnonzero(bad)
        cells = as_text(self.columns[column]).take(pa.array(where)).to_pylist()
        self.rejected += [
            Rejection(int(self.rows[i]), column, str(cell)[:SHOWN_CHARACTERS], reason)
            for i, cell in zip(where, cells, strict=True)
        ]
        self.usable &= ~bad


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    """Join the chunks of a column; where files disagree on its type, as text."""
    if len({array.type for array in arrays}) > 1:
        arrays = [as_text(array) for array in arrays]
    return pa.concat_arrays(arrays)


def _outcome_fault(source: str, outcome: Outcome, unlisted: dict[str, tuple[int, int]]) -> str:
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
    content: _Content, mapping: Mapping, absent: dict[str, list[str]]
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
            explanation = (
                f"every date in {column!r} can be read day first and month first: read as {parsed.order};"
                " set dates.day_first in the mapping"
            )
            findings.append(data_finding("LML105", explanation, column))
    return made, findings


def _amount(content: _Content, mapping: Mapping, decimal: str) -> npt.NDArray[np.float64] | None:
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


def _levels(codes: npt.NDArray[np.uint8], criteria: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    levels = codes.astype(np.float64)
    levels[codes == UNKNOWN] = np.nan
    return pd.DataFrame(levels, columns=list(criteria))


def _lead_id(
    columns: dict[str, pa.Array], mapping: Mapping, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.object_]:
    numbers = [str(row) for row in rows.tolist()]
    if mapping.lead_id is None or mapping.lead_id not in columns:
        return np.array(numbers, object)
    cells = as_text(columns[mapping.lead_id]).to_pylist()
    return np.array([cell or f"row {number}" for cell, number in zip(cells, numbers, strict=True)], object)


def _moments(values: npt.NDArray[np.datetime64] | None, at: npt.NDArray[np.int64]) -> Any:
    import pandas as pd

    return None if values is None else pd.Series(values[at])


def _codes_together(columns: Sequence[pa.Array], n: int) -> npt.NDArray[np.int64]:
    """Number rows so that two have the same number exactly when they agree in every column."""
    import pandas as pd

    together = np.zeros(n, np.int64)
    for column in columns:
        codes, distinct = as_categories(column)
        together = pd.factorize(together * len(distinct) + codes)[0].astype(np.int64)
    return together


def _group(columns: dict[str, pa.Array], mapping: Mapping) -> npt.NDArray[np.int64] | None:
    names = [name for name in mapping.group if name in columns]
    if not names:
        return None
    arrays = [columns[name] for name in names]
    n = len(arrays[0])
    group = _codes_together(arrays, n)
    # An empty account is not one large account: each such lead stands alone.
    alone = ~np.any([encode_filled(array) for array in arrays], axis=0)
    group[alone] = group.max(initial=0) + 1 + np.arange(alone.sum())
    return group


def _row_key(columns: dict[str, pa.Array], mapping: Mapping) -> npt.NDArray[np.int64]:
    left_out = {mapping.lead_id, mapping.dates.created, mapping.dates.closed, *mapping.exclude}
    left_out.add(mapping.outcome.column if mapping.outcome else None)
    compared = [array for name, array in columns.items() if name not in left_out]
    n = len(next(iter(columns.values())))
    return _codes_together(compared, n) if compared else np.arange(n)


def _context(columns: dict[str, pa.Array], mapping: Mapping, decimal: str) -> pd.DataFrame:
    import pandas as pd

    n = len(next(iter(columns.values())))
    context = {}
    for name in mapping.context:
        if name in columns:
            values = _context_values(columns[name], decimal)
            context[name] = pd.Series(values, dtype=values.dtype)
    return pd.DataFrame(context, index=pd.RangeIndex(n))


def _context_values(array: pa.Array, decimal: str) -> npt.NDArray[Any]:
    """Give numbers when every filled cell is one (and none is a code such as 007), text otherwise."""
    numbers, missing, bad = as_numbers(array, decimal)
    text = as_text(array)
    if not bad.any() and not missing.all():
        import pyarrow.compute as pc

        coded = pc.match_substring_regex(text, pattern=r"^\s*0\d").drop_null()
        if not buffer_bits(coded).any():
            return numbers
    cells = [cell.strip() if cell else None for cell in text.to_pylist()]
    return np.array([cell or None for cell in cells], object)


def _facts(columns: dict[str, pa.Array], mapping: Mapping) -> pd.DataFrame:
    import pandas as pd

    n = len(next(iter(columns.values())))
    facts = {
        name: encode_fact(columns[fact.column], fact) if fact.column in columns else np.full(n, None, object)
        for name, fact in mapping.facts.items()
    }
    return pd.DataFrame(facts, index=pd.RangeIndex(n), dtype=object)


def _contactable(columns: dict[str, pa.Array], mapping: Mapping) -> Bools | None:
    if mapping.contactable is None or mapping.contactable.column not in columns:
        return None
    return encode_filled(columns[mapping.contactable.column], mapping.contactable.unknown)


def _rejected_frame(rejected: list[Rejection]) -> pd.DataFrame:
    import pandas as pd

    ordered = sorted(rejected, key=lambda fault: fault.row)
    return pd.DataFrame(
        {
            "row": np.array([fault.row for fault in ordered], np.int64),
            **{
                key: np.array([getattr(fault, key) for fault in ordered], object)
                for key in ("column", "value", "reason")
            },
        }
    )


def _reading_findings(
    table: Table,
    mapping: Mapping,
    absent: dict[str, list[str]],
    lead_id: npt.NDArray[np.object_],
    content: _Content,
) -> list[dict[str, str]]:
    found = []
    n_twice = len(lead_id) - len(set(lead_id))
    if n_twice and mapping.lead_id:
        explanation = (
            f"{n_twice} rows repeat the id of an earlier row; every row is kept as a lead of its own"
        )
        found.append(data_finding("LML103", explanation, mapping.lead_id))
    if content.rejected:
        n = len({fault.row for fault in content.rejected})
        columns = ", ".join(
            sorted({repr(f.column) if f.column else "whole rows" for f in content.rejected})[:8]
        )
        explanation = f"{n} of {table.n_rows} rows were rejected ({columns}); see the list of rejected rows"
        found.append(data_finding("LML104", explanation, table.source))
    found += [data_finding("LML106", note, table.source) for note in table.notes]
    if absent:
        said = ", ".join(f"{column!r} ({', '.join(places)})" for column, places in absent.items())
        explanation = f"the file lacks {said}; what they would say is unknown"
        found.append(data_finding("LML107", explanation, table.source))
    return found


def _digest(table: Table, columns: dict[str, pa.Array]) -> str:
    """SHA-256 of the files' bytes; of the cells, as text, where there is no file."""
    digest = hashlib.sha256()
    for path in table.files:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    if not table.files:
        for name, array in columns.items():
            text = as_text(array)
            valid = buffer_bits(text.is_valid())
            digest.update(f"\x1f{name}\x1f".encode() + valid.tobytes() + lengths(text).tobytes())
            digest.update("\x1f".join(cell for cell in text.to_pylist() if cell is not None).encode())
    return digest.hexdigest()
