"""Read an export by a mapping into leads: columns of bytes, every row accounted for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from leadml.data.cells import join_column, mask_of
from leadml.data.dates import BAD_DAY, DateColumn, Days, packed_text, settle_dates
from leadml.data.deals import Leads
from leadml.data.encode import Encoded, Encoder, outcome_fault
from leadml.data.mapping import load_mapping
from leadml.data.sources import open_source
from leadml.data.units import find_units
from leadml.exceptions import InputError
from leadml.terminal import progress

if TYPE_CHECKING:
    from leadml.data.mapping import Mapping
    from leadml.data.rejections import Rejections
    from leadml.data.sources import Source

RAW_ROWS = 200_000
"""Up to so many rows the criteria's own columns are compared, too, when copies are looked for."""

Note = tuple[str, dict[str, Any]]
Key = tuple[str, str]


def read_leads(source: Any, mapping: Any, *, query: str | None = None) -> Leads:
    """Read leads by a mapping.

    Parameters
    ----------
    source : str, path or frame
        A file (.csv .tsv .parquet .xlsx .jsonl), a folder or glob, ``-``, a SQLAlchemy URL, or a frame of
        pandas, polars or Arrow.
    mapping : Mapping, dict, str or path
        What the columns mean.
    query : str, optional
        The SQL, where the source is a SQLAlchemy URL.

    Returns
    -------
    Leads
        The leads; ``n_rows`` = leads + rejected rows.

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
    >>> leads.levels.tolist(), leads.outcome.tolist(), leads.rejected["row"].tolist()
    ([[3.0], [nan]], [1, 0], [4])
    >>> read_leads(frame, {**mapping, "lead_id": "ID"})
    Traceback (most recent call last):
    leadml.exceptions.InputError: DataFrame: has no column 'ID' (lead_id)...
    """
    told = load_mapping(mapping)
    join = told.join and told.join.model_copy(update={"file": told.path_of(told.join.file)})
    opened = open_source(source, told.read, query=query, join=join)
    return read_source(opened, told)


def read_source(source: Source, mapping: Mapping, *, to_score: bool = False) -> Leads:
    """Read an open source to its end; `to_score`: new leads, of which less is asked."""
    encoder = Encoder(mapping, source.columns, decimal=source.format.decimal, to_score=to_score, source=source.name)
    encoder.raw = mapping.duplicates == "auto" and not to_score
    parts: dict[Key, list[Any]] = {}
    for chunk in source.chunks(encoder.columns):
        for key, values in _fields(encoded := encoder.encode(chunk)):
            parts.setdefault(key, []).append(values)
        for fault in encoded.faults:
            source.rejections.add(fault.rows, fault.column, fault.values, fault.reason)
        encoder.raw = encoder.raw and source.n_rows <= RAW_ROWS
        progress("reading", source.n_rows if source.share is None else source.share, source.share and 1.0)
    if not encoder.raw:
        parts = {key: values for key, values in parts.items() if key[0] != "raw"}
    if encoder.unlisted and mapping.outcome:
        raise InputError(outcome_fault(source.name, mapping.outcome, encoder.unlisted))
    made, notes = _join_parts(parts, encoder, source)
    context, raw = made.pop("columns"), made.pop("raw")
    leads = Leads(
        encoder.criteria,
        **made,
        context={name: context[name] for name in mapping.context if name in context},
        segments={name: context[name] for name in mapping.segments if name in context},
        in_time_order=mapping.order == "rows",
        mapping=mapping,
        rejections=source.rejections,
        n_rows=source.n_rows,
        source=source.name,
        digest=source.digest(),
        format=source.format.as_dict(),
    )
    if not to_score:
        unit, more = find_units(leads, context, raw)
        leads, notes = dataclasses.replace(leads, unit=unit, raw=raw), notes + more
    return dataclasses.replace(leads, notes=(*_notes(leads, encoder, source), *notes))


def _fields(encoded: Encoded) -> Iterator[tuple[Key, Any]]:
    """Take a chunk apart, so that each column can be joined and its parts let go."""
    narrow = encoded.rows.max(initial=0) <= np.iinfo(np.int32).max
    yield ("", "row"), encoded.rows.astype(np.int32) if narrow else encoded.rows
    for j in range(encoded.codes.shape[1]):
        yield ("codes", str(j)), encoded.codes[:, j]
    for name in ("usable", "outcome", "amount", "contactable", "followed_up", "propensity", "lead_id"):
        if (values := getattr(encoded, name)) is not None:
            yield ("", name), values
    for part in ("dates", "columns", "facts", "raw"):
        yield from (((part, name), values) for name, values in getattr(encoded, part).items())


