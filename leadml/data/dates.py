"""Dates as people export them: ISO, day or month first, month names, Excel serials; one order a column.

A column is read in two steps, so that a file can be read in chunks: `pack_dates` turns cells into int32
numbers, in which 03/04/2026 is still undecided; `settle_dates` finds the order from all of them.
"""

from __future__ import annotations

import datetime
import functools
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leadml.data.cells import categories_of, dictionary_of, positions_of, valid_of, values_of
from leadml.data.deals import NO_DAY

Days = npt.NDArray[np.int32]

BAD_DAY = NO_DAY + 1
"""A packed cell that is no date in any order."""
_UNDECIDED = 1 << 26  # from here on: slash (1 bit), year (12), first (5) and second number (5)
_EXCEL_EPOCH = 25_569  # serial number of 1970-01-01
_SERIALS = (20_000, 80_000)  # 1954 to 2119

_HOUR = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?"
_CLOCK = rf"[T ,]+{_HOUR}\s*([AaPp][Mm])?\s*Z?\s*$"
_OFFSET = re.compile(rf"(.*?)[T ]({_HOUR})\s*([+-])(\d{{2}}):?(\d{{2}})")
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{4})()(\d{2})(\d{2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_DAY_NAME = re.compile(r"(\d{1,2})[ .-]*([^\W\d]{3,9})[. ,-]*(\d{4})")
_NAME_DAY = re.compile(r"([^\W\d]{3,9})[. ]*(\d{1,2}),? *(\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = {name: i + 1 for i, name in enumerate(_MONTHS)} | {
    "mrt": 3, "maa": 3, "mrz": 3, "mär": 3, "mei": 5, "mai": 5, "okt": 10, "dez": 12,
}  # fmt: skip
_EPOCH = datetime.date(1970, 1, 1).toordinal()


class DateColumn(NamedTuple):
    """(n,) days since 1970-01-01, (n,) bad cells, the order, and whether that order was assumed."""

    days: Days
    bad: npt.NDArray[np.bool_]
    order: str
    ambiguous: bool


def pack_dates(array: pa.Array) -> Days:
    """Turn cells into (n,) int32: days, `NO_DAY` where empty, `BAD_DAY`, or a date yet undecided."""
    kind = array.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        days = np.array(values_of(pc.cast(array, pa.date32(), safe=False)), np.int32)
        days[~valid_of(array)] = NO_DAY
        return days
    encoded = dictionary_of(array)
    # Without an offset the clock does not move the day, and without the clock there are few distinct texts.
    texts = pc.replace_substring_regex(encoded.dictionary, pattern=_CLOCK, replacement="")
    at, distinct = categories_of(texts)
    table = np.array([_pack(text.strip()) for text in distinct], np.int32)[at]
    return np.append(table, np.int32(NO_DAY))[positions_of(encoded)]


def settle_dates(packed: Days, day_first: bool | None = None) -> DateColumn:
    """Give the days of packed cells, undecided ones in the order that fits most of them.

    Where both fit all, a slash is read month first, a hyphen or a full stop day first: that is ambiguous.
    """
    open_cells = packed >= _UNDECIDED
    days, bad, order, ambiguous = packed.copy(), packed == BAD_DAY, "year-month-day", False
    if open_cells.any():
        distinct, at = np.unique(packed[open_cells], return_inverse=True)
        by_day = np.array([_settle(int(value), True) for value in distinct], np.int32)
        by_month = np.array([_settle(int(value), False) for value in distinct], np.int32)
        slashes = float(np.mean((distinct - _UNDECIDED) >> 22 > 0))
        more = int((by_day != BAD_DAY).sum()) - int((by_month != BAD_DAY).sum())
        chosen = (more > 0 or (more == 0 and slashes <= 0.5)) if day_first is None else day_first
        order = "day-month-year" if chosen else "month-day-year"
        ambiguous = day_first is None and more == 0 and bool((by_day != by_month).any())
        days[open_cells] = (by_day if chosen else by_month)[at]
        bad = days == BAD_DAY
    days[bad] = NO_DAY
    return DateColumn(days, bad, order, ambiguous)


def packed_text(value: int) -> str:
    """Write a packed date whose order is undecided."""
    rest = value - _UNDECIDED
    mark = "/" if rest >> 22 else "-"
    return f"{rest >> 5 & 31}{mark}{rest & 31}{mark}{rest >> 10 & 4095}"


def day_text(day: int) -> str:
    """Write a day as ISO."""
    return datetime.date.fromordinal(day + _EPOCH).isoformat()


def day_of(date: str | datetime.date) -> int:
    """Give the day of an ISO date."""
    date = datetime.date.fromisoformat(date) if isinstance(date, str) else date
    return date.toordinal() - _EPOCH


@functools.lru_cache(1 << 16)
def _pack(text: str) -> int:
    if not text:
        return NO_DAY
    if (found := _OFFSET.fullmatch(text)) is not None:
        day = _pack(found[1].strip())
        if day == BAD_DAY or day >= _UNDECIDED:
            return day
        hour, minute = map(int, found[2].split(":")[:2])
        minutes = hour * 60 + minute - int(found[6] + "1") * (int(found[7]) * 60 + int(found[8]))
        return day + minutes // 1440
    if (found := _YEAR_FIRST.fullmatch(text)) is not None:
        return _day(*(int(part) for part in found.groups() if part and part.isdigit()))
    if (found := _YEAR_LAST.fullmatch(text)) is not None:
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        if len(found[4]) == 2:
            year += 2000 if year < 70 else 1900
        if year > 4095 or max(first, second) > 31:
            return BAD_DAY
        return _UNDECIDED + (((found[2] == "/") << 22) | (year << 10) | (first << 5) | second)
    if (found := _DAY_NAME.fullmatch(text) or _NAME_DAY.fullmatch(text)) is not None:
        number, name = (found[1], found[2]) if found[1].isdigit() else (found[2], found[1])
        return _day(int(found[3]), _MONTH.get(name[:3].lower(), 0), int(number))
    if re.fullmatch(r"\d{5}([.,]\d*)?", text) and _SERIALS[0] <= int(text[:5]) < _SERIALS[1]:
        return int(text[:5]) - _EXCEL_EPOCH
    return BAD_DAY


def _settle(value: int, day_first: bool) -> int:
    rest = value - _UNDECIDED
    year, first, second = (rest >> 10) & 4095, (rest >> 5) & 31, rest & 31
    return _day(year, second, first) if day_first else _day(year, first, second)


def _day(year: int, month: int, day: int) -> int:
    try:
        return datetime.date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return BAD_DAY
