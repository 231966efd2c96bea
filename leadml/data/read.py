"""Read an export by a mapping into leads: columns of bytes, every row accounted for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.data.cells import join_column, mask_of
from leadml.data.chunks import in_order, release_memory
from leadml.data.dates import read_dates
from leadml.data.deals import Columns, Leads, Note, nested
from leadml.data.duplicates import MOST_ROWS, find_units
from leadml.data.encode import Encoder, faults_of, outcome_fault
from leadml.data.mapping import Mapping, load_mapping
from leadml.data.sources import Source, open_leads
from leadml.exceptions import InputError
from leadml.terminal import progress


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
    return read_source(open_leads(source, told, query), told)


def read_source(source: Source, mapping: Mapping, *, to_score: bool = False) -> Leads:
    """Read an open source to its end; `to_score`: new leads, of which less is asked."""
    encoder = Encoder(source, mapping, to_score=to_score)
    encoder.raw = not to_score
    joined = _read_columns(source, encoder)
    made = {"codes": np.zeros((0, len(encoder.criteria)), np.uint8), "row": np.zeros(0, np.int32), **nested(joined)}
    late = np.zeros(len(made["row"]), bool)
    place = {"where": source.name}
    notes: list[Note] = [(code, {**place, "detail": each.get("text", ""), **each}) for code, each in source.notes]
    if encoder.absent:
        said = ", ".join(f"{column} ({', '.join(places)})" for column, places in encoder.absent.items())
        notes.append(("LML107", {"columns": said, **place}))
    for name, cells in made.pop("dates", {}).items():
        found = read_dates(cells, mapping.dates.day_first)
        made[name], late = found.days, late | found.other_order
        column = str(mapping.snapshot if name == "snapshot" else getattr(mapping.dates, name))
        reason = f"is not a date as {found.order}, like most of the column; write it so, or leave it empty"
        wrong = faults_of(column, cells, found.other_order, made["row"], made.get("lead_id"), reason)
        source.rejections.faults += wrong
        if found.ambiguous:
            detail = f"Every date can be read day first and month first: read as {found.order}; set dates.day_first."
            notes.append(("LML105", {"column": column, "detail": detail}))
    if not encoder.raw or mapping.duplicates != "auto":
        raw = made.pop("raw", {})
        some = made["codes"][: len(next(iter(raw.values()), ()))]
        made["first"] = Leads(encoder.criteria, some, raw=raw, mapping=mapping)
    leads = Leads(
        encoder.criteria, **made, in_time_order=mapping.order == "rows", mapping=mapping, source=source.name,
        rejections=source.rejections, digest=source.digest(), format=source.format.as_dict(),
    )  # fmt: skip
    if late.any():
        leads = leads.take(~late)
    if not len(leads):
        why = "".join(f"; {line}" for line in source.rejections.summary(1))
        raise InputError(f"{source.name}: every row was rejected{why}", "leadml check shows more")
    if n_rejected := source.rejections.n_rows:
        notes.append(("LML104", {"n": n_rejected, "of": source.n_rows, **place}))
    unit, twins = (None, []) if to_score else find_units(leads, mapping)
    carried, both = leads.context, (mapping.context, mapping.segments)
    context, segments = ({name: carried[name] for name in names if name in carried} for names in both)
    release_memory()
    told = (*notes, *twins)
    return dataclasses.replace(leads, n_rows=source.n_rows, unit=unit, notes=told, context=context, segments=segments)


def _read_columns(source: Source, encoder: Encoder) -> Columns:
    """Fields of `Leads` and dates as written, of all usable rows."""
    whole, parts, n = Columns(), dict[tuple[str, str], list[Any]](), 0
    unlisted: dict[str, tuple[int, int]] = {}
    for _, encoded in in_order(encoder.encode, source.chunks(encoder.columns)):
        for name, (row, n_met) in encoded.unlisted.items():
            first, before = unlisted.get(name, (row, 0))
            unlisted[name] = first, before + n_met
        source.rejections.faults += encoded.faults
        leads, dates = encoded.leads, encoded.dates
        if not encoded.usable.all():
            leads, usable = leads.take(encoded.usable), mask_of(encoded.usable)
            dates = {name: cells.filter(usable) for name, cells in dates.items()}
        room = int(source.n_rows / source.share) if source.share else 2 * (n + len(leads))
        for key, values in (leads.per_row() | {("dates", name): cells for name, cells in dates.items()}).items():
            if isinstance(values, np.ndarray):
                whole[key] = _put(values, whole.get(key), n, room)
            elif key[0] != "raw" or encoder.raw:
                parts.setdefault(key, []).append(values)
        n += len(leads)
        encoder.raw = encoder.raw and source.n_rows <= MOST_ROWS
        progress("reading", source.n_rows if source.share is None else source.share, source.share and 1.0)
    if unlisted and encoder.mapping.outcome:
        raise InputError(outcome_fault(source.name, encoder.mapping.outcome, unlisted))
    joined = {key: values[:n] for key, values in whole.items()}
    for field, name in list(parts):  # the parts of a column go when it is joined
        keep_text = field not in ("context", "raw")
        joined[field, name] = join_column(parts.pop((field, name)), encoder.decimal, keep_text=keep_text)
    return joined


def _put(values: npt.NDArray[Any], whole: npt.NDArray[Any] | None, n: int, room: int) -> npt.NDArray[Any]:
    """Write values behind the first n of a column, in memory for so many (`room`); what is not written costs none."""
    if whole is None or len(whole) < n + len(values):
        before, whole = whole, np.empty((max(room, n + len(values)), *values.shape[1:]), values.dtype, order="F")
        if before is not None:
            whole[:n] = before[:n]
    whole[n : n + len(values)] = values
    return whole