def _join_parts(parts: dict[Key, list[Any]], encoder: Encoder, source: Source) -> tuple[dict[str, Any], list[Note]]:
    """Join the parts of every column, rejected rows left out; the parts are gone afterwards."""
    usable = np.concatenate(parts.pop(("", "usable"), [np.zeros(0, bool)]))
    row = np.concatenate(parts.pop(("", "row"), [np.zeros(0, np.int32)]))
    made: dict[str, Any] = {"columns": {}, "facts": {}, "raw": {}}
    notes: list[Note] = []
    for key in [key for key in parts if key[0] == "dates"]:
        settled, said = _settle(np.concatenate(parts.pop(key)), key[1], row, encoder, source.rejections)
        usable &= ~settled.bad
        made[key[1]], notes = settled.days, notes + said
    everything = bool(usable.all())
    if not usable.any():
        why = "".join(f"; {line}" for line in source.rejections.summary(1))
        raise InputError(f"{source.name}: every row was rejected{why}; leadml check shows more")

    def joined(key: Key) -> Any:
        values = parts.pop(key)
        if isinstance(values[0], np.ndarray):
            return np.concatenate(values) if everything else np.concatenate(values)[usable]
        column = join_column(values, encoder.decimal, keep_text=key[0] != "columns")
        return column if everything else column.filter(mask_of(usable))

    made = {name: each[usable] if isinstance(each, np.ndarray) else each for name, each in made.items()}
    made["row"] = row if everything else row[usable]
    made["codes"] = np.empty((len(made["row"]), len(encoder.criteria)), np.uint8, order="F")
    for key in list(parts):
        if key[0] == "codes":
            made["codes"][:, int(key[1])] = joined(key)
        elif key[0]:
            made[key[0]][key[1]] = joined(key)
        else:
            made[key[1]] = joined(key)
    return made, notes


def _settle(
    packed: Days, name: str, row: npt.NDArray[np.int64], encoder: Encoder, rejections: Rejections
) -> tuple[DateColumn, list[Note]]:
    """Settle the order of a column of dates; dates in the other order are rejected."""
    dates = encoder.mapping.dates
    column = str(encoder.mapping.snapshot if name == "snapshot" else getattr(dates, name))
    settled = settle_dates(packed, dates.day_first)
    late = settled.bad & (packed != BAD_DAY)
    reason = f"is not a date as {settled.order}, like most of the column; write it so, or leave it empty"
    rejections.add(row[late], column, [packed_text(value) for value in packed[late].tolist()], reason)
    if not settled.ambiguous:
        return settled, []
    detail = f"Every date can be read day first and month first: read as {settled.order}; set dates.day_first."
    return settled, [("LML105", {"column": column, "detail": detail})]


def _notes(leads: Leads, encoder: Encoder, source: Source) -> list[Note]:
    """Say what was met on reading."""
    notes: list[Note] = [
        (code, {"detail": values.get("text", ""), "where": source.name, **values}) for code, values in source.notes
    ]
    if encoder.absent:
        said = ", ".join(f"{column} ({', '.join(places)})" for column, places in encoder.absent.items())
        notes.append(("LML107", {"columns": said, "where": source.name}))
    for name, seen in encoder.by_edges.items():
        if said_of := seen.note(name, encoder.mapping.criteria[name]):
            notes.append(said_of)
    if source.rejections.n_rows:
        values = {"n": source.rejections.n_rows, "of": source.n_rows, "where": source.name}
        faults = "; ".join(source.rejections.summary(5))
        notes.append(("LML104", {**values, "detail": f"The most frequent faults: {faults}."}))
    if leads.lead_id is not None:
        counts = leads.lead_id.drop_null().value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1))
        again = {name: n - 1 for name, n in map(dict.values, twice.to_pylist()) if name.strip()}
        if again:
            values = {"n": sum(again.values()), "column": encoder.mapping.lead_id}
            notes.append(("LML103", {**values, "examples": ", ".join([*again][:3])}))
    return notes
