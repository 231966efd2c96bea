"""Cells of a table: Arrow columns (or Python values, of Excel, JSON lines, databases and records) to
categories, numbers and text; the one place where cells get a meaning.

Only numpy and pyarrow: `to_numpy`, `pa.array` and `pa.scalar` import pandas, which costs more than scoring.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.levels import Codes, Flags, Floats, Ints32

FEW = 4096
FEW_NUMBERS = 64  # whole numbers that lie so near each other need no dictionary
_GROUP = {",": r"\.", ".": ","}  # decimal mark to the mark that then groups thousands
_SPACES = "[ \u00a0\u202f'’]"
CURRENCY = r"[€$£¥]|\b(EUR|USD|GBP|CHF)\b|[.,]-{1,2}\s*$"  # 30.000,- is how a Dutch amount ends


class _Compute:
    """pyarrow.compute, loaded when it is first used, since that takes as long as scoring a lead."""

    def __getattr__(self, name: str) -> Any:
        import pyarrow.compute

        return getattr(pyarrow.compute, name)


pc: Any = _Compute()


def category(value: str) -> str:
    """Write a category the way mappings and files are compared: trimmed, and 3.0 as 3."""
    value = value.strip()
    return re.sub(r"^(-?\d+)\.0+$", r"\1", value) if value.endswith("0") else value


def values_of(array: pa.Array) -> npt.NDArray[Any]:
    """View the values of a column of numbers, dates or timestamps; what stands under a null is undefined."""
    kind = array.type
    letter = "f" if pa.types.is_floating(kind) else "u" if pa.types.is_unsigned_integer(kind) else "i"
    dtype = np.dtype(f"{letter}{kind.bit_width // 8}")
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(buffer, dtype, count=len(array) + array.offset)[array.offset :]


def _bits_of(buffer: pa.Buffer, array: pa.Array) -> Flags:
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), count=array.offset + len(array), bitorder="little")
    return bits[array.offset :].view(bool)


def valid_of(array: pa.Array) -> Flags:
    """Tell which cells are not null."""
    known = array.buffers()[0]
    return np.full(len(array), array.null_count == 0) if known is None else _bits_of(known, array)


def _packed(bits: Flags) -> pa.Buffer:
    return pa.py_buffer(np.packbits(bits, bitorder="little"))


def mask_of(values: Flags) -> pa.BooleanArray:
    """Wrap a mask as an Arrow column."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _packed(values)])


def text_array(values: Sequence[str | None]) -> pa.StringArray:
    """Build a column of text; None is null."""
    encoded = [b"" if v is None else v.encode("utf-8", "replace") for v in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(v) for v in encoded], out=offsets[1:])
    valid = np.array([v is not None for v in values], bool)
    buffers = [None if valid.all() else _packed(valid), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def number_array(values: npt.NDArray[Any], kind: pa.DataType | None = None, valid: Flags | None = None) -> pa.Array:
    """Wrap numbers as an Arrow column, sharing memory; invalid ones are null."""
    buffers = [None if valid is None or valid.all() else _packed(valid), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(kind or pa.from_numpy_dtype(values.dtype), len(values), buffers)


def take(array: Any, at: pa.Array) -> Any:
    """Pick rows by position, without pyarrow.compute, whose loading takes as long as scoring 50,000 leads."""
    if len(at) > FEW or not pa.types.is_string(array.type):
        from pyarrow._compute import call_function

        return call_function("take", [array, at])
    texts = array.to_pylist()
    return text_array([None if row is None else texts[row] for row in at.to_pylist()])


def text_of(array: pa.Array) -> pa.StringArray:
    """Write every cell as text: 3.0 as 3, midnight as its date; null stays null."""
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_dictionary(kind):
        return text_of(take(array.dictionary, array.indices))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = values_of(pc.cast(array, pa.float64(), safe=False))
        text = pc.cast(number_array(numbers, valid=valid_of(array) & ~np.isnan(numbers)), pa.string())
        return pc.replace_substring_regex(text, pattern=r"\.0$", replacement="")
    if pa.types.is_timestamp(kind):
        text = pc.cast(pc.cast(array, pa.timestamp("s"), safe=False), pa.string())
        return pc.replace_substring_regex(text, pattern=" 00:00:00$", replacement="")
    return pc.cast(array, pa.string())


def distinct_of(array: pa.Array) -> tuple[Ints32 | Codes, pa.StringArray]:
    """Number the distinct texts of a column: (n,) positions, null behind the last; and the texts, or more."""
    if pa.types.is_integer(array.type) and len(array):
        numbers = values_of(array)
        low, high = int(numbers.min()), int(numbers.max())
        if high - low < FEW_NUMBERS:
            at = (numbers - low).astype(np.uint8)
            if array.null_count:
                at[~valid_of(array)] = high - low + 1
            return at, text_array(list(map(str, range(low, high + 1))))
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    elif array.type != pa.dictionary(pa.int32(), pa.string()):
        array = array.dictionary_decode().dictionary_encode()
    at = np.array(values_of(array.indices), np.int32)
    if array.indices.null_count:
        at[~valid_of(array.indices)] = len(array.dictionary)
    return at, text_of(array.dictionary)


def categories_of(array: pa.Array) -> tuple[Ints32 | Codes, list[str]]:
    """Number the distinct texts of a column: (n,) positions, and the texts; the last is empty, for null."""
    at, distinct = distinct_of(array)
    return at, [*(text or "" for text in distinct.to_pylist()), ""]


def relabel(array: pa.Array, label: Callable[[str], str | None]) -> pa.DictionaryArray:
    """Rewrite the distinct texts of a column; empty ones and None become null."""
    at, distinct = categories_of(array)
    labels = [label(text) or None for text in distinct]
    position = {name: i for i, name in enumerate(dict.fromkeys(filter(None, labels)))}
    codes = np.array([position[name] if name else -1 for name in labels], np.int32)[at]
    indices = number_array(np.maximum(codes, 0), pa.int32(), codes >= 0)
    return pa.DictionaryArray.from_arrays(indices, text_array(list(position)))


def carry(array: pa.Array) -> pa.Array:
    """Keep a column of the CRM: numbers and dates as they are, all else as trimmed text in a dictionary."""
    kind = array.type
    if is_number(kind):
        numbers, _ = numbers_of(array)
        return number_array(numbers, valid=~np.isnan(numbers))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return array.cast(pa.date32(), safe=False)
    return relabel(array, str.strip)


def numbers_of(array: pa.Array, decimal: str = ".") -> tuple[Floats, Flags]:
    """Read every cell as a number: (n,) numbers, NaN where there is none; (n,) cells that hold other things.

    Of text, `decimal` is the decimal mark; the other mark, a space or an apostrophe may group thousands, and a
    currency may stand beside: ``€ 30.700,00`` and ``25.000`` under a decimal comma.
    """
    if is_number(array.type):
        numbers = np.array(values_of(pc.cast(array, pa.float64(), safe=False)), np.float64)
        numbers[~valid_of(array)] = np.nan
        bad = np.isinf(numbers)
        numbers[bad] = np.nan
        return numbers, bad
    at, distinct = distinct_of(array)
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(distinct, pattern=CURRENCY, replacement=""))
    fits = pc.match_substring_regex(text, pattern=number_pattern(decimal))
    beside = rf"{_GROUP[decimal]}|{_SPACES}|^\+"
    plain = pc.replace_substring_regex(text.filter(fits), pattern=beside, replacement="")
    plain = plain if decimal == "." else pc.replace_substring(plain, pattern=",", replacement=".")
    numbers = np.full(len(distinct) + 1, np.nan)
    numbers[:-1][_bits_of(fits.buffers()[1], fits)] = values_of(pc.cast(plain, pa.float64()))
    numbers[~np.isfinite(numbers)] = np.nan
    filled = np.append(values_of(pc.binary_length(pc.utf8_trim_whitespace(distinct))) > 0, False)
    return numbers[at], (filled & np.isnan(numbers))[at]


def is_number(kind: pa.DataType) -> bool:
    """Tell a column that holds numbers by its type."""
    return any(is_kind(kind) for is_kind in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal))


