"""Propose a mapping from the headers and values of an export; every guess is marked and explained as a
comment."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from leadml.data.cells import Floats, carry, numbers_of, values_of
from leadml.data.dates import BAD_DAY, NO_DAY, pack_dates
from leadml.data.leaks import LATE_NAMES
from leadml.data.read import join_column
from leadml.data.sources import open_source

SAMPLE_ROWS = 20_000
MOST_WORDS = 30
"""A column of more distinct words is no category."""

_CRM = {
    "hubspot": (
        "record id", "deal stage", "create date", "close date", "amount", "associated company|company name",
    ),
    "salesforce": (
        "opportunity id|id", "stage|stagename", "created ?date", "close ?date", "amount",
        "account name|accountid",
    ),
    "dynamics": (
        r".*opportunity", "status", "created on", "actual close date", "actual revenue|est.*revenue",
        "account|potential customer",
    ),
    "pipedrive": (
        "(deal - )?id", "(deal - )?status", "(deal - )?(deal created|add time)",
        "(deal - )?(deal closed on|close time)", "(deal - )?value", "(deal - )?organi[sz]ation",
    ),
}  # fmt: skip
_ROLES = ("lead_id", "outcome", "created", "closed", "amount", "group")
_GENERAL = (
    r"((deal|lead|opportunity|record|object|ticket)[ _-]?)?(id|nr|number|nummer)",
    r".*(status|stage|outcome|result|uitkomst|fase|\bwon\b).*|y",
    r".*(creat|aangemaakt|aanmaak|added|engage|opened|start).*",
    r".*(clos|gesloten|sluit|won time|end date|einddatum).*",
    r".*(amount|value|revenue|bedrag|waarde|omzet|deal size).*",
    r".*(account|company|organi[sz]ation|klant|bedrijf|customer name).*",
)
_CRITERIA = {
    "budget": "budg", "funds": "fund|financ|loan", "need": "need|behoefte", "desire": "desire|wens",
    "authority": r"authori|\brole\b|\brol\b|function|functie|beslis|decision|job title",
    "challenges": "challeng|pain|pijn|probleem", "interest": "interes", "urgency": "urgen",
    "timeline": "timeline|timing|time ?frame|month|maand|termijn|wanneer", "prioritization": "priorit",
    "goals": r"goal|doel", "plans": r"\bplan|scope", "response": "respon|reactie",
}  # fmt: skip
_WON = r"(closed[ _-]?)?won|gewonnen|success.*|yes|ja|true|1|klant"
_LOST = r"(closed[ _-]?)?lost|verloren|fail.*|no|nee|false|0|disqualified|afgewezen"
_UNKNOWN = r"unknown|onbekend|n/?a|\?+|-+|nonexistent|not asked|none given|nvt"
_SCALE = (
    r"no|none|nee|geen|never|0",
    r"low|laag|poor|weak|little|weinig|influencer?|few.*",
    r"mid|medium|middel|middle|neutral|some|maybe|misschien|average.*|info.*",
    r"high|hoog|good|yes|ja|clear|strong|manager",
    r"very high|zeer hoog|full|urgent|critical|approved|director|ceo|decision ?maker|beslisser",
)
_EDGES: dict[str, tuple[list[float], bool]] = {
    "budget": ([1, 10_000, 20_000, 30_000], False),
    "funds": ([1, 10_000, 20_000, 30_000], False),
    "timeline": ([3, 6, 12, 24], True),
}


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column holds: distinct texts with counts (most frequent first), numbers (NaN where none),
    dates."""

    name: str
    words: list[tuple[str, int]]
    texts: list[str]
    numbers: Floats
    share_filled: float
    share_numbers: float
    share_dates: float

    @property
    def shown(self) -> str:
        """The most frequent values."""
        return ", ".join(f"{word[:30]} ({n})" for word, n in self.words[:6]) + (
            " ..." if len(self.words) > 6 else ""
        )


def propose_mapping(source: Any, crm: str | None = None, *, query: str | None = None) -> str:
    """Propose a mapping (YAML text that loads) from the first rows of an export, of a CRM where that is
    known."""
    opened = open_source(source, query=query)
    columns = list(_profile(opened))
    left = {column.name: column for column in columns}
    lines = [
        f"# Proposed from {opened.name}: {len(columns)} columns. A line marked 'guess' is one: look at it.",
        f"name: {_word(re.sub(r'[^a-z0-9]+', '_', _stem(opened.name).lower()).strip('_') or 'ours')}",
    ]
    patterns = dict(zip(_ROLES, _CRM.get(crm or "", _GENERAL), strict=True))
    for part in (_identity, _outcome, _dates, _group, _amount):
        lines += part(left, patterns)
    lines += ["", *_criteria(left), "", *_others(left)]
    return "\n".join(lines) + "\n"


