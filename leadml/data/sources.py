"""Open any input as Arrow batches: CSV, Parquet, Excel, JSON lines, a folder, a database, a frame in memory.

Every row of a source is either in a chunk or among its rejections. Only numpy and pyarrow are imported here.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from leadml.data.cells import categories_of, category, join_column, number_array, text_of
from leadml.data.chunks import PACKINGS, Chunk, Format, Notes, Reader, batch_of, note
from leadml.data.csv_text import CsvReader
from leadml.data.mapping import Join, Mapping, ReadOptions
from leadml.data.rejections import Rejections
from leadml.data.tables import open_frame, open_json_lines, open_parquet, open_query, shown_url
from leadml.exceptions import InputError, UsageError
from leadml.records import nearest

KINDS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
KINDS |= {".xlsx": "xlsx"}


class Source:
    """An open input, read once and in order: its rows are either in a chunk or among the rejections."""

    def __init__(
        self, name: str, readers: Sequence[Reader], files: Sequence[Path] = (), join: Join | None = None
    ) -> None:
        self.name, self.readers, self.files = name, readers, files
        columns = tuple(column for column in readers[0].columns if column)
        if twice := sorted({column for column in columns if columns.count(column) > 1}):
            raise InputError(
                f"{name}: has several columns named {', '.join(map(repr, twice))}; valid: every name once; rename or"
                " delete them in the export"
            )
        if not columns:
            raise InputError(f"{name}: no column has a name; valid: a header; check read.header")
        for path, reader in zip(files[1:], readers[1:], strict=False):
            if differing := {*reader.columns} ^ {*readers[0].columns}:
                raise InputError(
                    f"{path}: has other columns than {files[0]} ({', '.join(sorted(differing)[:5])}); valid: the same"
                    " columns in every file; read them one by one"
                )
        self._second = None if join is None else _Second(join, columns)
        self.columns: tuple[str, ...] = columns if self._second is None else (*columns, *self._second.columns)
        self.rejections = Rejections()  # the encoder adds the rows that it cannot use
        self.n_rows = 0  # met so far, rejected ones among them
        self._cells = hashlib.sha256()

    @property
    def format(self) -> Format:
        """How it is written; final once it has been read."""
        return dataclasses.replace(self.readers[0].format, n_files=max(len(self.files), 1))

    @property
    def notes(self) -> Notes:
        """What is worth a look: (code, values), each once."""
        found = [each for reader in self.readers for each in reader.notes]
        if unnamed := sum(not column for column in self.readers[0].columns):
            found.append(note(f"{unnamed} columns without a name are left out"))
        if self._second is not None and self._second.n_unmatched:
            n, join = self._second.n_unmatched, self._second.join
            found.append(("LML118", {"text": f"{n} rows have no match of {join.left!r} in {join.file}", "n": str(n)}))
        return [each for at, each in enumerate(found) if each not in found[:at]]

    @property
    def share(self) -> float | None:
        """How much has been read, 0 to 1, every file counting the same; None where that cannot be told."""
        at = max(len(self.rejections.files) - 1, 0)
        share = self.readers[at].share
        return None if share is None else (at + share) / len(self.readers)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Read the columns named, in that order, or all of them; faults go to `rejections`."""
        wanted = own = tuple(self.columns if columns is None else columns)
        if self.rejections.files:
            raise InputError(f"{self.name}: has been read already; open it again")
        last = 0
        if self._second is not None:
            own = tuple(dict.fromkeys((*(c for c in wanted if c not in self._second.columns), self._second.join.left)))
        for at, reader in enumerate(self.readers):
            before = max(last - reader.format.header_row, 0)  # rows above the data are not counted again
            self.rejections.files.append((last, before, str(self.files[at] if self.files else self.name)))
            for table, rows, faults in reader.chunks([*own]):
                self.rejections.faults += (fault._replace(row=fault.row + before) for fault in faults)
                last = max([last, *(int(row) + before for row in (*rows[-1:], *(fault.row for fault in faults[-1:])))])
                self.n_rows += len(rows) + len(faults)
                batch = table if self._second is None else self._second.beside(table, wanted)
                if not self.files:
                    self._cells.update(batch.serialize())
                if len(rows):
                    yield Chunk(batch, rows + before)
        if not self.n_rows:
            raise InputError(f"{self.name}: holds a header and no row; valid: at least one row; check the export")

    def digest(self) -> str:
        """SHA-256, once read: of the bytes of the files or of standard input, else of the cells read."""
        digest = getattr(self.readers[0], "hash", self._cells)  # of a stream the bytes are gone
        if self.files:
            digest = hashlib.sha256()
            for path in self.files:
                with path.open("rb") as file:
                    hashlib.file_digest(file, lambda: digest)
        own = str(digest.hexdigest())
        return own if self._second is None else hashlib.sha256((own + self._second.digest).encode()).hexdigest()


