"""Parquet, JSON lines and pandas frames, as chunks of canonical Arrow columns."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from leadml.exceptions import InputError
from leadml.leads.chunks import (
    CHUNK_ROWS,
    SHOWN_CHARACTERS,
    Chunk,
    Rejection,
    cell_text,
    open_binary,
    read_faults,
)
from leadml.leads.values import canonical, text_array

GROUP_ROWS = 1 << 18
"""At least so many rows of a Parquet file are read together, where it has them."""
COUNT_ROWS = 1 << 17
"""So many rows that are to be counted make a chunk: the fewer chunks, the less is done beside counting."""
COUNT_CELLS = 1 << 21
"""Of a wide table fewer, so that a chunk has no more cells than this."""
PLAIN_BYTES = 4
"""A text takes at least so many bytes in Parquet, unless it stands in a dictionary."""
ENCODINGS = {"PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "BIT_PACKED"}
"""How a column of texts can be written that Arrow can read as a dictionary."""

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

    from leadml.leads.workers import Workers


class ParquetReader:
    """A Parquet file.

    Parameters
    ----------
    source : str
        What messages call it.
    where : Path
        The file.
    to_count : bool
        Whether rows are to be counted: chunks are larger, and texts that repeat come as dictionaries, which
        takes a quarter of the time.

    Raises
    ------
    InputError
        The file is no Parquet.
    """

    notes: tuple[str, ...] = ()
    share: float | None = None

    def __init__(self, source: str, where: Path, *, to_count: bool = False) -> None:
        import pyarrow.parquet as pq

        try:
            metadata = pq.read_metadata(where)
            repeated = _repeated_texts(metadata) if to_count else []
            self._file = pq.ParquetFile(where, metadata=metadata, memory_map=False, read_dictionary=repeated)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{source}: is not a Parquet file ({str(error).splitlines()[0]}); check the export"
            ) from None
        self._source, self.share, self._to_count = source, 0.0, to_count
        self.columns = tuple(self._file.schema_arrow.names)
        self.format: dict[str, Any] = {"kind": "parquet", "decimal": ".", "sniffed": []}

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:  # noqa: ARG002
        """Read the columns named, in that order.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Not needed here.

        Yields
        ------
        Chunk
            The next rows.

        Raises
        ------
        InputError
            The file is damaged, or a column holds nested values.
        """
        n_read, n_rows = 0, self._file.metadata.num_rows
        size = CHUNK_ROWS
        if self._to_count:
            size = max(size, min(COUNT_ROWS, COUNT_CELLS // max(len(columns), 1)))
        try:
            for groups in self._groups():
                for batch in self._file.iter_batches(size, row_groups=groups, columns=list(columns)):
                    rows = np.arange(1, batch.num_rows + 1)
                    n_read += batch.num_rows
                    self.share = n_read / max(n_rows, 1)
                    data = canonical_batch(batch, columns, dictionaries=self._to_count)
                    yield Chunk(rows, data, [])
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self._source}: {str(error).splitlines()[0]}") from None

    def _groups(self) -> Iterator[list[int]]:
        """Take some row groups at a time: what was read of them is kept until the last is done."""
        groups: list[int] = []
        n_rows = 0
        for group in range(self._file.num_row_groups):
            groups.append(group)
            n_rows += self._file.metadata.row_group(group).num_rows
            if n_rows >= GROUP_ROWS:
                yield groups
                groups, n_rows = [], 0
        if groups:
            yield groups


def _repeated_texts(metadata: pq.FileMetaData) -> list[str]:
    """List the columns of text that stand in a Parquet file as dictionaries, one for many rows."""
    fields = {field.name: field.type for field in metadata.schema.to_arrow_schema()}
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    if metadata.num_rows < CHUNK_ROWS * len(groups):
        return []  # a batch holds one dictionary a column, so it would be as short as a group of rows

    def repeats(at: int) -> bool:
        parts = [group.column(at) for group in groups]
        n_bytes, n_values = (
            sum(getattr(part, name) for part in parts) for name in ("total_uncompressed_size", "num_values")
        )
        return n_bytes < PLAIN_BYTES * n_values and all(
            ENCODINGS.issuperset(part.encodings) for part in parts
        )

    names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    return [name for at, name in enumerate(names) if fields.get(name) == pa.string() and repeats(at)]


class JsonReader:
    """One JSON object a line; a key that a line lacks is an empty cell.

    Parameters
    ----------
    source : str
        What messages call it.
    where : Path
        The file, compressed or not.

    Raises
    ------
    InputError
        The file holds no object.
    """

    notes: tuple[str, ...] = ()
    share: float | None = None

    def __init__(self, source: str, where: Path) -> None:
        self._source, self._where = source, where
        keys: dict[str, None] = {}
        for record, _ in self._records():
            if record:
                keys.update(dict.fromkeys(record))
        if not keys:
            raise InputError(f"{source}: holds no JSON object; valid: one object a line; check the export")
        self.columns = tuple(keys)
        self.format: dict[str, Any] = {"kind": "jsonl", "encoding": "utf-8", "decimal": ".", "sniffed": []}

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:  # noqa: ARG002
        """Read the columns named, in that order.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Not needed here.

        Yields
        ------
        Chunk
            The next rows; a line that is no JSON object is rejected.
        """
        rows: list[int] = []
        cells: list[list[str | None]] = [[] for _ in columns]
        rejected: list[Rejection] = []

        def chunk() -> Chunk:
            arrays = [text_array(column) for column in cells]
            data = pa.RecordBatch.from_arrays(arrays, names=list(columns))
            return Chunk(np.array(rows, np.int64), data, rejected)

        for record, line in self._records():
            row = len(rows) + len(rejected) + 1
            if record is None:
                reason = "is not a JSON object; write one object a line"
                rejected.append(Rejection(row, "", line[:SHOWN_CHARACTERS], reason))
            else:
                rows.append(row)
                for column, cell in zip(columns, cells, strict=True):
                    cell.append(_json_text(record.get(column)))
            if len(rows) + len(rejected) >= CHUNK_ROWS:
                yield chunk()
                rows, rejected, cells = [], [], [[] for _ in columns]
        yield chunk()

    def _records(self) -> Iterator[tuple[dict[str, Any] | None, str]]:
        try:
            stream = open_binary(self._where, self._source)
            with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace") as lines:
                for line in lines:
                    if line.strip():
                        yield _json_record(line), line.strip()
        except read_faults() as error:
            raise InputError(f"{self._source}: cannot be read ({error}); check the file") from None


class FrameReader:
    """A pandas DataFrame.

    Parameters
    ----------
    frame : DataFrame
        The rows; its index is not read.
    """

    notes: tuple[str, ...] = ()
    share: float | None = None

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self.columns = tuple(map(str, frame.columns))
        self.format: dict[str, Any] = {"kind": "DataFrame", "decimal": ".", "sniffed": []}

    def chunks(self, columns: Sequence[str], workers: Workers) -> Iterator[Chunk]:  # noqa: ARG002
        """Read the columns named, in that order.

        Parameters
        ----------
        columns : sequence of str
            Columns that the table has.
        workers : Workers
            Not needed here.

        Yields
        ------
        Chunk
            All rows.
        """
        arrays = []
        for name in columns:
            series = self._frame.iloc[:, self.columns.index(name)]
            try:
                array = pa.array(series, from_pandas=True)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                array = text_array([None if v is None or v != v else cell_text(v) for v in series])
            array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
            arrays.append(_canonical_array(array, name))
        rows = np.arange(1, len(self._frame) + 1)
        yield Chunk(rows, pa.RecordBatch.from_arrays(arrays, names=list(columns)), [])


def _canonical_array(array: pa.Array, column: str, *, dictionaries: bool = False) -> pa.Array:
    try:
        return canonical(array, column, dictionaries=dictionaries)
    except ValueError as error:
        raise InputError(str(error)) from None


def canonical_batch(
    batch: pa.RecordBatch, columns: Sequence[str], *, dictionaries: bool = False
) -> pa.RecordBatch:
    """Take some columns, each as text, whole numbers, float64, dates or timestamps.

    Parameters
    ----------
    batch : RecordBatch of n rows
        As Arrow or Spark gave it.
    columns : sequence of str
        Which columns.
    dictionaries : bool
        Whether texts that came as a dictionary may stay so.

    Returns
    -------
    RecordBatch of n rows
        The columns named, in that order; without any, the batch itself, for its number of rows.

    Raises
    ------
    InputError
        A column holds nested values.
    """
    arrays = [_canonical_array(batch.column(name), name, dictionaries=dictionaries) for name in columns]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns)) if columns else batch


def _json_record(line: str) -> dict[str, Any] | None:
    try:
        # Numbers stay as written, so that an identity of 20 digits keeps them all.
        record = json.loads(line, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _json_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, str) else json.dumps(value)
