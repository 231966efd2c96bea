"""Columns of a table to level codes, outcomes, days and amounts: one function for closed deals and new leads.

Every distinct cell of a column is looked up once and the rows follow by indexing, so that a chunk costs about
what numbering its distinct values costs. Only numpy and pyarrow.
"""

from __future__ import annotations

import dataclasses
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
    text_array,
    text_of,
)
from leadml.data.dates import BAD_DAY, Days, pack_dates
from leadml.data.deals import OPEN
from leadml.exceptions import InputError
from leadml.levels import LEVEL_MAX, UNKNOWN, Codes
from leadml.records import Record, nearest

if TYPE_CHECKING:
    from leadml.data.chunks import Chunk
    from leadml.data.mapping import ColumnRule, Criterion, Fact, Mapping, Outcome

ONE_LEVEL = 0.95
"""Edges that put a larger share of the numbers at one level are worth a look."""
_FEW = 20  # of fewer numbers nothing is said
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
    """n rows of a chunk."""

    rows: npt.NDArray[np.int64]
    codes: Codes  # (n, k), each column contiguous; a faulty cell is unknown
    usable: Bools  # False for a row with a faulty cell
    faults: list[CellFaults]
    outcome: npt.NDArray[np.int8] | None = None  # as in `Leads`
    dates: dict[str, Days] = dataclasses.field(default_factory=dict)  # created, closed, snapshot; packed
    amount: Floats | None = None
    contactable: Bools | None = None
    followed_up: Bools | None = None
    propensity: Floats | None = None
    lead_id: pa.Array | None = None
    # Context, segment, group and duplicates columns by name; facts by theirs; criteria's columns (with `raw`).
    columns: dict[str, pa.Array] = dataclasses.field(default_factory=dict)
    facts: dict[str, pa.Array] = dataclasses.field(default_factory=dict)
    raw: dict[str, pa.Array] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class ByEdges:
    """What the edges of one criterion made of its numbers."""

    n: npt.NDArray[np.int64]  # rows at each level
    low: float = np.inf
    high: float = -np.inf

    def add(self, table: Codes, by_edges: Bools, numbers: Floats, at: npt.NDArray[np.int32]) -> None:
        """Count a chunk: the distinct cells' codes, which come from edges, their numbers; cells by row."""
        self.n += np.bincount(table[at][by_edges[at]], minlength=LEVEL_MAX + 1)
        if by_edges.any():
            self.low = min(self.low, float(numbers[by_edges].min()))
            self.high = max(self.high, float(numbers[by_edges].max()))

    def note(self, name: str, rule: Criterion) -> tuple[str, dict[str, Any]] | None:
        """Note that nearly all stand at one level: edges in thousands, or 5.000 that YAML reads as 5."""
        edges = rule.edges or ()
        total = int(self.n.sum())
        if total < _FEW or self.low == self.high or self.n.max() <= ONE_LEVEL * total:
            return None
        values = {"column": name, "level": int(self.n.argmax()), "share": self.n.max() / total}
        shown = [f"{edge:,.15g}" for edge in edges]
        asked = ""
        if self.low >= edges[-1] and self.low / 10_000 <= edges[-1] < 1000:
            asked = f"Is {edges[-1]:.3f} meant as {edges[-1] * 1000:.15g}? In YAML a dot is the decimal mark."
        told = {"edges": ", ".join(shown), "low": f"{self.low:,.15g}", "high": f"{self.high:,.15g}"}
        return "LML120", {**values, **told, "asked": asked}


class _Batch:
    """The rows of a chunk, and the faults that are found in them."""

    def __init__(self, chunk: Chunk) -> None:
        self.table, self.rows = chunk.table, chunk.rows
        self.faults: list[CellFaults] = []

    def column(self, rule: ColumnRule | str | None) -> pa.Array | None:
        """What a rule (or a name) reads; None where there is no rule or no such column."""
        name = rule.column if isinstance(rule, Record) else rule
        at = -1 if name is None else self.table.schema.get_field_index(name)
        return None if at < 0 else self.table.column(at)

    def reject(self, column: str, cells: pa.Array, bad: Bools, reason: str) -> None:
        """Reject cells of a column for one reason."""
        if bad.any():
            values = [value or "" for value in text_of(cells.filter(mask_of(bad))).to_pylist()]
            self.faults.append(CellFaults(column, self.rows[bad], values, reason))


