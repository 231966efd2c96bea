"""Columns of a table to level codes, outcomes, days and amounts: one function for closed deals and new leads.

Every distinct cell of a column is looked up once and the rows follow by indexing, so that a chunk costs about
what numbering its distinct values costs. Only numpy and pyarrow.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import (
    Bools,
    Floats,
    carry,
    categories_of,
    category,
    dictionary_of,
    filled_of,
    mask_of,
    numbers_of,
    relabel,
    text_of,
    valid_of,
    values_of,
)
from leadml.data.dates import BAD_DAY, Days, pack_dates
from leadml.data.deals import OPEN
from leadml.exceptions import InputError
from leadml.levels import LEVEL_MAX, UNKNOWN, Codes
from leadml.records import nearest

if TYPE_CHECKING:
    from leadml.data.chunks import Chunk
    from leadml.data.mapping import Criterion, Mapping, Outcome

_BAD = 255
_UNLISTED = -2
_ONLY_CLOSED = re.compile(r"dates|amount|snapshot|followed_up|propensity|group|duplicates|context")
_MANY = 200  # from so many wrong values in a chunk on, the nearest valid word is not looked for
_LEVELS = {str(level): level for level in range(LEVEL_MAX + 1)}
_SHOWN = 12  # so many valid words are named


class CellFaults(NamedTuple):
    """Equal faults of one column: rows of the file, what their cells hold, what is valid and what to do."""

    column: str
    rows: npt.NDArray[np.int64]
    values: list[str]
    reason: str


@dataclasses.dataclass(frozen=True)
class Encoded:
    """n rows of a chunk.

    codes : (n, k) uint8, each column contiguous; a faulty cell is unknown. usable : (n,) bool, False for a
    row with a faulty cell. outcome : (n,) int8 as in `Leads`, or None. dates : created, closed, snapshot to
    (n,) int32 as `dates.pack_dates` gives them. columns : context, segment, group and duplicates columns by
    their name: text (dictionary), numbers or dates. facts : name of the fact to (n,) dictionary of its
    values. raw : with `raw`, the criteria's columns as they were before they became levels.
    """

    rows: npt.NDArray[np.int64]
    codes: Codes
    usable: Bools
    faults: list[CellFaults]
    outcome: npt.NDArray[np.int8] | None = None
    dates: dict[str, Days] = dataclasses.field(default_factory=dict)
    amount: Floats | None = None
    contactable: Bools | None = None
    followed_up: Bools | None = None
    propensity: Floats | None = None
    lead_id: pa.Array | None = None
    columns: dict[str, pa.Array] = dataclasses.field(default_factory=dict)
    facts: dict[str, pa.Array] = dataclasses.field(default_factory=dict)
    raw: dict[str, pa.Array] = dataclasses.field(default_factory=dict)


class Encoder:
    """Encodes the chunks of one table (`columns`, `decimal` mark, called `source`) by a mapping.

    `to_score`: new leads; dates, amounts and groups are not read, and an outcome that is not listed is open.
    `context`: which context columns to carry (all of the mapping when absent); `raw`: the criteria's columns
    too. Missing columns are refused (InputError), all at once.

    criteria : those that the table can say something about.
    columns : the columns to read.
    absent : columns that may be absent and are, each with what would have read it.
    unlisted : outcomes that the mapping does not list: first row, number of rows.
    """

    def __init__(
        self,
        mapping: Mapping,
        columns: Sequence[str],
        *,
        decimal: str = ".",
        to_score: bool = False,
        context: Sequence[str] | None = None,
        raw: bool = False,
        source: str = "the table",
    ) -> None:
        self.mapping, self.decimal, self.to_score, self.raw = mapping, decimal, to_score, raw
        self.absent = check_columns(mapping, columns, source, to_score=to_score)
        self.criteria = mapping.present(columns)
        self.unlisted: dict[str, tuple[int, int]] = {}
        carried = [*(mapping.context if context is None else context), *mapping.segments]
        if not to_score:
            carried += [
                *mapping.group,
                *(c for c in mapping.duplicates if isinstance(mapping.duplicates, tuple)),
            ]
        there = set(columns)
        self._carried = tuple(dict.fromkeys(name for name in carried if name in there))
        used = [column for place, column in mapping.uses() if not (to_score and _ONLY_CLOSED.match(place))]
        self.columns = tuple(dict.fromkeys(c for c in (*used, *self._carried) if c in there))

    def encode(self, chunk: Chunk) -> Encoded:
        """Encode a chunk."""
        table, rows = chunk.table, chunk.rows
        faults: list[CellFaults] = []
        codes = self._codes(table, rows, faults)
        outcome = self._outcome(table, rows)
        values = {} if self.to_score else self._values(table, rows, faults)
        usable = np.ones(table.num_rows, bool)
        for fault in faults:
            usable[np.searchsorted(rows, fault.rows)] = False
        mapping = self.mapping
        reach = mapping.contactable
        cells = _column(table, reach.column) if reach else None
        ids = _column(table, mapping.lead_id) if mapping.lead_id else None
        return Encoded(
            rows, codes, usable, faults, outcome,
            contactable=None if cells is None or reach is None else filled_of(cells, reach.unknown),
            lead_id=None if ids is None else text_of(ids),
            columns={name: carry(table.column(name)) for name in self._carried},
            facts=self._facts(table),
            raw=self._raw(table),
            **values,
        )  # fmt: skip

    def _codes(self, table: pa.RecordBatch, rows: npt.NDArray[np.int64], faults: list[CellFaults]) -> Codes:
        """Encode the criteria; one that is unknown takes what its stand-in says."""
        own: dict[str, Codes] = {}
        for name, rule in self.mapping.criteria.items():
            cells = _column(table, rule.column)
            if cells is not None:
                own[name] = self._criterion(name, rule, cells, rows, faults)
        nothing = np.full(table.num_rows, UNKNOWN, np.uint8)
        codes = np.empty((table.num_rows, len(self.criteria)), np.uint8, order="F")
        for j, name in enumerate(self.criteria):
            filled = own.get(name, nothing)
            while name in self.mapping.stand_in:
                name = self.mapping.stand_in[name]
                filled = np.where(filled == UNKNOWN, own.get(name, nothing), filled)
            codes[:, j] = filled
        return codes

    def _criterion(
        self,
        name: str,
        rule: Criterion,
        cells: pa.Array,
        rows: npt.NDArray[np.int64],
        faults: list[CellFaults],
    ) -> Codes:
        """Encode one column: words first, then numbers by edges."""
        words = {"": UNKNOWN, **dict.fromkeys(rule.unknown, UNKNOWN), **(rule.levels or {})}
        if rule.edges is None and rule.levels is None:
            words = {**_LEVELS, **words}
        encoded = dictionary_of(cells)
        texts = [text or "" for text in encoded.dictionary.to_pylist()]
        whole = rule.levels is None and rule.edges is None and self.decimal == ","
        keys = (category(text.replace(",", ".") if whole else text) for text in texts)
        table = np.array([*(words.get(key, _BAD) for key in keys), words[""]], np.uint8)
        if rule.edges is not None:
            numbers, _ = numbers_of(encoded.dictionary, self.decimal)
            by_edges = (table[:-1] == _BAD) & ~np.isnan(numbers)
            table[:-1][by_edges] = _levels_by_edges(numbers[by_edges], rule)
        if rule.other is not None:
            table[table == _BAD] = UNKNOWN if rule.other == "unknown" else rule.other
        at = np.array(values_of(encoded.indices), np.int64)
        at[~valid_of(encoded.indices)] = len(texts)
        codes = table[at]
        found = _grouped(at, codes == _BAD)
        for code, here in found:
            reason = _reason(name, rule, texts[code], hint=len(found) < _MANY)
            faults.append(CellFaults(rule.column, rows[here], [texts[code]] * len(here), reason))
        codes[codes == _BAD] = UNKNOWN
        return codes

    def _outcome(self, table: pa.RecordBatch, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int8] | None:
        outcome = self.mapping.outcome
        cells = _column(table, outcome.column) if outcome else None
        if outcome is None or cells is None:
            return None
        ends = {0: outcome.lost, 1: outcome.won, OPEN: outcome.open}
        listed = {value: end for end, values in ends.items() for value in values}
        at, distinct = categories_of(cells)
        names = [category(value) for value in distinct]
        codes = np.array([listed.get(name, _UNLISTED) for name in names], np.int8)[at]
        for code, here in _grouped(at, (codes == _UNLISTED) & (not self.to_score)):
            row = int(rows[here[0]])
            first, n = self.unlisted.get(names[code], (row, 0))
            self.unlisted[names[code]] = (min(first, row), n + len(here))
        return np.maximum(codes, OPEN).astype(np.int8)

    def _values(
        self, table: pa.RecordBatch, rows: npt.NDArray[np.int64], faults: list[CellFaults]
    ) -> dict[str, Any]:
        """Read what only closed deals need: dates, amount, followed up, propensity."""
        mapping = self.mapping
        out: dict[str, Any] = {"dates": {}}
        named = (mapping.dates.created, mapping.dates.closed, mapping.snapshot)
        for key, name in zip(("created", "closed", "snapshot"), named, strict=True):
            if name and (cells := _column(table, name)) is not None:
                packed = out["dates"][key] = pack_dates(cells)
                reason = "is not a date; write it as 2026-01-31, or leave it empty"
                _find_faults(faults, name, cells, rows, packed == BAD_DAY, reason)
        if mapping.amount and (cells := _column(table, mapping.amount.column)) is not None:
            out["amount"], bad = numbers_of(cells, self.decimal)
            reason = f"is not a number with decimal mark {self.decimal!r}; correct it, or set read.decimal"
            _find_faults(faults, mapping.amount.column, cells, rows, bad, reason)
        if mapping.propensity and (cells := _column(table, mapping.propensity.column)) is not None:
            chance, bad = numbers_of(cells, self.decimal)
            bad |= (chance <= 0) | (chance > 1)
            out["propensity"] = np.where(bad, np.nan, chance)
            reason = "is not a chance; valid: a number above 0 and up to 1, or an empty cell; correct it"
            _find_faults(faults, mapping.propensity.column, cells, rows, bad, reason)
        worked = mapping.followed_up
        if worked and (cells := _column(table, worked.column)) is not None:
            at, distinct = categories_of(cells)
            out["followed_up"] = np.array([category(v) in worked.values for v in distinct], bool)[at]
        return out

    def _facts(self, table: pa.RecordBatch) -> dict[str, pa.Array]:
        out = {}
        for name, fact in self.mapping.facts.items():
            if (cells := _column(table, fact.column)) is not None:
                listed = {value: label for label, values in fact.values.items() for value in values}
                listed.setdefault("", "")
                out[name] = relabel(cells, functools.partial(_fact, listed))
        return out

    def _raw(self, table: pa.RecordBatch) -> dict[str, pa.Array]:
        rules = self.mapping.criteria.values() if self.raw else ()
        columns = {rule.column: _column(table, rule.column) for rule in rules}
        return {name: relabel(cells, category) for name, cells in columns.items() if cells is not None}


def _fact(listed: dict[str, str], text: str) -> str:
    return listed.get(category(text), "other")


def check_columns(
    mapping: Mapping, columns: Sequence[str], source: str, *, to_score: bool = False
) -> dict[str, list[str]]:
    """Refuse missing columns, all at once; returns those that may be absent and are, with what would read
    them."""
    there = set(columns)
    absent: dict[str, list[str]] = {}
    for place, column in mapping.uses():
        if column not in there:
            absent.setdefault(column, []).append(place)
    needed = mapping.uses(to_score=to_score)
    if mapping.optional:
        says_nothing = mapping.criteria and not mapping.present(columns)
        needed = tuple(u for u in mapping.uses() if u[0].startswith("criteria.")) if says_nothing else ()
    missing = [(column, place) for place, column in needed if column not in there]
    if not missing:
        return absent
    said = [f"{column!r} ({place}){nearest(column, columns)}" for column, place in missing]
    hint = "; is the delimiter right? set read.delimiter in the mapping" if len(columns) == 1 else ""
    missed = f" {said[0]};" if len(said) == 1 else "".join(f"\n  {each}" for each in said) + "\n "
    raise InputError(
        f"{source}: has no column{missed} valid: {', '.join(columns)}{hint};"
        " correct the mapping, or set optional: true where columns may be absent"
    )


def outcome_fault(source: str, outcome: Outcome, unlisted: dict[str, tuple[int, int]]) -> str:
    """Say which outcomes the mapping does not list."""
    listed = (*outcome.won, *outcome.lost, *outcome.open)
    lines = [
        f"  {value[:60]!r} in {n} rows, first in row {row}{nearest(value[:60], listed)}"
        for value, (row, n) in sorted(unlisted.items(), key=lambda item: item[1])
    ]
    shown = lines[:20] + ([f"  and {len(lines) - 20} more"] if len(lines) > 20 else [])
    return (
        f"{source}: column {outcome.column!r} holds outcomes that the mapping does not list\n"
        + "\n".join(shown)
        + f"\n  valid: won {', '.join(outcome.won)}; lost {', '.join(outcome.lost)};"
        f" open {', '.join(outcome.open) or '(none)'}; add each to outcome.won, outcome.lost or outcome.open"
    )


def _grouped(at: npt.NDArray[Any], mask: Bools) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Positions of the masked rows, by their number."""
    where = np.flatnonzero(mask)
    where = where[np.argsort(at[where], kind="stable")]
    cuts = np.flatnonzero(np.diff(at[where])) + 1
    return [(int(at[part[0]]), part) for part in np.split(where, cuts) if len(part)]


