"""Leads as they come to a card (arrays, frames, dicts, `Leads`) to codes, in the order of the card's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.exceptions import InputError
from leadml.levels import LEVEL_MAX, UNKNOWN, Codes

if TYPE_CHECKING:
    from leadml.card.record import Card, CardAttribute
    from leadml.data.deals import Leads

_CODES: dict[Any, int] = {None: UNKNOWN, 0: 0, 1: 1, 2: 2, 3: 3, 4: 4}


def code_of(level: Any, name: str) -> int:
    """Code of one level: 0 to 4, or None or NaN for unknown."""
    try:
        return _CODES[level]
    except (KeyError, TypeError):
        if level != level and isinstance(level, float | np.floating):
            return UNKNOWN
    raise InputError(f"{name}: got {level!r}, valid is a level 0 to 4, or None or NaN for unknown")


def codes_of(card: Card, given: Any) -> Codes:
    """(n, r) codes of leads: `Leads`, a frame, a mapping of columns or of single values, or an array.

    Columns are known by the ids of criteria and the columns of attributes; absent ones are unknown. An array
    has one column a criterion, in the card's order: levels, or uint8 codes.
    """
    from leadml.data.deals import Leads  # which loads pyarrow; a single lead needs none

    ids = tuple(criterion.id for criterion in card.criteria)
    names = card.lookup.row_names
    if isinstance(given, Leads):
        return codes_of_leads(given, ids, card.attributes)
    if isinstance(given, Mapping) or hasattr(given, "columns"):
        columns = {name: np.atleast_1d(np.asarray(given[name])) for name in names if name in given}
    else:
        matrix = np.asarray(given)
        if matrix.ndim != 2 or matrix.shape[1] not in (len(ids), len(names)):
            raise InputError(
                f"levels: got an array of shape {matrix.shape}, valid is (n, {len(ids)}) with the columns "
                f"{', '.join(ids)}; or give a mapping of columns by name"
            )
        if matrix.shape[1] > len(ids) and matrix.dtype == np.uint8:  # codes of all rows, attributes among them
            if (matrix >= card.lookup.sizes).any():
                raise InputError(f"codes: got a code that is too high, valid is below {card.lookup.sizes}")
            return matrix
        columns = dict(zip(ids, matrix.T, strict=False))
    if not columns:
        raise InputError(f"levels: none of the criteria {', '.join(names)} is there; give at least one of them")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"levels: columns of unequal length {lengths}; give all the same number of leads")
    known = tuple(name for name in ids if name in columns)
    codes = np.empty((max(lengths.values()), len(known)), np.uint8, order="F")
    for at, name in enumerate(known):
        codes[:, at] = _checked(columns[name], name)
    return codes_of_leads(Leads(known, codes, context=columns), ids, card.attributes)


def codes_of_leads(leads: Leads, ids: Sequence[str], attributes: Sequence[CardAttribute]) -> Codes:
    """(n, r) codes of `Leads`; attributes lie in its context or are columns of criteria; `contactable` may be one.

    What there is no column for is unknown.
    """
    found = {name: leads.codes[:, at] for at, name in enumerate(leads.criteria)}
    if leads.contactable is not None:
        found.setdefault("contactable", np.where(leads.contactable, np.uint8(LEVEL_MAX), np.uint8(0)))
    columns = {**leads.raw, **leads.context}
    codes = np.empty((len(leads), len(ids) + len(attributes)), np.uint8, order="F")
    for at, name in enumerate(ids):
        codes[:, at] = found.get(name, UNKNOWN)
    for at, each in enumerate(attributes, len(ids)):
        there = each.column in columns
        codes[:, at] = attribute_codes(each, columns[each.column], leads.created) if there else len(each.bins) + 1
    return codes


def _checked(column: npt.NDArray[Any], name: str) -> Codes:
    """Codes of one column of levels."""
    if column.dtype.kind == "O":
        return np.fromiter((code_of(level, f"{name}[{row}]") for row, level in enumerate(column)), np.uint8)
    if column.dtype.kind not in "uif":
        raise InputError(f"{name}: got values of type {column.dtype}, valid are levels 0 to 4 and NaN for unknown")
    highest = UNKNOWN if column.dtype == np.uint8 else LEVEL_MAX
    with np.errstate(invalid="ignore"):
        codes, unknown = column.astype(np.uint8), column != column
    bad = np.flatnonzero(((codes != column) | (codes > highest)) & ~unknown)
    if len(bad):
        raise InputError(f"{name}[{bad[0]}]: got {column[bad[0]]}, valid is a level 0 to 4, or NaN for unknown")
    np.putmask(codes, unknown, UNKNOWN)
    return codes


def attribute_codes(attribute: CardAttribute, values: Any, created: npt.NDArray[np.int32] | None = None) -> Codes:
    """Codes of a column: Arrow text, numbers or dates (by age in days at `created`), or a sequence.

    They are the bins, then other (a value never seen), then unknown (blank, or column absent).
    """
    from leadml.data.cells import categories_of, category, column_of, number_array, numbers_of, valid_of, values_of

    if not hasattr(values, "buffers"):
        values = column_of(np.asarray(values, object).tolist())
    elif str(values.type) == "date32[day]":
        days = np.where(valid_of(values), values_of(values).astype(np.float64), np.nan)
        if attribute.age_of is not None:
            birth = np.full(len(days), np.nan) if created is None else created.astype(np.float64)
            days = np.where(birth == np.iinfo(np.int32).min, np.nan, birth - days)
        values = number_array(days)
    other, unknown = len(attribute.bins), len(attribute.bins) + 1
    blank = next((at for at, each in enumerate(attribute.bins) if each.blank), unknown)
    if attribute.kind == "categories":
        at, texts = categories_of(values)
        bins = {category(text): at for at, each in enumerate(attribute.bins) for text in each.values or ()}
        bins[""] = blank
        keys = (category("" if text.strip().lower() == "nan" else text) for text in texts)
        return np.array([bins.get(key, other) for key in keys], np.uint8)[at]
    numbers, is_other = numbers_of(values)
    codes = np.where(np.isnan(numbers) & ~is_other, blank, other)
    for at_bin, each in enumerate(attribute.bins):
        if not each.blank:
            low = -np.inf if each.from_ is None else each.from_
            codes[(numbers >= low) & (numbers < (np.inf if each.to is None else each.to))] = at_bin
    return codes.astype(np.uint8)
