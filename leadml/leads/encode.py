"""Arrow columns to level codes by a mapping: the one way in, for learning and for scoring.

Every distinct cell of a column is looked up once, and the rows follow by numpy indexing; so a batch costs
about what numbering its distinct values costs. Only numpy and pyarrow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from leadml.leads.chunks import SHOWN_CHARACTERS, Rejection
from leadml.leads.values import (
    N_LEVELS,
    as_categories,
    as_numbers,
    as_text,
    buffer_bits,
    buffer_values,
    category,
    lengths,
)
from leadml.records import CANONICAL, nearest

if TYPE_CHECKING:
    import numpy.typing as npt

    Codes = npt.NDArray[np.uint8]

    from leadml.leads.mapping import Criterion, Fact, Mapping, Outcome

UNKNOWN = 5
"""The code of an unknown level."""

LOST, WON, OPEN = 0, 1, 2

_BAD = 255


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Levels of n rows.

    Attributes
    ----------
    criteria : tuple of str
        The k criteria, in the canonical order.
    codes : ndarray of uint8, shape (n, k)
        Levels 0 to 4, 5 for unknown; each column contiguous. A faulty cell is 5.
    usable : ndarray of bool, shape (n,)
        False for a row with a faulty cell.
    rejected : list of Rejection
        The faulty cells, row by row.
    """

    criteria: tuple[str, ...]
    codes: Codes
    usable: npt.NDArray[np.bool_]
    rejected: list[Rejection]


def present_criteria(mapping: Mapping, columns: Iterable[str]) -> tuple[str, ...]:
    """List the criteria that a table can say something about.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    columns : iterable of str
        The columns that the table has.

    Returns
    -------
    tuple of str
        Criteria with a column of their own or with a stand-in that has one, in the canonical order.
    """
    there = set(columns)

    def says(criterion: str) -> bool:
        own = mapping.criteria.get(criterion)
        if own is not None and own.column in there:
            return True
        return criterion in mapping.stand_in and says(mapping.stand_in[criterion])

    return tuple(c for c in CANONICAL if says(c))


def encode_levels(
    data: pa.RecordBatch,
    mapping: Mapping,
    criteria: Sequence[str] | None = None,
    *,
    rows: npt.NDArray[np.int64] | None = None,
    decimal: str = ".",
) -> Encoded:
    """Turn columns into levels.

    Parameters
    ----------
    data : RecordBatch of n rows
        Canonical columns, as `leadml.leads.tables` hands them out.
    mapping : Mapping
        What the columns mean.
    criteria : sequence of str, optional
        Which criteria; all that the columns can say something about when absent. A criterion that they say
        nothing about is unknown throughout.
    rows : ndarray of int64, shape (n,), optional
        Number of each row in the input, for messages; from 1 when absent.
    decimal : str
        Decimal mark of numbers that came as text.

    Returns
    -------
    Encoded
        Level codes and what had to be rejected. Every row is usable or has a rejection.

    Examples
    --------
    >>> from leadml.leads.mapping import load_mapping
    >>> from leadml.leads.values import text_array
    >>> data = pa.RecordBatch.from_arrays([text_array(["Low", "", "low"])], names=["Role"])
    >>> levels = {"column": "Role", "levels": {"Low": 1, "High": 4}}
    >>> encoded = encode_levels(data, load_mapping({"name": "m", "criteria": {"authority": levels}}))
    >>> encoded.codes.tolist(), encoded.rejected[0].row
    ([[1], [5], [5]], 3)
    """
    names = present_criteria(mapping, data.schema.names) if criteria is None else tuple(criteria)
    n = data.num_rows
    codes = np.full((len(names), n), UNKNOWN, np.uint8)
    usable = np.ones(n, bool)
    rejected: list[Rejection] = []
    own: dict[str, Codes] = {}
    for i, name in enumerate(names):
        chain = [name]
        while chain[-1] in mapping.stand_in:
            chain.append(mapping.stand_in[chain[-1]])
        for each in chain:
            if each not in own:
                own[each] = _own_codes(data, mapping, each, decimal, rows, usable, rejected)
        filled = own[chain.pop()]
        for each in reversed(chain):
            filled = np.where(own[each] == UNKNOWN, filled, own[each])
        codes[i] = filled
    rejected.sort(key=lambda fault: fault.row)
    return Encoded(names, codes.T, usable, rejected)


