"""Where records of CSV text begin and end, quotes that are left open included.

A quote that is never closed, or closed some rows further down, would swallow records: one row where the file holds
many. Text is cut into blocks of whole records. A block whose quotes all stand around whole cells, and in which no cell
swallows a record, goes to Arrow as it is; any other is gone through line by line, without what is a fault.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from leadml.data.chunks import Fault
from leadml.levels import Ints

OPEN_QUOTE = (
    "opens a quote that does not close in it, so that a cell would swallow the rows below; close the quote, or double"
    " it where it is meant"
)
CLOSED_QUOTE = "ends a cell that a row above begins, and a quote in one of them is not doubled; double it"
_MAX_LINES = 10_000  # a cell of more lines is never closed
_ENOUGH = 20  # so many records tell what kinds of cells a column holds
_NUMBER = re.compile(r"[\s\d.,:/%+-]*\d[\s\d.,:/%+-]*")


class Block(NamedTuple):
    """Whole records with the numbers of their rows, and faults among them; blank lines only have a number."""

    content: bytes | memoryview
    rows: Ints
    has_quotes: bool = True
    has_line_ends: bool = True  # inside cells
    faults: Sequence[Fault] = ()


class RecordCutter:
    """Cuts UTF-8 text of one format into blocks, after `n_rows` rows.

    `sample` holds records that show what cells a column holds.
    """

    def __init__(
        self, delimiter: str, quote: str, n_columns: int, sample: Sequence[Sequence[str]], n_rows: int = 0
    ) -> None:
        self._delimiter, self._quote, self._n, self._row = delimiter, quote, n_columns, n_rows
        self._sample, self.n_lines = sample, 0  # lines of what has been cut off
        self._is_broken = False  # the last record with a quote ends in one, before its last cell
        q, d, inside = quote, re.escape(delimiter), f"(?:[^{quote}]|{quote * 2})*+"
        cell = f"(?:{q}{inside}{q}(?={d}|$)|{q}[^{q}{d}]*+{q}(?!{q})[^{d}]*+|[^{q}{d}][^{d}]*+|)"  # or `"x" y`, 5" pipe
        lenient = f"(?:{q}{inside}{q}[^{d}]*+|[^{q}{d}][^{d}]*+|)"
        opens = f"(?:{cell}{d})*+{q}{inside}"
        self._whole, self._opens = re.compile(f"{lenient}(?:{d}{lenient})*+"), re.compile(opens)
        # Lines that begin in a quote that is open; text behind a quote is an error only where that one closes.
        self._inside, self._closes = re.compile(inside), re.compile(f"{inside}{q}(?:{d}{cell})*+")
        self._stays_open = re.compile(f"{inside}(?:{q}{d}{opens})?")
        self._ends_cell = re.compile(f"(?:[^{q}]*[^{q}{d}]){q}(?:{d}|$)")
        self._quoted = re.compile(f"(^|{d}){q}({inside}){q}(?={d}|$)")

    @functools.cached_property
    def _kinds(self) -> list[tuple[bool, bool]]:
        """Of each column, whether cells may begin with a blank, and whether they may be words."""
        clean = [cells for cells in self._sample if len(cells) == self._n and not any("\n" in cell for cell in cells)]
        return [
            (
                2 * sum(cell[:1].isspace() for cell in cells) >= len(cells),
                len(clean) < _ENOUGH or any(cell.strip() and not _NUMBER.fullmatch(cell) for cell in cells),
            )
            for cells in (list(zip(*clean, strict=True)) or [()] * self._n)
        ]

    def cut(self, content: bytes, *, is_last: bool) -> tuple[Block, int]:
        """Cut off the whole records that content begins with, and tell how many bytes they are."""
        if is_last and not content.endswith(b"\n"):
            content += b"\n"
        stop = content.rfind(b"\n") + 1
        if self._is_broken:
            return self._by_line(content[:stop], is_last)
        text, quote = np.frombuffer(content, np.uint8, stop), ord(self._quote)
        is_end, has_quotes, has_line_ends = text == ord("\n"), self._quote.encode() in content, False
        has_blank = is_end[:1].any() or (is_end[1:] & is_end[:-1]).any()
        if not has_quotes and not has_blank:  # a record a line
            rows = np.arange(np.count_nonzero(is_end)) + 1 + self._row
            self._row, self.n_lines = self._row + len(rows), self.n_lines + len(rows)
            return Block(memoryview(content)[:stop], rows, has_quotes, has_line_ends), stop
        line_ends = record_ends = np.flatnonzero(is_end)
        if has_quotes:
            at = np.flatnonzero(text == quote)
            inside = (np.searchsorted(at, line_ends) & 1).astype(bool)
            record_ends = line_ends[~inside]
            end = int(record_ends[-1]) + 1 if len(record_ends) else 0
            at = at[: np.searchsorted(at, end)]
            # Every quote opens or closes a cell, or is doubled inside one; before the first stands the last line end.
            border = (text[:end] == quote) | (text[:end] == ord(self._delimiter)) | (text[:end] == ord("\n"))
            if not end or (is_last and end < stop) or not (border[at[0::2] - 1] & border[at[1::2] + 1]).all():
                return self._by_line(content[:stop], is_last)
            starts, stop = np.append(0, record_ends + 1), end
            for record in np.unique(np.searchsorted(record_ends, line_ends[inside & (line_ends < end)])).tolist():
                lines, has_line_ends = content[starts[record] : record_ends[record]].decode().split("\n"), True
                if self._n_lines(lines, is_last=True) != len(lines):
                    return self._by_line(content[: content.rfind(b"\n") + 1], is_last)
        rows = np.flatnonzero(np.diff(record_ends, prepend=-1) != 1) + 1 + self._row
        self._row += len(record_ends)
        self.n_lines += int(np.searchsorted(line_ends, stop))
        return Block(memoryview(content)[:stop], rows, has_quotes, has_line_ends), stop

    def _by_line(self, content: bytes, is_last: bool) -> tuple[Block, int]:
        """Go through the lines: a record that swallows others is a fault, and its lines are read singly."""
        lines = content.decode().split("\n")[:-1]
        kept, rows, faults, at = list[str](), list[int](), list[Fault](), 0
        while at < len(lines):
            line, n_lines, reason = lines[at], 1, ""
            if self._is_broken and self._ends_cell.match(line):
                reason = CLOSED_QUOTE
                self._is_broken = self._stays_open.fullmatch(line) is not None
            elif self._quote in line:
                if (found := self._n_lines(lines[at : at + _MAX_LINES], is_last)) is None:
                    break  # further text tells
                n_lines, reason = found or 1, "" if found else OPEN_QUOTE
                ends_open = not found or (found == 1 and line.count(self._quote) % 2 == 1)
                self._is_broken = ends_open and line.count(self._delimiter) + 1 < self._n
            self._row += 1
            if reason:
                faults.append(Fault(self._row, "", line, reason))
            elif line:
                kept += lines[at : at + n_lines]
                rows.append(self._row)
            at += n_lines
        self.n_lines += at
        block = Block("\n".join([*kept, ""]).encode() or b"\n", np.array(rows, np.int64), faults=faults)
        return block, len("\n".join([*lines[:at], ""]).encode())

    def _n_lines(self, lines: Sequence[str], is_last: bool) -> int | None:
        """How many lines the first record has; 0: its quote is not closed properly; None: too few lines to tell."""
        if self._whole.fullmatch(lines[0]):
            return 1
        if not self._opens.fullmatch(lines[0]):
            return 0
        for n, line in enumerate(lines[1:], 2):
            bare = self._quoted.sub(
                lambda cell: cell[1] + cell[2].replace(self._quote, "").replace(self._delimiter, " "), line
            )
            if self._quote not in bare and self._fits(bare):  # a whole record by itself
                return 0
            if self._closes.fullmatch(line):
                return 0 if self._swallows(lines[:n]) else n
            if not self._stays_open.fullmatch(line):
                return 0
        return 0 if is_last or len(lines) == _MAX_LINES else None

    def _swallows(self, lines: Sequence[str]) -> bool:
        """Tell whether a record of several lines is ragged, or lines of it are what the columns hold."""
        n_cells = self._quoted.sub(r"\1", "\n".join(lines)).count(self._delimiter) + 1
        parts = [
            found[0].replace(self._quote * 2, self._quote) for line in lines[1:] if (found := self._inside.match(line))
        ]
        bare = [line.replace(self._quote, "") for line in lines]
        return n_cells != self._n or any(map(self._fits, parts)) or all(map(self._fits, bare))

    def _fits(self, line: str) -> bool:
        """Tell whether a line is what the columns hold: prose has blanks after commas, words for numbers."""
        cells = line.split(self._delimiter)
        return len(cells) == self._n > 1 and all(
            (may_be_padded or not cell[:1].isspace()) and (may_be_text or not cell.strip() or _NUMBER.fullmatch(cell))
            for cell, (may_be_padded, may_be_text) in zip(cells, self._kinds, strict=True)
        )
