"""Open any input as Arrow batches: CSV, Parquet, Excel, JSON lines, a folder, a database, a frame in memory.

Every row of a source is either in a chunk or among its rejections. Only numpy and pyarrow are imported here.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leadml.data.chunks import PACKINGS, Chunk, Format, Notes, Reader, note
from leadml.data.rejections import Rejections
from leadml.exceptions import InputError, UsageError
from leadml.records import nearest

if TYPE_CHECKING:
    from leadml.data.mapping import Join, ReadOptions

__all__ = ["Chunk", "Format", "Source", "open_source"]

KINDS = dict.fromkeys((".csv", ".tsv", ".txt"), "csv") | {".parquet": "parquet"}
KINDS |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx"}


class Source:
    """An open input, read once and in order: its rows are either in a chunk or among the rejections."""

    def __init__(
        self, name: str, readers: Sequence[Reader], files: Sequence[Path] = (), second: Source | None = None
    ) -> None:
        self.name, self._readers, self._files, self._second = name, readers, files, second
        self.columns = tuple(column for column in readers[0].columns if column)  # of a joined file too
        self.rejections = Rejections()  # the encoder adds the rows that it cannot use
        self.n_rows = 0  # met so far, rejected ones among them
        self._n_done = 0
        self._begun = False
        self._cells = hashlib.sha256()
        self._check_names()

    @property
    def format(self) -> Format:
        """How it is written; final once it has been read."""
        return dataclasses.replace(self._readers[0].format, n_files=max(len(self._files), 1))

    @property
    def notes(self) -> Notes:
        """What is worth a look: (code, values)."""
        found = [each for reader in self._readers for each in reader.notes]
        unnamed = sum(not column for column in self._readers[0].columns)
        if unnamed:
            found.append(note(f"{unnamed} columns without a name are left out"))
        return [each for at, each in enumerate(found) if each not in found[:at]]

    @property
    def share(self) -> float | None:
        """How much has been read, 0 to 1, every file counting the same; None where that cannot be told."""
        at = min(self._n_done, len(self._readers) - 1)
        share = self._readers[at].share
        return None if share is None else (at + share) / len(self._readers)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Read the columns named, in that order, or all of them; faults go to `rejections`."""
        wanted = tuple(self.columns if columns is None else columns)
        missing = [column for column in wanted if column not in self.columns]
        if missing:
            raise InputError(f"{self.name}: has no column {missing[0]!r}{nearest(missing[0], self.columns)}")
        if self._begun:
            raise InputError(f"{self.name}: has been read already; open it again")
        self._begun = True
        last = 0
        for at, reader in enumerate(self._readers):
            before = max(last - reader.format.header_row, 0)  # rows above the data are not counted again
            self.rejections.files.append((last, before, str(self._files[at] if self._files else self.name)))
            for table, rows, faults in reader.chunks(wanted):
                for reason in dict.fromkeys(fault.reason for fault in faults):
                    same = [fault for fault in faults if fault.reason == reason]
                    values = [fault.value for fault in same]
                    self.rejections.add([fault.row + before for fault in same], "", values, reason)
                ends = (*rows[-1:].tolist(), *(fault.row for fault in faults[-1:]))
                last = max(last, *(end + before for end in ends))
                self.n_rows += len(rows) + len(faults)
                if not self._files:
                    self._cells.update(table.serialize())
                if len(rows):
                    yield Chunk(table, rows + before)
            self._n_done += 1
        if not self.n_rows:
            raise InputError(f"{self.name}: holds a header and no row; valid: at least one row; check the export")

    def digest(self) -> str:
        """SHA-256, once read: of the bytes of the files or of standard input, else of the cells read."""
        digest = getattr(self._readers[0], "hash", None)  # of a stream, whose bytes are gone
        if digest is None and self._files:
            digest = hashlib.sha256()
            for path in self._files:
                with path.open("rb") as file:
                    while part := file.read(1 << 20):
                        digest.update(part)
        own = str((digest or self._cells).hexdigest())
        if self._second is None:
            return own
        return hashlib.sha256((own + self._second.digest()).encode()).hexdigest()

    def _check_names(self) -> None:
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise InputError(
                f"{self.name}: has several columns named {', '.join(map(repr, twice))};"
                " valid: every name once; rename or delete them in the export"
            )
        if not self.columns:
            raise InputError(f"{self.name}: no column has a name; valid: a header; check read.header")
        for path, reader in zip(self._files[1:], self._readers[1:], strict=False):
            differing = {*reader.columns} ^ {*self._readers[0].columns}
            if differing:
                raise InputError(
                    f"{path}: has other columns than {self._files[0]} ({', '.join(sorted(differing)[:5])});"
                    " valid: the same columns in every file; read them one by one"
                )


