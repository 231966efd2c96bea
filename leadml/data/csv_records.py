"""Where records of CSV text begin and end, quotes that are left open included.

A quote that is never closed, or closed some rows further down, would swallow records: one row where the file holds
many. Text is cut into blocks of whole records. A block whose quotes all stand around whole cells, and in which no cell
swallows a record, goes to Arrow as it is; any other is gone through line by line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

OPEN_QUOTE = (
    "opens a quote that does not close in it, so that a cell would swallow the rows below; close the quote, or double"
    " it where it is meant"
)
_ENOUGH = 20  # so many records tell what kinds of cells a column holds
_NUMBER = re.compile(r"[\s\d.,:/%+-]*\d[\s\d.,:/%+-]*")


class Block(NamedTuple):
    """Whole records; blank lines and lines that open a quote are replaced by ragged ones, and stand in `skipped`."""

    content: bytes
    has_quotes: bool = False
    has_line_ends: bool = False  # inside cells
    skipped: Mapping[int, str] = {}  # number of the record, from 1, and its text; empty: a blank line


class RecordCutter:
    """Cuts UTF-8 text of one format into blocks; `sample` holds records that show what cells a column holds."""

    def __init__(self, delimiter: str, n_columns: int, sample: Sequence[Sequence[str]]) -> None:
        self._delimiter, self._n = delimiter, n_columns
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
        if len(record_ends) and (np.diff(record_ends, prepend=-1) == 1).any():  # a blank line
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
        skipped: dict[int, str] = {}
        at = record = 0
        while at < len(lines):
            n_lines = self._n_lines(lines, at, is_last) if b'"' in lines[at] else 1
            if n_lines is None:
                break  # further text tells
            record += 1
            if n_lines and lines[at]:
                kept += lines[at : at + n_lines]
            else:
                skipped[record] = lines[at].decode()
                kept.append(self._delimiter.encode() * self._n)
            at += n_lines or 1
        return Block(b"\n".join([*kept, b""]), True, True, skipped), sum(map(len, lines[:at])) + at

    def _n_lines(self, lines: Sequence[bytes], start: int, is_last: bool) -> int | None:
        """How many lines the record has; 0: its quote is not closed properly; None: too few lines to tell."""
        taken: list[str] = []
        end = ""

        def wanted() -> Iterator[str]:  # as long as a quote is open
            nonlocal end
            for at in range(start, len(lines)):
                line = lines[at].decode()
                if taken and self._is_record(line):
                    end = "swallows"
                    return
                taken.append(line)
                yield line + "\n"
            end = "runs out"

        try:
            alone = csv.reader([lines[start].decode() + "\n", "\n"], delimiter=self._delimiter)
            next(alone)
            if alone.line_num == 1:
                return 1
            cells = next(csv.reader(wanted(), delimiter=self._delimiter, strict=True))
        except csv.Error:  # text behind a closing quote, none at all, or a cell beyond the csv module's 128 kB
            return None if end == "runs out" and not is_last else 0
        return 0 if self._swallows(cells, taken) else len(taken)

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
        if line.count(self._delimiter) < self._n - 1 or line.count('"') % 2:
            return False
        try:
            return self._fits(next(csv.reader([line], delimiter=self._delimiter, strict=True), []))
        except csv.Error:
            return False

    def _fits(self, cells: Sequence[str]) -> bool:
        """Tell whether cells are what the columns hold: prose has blanks after commas, words for numbers."""
        if len(cells) != self._n or self._n == 1:
            return False
        return all(
            (may_be_padded or not cell[:1].isspace()) and (may_be_text or not cell.strip() or _NUMBER.fullmatch(cell))
            for cell, may_be_padded, may_be_text in zip(cells, self._may_be_padded, self._may_be_text, strict=True)
        )
