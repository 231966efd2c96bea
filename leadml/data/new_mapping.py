"""Propose a mapping from the headers and values of an export; every guess is marked and explained as a comment."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from leadml.data.cells import carry, join_column, numbers_of, values_of
from leadml.data.dates import read_dates
from leadml.data.deals import NO_DAY, Leads, Note
from leadml.data.mapping import Mapping, ReadOptions
from leadml.data.read import read_leads
from leadml.data.sources import open_source
from leadml.exceptions import LeadmlError
from leadml.records import Record, load_record, parse_record

SAMPLE_ROWS = 20_000
MOST_WORDS = 30
"""A column of more distinct words is no category."""
MOST_AT_ONE_LEVEL = 0.95
"""Edges that put a larger share of the values at one level tell nothing."""
PHONES = r"phone|telefoon|mobile|mobiel"
PLACES = r"team|region|regio|source|bron|country|land$"
"""Columns for which the gain is told apart."""


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
_LATE: list[dict[str, Any]] = YAML(typ="safe").load(files("leadml.data") / "late_columns.yaml")


class Column(NamedTuple):
    """What a column holds."""

    name: str
    words: dict[str, int]  # distinct texts with counts, most frequent first
    numbers: dict[str, float]  # of those that are one
    dates: list[str]  # those that are one, and no number
    filled: float  # share of the rows
    order: str  # in which its dates are written, where they show it

    @property
    def shown(self) -> str:
        """The most frequent values."""
        shown = [f"{' '.join(word[:30].split())} ({n})" for word, n in self.words.items()]
        return ", ".join(shown[:6]) + (" ..." if len(shown) > 6 else "")

    @property
    def is_category(self) -> bool:
        """Whether it holds few words, which are no dates."""
        return len(self.words) <= MOST_WORDS and self.share(self.dates) < 0.5

    def share(self, words: Iterable[str]) -> float:
        """Share of the filled cells that hold one of these words."""
        return sum(self.words[word] for word in words) / max(sum(self.words.values()), 1)

    def ends(self, pattern: str) -> list[str]:
        """Words that are wholly of a pattern."""
        return [word for word in self.words if re.fullmatch(pattern, word, re.IGNORECASE)]


def propose_mapping(
    source: Any, crm: str | None, find_leaks: Callable[[Leads], Iterable[Note]], *, query: str | None = None
) -> str:
    """Propose a mapping (YAML text that loads) from the first rows of an export, of a CRM where that is known.

    `find_leaks` tells which columns know how deals ended (`leadml.calibration.leaks.leak_notes`).
    """
    opened = open_source(source, query=query)
    decimal, chunks, n = opened.format.decimal, [], 0
    for chunk in opened.chunks():
        chunks.append(chunk.table)
        n += len(chunk.rows)
        if n >= SAMPLE_ROWS:
            break
    cells = ([carry(chunk.column(name)) for chunk in chunks] for name in opened.columns)
    table = pa.table([join_column(each, decimal, keep_text=True) for each in cells], names=[*opened.columns])
    left = {column.name: column for column in _profile(table, decimal)}
    file = re.split(r"[/\\]", opened.name.lower())[-1]
    name = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(\.[a-z]+){1,2}$", "", file)).strip("_") or "ours"
    lines = [f"# Proposed from {opened.name}: {len(left)} columns. A line marked 'guess' is one: look at it."]
    lines += [_flow({"name": name}), *_deals(left, crm or "any"), ""]
    if criteria := [line for each in KNOWN.criteria for line in _criterion(each, left)]:
        lines += ["criteria:  # levels 0 to 4; leadml frameworks bant shows what each level means", *criteria]
    else:
        lines += ["# no criterion found by name; map at least two: leadml frameworks bant shows the levels"]
        lines += ["criteria: {}"]
    late = {name: why for name in left if (why := late_by_name(name))}
    late |= _late_by_outcome(table, "\n".join([*lines, "", *_others(left, late)]), decimal, find_leaks)
    return "\n".join([*lines, "", *_others(left, late), ""])


def late_by_name(column: str) -> str:
    """Why a column of this name is written during a deal, as CRMs document it; "" where none says so.

    >>> late_by_name("DealStage"), late_by_name("volgende_stap"), late_by_name("Lead Source")
    ('moves with the deal', 'is emptied or overwritten as the deal moves', '')
    """
    words = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", column)).strip().lower()
    return next((each["why"] for each in _LATE if re.search("|".join(each["names"]), words)), "")


def _late_by_outcome(
    table: pa.Table, text: str, decimal: str, find_leaks: Callable[[Leads], Iterable[Note]]
) -> dict[str, str]:
    """Columns of the context whose values go with the outcomes as what is written late does."""
    try:
        read = ReadOptions.model_validate({"decimal": decimal})
        leads = read_leads(table, parse_record(text, Mapping).model_copy(update={"read": read}))
    except LeadmlError:  # what is wrong is told where the proposal is used
        return {}
    found = ((code, values.get("columns", [values.get("column")])) for code, values in find_leaks(leads))
    return {
        name: f"may tell how the deal went ({code})" for code, names in found for name in names if name in leads.context
    }


def _profile(table: pa.Table, decimal: str) -> Iterator[Column]:
    for name, cells in zip(table.column_names, table.columns, strict=True):
        counts = cells.drop_null().value_counts()
        size, distinct = values_of(counts.field("counts")).tolist(), counts.field("values")
        words = [str(word).strip() for word in distinct.to_pylist()]
        numbers, dates = numbers_of(distinct, decimal)[0].tolist(), read_dates(distinct)
        dated = dates.other_order | (dates.days != NO_DAY)
        yield Column(
            name,
            dict(sorted(zip(words, size, strict=True), key=lambda each: -each[1])),
            {word: number for word, number in zip(words, numbers, strict=True) if number == number},
            [word for word, number, is_date in zip(words, numbers, dated, strict=True) if is_date and number != number],
            sum(size) / max(len(table), 1),
            "" if dates.ambiguous else dates.order,
        )


def _deals(left: dict[str, Column], crm: str) -> Iterator[str]:
    """Identity, outcome, dates, group and amount, each taken out of what is left."""

    def take(key: str, fits: Callable[[Column], bool], rank: Callable[[Column], float] = lambda _: 0.0) -> Any:
        """Take the column whose name and content fit; of several the highest in rank, the first of equals."""
        for pattern in (KNOWN.columns[crm][key], KNOWN.columns["any"][key]):
            if found := [c for c in left.values() if re.fullmatch(pattern, c.name.strip().lower()) and fits(c)]:
                return left.pop(max(found, key=rank).name)
        return None

    def is_once(column: Column) -> bool:
        return column.filled > 0.99 and max(column.words.values()) == 1

    # Deal may be a name: a number or id of its own goes before it. Where no name tells, K-0001 does.
    is_number = re.compile(r"(id|nr|no|num|number|nummer|code|debiteur)\.?$", re.IGNORECASE).search
    found = take("lead_id", is_once, lambda c: bool(is_number(c.name)))
    like_ids = (c for c in left.values() if not (c.numbers or c.dates or re.search(PHONES, c.name, re.IGNORECASE)))
    if not found and (once := [c for c in like_ids if is_once(c) and c.words.keys() == {*c.ends(r"\S*\d\S*")}]):
        found = left.pop(once[0].name)
    yield _guess("lead_id", found.name, "every value occurs once") if found else "# no lead_id found: rows are numbered"
    found = take(
        "outcome",
        lambda c: len(c.words) <= MOST_WORDS and bool(c.ends(KNOWN.won) and c.ends(KNOWN.lost)),
        lambda c: c.filled * c.share(c.ends(f"{KNOWN.won}|{KNOWN.lost}")),
    )
    if found:
        ends = {"won": found.ends(KNOWN.won), "lost": found.ends(KNOWN.lost)}
        rest = [word for word in found.words if word not in (*ends["won"], *ends["lost"])] + [""] * (found.filled < 1)
        yield _guess("outcome", {"column": found.name, **ends, **({"open": rest} if rest else {})}, found.shown)
    else:
        yield "# outcome: no column holds words for won and for lost. Needed to learn, not to score:"
        yield "# outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}"
    dates = ((key, take(key, lambda c: c.share(c.dates) > 0.9)) for key in ("created", "closed"))
    if taken := {key: column for key, column in dates if column}:
        orders = {column.order for column in taken.values()} - {"", "year-month-day"}
        shown = {"day_first": orders == {"day-month-year"}} if len(orders) == 1 else {}
        why = f"from the names{'; the dates show the order' if shown else ''}"
        yield _guess("dates", {key: column.name for key, column in taken.items()} | shown, why)
    else:
        yield "# no dates found; where the rows are in time order, say so: order: rows"
    found = take(
        "group",
        lambda c: len(c.words) > 1 and bool(c.share(c.numbers) < 0.5 or is_number(c.name)),
        lambda c: bool(is_number(c.name)),
    )
    if found:
        yield _guess("group", [found.name], "deals of one account are one unit")
    if found := take("amount", lambda c: c.share(c.numbers) > 0.95 and not late_by_name(c.name)):
        yield _guess("amount", {"column": found.name}, found.shown)


def _criterion(criterion: str, left: dict[str, Column]) -> list[str]:
    """Propose a rule for the first column whose name and content fit, which is taken out of what is left.

    Levels as they are, by edges of numbers, by words on a scale.
    """
    for column in list(left.values()):
        if not re.search(KNOWN.criteria[criterion], column.name, re.IGNORECASE):
            continue
        unknown = column.ends(KNOWN.unknown)
        texts = [word for word in column.words if word not in (*unknown, *column.numbers)]
        levels: dict[str, int] = {}
        for level, words in enumerate(KNOWN.scale):  # of several the lowest
            levels |= {word: level for word in column.ends(words) if word in texts and word not in levels}
        rest = [word for word in texts if word not in levels]
        rule: dict[str, Any] = {"column": column.name} | ({"levels": levels} if levels else {})
        if column.numbers and not texts and {*column.numbers.values()} <= {*range(5)}:
            why = "holds 0 to 4 already"
        elif column.share(column.numbers) >= 0.2:
            edges, said = _edges(criterion, column)
            rule["edges"] = [int(edge) if edge.is_integer() else edge for edge in edges]
            rule |= {"descending": True} if criterion in KNOWN.descending else {}
            why = f"{said}; {column.shown}"
        elif texts and column.is_category and (levels or not late_by_name(column.name)):
            why = "levels by the words" if levels else "by its name; no word is understood"
        else:
            continue
        if late := late_by_name(column.name):
            why += f"; by its name perhaps one that {late}: if so, exclude it"
        del left[column.name]
        rule |= ({"unknown": unknown} if unknown else {}) | ({"other": "unknown"} if rest else {})
        lines = [f"  {_guess(criterion, rule, why)}"]
        if rest:
            told = ", ".join(f"{_flow([word])}: ?" for word in rest[:MOST_WORDS])
            lines += [
                f"  #   TODO not ranked, so unknown: {_flow(rest[:12])}: {column.share(rest):.0%} of the filled cells.",
                f"  #   Give each a level from 0 to 4: levels: {{{told}}}",
            ]
        return lines
    return []


def _edges(criterion: str, column: Column) -> tuple[list[float], str]:
    """Edges that the documents name; where these tell nearly none of the values apart, five equal parts."""
    values = np.repeat([*column.numbers.values()], [column.words[word] for word in column.numbers])
    if edges := [*KNOWN.edges.get(criterion, ())]:
        level = np.searchsorted(edges, values, side="right")
        if np.bincount(level).max() <= MOST_AT_ONE_LEVEL * len(values) or len(np.unique(values)) < 2:
            return edges, "edges from the documents"
    cuts = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
    return sorted({float(f"{value:.2g}") for value in cuts}), "edges share the values in equal parts"


def _others(left: dict[str, Column], late: dict[str, str]) -> Iterator[str]:
    """Context, segments, contactable; what is known late is excluded."""
    phones = [name for name in left if re.search(PHONES, name, re.IGNORECASE)][:1]
    late = {name: why for name, why in late.items() if name not in phones}
    several = {name: column for name, column in left.items() if name not in (*phones, *late) and len(column.words) > 1}
    context = [name for name, each in several.items() if each.is_category or each.share(each.numbers) > 0.95]
    for name in phones:
        yield _guess("contactable", {"column": name}, "filled means that the lead can be reached")
    if context:
        yield _guess("context", context, "the wide card and the classifiers may use them; no documented rule does")
    if segments := [name for name in context if re.search(PLACES, name, re.IGNORECASE)]:
        yield _guess("segments", segments, "the gain is told for each")
    if late:
        yield "exclude:  # guess: by name or values known only late; take out what is known at qualification"
        yield from (f"  {_flow({name: why})}" for name, why in late.items())


def _guess(key: str, value: Any, why: str) -> str:
    return f"{_flow({key: value})}  # guess: {why}"


def _flow(value: Any) -> str:
    """Write a list, or keys and values, as YAML in one line, without the brackets around it."""
    yaml = YAML()
    yaml.default_flow_style, yaml.width = True, 1 << 20
    yaml.dump(value, stream := io.StringIO())
    return stream.getvalue().strip()[1:-1]
