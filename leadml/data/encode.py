"""Columns of a table to level codes, outcomes, days and amounts: one function for closed deals and new leads.

Every distinct cell of a column is looked up once and the rows follow by indexing, so that a chunk costs about what
numbering its distinct values costs. Only numpy and pyarrow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import (
    carry,
    categories_of,
    category,
    distinct_of,
    is_number,
    mask_of,
    numbers_of,
    relabel,
    text_array,
    text_of,
)
from leadml.data.chunks import Chunk, Fault
from leadml.data.dates import date_cells, read_dates
from leadml.data.deals import OPEN, Leads
from leadml.data.mapping import Criterion, Fact, Mapping, Outcome
from leadml.data.sources import Source
from leadml.exceptions import InputError
from leadml.levels import LEVEL_MAX, UNKNOWN, Codes, Flags
from leadml.records import nearest

_BAD = 255
_UNLISTED = -2
_NO_DATE = "is not a date; write it as 2026-01-31, or leave it empty"
_NO_CHANCE = "is not a chance; valid: a number above 0 and up to 1, or an empty cell; correct it"
_ONLY_CLOSED = re.compile(r"dates|amount|snapshot|followed_up|propensity|group|duplicates|context")
_MANY = 200  # from so many wrong values in a chunk on, the nearest valid word is not looked for
_LEVELS = {str(level): level for level in range(LEVEL_MAX + 1)}
_SHOWN = 12  # so many valid words are named
Why = str | Callable[[str], str]  # of a text


def faults_of(
    column: str, cells: pa.Array, bad: Flags, rows: npt.NDArray[Any], ids: pa.Array | None, why: Why
) -> Iterator[Fault]:
    """Faults of the bad cells of a column; why is asked once for each text."""
    if bad.any():
        at, texts = categories_of(cells.filter(mask_of(bad)))
        reasons = {code: why if isinstance(why, str) else why(texts[code]) for code in set(at.tolist())}
        leads = [""] * len(at) if ids is None else text_of(ids.filter(mask_of(bad))).to_pylist()
        for row, code, lead in zip(rows[bad].tolist(), at.tolist(), leads, strict=True):
            yield Fault(row, column, texts[code], reasons[code], lead or "")


class Encoded:
    """The n rows of a chunk, encoded; a faulty cell is unknown, and dates are not days yet (`read_dates`)."""

    leads: Leads  # its context: the columns of context, segments, group and duplicates

    def __init__(self, chunk: Chunk, lead_id: str | None) -> None:
        self.rows, self.cells = chunk.rows, dict(zip(chunk.table.schema.names, chunk.table.columns, strict=True))
        self._ids = self.cells.get(str(lead_id))
        self.faults, self.usable = list[Fault](), np.ones(len(chunk.rows), bool)  # False for a row with a fault
        self.dates: dict[str, pa.Array] = {}  # created, closed, snapshot
        self.unlisted: dict[str, tuple[int, int]] = {}  # outcomes that the mapping does not list: first row, how many

    def reject(self, column: str, bad: Flags, why: Why) -> None:
        """Reject cells of a column."""
        self.usable &= ~bad
        self.faults += faults_of(column, self.cells[column], bad, self.rows, self._ids, why)


class Encoder:
    """Encodes the chunks of one source by a mapping; refuses missing columns (InputError), all at once.

    `to_score`: new leads; dates, amounts and groups are not read, and an outcome that is not listed is open.
    `context`: which context columns to carry (all of the mapping when absent).
    """

    def __init__(
        self, source: Source, mapping: Mapping, *, to_score: bool = False, context: Sequence[str] | None = None
    ) -> None:
        self.mapping, self.decimal, self.to_score, self.raw = mapping, source.format.decimal, to_score, False
        columns, self.criteria = source.columns, mapping.present(source.columns)
        absent = [(place, column) for place, column in mapping.uses() if column not in columns]
        self.absent = {column: [place for place, other in absent if other == column] for _, column in absent}
        needed = "criteria." if mapping.optional else ("lead_id", "criteria.") if to_score else ""
        missing = [f"{column!r} ({at}){nearest(column, columns)}" for at, column in absent if at.startswith(needed)]
        if missing and not (mapping.optional and self.criteria):
            hint = ""
            if (form := source.format).kind == "csv" and len(columns) == 1:
                hint = "; is the delimiter right? set read.delimiter in the mapping"
            elif form.kind == "xlsx":
                hint = f"; is {form.sheet!r} the right sheet? set read.sheet in the mapping"
            missed = f" {missing[0]};" if len(missing) == 1 else "".join(f"\n  {each}" for each in missing) + "\n "
            raise InputError(
                f"{source.name}: has no column{missed} valid: {', '.join(columns)}{hint};"
                " correct the mapping, or set optional: true where columns may be absent"
            )
        carried = [*(mapping.context if context is None else context), *mapping.segments]
        if not to_score:
            carried += [*mapping.group, *(mapping.duplicates if isinstance(mapping.duplicates, tuple) else ())]
        self._carried = tuple(dict.fromkeys(name for name in carried if name in columns))
        used = [column for place, column in mapping.uses() if not (to_score and _ONLY_CLOSED.match(place))]
        self.columns = tuple(dict.fromkeys(c for c in (*used, *self._carried) if c in columns))

    def encode(self, chunk: Chunk) -> Encoded:
        """Encode a chunk."""
        made, mapping = Encoded(chunk, self.mapping.lead_id), self.mapping
        cells = made.cells
        fields: dict[str, Any] = {"codes": self._codes(made), "row": chunk.rows.astype(np.int32)}
        if mapping.outcome and mapping.outcome.column in cells:
            fields["outcome"] = self._outcome(made, mapping.outcome)
        if not self.to_score:
            fields |= self._of_closed(made)
        if (rule := mapping.contactable) and rule.column in cells:
            fields["contactable"] = ~_is_one_of(cells[rule.column], ("", *rule.unknown))
        if mapping.lead_id in cells:
            fields["lead_id"] = text_of(cells[mapping.lead_id])
        fields["context"] = {name: carry(cells[name]) for name in self._carried}
        facts = {name: fact for name, fact in mapping.facts.items() if fact.column in cells}
        fields["facts"] = {name: _fact_labels(cells[fact.column], fact) for name, fact in facts.items()}
        raw = [rule.column for rule in mapping.criteria.values() if self.raw and rule.column in cells]
        fields["raw"] = {name: relabel(cells[name], category) for name in raw}
        made.leads = Leads(self.criteria, **fields)
        return made

    def _codes(self, made: Encoded) -> Codes:
        """Encode the criteria; one that is unknown takes what its stand-in says."""
        rules = {name: rule for name, rule in self.mapping.criteria.items() if rule.column in made.cells}
        own = {name: self._criterion(name, rule, made) for name, rule in rules.items()}
        nothing = np.full(len(made.rows), UNKNOWN, np.uint8)
        codes = np.empty((len(made.rows), len(self.criteria)), np.uint8, order="F")
        for j, criterion in enumerate(self.criteria):
            filled, *others = (own.get(name, nothing) for name in self.mapping.chain(criterion))
            for other in others:
                filled = np.where(filled == UNKNOWN, other, filled)
            codes[:, j] = filled
        return codes

    def _criterion(self, name: str, rule: Criterion, made: Encoded) -> Codes:
        """Encode one column: words first, then numbers by edges."""
        whole = rule.edges is None and rule.levels is None
        words = {**(_LEVELS if whole else {}), "": UNKNOWN, **dict.fromkeys(rule.unknown, UNKNOWN)}
        words |= rule.levels or {}
        cells = made.cells[rule.column]
        decimal = "." if is_number(cells.type) else self.decimal  # the mark is that of text
        at, distinct = distinct_of(cells)
        texts = [*(text or "" for text in distinct.to_pylist()), ""]
        keys = (category(text.replace(",", ".") if whole and decimal == "," else text) for text in texts)
        table = np.array([words.get(key, _BAD) for key in keys], np.uint8)
        if rule.edges is not None:
            numbers = np.append(numbers_of(distinct, decimal)[0], np.nan)
            by_edges = (table == _BAD) & ~np.isnan(numbers)
            # Level = how many edges are <= the value; descending: how many edges are >= the value.
            below = np.searchsorted(rule.edges, numbers[by_edges], side="left" if rule.descending else "right")
            table[by_edges] = len(rule.edges) - below if rule.descending else below
        if rule.other is not None:
            table[table == _BAD] = UNKNOWN if rule.other == "unknown" else rule.other
        codes, is_few = table.take(at), (table == _BAD).sum() < _MANY
        bad = codes == _BAD
        made.reject(rule.column, bad, lambda text: _reason(name, rule, text, decimal, is_few))
        codes[bad] = UNKNOWN
        return codes

    def _outcome(self, made: Encoded, rule: Outcome) -> npt.NDArray[np.int8]:
        listed = {v: end for end, values in ((0, rule.lost), (1, rule.won), (OPEN, rule.open)) for v in values}
        at, texts = categories_of(made.cells[rule.column])
        names = list(map(category, texts))
        table = np.array([listed.get(name, _UNLISTED) for name in names], np.int8)
        for code in () if self.to_score else np.flatnonzero(table == _UNLISTED).tolist():
            if len(here := np.flatnonzero(at == code)):
                first, n = made.unlisted.get(names[code], (int(made.rows[here[0]]), 0))
                made.unlisted[names[code]] = first, n + len(here)
        return np.maximum(table, OPEN).astype(np.int8)[at]

    def _of_closed(self, made: Encoded) -> dict[str, Any]:
        """Read what only closed deals need: dates, amount, propensity, followed up."""
        mapping, fields = self.mapping, dict[str, Any]()
        for name, column in {**dict(mapping.dates), "snapshot": mapping.snapshot}.items():
            if column in made.cells:
                made.dates[name] = date_cells(made.cells[column])
                made.reject(column, read_dates(made.dates[name]).no_date, _NO_DATE)

        def no_number(text: str) -> str:
            return _other_mark(text, self.decimal) or "is not a number; correct it, or leave the cell empty"

        for name, number, most, why in (
            ("amount", mapping.amount, np.inf, no_number),
            ("propensity", mapping.propensity, 1.0, _NO_CHANCE),
        ):
            if number and number.column in made.cells:
                numbers, bad = numbers_of(made.cells[number.column], self.decimal)
                bad |= (name == "propensity") & (numbers <= 0) | (numbers > most)
                fields[name] = np.where(bad, np.nan, numbers)
                made.reject(number.column, bad, why)
        if (rule := mapping.followed_up) and rule.column in made.cells:
            fields["followed_up"] = _is_one_of(made.cells[rule.column], rule.values)
        return fields


def _is_one_of(cells: pa.Array, listed: Sequence[str]) -> Flags:
    at, texts = categories_of(cells)
    return np.array([category(text) in listed for text in texts], bool)[at]


def _fact_labels(cells: pa.Array, fact: Fact) -> pa.Array:
    listed = {"": ""} | {value: label for label, values in fact.values.items() for value in values}
    return relabel(cells, lambda text: listed.get(category(text), "other"))


def outcome_fault(source: str, outcome: Outcome, unlisted: dict[str, tuple[int, int]]) -> str:
    """Say which outcomes the mapping does not list."""
    listed = (*outcome.won, *outcome.lost, *outcome.open)
    shown = [
        f"  {value[:60]!r} in {n} rows, first in row {row}{nearest(value[:60], listed)}\n"
        for value, (row, n) in sorted(unlisted.items(), key=lambda item: item[1])[:20]
    ]
    shown += [f"  and {len(unlisted) - 20} more\n"] if len(unlisted) > 20 else []
    return (
        f"{source}: column {outcome.column!r} holds outcomes that the mapping does not list\n{''.join(shown)}"
        f"  valid: won {', '.join(outcome.won)}; lost {', '.join(outcome.lost)};"
        f" open {', '.join(outcome.open) or '(none)'}; add each to outcome.won, outcome.lost or outcome.open"
    )


def _other_mark(text: str, decimal: str) -> str:
    """What to do about a number that is written with the other decimal mark; empty where it is none."""
    other = "," if decimal == "." else "."
    if numbers_of(text_array([text]), other)[1].any():
        return ""
    return f'is not a number with decimal mark {decimal!r}; set read: {{decimal: "{other}"}} in the mapping'


def _reason(name: str, rule: Criterion, value: str, decimal: str, hint: bool) -> str:
    value = value.strip()[:60]
    if rule.edges is not None and (said := _other_mark(value, decimal)):
        return said
    quoted = value if re.fullmatch(r"[^\W\d][\w ]*", value) else json.dumps(value, ensure_ascii=False)
    remedy = f"add to criteria.{name} `levels: {{{quoted}: 0 to 4}}` or `unknown: [{quoted}]`, or set `other`"
    if rule.levels is None:
        kind, valid = ("level", "0, 1, 2, 3, 4") if rule.edges is None else ("number", "a number")
        return f"is not a {kind}; valid: {valid} or an empty cell; {remedy}"
    words = [word or "(empty)" for word in rule.levels]
    valid = ", ".join([*words[:_SHOWN], *["..."] * (len(words) > _SHOWN), *["or a number"] * (rule.edges is not None)])
    return f"is not listed; valid: {valid}{nearest(value or '(empty)', words) if hint else ''}; {remedy}"
