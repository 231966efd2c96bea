"""Writers of scored leads: CSV, TSV, JSON lines, Parquet; Excel has a file of its own.

A destination is checked before anything is read, written whole or not at all, and swept after a kill. A lead's
answers depend on its pattern of levels alone, so text is made once a pattern. The lines of a chunk are one `take` of
identities and pattern texts, side by side: the taken buffer is what the file holds.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from leadml.card.files import sweep
from leadml.data.cells import number_array, pc, take, text_array
from leadml.data.rejections import guard_formula
from leadml.exceptions import InputError, UsageError

if TYPE_CHECKING:
    from leadml.scoring.scorer import Scored

TEXTS = (".csv", ".tsv", ".jsonl")
ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx")
PACKINGS = {".gz": "gzip", ".zst": "zstd"}
ROW_GROUP = 1 << 18
"""Rows a row group of a Parquet file has, about."""


class Layout(NamedTuple):
    """What is written: columns of the answers, kept columns, their titles, the locale, words for Excel."""

    columns: tuple[str, ...]
    kept: tuple[str, ...] = ()
    titles: Mapping[str, str] = {}
    locale: str = "en"
    first: tuple[str, ...] = ()  # kept columns that stand first in a work list: names
    band_decisions: Mapping[str, str] = {}  # band -> what it means
    digits: int | None = None  # of a chance; None: all

    @property
    def names(self) -> list[str]:
        """Titles of all columns, in order."""
        return [*(self.titles.get(name, name) for name in ("lead_id", *self.columns)), *self.kept]

    def answer(self, scored: Scored, name: str) -> pa.Array:
        """A column of the answers, as it is written."""
        column = scored.answers.column(name)
        is_rounded = self.digits is not None and pa.types.is_floating(column.type)
        return pc.round(column, self.digits) if is_rounded else column


class Writer:
    """A destination: `make` runs beside the reading, in any thread; `write` in the order of the leads."""

    n_guarded = 0

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def make(self, scored: Scored) -> Any:  # noqa: D102
        return batch_of(scored, self.layout, plain=True)

    def write(self, made: Any) -> None:  # noqa: D102
        raise NotImplementedError

    def finish(self) -> None:
        """All has been written."""


def batch_of(scored: Scored, layout: Layout, *, plain: bool = False) -> pa.RecordBatch:
    """Leads as rows: texts of the answers as dictionaries, so that each is kept once; or written out."""
    index, answers = number_array(scored.pattern), []
    for name in layout.columns:
        each = layout.answer(scored, name)
        is_text = pa.types.is_dictionary(each.type)
        at = take(each.indices if is_text else each, index)
        if is_text:
            at = take(each.dictionary, at) if plain else pa.DictionaryArray.from_arrays(at, each.dictionary)
        answers.append(at)
    lead_id, *kept = scored.own.columns
    return pa.RecordBatch.from_arrays([lead_id, *answers, *(kept if layout.kept else ())], names=layout.names)


def plain_value(value: Any) -> Any:
    """A value that JSON and a spreadsheet's cell can hold: dates as text, no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)


# ---------------------------------------------------------------- text

_FIRST = np.isin(np.arange(256), [*b"=@+- \t\r\n\x0b\x0c\x1c\x1d\x1e\x1f", *"＝\u00a0\u1680\u3000\u200b".encode()])
"""First bytes of texts that `guard_formula` looks at twice."""


def guard(column: pa.Array) -> tuple[pa.Array, int]:
    """Put an apostrophe before every text that a spreadsheet would run; how many those are."""
    if pa.types.is_dictionary(column.type):
        texts, n = guard(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices, texts), n
    if not pa.types.is_string(column.type) or not len(column) or not column.buffers()[2]:
        return column, 0
    starts = np.frombuffer(column.buffers()[1], np.int32, count=column.offset + len(column) + 1)[column.offset :]
    filled = np.flatnonzero(starts[:-1] < starts[1:])
    first = np.frombuffer(column.buffers()[2], np.uint8)[starts[filled]]
    looked_at = filled[_FIRST[first]].tolist()
    texts, n = column.to_pylist() if looked_at else [], 0
    for row in looked_at:
        guarded = guard_formula(texts[row] or "")
        if guarded != (texts[row] or ""):
            texts[row], n = guarded, n + 1
    return (text_array(texts) if n else column), n