class Encoder:
    """Encodes the chunks of one table (`columns`, `decimal` mark, called `source`) by a mapping.

    `to_score`: new leads; dates, amounts and groups are not read, and an outcome that is not listed is open.
    `context`: which context columns to carry (all of the mapping when absent). Missing columns are refused
    (InputError), all at once.
    """

    def __init__(
        self,
        mapping: Mapping,
        columns: Sequence[str],
        *,
        decimal: str = ".",
        to_score: bool = False,
        context: Sequence[str] | None = None,
        source: str = "the table",
    ) -> None:
        self.mapping, self.decimal, self.to_score, self.raw = mapping, decimal, to_score, False
        self.absent = check_columns(mapping, columns, source, to_score=to_score)
        self.criteria = mapping.present(columns)
        self.unlisted: dict[str, tuple[int, int]] = {}
        self.by_edges: dict[str, ByEdges] = {}
        carried = [*(mapping.context if context is None else context), *mapping.segments]
        if not to_score:
            carried += [*mapping.group, *(mapping.duplicates if isinstance(mapping.duplicates, tuple) else ())]
        there = set(columns)
        self._carried = tuple(dict.fromkeys(name for name in carried if name in there))
        used = [column for place, column in mapping.uses() if not (to_score and _ONLY_CLOSED.match(place))]
        self.columns = tuple(dict.fromkeys(c for c in (*used, *self._carried) if c in there))

    def encode(self, chunk: Chunk) -> Encoded:
        """Encode a chunk."""
        batch, mapping = _Batch(chunk), self.mapping
        codes, outcome = self._codes(batch), self._outcome(batch)
        values = {} if self.to_score else self._values(batch)
        usable = np.ones(len(batch.rows), bool)
        for fault in batch.faults:
            usable[np.searchsorted(batch.rows, fault.rows)] = False
        reach, ids = batch.column(mapping.contactable), batch.column(mapping.lead_id)
        facts = {name: (batch.column(fact), fact) for name, fact in mapping.facts.items()}
        raw = {rule.column: batch.column(rule) for rule in mapping.criteria.values() if self.raw}
        return Encoded(
            batch.rows, codes, usable, batch.faults, outcome,
            contactable=None if reach is None else filled_of(reach, getattr(mapping.contactable, "unknown", ())),
            lead_id=None if ids is None else text_of(ids),
            columns={name: carry(batch.table.column(name)) for name in self._carried},
            facts={name: _fact_labels(cells, fact) for name, (cells, fact) in facts.items() if cells is not None},
            raw={name: relabel(cells, category) for name, cells in raw.items() if cells is not None},
            **values,
        )  # fmt: skip

    def _codes(self, batch: _Batch) -> Codes:
        """Encode the criteria; one that is unknown takes what its stand-in says."""
        own = {
            name: self._criterion(name, rule, cells, batch)
            for name, rule in self.mapping.criteria.items()
            if (cells := batch.column(rule)) is not None
        }
        nothing = np.full(len(batch.rows), UNKNOWN, np.uint8)
        codes = np.empty((len(batch.rows), len(self.criteria)), np.uint8, order="F")
        for j, name in enumerate(self.criteria):
            filled = own.get(name, nothing)
            while name in self.mapping.stand_in:
                name = self.mapping.stand_in[name]
                filled = np.where(filled == UNKNOWN, own.get(name, nothing), filled)
            codes[:, j] = filled
        return codes

    def _criterion(self, name: str, rule: Criterion, cells: pa.Array, batch: _Batch) -> Codes:
        """Encode one column: words first, then numbers by edges."""
        words = {"": UNKNOWN, **dict.fromkeys(rule.unknown, UNKNOWN), **(rule.levels or {})}
        whole = rule.edges is None and rule.levels is None
        if whole:
            words = {**_LEVELS, **words}
        encoded = dictionary_of(cells)
        at, texts = categories_of(encoded)
        marked = whole and self.decimal == ","
        keys = (category(text.replace(",", ".") if marked else text) for text in texts)
        table = np.array([words.get(key, _BAD) for key in keys], np.uint8)
        if rule.edges is not None:
            numbers = np.append(numbers_of(encoded.dictionary, self.decimal)[0], np.nan)
            by_edges = (table == _BAD) & ~np.isnan(numbers)
            table[by_edges] = _levels_by_edges(numbers[by_edges], rule)
            seen = self.by_edges.setdefault(name, ByEdges(np.zeros(LEVEL_MAX + 1, np.int64)))
            seen.add(table, by_edges, numbers, at)
        if rule.other is not None:
            table[table == _BAD] = UNKNOWN if rule.other == "unknown" else rule.other
        codes = table[at]
        found = _grouped(at, codes == _BAD)
        for code, here in found:
            reason = _reason(name, rule, texts[code], self.decimal, hint=len(found) < _MANY)
            batch.faults.append(CellFaults(rule.column, batch.rows[here], [texts[code]] * len(here), reason))
        codes[codes == _BAD] = UNKNOWN
        return codes

    def _outcome(self, batch: _Batch) -> npt.NDArray[np.int8] | None:
        outcome = self.mapping.outcome
        cells = batch.column(outcome)
        if outcome is None or cells is None:
            return None
        ends = {0: outcome.lost, 1: outcome.won, OPEN: outcome.open}
        listed = {value: end for end, values in ends.items() for value in values}
        at, distinct = categories_of(cells)
        names = [category(value) for value in distinct]
        codes = np.array([listed.get(name, _UNLISTED) for name in names], np.int8)[at]
        for code, here in _grouped(at, (codes == _UNLISTED) & (not self.to_score)):
            row = int(batch.rows[here[0]])
            first, n = self.unlisted.get(names[code], (row, 0))
            self.unlisted[names[code]] = (min(first, row), n + len(here))
        return np.maximum(codes, OPEN).astype(np.int8)

    def _values(self, batch: _Batch) -> dict[str, Any]:
        """Read what only closed deals need: dates, amount, followed up, propensity."""
        mapping = self.mapping
        out: dict[str, Any] = {"dates": {}}
        named = {**dict(mapping.dates), "snapshot": mapping.snapshot}
        for key in ("created", "closed", "snapshot"):
            if (cells := batch.column(named[key])) is not None:
                packed = out["dates"][key] = pack_dates(cells)
                reason = "is not a date; write it as 2026-01-31, or leave it empty"
                batch.reject(named[key], cells, packed == BAD_DAY, reason)
        mark = f"is not a number with decimal mark {self.decimal!r}; correct it, or set read.decimal"
        chance = "is not a chance; valid: a number above 0 and up to 1, or an empty cell; correct it"
        for key, rule, reason in (("amount", mapping.amount, mark), ("propensity", mapping.propensity, chance)):
            if rule and (cells := batch.column(rule)) is not None:
                numbers, bad = numbers_of(cells, self.decimal)
                bad |= (key == "propensity") & ((numbers <= 0) | (numbers > 1))
                out[key] = np.where(bad, np.nan, numbers)
                batch.reject(rule.column, cells, bad, reason)
        worked = mapping.followed_up
        if worked and (cells := batch.column(worked)) is not None:
            at, distinct = categories_of(cells)
            out["followed_up"] = np.array([category(v) in worked.values for v in distinct], bool)[at]
        return out


