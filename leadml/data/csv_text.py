"""CSV text as Arrow batches, in bounded memory: decoded, cut into whole records, parsed by threads."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import hashlib
import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.chunks import PACKINGS, Chunk, Fault, Reader, batch_of, note, open_binary
from leadml.data.csv_records import RECORD_BYTES, Block, RecordCutter
from leadml.data.sniff import HEAD_BYTES, bad_bytes, sniff_text
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from leadml.data.mapping import ReadOptions

PIECE_BYTES = 1 << 21  # read at once
_DISTINCT_SHARE = 0.3  # a column whose texts repeat less than so comes as plain text
_CP1252 = "not UTF-8: read as Windows-1252 (cp1252); check names with accents, or set read: {encoding: NAME}"
_BARE_CR = re.compile(rb"\r(?!\n)")
T = TypeVar("T")
R = TypeVar("R")


class CsvReader(Reader):
    """One CSV file, pipe or stream; every column is text. A stream is digested while it is read."""

    def __init__(self, name: str, where: Path | BinaryIO, options: ReadOptions, delimiter: str | None = None) -> None:
        self._name, self._path = name, where if isinstance(where, Path) and where.is_file() else None
        self._n_bytes, self._size, self._head = 0, 0, b""
        self._is_own = isinstance(where, Path)  # standard input stays open
        try:
            stream = open_binary(where) if isinstance(where, Path) else where
            head = stream.read(HEAD_BYTES)
            if self._path is None:
                self.hash = hashlib.sha256()
                self._stream, self._head = stream, head
            else:
                stream.close()
                self._size = 0 if self._path.suffix.lower() in PACKINGS else self._path.stat().st_size
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror or error}); check the file") from None
        delimiter = options.delimiter or delimiter
        text = sniff_text(head, options, name, complete=len(head) < HEAD_BYTES, delimiter=delimiter)
        self.columns, self.format, self.notes = text.header, text.format, [*text.notes]
        self._sample, self._n_lines = text.sample, text.n_lines
        self._may_switch = options.encoding is None
        if self._may_switch and text.format.encoding == "cp1252":
            self.notes.append(note(_CP1252))

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order; ragged rows and open quotes are faults."""
        parser = _Parser(self.columns, columns, self.format.delimiter, self.format.quote)
        encoding = self.format.encoding
        parser.encoding = "cp1252" if encoding == "cp1252" else "utf-8"  # all else is decoded before
        row, non_ascii = self.format.header_row, not "".join(self.columns).isascii()
        try:
            for block, parsed in in_order(parser.parse, self._blocks()):
                if parsed.bad and self._may_switch and encoding == "utf-8" and not non_ascii:
                    # All that came before is written the same in both.
                    encoding = parser.encoding = "cp1252"
                    self.format = dataclasses.replace(self.format, encoding=encoding)
                    self.notes.append(note(_CP1252))
                if not parsed.is_ascii and parsed.encoding != parser.encoding:
                    parsed = parser.parse(block)
                if parsed.bad:
                    at, found = parsed.bad
                    raise InputError(bad_bytes(self._name, row + at, found, encoding))
                non_ascii |= not parsed.is_ascii
                faults = [fault._replace(row=fault.row + row) for fault in parsed.faults]
                self.share = min(self._n_bytes / self._size, 1.0) if self._size else None
                yield Chunk(parsed.table, parsed.rows + row, faults)
                row += parsed.n_rows
        except OSError as error:
            raise InputError(f"{self._name}: cannot be read to its end ({error}); check the file") from None

    def _blocks(self) -> Iterator[Block]:
        cutter = RecordCutter(self.format.delimiter, self.format.quote, len(self.columns), self._sample)
        rest, skip = b"", self._n_lines
        for piece in chain(self._text_pieces(), [None]):
            content = rest + (piece or b"")
            while skip and (end := content.find(b"\n") + 1):
                content, skip = content[end:], skip - 1
            if skip or not content:
                rest = b"" if piece is None else content
                continue
            block, n_used = cutter.cut(content, is_last=piece is None)
            rest = content[n_used:]
            if block.content or block.n_rows:
                yield block
            if len(rest) > PIECE_BYTES + 2 * RECORD_BYTES:
                raise InputError(
                    f"{self._name}: one row is longer than {len(rest) >> 20} MB; valid: text with line ends"
                )

    def _text_pieces(self) -> Iterator[bytes]:
        """The text as UTF-8 (cp1252: as it is, decoded with its block), every line ending in a line feed."""
        decoder, encoding = None, self.format.encoding
        if encoding not in ("utf-8", "cp1252"):
            decoder = codecs.getincrementaldecoder(encoding)()
        n_lines, held, is_first = 0, b"", True
        for piece in self._pieces():
            text = piece
            if decoder is not None:
                try:
                    text = decoder.decode(piece, final=not piece).encode()
                except UnicodeDecodeError as error:
                    before = error.object[: error.start].decode(encoding, "replace").count("\n")
                    found = error.object[error.start : error.end]
                    raise InputError(bad_bytes(self._name, n_lines + before + 1, found, encoding)) from None
                n_lines += text.count(b"\n")
            text = held + (text.removeprefix(codecs.BOM_UTF8) if is_first else text)
            held = b"\r" if piece and text.endswith(b"\r") else b""  # a line feed may follow
            text = text[: len(text) - len(held)]
            if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
                text = _BARE_CR.sub(b"\n", text)
            yield text
            is_first = False

    def _pieces(self) -> Iterator[bytes]:
        """The bytes from their beginning; an empty piece is the end."""
        stream = self._stream if self._path is None else open_binary(self._path)
        with stream if self._is_own else nullcontext(stream):
            for piece in chain([self._head] * bool(self._head), iter(lambda: stream.read(PIECE_BYTES), b"")):
                if self._path is None:
                    self.hash.update(piece)
                self._n_bytes += len(piece)
                yield piece
        yield b""


