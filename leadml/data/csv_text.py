"""CSV text as Arrow batches, in bounded memory: decoded, cut into whole records, parsed by threads."""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
import io
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from leadml.data.chunks import PACKINGS, Chunk, Fault, Reader, batch_of, in_order, note, open_binary
from leadml.data.csv_records import Block, RecordCutter
from leadml.data.mapping import ReadOptions
from leadml.data.sniff import HEAD_BYTES, sniff_text
from leadml.exceptions import InputError

PIECE_BYTES = 1 << 21  # read at once
MAX_ROW_BYTES = 1 << 22
_DISTINCT_SHARE = 0.3  # a column whose texts repeat less than so comes as plain text
_CP1252 = "not UTF-8: read as Windows-1252 (cp1252); check names with accents, or set read: {encoding: NAME}"


class CsvReader(Reader):
    """One CSV file, pipe or stream; every column is text. A stream is digested while it is read."""

    def __init__(self, name: str, where: Path | BinaryIO, options: ReadOptions) -> None:
        self._name, self._where = name, where
        self._file = where if isinstance(where, Path) and where.is_file() else None
        self._n_bytes = self._size = self._n_lines = 0
        try:
            self._stream = open_binary(where) if isinstance(where, Path) else where
            self._head = self._stream.read(HEAD_BYTES)
            if self._file is None:
                self.hash = hashlib.sha256(self._head)
            else:
                self._stream.close()
                self._size = 0 if self._file.suffix.lower() in PACKINGS else self._file.stat().st_size
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror or error}); check the file") from None
        self._text = sniff_text(self._head, options, name, complete=len(self._head) < HEAD_BYTES)
        super().__init__(self._text.header, self._text.format, self._chunks, self._text.notes)
        self._may_switch = options.encoding is None
        if self._may_switch and self.format.encoding == "cp1252":
            self.notes.append(note(_CP1252))

    def _chunks(self, columns: list[str]) -> Iterator[Chunk]:
        """Read columns; ragged rows and open quotes are faults."""
        # Names of our own: the header may leave names empty in columns that nobody reads.
        wanted = {f"c{self.columns.index(column)}": column for column in columns}
        types: dict[str, pa.DataType] = dict.fromkeys(wanted, pa.dictionary(pa.int32(), pa.string()))
        try:
            for _, chunk in in_order(lambda block: self._parse(block, wanted, types), self._blocks()):
                self.share = min(self._n_bytes / self._size, 1.0) if self._size else None
                yield chunk
        except OSError as error:
            raise InputError(f"{self._name}: cannot be read to its end ({error}); check the file") from None

    def _parse(self, block: Block, wanted: dict[str, str], types: dict[str, pa.DataType]) -> Chunk:
        """Parse a block; columns whose texts repeat come as dictionaries, the others as text from the next block on."""
        import pyarrow.csv

        faults, skipped = [*block.faults], list[int]()

        def reject(row: Any) -> str:
            skipped.append(row.number - 1)
            reason = f"has {row.actual_columns} cells where the header has {row.expected_columns}"
            number = int(block.rows[row.number - 1])
            faults.append(Fault(number, "", row.text[:400], f"{reason}; check quotes and delimiters"))
            return "skip"

        names = [f"c{i}" for i in range(len(self.columns))]
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block.content),
            # With threads, a ragged row would not know its number.
            pyarrow.csv.ReadOptions(use_threads=False, block_size=len(block.content) + 1, column_names=names),
            pyarrow.csv.ParseOptions(
                delimiter=self.format.delimiter,
                quote_char=self.format.quote if block.has_quotes else False,
                newlines_in_values=block.has_line_ends,
                invalid_row_handler=reject,
            ),
            pyarrow.csv.ConvertOptions(
                check_utf8=False,  # done before
                column_types=types,
                # Without a column wanted, one is read all the same, for its number of rows.
                include_columns=list(wanted) or names[:1],
                strings_can_be_null=False,
                null_values=[],
            ),
        )
        arrays = [each.combine_chunks() for each in table.columns[: len(wanted)]]
        for name, array in zip(wanted, arrays, strict=True):
            if types[name] != pa.string() and len(array.dictionary) > _DISTINCT_SHARE * len(array):
                types[name] = pa.string()
        rows = np.delete(block.rows, skipped) if skipped else block.rows
        return Chunk(batch_of(arrays, list(wanted.values()), len(rows)), rows, sorted(faults))

    def _blocks(self) -> Iterator[Block]:
        form, rest, skip = self.format, b"", self._text.n_lines
        cutter = RecordCutter(form.delimiter, form.quote, len(self.columns), self._text.sample, form.header_row)
        for text in chain(self._decoded(), [None]):
            content = rest + (text or b"")
            while skip and (end := content.find(b"\n") + 1):
                content, skip = content[end:], skip - 1
            if skip or not content:
                rest, self._n_lines = content, self._text.n_lines - skip
                continue
            block, n_used = cutter.cut(content, is_last=text is None)
            rest = content[n_used:]
            self._n_lines = self._text.n_lines + cutter.n_lines + rest.count(b"\n")
            if len(block.rows) or block.faults:
                yield block
            if len(rest) > MAX_ROW_BYTES:
                raise InputError(f"{self._name}: one row is longer than 4 MB; valid: text with line ends")

    def _decoded(self) -> Iterator[bytes]:
        """The text as UTF-8, in pieces, every line ending in a line feed."""
        encoding = self.format.encoding.replace("utf-8", "utf-8-sig")
        decoder, newlines = codecs.getincrementaldecoder(encoding)(), io.IncrementalNewlineDecoder(None, translate=True)
        is_ascii, is_plain = True, encoding in ("utf-8-sig", "cp1252")
        stream = self._stream if self._file is None else open_binary(self._file)

        def read() -> bytes:
            piece = stream.read(PIECE_BYTES)
            self._n_bytes += len(piece)
            if self._file is None:
                self.hash.update(piece)
            return piece

        pieces = chain([self._head] if self._file is None else [], iter(read, b""), [b""])
        with nullcontext() if stream is self._where else stream:  # standard input stays open
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
                    line = self._n_lines + before.count(b"\n") + 1
                    raise InputError(
                        f"{self._name}: line {line} holds bytes that are not {self.format.encoding}"
                        f" (0x{found[:4].hex().upper()}); valid: one encoding throughout; set read.encoding in the"
                        " mapping, or save the file as UTF-8"
                    ) from None
                is_ascii = is_ascii and (is_plain or text.isascii())
                yield text
