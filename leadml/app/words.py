"""Words of the page: the answer in leads and wins, columns and values as the CRM has them, health by week."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.card.record import Card
from leadml.terminal import clean, number

if TYPE_CHECKING:
    from leadml.data.mapping import Mapping
    from leadml.result import Outlook, PolicyResult, Result

WEEKS = 26
MIN_WEEK = 10
"""Deals closed in a week below which it is too early to tell."""


@dataclasses.dataclass(frozen=True)
class Bar:
    """Wins of as many calls as the rule takes, and the ends of the interval."""

    label: str
    kind: str  # of which rule: rule0 documented, rule1 learned
    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Answer:
    """The first screen."""

    rule: str
    headline: str
    lead: str
    bars: tuple[Bar, ...]
    more: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Column:
    """A criterion or attribute; labels: what each code is called, the last is not known."""

    id: str
    title: str
    source: str  # the CRM's column
    question: str
    kind: str
    labels: tuple[str, ...]
    shown: tuple[int, ...]  # codes that the CRM can hold


@dataclasses.dataclass(frozen=True)
class Week:
    """Deals closed in a week (its Monday), won among them, and as many as were predicted."""

    monday: str
    n: int
    won: int
    predicted: float
    state: str


@dataclasses.dataclass(frozen=True)
class Health:
    """What the monitor said last, and deals closed by week."""

    state: str
    reasons: tuple[str, ...]
    weeks: tuple[Week, ...]


def answer_of_page(result: Result, n_closed: float) -> Answer:
    """The answer of the report in leads and wins: the same figures, for as many calls as the rule takes."""
    from leadml.report.answer import everyone_gains
    from leadml.report.summary import summarise

    told = summarise(result)
    rule = result.policies[0] if result.policies else None
    look = None if rule is None or rule.verdict_weights == "cannot-judge" else rule.outlook
    if rule is None or look is None or look.wins_per_100.keep.value is None:
        nobody = rule is None or rule.verdict == "cannot-judge" or "up no lead" in told.answer.sure
        cutoff = "" if nobody else told.answer.cutoff
        more = tuple(plain_words(text) for text in (cutoff, told.answer.sure) if text)
        return Answer(told.rule, told.answer.headline, "", (), more)
    calls = look.n_followed_up
    bars = [
        _bar("Rule", "rule0", look.wins_per_100.keep, calls),
        _bar("Card", "rule1", look.wins_per_100.change, calls),
    ]
    keep, change = bars
    wide, by = _wide_of(result, rule, calls), "the card"
    if wide:
        bars, by = [keep, dataclasses.replace(change, label="Learned points"), wide[0]], "learned points"
    n = result.data.n_won + result.data.n_lost  # of these are the calls of the outlook
    recent = f" ({number(n_closed - n)} more are too recent to judge)" if n_closed - n >= 0.5 else ""
    lead = (
        f"Of your last {number(n)} closed leads{recent} the rule has you call {number(calls)}: about"
        f" {number(keep.value)} wins. As many calls by {by}: {number(change.value)}"
        f" ({number(change.low)} to {number(change.high)})."
    )
    everyone = everyone_gains(result) is not None and rule.verdict_cutoff == "change"
    more = (told.answer.main if everyone else "", sure_words(look, calls), wide[1] if wide else "", told.answer.cutoff)
    texts = (*more, when_words(rule, told.answer.sure))
    return Answer(told.rule, told.answer.headline, lead, tuple(bars), tuple(plain_words(t) for t in texts if t))


def plain_words(text: str) -> str:
    """The report's words in those of the page."""
    for word, plain in (
        ("a won deal", "a win"),
        ("follow-ups", "calls"),
        ("a follow-up", "a call"),
        ("; give economics to decide", ""),
        ("Its cut-off", "The rule’s cut-off"),
    ):
        text = text.replace(word, plain)
    return text


