"""Arrow arrays from numpy and Python, made from their buffers: ``pa.array`` would import pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import numpy.typing as npt


__all__ = [
    "Column",
    "bool_array",
    "compose",
    "dictionary_array",
    "distinct",
    "number_anew",
    "number_array",
    "side_by_side",
    "take",
    "text_array",
]

Column = tuple[pa.StringArray, "npt.NDArray[np.int32]"]
"""Texts, and which of them each row has."""


def number_array(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Make an Arrow array of whole or real numbers.

    Parameters
    ----------
    values : ndarray of shape (n,)
        int32, int64 or float64.
    missing : ndarray of shape (n,), bool, optional
        Which are null.

    Returns
    -------
    pyarrow.Array
        The same n numbers.
    """
    kinds = {"int32": pa.int32(), "int64": pa.int64(), "float64": pa.float64()}
    mask = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(
        kinds[values.dtype.name], len(values), [mask, pa.py_buffer(np.ascontiguousarray(values))]
    )


def dictionary_array(words: pa.StringArray, index: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    """Make an Arrow array of words that occur often.

    Parameters
    ----------
    words : StringArray
        Each word once or more.
    index : ndarray of shape (n,), int32
        Position of each value among the words.

    Returns
    -------
    pyarrow.DictionaryArray
        n words.
    """
    return pa.DictionaryArray.from_arrays(number_array(index), words)


def bool_array(values: npt.NDArray[np.bool_]) -> pa.Array:
    """Make an Arrow array of truth values.

    Parameters
    ----------
    values : ndarray of shape (n,), bool
        Truth values.

    Returns
    -------
    pyarrow.Array
        The same n values.
    """
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def text_array(values: Sequence[str]) -> pa.Array:
    """Make an Arrow array of text.

    Parameters
    ----------
    values : sequence of str
        n texts.

    Returns
    -------
    pyarrow.StringArray
        The same n texts.
    """
    encoded = [value.encode("utf-8", "replace") for value in values]
    ends = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(each) for each in encoded], out=ends[1:])
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def take(values: pa.Array, index: npt.NDArray[np.int32]) -> pa.Array:
    """Take values by their positions.

    Parameters
    ----------
    values : Array
        Any values.
    index : ndarray of shape (n,), int32
        Positions among them.

    Returns
    -------
    pyarrow.Array
        n values.
    """
    return _call("take", [values, number_array(index)])


def _call(name: str, arguments: list[pa.Array]) -> pa.Array:
    """Call a function of Arrow: all of pyarrow.compute takes longer to load than 100,000 leads to score."""
    try:
        from pyarrow._compute import call_function
    except ImportError:
        from pyarrow.compute import call_function
    return call_function(name, arguments)


def distinct(column: pa.Array) -> tuple[list[Any], npt.NDArray[np.int32]]:
    """Give the values that a column holds, each once, and which of them each row has.

    Parameters
    ----------
    column : Array of n values
        Of any type.

    Returns
    -------
    values : list
        Plain Python values; None last, when it occurs.
    index : ndarray of shape (n,), int32
        Position of each row's value among them.
    """
    encoded = column if pa.types.is_dictionary(column.type) else _call("dictionary_encode", [column])
    values, at = encoded.dictionary.to_pylist(), encoded.indices
    index = np.frombuffer(at.buffers()[1], np.int32, count=at.offset + len(at))[at.offset :]
    if at.null_count:
        known = np.frombuffer(at.buffers()[0], np.uint8)
        is_known = np.unpackbits(known, count=at.offset + len(at), bitorder="little")[at.offset :]
        index = np.where(is_known, index, np.int32(len(values)))
        values.append(None)
    return values, index


def number_anew(columns: Sequence[Column]) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
    """Put the texts of columns into one row of texts, for `compose`.

    Parameters
    ----------
    columns : sequence of m Column of n rows
        The columns.

    Returns
    -------
    words : StringArray
        All texts.
    pieces : ndarray of shape (n, m), int32
        Position of each row's text of each column among them.
    """
    pieces = np.empty((len(columns[0][1]), len(columns)), np.int32)
    start: dict[int, int] = {}
    texts: list[pa.StringArray] = []
    for at, (each, index) in enumerate(columns):
        if id(each) not in start:
            start[id(each)] = sum(map(len, texts))
            texts.append(each)
        np.add(index, start[id(each)], out=pieces[:, at])
    return pa.concat_arrays(texts), pieces


def side_by_side(columns: Sequence[Column], first: str = "") -> memoryview:
    """Join the texts of columns row by row, as they stand in a file.

    Parameters
    ----------
    columns : sequence of Column
        The columns.
    first : str
        Begins the first row, and is what the last one ends with, where it is left out.

    Returns
    -------
    memoryview
        UTF-8.
    """
    words, pieces = number_anew([(text_array([first]), np.zeros(len(columns[0][1]), np.int32)), *columns])
    flat = np.append(np.int32(0), pieces[:, 1:].ravel())
    taken = take(words, flat)
    end = int(np.frombuffer(taken.buffers()[1], np.int32)[len(flat)])
    return memoryview(taken.buffers()[2])[: end - len(first)]


def compose(words: pa.StringArray, pieces: npt.NDArray[np.int32]) -> pa.StringArray:
    """Make texts of words, in one pass.

    Parameters
    ----------
    words : StringArray
        Each word once, none of them null.
    pieces : ndarray of shape (n, m), int32
        Positions of the words that a text consists of; nothing stands between them.

    Returns
    -------
    pyarrow.StringArray
        n texts, which lie in memory one behind the other.
    """
    n, m = pieces.shape
    taken = take(words, pieces.ravel())
    ends = np.frombuffer(taken.buffers()[1], np.int32, count=n * m + 1)[::m]
    return pa.StringArray.from_buffers(n, pa.py_buffer(np.ascontiguousarray(ends)), taken.buffers()[2])
