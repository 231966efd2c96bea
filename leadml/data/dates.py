"""Dates as people export them: ISO, day or month first, month names, Excel serials; one order a column.

Distinct texts are parsed once, both ways where both can be meant; which way is found from the whole column.
"""

from __future__ import annotations

import datetime
import functools
import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from leadml.data.cells import categories_of, pc, relabel, text_of, valid_of, values_of
from leadml.data.deals import NO_DAY
from leadml.levels import Flags, Ints32

_NEVER = NO_DAY + 1  # of a text that is no date
_EXCEL_EPOCH = 25_569  # serial number of 1970-01-01
_SERIALS = (20_000, 80_000)  # 1954 to 2119

# The day is the one written, whatever the offset; without the clock there are few distinct texts.
_CLOCK = r"[T ,]+([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?\s*([AaPp][Mm])?\s*(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)?\s*$"
_YEAR_FIRST = r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{4})()(\d{2})(\d{2})"
_YEAR_LAST = r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})"
_DAY_NAME = r"(\d{1,2})[ .-]*([^\W\d]{3,9})[. ,-]*(\d{4})"
_NAME_DAY = r"([^\W\d]{3,9})[. ]*(\d{1,2}),? *(\d{4})"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = {name: i + 1 for i, name in enumerate(_MONTHS)} | {
    "mrt": 3, "maa": 3, "mrz": 3, "mär": 3, "mei": 5, "mai": 5, "okt": 10, "dez": 12,
}  # fmt: skip
_EPOCH = datetime.date(1970, 1, 1).toordinal()


class DateColumn(NamedTuple):
    """A column of dates in the order that fits most of them."""

    days: Ints32  # (n,) since 1970-01-01, `NO_DAY` where blank or no date
    no_date: Flags  # (n,) cells that are no date in any order
    other_order: Flags  # (n,) cells that are dates in the other order only
    order: str
    ambiguous: bool  # both orders fit all, and give other days


def date_cells(array: pa.Array) -> pa.Array:
    """Keep of a column what a date needs: date32, or a dictionary of texts without clocks."""
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        return pc.cast(array, pa.date32(), safe=False)
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    texts = pc.replace_substring_regex(text_of(encoded.dictionary), pattern=_CLOCK, replacement="")
    return relabel(pa.DictionaryArray.from_arrays(encoded.indices, texts), str.strip)


def read_dates(array: pa.Array, day_first: bool | None = None) -> DateColumn:
    """Read a whole column of dates.

    Where both orders fit all, a slash is read month first, a hyphen or a full stop day first: that is ambiguous.
    """
    cells = date_cells(array)
    if not pa.types.is_dictionary(cells.type):
        days = np.where(valid_of(cells), values_of(cells), np.int32(NO_DAY))
        none = np.zeros(len(days), bool)
        return DateColumn(days, none, none, "year-month-day", False)
    at, texts = categories_of(cells)
    by_day, by_month = np.array([_parse(text) for text in texts], np.int32).T
    open_ = by_day != by_month
    more = int((by_month == _NEVER).sum()) - int((by_day == _NEVER).sum())
    ambiguous = day_first is None and more == 0 and bool(open_.any())
    if day_first is None:
        slashes = np.array(["/" in text for text in texts])[open_]
        day_first = more > 0 if more else 2 * int(slashes.sum()) <= len(slashes)
    chosen, other = (by_day, by_month) if day_first else (by_month, by_day)
    order = "year-month-day" if not open_.any() else "day-month-year" if day_first else "month-day-year"
    none, days = chosen == _NEVER, np.where(chosen == _NEVER, np.int32(NO_DAY), chosen)
    return DateColumn(days[at], (none & (other == _NEVER))[at], (none & (other != _NEVER))[at], order, ambiguous)


def day_text(day: int) -> str:
    """Write a day as ISO."""
    return datetime.date.fromordinal(day + _EPOCH).isoformat()


def day_of(date: str | datetime.date) -> int:
    """Give the day of an ISO date."""
    date = datetime.date.fromisoformat(date) if isinstance(date, str) else date
    return date.toordinal() - _EPOCH


@functools.lru_cache(1 << 16)
def _parse(text: str) -> tuple[int, int]:
    """The day that a text is, read day first and month first."""
    if not text:
        return NO_DAY, NO_DAY
    if (found := re.fullmatch(_YEAR_LAST, text)) is not None:
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        if len(found[4]) == 2:
            year += 2000 if year < 70 else 1900
        return _day(year, second, first), _day(year, first, second)
    day = _NEVER
    if (found := re.fullmatch(_YEAR_FIRST, text)) is not None:
        day = _day(*(int(part) for part in found.groups() if part and part.isdigit()))
    elif (found := re.fullmatch(_DAY_NAME, text) or re.fullmatch(_NAME_DAY, text)) is not None:
        number, name = (found[1], found[2]) if found[1].isdigit() else (found[2], found[1])
        day = _day(int(found[3]), _MONTH.get(name[:3].lower(), 0), int(number))
    elif re.fullmatch(r"\d{5}([.,]\d*)?", text) and _SERIALS[0] <= int(text[:5]) < _SERIALS[1]:
        day = int(text[:5]) - _EXCEL_EPOCH
    return day, day


def _day(year: int, month: int, day: int) -> int:
    try:
        return datetime.date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return _NEVER
