"""Typed sources: Parquet, JSON lines, databases (SQL), and frames of pandas, polars or Arrow (or records) in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.data.cells import column_of
from leadml.data.chunks import BATCH_ROWS, Chunk, Fault, Format, Notes, Reader, batch_of, open_binary, typed_chunks
from leadml.data.sniff import SAMPLE_ROWS, sniff_decimal
from leadml.exceptions import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from leadml.data.mapping import ReadOptions

CHUNK_ROWS = 1 << 15
_TEXTS = (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))
_BATCH_CELLS = 1 << 21  # of a wide table a batch has fewer rows
_PLAIN_BYTES = 4  # a text takes at least so many bytes in Parquet, unless it stands in a dictionary


def row_reader(
    columns: Iterable[object], form: Format, rows: Iterable[tuple[int, Sequence[Any]] | Fault],
    options: ReadOptions | None = None, notes: Notes | None = None,
) -> Reader:  # fmt: skip
    """Read rows of Python values, each with its number, and faults between; by options the decimal mark is sniffed."""
    names, remaining, notes = tuple(map(str, columns)), iter(rows), notes or []
    if options is not None:
        head = list(islice(remaining, SAMPLE_ROWS))
        some_cells = (cell for each in head if not isinstance(each, Fault) for cell in each[1])
        (form, ambiguous), remaining = sniff_decimal(form, some_cells, options), chain(head, remaining)
        notes = ambiguous + notes

    def chunks(wanted: list[str]) -> Iterator[Chunk]:
        while some := list(islice(remaining, CHUNK_ROWS)):
            faults = [each for each in some if isinstance(each, Fault)]
            filled = [each for each in some if not isinstance(each, Fault)]
            arrays = [column_of([cells[names.index(name)] for _, cells in filled], form.decimal) for name in wanted]
            rows = np.array([row for row, _ in filled], np.int64)
            yield Chunk(batch_of(arrays, wanted, len(rows)), rows, faults)

    return Reader(names, form, chunks, notes)


def open_parquet(path: Path, options: ReadOptions) -> Reader:
    """Open a Parquet file; texts that repeat come as dictionaries, in a quarter of the time."""
    import pyarrow.parquet as pq

    try:
        # A buffer of its own, so that the first rows cost no whole row group.
        with pq.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:
            metadata, schema = file.metadata, file.schema_arrow
            texts = [each.name for each in schema if each.type in _TEXTS and not options.decimal]
            head = next(file.iter_batches(SAMPLE_ROWS, columns=texts), ())
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is not a Parquet file ({_told(error)}); check the export") from None

    def batches(wanted: list[str]) -> Iterator[pa.RecordBatch]:
        size = min(BATCH_ROWS, max(1024, _BATCH_CELLS // max(len(wanted), 1)))
        n_read, repeated = 0, _repeated(metadata)
        try:
            with pq.ParquetFile(path, metadata=metadata, read_dictionary=repeated, pre_buffer=False) as file:
                for batch in file.iter_batches(size, columns=wanted):
                    yield batch.select(wanted)
                    n_read += batch.num_rows
                    reader.share = n_read / max(metadata.num_rows, 1)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: cannot be read on ({_told(error)})") from None

    form, notes = sniff_decimal(Format("parquet"), chain(*(each.to_pylist() for each in head)), options)
    reader = Reader(schema.names, form, lambda wanted: typed_chunks(batches(wanted), wanted), notes)
    reader.share = 0.0
    return reader


def _repeated(metadata: pq.FileMetaData) -> list[str]:
    """List the columns of text that stand in a Parquet file as dictionaries, one for many rows."""
    kinds = {each.name: each.type for each in metadata.schema.to_arrow_schema()}
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    n_bytes = [sum(group.column(at).total_uncompressed_size for group in groups) for at in range(metadata.num_columns)]
    names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    few = _PLAIN_BYTES * metadata.num_rows
    return [name for name, size in zip(names, n_bytes, strict=True) if kinds.get(name) == pa.string() and size < few]


def open_json_lines(path: Path, options: ReadOptions) -> Reader:
    """Open a file of one JSON object a line; a key that a line lacks is an empty cell. Rows are lines, from 1."""
    columns = list(dict.fromkeys(key for _, record in _objects(path) if isinstance(record, dict) for key in record))
    if not columns:
        raise InputError(f"{path}: holds no JSON object; valid: one object a line; check the export")
    rows = (
        (row, [record.get(column) for column in columns])
        if isinstance(record, dict)
        else Fault(row, "", record, "is not a JSON object; write one object a line")
        for row, record in _objects(path)
    )
    return row_reader(columns, Format("jsonl", "utf-8", header_row=0), rows, options)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Lines that hold something, with their numbers: objects, and the text of what is none."""
    try:
        with open_binary(path) as stream:
            for row, line in enumerate(stream, 1):
                if text := line.removeprefix(b"\xef\xbb\xbf").strip():
                    try:
                        record = json.loads(text)
                    except (ValueError, RecursionError):
                        record = None
                    yield row, record if isinstance(record, dict) else text.decode("utf-8", "replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); check the file") from None


