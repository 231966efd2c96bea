"""What Spark reads: Parquet, lines of CSV, or a query of its catalog, and its rows' numbers."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from leadml.engines.spark_session import hush
from leadml.exceptions import InputError, UsageError
from leadml.leads.chunks import Chunk
from leadml.leads.csv_text import CsvReader
from leadml.leads.sniff import HEAD_BYTES
from leadml.leads.tables import Table, kind_of, open_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from leadml.leads.mapping import Mapping, ReadOptions
    from leadml.leads.workers import Workers

__all__ = ["CATALOG", "SETTINGS", "Source", "by_place", "open_source"]

CATALOG = "catalog:"
"""As FILE or OUT: the tables that Spark knows by name."""

KINDS = ("csv", "parquet")
HEAD_LINES = 2000
"""So many lines of a file that only the cluster can reach are looked at to guess how it is written."""

MAX_BYTES, MIN_PARTS = "spark.sql.files.maxPartitionBytes", "spark.sql.files.minPartitionNum"
CASES = "spark.sql.caseSensitive"
SETTINGS = (CASES, MAX_BYTES, MIN_PARTS)
"""What reading sets in a session."""


class Columns:
    """The columns of what Spark reads, in the place of a reader of our own.

    Parameters
    ----------
    names : sequence of str
        Every column.
    kind : str
        ``parquet`` or ``catalog``.
    """

    notes: tuple[str, ...] = ()
    share: float | None = None

    def __init__(self, names: Sequence[str], kind: str) -> None:
        self.columns = tuple(names)
        self.format: dict[str, Any] = {"kind": kind, "decimal": ".", "sniffed": []}

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:
        """Read nothing: Spark does.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Threads to read with.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Source:
    """A table that Spark reads.

    Attributes
    ----------
    session : SparkSession
        Who reads.
    table : Table
        Its columns and how it is written.
    frame : DataFrame
        All of it; of CSV, its lines.
    text : CsvReader or None
        How lines are written; None for columns.
    """

    session: SparkSession
    table: Table
    frame: DataFrame
    text: CsvReader | None = None

    @property
    def has_numbers(self) -> bool:
        """Whether rows have an order, and so numbers: those of files do."""
        return bool(self.table.format["kind"] != "catalog")

    @property
    def files(self) -> list[str]:
        """The files that are read, as URLs."""
        return self.frame.inputFiles()

    def rows(self, columns: Sequence[str], *, numbered: bool) -> DataFrame:
        """Select what executors are to see, under names that no dot or case can break.

        Parameters
        ----------
        columns : sequence of str
            Which columns.
        numbered : bool
            Whether position in the file and file come along; of lines they always do.

        Returns
        -------
        DataFrame
            The columns in that order, then position and file.
        """
        from pyspark.sql import functions as sf

        if self.text is not None:
            place = self.frame.metadataColumn("_metadata")
            line = self.frame["value"].cast("binary")
            return self.frame.select(line, place["file_block_start"], place["file_path"])
        wanted = [sf.col(_quoted(name)).alias(f"c{at}") for at, name in enumerate(columns)]
        if numbered:
            place = self.frame.metadataColumn("_metadata")
            wanted += [place["row_index"].alias("at"), place["file_path"].alias("file")]
        return self.frame.select(*wanted)

    def schema(self, columns: Sequence[str]) -> pa.Schema:
        """Tell the Arrow types of columns.

        Parameters
        ----------
        columns : sequence of str
            Which columns.

        Returns
        -------
        pyarrow.Schema
            As executors see them.
        """
        from pyspark.sql.pandas.types import to_arrow_schema

        if self.text is not None:
            return pa.schema([(name, pa.string()) for name in columns])
        with hush():
            kinds = to_arrow_schema(self.rows(columns, numbered=False).schema).types
        return pa.schema(list(zip(columns, kinds, strict=True)))

    def n_rows_of_files(self) -> dict[str, int]:
        """Count the rows of every Parquet file; Spark asks only the ends of the files.

        Returns
        -------
        dict of str to int
            Rows by file.
        """
        place = self.frame.metadataColumn("_metadata")
        counted = self.frame.select(place["file_path"].alias("file")).groupBy("file").count()
        return {row["file"]: row["count"] for row in counted.collect()}

    def read_whole(self) -> None:
        """Let every file be read by one executor from beginning to end, from now on."""
        place = self.frame.metadataColumn("_metadata")
        sizes = self.frame.select(place["file_size"].alias("bytes")).agg({"bytes": "max"}).collect()
        self.session.conf.set(MAX_BYTES, str(sizes[0][0] or 1))
        self.session.conf.set(MIN_PARTS, "1")


def by_place(file: str) -> tuple[str, ...]:
    """Order files as a folder lists them.

    Parameters
    ----------
    file : str
        As Spark names it: a URL.

    Returns
    -------
    tuple of str
        Folders and name.
    """
    return PurePosixPath(unquote(file)).parts