def _bar(label: str, kind: str, figure: Any, calls: float) -> Bar:
    value = figure.value
    low, high = (value if end is None else end for end in (figure.low, figure.high))
    return Bar(label, kind, value * calls / 100, low * calls / 100, high * calls / 100)


def sure_words(look: Outlook, calls: float) -> str:
    """How sure it is that the card wins more, and what each choice is expected to cost."""
    p, costs = look.p_better, (look.regret_per_100.keep.value, look.regret_per_100.change.value)
    chances = "more than 99 chances" if p > 0.99 else "less than 1 chance" if p < 0.01 else f"{100 * p:.0f} chances"
    text = f"{chances[0].upper()}{chances[1:]} in 100 that learned points win more"
    if look.p_same >= 0.005 and p <= 0.99:
        text += f" ({100 * look.p_same:.0f} that there is no difference worth having)"
    if costs[0] is None or costs[1] is None:
        return f"{text}."
    if costs[1] < costs[0] and 1 - p >= 0.01:  # nothing is lost where they win more: E[loss] / P(they do not)
        text += f"; if that is wrong you lose {_wins(costs[1] / (1 - p) * calls / 100)}"
    keep, change = (_wins(each * calls / 100) for each in costs if each is not None)
    return f"{text}. Expected cost: keeping {keep}, changing {change}."


def _wins(n: float) -> str:
    return "less than 1 win" if n < 0.95 else f"about {number(n)} win{'s' if n >= 1.5 else ''}"


def when_words(rule: PolicyResult, sure: str) -> str:
    """When to look again, of what is not decided; why, of what is kept or cannot be judged."""
    from leadml.report.answer import LOOK_AGAIN

    if rule.verdict == "undecided":
        more = rule.outlook.more_deals if rule.outlook else None
        return LOOK_AGAIN if more is None or more.value is None else f"A{more.text[1:]}."
    return "" if rule.verdict == "change" else sure


def _wide_of(result: Result, rule: PolicyResult, calls: float) -> tuple[Bar, str] | None:
    """A recommended card that is another than the one compared with the rule: its wins on held-out deals."""
    by_id = {each.id: each for each in result.contenders}
    wide, own = by_id.get(str(result.recommended.contender)), by_id.get(rule.id)
    if wide is None or own is None or wide.id == rule.card or not (wide.wins_per_100 and own.wins_per_100):
        return None
    bar = _bar("Wider card", "rule1", wide.wins_per_100, calls)
    columns = ", ".join(each.column for each in wide.importance[:3])
    also = f" (also {columns})" if columns else ""
    beside = number((own.wins_per_100.value or 0) * calls / 100)
    return bar, f"The wider card{also} won {number(bar.value)} on deals it had not seen, the rule {beside}."


def columns_of(
    learned: Card | None, documented: Card | None, mapping: Mapping | None, result: Result | None = None
) -> tuple[Column, ...]:
    """Rows of both cards, each once: criteria first, then attributes, of which is asked when they were known."""
    from leadml.report.summary import attribute_rows

    lost = {} if result is None else {row.column: row for row in attribute_rows(result)}
    from leadml.card.questions import words_of_mapping

    words = {} if mapping is None else dict(words_of_mapping(mapping))
    sources = {} if mapping is None else {name: each.column for name, each in mapping.criteria.items()}
    for name in mapping.mapped if mapping else ():  # what is read from another criterion has its words
        own = name
        while mapping and own not in sources and own in mapping.stand_in:
            own = mapping.stand_in[own]
        words[name], sources[name] = words.get(own, {}), sources[own]
    found: dict[str, Column] = {}
    for card in (learned, documented):
        for each in card.criteria if card else ():
            said: MappingType[str, Sequence[str]] = each.words or words.get(each.id, {})
            labels: tuple[str, ...] = tuple(level_label(said, level) for level in range(5))
            shown = (*(level for level in range(5) if not said or said.get(str(level))), 5)
            title, source = clean(each.title), clean(sources.get(each.id, ""))
            labels = (*labels, "not known")
            column = Column(each.id, title, source, each.question, "criterion", labels, shown)
            found.setdefault(each.id, column)
    for attribute in learned.attributes if learned else ():
        bins = (clean(each.label) for each in attribute.bins)
        labels = (*bins, "any other", "not known")
        title, shown = clean(attribute.title), tuple(range(len(labels)))
        known = ""
        if row := lost.get(attribute.column):
            known = f"Without it {row.wins} wins of 100 calls are lost. Was it known when the lead came in? If not: "
            known += clean(row.command)
        found[attribute.id] = Column(attribute.id, title, clean(attribute.column), known, "attribute", labels, shown)
    return tuple(found.values())


