"""Where scored leads go: CSV, TSV, Parquet, JSON lines, Excel or standard output, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from leadml.card.arrow import Column, distinct, side_by_side, text_array
from leadml.card.files import replacing
from leadml.exceptions import UsageError
from leadml.leads.sql import is_url, shown_url

__all__ = [
    "FORMULA",
    "Write",
    "check_out",
    "is_spreadsheet",
    "kind_of_out",
    "make_harmless",
    "open_text",
    "open_writer",
]

Write = Callable[[pa.RecordBatch], None]

ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx")
PACKINGS = {".gz": "gzip", ".zst": "zstd"}
"""Endings of packed text, and what packs it."""

PACKED = (".csv", ".tsv", ".jsonl")
"""What can be packed."""

ROW_GROUP = 1 << 18
"""So many rows a group of a Parquet file has."""

XLSX_ROWS = 1_048_575
"""So many rows a sheet holds below its header."""

FORMULA = r"^(?:[=@\t\r]|[+-](?:[^0-9 (.,]|[0-9 ().,/-]*[^0-9 ().,/eE%-]))"
"""Text that a spreadsheet would run as a formula; a number such as -5 or +31 20 is none."""


RUN = np.isin(np.arange(256), [ord(letter) for letter in "=@\t\r+-"])
"""Whether a text that begins with this byte may be a formula."""


def check_out(out: str, source: object = None, table: str | None = None) -> str:
    """Refuse a destination before anything is read.

    Parameters
    ----------
    out : str
        A file by its ending, or ``-`` for standard output.
    source : object, optional
        Where the leads come from, which must not be overwritten.
    table : str, optional
        The table of a database.

    Returns
    -------
    str
        The destination.

    Raises
    ------
    UsageError
        When the ending is none of ours, the folder is not there, or it is the source itself.

    Examples
    --------
    >>> check_out("scores.doc")
    Traceback (most recent call last):
    leadml.exceptions.UsageError: --out: got 'scores.doc', valid endings are .csv, ...
    """
    if is_url(out) != (table is not None):
        raise UsageError(
            f"--out: {shown_url(out)} needs --table NAME"
            if is_url(out)
            else f"--table: goes with a SQLAlchemy URL as OUT, and {out} is none; leave it out"
        )
    if out == "-" or is_url(out):
        return out
    path = Path(out)
    if kind_of_out(out) not in ENDINGS or (packing(out) and kind_of_out(out) not in PACKED):
        raise UsageError(
            f"--out: got {out!r}, valid endings are {', '.join(ENDINGS)}, text also packed as .csv.gz or "
            ".csv.zst, or - for standard output (CSV)"
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            f"--out: {path.absolute().parent} is no folder to write {path.name!r} in; make it first"
        )
    is_file = isinstance(source, str | os.PathLike) and path.exists() and Path(source).exists()
    if is_file and path.samefile(cast(str, source)):
        raise UsageError(f"--out: {out!r} is the input itself; give another file")
    return out


def kind_of_out(out: str) -> str:
    """Tell what kind of file a destination is.

    Parameters
    ----------
    out : str
        The destination.

    Returns
    -------
    str
        One of the endings; standard output is ``.csv``, and a database ``table``.
    """
    if is_url(out):
        return "table"
    return ".csv" if out == "-" else Path(out.removesuffix(packing(out))).suffix.lower()


def packing(out: str) -> str:
    """Tell how a destination is packed.

    Parameters
    ----------
    out : str
        The destination.

    Returns
    -------
    str
        ``.gz``, ``.zst`` or nothing.
    """
    ending = Path(out).suffix
    return ending if ending in PACKINGS else ""


def is_spreadsheet(out: str) -> bool:
    """Tell whether a destination is text that people open in a spreadsheet, which runs formulas in it.

    Parameters
    ----------
    out : str
        The destination.

    Returns
    -------
    bool
        True for CSV and TSV; a cell of the other kinds is never a formula.
    """
    return kind_of_out(out) in (".csv", ".tsv")


def make_harmless(column: pa.Array) -> tuple[pa.Array, int]:
    """Put an apostrophe before every text that a spreadsheet would run as a formula.

    Parameters
    ----------
    column : Array of shape (n,)
        Any column; only text is changed.

    Returns
    -------
    column : Array of shape (n,)
        The column.
    n_changed : int
        How many cells were changed.
    """
    if not pa.types.is_string(column.type) or not _may_be_run(column):
        return column, 0
    import pyarrow.compute as pc

    n_changed = pc.sum(pc.match_substring_regex(column, pattern=FORMULA)).as_py() or 0
    if n_changed:
        changed = pc.binary_join_element_wise(text_array([""])[0], column, text_array(["'"])[0])
        column = pc.if_else(pc.match_substring_regex(column, pattern=FORMULA), changed, column)
    return column, n_changed


def _may_be_run(column: pa.StringArray) -> bool:
    """Tell whether any text begins as a formula does, by its first byte."""
    content, ends = column.buffers()[2], column.buffers()[1]
    if content is None or ends is None or not len(column):
        return False
    at = np.frombuffer(ends, np.int32, count=column.offset + len(column) + 1)[column.offset :]
    begins = at[:-1][at[:-1] < at[1:]]
    return bool(RUN[np.frombuffer(content, np.uint8)[begins]].any())


@contextlib.contextmanager
def open_text(out: str) -> Iterator[Callable[[bytes | memoryview], object]]:
    """Open a destination for text. A file takes its place when the block ends well, and not otherwise.

    Parameters
    ----------
    out : str
        A file by its ending, packed or not, or ``-`` for standard output.

    Yields
    ------
    callable
        Takes the next piece, as UTF-8.
    """
    if out == "-":
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    with replacing(out, lasting=False) as temporary:
        if packed := packing(out):
            with pa.output_stream(str(temporary), compression=PACKINGS[packed]) as stream:
                yield stream.write
        else:
            with temporary.open("wb") as file:
                yield file.write


@contextlib.contextmanager
def open_writer(out: str, schema: pa.Schema) -> Iterator[Write]:
    """Open a destination. A file takes its place when the block ends well, and not otherwise.

    Parameters
    ----------
    out : str
        A file by its ending, other than CSV and TSV.
    schema : pyarrow.Schema
        Columns of every batch.

    Yields
    ------
    Write
        Takes one batch at a time.
    """
    kind = kind_of_out(out)
    if kind == ".jsonl":
        with open_text(out) as write, _write_jsonl(write) as write_rows:
            yield write_rows
        return
    with replacing(out, lasting=False) as temporary:
        opened = _write_parquet(temporary, schema) if kind == ".parquet" else _write_xlsx(temporary, schema)
        with opened as write:
            yield write


@contextlib.contextmanager
def _write_parquet(where: Path, schema: pa.Schema) -> Iterator[Write]:
    import pyarrow.parquet

    waiting: list[pa.RecordBatch] = []
    # An identity hardly ever comes twice, and nothing is to be read back as a category.
    often = [name for name in schema.names if name != "lead_id"]
    with pyarrow.parquet.ParquetWriter(where, schema, use_dictionary=often, store_schema=False) as writer:

        def write_group() -> None:
            if waiting:
                table = pa.Table.from_batches(waiting, schema).unify_dictionaries()
                waiting.clear()
                writer.write_table(table, row_group_size=2 * ROW_GROUP)

        def write(batch: pa.RecordBatch) -> None:
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= ROW_GROUP:
                write_group()

        yield write
        write_group()


@contextlib.contextmanager
def _write_jsonl(write_text: Callable[[bytes | memoryview], object]) -> Iterator[Write]:
    def write(batch: pa.RecordBatch) -> None:
        columns: list[Column] = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            begin = f"{', ' if columns else '{'}{_json(name)}: "
            values, index = distinct(column)
            columns.append((text_array([begin + _json(_plain(value)) for value in values]), index))
        end = text_array(["}\n"]), np.zeros(batch.num_rows, np.int32)
        write_text(side_by_side([*columns, end]))

    yield write


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@contextlib.contextmanager
def _write_xlsx(where: Path, schema: pa.Schema) -> Iterator[Write]:
    try:
        from xlsxwriter import Workbook
    except ImportError:
        raise UsageError(
            '--out: writing Excel needs xlsxwriter; pip install "leadml[excel]" installs it; or write .csv'
        ) from None
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = Workbook(str(where), options)
    sheet = book.add_worksheet("leads")
    for position, name in enumerate(schema.names):
        sheet.write_string(0, position, name)
    n_rows = 0

    def write(batch: pa.RecordBatch) -> None:
        nonlocal n_rows
        if n_rows + batch.num_rows > XLSX_ROWS:
            raise UsageError(f"--out: a sheet holds at most {XLSX_ROWS:,} rows; write .csv or .parquet")
        for row in batch.to_pylist():
            n_rows += 1
            for position, value in enumerate(row.values()):
                plain = _plain(value)
                if isinstance(plain, bool):
                    sheet.write_boolean(n_rows, position, plain)
                elif isinstance(plain, int | float):
                    sheet.write_number(n_rows, position, plain)
                elif plain is not None:
                    sheet.write_string(n_rows, position, plain[:32767])

    yield write
    book.close()


def _plain(value: Any) -> Any:
    """Give a value that JSON and a cell can hold: dates as text, no NaN."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