def _profile(source: Any) -> Iterator[Column]:
    chunks, n = [], 0
    for chunk in source.chunks():
        chunks.append(chunk.table)
        n += chunk.table.num_rows
        if n >= SAMPLE_ROWS:
            break
    for at, name in enumerate(source.columns):
        cells = join_column(
            [carry(chunk.column(at)) for chunk in chunks], source.format.decimal, keep_text=True
        )
        counts = cells.drop_null().value_counts()
        size = np.array(values_of(counts.field("counts")), np.int64)
        distinct = counts.field("values")
        words = [str(word).strip() for word in distinct.to_pylist()]
        numbers, _ = numbers_of(distinct, source.format.decimal)
        days = pack_dates(distinct) if len(words) else np.zeros(0, np.int32)
        dated = (days != BAD_DAY) & (days != NO_DAY) & np.isnan(numbers)
        total = max(int(size.sum()), 1)
        ranked = sorted(zip(words, size.tolist(), strict=True), key=lambda each: -each[1])
        share = [float(size[mask].sum()) / total for mask in (~np.isnan(numbers), dated)]
        texts = [word for word, number in zip(words, numbers, strict=True) if np.isnan(number)]
        yield Column(name, ranked, texts, np.repeat(numbers, size), total / max(n, 1), share[0], share[1])


def _take(
    left: dict[str, Column],
    pattern: str,
    fits: Callable[[Column], bool],
    rank: Callable[[Column], float] = lambda _: 0.0,
) -> Column | None:
    """Take the column whose name and content fit; of several the highest in rank, the first of equals."""
    found = [c for name, c in left.items() if re.fullmatch(pattern, name.strip().lower()) and fits(c)]
    return left.pop(max(found, key=rank).name) if found else None


def _identity(left: dict[str, Column], patterns: dict[str, str]) -> list[str]:
    found = _take(
        left, patterns["lead_id"], lambda c: c.share_filled > 0.99 and all(n == 1 for _, n in c.words)
    )
    if found is None:
        return ["# no lead_id found: rows are numbered"]
    return [f"lead_id: {_word(found.name)}  # guess: every value occurs once"]


def _outcome(left: dict[str, Column], patterns: dict[str, str]) -> list[str]:
    def sides(column: Column) -> tuple[list[str], list[str]]:
        words = [word for word, _ in column.words]
        return [w for w in words if re.fullmatch(_WON, w.lower())], [
            w for w in words if re.fullmatch(_LOST, w.lower())
        ]

    def fits(column: Column) -> bool:
        return len(column.words) <= MOST_WORDS and all(sides(column))

    def share(column: Column) -> float:
        return (
            sum(n for word, n in column.words if word in [*sides(column)[0], *sides(column)[1]])
            * column.share_filled
        )

    found = _take(left, patterns["outcome"], fits, share) or _take(left, _GENERAL[1], fits, share)
    if found is None:
        return ["# outcome: no column holds words for won and for lost. Needed to learn, not to score:",
                "# outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}"]  # fmt: skip
    won, lost = sides(found)
    still_open = [word for word, _ in found.words if word not in (*won, *lost)]
    still_open += [""] if found.share_filled < 1 else []
    named = ", ".join(
        f"{key}: {_list(words)}"
        for key, words in (("won", won), ("lost", lost), ("open", still_open))
        if words
    )
    return [f"outcome: {{column: {_word(found.name)}, {named}}}  # guess: {found.shown}"]


def _dates(left: dict[str, Column], patterns: dict[str, str]) -> list[str]:
    named = {key: _take(left, patterns[key], lambda c: c.share_dates > 0.9) for key in ("created", "closed")}
    found = {key: _word(column.name) for key, column in named.items() if column is not None}
    if not found:
        return ["# no dates found; where the rows are in time order, say so: order: rows"]
    return [
        f"dates: {{{', '.join(f'{key}: {name}' for key, name in found.items())}}}  # guess: from the names"
    ]


def _group(left: dict[str, Column], patterns: dict[str, str]) -> list[str]:
    found = _take(left, patterns["group"], lambda c: c.share_numbers < 0.5 and len(c.words) > 1)
    return (
        [] if found is None else [f"group: {_list([found.name])}  # guess: deals of one account are one unit"]
    )


def _amount(left: dict[str, Column], patterns: dict[str, str]) -> list[str]:
    pattern = patterns["amount"]
    late = "|".join(name for name, _ in LATE_NAMES)
    found = _take(
        left, pattern, lambda c: c.share_numbers > 0.95 and not re.search(late, c.name, re.IGNORECASE)
    )
    return [] if found is None else [f"amount: {{column: {_word(found.name)}}}  # guess: {found.shown}"]


