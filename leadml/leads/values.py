"""Arrow columns to plain text, numbers and categories: the one place where a cell gets its meaning.

Only numpy and pyarrow. `Array.to_numpy`, `pa.array` and `pa.scalar` are not called, since they import pandas,
which costs more than scoring a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

N_LEVELS = 5
"""Levels 0 to 4."""

FEW = 64
"""Up to so many cells are numbered by hand."""

DECIMALS = {",": r"\.", ".": ","}
"""Decimal mark to the mark that then groups thousands, as a regular expression."""

_CURRENCY = r"[€$£¥]|\b(EUR|USD|GBP|CHF)\b"


def category(value: str) -> str:
    """Write a category the way mappings and files are compared: trimmed, and 3.0 as 3.

    Parameters
    ----------
    value : str
        A cell or a key of the mapping.

    Returns
    -------
    str
        Its canonical form.

    Examples
    --------
    >>> category(" Won "), category("3.0"), category("007")
    ('Won', '3', '007')
    """
    value = value.strip()
    return re.sub(r"^(-?\d+)\.0+$", r"\1", value) if value.endswith("0") else value


def buffer_values(array: pa.Array) -> npt.NDArray[np.generic]:
    """View the values of a primitive column as numpy; what stands under a null is undefined.

    Parameters
    ----------
    array : Array of shape (n,)
        Integers or floats.

    Returns
    -------
    ndarray of shape (n,)
        A view that must not be written to.
    """
    kind = np.dtype("float64" if pa.types.is_float64(array.type) else str(array.type))
    values = array.buffers()[1]
    if values is None:
        return np.zeros(len(array), kind)
    return np.frombuffer(values, kind, count=len(array) + array.offset)[array.offset :]


def buffer_bits(array: pa.BooleanArray) -> Bools:
    """Unpack a boolean column without nulls.

    Parameters
    ----------
    array : BooleanArray of shape (n,)
        For instance what ``is_valid()`` returns.

    Returns
    -------
    ndarray of bool, shape (n,)
        Its values.
    """
    end = array.offset + len(array)
    packed = np.frombuffer(array.buffers()[1], np.uint8) if end else np.zeros(0, np.uint8)
    return np.unpackbits(packed, bitorder="little", count=end)[array.offset :].astype(bool)


def text_array(values: Sequence[str | None]) -> pa.StringArray:
    """Build a text column from Python strings.

    Parameters
    ----------
    values : sequence of str or None
        The cells; None is null.

    Returns
    -------
    StringArray of shape (n,)
        The column.
    """
    encoded = [b"" if v is None else v.encode("utf-8", "replace") for v in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(v) for v in encoded], out=offsets[1:])
    valid = np.array([v is not None for v in values], bool)
    mask = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(
        pa.string(), len(encoded), [mask, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    )


def number_array(values: npt.NDArray[np.generic]) -> pa.Array:
    """Wrap numbers or datetime64 as an Arrow column; NaN stays NaN, NaT becomes null.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers, or datetime64 in s, ms, us or ns.

    Returns
    -------
    Array of shape (n,)
        The column, sharing memory.
    """
    values = np.ascontiguousarray(values)
    mask = None
    if values.dtype.kind == "M":
        unit = np.datetime_data(cast("np.dtype[np.datetime64]", values.dtype))[0]
        kind = pa.timestamp(unit)
        mask = pa.py_buffer(np.packbits(~np.isnat(values), bitorder="little"))
    else:
        kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(values)])


def canonical(array: pa.Array, column: str, *, dictionaries: bool = False) -> pa.Array:
    """Bring a column of any Arrow type to one of five: text, whole numbers, float64, dates, timestamps.

    Parameters
    ----------
    array : Array
        As a reader returned it.
    column : str
        Its name, for the message.
    dictionaries : bool
        Whether texts that came as a dictionary may stay so.

    Returns
    -------
    Array
        The same cells.

    Raises
    ------
    ValueError
        The column holds lists or other nested values.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        if dictionaries and pa.types.is_string(kind.value_type):
            return array
        array, kind = array.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_float64(kind):
        return array
    import pyarrow.compute as pc

    if pa.types.is_date(kind):
        return pc.cast(array, pa.date32())
    if pa.types.is_timestamp(kind):
        return pc.cast(array, pa.timestamp("us"), safe=False)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(array, pa.float64(), safe=False)
    try:
        return pc.cast(array, pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise ValueError(
            f"column {column!r} holds {kind}; valid: text, numbers, dates or true/false; flatten it first"
        ) from None


def plain(array: pa.Array) -> pa.Array:
    """Write out a column that is a dictionary.

    Parameters
    ----------
    array : Array
        A canonical column.

    Returns
    -------
    Array
        The same cells, texts one by one.
    """
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def as_text(array: pa.Array) -> pa.StringArray:
    """Write every cell as text: 3.0 as 3, a timestamp at midnight as its date.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.

    Returns
    -------
    StringArray of shape (n,)
        Null where the cell is null or NaN.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_string(kind):
        return array
    import pyarrow.compute as pc

    if pa.types.is_floating(kind):
        nan = pc.is_nan(array)
        return pc.if_else(
            pc.fill_null(nan, nan), pa.nulls(len(array), pa.string()), pc.cast(array, pa.string())
        )
    if pa.types.is_timestamp(kind):
        text = pc.cast(pc.cast(array, pa.timestamp("s"), safe=False), pa.string())
        return pc.replace_substring_regex(text, pattern=" 00:00:00$", replacement="")
    return pc.cast(array, pa.string())


def as_categories(array: pa.Array) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Number the distinct texts of a column.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.

    Returns
    -------
    codes : ndarray of int32, shape (n,)
        Position in `distinct`. A null has the code of the empty text.
    distinct : list of str
        Each distinct text once, as written, in order of appearance; the empty text last. Of a dictionary: all
        its texts, in its order.
    """
    if len(array) <= FEW:
        # By hand: it needs no machinery to be loaded.
        cells = as_text(array).to_pylist()
        position = {
            cell: at for at, cell in enumerate(dict.fromkeys(cell for cell in cells if cell is not None))
        }
        codes = np.array([len(position) if cell is None else position[cell] for cell in cells], np.int32)
        return codes, [*position, ""]
    encoded = _as_dictionary(array)
    codes = buffer_values(encoded.indices).astype(np.int32)
    distinct = encoded.dictionary.to_pylist()
    if encoded.indices.null_count:
        codes[~buffer_bits(encoded.indices.is_valid())] = len(distinct)
    return codes, [*distinct, ""]


def _as_dictionary(array: pa.Array) -> pa.DictionaryArray:
    return array if pa.types.is_dictionary(array.type) else as_text(array).dictionary_encode()


def as_numbers(array: pa.Array, decimal: str = ".") -> tuple[Floats, Bools, Bools]:
    """Read every cell as a number.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.
    decimal : str
        The decimal mark, ``.`` or ``,``; the other one, a space or an apostrophe may group thousands.

    Returns
    -------
    numbers : ndarray of float64, shape (n,)
        NaN where there is none.
    missing : ndarray of bool, shape (n,)
        The cell is empty.
    bad : ndarray of bool, shape (n,)
        The cell holds something that is no number.

    Examples
    --------
    >>> as_numbers(text_array(["1.234,50", "", "many", "€ 7"]), decimal=",")[0].tolist()
    [1234.5, nan, nan, 7.0]
    """
    kind = array.type
    n = len(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = buffer_values(array).astype(np.float64)
        missing = np.zeros(n, bool) if not array.null_count else ~buffer_bits(array.is_valid())
        missing |= np.isnan(numbers)
        numbers[missing] = np.nan
        bad = np.isinf(numbers)
        numbers[bad] = np.nan
        return numbers, missing, bad
    import pyarrow.compute as pc

    encoded = _as_dictionary(array)
    distinct, known = _parse_numbers(encoded.dictionary, decimal)
    codes = buffer_values(encoded.indices).astype(np.int64)
    if encoded.indices.null_count:
        codes[~buffer_bits(encoded.indices.is_valid())] = len(distinct)
    empty = np.append(lengths(pc.utf8_trim_whitespace(encoded.dictionary)) == 0, True)
    missing = empty[codes]
    bad = ~np.append(known, False)[codes] & ~missing
    return np.append(distinct, np.nan)[codes], missing, bad


def number_pattern(decimal: str) -> str:
    """Give the regular expression of a number.

    Parameters
    ----------
    decimal : str
        The decimal mark, ``.`` or ``,``.

    Returns
    -------
    str
        For RE2 and for `re`.
    """
    mark, group = re.escape(decimal), DECIMALS[decimal]
    whole = rf"(\d+|\d{{1,3}}({group}\d{{3}})+|\d{{1,3}}([ \x{{00A0}}\x{{202F}}'’]\d{{3}})+)"
    return rf"^[-+]?({whole}({mark}\d*)?|{mark}\d+)([eE][-+]?\d+)?$"


def lengths(array: pa.StringArray) -> npt.NDArray[np.int32]:
    """Measure texts in bytes.

    Parameters
    ----------
    array : StringArray of shape (n,)
        Texts; a null counts 0.

    Returns
    -------
    ndarray of int32, shape (n,)
        Number of bytes.
    """
    offsets = array.buffers()[1]
    if offsets is None or not len(array):
        return np.zeros(len(array), np.int32)
    ends = np.frombuffer(offsets, np.int32, count=array.offset + len(array) + 1)[array.offset :]
    return np.diff(ends)


def _parse_numbers(distinct: pa.StringArray, decimal: str) -> tuple[Floats, Bools]:
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(distinct, pattern=_CURRENCY, replacement=""))
    is_number = pc.match_substring_regex(text, pattern=number_pattern(decimal))
    known = buffer_bits(is_number)
    plain = pc.replace_substring_regex(
        text.filter(is_number), pattern=rf"{DECIMALS[decimal]}|[ \x{{00A0}}\x{{202F}}'’]", replacement=""
    )
    if decimal == ",":
        plain = pc.replace_substring(plain, pattern=",", replacement=".")
    plain = pc.replace_substring_regex(plain, pattern=r"^\+|\.$", replacement="")
    numbers = np.full(len(distinct), np.nan)
    numbers[known] = buffer_values(
        pc.cast(pc.replace_substring_regex(plain, pattern=r"\.[eE]", replacement="e"), pa.float64())
    )
    known &= np.isfinite(numbers)
    numbers[~known] = np.nan
    return numbers, known