def encode_outcome(
    array: pa.Array, outcome: Outcome, rows: npt.NDArray[np.int64]
) -> tuple[Codes, dict[str, tuple[int, int]]]:
    """Turn the outcome column into codes.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.
    outcome : Outcome
        Which values mean what.
    rows : ndarray of int64, shape (n,)
        Number of each row in the input.

    Returns
    -------
    codes : ndarray of uint8, shape (n,)
        0 lost, 1 won, 2 open; 255 where the value is listed nowhere.
    unlisted : dict
        Values listed nowhere, each with the row where it first stands and the number of its rows.
    """
    listed = {**dict.fromkeys(outcome.lost, LOST), **dict.fromkeys(outcome.won, WON)}
    listed |= dict.fromkeys(outcome.open, OPEN)
    at, distinct = as_categories(array)
    table = np.array([listed.get(category(value), _BAD) for value in distinct], np.uint8)
    codes = table[at]
    unlisted: dict[str, tuple[int, int]] = {}
    for code in np.unique(at[codes == _BAD]):
        here, value = at == code, category(distinct[code])
        first, n = unlisted.get(value, (int(rows[-1]), 0))
        unlisted[value] = (min(first, int(rows[here][0])), n + int(here.sum()))
    return codes, unlisted


def encode_filled(array: pa.Array, unknown: Sequence[str] = ()) -> npt.NDArray[np.bool_]:
    """Tell which cells are filled.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.
    unknown : sequence of str
        Values that count as empty.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether the cell says something.
    """
    at, distinct = as_categories(array)
    empty = {"", *unknown}
    return np.array([category(value) not in empty for value in distinct], bool)[at]


def encode_fact(array: pa.Array, fact: Fact) -> npt.NDArray[np.object_]:
    """Turn a column into the names of a fact.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.
    fact : Fact
        Which values have which name.

    Returns
    -------
    ndarray of object, shape (n,)
        The name; ``other`` for a value listed nowhere, None for an empty cell.
    """
    at, names = look_up_fact(array, fact)
    return np.array(names, object)[at]


def look_up_fact(array: pa.Array, fact: Fact) -> tuple[npt.NDArray[np.int32], list[str | None]]:
    """Number the names of a fact.

    Parameters
    ----------
    array : Array of shape (n,)
        A canonical column.
    fact : Fact
        Which values have which name.

    Returns
    -------
    at : ndarray of int32, shape (n,)
        Position of each cell's name in `names`.
    names : list of str or None
        As `encode_fact` gives them; a name may occur more than once.
    """
    listed: dict[str, str | None] = {"": None}
    listed |= {value: name for name, values in fact.values.items() for value in values}
    at, distinct = as_categories(array)
    return at, [listed.get(category(value), "other") for value in distinct]


def _own_codes(
    data: pa.RecordBatch,
    mapping: Mapping,
    name: str,
    decimal: str,
    rows: npt.NDArray[np.int64] | None,
    usable: npt.NDArray[np.bool_],
    rejected: list[Rejection],
) -> Codes:
    """Encode the column of a criterion itself; unknown where it has none."""
    rule = mapping.criteria.get(name)
    column = -1 if rule is None else data.schema.get_field_index(rule.column)
    if rule is None or column < 0:
        return np.full(data.num_rows, UNKNOWN, np.uint8)
    return _encode_criterion(data.column(column), rule, decimal, rows, usable, rejected)


def _encode_criterion(
    array: pa.Array,
    criterion: Criterion,
    decimal: str,
    rows: npt.NDArray[np.int64] | None,
    usable: npt.NDArray[np.bool_],
    rejected: list[Rejection],
) -> Codes:
    """Encode one column; faulty rows are struck from `usable` and told in `rejected`."""
    if criterion.edges is not None:
        codes = _by_edges(array, criterion, decimal)
    else:
        plain = None if criterion.levels or criterion.unknown else _plain_codes(array)
        codes = _by_distinct(array, criterion, decimal) if plain is None else plain
    bad = codes == _BAD
    if not bad.any():
        return codes
    if criterion.other is not None:
        codes[bad] = UNKNOWN if criterion.other == "unknown" else criterion.other
        return codes
    codes[bad] = UNKNOWN
    usable[bad] = False
    where = np.flatnonzero(bad)
    at, distinct = as_categories(as_text(array.filter(_mask(bad))))
    reasons = [_reason(criterion, value[:60]) for value in distinct]
    numbers = where + 1 if rows is None else rows[where]
    rejected += [
        Rejection(row, criterion.column, distinct[code][:SHOWN_CHARACTERS], reasons[code])
        for row, code in zip(numbers.tolist(), at.tolist(), strict=True)
    ]
    return codes