class _Parsed(NamedTuple):
    """A block as a table; rows and faults are numbered from 1; `bad`: row and bytes in another encoding."""

    table: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    n_rows: int
    faults: Sequence[Fault]
    is_ascii: bool
    encoding: str
    bad: tuple[int, bytes] | None = None


class _Parser:
    """Parses blocks by `pyarrow.csv`; columns whose texts repeat in the first block come as dictionaries."""

    def __init__(self, header: Sequence[str], columns: Sequence[str], delimiter: str, quote: str) -> None:
        # Names of our own: the header may leave names empty in columns that nobody reads.
        self._names = [f"c{i}" for i in range(len(header))]
        self._wanted = [self._names[header.index(column)] for column in columns]
        self._columns, self._delimiter, self._quote = columns, delimiter, quote
        kind = pa.dictionary(pa.int32(), pa.string())
        self._types = dict.fromkeys(self._wanted, kind)
        self._is_first, self.encoding = True, "utf-8"

    def parse(self, block: Block) -> _Parsed:
        """Parse a block, in any thread."""
        import pyarrow.csv as pc

        content, encoding = block.content, self.encoding
        is_ascii = content.isascii() and b"\0" not in content
        if not is_ascii:
            try:
                text = content.decode(encoding)
                at = text.find("\0")
                found = (len(text[:at].encode(encoding)), b"\0") if at >= 0 else None
            except UnicodeDecodeError as error:
                found = (error.start, content[error.start : error.end])
            if found is not None:
                bad = (_row_at(block, found[0], self._delimiter, self._quote), found[1])
                return _Parsed(batch_of([], [], 0), np.zeros(0, np.int64), 0, (), is_ascii, encoding, bad)
            content = content if encoding == "utf-8" else text.encode()
        ragged: list[Fault] = []

        def reject(row: Any) -> str:
            reason = f"has {row.actual_columns} cells where the header has {row.expected_columns}"
            ragged.append(Fault(row.number, row.text[:400], f"{reason}; check quotes and delimiters"))
            return "skip"

        if content:
            table = pc.read_csv(pa.BufferReader(content), **self._options(block, len(content), reject))
        else:
            table = pa.table({name: pa.nulls(0, pa.string()) for name in self._names})
        columns = table.columns[: len(self._wanted)]
        arrays = [each.chunk(0) if each.num_chunks == 1 else each.combine_chunks() for each in columns]
        if self._is_first and table.num_rows:
            self._choose_types(arrays)
        n = table.num_rows + len(ragged)
        numbers = np.arange(1, n + 1) if block.rows is None else block.rows
        faults = [fault._replace(row=int(numbers[fault.row - 1])) for fault in ragged]
        return _Parsed(
            batch_of(arrays, self._columns, table.num_rows),
            np.delete(numbers, [fault.row - 1 for fault in ragged]),
            n if block.rows is None else block.n_rows,
            sorted([*faults, *block.faults]),
            is_ascii,
            encoding,
        )

    def _options(self, block: Block, size: int, reject: Callable[[Any], str]) -> dict[str, Any]:
        import pyarrow.csv as pc

        return {
            # With threads, a ragged row would not know its number.
            "read_options": pc.ReadOptions(use_threads=False, block_size=size + 1, column_names=self._names),
            "parse_options": pc.ParseOptions(
                delimiter=self._delimiter,
                quote_char=self._quote if block.has_quotes else False,
                newlines_in_values=block.has_line_ends,
                invalid_row_handler=reject,
            ),
            "convert_options": pc.ConvertOptions(
                check_utf8=False,  # done before
                column_types=self._types,
                # Without a column wanted, one is read all the same, for its number of rows.
                include_columns=self._wanted or self._names[:1],
                strings_can_be_null=False,
                null_values=[],
            ),
        }

    def _choose_types(self, arrays: Sequence[pa.DictionaryArray]) -> None:
        for name, array in zip(self._wanted, arrays, strict=True):
            if len(array.dictionary) > _DISTINCT_SHARE * len(array):
                self._types[name] = pa.string()
        self._is_first = False


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Work on items in threads, a few ahead, and give each with its result in order; the first one alone."""
    remaining = iter(items)
    for item in remaining:
        yield item, work(item)
        break
    following = next(remaining, None)
    if following is None:
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    n_threads = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 4)
    begun: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(n_threads, "leadml-csv") as pool:
        try:
            for item in chain([following], remaining):
                begun.append((item, pool.submit(work, item)))
                if len(begun) > n_threads:
                    done, future = begun.popleft()
                    yield done, future.result()
            while begun:
                done, future = begun.popleft()
                yield done, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _row_at(block: Block, position: int, delimiter: str, quote: str) -> int:
    """The row in which a byte of a block stands."""
    before = io.StringIO(block.content[: position + 1].decode("latin-1"), newline="")
    at = sum(1 for _ in csv.reader(before, delimiter=delimiter, quotechar=quote))
    return at if block.rows is None else int(block.rows[at - 1])
