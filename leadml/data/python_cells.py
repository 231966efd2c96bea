"""Cells that come as Python values (Excel, JSON lines, databases, records): one Arrow column of them.

A column of numbers becomes numbers, of dates timestamps. A column with any text becomes text, its numbers
written with the source's decimal mark and without groups, so that one parser reads both (see `Chunk`).
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from leadml.data.cells import number_array, text_array

_INT64 = range(-(1 << 63), 1 << 63)


def column_of(values: Sequence[Any], mark: str = ".") -> pa.Array:
    """Make a column: int64, float64, timestamp or text; None, NaN and empty texts are blank."""
    kinds = {type(value) for value in values}
    if kinds & {float, decimal.Decimal}:
        values = [None if value != value else value for value in values]
    kinds.discard(type(None))
    filled = np.array([value is not None for value in values], bool)
    if kinds == {int} and all(value is None or value in _INT64 for value in values):
        return number_array(np.array([value or 0 for value in values], np.int64), valid=filled)
    numbers = {int, float, decimal.Decimal}
    if kinds and kinds <= numbers and all(value is None or abs(value) <= 1 << 53 for value in values):
        return number_array(np.array([value or 0 for value in values], np.float64), valid=filled)
    if kinds and kinds <= {datetime.date, datetime.datetime} and not any(map(_has_zone, values)):
        moments = np.array(["NaT" if value is None else value for value in values], "datetime64[us]")
        return number_array(moments.view(np.int64), pa.timestamp("us"), filled)
    return text_array([cell_text(value, mark) for value in values])


def cell_text(value: Any, mark: str = ".") -> str | None:
    """Write a cell as text: 3.0 as 3, 2.5 with the decimal mark, midnight as its date, True as true."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | decimal.Decimal):
        if not math.isfinite(value):
            return None if value != value else str(value)
        whole = value == int(value) and -1e15 < value < 1e15
        return str(int(value)) if whole else str(value).replace(".", mark)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(value, dict | list):
        import json

        return json.dumps(value, default=str)
    return str(value)


def _has_zone(value: object) -> bool:
    return isinstance(value, datetime.datetime) and value.tzinfo is not None