def shown_url(url: str) -> str:
    """Write a URL without its password, for messages and reports.

    >>> shown_url("postgresql+psycopg://me:secret@host/deals")
    'postgresql+psycopg://me:***@host/deals'
    """
    return re.sub(r"://([^:/]*):.*@", r"://\1:***@", url)


def open_query(url: str, query: str | None, options: ReadOptions) -> Reader:
    """Open the rows of a query; ``postgresql://`` is read by psycopg 3."""
    if not query:
        raise UsageError(f'{shown_url(url)}: a database needs --query, such as --query "SELECT * FROM leads"')
    rows = _rows(url, query)
    _, columns = next(rows)
    return row_reader(columns, Format("sql"), rows, options)


def _rows(url: str, query: str) -> Iterator[tuple[int, Any]]:
    """The header as row 1, then the rows; what was opened is closed with this generator."""
    name, row = shown_url(url), 0
    try:
        import sqlalchemy

        driven = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
        engine = sqlalchemy.create_engine(driven, poolclass=sqlalchemy.NullPool)
    except ImportError as error:
        install = 'pip install "leadml[sql]" installs what PostgreSQL takes'
        raise UsageError(f"{name}: SQLAlchemy or the database's driver is missing ({error}); {install}") from None
    except sqlalchemy.exc.ArgumentError as error:
        raise UsageError(f"{name}: is no SQLAlchemy URL ({_told(error)})") from None
    try:
        with engine.connect() as connection:
            connection = connection.execution_options(stream_results=True, max_row_buffer=CHUNK_ROWS)
            with connection.execute(sqlalchemy.text(query)) as result:
                if not result.returns_rows:
                    raise UsageError(f"{name}: --query gives no rows; valid: a SELECT")
                yield (row := 1), tuple(result.keys())
                yield from enumerate(result, 2)
    except sqlalchemy.exc.SQLAlchemyError as error:
        fault = f"cannot be read on ({_told(error)})" if row else f"{_told(error)}; check the URL and --query"
        raise InputError(f"{name}: {fault}") from None


def open_frame(frame: Any, options: ReadOptions) -> Reader:
    """Take a frame of pandas, polars or Arrow, or a list of dicts."""
    form = Format("frame", decimal=options.mark)
    if isinstance(frame, list | tuple) and frame and all(isinstance(record, dict) for record in frame):
        names = list(dict.fromkeys(key for record in frame for key in record))
        return row_reader(names, form, ((row, [each.get(n) for n in names]) for row, each in enumerate(frame, 2)))
    if hasattr(frame, "iloc"):
        columns = [_pandas_column(frame.iloc[:, at], form.decimal) for at in range(frame.shape[1])]
        batches: Any = [batch_of(columns, list(map(str, frame.columns)), len(frame))]
        names = batches[0].schema.names
    elif (batches := stream_of(frame)) is not None:
        names = batches.schema.names
    else:
        raise UsageError(
            f"got {type(frame).__name__} to read leads from; valid: a path, a URL with a query, a frame of pandas,"
            " polars or Arrow, or a list of dicts"
        )
    return Reader(names, form, lambda wanted: typed_chunks((each.select(wanted) for each in batches), wanted))


def stream_of(frame: Any) -> pa.RecordBatchReader | None:
    """Batches of a frame of polars, Arrow, or what else speaks one of their protocols; None of what does not."""
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame)
    if hasattr(frame, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        return from_dataframe(frame).to_reader()
    return None


def _pandas_column(series: Any, mark: str) -> pa.Array:
    if getattr(series.dtype, "tz", None) is not None:
        series = series.dt.tz_localize(None)  # the day is the one that its own clock shows
    try:
        array = pa.array(series, from_pandas=True)
    except pa.ArrowException:  # cells of several types
        values = [None if value is None or value != value else value for value in series]
        return column_of([value.item() if isinstance(value, np.generic) else value for value in values], mark)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _told(error: Exception) -> str:
    """What a library or a database says, in one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
