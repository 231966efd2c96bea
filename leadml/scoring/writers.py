"""Writers of scored leads: CSV, TSV, JSON lines, Parquet and tables of a database; Excel has a file of its own.

A lead's answers depend on its pattern of levels alone, so text is made once a pattern. The lines of a chunk
are one `take` of identities and pattern texts, side by side: the taken buffer is what the file holds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from leadml.data.cells import number_array, take, text_array
from leadml.data.rejections import guard_formula
from leadml.exceptions import InputError, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from leadml.scoring.scorer import Scored

ROW_GROUP = 1 << 17
"""Rows a row group of a Parquet file has, about."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is written: columns of the answers, kept columns, their titles, the locale, words for Excel."""

    columns: tuple[str, ...]
    kept: tuple[str, ...] = ()
    titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    locale: str = "en"
    first: tuple[str, ...] = ()  # kept columns that stand first in a work list: names
    band_decisions: Mapping[str, str] = dataclasses.field(default_factory=dict)  # band -> what it means

    @property
    def names(self) -> list[str]:
        """Titles of all columns, in order."""
        return [*(self.titles.get(name, name) for name in ("lead_id", *self.columns)), *self.kept]


class Writer(Protocol):
    """A destination: `make` runs beside the reading, in any thread; `write` in the order of the leads."""

    n_guarded: int

    def make(self, scored: Scored) -> Any: ...  # noqa: D102
    def write(self, made: Any) -> None: ...  # noqa: D102


def batch_of(scored: Scored, layout: Layout, *, plain: bool = False) -> pa.RecordBatch:
    """Leads as rows: texts of the answers as dictionaries, so that each is kept once; or written out."""
    index, columns = number_array(scored.index), [scored.lead_id]
    for name in layout.columns:
        each = scored.answers.column(name)
        is_text = pa.types.is_dictionary(each.type)
        at = take(each.indices if is_text else each, index)
        if is_text:
            at = take(each.dictionary, at) if plain else pa.DictionaryArray.from_arrays(at, each.dictionary)
        columns.append(at)
    columns += [scored.kept[name] for name in layout.kept]
    return pa.RecordBatch.from_arrays(columns, names=layout.names)


