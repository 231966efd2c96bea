"""Leads from arrays and frames: what `Leads.from_arrays` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import carry, relabel, text_of
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.exceptions import InputError
from leadml.levels import CANONICAL, LEVEL_MAX, codes_of_levels
from leadml.records import nearest

_FRAMES = ("context", "segments", "facts")
_FLAGS = ("contactable", "followed_up")
_NUMBERS = ("amount", "weight", "propensity")
_DATES = {"created_at": "created", "closed_at": "closed", "snapshot": "snapshot"}
_AS_IS = ("in_time_order", "source", "mapping", "truth")
_NAMES = (*_FRAMES, *_FLAGS, *_NUMBERS, *_DATES, *_AS_IS, "group", "lead_id")


def leads_of_arrays(
    levels: Any, outcome: Any, criteria: Sequence[str] | None, columns: Mapping[str, Any]
) -> Leads:
    """Make leads of arrays; see `Leads.from_arrays`."""
    for name in columns:
        if name not in _NAMES:
            raise InputError(
                f"{name} is no column of leads; valid: {', '.join(_NAMES)}{nearest(name, _NAMES)}"
            )
    names = _criteria(levels, criteria)
    values = np.asarray(levels, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise InputError(
            f"levels has shape {values.shape}; valid: (leads, {len(names)}), a column a criterion"
        )
    order = sorted(range(len(names)), key=lambda j: CANONICAL.index(names[j]))
    known = ~np.isnan(values)
    if (known & ~np.isin(values, np.arange(LEVEL_MAX + 1))).any():
        wrong = values[known & ~np.isin(values, np.arange(LEVEL_MAX + 1))][0]
        raise InputError(
            f"levels holds {wrong:g}; valid: 0 to {LEVEL_MAX}, NaN for unknown; use a mapping otherwise"
        )
    n = len(values)
    made: dict[str, Any] = {name: columns[name] for name in _AS_IS if name in columns}
    given = {name: columns[name] for name in columns if columns[name] is not None and name not in _AS_IS}
    for name, column in given.items():
        lengths = {len(each) for each in dict(column).values()} if name in _FRAMES else {len(column)}
        if lengths - {n}:
            raise InputError(f"{name} has {lengths.pop()} rows; valid: {n}, one a lead")
        if name in _FRAMES:
            made[name] = {str(key): _column(each) for key, each in dict(column).items()}
        elif name in _DATES:
            made[_DATES[name]] = _days(column)
        elif name == "group":
            made["unit"] = _numbered(column)
        elif name == "lead_id":
            made["lead_id"] = pa.array([str(each) for each in column], pa.string())
        else:
            made[name] = np.asarray(column, dtype=bool if name in _FLAGS else np.float64)
    ended = None if outcome is None else _outcome(outcome, n)
    codes = np.asfortranarray(codes_of_levels(values[:, order]))
    return Leads(tuple(names[j] for j in order), codes, ended, row=np.arange(2, n + 2), n_rows=n, **made)


def _criteria(levels: Any, criteria: Sequence[str] | None) -> list[str]:
    names = [str(name) for name in (getattr(levels, "columns", ()) if criteria is None else criteria)]
    unknown = [name for name in names if name not in CANONICAL]
    if unknown or not names or len(set(names)) < len(names):
        said = f"criteria are {names}" if names else "criteria are not named"
        raise InputError(f"{said}; valid: each once of {', '.join(CANONICAL)}; give criteria=[...]")
    return names


def _outcome(outcome: Any, n: int) -> npt.NDArray[np.int8]:
    values = np.array([np.nan if v is None else float(v) for v in outcome], dtype=np.float64)
    values[np.isnan(values)] = OPEN
    if len(values) != n or not np.isin(values, (OPEN, 0, 1)).all():
        raise InputError(f"outcome holds {len(values)} values; valid: {n} of 1 won, 0 lost, NaN open")
    return values.astype(np.int8)


def _days(column: Any) -> npt.NDArray[np.int32]:
    values = np.asarray(column)
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.int32)
    dates = values.astype("datetime64[D]")
    return np.where(np.isnat(dates), NO_DAY, dates.astype(np.int64)).astype(np.int32)


def _numbered(column: Any) -> npt.NDArray[np.int32]:
    return np.unique(np.asarray([str(each) for each in column]), return_inverse=True)[1].astype(np.int32)


def _column(column: Any) -> pa.Array:
    """Take a column of any kind as a reader would have it."""
    array = column if isinstance(column, pa.Array) else pa.array(column, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return relabel(text_of(array), str.strip) if pa.types.is_boolean(array.type) else carry(array)
