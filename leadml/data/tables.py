"""Typed sources: Parquet files, JSON lines, and frames of pandas, polars or Arrow (or records) in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadml.data.cells import column_of
from leadml.data.chunks import CHUNK_ROWS, Chunk, Fault, Format, Reader, batch_of, open_binary
from leadml.exceptions import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from leadml.data.mapping import ReadOptions

BATCH_ROWS = 1 << 17
_BATCH_CELLS = 1 << 21  # of a wide table a batch has fewer rows
_PLAIN_BYTES = 4  # a text takes at least so many bytes in Parquet, unless it stands in a dictionary
_DICTIONARY = {"PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "BIT_PACKED"}


class ParquetReader(Reader):
    """A Parquet file, by row groups; texts that repeat come as dictionaries, in a quarter of the time."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                self._metadata = file.metadata
                self.columns = tuple(file.schema_arrow.names)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: is not a Parquet file ({_first_line(error)}); check the export") from None
        self._path = path
        self.notes = []
        self.format = Format("parquet", decimal=options.decimal or ".")
        self.share = 0.0

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order."""
        import pyarrow.parquet as pq

        row, n_rows = 2, self._metadata.num_rows
        size = min(BATCH_ROWS, max(1024, _BATCH_CELLS // max(len(columns), 1)))
        try:
            with pq.ParquetFile(
                self._path, metadata=self._metadata, read_dictionary=_repeated(self._metadata), pre_buffer=True
            ) as file:
                for batch in file.iter_batches(size, columns=list(columns)):
                    yield _typed_chunk(batch, columns, row)
                    row += batch.num_rows
                    self.share = (row - 2) / max(n_rows, 1)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._path}: cannot be read on ({_first_line(error)})") from None


def _repeated(metadata: pq.FileMetaData) -> list[str]:
    """List the columns of text that stand in a Parquet file as dictionaries, one for many rows."""
    schema = metadata.schema.to_arrow_schema()
    kinds = dict(zip(schema.names, schema.types, strict=True))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    if metadata.num_rows < CHUNK_ROWS * len(groups):
        return []  # a batch holds one dictionary a column, so it would be as short as a group of rows

    def repeats(at: int) -> bool:
        parts = [group.column(at) for group in groups]
        n_bytes = sum(part.total_uncompressed_size for part in parts)
        few = n_bytes < _PLAIN_BYTES * sum(part.num_values for part in parts)
        return few and all(_DICTIONARY.issuperset(part.encodings) for part in parts)

    names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    return [name for at, name in enumerate(names) if kinds.get(name) == pa.string() and repeats(at)]


class JsonReader(Reader):
    """One JSON object a line; a key that a line lacks is an empty cell. Rows are lines, from 1."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path
        keys: dict[str, None] = {}
        for _, record, _ in self._records():
            keys.update(dict.fromkeys(record or ()))
        if not keys:
            raise InputError(f"{path}: holds no JSON object; valid: one object a line; check the export")
        self.columns = tuple(keys)
        self.notes = []
        self.format = Format("jsonl", encoding="utf-8", header_row=0, decimal=options.decimal or ".")

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order; a line that is no JSON object is a fault."""
        lines = self._records()
        while some := list(islice(lines, CHUNK_ROWS)):
            filled = [(row, record) for row, record, _ in some if record is not None]
            faults = [
                Fault(row, line.decode("utf-8", "replace"), "is not a JSON object; write one object a line")
                for row, record, line in some
                if record is None
            ]
            arrays = [column_of([r.get(column) for _, r in filled], self.format.decimal) for column in columns]
            rows = np.array([row for row, _ in filled], np.int64)
            yield Chunk(batch_of(arrays, columns, len(rows)), rows, faults)

    def _records(self) -> Iterator[tuple[int, dict[str, Any] | None, bytes]]:
        try:
            with open_binary(self._path) as stream:
                for row, line in enumerate(stream, 1):
                    text = line.removeprefix(b"\xef\xbb\xbf").strip()
                    if text:
                        yield row, _json_object(text), text
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read ({error}); check the file") from None


def _json_object(text: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


class FrameReader(Reader):
    """Batches of Arrow, from a frame in memory or from an iterator of them."""

    def __init__(self, names: Sequence[object], batches: Iterable[pa.RecordBatch], decimal: str) -> None:
        self.columns = tuple(map(str, names))
        self._batches = batches
        self.notes = []
        self.format = Format("frame", decimal=decimal)

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Take the columns named, in that order."""
        row = 2
        at = [self.columns.index(column) for column in columns]
        for whole in self._batches:
            for start in range(0, whole.num_rows, BATCH_ROWS):
                batch = whole.slice(start, BATCH_ROWS)
                arrays = [batch.column(i) for i in at]
                yield _typed_chunk(batch_of(arrays, columns, batch.num_rows), columns, row)
                row += batch.num_rows