def _criteria(left: dict[str, Column]) -> list[str]:
    lines = []
    for criterion, pattern in _CRITERIA.items():
        for column in [c for name, c in left.items() if re.search(pattern, name, re.IGNORECASE)]:
            said = _criterion(criterion, column)
            if said:
                lines += said
                del left[column.name]
                break
    if not lines:
        return ["# no criterion found by name; map at least two: leadml frameworks bant shows the levels",
                "criteria: {}"]  # fmt: skip
    return ["criteria:  # levels 0 to 4; leadml frameworks bant shows what each level means", *lines]


def _criterion(criterion: str, column: Column) -> list[str] | None:
    name = _word(column.name)
    words = [word for word, _ in column.words]
    unknown = [word for word in words if re.fullmatch(_UNKNOWN, word.lower())]
    ending = f", unknown: {_list(unknown)}" if unknown else ""
    texts = [word for word in column.texts if word not in unknown]
    values = column.numbers[~np.isnan(column.numbers)]
    if len(values) and not texts and np.isin(values, np.arange(5)).all():
        return [f"  {criterion}: {{column: {name}{ending}}}  # guess: holds 0 to 4 already"]
    ranked = {
        w: next((i for i, scale in enumerate(_SCALE) if re.fullmatch(scale, w.lower())), None) for w in texts
    }
    levels = {word: level for word, level in ranked.items() if level is not None}
    listed = (
        f", levels: {{{', '.join(f'{_word(w)}: {level}' for w, level in levels.items())}}}" if levels else ""
    )
    if column.share_numbers >= 0.2:
        edges, falling = _EDGES.get(criterion, (_quantiles(values), False))
        if not edges:
            return None
        said = "edges from the documents" if criterion in _EDGES else "edges share the values in equal parts"
        more = f", edges: [{', '.join(f'{edge:g}' for edge in edges)}]" + (
            ", descending: true" if falling else ""
        )
        rest = [word for word in texts if word not in levels]
        other = ", other: unknown" if rest else ""
        return [
            f"  {criterion}: {{column: {name}{listed}{more}{ending}{other}}}  # guess: {said}; {column.shown}"
        ]
    if not levels or len(words) > MOST_WORDS:
        return None
    rest = [word for word in texts if word not in levels]
    other = ", other: unknown" if rest else ""
    return [f"  {criterion}: {{column: {name}{listed}{ending}{other}}}  # guess: by the words"] + (
        [f"  #   not ranked, so unknown: {', '.join(rest[:12])}"] if rest else []
    )


def _others(left: dict[str, Column]) -> list[str]:
    """Context, segments, contactable; what is known late is excluded."""
    late: dict[str, str] = {}
    context: list[str] = []
    segments: list[str] = []
    lines: list[str] = []
    for name, column in left.items():
        reason = next((why for pattern, why in LATE_NAMES if re.search(pattern, name, re.IGNORECASE)), None)
        if re.search(r"phone|telefoon|mobile|mobiel", name, re.IGNORECASE) and not any(
            "contactable" in x for x in lines
        ):
            lines.append(
                f"contactable: {{column: {_word(name)}}}  # guess: filled means that the lead can be reached"
            )
        elif reason:
            late[name] = reason
        elif (
            column.share_dates < 0.5
            and len(column.words) > 1
            and (len(column.words) <= MOST_WORDS or column.share_numbers > 0.95)
        ):
            context.append(name)
            if re.search(r"team|region|regio|source|bron|country|land$", name, re.IGNORECASE):
                segments.append(name)
    if context:
        lines.append(f"context: {_list(context)}  # guess: only the wider classifiers use them")
    if segments:
        lines.append(f"segments: {_list(segments)}  # guess: the gain is told for each")
    if late:
        lines.append(
            "exclude:  # guess: by their names known only late; take out what is known at qualification"
        )
        lines += [f"  {_word(name)}: {_word(reason)}" for name, reason in late.items()]
    return lines


def _quantiles(values: Any) -> list[float]:
    """Edges that share the values in five parts, to two digits."""
    if not len(values):
        return []
    rounded = [float(f"{value:.2g}") for value in np.quantile(values, [0.2, 0.4, 0.6, 0.8])]
    return sorted(set(rounded))


def _stem(name: str) -> str:
    return re.sub(
        r"\.[a-z]+(\.[a-z]+)?$", "", name.replace("\\", "/").rsplit("/", 1)[-1], flags=re.IGNORECASE
    )


def _word(text: str) -> str:
    plain = re.fullmatch(r"[^\W\d][\w ./()-]*[\w)]|[^\W\d]", text) and text.lower() not in (
        "null",
        "true",
        "false",
        "y",
        "n",
    )
    return text if plain else json.dumps(text, ensure_ascii=False)


def _list(words: Sequence[str]) -> str:
    return f"[{', '.join(map(_word, words))}]"
