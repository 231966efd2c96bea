"""Arrow arrays from numpy and Python, made from their buffers: ``pa.array`` would import pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import numpy.typing as npt


__all__ = ["bool_array", "compose", "dictionary_array", "number_array", "take", "text_array"]


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
    try:  # the method of Arrow's arrays loads all of pyarrow.compute, which takes longer than 100,000 leads
        from pyarrow._compute import call_function
    except ImportError:
        from pyarrow.compute import call_function
    return call_function("take", [values, number_array(index)])


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