def open_frame(frame: Any, options: ReadOptions) -> FrameReader:
    """Take a frame of pandas, polars or Arrow, or a list of dicts."""
    mark = options.decimal or "."
    if isinstance(frame, list | tuple) and frame and all(isinstance(record, dict) for record in frame):
        names = list(dict.fromkeys(key for record in frame for key in record))
        columns = [column_of([record.get(name) for record in frame], mark) for name in names]
        return FrameReader(names, [batch_of(columns, list(map(str, names)), len(frame))], mark)
    if hasattr(frame, "iloc"):
        columns = [_pandas_column(frame.iloc[:, at], mark) for at in range(frame.shape[1])]
        names = list(map(str, frame.columns))
        return FrameReader(names, [batch_of(columns, names, len(frame))], mark)
    if hasattr(frame, "__arrow_c_stream__"):
        stream = pa.RecordBatchReader.from_stream(frame)
        return FrameReader(stream.schema.names, stream, mark)
    if hasattr(frame, "__arrow_c_array__"):
        batch = pa.record_batch(frame)
        return FrameReader(batch.schema.names, [batch], mark)
    if hasattr(frame, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        table = from_dataframe(frame)
        return FrameReader(table.column_names, table.to_batches(), mark)
    raise UsageError(
        f"got {type(frame).__name__} to read leads from; valid: a path, a URL with a query, a frame of"
        " pandas, polars or Arrow, or a list of dicts"
    )


def _pandas_column(series: Any, mark: str) -> pa.Array:
    try:
        array = pa.array(series, from_pandas=True)
    except pa.ArrowException:  # cells of several types
        values = [None if value is None or value != value else value for value in series]
        return column_of([value.item() if isinstance(value, np.generic) else value for value in values], mark)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _typed_chunk(batch: pa.RecordBatch, columns: Sequence[str], row: int) -> Chunk:
    arrays = [_canonical(array, name) for array, name in zip(batch.columns, columns, strict=True)]
    rows = np.arange(row, row + batch.num_rows)
    return Chunk(batch_of(arrays, columns, batch.num_rows), rows)


def _canonical(array: pa.Array, column: str) -> pa.Array:
    """Text (or a dictionary of it), whole numbers, float64, dates or timestamps; else an error."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        if kind.index_type == pa.int32() and kind.value_type == pa.string():
            return array
        array = pc.cast(array, kind.value_type)
        kind = array.type
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_float64(kind):
        return array
    if pa.types.is_date(kind):
        return pc.cast(array, pa.date32())
    if pa.types.is_timestamp(kind):
        return pc.cast(array, pa.timestamp("us"), safe=False)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(array, pa.float64(), safe=False)
    try:
        return pc.cast(array, pa.string())
    except pa.ArrowException:
        raise InputError(
            f"column {column!r} holds {kind}; valid: text, numbers, dates or true/false; flatten it first"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
