"""Levels as they come, to level codes: uint8, 0 to 4, and 5 for unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.exceptions import InputError

if TYPE_CHECKING:
    import numpy.typing as npt


__all__ = ["UNKNOWN", "code_of", "read_columns", "read_one"]

UNKNOWN = 5
"""Level code of a level that is not known."""

BLOCK = 1 << 15
"""So many leads are read at once, which stay in the processor's cache."""

_CODES: dict[Any, int] = {None: UNKNOWN, 0: 0, 1: 1, 2: 2, 3: 3, 4: 4}


def code_of(level: Any, name: str) -> int:
    """Give the code of one level.

    Parameters
    ----------
    level : int, float or None
        0 to 4; None or NaN for unknown.
    name : str
        The criterion, for the message.

    Returns
    -------
    int
        0 to 5.

    Raises
    ------
    InputError
        When it is no level.
    """
    try:
        return _CODES[level]
    except (KeyError, TypeError):
        if isinstance(level, float | np.floating) and math.isnan(level):
            return UNKNOWN
    raise InputError(f"{name}: got {level!r}, valid is a level 0 to 4, or None or NaN for unknown")


def read_one(levels: Any, ids: tuple[str, ...]) -> tuple[int, ...] | None:
    """Read the level codes of one lead without arrays, where that is what came.

    Parameters
    ----------
    levels : object
        Levels; see `Card.score`.
    ids : tuple of str
        The k criteria.

    Returns
    -------
    tuple of k int, or None
        None for anything else than one lead, and for one that has to be refused.
    """
    row: Any
    if isinstance(levels, dict):
        row = [levels.get(name) for name in ids]
        if not any(name in levels for name in ids):
            return None
    elif isinstance(levels, np.ndarray) and levels.shape == (1, len(ids)) and levels.dtype.kind in "if":
        row = levels.tolist()[0]
    else:
        return None
    try:
        # NaN alone is unequal to itself.
        return tuple([UNKNOWN if level != level else _CODES[level] for level in row])
    except (KeyError, TypeError, ValueError):
        return None


def read_columns(levels: Any, ids: tuple[str, ...]) -> list[npt.NDArray[np.uint8]]:
    """Read one column of level codes a criterion.

    Parameters
    ----------
    levels : array of shape (n, k), DataFrame, or mapping of columns or of single values
        Levels; see `Card.score`.
    ids : tuple of str
        The k criteria.

    Returns
    -------
    list of k ndarray of shape (n,), uint8
        Level codes.

    Raises
    ------
    InputError
        Naming the criterion and the row, counted from 0.
    """
    if isinstance(levels, Mapping) or hasattr(levels, "columns"):
        return _named_columns(levels, ids)
    matrix = np.asarray(levels)
    if matrix.ndim != 2 or matrix.shape[1] != len(ids):
        raise InputError(
            f"levels: got an array of shape {matrix.shape}, valid is (n, {len(ids)}) with the columns "
            f"{', '.join(ids)}; or give a mapping of columns by name"
        )
    if matrix.dtype.kind == "f" and (codes := _float_codes(matrix)) is not None:
        return list(codes)
    return [_codes(matrix[:, position], name) for position, name in enumerate(ids)]


def _float_codes(matrix: npt.NDArray[Any]) -> npt.NDArray[np.uint8] | None:
    """Give the codes of a matrix of levels and NaN, criterion by criterion; None when a value is neither."""
    codes = np.empty(matrix.shape[::-1], np.uint8)
    for start in range(0, len(matrix), BLOCK):
        block = matrix[start : start + BLOCK]
        unknown = np.isnan(block)
        filled = np.fmin(block, UNKNOWN)  # of a number and NaN, the number
        with np.errstate(invalid="ignore"):
            here = filled.astype(np.uint8)
        # What is no level does not come back as it was, or is unknown without being NaN.
        if (here != filled).any() or ((here >= UNKNOWN) != unknown).any():
            return None
        codes[:, start : start + BLOCK] = here.T
    return codes


def _named_columns(levels: Any, ids: tuple[str, ...]) -> list[npt.NDArray[np.uint8]]:
    """Read the columns that are named like criteria; one that is absent is unknown throughout."""
    found = {name: levels[name] for name in ids if name in levels}
    if not found:
        raise InputError(f"levels: none of the criteria {', '.join(ids)} is there; give at least one of them")
    arrays = {name: np.atleast_1d(np.asarray(column)) for name, column in found.items()}
    lengths = {name: len(column) for name, column in arrays.items()}
    n = max(lengths.values())
    if min(lengths.values()) != n:
        raise InputError(
            f"levels: columns of unequal length {lengths}; give every criterion the same number of leads"
        )
    nothing = np.full(n, UNKNOWN, np.uint8)
    return [_codes(arrays[name], name) if name in arrays else nothing for name in ids]


def _codes(column: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """Check one column and give its codes."""
    if column.dtype == np.uint8:
        codes: npt.NDArray[np.uint8] = column
        good = codes <= UNKNOWN
    elif column.dtype.kind in "iu":
        good = (column >= 0) & (column <= 4)
        codes = column.astype(np.uint8)
    elif column.dtype.kind == "f":
        unknown = np.isnan(column)
        codes = np.where((column >= 0) & (column <= 4), column, UNKNOWN).astype(np.uint8)
        good = (codes == column) & (codes <= 4) | unknown
    elif column.dtype.kind == "O":
        return np.fromiter((code_of(level, f"{name}[{row}]") for row, level in enumerate(column)), np.uint8)
    else:
        raise InputError(
            f"{name}: got values of type {column.dtype}, valid are levels 0 to 4 and NaN for unknown"
        )
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise InputError(f"{name}[{row}]: got {column[row]}, valid is a level 0 to 4, or NaN for unknown")
    return codes