def plain_value(value: Any) -> Any:
    """A value that JSON and a spreadsheet's cell can hold: dates as text, no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)


# ---------------------------------------------------------------- text


def side_by_side(columns: Sequence[tuple[pa.StringArray, npt.NDArray[np.int32]]]) -> memoryview:
    """Join the texts of columns row by row: each column is its texts and which of them a row has."""
    flat = np.empty((len(columns[0][1]), len(columns)), np.int32)
    start = 0
    for at, (texts, index) in enumerate(columns):
        np.add(index, start, out=flat[:, at])
        start += len(texts)
    taken = take(pa.concat_arrays([texts for texts, _ in columns]), number_array(flat.ravel()))
    end = int(np.frombuffer(taken.buffers()[1], np.int32)[flat.size])
    return memoryview(taken.buffers()[2] or b"")[:end]


_FIRST = np.isin(np.arange(256), [*b"=@+- \t\r\n\x0b\x0c\x1c\x1d\x1e\x1f", *"＝\u00a0\u1680\u3000\u200b".encode()])
"""First bytes of texts that `guard_formula` looks at twice."""


def guard(column: pa.Array) -> tuple[pa.Array, int]:
    """Put an apostrophe before every text that a spreadsheet would run; how many those are."""
    if pa.types.is_dictionary(column.type):
        texts, n = guard(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices, texts), n
    if not pa.types.is_string(column.type) or not len(column) or not column.buffers()[2]:
        return column, 0
    offsets = np.frombuffer(column.buffers()[1], np.int32, count=column.offset + len(column) + 1)
    starts = offsets[column.offset :]
    filled = np.flatnonzero(starts[:-1] < starts[1:])
    first = np.frombuffer(column.buffers()[2], np.uint8)[starts[filled]]
    pieces, before = [], 0
    for row in filled[_FIRST[first]].tolist():
        text = column[row].as_py()
        if text is not None and (guarded := guard_formula(text)) != text:
            pieces += [column.slice(before, row - before), text_array([guarded])]
            before = row + 1
    return pa.concat_arrays([*pieces, column.slice(before)]), len(pieces) // 2


class CsvLines:
    """CSV and TSV as pyarrow writes it: texts between quotes, numbers as they are, nothing for a null."""

    def __init__(self, layout: Layout, write: Callable[[Any], object], kind: str) -> None:
        self._layout, self._write, self.n_guarded = layout, write, 0
        self._mark = "\t" if kind == ".tsv" else ";" if layout.locale == "nl" else ","
        self._latest: tuple[pa.RecordBatch | None, Any] = (None, None)
        self._header = self._csv([guard(text_array([name]))[0] for name in layout.names])

    def make(self, scored: Scored) -> tuple[memoryview, int]:
        """The lines of leads, and how many cells of the input are guarded."""
        layout, (batch, lines) = self._layout, self._latest
        if batch is not scored.answers:  # else an earlier chunk had the same answers
            columns = [guard(scored.answers.column(name))[0] for name in layout.columns]
            lines = self._lines(columns, self._mark if layout.kept else "\n")
            self._latest = (scored.answers, lines)
        guarded = [guard(each) for each in (scored.lead_id, *(scored.kept[name] for name in layout.kept))]
        (lead_id, *kept), counts = zip(*guarded, strict=True)
        rows = np.arange(len(scored), dtype=np.int32)
        pieces = [(self._lines([lead_id], self._mark), rows), (lines, scored.index)]
        return side_by_side([*pieces, *([(self._lines(kept, "\n"), rows)] if kept else [])]), sum(counts)

    def write(self, made: tuple[memoryview, int]) -> None:
        """Write lines; before the first of them the header."""
        self.finish()
        self._write(made[0])
        self.n_guarded += made[1]

    def finish(self) -> None:
        """Write the header, unless it is there: not before something could be scored."""
        if self._header:
            self._write(self._header)
            self._header = b""

    def _csv(self, columns: Sequence[pa.Array]) -> Any:
        import pyarrow.csv

        sink = pa.BufferOutputStream()
        options = pyarrow.csv.WriteOptions(include_header=False, delimiter=self._mark)
        if self._layout.locale == "nl":
            import pyarrow.compute as pc

            is_real = [pa.types.is_floating(each.type) for each in columns]
            pairs = zip(columns, is_real, strict=True)
            columns = [pc.replace_substring(each.cast("string"), ".", ",") if real else each for each, real in pairs]
        batch = pa.RecordBatch.from_arrays(columns, names=[str(at) for at in range(len(columns))])
        pyarrow.csv.write_csv(batch, sink, options)
        return sink.getvalue().to_pybytes()

    def _lines(self, columns: Sequence[pa.Array], end: str) -> pa.StringArray:
        """The line of each row, with `end` behind it."""
        text = np.frombuffer(bytearray(self._csv(columns)), np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        if len(ends) != len(columns[0]):  # some line ends stand inside a text: behind an odd number of quotes
            ends = ends[np.cumsum(text == ord('"'), dtype=np.int32)[ends] % 2 == 0]
        text[ends] = ord(end)
        starts = np.append(0, ends + 1).astype(np.int32)
        return pa.StringArray.from_buffers(len(ends), pa.py_buffer(starts), pa.py_buffer(text))


class JsonLines:
    """One JSON object a line; dates as text, null for what is not known."""

    n_guarded = 0

    def __init__(self, layout: Layout, write: Callable[[Any], object]) -> None:
        self._layout, self._write = layout, write

    def make(self, scored: Scored) -> bytes:
        """The lines of leads."""
        rows = batch_of(scored, self._layout, plain=True).to_pylist()
        told = [{name: plain_value(value) for name, value in row.items()} for row in rows]
        return "".join(json.dumps(each, ensure_ascii=False, allow_nan=False) + "\n" for each in told).encode()

    def write(self, made: bytes) -> None:
        """Write lines."""
        self._write(made)

    def finish(self) -> None:
        """Nothing stands behind the last line."""


# ---------------------------------------------------------------- columns


class _Parquet:
    """Parquet in row groups of about `ROW_GROUP` rows."""

    n_guarded = 0

    def __init__(self, layout: Layout, where: Path) -> None:
        self._layout, self._where = layout, where
        self._waiting: list[pa.RecordBatch] = []
        self.file: Any = None

    def make(self, scored: Scored) -> pa.RecordBatch:
        return batch_of(scored, self._layout)

    def write(self, made: pa.RecordBatch) -> None:
        if self.file is None:
            import pyarrow.parquet

            # An identity hardly ever comes twice, and nothing is to be read back as a category.
            # Extremes of words that repeat help no reader, and take as long as the words.
            plain = [field.name for field in made.schema if not pa.types.is_dictionary(field.type)]
            often = made.schema.names[1:]
            self.file = pyarrow.parquet.ParquetWriter(
                self._where, made.schema, use_dictionary=often, write_statistics=plain, store_schema=False
            )
            self._schema = made.schema
        try:
            self._waiting.append(made.cast(self._schema))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:  # files of one folder need not agree
            raise InputError(
                f"a column changes its type from one file to the next ({error}); export them alike, or leave "
                "out --keep-columns"
            ) from None
        if sum(each.num_rows for each in self._waiting) >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting).unify_dictionaries()
            self.file.write_table(table, row_group_size=2 * ROW_GROUP)
            self._waiting.clear()


@contextlib.contextmanager
def open_parquet(where: Path, layout: Layout) -> Iterator[Writer]:
    """Write Parquet to a path."""
    writer = _Parquet(layout, where)
    try:
        yield writer
        writer.flush()
    finally:
        if writer.file is not None:
            writer.file.close()


class _Table:
    """A table of a database."""

    n_guarded = 0

    def __init__(self, connection: Any, name: str, schema: str | None, layout: Layout) -> None:
        self._connection, self._name, self._schema, self._layout = connection, name, schema, layout

    def make(self, scored: Scored) -> pa.RecordBatch:
        return batch_of(scored, self._layout, plain=True)

    def write(self, made: pa.RecordBatch) -> None:
        made.to_pandas().to_sql(self._name, self._connection, schema=self._schema, if_exists="append", index=False)


@contextlib.contextmanager
def open_table(url: str, name: str, layout: Layout) -> Iterator[Writer]:
    """Fill a table that is not there yet (SQLAlchemy), in one transaction: it is there when the block ends well."""
    import sqlalchemy as sa

    from leadml.data.sql import connect, shown_url

    engine = connect(url)
    schema, _, plain = name.rpartition(".")
    try:
        if sa.inspect(engine).has_table(plain, schema=schema or None):
            place = f"{name!r} is in {shown_url(url)} already"
            raise UsageError(f"--table: {place}; give another name, or drop it first")
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":  # whose driver would end the transaction before making the table
                connection.exec_driver_sql("BEGIN")
            yield _Table(connection, plain, schema or None, layout)
    except sa.exc.SQLAlchemyError as error:
        told = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise UsageError(f"--out: {shown_url(url)} refuses table {name!r}: {told}") from None
    finally:
        engine.dispose()