class CsvLines(Writer):
    """CSV and TSV as pyarrow writes it: texts between quotes, numbers as they are, nothing for a null."""

    def __init__(self, layout: Layout, write: Callable[[Any], object], kind: str) -> None:
        super().__init__(layout if layout.locale == "en" else layout._replace(digits=4))  # a locale is for people
        self._write = write
        self._mark = "\t" if kind == ".tsv" else ";" if layout.locale == "nl" else ","
        self._latest: tuple[pa.RecordBatch | None, Any] = (None, None)
        titles = (guard_formula(name).replace('"', '""') for name in layout.names)
        # Excel takes accents for what they are behind a byte-order mark alone.
        encoding = "utf-8" if layout.locale == "en" else "utf-8-sig"
        self._header = (self._mark.join(f'"{title}"' for title in titles) + "\n").encode(encoding)

    def make(self, scored: Scored) -> tuple[memoryview, int]:
        """The lines of leads, and how many cells of the input are guarded."""
        layout, (answers, lines) = self.layout, self._latest
        if answers is not scored.answers:  # else an earlier chunk had the same answers
            columns = [guard(layout.answer(scored, name))[0] for name in layout.columns]
            lines = self._lines(columns, self._mark if layout.kept else "\n")
            self._latest = (scored.answers, lines)
        own = scored.own.columns if layout.kept else scored.own.columns[:1]
        (lead_id, *kept), counts = zip(*map(guard, own), strict=True)
        rows = np.arange(len(lead_id), dtype=np.int32)
        pieces = [(self._lines([lead_id], self._mark), rows), (lines, scored.pattern)]
        pieces += [(self._lines(kept, "\n"), rows)] if kept else []
        # Taken one after another, the pieces of a row lie side by side.
        starts = np.cumsum([0, *(len(texts) for texts, _ in pieces[:-1])], dtype=np.int32)
        at = np.stack([index + start for (_, index), start in zip(pieces, starts, strict=True)], axis=1).ravel()
        taken = take(pa.concat_arrays([texts for texts, _ in pieces]), number_array(at))
        end = int(np.frombuffer(taken.buffers()[1], np.int32)[at.size])
        return memoryview(taken.buffers()[2] or b"")[:end], sum(counts)

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

    def _lines(self, columns: Sequence[pa.Array], end: str) -> pa.StringArray:
        """The line of each row, with `end` behind it."""
        import pyarrow.csv

        if self.layout.locale == "nl":
            is_real = [pa.types.is_floating(each.type) for each in columns]
            pairs = zip(columns, is_real, strict=True)
            columns = [pc.replace_substring(each.cast("string"), ".", ",") if real else each for each, real in pairs]
        sink, options = pa.BufferOutputStream(), pyarrow.csv.WriteOptions(include_header=False, delimiter=self._mark)
        batch = pa.RecordBatch.from_arrays(columns, names=[str(at) for at in range(len(columns))])
        pyarrow.csv.write_csv(batch, sink, options)
        text = np.array(np.frombuffer(sink.getvalue(), np.uint8))
        ends = np.flatnonzero(text == ord("\n"))
        if len(ends) != len(columns[0]):  # some line ends stand inside a text: behind an odd number of quotes
            ends = ends[np.cumsum(text == ord('"'), dtype=np.int32)[ends] % 2 == 0]
        text[ends] = ord(end)
        starts = np.append(0, ends + 1).astype(np.int32)
        return pa.StringArray.from_buffers(len(ends), pa.py_buffer(starts), pa.py_buffer(text))