def open_source(
    session: SparkSession, name: str, mapping: Mapping, *, query: str | None = None, here: bool
) -> Source:
    """Let Spark open a table.

    Parameters
    ----------
    session : SparkSession
        Who reads.
    name : str
        Parquet, CSV or TSV: a file, a folder, a glob, on any file system that Spark knows; or ``catalog:``.
    mapping : Mapping
        What its columns mean, and how text is written.
    query : str, optional
        What to ask of the catalog.
    here : bool
        Whether names without a scheme are files of this machine.

    Returns
    -------
    Source
        The table.

    Raises
    ------
    InputError
        There is no such table, or it cannot be used.
    UsageError
        It is of a kind that Spark is not asked to read.
    """
    session.conf.set(CASES, "true")  # Need and need are two columns
    if (name == CATALOG) != (query is not None):
        raise UsageError(
            f"--query: goes with {CATALOG} as FILE, and {CATALOG} needs it; for instance "
            "'SELECT * FROM crm.leads'"
        )
    if query is not None:
        frame = session.sql(query)
        return Source(session, Table(CATALOG, [], [Columns(frame.columns, "catalog")]), frame)
    if name == "-":
        raise UsageError("FILE: --engine spark cannot read standard input; give a file, or --engine local")
    if here and "://" not in name and not _has_folders(name):
        return _open_here(session, name, mapping.read)
    kind = _kind(session, name)
    if kind == "csv":
        return _open_text(session, name, mapping.read)
    frame = session.read.parquet(name)
    return Source(session, Table(name, [], [Columns(frame.columns, "parquet")]), frame)


def _open_here(session: SparkSession, name: str, read: ReadOptions) -> Source:
    """Open files of this machine: what is said of them, and their order, are as without Spark."""
    table = open_table(name, read)
    kind = table.format["kind"]
    if kind not in KINDS:
        raise UsageError(f"FILE: --engine spark reads Parquet and CSV, not {kind}; take --engine local")
    paths = [_literal(f"file://{path.absolute()}") for path in table.files]
    if kind == "csv":
        text = CsvReader(name, table.files[0], read, _delimiter(name))
        return Source(session, table, _lines(session, paths), _checked(text))
    return Source(session, table, session.read.option("recursiveFileLookup", True).parquet(*paths))


def _open_text(session: SparkSession, name: str, read: ReadOptions) -> Source:
    """Open text that only Spark can reach."""
    frame = _lines(session, [name])
    place = frame.metadataColumn("_metadata")
    files = frame.select(place["file_path"].alias("file")).distinct().collect()
    if not files:
        raise InputError(f"{name}: is empty; valid: a header and at least one row; check the export")
    first = min((row["file"] for row in files), key=by_place)
    head = frame.where(place["file_path"] == first).select(frame["value"].cast("binary").alias("line"))
    lines = (bytes(row["line"]) + b"\n" for row in head.take(HEAD_LINES))
    content = b"".join(lines)[:HEAD_BYTES]
    text = CsvReader(name, io.BytesIO(content), read, _delimiter(first))
    return Source(session, Table(name, [], [text]), frame, _checked(text))


def _lines(session: SparkSession, paths: list[str]) -> DataFrame:
    reader = session.read.option("lineSep", "\n").option("recursiveFileLookup", True)
    return reader.text(paths)


def _checked(text: CsvReader) -> CsvReader:
    if text.text.encoding.startswith("utf-16"):
        raise UsageError("FILE: Spark cannot cut UTF-16 into lines; write UTF-8, or take --engine local")
    return text.on(io.BytesIO())


def _delimiter(name: str) -> str | None:
    return "\t" if ".tsv" in PurePosixPath(name).name.lower() else None


def _kind(session: SparkSession, name: str) -> str:
    """Tell CSV from Parquet: by the ending, in a folder by the files."""
    known = kind_of(Path(name))
    if known is None:
        listed = session.read.format("binaryFile").option("recursiveFileLookup", True).load(name)
        kinds = {kind_of(Path(unquote(row["path"]))) for row in listed.select("path").limit(1000).collect()}
        known = kinds.pop() if len(kinds) == 1 else None
    if known not in KINDS:
        raise UsageError(
            f"FILE: {name} is not clearly Parquet or CSV, which is what --engine spark reads; "
            "name the files by a pattern such as folder/*.parquet"
        )
    return known


def _has_folders(name: str) -> bool:
    """Tell whether a folder is parted by columns, which is Spark's way and not ours."""
    path = Path(name)
    return path.is_dir() and any(each.is_dir() and "=" in each.name for each in path.iterdir())


def _literal(path: str) -> str:
    """Write a path so that nothing in it is a pattern."""
    return "".join(f"\\{letter}" if letter in "*?[]{}\\" else letter for letter in path)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