def number_pattern(decimal: str) -> str:
    """Give the regular expression (RE2) of a number with this decimal mark."""
    mark, group = re.escape(decimal), _GROUP[decimal]
    whole = rf"(\d+|\d{{1,3}}({group}\d{{3}})+|\d{{1,3}}({_SPACES}\d{{3}})+)"
    return rf"^[-+]?({whole}({mark}\d*)?|{mark}\d+)([eE][-+]?\d+)?$"


def join_column(parts: Sequence[pa.Array], decimal: str, *, keep_text: bool) -> pa.Array:
    """Join the chunks of a column, as text where they differ in type.

    Unless `keep_text`, text becomes numbers when every filled cell is one and none a code such as 007.
    """
    if len({part.type for part in parts}) > 1:
        marks = (decimal if is_number(part.type) else "." for part in parts)  # numbers are written as texts are
        written = (pc.replace_substring(text_of(part), ".", mark) for part, mark in zip(parts, marks, strict=True))
        parts = [relabel(text, str.strip) for text in written]
    if not pa.types.is_dictionary(parts[0].type):
        return pa.concat_arrays(list(parts))
    column = pa.chunked_array(parts).unify_dictionaries().combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    if keep_text:
        return column
    numbers, bad = numbers_of(column, decimal)
    texts = column.dictionary.to_pylist()
    if bad.any() or not texts or any(text[:1] == "0" and text[1:2].isdigit() for text in texts):
        return column
    return number_array(numbers, valid=~np.isnan(numbers))


def column_of(values: Sequence[Any], mark: str = ".") -> pa.Array:
    """Make a column of Python values: int64, float64, timestamp or text; None, NaN and empty texts are blank.

    With any text among them it becomes text, its numbers as `Chunk` says.
    """
    values = [None if value != value else value for value in values]
    kinds = {type(value) for value in values} - {type(None)}
    valid = np.array([value is not None for value in values], bool)
    if kinds and kinds <= {int, float, Decimal}:
        if all(value is None or abs(value) <= 1 << 53 for value in values):  # as floats they are exact
            return number_array(np.array([v or 0 for v in values], np.int64 if kinds == {int} else float), valid=valid)
    elif kinds and kinds <= {datetime.date, datetime.datetime}:
        # The day is the one that its own clock shows.
        naive = [v.replace(tzinfo=None) if isinstance(v, datetime.datetime) else v for v in values]
        moments = np.array(["NaT" if value is None else value for value in naive], "datetime64[us]")
        return number_array(moments.view(np.int64), pa.timestamp("us"), valid)
    return text_array([cell_text(value, mark) for value in values])


def cell_text(value: Any, mark: str = ".") -> str | None:
    """Write a cell as text: 3.0 as 3, 2.5 with the decimal mark, midnight as its date, True as true."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal) and math.isfinite(value):
        whole = value == int(value) and -1e15 < value < 1e15
        return str(int(value)) if whole else str(value).replace(".", mark)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