def open_source(
    source: object, read_options: ReadOptions | None = None, *, query: str | None = None, join: Join | None = None
) -> Source:
    """Open a path, folder, glob, ``-``, SQLAlchemy URL with query, or frame; `join` adds a second export."""
    if read_options is None:
        from leadml.data.mapping import ReadOptions

        read_options = ReadOptions()
    opened = _open(source, read_options, query)
    if join is None:
        return opened
    from leadml.data.join import JoinedReader, RightTable

    file = Path(join.file)
    if isinstance(source, str | os.PathLike) and not file.exists():
        file = Path(source).parent / file  # beside the first
    second = open_source(file)
    right = RightTable(second, join.right)
    readers = [JoinedReader(reader, join, right) for reader in opened._readers]
    return Source(opened.name, readers, opened._files, second)


def _open(source: object, options: ReadOptions, query: str | None) -> Source:
    if not isinstance(source, str | os.PathLike):
        from leadml.data.tables import open_frame

        return Source(type(source).__name__, [open_frame(source, options)])
    name = os.fspath(source)
    if "://" in name:
        from leadml.data.sql import SqlReader, shown_url

        return Source(shown_url(name), [SqlReader(name, query, options)])
    if query is not None:
        raise UsageError(f"--query: goes with a SQLAlchemy URL as FILE, and {name} is none; leave it out")
    if name == "-":
        from leadml.data.csv_text import CsvReader

        return Source("standard input", [CsvReader("standard input", sys.stdin.buffer, options)])
    files = _files(name)
    readers = [_reader(path, options) for path in files]
    if len(files) == 1 and not files[0].is_file():
        files = []  # a pipe is read once
    return Source(name, readers, files)


def kind_of(path: Path) -> str | None:
    """Tell what a file's name promises: csv, parquet, jsonl, xlsx, or None."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKINGS:
        kind = KINDS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return kind if kind in ("csv", "jsonl") else None
    return KINDS.get(suffixes[-1]) if suffixes else None


def _files(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file() and each.name[0] not in "._")
        files = [each for each in files if kind_of(each)]
        if not files:
            raise InputError(f"{name}: the folder holds no table; valid: files ending in {', '.join(KINDS)}")
    elif path.exists():
        return [path]
    elif glob.has_magic(name):
        files = sorted(each for each in map(Path, glob.glob(name, recursive=True)) if each.is_file())  # noqa: PTH207
        if not files:
            raise InputError(f"{name}: the pattern fits no file; check it, and quote it on the command line")
    else:
        beside = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InputError(f"{name}: no such file or folder{nearest(path.name, beside) or '; check the path'}")
    kinds = {kind_of(each) for each in files}
    if len(kinds) > 1:
        raise InputError(
            f"{name}: holds files of several kinds ({', '.join(sorted(map(str, kinds)))});"
            " valid: one kind; name them by a pattern such as folder/*.csv"
        )
    return files


def _reader(path: Path, options: ReadOptions) -> Reader:
    kind = kind_of(path)
    if stat.S_ISFIFO(path.stat().st_mode) or path.is_char_device():
        if kind not in ("csv", None) or path.suffix in PACKINGS:
            raise InputError(f"{path}: is a pipe, and only CSV can be read from one; save it as a file first")
        kind = "csv"
    if kind == "csv":
        from leadml.data.csv_text import CsvReader

        return CsvReader(str(path), path, options, "\t" if ".tsv" in path.name.lower() else None)
    if kind == "xlsx":
        from leadml.data.excel import ExcelReader

        return ExcelReader(path, options)
    from leadml.data.tables import JsonReader, ParquetReader

    if kind == "parquet":
        return ParquetReader(path, options)
    if kind == "jsonl":
        return JsonReader(path, options)
    raise InputError(
        f"{path}: ends in {path.suffix or 'nothing'!r}; valid: {', '.join(KINDS)},"
        " text also packed as .csv.gz or .csv.zst; rename or export it again"
    )
