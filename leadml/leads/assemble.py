"""Leads out of rows that can be used: every field of `Leads`, and what was met on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.catalogue import data_finding
from leadml.leads.encode import UNKNOWN, encode_fact, encode_filled, present_criteria
from leadml.leads.model import Leads
from leadml.leads.rejections import Rejections
from leadml.leads.values import as_categories, as_numbers, as_text, buffer_bits

if TYPE_CHECKING:
    import pandas as pd

    from leadml.leads.mapping import Mapping
    from leadml.leads.tables import Table

Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Picked:
    """n rows that can be used.

    Attributes
    ----------
    columns : dict of str to Array of shape (n,)
        Every column of the table.
    rows : int array of shape (n,)
        Row numbers in the input.
    codes : uint8 array of shape (n, k)
        Level codes of the criteria that the table can say something about.
    outcome : float array of shape (n,) or None
        1 won, 0 lost, NaN open.
    created, closed : datetime64 array of shape (n,) or None
        Dates.
    amount : float array of shape (n,) or None
        Amounts.
    """

    columns: dict[str, pa.Array]
    rows: npt.NDArray[np.int64]
    codes: npt.NDArray[np.uint8]
    outcome: npt.NDArray[np.float64] | None
    created: npt.NDArray[np.datetime64] | None
    closed: npt.NDArray[np.datetime64] | None
    amount: npt.NDArray[np.float64] | None


def make_leads_of(
    table: Table,
    mapping: Mapping,
    whole: Mapping,
    absent: dict[str, list[str]],
    picked: Picked,
    findings: list[dict[str, str]],
    rejections: Rejections,
    digest: str,
) -> Leads:
    """Make leads of rows that can be used.

    Parameters
    ----------
    table : Table
        Where they come from.
    mapping : Mapping
        What its columns mean, as far as they are to be used.
    whole : Mapping
        The mapping that was given.
    absent : dict
        What `check_table` found.
    picked : Picked
        The rows.
    findings : list of dict
        What was met so far.
    rejections : Rejections
        The rows that cannot be used.
    digest : str
        Digest of the input.

    Returns
    -------
    Leads
        The leads.
    """
    columns = picked.columns
    lead_id = _lead_id(columns, mapping, picked.rows)
    said = _reading_findings(table, mapping, absent, lead_id, rejections)
    return Leads(
        levels=_levels(picked.codes, present_criteria(mapping, table.columns)),
        lead_id=lead_id,
        outcome=picked.outcome,
        created_at=_moments(picked.created),
        closed_at=_moments(picked.closed),
        in_time_order=mapping.order == "rows",
        group=_group(columns, mapping),
        row_key=_row_key(columns, whole),
        amount=picked.amount,
        context=_context(columns, mapping, table.decimal),
        facts=_facts(columns, mapping),
        contactable=_contactable(columns, mapping),
        rejected=rejections.frame(),
        mapping=whole,
        source=table.source,
        digest=digest,
        n_rows=table.n_rows,
        findings=(*findings, *said),
        format=table.format,
    )


def all_rejected(table: Table, rejections: Rejections) -> InputError:
    """Say that no row can be used.

    Parameters
    ----------
    table : Table
        The table.
    rejections : Rejections
        Why not.

    Returns
    -------
    InputError
        To be raised.
    """
    first = rejections.first[0] if rejections.first else None
    why = f"; row {first.row}: {first.column} {first.value!r} {first.reason}" if first else ""
    return InputError(f"{table.source}: every row was rejected{why}; leadml check shows more")


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


def _moments(values: npt.NDArray[np.datetime64] | None) -> Any:
    import pandas as pd

    return None if values is None else pd.Series(values)


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


def _reading_findings(
    table: Table,
    mapping: Mapping,
    absent: dict[str, list[str]],
    lead_id: npt.NDArray[np.object_],
    rejections: Rejections,
) -> list[dict[str, str]]:
    found = []
    n_twice = len(lead_id) - len(set(lead_id))
    if n_twice and mapping.lead_id:
        explanation = (
            f"{n_twice} rows repeat the id of an earlier row; every row is kept as a lead of its own"
        )
        found.append(data_finding("LML103", explanation, mapping.lead_id))
    if rejections.n_rows:
        n = rejections.n_rows
        columns = ", ".join(sorted({repr(name) if name else "whole rows" for name in rejections.columns})[:8])
        explanation = f"{n} of {table.n_rows} rows were rejected ({columns}); see the list of rejected rows"
        found.append(data_finding("LML104", explanation, table.source))
    found += [data_finding("LML106", note, table.source) for note in table.notes]
    if absent:
        said = ", ".join(f"{column!r} ({', '.join(places)})" for column, places in absent.items())
        explanation = f"the file lacks {said}; what they would say is unknown"
        found.append(data_finding("LML107", explanation, table.source))
    return found
