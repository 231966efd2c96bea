"""Propose a mapping from the headers and values of an export; every guess is marked and explained as a
comment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from leadml.data.cells import Floats, carry, join_column, numbers_of, values_of
from leadml.data.dates import read_dates
from leadml.data.deals import NO_DAY
from leadml.data.leaks import late_by_name
from leadml.data.sources import open_source
from leadml.records import Record, load_record

SAMPLE_ROWS = 20_000
MOST_WORDS = 30
"""A column of more distinct words is no category."""
MOST_AT_ONE_LEVEL = 0.95
"""Edges that put a larger share of the values at one level tell nothing."""


class KnownHeaders(Record):
    """What headers and cells of exports are known to mean; known_headers.yaml explains its keys."""

    columns: dict[str, dict[str, str]]
    criteria: dict[str, str]
    edges: dict[str, tuple[float, ...]]
    descending: tuple[str, ...]
    won: str
    lost: str
    unknown: str
    scale: tuple[str, ...]


KNOWN = load_record(files("leadml.data") / "known_headers.yaml", KnownHeaders)


class Column(NamedTuple):
    """What a column holds."""

    name: str
    words: list[tuple[str, int]]  # distinct texts with counts, most frequent first
    texts: list[str]  # those that are no number
    numbers: Floats  # of every filled cell, NaN where none
    share_filled: float
    share_numbers: float
    share_dates: float

    @property
    def shown(self) -> str:
        """The most frequent values."""
        shown = ", ".join(f"{' '.join(word[:30].split())} ({n})" for word, n in self.words[:6])
        return shown + (" ..." if len(self.words) > 6 else "")


Columns = dict[str, Column]


def propose_mapping(source: Any, crm: str | None = None, *, query: str | None = None) -> str:
    """Propose a mapping (YAML text that loads) from the first rows of an export, of a CRM where that is
    known."""
    opened = open_source(source, query=query)
    left = {column.name: column for column in _profile(opened)}
    file = re.sub(r"(\.[a-z]+){1,2}$", "", re.split(r"[/\\]", opened.name.lower())[-1])
    lines = [
        f"# Proposed from {opened.name}: {len(left)} columns. A line marked 'guess' is one: look at it.",
        f"name: {_flow(re.sub(r'[^a-z0-9]+', '_', file).strip('_') or 'ours')}",
    ]
    patterns = KNOWN.columns[crm or "any"]
    lines += [part(left, patterns) for part in (_identity, _outcome, _dates, _group, _amount)]
    return "\n".join([*filter(None, lines), "", *_criteria(left), "", *_others(left)]) + "\n"


def _profile(source: Any) -> Iterator[Column]:
    chunks, n = [], 0
    for chunk in source.chunks():
        chunks.append(chunk.table)
        n += chunk.table.num_rows
        if n >= SAMPLE_ROWS:
            break
    decimal = source.format.decimal
    for at, name in enumerate(source.columns):
        cells = join_column([carry(chunk.column(at)) for chunk in chunks], decimal, keep_text=True)
        counts = cells.drop_null().value_counts()
        size = np.array(values_of(counts.field("counts")), np.int64)
        distinct = counts.field("values")
        words = [str(word).strip() for word in distinct.to_pylist()]
        numbers, _ = numbers_of(distinct, decimal)
        days = read_dates(distinct)
        dated = ~days.no_date & ((days.days != NO_DAY) | days.other_order) & np.isnan(numbers)
        total = max(int(size.sum()), 1)
        ranked = sorted(zip(words, size.tolist(), strict=True), key=lambda each: -each[1])
        share = [float(size[mask].sum()) / total for mask in (~np.isnan(numbers), dated)]
        texts = [word for word, number in zip(words, numbers, strict=True) if np.isnan(number)]
        yield Column(name, ranked, texts, np.repeat(numbers, size), total / max(n, 1), *share)


def _take(
    left: Columns, pattern: str, fits: Callable[[Column], bool], rank: Callable[[Column], float] = lambda _: 0.0
) -> Column | None:
    """Take the column whose name and content fit; of several the highest in rank, the first of equals."""
    found = [c for name, c in left.items() if re.fullmatch(pattern, name.strip().lower()) and fits(c)]
    return left.pop(max(found, key=rank).name) if found else None


def _identity(left: Columns, patterns: dict[str, str]) -> str:
    def fits(column: Column) -> bool:
        return column.share_filled > 0.99 and all(n == 1 for _, n in column.words)

    # Deal may be a name: a number or id of its own goes before it.
    found = _take(left, patterns["lead_id"], fits, lambda c: bool(re.search(r"id$|nr|num", c.name.lower())))
    if found is None:
        return "# no lead_id found: rows are numbered"
    return _guess("lead_id", found.name, "every value occurs once")


def _outcome(left: Columns, patterns: dict[str, str]) -> str:
    def ends(column: Column, pattern: str) -> dict[str, int]:
        return {word: n for word, n in column.words if re.fullmatch(pattern, word.lower())}

    def fits(column: Column) -> bool:
        return len(column.words) <= MOST_WORDS and all(ends(column, side) for side in (KNOWN.won, KNOWN.lost))

    def share(column: Column) -> float:
        return column.share_filled * sum(ends(column, f"{KNOWN.won}|{KNOWN.lost}").values())

    found = _take(left, patterns["outcome"], fits, share) or _take(left, KNOWN.columns["any"]["outcome"], fits, share)
    if found is None:
        return (
            "# outcome: no column holds words for won and for lost. Needed to learn, not to score:\n"
            "# outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}"
        )
    rule = {"column": found.name, "won": [*ends(found, KNOWN.won)], "lost": [*ends(found, KNOWN.lost)]}
    still_open = [word for word, _ in found.words if word not in (*rule["won"], *rule["lost"])]
    still_open += [""] if found.share_filled < 1 else []
    return _guess("outcome", {**rule, "open": still_open} if still_open else rule, found.shown)


def _dates(left: Columns, patterns: dict[str, str]) -> str:
    named = {key: _take(left, patterns[key], lambda c: c.share_dates > 0.9) for key in ("created", "closed")}
    found = {key: column.name for key, column in named.items() if column is not None}
    if not found:
        return "# no dates found; where the rows are in time order, say so: order: rows"
    return _guess("dates", found, "from the names")


def _group(left: Columns, patterns: dict[str, str]) -> str:
    found = _take(left, patterns["group"], lambda c: c.share_numbers < 0.5 and len(c.words) > 1)
    return _guess("group", [found.name], "deals of one account are one unit") if found else ""


def _amount(left: Columns, patterns: dict[str, str]) -> str:
    found = _take(left, patterns["amount"], lambda c: c.share_numbers > 0.95 and not late_by_name(c.name))
    return _guess("amount", {"column": found.name}, found.shown) if found else ""


def _criteria(left: Columns) -> list[str]:
    lines = []
    for criterion, pattern in KNOWN.criteria.items():
        for column in [c for name, c in left.items() if re.search(pattern, name, re.IGNORECASE)]:
            if said := _criterion(criterion, column):
                lines += said
                del left[column.name]
                break
    if not lines:
        return [
            "# no criterion found by name; map at least two: leadml frameworks bant shows the levels",
            "criteria: {}",
        ]
    return ["criteria:  # levels 0 to 4; leadml frameworks bant shows what each level means", *lines]


def _criterion(criterion: str, column: Column) -> list[str]:
    """Propose a rule: levels as they are, by edges of numbers, by words on a scale, or none."""
    unknown = [word for word, _ in column.words if re.fullmatch(KNOWN.unknown, word.lower())]
    texts = [word for word in column.texts if word not in unknown]
    values = column.numbers[~np.isnan(column.numbers)]
    ranked = {
        w: next((i for i, scale in enumerate(KNOWN.scale) if re.fullmatch(scale, w.lower())), None) for w in texts
    }
    known = [(level, word) for word, level in ranked.items() if level is not None]
    levels = {word: level for level, word in sorted(known)}
    rest = [word for word in texts if word not in levels]
    rule: dict[str, Any] = {"column": column.name} | ({"levels": levels} if levels else {})
    if len(values) and not texts and np.isin(values, np.arange(5)).all():
        why = "holds 0 to 4 already"
    elif column.share_numbers >= 0.2:
        edges, said = _edges(criterion, values)
        if not edges:
            return []
        rule |= {"edges": edges} | ({"descending": True} if criterion in KNOWN.descending else {})
        why = f"{said}; {column.shown}"
    elif texts and len(column.words) <= MOST_WORDS and column.share_dates < 0.5:
        if not levels and late_by_name(column.name):
            return []
        why = "levels by the words" if levels else "by its name; no word is understood"
    else:
        return []
    rule |= ({"unknown": unknown} if unknown else {}) | ({"other": "unknown"} if rest else {})
    lines = [f"  {_guess(criterion, rule, why)}"]
    if not rest:
        return lines
    counts = dict(column.words)
    share = sum(counts[word] for word in rest) / max(sum(counts.values()), 1)
    told = ", ".join(f"{_flow(word)}: ?" for word in rest[:MOST_WORDS])
    return [
        *lines,
        f"  #   TODO not ranked, so unknown: {', '.join(map(_flow, rest[:12]))}: {share:.0%} of the filled cells.",
        f"  #   Give each a level from 0 to 4: levels: {{{told}}}",
    ]


def _edges(criterion: str, values: Floats) -> tuple[list[float], str]:
    """Edges that the documents name; where these tell nearly none of the values apart, equal parts."""
    edges = [*KNOWN.edges.get(criterion, ())]
    if edges and len(values):
        level = np.searchsorted(edges, values, side="right")
        if np.bincount(level).max() <= MOST_AT_ONE_LEVEL * len(values) or len(np.unique(values)) < 2:
            return edges, "edges from the documents"
    return _quantiles(values), "edges share the values in equal parts"


def _others(left: Columns) -> Iterator[str]:
    """Context, segments, contactable; what is known late is excluded."""
    phones = [name for name in left if re.search(r"phone|telefoon|mobile|mobiel", name, re.IGNORECASE)][:1]
    late = {name: why for name in left if (why := late_by_name(name)) and name not in phones}
    context = [
        name
        for name, column in left.items()
        if name not in (*phones, *late)
        and column.share_dates < 0.5
        and len(column.words) > 1
        and (len(column.words) <= MOST_WORDS or column.share_numbers > 0.95)
    ]
    places = r"team|region|regio|source|bron|country|land$"
    segments = [name for name in context if re.search(places, name, re.IGNORECASE)]
    for name in phones:
        yield _guess("contactable", {"column": name}, "filled means that the lead can be reached")
    if context:
        yield _guess("context", context, "only the wider classifiers use them")
    if segments:
        yield _guess("segments", segments, "the gain is told for each")
    if late:
        yield "exclude:  # guess: by their names known only late; take out what is known at qualification"
        yield from (f"  {_flow(name)}: {_flow(why)}" for name, why in late.items())


def _quantiles(values: Floats) -> list[float]:
    """Edges that share the values in five parts, to two digits."""
    if not len(values):
        return []
    cuts = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
    return sorted({float(f"{value:.2g}") for value in cuts})


def _guess(key: str, value: Any, why: str) -> str:
    return f"{key}: {_flow(value)}  # guess: {why}"


def _flow(value: Any) -> str:
    """Write a value as YAML in one line; quoted where it would not come back as the text that it is."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flow(key)}: {_flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else f"{value:g}"
    plain = re.fullmatch(r"[^\W\d][\w ./()-]*[\w)]|[^\W\d]", value)
    reserved = value.lower() in ("null", "true", "false", "y", "n")
    return value if plain and not reserved else json.dumps(value, ensure_ascii=False)
