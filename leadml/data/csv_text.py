"""CSV text as Arrow batches, in bounded memory: decoded, cut into whole records, parsed by threads."""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa

from leadml.data.cells import Ints64
from leadml.data.chunks import PACKINGS, Chunk, Fault, Reader, batch_of, in_order, note, open_binary
from leadml.data.csv_records import Block, RecordCutter
from leadml.data.sniff import HEAD_BYTES, sniff_text
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from leadml.data.mapping import ReadOptions

PIECE_BYTES = 1 << 21  # read at once
MAX_ROW_BYTES = 1 << 22
_DISTINCT_SHARE = 0.3  # a column whose texts repeat less than so comes as plain text
_CP1252 = "not UTF-8: read as Windows-1252 (cp1252); check names with accents, or set read: {encoding: NAME}"


class CsvReader(Reader):
    """One CSV file, pipe or stream; every column is text. A stream is digested while it is read."""

    def __init__(self, name: str, where: Path | BinaryIO, options: ReadOptions, delimiter: str | None = None) -> None:
        self._name, self._path = name, where if isinstance(where, Path) and where.is_file() else None
        self._is_own = isinstance(where, Path)  # standard input stays open
        self._n_bytes, self._size = 0, 0
        try:
            self._stream = open_binary(where) if isinstance(where, Path) else where
            self._head = self._stream.read(HEAD_BYTES)
            if self._path is None:
                self.hash = hashlib.sha256()
            else:
                self._stream.close()
                self._size = 0 if self._path.suffix.lower() in PACKINGS else self._path.stat().st_size
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror or error}); check the file") from None
        complete, delimiter = len(self._head) < HEAD_BYTES, options.delimiter or delimiter
        self._text = sniff_text(self._head, options, name, complete=complete, delimiter=delimiter)
        super().__init__(self._text.header, self._text.format, self._text.notes)
        self._may_switch = options.encoding is None
        if self._path is not None:
            self._head = b""
        if self._may_switch and self.format.encoding == "cp1252":
            self.notes.append(note(_CP1252))

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order; ragged rows and open quotes are faults."""
        parse, row = _Parser(self.columns, columns, self.format.delimiter), self.format.header_row
        try:
            for _, (table, rows, faults, n_rows) in in_order(parse, self._blocks()):
                self.share = min(self._n_bytes / self._size, 1.0) if self._size else None
                yield Chunk(table, rows + row, [fault._replace(row=fault.row + row) for fault in faults])
                row += n_rows
        except OSError as error:
            raise InputError(f"{self._name}: cannot be read to its end ({error}); check the file") from None

    def _blocks(self) -> Iterator[Block]:
        cutter = RecordCutter(self.format.delimiter, len(self.columns), self._text.sample)
        rest, skip = b"", self._text.n_lines
        for piece in chain(self._decoded(), [None]):
            content = rest + (piece or b"")
            while skip and (end := content.find(b"\n") + 1):
                content, skip = content[end:], skip - 1
            if skip or not content:
                rest = content
                continue
            block, n_used = cutter.cut(content, is_last=piece is None)
            rest = content[n_used:]
            if block.content:
                yield block
            if len(rest) > MAX_ROW_BYTES:
                raise InputError(f"{self._name}: one row is longer than 4 MB; valid: text with line ends")

    def _decoded(self) -> Iterator[bytes]:
        """The text as UTF-8, every line ending in a line feed."""
        encoding = self.format.encoding.replace("utf-8", "utf-8-sig")
        decoder, newlines = codecs.getincrementaldecoder(encoding)(), io.IncrementalNewlineDecoder(None, translate=True)
        n_lines, is_ascii, is_plain = 0, True, encoding in ("utf-8-sig", "cp1252")
        pieces = self._pieces()
        while (piece := next(pieces, None)) is not None:
            is_plain = is_plain and piece.isascii() and b"\r" not in piece
            try:
                text = piece if is_plain else newlines.decode(decoder.decode(piece, not piece), not piece).encode()
            except UnicodeDecodeError as error:
                before, found = error.object[: error.start], error.object[error.start : error.end]
                if self._may_switch and encoding == "utf-8-sig" and is_ascii and before.isascii():
                    # All that came before is written the same in both.
                    self.format = dataclasses.replace(self.format, encoding=(encoding := "cp1252"))
                    self.notes.append(note(_CP1252))
                    decoder, pieces = codecs.getincrementaldecoder(encoding)(), chain([error.object], pieces)
                    continue
                line = n_lines + before.count(b"\n") + 1
                raise InputError(
                    f"{self._name}: line {line} holds bytes that are not {self.format.encoding}"
                    f" (0x{found[:4].hex().upper()}); valid: one encoding throughout; set read.encoding in the mapping,"
                    " or save the file as UTF-8"
                ) from None
            n_lines, is_ascii = n_lines + text.count(b"\n"), is_ascii and (is_plain or text.isascii())
            yield text

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


class _Parser:
    """Parses blocks by `pyarrow.csv`; columns whose texts repeat in the first block come as dictionaries."""

    def __init__(self, header: Sequence[str], columns: Sequence[str], delimiter: str) -> None:
        # Names of our own: the header may leave names empty in columns that nobody reads.
        self._names = [f"c{i}" for i in range(len(header))]
        self._wanted = [self._names[header.index(column)] for column in columns]
        self._columns, self._delimiter, self._types = columns, delimiter, dict[str, pa.DataType]()

    def __call__(self, block: Block) -> tuple[pa.RecordBatch, Ints64, list[Fault], int]:
        """Parse a block: a table, the numbers of its rows from 1, faults, and how many records there are."""
        import pyarrow.csv

        faults: list[Fault] = []
        skipped: list[int] = []

        def reject(row: Any) -> str:
            skipped.append(row.number)
            text, reason = block.skipped.get(row.number, (row.text[:400], ""))
            if row.number not in block.skipped:
                reason = f"has {row.actual_columns} cells where the header has {row.expected_columns}"
                faults.append(Fault(row.number, text, f"{reason}; check quotes and delimiters"))
            elif text:
                faults.append(Fault(row.number, text, reason))
            return "skip"

        if not self._types:
            self._types = dict.fromkeys(self._wanted, pa.dictionary(pa.int32(), pa.string()))
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block.content),
            # With threads, a ragged row would not know its number.
            pyarrow.csv.ReadOptions(use_threads=False, block_size=len(block.content) + 1, column_names=self._names),
            pyarrow.csv.ParseOptions(
                delimiter=self._delimiter,
                quote_char='"' if block.has_quotes else False,
                newlines_in_values=block.has_line_ends,
                invalid_row_handler=reject,
            ),
            pyarrow.csv.ConvertOptions(
                check_utf8=False,  # done before
                column_types=self._types,
                # Without a column wanted, one is read all the same, for its number of rows.
                include_columns=self._wanted or self._names[:1],
                strings_can_be_null=False,
                null_values=[],
            ),
        )
        n_records = table.num_rows + len(skipped)
        rows = np.delete(np.arange(1, n_records + 1), [number - 1 for number in skipped])
        arrays = [each.combine_chunks() for each in table.columns[: len(self._wanted)]]
        for name, array in zip(self._wanted, arrays, strict=True):
            if self._types[name] != pa.string() and len(array.dictionary) > _DISTINCT_SHARE * len(array):
                self._types[name] = pa.string()
        return batch_of(arrays, self._columns, len(rows)), rows, faults, n_records
