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

if TYPE_CHECKING:
    import pandas as pd

    from leadml.leads.workers import Workers


class ParquetReader:
    """A Parquet file.

    Parameters
    ----------
    source : str
        What messages call it.
    where : Path
        The file.

    Raises
    ------
    InputError
        The file is no Parquet.
    """

    notes: tuple[str, ...] = ()
    share: float | None = None

    def __init__(self, source: str, where: Path) -> None:
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(where, memory_map=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{source}: is not a Parquet file ({str(error).splitlines()[0]}); check the export"
            ) from None
        self._source, self.share = source, 0.0
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
        try:
            for groups in self._groups():
                for batch in self._file.iter_batches(CHUNK_ROWS, row_groups=groups, columns=list(columns)):
                    rows = np.arange(1, batch.num_rows + 1)
                    n_read += batch.num_rows
                    self.share = n_read / max(n_rows, 1)
                    yield Chunk(rows, canonical_batch(batch, columns), [])
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


def _canonical_array(array: pa.Array, column: str) -> pa.Array:
    try:
        return canonical(array, column)
    except ValueError as error:
        raise InputError(str(error)) from None


def canonical_batch(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """Take some columns, each as text, whole numbers, float64, dates or timestamps.

    Parameters
    ----------
    batch : RecordBatch of n rows
        As Arrow or Spark gave it.
    columns : sequence of str
        Which columns.

    Returns
    -------
    RecordBatch of n rows
        The columns named, in that order; without any, the batch itself, for its number of rows.

    Raises
    ------
    InputError
        A column holds nested values.
    """
    arrays = [_canonical_array(batch.column(name), name) for name in columns]
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