def _plain_codes(array: pa.Array) -> Codes | None:
    """Encode a column of numbers, or of texts of at most one character, without a look-up of texts."""
    if pa.types.is_integer(array.type):
        whole = cast("npt.NDArray[np.int64]", buffer_values(array))
        codes = whole.astype(np.uint8)
        codes[(whole < 0) | (whole >= N_LEVELS)] = _BAD
        if array.null_count:
            # Unknown is 0 for a moment, so that a product tells it: no branch a row, which takes the longest.
            codes -= UNKNOWN
            codes *= buffer_bits(array.is_valid())
            codes += UNKNOWN
        return codes
    if pa.types.is_floating(array.type):
        values = cast("npt.NDArray[np.float64]", buffer_values(array))
        is_level = (values >= 0) & (values < N_LEVELS) & (values == np.floor(values))
        codes = np.full(len(values), _BAD, np.uint8)
        codes[is_level] = values[is_level]
        codes[np.isnan(values)] = UNKNOWN
        if array.null_count:
            codes[~buffer_bits(array.is_valid())] = UNKNOWN
        return codes
    if not pa.types.is_string(array.type) or array.null_count:
        return None
    size = lengths(array)
    if not len(size) or size.max() > 1:
        return None
    table = np.full(256, _BAD, np.uint8)
    table[ord("0") : ord("0") + N_LEVELS] = np.arange(N_LEVELS)
    table[ord(" ")] = UNKNOWN
    codes = np.full(len(size), UNKNOWN, np.uint8)
    cells = array.buffers()[2]
    if cells is not None and size.any():
        start = int(np.frombuffer(array.buffers()[1], np.int32, count=array.offset + 1)[-1])
        text = np.frombuffer(cells, np.uint8, count=int(size.sum()), offset=start)
        np.place(codes, size, table[text])
    return codes


def _by_distinct(array: pa.Array, criterion: Criterion, decimal: str) -> Codes:
    """Look every distinct cell up once: among the levels listed, or as a level from 0 to 4 when none are."""
    listed = {"": UNKNOWN, **dict.fromkeys(criterion.unknown, UNKNOWN), **(criterion.levels or _LEVELS)}
    at, distinct = as_categories(array)
    if criterion.levels is None and decimal == ",":
        distinct = [value.replace(",", ".") for value in distinct]
    return np.array([listed.get(category(value), _BAD) for value in distinct], np.uint8)[at]


_LEVELS = {str(level): level for level in range(N_LEVELS)}


def _by_edges(array: pa.Array, criterion: Criterion, decimal: str) -> Codes:
    """Level = how many edges are <= the value; descending: how many edges are >= the value."""
    numbers, missing, bad = as_numbers(array, decimal)
    edges = np.array(criterion.edges, np.float64)
    if criterion.descending:
        levels = len(edges) - np.searchsorted(edges, numbers, side="left")
    else:
        levels = np.searchsorted(edges, numbers, side="right")
    codes = levels.astype(np.uint8)
    codes[bad] = _BAD
    codes[missing] = UNKNOWN
    if criterion.unknown:
        codes[~encode_filled(array, criterion.unknown)] = UNKNOWN
    return codes


def _reason(criterion: Criterion, value: str) -> str:
    if criterion.edges is not None:
        return "is not a number; valid: a number or an empty cell; list it under unknown, or set other"
    if criterion.levels is None:
        return "is not a level; valid: 0, 1, 2, 3, 4 or an empty cell; list it under unknown, or set other"
    valid = [name or "(empty)" for name in criterion.levels]
    shown = ", ".join(valid[:12]) + (", ..." if len(valid) > 12 else "")
    return f"is not listed; valid: {shown}{nearest(value, valid)}; add it to levels or unknown, or set other"


def _mask(values: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])
