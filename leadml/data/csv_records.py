"""Where records of CSV text begin and end, quotes that are left open included.

A quote that is never closed, or closed some rows further down, would swallow records: one row where the file holds
many. Text is cut into blocks of whole records. A block whose quotes all stand around whole cells, and in which no cell
swallows a record, goes to Arrow as it is; any other is gone through line by line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

OPEN_QUOTE = (
    "opens a quote that does not close in it, so that a cell would swallow the rows below; close the quote, or double"
    " it where it is meant"
)
CLOSED_QUOTE = "ends a cell that a row above begins, and a quote in one of them is not doubled; double it"
_MAX_LINES = 10_000  # a cell of more lines is never closed
_ENOUGH = 20  # so many records tell what kinds of cells a column holds
_NUMBER = re.compile(r"[\s\d.,:/%+-]*\d[\s\d.,:/%+-]*")


class Block(NamedTuple):
    """Whole records; blank lines and lines that open a quote are replaced by ragged ones, and stand in `skipped`."""

    content: bytes
    has_quotes: bool = False
    has_line_ends: bool = False  # inside cells
    skipped: Mapping[int, tuple[str, str]] = {}  # by number from 1: text and fault; empty: a blank line


class RecordCutter:
    """Cuts UTF-8 text of one format into blocks; `sample` holds records that show what cells a column holds."""

    def __init__(self, delimiter: str, n_columns: int, sample: Sequence[Sequence[str]]) -> None:
        self._delimiter, self._n = delimiter, n_columns
        self._is_broken = False  # the last record with a quote ends in one, before its last cell
        inside, d = '(?:[^"]|"")*+', re.escape(delimiter)
        self._proper = re.compile(f'(^|{d})"{inside}"(?={d}|$)')  # a cell in quotes
        cell = f'(?:"{inside}"(?={d}|$)|"[^"{d}]*+"(?!")[^{d}]*+|[^"{d}][^{d}]*+|)'  # or `"x" y`, 5" pipe
        opens = f'(?:{cell}{d})*+"{inside}'
        self._opens = re.compile(opens)
        self._ends_cell = re.compile(f'(?:[^"]*[^"{d}])"(?:{d}|$)'.encode())
        # Lines that begin in a quote that is open; text behind a quote is an error only where that one closes.
        self._closes = re.compile(f'{inside}"(?:{d}{cell})*+')
        self._stays_open = re.compile(f'{inside}(?:"{d}{opens})?')
        clean = [cells for cells in sample if len(cells) == n_columns and not any("\n" in cell for cell in cells)]
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
            content, end = content + b"\n", len(content) + 1
        text = np.frombuffer(content, np.uint8)
        line_ends = record_ends = np.flatnonzero(text == ord("\n"))
        if has_quotes := b'"' in content:
            at = np.flatnonzero(text == ord('"'))
            inside = (np.searchsorted(at, line_ends) & 1).astype(bool)
            record_ends = line_ends[~inside]
        if self._is_broken or (np.diff(record_ends, prepend=-1) == 1).any():  # a blank line
            return self._by_line(content[:end], is_last)
        if not has_quotes:
            return Block(content[:end]), end
        if not len(record_ends) or (is_last and record_ends[-1] != len(text) - 1):
            return self._by_line(content[:end], is_last)
        stop = int(record_ends[-1]) + 1
        if not self._stand_around_cells(text[:stop], at[: np.searchsorted(at, stop)]):
            return self._by_line(content[:end], is_last)
        within = np.searchsorted(record_ends, line_ends[inside & (line_ends < stop)])
        for record in np.unique(within).tolist():
            start = int(record_ends[record - 1]) + 1 if record else 0
            lines = content[start : int(record_ends[record])].split(b"\n")
            if self._n_lines(lines, 0, is_last=True) != len(lines):
                return self._by_line(content[:end], is_last)
        return Block(content[:stop], True, bool(len(within))), stop

    def _stand_around_cells(self, text: npt.NDArray[np.uint8], at: npt.NDArray[np.int64]) -> bool:
        """Tell whether every quote opens or closes a cell, or is doubled inside one."""
        border = (text == ord('"')) | (text == ord(self._delimiter)) | (text == ord("\n"))
        before = at[0::2] - 1  # -1, which is the line end that the text ends with, stands for its beginning
        return bool(border[before].all() and border[at[1::2] + 1].all())

    def _by_line(self, content: bytes, is_last: bool) -> tuple[Block, int]:
        """Go through the lines: a record that swallows others is a fault, and its lines are read singly."""
        lines = content.split(b"\n")[:-1]
        kept: list[bytes] = []
        skipped: dict[int, tuple[str, str]] = {}
        at = record = 0
        while at < len(lines):
            n_lines, reason = 1, ""
            if b'"' not in lines[at]:
                pass
            elif self._is_broken and self._ends_cell.match(lines[at]):
                reason = CLOSED_QUOTE
                self._is_broken = self._stays_open.fullmatch(lines[at].decode()) is not None
            elif (found := self._n_lines(lines, at, is_last)) is None:
                break  # further text tells
            else:
                n_lines, reason = found or 1, "" if found else OPEN_QUOTE
                n_cells = lines[at].count(self._delimiter.encode()) + 1
                self._is_broken = n_cells < self._n and (not found or (found == 1 and lines[at].count(b'"') % 2 == 1))
            record += 1
            if lines[at] and not reason:
                kept += lines[at : at + n_lines]
            else:
                skipped[record] = lines[at].decode(), reason
                kept.append(self._delimiter.encode() * self._n)
            at += n_lines
        return Block(b"\n".join([*kept, b""]), True, True, skipped), sum(map(len, lines[:at])) + at

    def _n_lines(self, lines: Sequence[bytes], start: int, is_last: bool) -> int | None:
        """How many lines the record has; 0: its quote is not closed properly; None: too few lines to tell."""
        taken = [lines[start].decode()]
        try:
            alone = csv.reader([taken[0] + "\n", "\n"], delimiter=self._delimiter)
            next(alone)
            if alone.line_num == 1:
                return 1
            if not self._opens.fullmatch(taken[0]):
                return 0
            for at in range(start + 1, min(len(lines), start + _MAX_LINES)):
                if self._is_record(line := lines[at].decode()):
                    return 0
                taken.append(line)
                if self._closes.fullmatch(line):
                    cells = next(csv.reader((each + "\n" for each in taken), delimiter=self._delimiter))
                    return 0 if self._swallows(cells, taken) else len(taken)
                if not self._stays_open.fullmatch(line):
                    return 0
        except csv.Error:  # a cell beyond the csv module's 128 kB
            is_whole = self._closes.fullmatch(taken[-1]) if taken[1:] else '"' not in self._proper.sub("", taken[0])
            return len(taken) if is_whole else 0
        return 0 if is_last or len(taken) == _MAX_LINES else None

    def _swallows(self, cells: Sequence[str], lines: Sequence[str]) -> bool:
        """Tell whether a record of several lines is ragged, or lines of it are what the columns hold."""
        parts = [part for cell in cells for part in cell.split("\n")[1:]]
        bare = [line.replace('"', "") for line in lines]
        return (
            len(cells) != self._n
            or any(self._fits(part.split(self._delimiter)) for part in parts)
            or all(self._fits(line.split(self._delimiter)) for line in bare)
        )

    def _is_record(self, line: str) -> bool:
        """Tell whether a line by itself is a whole record with its quotes in place."""
        if line.count(self._delimiter) < self._n - 1 or '"' in self._proper.sub(r"\1", line):
            return False
        return self._fits(next(csv.reader([line], delimiter=self._delimiter), []))

    def _fits(self, cells: Sequence[str]) -> bool:
        """Tell whether cells are what the columns hold: prose has blanks after commas, words for numbers."""
        if len(cells) != self._n or self._n == 1:
            return False
        return all(
            (may_be_padded or not cell[:1].isspace()) and (may_be_text or not cell.strip() or _NUMBER.fullmatch(cell))
            for cell, may_be_padded, may_be_text in zip(cells, self._may_be_padded, self._may_be_text, strict=True)
        )