def _column(table: pa.RecordBatch, name: str) -> pa.Array | None:
    at = table.schema.get_field_index(name)
    return None if at < 0 else table.column(at)


def _levels_by_edges(numbers: Floats, rule: Criterion) -> Codes:
    """Level = how many edges are <= the value; descending: how many edges are >= the value."""
    edges = np.array(rule.edges, np.float64)
    if rule.descending:
        return (len(edges) - np.searchsorted(edges, numbers, side="left")).astype(np.uint8)
    return np.searchsorted(edges, numbers, side="right").astype(np.uint8)


def _find_faults(
    faults: list[CellFaults],
    column: str,
    cells: pa.Array,
    rows: npt.NDArray[np.int64],
    bad: Bools,
    reason: str,
) -> None:
    if bad.any():
        values = [value or "" for value in text_of(cells.filter(mask_of(bad))).to_pylist()]
        faults.append(CellFaults(column, rows[bad], values, reason))


def _reason(name: str, rule: Criterion, value: str, *, hint: bool) -> str:
    shown = value.strip()[:60] or "(empty)"
    quoted = (
        shown
        if re.fullmatch(r"[^\W\d][\w ]*", value.strip())
        else json.dumps(value.strip()[:60], ensure_ascii=False)
    )
    remedy = f"add to criteria.{name} `levels: {{{quoted}: 0 to 4}}` or `unknown: [{quoted}]`, or set `other`"
    if rule.levels is not None:
        words = [word or "(empty)" for word in rule.levels]
        valid = ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")
        numbers = ", or a number" if rule.edges is not None else ""
        return f"is not listed; valid: {valid}{numbers}{nearest(shown, words) if hint else ''}; {remedy}"
    if rule.edges is not None:
        return f"is not a number; valid: a number or an empty cell; {remedy}"
    return f"is not a level; valid: 0, 1, 2, 3, 4 or an empty cell; {remedy}"
