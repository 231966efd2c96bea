"""Dates as people export them, in one order of day, month and year a column."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leadml.leads.values import as_categories, as_text, buffer_bits, buffer_values

_CLOCK = r"(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(AM|PM|am|pm)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})" + _CLOCK)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})" + _CLOCK)


class ParsedDates(NamedTuple):
    """A column of dates.

    Attributes
    ----------
    values : ndarray of datetime64[s], shape (n,)
        UTC where the file gives an offset; NaT where there is none.
    bad : ndarray of bool, shape (n,)
        The cell holds something that is no date in this order.
    order : str
        ``year-month-day``, ``day-month-year``, ``month-day-year``, or ``typed`` for a column of dates.
    ambiguous : bool
        Whether the order was assumed: every date can be read day first and month first.
    """

    values: npt.NDArray[np.datetime64]
    bad: npt.NDArray[np.bool_]
    order: str
    ambiguous: bool


def parse_dates(array: pa.Array, day_first: bool | None = None, order: str | None = None) -> ParsedDates:
    """Read a column of dates, all in the order that fits most of them.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.
    day_first : bool, optional
        Whether 03/04/2026 is in April; found from the column when absent. Where both fit, a slash is read
        month first, a hyphen or a full stop day first, and that is reported as ambiguous.
    order : str, optional
        The order that was found before in other rows of the column; texts in another order are bad.

    Returns
    -------
    ParsedDates
        Dates to the second, and what was no date.

    Examples
    --------
    >>> from leadml.leads.values import text_array
    >>> dates = parse_dates(text_array(["03/04/2026", "25/12/2026", "soon"]))
    >>> dates.values.astype("datetime64[D]").tolist()[0], dates.order, dates.bad.tolist()
    (datetime.date(2026, 4, 3), 'day-month-year', [False, False, True])
    """
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        seconds = pc.cast(pc.cast(array, pa.timestamp("s"), safe=False), pa.int64())
        values = buffer_values(seconds).astype("datetime64[s]")
        if array.null_count:
            values[~buffer_bits(array.is_valid())] = np.datetime64("NaT")
        return ParsedDates(values, np.zeros(len(array), bool), "typed", False)
    codes, distinct = as_categories(as_text(array))  # the order is found from what occurs
    texts = [text.strip() for text in distinct]
    filled = np.array([bool(text) for text in texts])
    readings = {
        "year-month-day": _year_first,
        "day-month-year": lambda text: _year_last(text, True),
        "month-day-year": lambda text: _year_last(text, False),
    }
    if day_first is not None:
        del readings["month-day-year" if day_first else "day-month-year"]
    if sum("/" in text for text in texts) * 2 > filled.sum():
        readings = dict(reversed(readings.items()))
    if order in readings:
        readings = {order: readings[order]}
    tried = {each: _read_all(texts, reading) for each, reading in readings.items()}
    n_read = {each: int((~np.isnat(values)).sum()) for each, values in tried.items()}
    best = max(n_read, key=lambda each: n_read[each])
    others = [tried[o] for o in tried if o != best and n_read[o] == n_read[best] > 0]
    values = tried[best]
    same = [np.array_equal(other, values, equal_nan=True) for other in others]
    return ParsedDates(values[codes], (filled & np.isnat(values))[codes], best, not all(same))


def _read_all(
    texts: list[str], reading: Callable[[str], datetime.datetime | None]
) -> npt.NDArray[np.datetime64]:
    return np.array([reading(text) for text in texts], "datetime64[s]")


def _year_first(text: str) -> datetime.datetime | None:
    found = _YEAR_FIRST.fullmatch(text)
    return found and _moment(int(found[1]), int(found[3]), int(found[4]), found.groups()[4:])


def _year_last(text: str, day_first: bool) -> datetime.datetime | None:
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return None
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    if len(found[4]) == 2:
        year += 2000 if year < 70 else 1900
    day, month = (first, second) if day_first else (second, first)
    return _moment(year, month, day, found.groups()[4:])


def _moment(year: int, month: int, day: int, clock: tuple[str | None, ...]) -> datetime.datetime | None:
    hour, minute, second, half, offset = clock
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    try:
        moment = datetime.datetime(year, month, day, hours, int(minute or 0), int(second or 0))  # noqa: DTZ001
    except ValueError:
        return None
    if offset and offset != "Z":
        sign = -1 if offset[0] == "-" else 1
        digits = offset[1:].replace(":", "")
        moment -= sign * datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return moment
