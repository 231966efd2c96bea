"""Rejected rows: collected while reading, counted by fault, saved as CSV; and the guard against formulas.

All faults stand in a file that vanishes with the object (in memory while it is small), so that a million
of them take no more room than the first few.
"""

from __future__ import annotations

import csv
import dataclasses
import re
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.terminal import clean

if TYPE_CHECKING:
    import pandas as pd

SHOWN_CHARACTERS = 200
_HELD_BYTES = 1 << 22
_SORTED_FAULTS = 200_000  # up to so many are saved in the order of rows
_GROUPS = 10_000
_HEADER = ("row", "column", "value", "reason")

# How a text begins that a spreadsheet may run; and what is a number as a whole, so no formula (groups of
# digits too: a telephone number).
_starts = re.compile("^[\\s\u00a0\u3000\ufeff\u200b]*[=+\\-@＝＋－＠]|^[\\t\\r\\n]")
_harmless = re.compile(r"^ ?[-+]?(\d+([ .,'’]\d+)*|\d*[.,]\d+)([eE][-+]?\d+)?%?$", re.ASCII)


def guard_formula(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    if _starts.search(text) and not (_harmless.search(text) and not text.endswith("\n")):
        return "'" + text
    return text


@dataclasses.dataclass
class FaultGroup:
    """Equal faults: the same column, value and reason."""

    column: str
    value: str
    reason: str
    row: int
    n: int = 0


class Rejections:
    """Which rows could not be used, and why; a row may have several faults."""

    def __init__(self) -> None:
        self.n_faults = 0
        self.files: list[tuple[int, int, str]] = []  # last row before it, what to subtract, name: for `place`
        self.groups: dict[tuple[str, str, str], FaultGroup] = {}
        self._rows: list[npt.NDArray[np.int64]] = []
        self._open("")

    def _open(self, text: str) -> None:
        self._file = tempfile.SpooledTemporaryFile(_HELD_BYTES, "w+", encoding="utf-8", newline="")  # noqa: SIM115
        self._file.write(text)
        self._write = csv.writer(self._file)
        weakref.finalize(self, self._file.close)

    def __getstate__(self) -> dict[str, object]:
        self._file.seek(0)
        return {**self.__dict__, "_file": self._file.read(), "_write": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._open(str(state["_file"]))

    def add(self, rows: Iterable[int], column: str, value: str | Sequence[str | None], reason: str) -> None:
        """Reject rows for one reason: `value` holds the cell of each row, or one text for all of them."""
        at = np.fromiter(rows, np.int64)
        cells = [value] * len(at) if isinstance(value, str) else value
        lines = []
        for row, cell in zip(at.tolist(), cells, strict=True):
            shown = _shorten(cell or "")
            # Whole rows differ in what they hold, and are one fault all the same.
            key = (column, shown if column else "", reason)
            group = self.groups.get(key)
            if group is None:
                if len(self.groups) >= _GROUPS:
                    key = (column, "...", reason)  # too many to keep apart
                group = self.groups.setdefault(key, FaultGroup(column, shown, reason, row))
            group.n += 1
            group.row = min(group.row, row)
            where = self.place(row)
            lines.append((row, column, shown, f"{reason} ({where})" if where else reason))
        self._write.writerows(lines)
        self.n_faults += len(at)
        if len(at):
            self._rows.append(at)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The rejected rows, each once, ascending."""
        self._rows = [np.unique(np.concatenate(self._rows))] if self._rows else []
        return self._rows[0] if self._rows else np.zeros(0, np.int64)

    @property
    def n_rows(self) -> int:
        """How many rows are rejected."""
        return len(self.rows)

    def place(self, row: int) -> str:
        """Say where a row stands when several files are read as one: ``b.csv row 7``; empty for one file."""
        if len(self.files) < 2:
            return ""
        _, before, name = next(file for file in reversed(self.files) if row > file[0])
        return f"{name} row {row - before}"

    def summary(self, limit: int = 20) -> list[str]:
        """Say each fault once, the most frequent first, with its count and first row."""
        ordered = sorted(self.groups.values(), key=lambda group: (-group.n, group.row))
        lines = []
        for group in ordered[:limit]:
            what = f"column {group.column!r}: {group.value!r} " if group.column else "the row "
            where = self.place(group.row) or f"row {group.row}"
            rows = f"in {where}" if group.n == 1 else f"in {group.n} rows, first in {where}"
            lines.append(f"{what}{group.reason} ({rows})")
        if len(ordered) > limit:
            lines.append(f"and {len(ordered) - limit} more")
        return lines

    def save(self, path: Path) -> None:
        """Write every fault as CSV, in the order of rows; texts that a spreadsheet would run are guarded."""
        with path.open("w", encoding="utf-8", newline="") as out:
            write = csv.writer(out)
            write.writerow(_HEADER)
            for row, column, value, reason in self._faults():
                write.writerow((row, guard_formula(column), guard_formula(value), reason))

    def to_pandas(self) -> pd.DataFrame:
        """Every fault: row, column, value, reason."""
        import pandas as pd

        return pd.DataFrame(self.to_dicts(), columns=list(_HEADER)).astype({"row": "int64"})

    def to_dicts(self) -> list[dict[str, Any]]:
        """Every fault as a dict: row, column, value, reason."""
        return [{**dict(zip(_HEADER, each, strict=True)), "row": int(each[0])} for each in self._faults()]

    def _faults(self) -> Iterable[list[str]]:
        self._file.seek(0)
        if self.n_faults > _SORTED_FAULTS:
            yield from csv.reader(self._file)
        else:
            yield from sorted(csv.reader(self._file), key=lambda fault: int(fault[0]))
        self._file.seek(0, 2)


def _shorten(text: str) -> str:
    return clean(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "...")