class _Second:
    """A second export in memory: a row of the first takes its first row of the same key; blank keys match nothing."""

    def __init__(self, join: Join, columns: Sequence[str]) -> None:
        source, stem = open_source(join.file), Path(join.file).stem
        for place, key, there in (("left", join.left, columns), ("right", join.right, source.columns)):
            if key not in there:
                where = f"{source.name} has " if place == "right" else ""
                raise InputError(f"join.{place}: {where}no column {key!r}{nearest(key, there)}")
        batches = [chunk.table for chunk in source.chunks()]
        parts = {name: [batch.column(name) for batch in batches] for name in source.columns}
        whole = {name: join_column(each, ".", keep_text=True) for name, each in parts.items()}
        keys = [category(key or "") for key in text_of(whole[join.right]).to_pylist()]
        self._row_of = {key: row for row, key in reversed([*enumerate(keys)]) if key}
        # A name that both have is told apart by the file.
        self.columns = {f"{stem}.{name}" if name in columns else name: column for name, column in whole.items()}
        self.join, self.digest, self.n_unmatched = join, source.digest(), 0

    def beside(self, table: pa.RecordBatch, wanted: Sequence[str]) -> pa.RecordBatch:
        """The columns wanted, of rows of the first file and of their matches."""
        at, keys = categories_of(table.column(self.join.left))
        row = np.array([self._row_of.get(category(key), -1) for key in keys], np.int64)[at]
        self.n_unmatched += int((row < 0).sum())
        picked = number_array(np.maximum(row, 0), valid=row >= 0)
        arrays = [self.columns[c].take(picked) if c in self.columns else table.column(c) for c in wanted]
        return batch_of(arrays, wanted, table.num_rows)


def open_source(
    source: object, read_options: ReadOptions | None = None, *, query: str | None = None, join: Join | None = None
) -> Source:
    """Open a path, folder, glob, ``-``, SQLAlchemy URL with query, or frame; `join` adds a second export."""
    options = read_options or ReadOptions()
    if not isinstance(source, str | os.PathLike):
        return Source(type(source).__name__, [open_frame(source, options)], join=join)
    name = os.fspath(source)
    if join is not None and not Path(join.file).exists():  # beside the first
        join = join.model_copy(update={"file": str(Path(name).parent / join.file)})
    if "://" in name:
        return Source(shown_url(name), [open_query(name, query, options)], join=join)
    if query is not None:
        raise UsageError(f"--query: goes with a SQLAlchemy URL as FILE, and {name} is none; leave it out")
    if name == "-":
        stdin = "standard input"
        return Source(stdin, [CsvReader(stdin, sys.stdin.buffer, options)], join=join)
    files = _files(name)
    is_read_once = len(files) == 1 and not files[0].is_file()  # a pipe
    return Source(name, [_reader(path, options) for path in files], [] if is_read_once else files, join)


def open_leads(source: object, mapping: Mapping, query: str | None = None) -> Source:
    """Open leads as a mapping says, with the second export that it joins."""
    join = mapping.join and mapping.join.model_copy(update={"file": mapping.path_of(mapping.join.file)})
    return open_source(source, mapping.read, query=query, join=join)


def _kind_of(path: Path) -> str:
    """Tell what a file's name promises: csv, parquet, jsonl, xlsx, or nothing."""
    *_, before, last = ("", "", *map(str.lower, path.suffixes))
    kind = KINDS.get(before if last in PACKINGS else last, "")
    return kind if last not in PACKINGS or kind in ("csv", "jsonl") else ""


def _files(name: str) -> list[Path]:
    path = Path(name)
    if path.exists() and not path.is_dir():
        return [path]
    if not path.is_dir() and not glob.has_magic(name):
        beside = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InputError(f"{name}: no such file or folder{nearest(path.name, beside) or '; check the path'}")
    found = path.iterdir() if path.is_dir() else map(Path, glob.glob(name, recursive=True))  # noqa: PTH207
    files = sorted(each for each in found if each.is_file())
    if path.is_dir():
        files = [each for each in files if each.name[0] not in "._" and _kind_of(each)]
    if not files:
        none = f"the folder holds no table; valid: files ending in {', '.join(KINDS)}"
        no_fit = "the pattern fits no file; check it, and quote it on the command line"
        raise InputError(f"{name}: {none if path.is_dir() else no_fit}")
    if len(kinds := {_kind_of(each) or "None" for each in files}) > 1:
        raise InputError(
            f"{name}: holds files of several kinds ({', '.join(sorted(kinds))}); valid: one kind; name them by a"
            " pattern such as folder/*.csv"
        )
    return files


def _reader(path: Path, options: ReadOptions) -> Reader:
    kind = _kind_of(path)
    if not path.is_file():
        if kind not in ("csv", "") or path.suffix in PACKINGS:
            raise InputError(f"{path}: is a pipe, and only CSV can be read from one; save it as a file first")
        kind = "csv"
    if kind == "csv":
        tabs = {"delimiter": options.delimiter or "\t"} if ".tsv" in path.name.lower() else {}
        return CsvReader(str(path), path, options.model_copy(update=tabs))
    if kind == "xlsx":
        from leadml.data.excel import open_excel

        return open_excel(path, options)
    if kind:
        return open_parquet(path, options) if kind == "parquet" else open_json_lines(path, options)
    raise InputError(
        f"{path}: ends in {path.suffix or 'nothing'!r}; valid: {', '.join(KINDS)}, text also packed as .csv.gz or"
        " .csv.zst; rename or export it again"
    )
