"""Leads as they come to a card (arrays, frames, dicts, `Leads`) to codes, in the order of the card's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.data.cells import categories_of, category, column_of, number_array, numbers_of, valid_of, values_of
from leadml.data.deals import NO_DAY, Leads
from leadml.exceptions import InputError
from leadml.levels import LEVEL_MAX, UNKNOWN, Codes, Ints32, codes_of_levels

if TYPE_CHECKING:
    from leadml.card.record import Card, CardAttribute


def codes_of(card: Card, given: Any) -> Codes:
    """(n, r) codes of leads: `Leads`, a frame, a mapping of columns or of single values, or an array.

    Columns are known by the ids of criteria and the columns of attributes; absent ones are unknown. An array
    has one column a criterion, in the card's order: levels, or uint8 codes.
    """
    ids, names = tuple(criterion.id for criterion in card.criteria), card.lookup.row_names
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
        codes[:, at] = _level_codes(columns[name], name)
    return codes_of_leads(Leads(known, codes, context=columns), ids, card.attributes)


def codes_of_leads(leads: Leads, ids: Sequence[str], attributes: Sequence[CardAttribute] = ()) -> Codes:
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


def _level_codes(column: npt.NDArray[Any], name: str) -> Codes:
    """Codes of one column of levels; of uint8 ones 5 is unknown."""
    try:
        levels = column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}; valid is a level 0 to 4, or None or NaN for unknown") from None
    known = levels == levels
    bad = np.flatnonzero(known & ~np.isin(levels, np.arange(UNKNOWN + (column.dtype == np.uint8))))
    if len(bad):
        raise InputError(f"{name}[{bad[0]}]: got {column[bad[0]]}, valid is a level 0 to 4, or NaN for unknown")
    return codes_of_levels(levels)


def attribute_codes(attribute: CardAttribute, values: Any, created: Ints32 | None = None) -> Codes:
    """Codes of a column: Arrow text, numbers or dates (by age in days at `created`), or a sequence.

    They are the bins, then other (a value never seen), then unknown (blank, or column absent).
    """
    if not hasattr(values, "buffers"):
        values = column_of(np.asarray(values, object).tolist())
    elif str(values.type) == "date32[day]":
        days = np.where(valid_of(values), values_of(values).astype(np.float64), np.nan)
        if attribute.age_of is not None:
            birth = np.full(len(days), np.nan) if created is None else created.astype(np.float64)
            days = np.where(birth == NO_DAY, np.nan, birth - days)
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
