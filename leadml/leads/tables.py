"""Tables from wherever they lie: CSV, TSV, Parquet, Excel, JSON lines, standard input, a folder or a glob.

Only numpy and pyarrow, so that scoring new leads starts at once.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from leadml.console import show_reading
from leadml.exceptions import InputError, UsageError
from leadml.leads.chunks import OPENERS, Chunk, Reader, Rejection
from leadml.leads.csv_text import CsvReader
from leadml.leads.excel import ExcelReader
from leadml.leads.readers import FrameReader, JsonReader, ParquetReader
from leadml.leads.sql import SqlReader, is_url, shown_url
from leadml.leads.workers import Workers
from leadml.records import nearest

if TYPE_CHECKING:
    import pandas as pd

    from leadml.leads.mapping import ReadOptions

KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
}


class Table:
    """An open table, read once and in order.

    Parameters
    ----------
    source : str
        What messages and reports call it.
    files : list of Path
        The files it consists of; empty for standard input and frames.
    readers : list of Reader
        One a file.
    columns : sequence of str, optional
        Which columns to read; all of them when absent.

    Attributes
    ----------
    columns : tuple of str
        Every named column that the table has, whether read or not.
    format : dict
        How it is written: kind, encoding, delimiter, quote, decimal, sheet, what was sniffed, n_files.
    notes : tuple of str
        What a reader of the report should know about it.
    n_rows : int
        Rows met so far, rejected ones among them.
    rejected : list of Rejection
        Rows met so far that could not be cut into cells.
    """

    def __init__(
        self,
        source: str,
        files: list[Path],
        readers: list[Reader],
        columns: Sequence[str] | None = None,
    ) -> None:
        self.source, self.files, self._readers = source, files, readers
        first = readers[0]
        self.columns = tuple(name for name in first.columns if name)
        self.format: dict[str, Any] = {**first.format, "n_files": max(len(files), 1)}
        unnamed = len(first.columns) - len(self.columns)
        self.notes = (
            *dict.fromkeys(note for reader in readers for note in reader.notes),
            *([f"{unnamed} columns without a name are left out"] if unnamed else []),
        )
        self.n_rows = 0
        self.rejected: list[Rejection] = []
        self._check_names()
        if columns is not None:
            check_columns(self, [("columns", name) for name in columns])
        self._wanted = columns

    @property
    def decimal(self) -> str:
        """The decimal mark of numbers that came as text."""
        return str(self.format["decimal"])

    def chunks(self, columns: Sequence[str] | None = None, workers: Workers | None = None) -> Iterator[Chunk]:
        """Read on, with the number of every row and with the rows that could not be cut into cells.

        Parameters
        ----------
        columns : sequence of str, optional
            Which columns to read; those given when opening, else all.
        workers : Workers, optional
            Threads to read with; one when absent.

        Yields
        ------
        Chunk
            The next rows; rows are numbered through all files.

        Raises
        ------
        InputError
            The table holds no row, or cannot be read on.
        """
        names = tuple(columns if columns is not None else self._wanted or self.columns)
        for n_files, reader in enumerate(self._readers):
            for chunk in reader.chunks(names, workers or Workers(1)):
                numbered = chunk.after(self.n_rows)
                self.n_rows += len(numbered.rows) + len(numbered.rejected)
                self.rejected += numbered.rejected
                show_reading(self.n_rows, self._share(n_files, reader))
                yield numbered
        if not self.n_rows:
            raise InputError(
                f"{self.source}: holds a header and no row; valid: at least one row; check the export"
            )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for chunk in self.chunks():
            yield chunk.data

    def _share(self, n_files: int, reader: Reader) -> float | None:
        """Tell how much has been read, every file counting the same."""
        return None if reader.share is None else (n_files + reader.share) / len(self._readers)

    def _check_names(self) -> None:
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise InputError(
                f"{self.source}: has several columns named {', '.join(map(repr, twice))};"
                " valid: every name once; rename or delete them in the export"
            )
        for path, reader in zip(self.files[1:], self._readers[1:], strict=False):
            differing = {*reader.columns} ^ {*self._readers[0].columns}
            if differing:
                raise InputError(
                    f"{path}: has other columns than {self.files[0]} ({', '.join(sorted(differing)[:5])});"
                    " valid: the same columns in every file; read them one by one"
                )


def open_table(
    source: str | os.PathLike[str] | pd.DataFrame,
    read: ReadOptions | None = None,
    columns: Sequence[str] | None = None,
    *,
    query: str | None = None,
    to_count: bool = False,
) -> Table:
    """Open a table for reading in batches.

    Parameters
    ----------
    source : str, path or DataFrame
        A file ending in .csv, .tsv, .parquet, .xlsx or .jsonl (text also packed: .csv.gz), ``-`` for CSV from
        standard input, a folder or a glob of such files, a SQLAlchemy URL, or a pandas DataFrame.
    read : ReadOptions, optional
        ``mapping.read``; what it leaves out is sniffed and reported in ``format``.
    columns : sequence of str, optional
        Which columns to read; all of them when absent.
    query : str, optional
        What to ask of a database.
    to_count : bool
        Whether rows are to be counted: chunks may be larger, and texts that repeat may come as dictionaries.

    Returns
    -------
    Table
        Iterating gives `pyarrow.RecordBatch` of canonical columns; ``chunks()`` also gives row numbers.

    Raises
    ------
    InputError
        There is no such file, or it cannot be used.
    UsageError
        A database without a query, or a query without a database.

    Examples
    --------
    >>> open_table("deals.xyz")
    Traceback (most recent call last):
    leadml.exceptions.InputError: deals.xyz: no such file or folder...
    """
    if read is None:
        from leadml.leads.mapping import ReadOptions

        read = ReadOptions()
    if not isinstance(source, str | os.PathLike):
        return Table("DataFrame", [], [FrameReader(source)], columns)
    name = os.fspath(source)
    if is_url(name):
        return Table(shown_url(name), [], [SqlReader(name, query)], columns)
    if query is not None:
        raise UsageError(f"--query: goes with a SQLAlchemy URL as FILE, and {name} is none; leave it out")
    if name == "-":
        return Table("standard input", [], [CsvReader("standard input", sys.stdin.buffer, read)], columns)
    files = _files(name)
    return Table(name, files, [_reader(path, read, to_count) for path in files], columns)


def check_columns(
    table: Table, wanted: Sequence[tuple[str, str]], *, optional: bool = False
) -> dict[str, list[str]]:
    """Look for the columns that a mapping names, all at once.

    Parameters
    ----------
    table : Table
        The open table.
    wanted : sequence of (str, str)
        What reads which column, as ``Mapping.uses`` lists it.
    optional : bool
        Whether a column may be absent.

    Returns
    -------
    dict
        Absent columns, each with what would have read it; empty unless `optional`.

    Raises
    ------
    InputError
        Columns are missing; the message lists them, the nearest names and all the names that exist.
    """
    absent: dict[str, list[str]] = {}
    for place, column in wanted:
        if column not in table.columns:
            absent.setdefault(column, []).append(place)
    if absent and not optional:
        lines = [
            f"  {column!r} ({', '.join(places)}){nearest(column, table.columns)}"
            for column, places in absent.items()
        ]
        raise InputError(
            f"{table.source}: has no column\n" + "\n".join(lines) + f"\n  valid: {', '.join(table.columns)};"
            " correct the mapping or the export" + _delimiter_hint(table)
        )
    return absent


def _delimiter_hint(table: Table) -> str:
    if len(table.columns) > 1 or "delimiter" not in table.format:
        return ""
    return (
        f"; one column only: is the delimiter {table.format['delimiter']!r}?"
        " set read.delimiter in the mapping"
    )


def kind_of(path: Path) -> str | None:
    """Tell what kind of table a file's name promises.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str or None
        ``csv``, ``parquet``, ``jsonl``, ``xlsx``, or None when the name promises nothing.
    """
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        kind = KINDS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return kind if kind in ("csv", "jsonl") else None
    return KINDS.get(suffixes[-1]) if suffixes else None


def _files(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] not in "._" and kind_of(p))
        if not files:
            raise InputError(
                f"{name}: the folder holds no table; valid: files ending in {', '.join(KINDS)}; name the file"
            )
    elif path.exists():
        return [path]
    elif glob.has_magic(name):
        files = sorted(p for p in map(Path, glob.glob(name, recursive=True)) if p.is_file())  # noqa: PTH207
        if not files:
            raise InputError(f"{name}: the pattern fits no file; check it, and quote it on the command line")
    else:
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InputError(f"{name}: no such file or folder{nearest(path.name, beside) or '; check the path'}")
    kinds = {kind_of(p) for p in files}
    if len(kinds) > 1:
        raise InputError(
            f"{name}: holds files of several kinds ({', '.join(sorted(k or 'unknown' for k in kinds))});"
            " valid: one kind; name them by a pattern such as folder/*.csv"
        )
    return files


def _reader(path: Path, options: ReadOptions, to_count: bool) -> Reader:
    kind = kind_of(path)
    if kind == "parquet":
        return ParquetReader(str(path), path, to_count=to_count)
    if kind == "jsonl":
        return JsonReader(str(path), path)
    if kind == "xlsx":
        return ExcelReader(str(path), path, options)
    if kind == "csv":
        return CsvReader(str(path), path, options, "\t" if ".tsv" in path.name.lower() else None)
    raise InputError(
        f"{path}: ends in {path.suffix or 'nothing'!r}; valid: {', '.join(KINDS)},"
        " text also packed as .csv.gz; rename or export it again"
    )