def _fact_labels(cells: pa.Array, fact: Fact) -> pa.Array:
    listed = {"": ""} | {value: label for label, values in fact.values.items() for value in values}
    return relabel(cells, lambda text: listed.get(category(text), "other"))


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


def _levels_by_edges(numbers: Floats, rule: Criterion) -> Codes:
    """Level = how many edges are <= the value; descending: how many edges are >= the value."""
    edges = np.array(rule.edges, np.float64)
    if rule.descending:
        return (len(edges) - np.searchsorted(edges, numbers, side="left")).astype(np.uint8)
    return np.searchsorted(edges, numbers, side="right").astype(np.uint8)


def _reason(name: str, rule: Criterion, value: str, decimal: str, *, hint: bool) -> str:
    value = value.strip()[:60]
    other = "," if decimal == "." else "."
    if rule.edges is not None and not numbers_of(text_array([value]), other)[1].any():
        return f'is not a number with decimal mark {decimal!r}; set read: {{decimal: "{other}"}} in the mapping'
    quoted = value if re.fullmatch(r"[^\W\d][\w ]*", value) else json.dumps(value, ensure_ascii=False)
    remedy = f"add to criteria.{name} `levels: {{{quoted}: 0 to 4}}` or `unknown: [{quoted}]`, or set `other`"
    if rule.levels is not None:
        words = [word or "(empty)" for word in rule.levels]
        valid = ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")
        numbers = ", or a number" if rule.edges is not None else ""
        return f"is not listed; valid: {valid}{numbers}{nearest(value or '(empty)', words) if hint else ''}; {remedy}"
    if rule.edges is not None:
        return f"is not a number; valid: a number or an empty cell; {remedy}"
    return f"is not a level; valid: 0, 1, 2, 3, 4 or an empty cell; {remedy}"