class JsonLines(Writer):
    """One JSON object a line; dates as text, null for what is not known."""

    def __init__(self, layout: Layout, write: Callable[[Any], object], _kind: str) -> None:
        super().__init__(layout)
        self._write = write

    def make(self, scored: Scored) -> bytes:
        """The lines of leads."""
        rows = super().make(scored).to_pylist()
        told = [{name: plain_value(value) for name, value in row.items()} for row in rows]
        return "".join(json.dumps(each, ensure_ascii=False, allow_nan=False) + "\n" for each in told).encode()

    def write(self, made: bytes) -> None:
        """Write lines."""
        self._write(made)


# ---------------------------------------------------------------- columns


class ParquetRows(Writer):
    """Parquet in row groups of about `ROW_GROUP` rows."""

    def __init__(self, layout: Layout, path: Path) -> None:
        super().__init__(layout)
        self._path, self._waiting = path, list[pa.RecordBatch]()
        self.file: Any = None

    def make(self, scored: Scored) -> pa.RecordBatch:
        """Rows whose texts stand in dictionaries."""
        return batch_of(scored, self.layout)

    def write(self, made: pa.RecordBatch) -> None:
        """Write a row group, where enough rows wait."""
        if self.file is None:
            import pyarrow.parquet

            # An identity hardly ever comes twice, and nothing is to be read back as a category.
            # Extremes of words that repeat help no reader, and take as long as the words.
            plain = [field.name for field in made.schema if not pa.types.is_dictionary(field.type)]
            often = made.schema.names[1:]
            self.file = pyarrow.parquet.ParquetWriter(
                self._path, made.schema, use_dictionary=often, write_statistics=plain, store_schema=False
            )
        try:
            self._waiting.append(made if made.schema == self.file.schema else made.cast(self.file.schema))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:  # files of one folder need not agree
            raise InputError(
                f"a column changes its type from one file to the next ({error}); export them alike, or leave "
                "out --keep-columns"
            ) from None
        if sum(each.num_rows for each in self._waiting) >= ROW_GROUP:
            self.finish()

    def finish(self) -> None:
        """Write the rows that wait."""
        if self._waiting:
            table = pa.Table.from_batches(self._waiting).unify_dictionaries()
            self.file.write_table(table, row_group_size=2 * ROW_GROUP)
            self._waiting.clear()

    def close(self) -> None:
        """Close the file, where there is one."""
        if self.file is not None:
            self.file.close()


# ---------------------------------------------------------------- destinations


def kind_of_out(out: str) -> tuple[str, str]:
    """The ending that says how to write (.csv for standard output), and how it is packed."""
    packing = PACKINGS.get(Path(out).suffix, "")
    return ".csv" if out == "-" else Path(Path(out).stem if packing else out).suffix.lower(), packing


def check_out(out: str, source: object = None, option: str = "--out") -> None:
    """Refuse a destination before anything is read, and sweep what a killed run left beside it."""
    kind, packing = kind_of_out(out)
    if out == "-":
        return
    if kind not in (TEXTS if packing else ENDINGS):
        raise UsageError(
            f"{option}: got {out!r}, valid endings are {', '.join(ENDINGS)}, text also packed as .csv.gz or "
            ".csv.zst, or - for standard output (CSV)"
        )
    path, folder = Path(out), check_parent(out, option)
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder; give the name of a file in it")
    if not os.access(path if path.exists() and not path.is_file() else folder, os.W_OK):
        raise UsageError(f"{option}: {folder} cannot be written to; give another folder or its permission")
    given = isinstance(source, str | os.PathLike) and path.exists() and Path(source).exists()
    if given and path.samefile(cast(str, source)):
        raise UsageError(f"{option}: {out!r} is the input itself; give another file")
    sweep(folder)


def check_parent(out: str, option: str = "--out") -> Path:
    """Refuse a destination whose folder is not there."""
    path = Path(out).absolute()
    if not path.parent.is_dir():
        raise UsageError(f"{option}: {path.parent} is no folder to write {path.name!r} in; make it first")
    return path.parent
