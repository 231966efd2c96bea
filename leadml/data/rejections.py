"""Rejected rows: collected while reading, counted by fault, saved as CSV; and the guard against formulas."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.data.chunks import Fault
from leadml.terminal import clean

if TYPE_CHECKING:
    import pandas as pd

SHOWN_CHARACTERS = 200

# How a text begins that a spreadsheet may run; and what is a number as a whole, so no formula (groups of
# digits too: a telephone number).
_STARTS = "^[\\s\u00a0\u3000\ufeff\u200b]*[=+\\-@＝＋－＠]|^[\\t\\r\\n]"
_HARMLESS = r"(?a)^ ?[-+]?(\d+([ .,'’]\d+)*|\d*[.,]\d+)([eE][-+]?\d+)?%?$"


def guard_formula(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    if re.search(_STARTS, text) and not (re.search(_HARMLESS, text) and not text.endswith("\n")):
        return "'" + text
    return text


class Rejections:
    """Which rows could not be used, and why; a row may have several faults."""

    def __init__(self) -> None:
        self.files: list[tuple[int, int, str]] = []  # last row before it, what to subtract, name: for `place`
        self.faults: list[Fault] = []

    @property
    def n_rows(self) -> int:
        """How many rows are rejected."""
        return len({fault.row for fault in self.faults})

    @property
    def columns(self) -> tuple[str, ...]:
        """row, column, value, reason, and lead_id where leads have one."""
        return Fault._fields if any(fault.lead_id for fault in self.faults) else Fault._fields[:-1]

    def place(self, row: int) -> str:
        """Say where a row stands when several files are read as one: ``b.csv row 7``; empty for one file."""
        if len(self.files) < 2:
            return ""
        _, before, name = next(file for file in reversed(self.files) if row > file[0])
        return f"{name} row {row - before}"

    def summary(self, limit: int = 20) -> list[str]:
        """Say each fault once, the most frequent first, with its count and first row."""
        groups: dict[tuple[str, str, str], list[int]] = {}
        for row, column, value, reason, _ in self.faults:
            # Whole rows differ in what they hold, and are one fault all the same.
            groups.setdefault((column, _shown(value) if column else "", reason), []).append(row)
        ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), min(group[1])))
        lines = []
        for (column, value, reason), rows in ordered[:limit]:
            what = f"column {column!r}: {value!r} " if column else "the row "
            where = self.place(min(rows)) or f"row {min(rows)}"
            lines.append(f"{what}{reason} ({f'in {len(rows)} rows, first ' if len(rows) > 1 else ''}in {where})")
        return [*lines, f"and {len(ordered) - limit} more"] if len(ordered) > limit else lines

    def to_dicts(self) -> list[dict[str, Any]]:
        """Every fault in the order of rows (`columns`), with its file where there are several."""
        columns, told = self.columns, []
        for row, column, value, reason, lead_id in sorted(self.faults, key=lambda fault: fault.row):
            where = self.place(row)
            cells = (row, column, _shown(value), f"{reason} ({where})" if where else reason, lead_id)
            told.append(dict(zip(columns, cells, strict=False)))
        return told

    def save(self, path: Path, locale: str = "en") -> None:
        """Write every fault as CSV, as a spreadsheet of the locale reads it; texts that it would run are guarded."""
        encoding, mark = ("utf-8", ",") if locale == "en" else ("utf-8-sig", ";")
        with path.open("w", encoding=encoding, newline="") as out:
            write = csv.writer(out, delimiter=mark)
            write.writerow(self.columns)
            for each in self.to_dicts():
                write.writerow(guard_formula(str(value)) for value in each.values())

    def to_pandas(self) -> pd.DataFrame:
        """Every fault, as `columns` says."""
        import pandas as pd

        return pd.DataFrame(self.to_dicts(), columns=list(self.columns)).astype({"row": "int64"})


def _shown(value: str) -> str:
    return clean(value[:SHOWN_CHARACTERS] + "..." * (len(value) > SHOWN_CHARACTERS))