def level_label(words: MappingType[str, Sequence[str]], level: int) -> str:
    """A level in the CRM's words: its values, or its range of numbers (10,000 to 20,000)."""
    own = words.get(str(level), ())
    if not own:
        return str(level)
    texts = [clean(word) for word in own if word[:2] not in (">=", "<=", "< ", "> ")]
    edges = [word for word in own if word not in texts and word[:2] in (">=", "<=", "< ", "> ")]
    for edge in edges:
        sign, _, value = edge.partition(" ")
        more = next((w for w in words.get(str(level + 1), ()) if w[:2] == sign), "")
        shown, upper = _digits(value), _digits(more.partition(" ")[2])
        if sign in ("<", ">"):
            texts.append(f"{'below' if sign == '<' else 'above'} {shown}")
        elif not upper:
            texts.append(f"{shown} or {'more' if sign == '>=' else 'less'}")
        else:
            texts.append(f"{shown} to {upper}" if sign == ">=" else f"{upper} to {shown}")
    return ", ".join(texts)


def _digits(text: str) -> str:
    return f"{float(text):,.10g}" if text else ""


def health_of(folder: Path, result: Result) -> Health:
    """The monitor's last state, where it has looked, and the latest weeks of the log."""
    from leadml.monitoring.result import MonitorResult

    found = next((f for f in (folder / "monitor.json", *sorted(folder.glob("*/monitor.json"))) if f.is_file()), None)
    weeks = weeks_of(folder / "log.parquet", str(result.recommended.contender))
    if found is None:
        return Health("too early to tell", ("The monitor has not looked yet: run leadml monitor.",), weeks)
    try:
        said = MonitorResult.model_validate_json(found.read_text(encoding="utf-8"))
    except ValueError:
        old = f"{found.name} is of another version: run leadml monitor again."
        return Health("too early to tell", (old,), weeks)
    since = weeks_of(found.with_name("log.parquet"), said.model)
    return Health(said.state, tuple(each.text for each in said.reasons), since or weeks)


def weeks_of(path: Path, contender: str) -> tuple[Week, ...]:
    """The latest weeks in which deals closed: won beside predicted."""
    from leadml.evaluation.log import NO_DAY, Log

    if not path.is_file():
        return ()
    log = Log.read(path)
    if log.closed is None or contender not in log.entries or log.n_repeats > 1:
        return ()
    chance = log.entries[contender].probability
    some = np.isfinite(chance) & (log.closed != NO_DAY)
    week, found = (log.closed[some] + 3) // 7, []  # day 0 was a Thursday
    for each in np.unique(week)[-WEEKS:].tolist():
        own = week == each
        n, won, told = int(own.sum()), int((log.outcome[some][own] == 1).sum()), chance[some][own]
        away = (won - told.sum()) / max(float(np.sqrt((told * (1 - told)).sum())), 1e-9)
        state = "more wins" if away > 2.58 else "fewer wins" if away < -2.58 else "as predicted"
        state = state if n >= MIN_WEEK else "too early to tell"
        found.append(Week(str(np.datetime64(each * 7 - 3, "D")), n, won, float(told.sum()), state))
    return tuple(found)
