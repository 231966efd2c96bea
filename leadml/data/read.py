"""Read an export by a mapping into leads: columns of bytes, every row accounted for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.data.cells import join_column, mask_of, text_of
from leadml.data.chunks import in_order, release_memory
from leadml.data.dates import read_dates
from leadml.data.deals import Leads, Note
from leadml.data.encode import Encoder, outcome_fault
from leadml.data.mapping import load_mapping
from leadml.data.sources import open_source
from leadml.data.units import MOST_ROWS, find_units
from leadml.exceptions import InputError
from leadml.terminal import progress

if TYPE_CHECKING:
    from leadml.data.mapping import Mapping
    from leadml.data.sources import Source


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
    parts: dict[tuple[str, str], list[Any]] = {}  # by field and name in it
    unlisted: dict[str, tuple[int, int]] = {}
    for _, encoded in in_order(encoder.encode, source.chunks(encoder.columns)):
        for name, (row, n) in encoded.unlisted.items():
            first, before = unlisted.get(name, (row, 0))
            unlisted[name] = first, before + n
        for fault in encoded.faults:
            source.rejections.add(fault.rows, fault.column, fault.values, fault.reason)
        leads, dates = encoded.leads, encoded.dates
        if not encoded.usable.all():
            leads = leads.take(encoded.usable)
            dates = {name: cells.filter(mask_of(encoded.usable)) for name, cells in dates.items()}
        for key, values in (leads.per_row() | {("dates", name): cells for name, cells in dates.items()}).items():
            parts.setdefault(key, []).append(values)
        encoder.raw = encoder.raw and source.n_rows <= MOST_ROWS
        progress("reading", source.n_rows if source.share is None else source.share, source.share and 1.0)
    if unlisted and mapping.outcome:
        raise InputError(outcome_fault(source.name, mapping.outcome, unlisted))
    made: dict[str, Any] = {"codes": np.zeros((0, len(encoder.criteria)), np.uint8), "row": np.zeros(0, np.int32)}
    columns: Any = {field: {} for field in ("context", "facts", "raw", "dates", "lead_id")}
    for field, name in list(parts):  # the parts of a column go when it is joined
        values = parts.pop((field, name))
        if isinstance(values[0], np.ndarray):
            made[field] = np.concatenate(values)
        elif field != "raw" or encoder.raw:
            columns[field][name] = join_column(values, encoder.decimal, keep_text=field not in ("context", "raw"))
    cells, ids, carried = columns.pop("dates"), columns.pop("lead_id").get(""), columns["context"]
    dates = {name: read_dates(each, mapping.dates.day_first) for name, each in cells.items()}
    late = np.zeros(len(made["row"]), bool)
    notes: list[Note] = []
    for name, each in dates.items():
        made[name], late = each.days, late | each.other_order
        column = str(mapping.snapshot if name == "snapshot" else getattr(mapping.dates, name))
        reason = f"is not a date as {each.order}, like most of the column; write it so, or leave it empty"
        texts = text_of(cells[name].filter(mask_of(each.other_order))).to_pylist()
        source.rejections.add(made["row"][each.other_order], column, texts, reason)
        if each.ambiguous:
            detail = f"Every date can be read day first and month first: read as {each.order}; set dates.day_first."
            notes.append(("LML105", {"column": column, "detail": detail}))
    leads = Leads(
        encoder.criteria, **made, **columns, lead_id=ids, in_time_order=mapping.order == "rows", mapping=mapping,
        rejections=source.rejections, source=source.name, digest=source.digest(), format=source.format.as_dict(),
    )  # fmt: skip
    if late.any():
        leads = leads.take(~late)
    if not len(leads):
        why = "".join(f"; {line}" for line in source.rejections.summary(1))
        raise InputError(f"{source.name}: every row was rejected{why}", "leadml check shows more")
    unit, twins = (None, []) if to_score else find_units(leads, mapping)
    context, segments = (
        {n: leads.context[n] for n in named if n in carried} for named in (mapping.context, mapping.segments)
    )
    release_memory()
    notes = [*_notes(source, encoder), *notes, *twins]
    return dataclasses.replace(
        leads, n_rows=source.n_rows, unit=unit, context=context, segments=segments, notes=tuple(notes)
    )


def _notes(source: Source, encoder: Encoder) -> list[Note]:
    """Say what was met on reading."""
    notes: list[Note] = [(code, {"detail": values.get("text", ""), **values}) for code, values in source.notes]
    notes = [(code, {"where": source.name, **values}) for code, values in notes]
    if encoder.absent:
        said = ", ".join(f"{column} ({', '.join(places)})" for column, places in encoder.absent.items())
        notes.append(("LML107", {"columns": said, "where": source.name}))
    if source.rejections.n_rows:
        notes.append(("LML104", {"n": source.rejections.n_rows, "of": source.n_rows, "where": source.name}))
    return notes
