"""Where records of CSV text begin and end, quotes that are left open included.

A quote that is never closed, or closed some rows further down, would swallow records: one row where the file
holds many. Text is cut into blocks of whole records. A block whose quotes all stand around whole cells, and
in which no cell swallows a record, goes to Arrow as it is; any other is gone through line by line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.data.chunks import Fault

RECORD_BYTES = 1 << 20  # a quote that is open for longer is never closed
OPEN_QUOTE = (
    "opens a quote that does not close in it, so that a cell would swallow the rows below;"
    " close the quote, or double it where it is meant"
)
_ENOUGH = 20  # so many records tell what kinds of cells a column holds
_NUMBER = re.compile(rb"[\s\d.,:/%+-]*\d[\s\d.,:/%+-]*")


class Block(NamedTuple):
    """Records: `rows` numbers them where blank lines or faults stand between; else they count from 1."""

    content: bytes
    has_quotes: bool = False
    has_line_ends: bool = False  # inside cells
    rows: npt.NDArray[np.int64] | None = None
    n_rows: int = 0
    faults: Sequence[Fault] = ()


class RecordCutter:
    """Cuts text of one format into blocks; `sample` holds records that show what cells a column holds."""

    def __init__(self, delimiter: str, quote: str, n_columns: int, sample: Sequence[Sequence[str]]) -> None:
        self._quote, self._delimiter, self._n = quote.encode(), delimiter.encode(), n_columns
        q, d = re.escape(self._quote), re.escape(self._delimiter)
        # Arrow's rules: a quote opens a cell only as its first character, and two of them are one in it.
        inside, plain = rb"(?:[^%b]++|%b%b)*+" % (q, q, q), rb"[^%b%b][^%b]*+|" % (q, d, d)
        lenient = rb"(?:%b%b%b[^%b]*+|%b)" % (q, inside, q, d, plain)
        strict = rb"(?:%b%b%b(?=%b|$)|%b)" % (q, inside, q, d, plain)
        self._opens = re.compile(rb"(?s:(?:%b%b)*+%b%b)" % (lenient, d, q, inside))
        self._stays_open = re.compile(rb"(?s:%b(?:%b(?:%b%b)*+%b%b)?+)" % (inside, q + d, strict, d, q, inside))
        self._closes = re.compile(rb"(?s:%b%b(?:%b%b)*+)" % (inside, q, d, strict))
        self._cell = re.compile(rb"(?s:(?:^|%b)(%b))" % (d, strict))
        clean = [[cell.encode() for cell in cells] for cells in sample if len(cells) == n_columns]
        clean = [cells for cells in clean if not any(b"\n" in cell for cell in cells)]
        columns = list(zip(*clean, strict=True)) or [()] * n_columns
        self._may_be_padded = [2 * sum(cell[:1].isspace() for cell in column) >= len(column) for column in columns]
        self._may_be_text = [
            len(clean) < _ENOUGH or any(cell.strip() and not _NUMBER.fullmatch(cell) for cell in column)
            for column in columns
        ]

    def cut(self, content: bytes, *, is_last: bool) -> tuple[Block, int]:
        """Cut off the whole records that content begins with, and tell how many bytes they are."""
        end = content.rfind(b"\n") + 1
        if is_last and end < len(content):
            content += b"\n"
            end = len(content)
        if self._quote in content:
            return self._cut_quoted(content, end, is_last)
        text = np.frombuffer(content, np.uint8)
        ends = text == ord("\n")
        blank = bool((ends[1:] & ends[:-1]).any()) or content.startswith((b"\n", b"\r\n"))
        if blank or (b"\r" in content and (ends[2:] & ends[:-2] & (text[1:-1] == ord("\r"))).any()):
            return self._by_line(content[:end], is_last)
        return Block(content if end == len(content) else content[:end]), end

    def _cut_quoted(self, content: bytes, end: int, is_last: bool) -> tuple[Block, int]:
        text = np.frombuffer(content, np.uint8)
        at = np.flatnonzero(text == self._quote[0])
        line_ends = np.flatnonzero(text == ord("\n"))
        inside = (np.searchsorted(at, line_ends) & 1).astype(bool)
        record_ends = line_ends[~inside]
        if not len(record_ends) or (is_last and record_ends[-1] != len(text) - 1):
            return self._by_line(content[:end], is_last)
        stop = int(record_ends[-1]) + 1
        starts = np.concatenate([[0], record_ends[:-1] + 1])
        blank = (record_ends == starts) | ((record_ends == starts + 1) & (text[starts] == ord("\r")))
        if blank.any() or not self._stand_around_cells(text[:stop], at[: np.searchsorted(at, stop)]):
            return self._by_line(content[:end], is_last)
        within = line_ends[inside & (line_ends < stop)]
        for record in np.unique(np.searchsorted(record_ends, within)).tolist():
            if self._swallows(content[starts[record] : record_ends[record]].split(b"\n")):
                return self._by_line(content[:end], is_last)
        return Block(content[:stop], True, bool(len(within))), stop

    def _stand_around_cells(self, text: npt.NDArray[np.uint8], at: npt.NDArray[np.int64]) -> bool:
        """Tell whether every quote opens or closes a cell, or is doubled inside one."""
        border = (text == self._quote[0]) | (text == self._delimiter[0])
        border |= (text == ord("\n")) | (text == ord("\r"))
        before = at[0::2] - 1  # -1, which is the line end that the text ends with, stands for its beginning
        return bool(border[before].all() and border[at[1::2] + 1].all())

    def _by_line(self, content: bytes, is_last: bool) -> tuple[Block, int]:
        """Go through the lines: a record that swallows others is a fault, and its lines are read singly."""
        lines = content.split(b"\n")[:-1]
        kept: list[bytes] = []
        rows: list[int] = []
        faults: list[Fault] = []
        at = row = 0
        while at < len(lines):
            line = lines[at]
            n_lines: int | None = 1
            if self._quote in line and self._opens.fullmatch(_body(line)):
                n_lines = self._n_lines(lines, at, is_last)
                if n_lines is None:
                    break  # further text tells
            row += 1
            if not n_lines:
                faults.append(Fault(row, _body(line).decode("utf-8", "replace"), OPEN_QUOTE))
            elif line not in (b"", b"\r"):
                kept += lines[at : at + n_lines]
                rows.append(row)
            at += n_lines or 1
        n_bytes = len(content) if at == len(lines) else sum(map(len, lines[:at])) + at
        block = Block(b"\n".join([*kept, b""]), True, True, np.array(rows, np.int64), row, faults)
        return block, n_bytes

    def _n_lines(self, lines: list[bytes], start: int, is_last: bool) -> int | None:
        """How many lines the record has; 0: its quote is not closed properly; None: too few lines to tell."""
        n_bytes = len(lines[start])
        for at in range(start + 1, len(lines)):
            # As if it began in a quoted cell, which in fact began further up.
            line = _body(lines[at])
            if self._closes.fullmatch(line):
                return 0 if self._swallows(lines[start : at + 1]) else at + 1 - start
            n_bytes += len(line)
            if not self._stays_open.fullmatch(line) or n_bytes > RECORD_BYTES or self._is_record(line):
                return 0
        return 0 if is_last else None

    def _swallows(self, lines: Sequence[bytes]) -> bool:
        """Tell whether a record of several lines is ragged, or holds what are records of their own."""
        lines = [_body(line) for line in lines]
        record = b"\n".join(lines)
        cells = self._cell.findall(record)
        if len(cells) != self._n:
            return True
        n_delimiters = self._n - 1
        if record.count(self._delimiter) < 2 * n_delimiters or not n_delimiters:
            return False  # its own cells and those of another take more delimiters
        if any(map(self._is_record, lines[1:])):
            return True
        parts = [part for cell in cells if b"\n" in cell for part in cell.split(b"\n")[1:]]
        if any(self._looks_like_one(part.split(self._delimiter)) for part in parts):
            return True
        if lines[0].count(self._delimiter) < n_delimiters:
            return False
        return all(self._looks_like_one(line.split(self._delimiter)) for line in lines[1:])

    def _is_record(self, line: bytes) -> bool:
        """Tell whether a line by itself is a whole record with its quotes in place."""
        if line.count(self._delimiter) < max(self._n - 1, 1):
            return False
        cells = self._cell.findall(line)
        if len(cells) != self._n or sum(map(len, cells)) + self._n - 1 != len(line):
            return False
        bare = [cell[1:-1] if cell.startswith(self._quote) else cell for cell in cells]
        in_place = all(self._quote not in cell for cell in cells if not cell.startswith(self._quote))
        return in_place and self._looks_like_one(bare)

    def _looks_like_one(self, cells: Sequence[bytes]) -> bool:
        """Tell whether cells are what the columns hold: prose has blanks after commas, words for numbers."""
        if len(cells) != self._n:
            return False
        for cell, may_be_padded, may_be_text in zip(cells, self._may_be_padded, self._may_be_text, strict=True):
            cell = cell.strip(self._quote)
            if (not may_be_padded and cell[:1].isspace()) or (
                not may_be_text and cell.strip() and not _NUMBER.fullmatch(cell)
            ):
                return False
        return True


def _body(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line
