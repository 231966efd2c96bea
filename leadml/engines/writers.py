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

import pyarrow as pa
import pyarrow.compute as pc

from leadml.card.arrow import text_array
from leadml.card.files import replacing
from leadml.exceptions import UsageError

__all__ = ["FORMULA", "Write", "check_out", "is_spreadsheet", "open_writer"]

Write = Callable[[pa.RecordBatch], None]

ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx")
XLSX_ROWS = 1_048_575
"""So many rows a sheet holds below its header."""

FORMULA = r"^(?:[=@\t\r]|[+-](?:[^0-9 (.,]|[0-9 ().,/-]*[^0-9 ().,/eE%-]))"
"""Text that a spreadsheet would run as a formula; a number such as -5 or +31 20 is none."""


def check_out(out: str, source: object = None) -> str:
    """Refuse a destination before anything is read.

    Parameters
    ----------
    out : str
        A file by its ending, or ``-`` for standard output.
    source : object, optional
        Where the leads come from, which must not be overwritten.

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
    if out == "-":
        return out
    path = Path(out)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"--out: got {out!r}, valid endings are {', '.join(ENDINGS)}, or - for standard output (CSV)"
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            f"--out: {path.absolute().parent} is no folder to write {path.name!r} in; make it first"
        )
    is_file = isinstance(source, str | os.PathLike) and path.exists() and Path(source).exists()
    if is_file and path.samefile(cast(str, source)):
        raise UsageError(f"--out: {out!r} is the input itself; give another file")
    return out


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
    return out == "-" or Path(out).suffix.lower() in (".csv", ".tsv")


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
    if not pa.types.is_string(column.type):
        return column, 0
    n_changed = pc.sum(pc.match_substring_regex(column, pattern=FORMULA)).as_py() or 0
    if n_changed:
        changed = pc.binary_join_element_wise(text_array([""])[0], column, text_array(["'"])[0])
        column = pc.if_else(pc.match_substring_regex(column, pattern=FORMULA), changed, column)
    return column, n_changed


@contextlib.contextmanager
def open_writer(out: str, schema: pa.Schema) -> Iterator[Write]:
    """Open a destination. A file takes its place when the block ends well, and not otherwise.

    Parameters
    ----------
    out : str
        A file by its ending, or ``-`` for standard output.
    schema : pyarrow.Schema
        Columns of every batch.

    Yields
    ------
    Write
        Takes one batch at a time.
    """
    if out == "-":
        with _write_csv(pa.PythonFile(_Unclosed(sys.stdout.buffer), mode="w"), schema, ",") as write:
            yield write
        sys.stdout.buffer.flush()
        return
    kind = Path(out).suffix.lower()
    with replacing(out) as temporary:
        if kind in (".csv", ".tsv"):
            opened = _write_csv(str(temporary), schema, "," if kind == ".csv" else "\t")
        elif kind == ".parquet":
            opened = _write_parquet(temporary, schema)
        elif kind == ".jsonl":
            opened = _write_jsonl(temporary)
        else:
            opened = _write_xlsx(temporary, schema)
        with opened as write:
            yield write


class _Unclosed:
    """Standard output, which closing must not close: what comes after would have nowhere to go."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        return int(self._stream.write(data))

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


@contextlib.contextmanager
def _write_csv(where: Any, schema: pa.Schema, delimiter: str) -> Iterator[Write]:
    import pyarrow.csv

    options = pyarrow.csv.WriteOptions(delimiter=delimiter)
    with pyarrow.csv.CSVWriter(where, schema, write_options=options) as writer:
        yield writer.write_batch


@contextlib.contextmanager
def _write_parquet(where: Path, schema: pa.Schema) -> Iterator[Write]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetWriter(where, schema) as writer:
        yield writer.write_batch


@contextlib.contextmanager
def _write_jsonl(where: Path) -> Iterator[Write]:
    with where.open("w", encoding="utf-8", newline="\n") as file:

        def write(batch: pa.RecordBatch) -> None:
            for row in batch.to_pylist():
                plain = {name: _plain(value) for name, value in row.items()}
                file.write(json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n")

        yield write


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
