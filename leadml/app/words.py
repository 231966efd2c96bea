"""Words of the page: the answer in leads and wins, columns and values as the CRM has them, health by week."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.app.material import DealCounts
from leadml.card.record import Card
from leadml.exceptions import InputError
from leadml.terminal import clean, number

if TYPE_CHECKING:
    from leadml.calibration.result import Outlook, PolicyResult, Result
    from leadml.data.mapping import Mapping

WEEKS = 26
MIN_WEEK = 10
"""Deals closed in a week below which it is too early to tell."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The first screen. calls: leads that the rule has called; keep, change: (wins, low, high) of as many."""

    headline: str
    sentences: tuple[str, ...]
    sure: str
    rule: str
    calls: float | None = None
    keep: tuple[float, float, float] | None = None
    change: tuple[float, float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Column:
    """A criterion or attribute; labels: what each code is called, the last is not known."""

    id: str
    title: str
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


def answer_of_page(result: Result, documented: Card | None, deals: DealCounts) -> Answer:
    """The answer of the report, in leads and wins."""
    from leadml.report.summary import summarise

    told = summarise(result)
    rule = result.policies[0] if result.policies else None
    look = None if rule is None or rule.verdict_weights == "cannot-judge" else rule.outlook
    if rule is None or look is None or look.wins_per_100.keep.value is None:
        return Answer(told.answer.headline, (), _plain(told.answer), told.rule)
    calls = look.n_followed_up
    keep, change = (_scaled(each, calls) for each in (look.wins_per_100.keep, look.wins_per_100.change))
    n = number(deals.n)
    sentences = [
        f"Of your last {n} closed leads, the rule has you call {number(calls)}; leads like these bring about"
        f" {number(keep[0])} wins. With as many calls, the learned card brings {number(change[0])}"
        f" ({number(change[1])} to {number(change[2])})."
    ]
    sentences.append(f"{sure_words(look, rule)} {costs_words(look, calls)}".strip())
    sentences += [text for text in (_wide_words(result, rule),) if text]
    return Answer(told.answer.headline, tuple(sentences), _plain(told.answer), told.rule, calls, keep, change)


def _plain(answer: Any) -> str:
    return " ".join(text for text in (answer.cutoff, answer.sure) if text)


def _scaled(figure: Any, calls: float) -> tuple[float, float, float]:
    value = figure.value
    ends = (
        figure.low if figure.low is not None else value,
        figure.high if figure.high is not None else value,
    )
    return value * calls / 100, ends[0] * calls / 100, ends[1] * calls / 100


def sure_words(look: Outlook, rule: PolicyResult) -> str:
    """How sure it is that the card wins more, as chances of 100."""
    better = min(max(round(look.p_better * 100), 1), 99)
    words = (
        "More than 99" if look.p_better > 0.99 else "Fewer than 1" if look.p_better < 0.01 else f"{better}"
    )
    if rule.verdict == "undecided":
        return f"Chances that the card is clearly better: {words} in 100."
    return f"{words} in 100 that the card is better."


def costs_words(look: Outlook, calls: float) -> str:
    """What each choice is expected to cost, should it be the wrong one, in wins of the same calls."""
    keep, change = look.regret_per_100.keep.value, look.regret_per_100.change.value
    if keep is None or change is None:
        return ""
    costs = [
        "less than 1 win" if each * calls < 95 else f"about {number(each * calls / 100)} wins"
        for each in (keep, change)
    ]
    return f"Expected cost of keeping the rule: {costs[0]}; of changing: {costs[1]}."


def _wide_words(result: Result, rule: PolicyResult) -> str:
    """A wide card is another than the one that the rule was compared with: its held-out wins are said."""
    by_id = {each.id: each for each in result.contenders}
    wide, own = by_id.get(str(result.recommended.contender)), by_id.get(rule.id)
    if wide is None or own is None or wide.id == rule.card or not (wide.wins_per_100 and own.wins_per_100):
        return ""
    figure = wide.wins_per_100
    columns = ", ".join(each.column for each in wide.importance[:3])
    also = f" that also reads {columns}" if columns else f" ({wide.title})"
    return (
        f"A card{also} won {number(figure.value)} of 100 calls ({number(figure.low)} to"
        f" {number(figure.high)}) on deals it had not seen; the rule won {number(own.wins_per_100.value)}."
    )


def columns_of(learned: Card | None, documented: Card | None, mapping: Mapping | None) -> tuple[Column, ...]:
    """Rows of both cards, each once: criteria first, then attributes."""
    from leadml.card.questions import words_of_mapping

    words: dict[str, MappingType[str, Sequence[str]]] = (
        {} if mapping is None else dict(words_of_mapping(mapping))
    )
    found: dict[str, Column] = {}
    for card in (learned, documented):
        for each in card.criteria if card else ():
            said = each.words or words.get(each.id, {})
            labels = tuple(level_label(said, level) for level in range(5))
            shown = (*(level for level in range(5) if not said or said.get(str(level))), 5)
            column = Column(
                each.id, clean(each.title), each.question, "criterion", (*labels, "not known"), shown
            )
            found.setdefault(each.id, column)
    for attribute in learned.attributes if learned else ():
        bins = (clean(each.label) for each in attribute.bins)
        labels = (*bins, "any other", "not known")
        title, shown = clean(attribute.title), tuple(range(len(labels)))
        found[attribute.id] = Column(attribute.id, title, "", "attribute", labels, shown)
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

    found = next(
        (f for f in (folder / "monitor.json", *sorted(folder.glob("*/monitor.json"))) if f.is_file()), None
    )
    weeks = weeks_of(folder / "log.parquet", str(result.recommended.contender))
    if found is None:
        return Health("too early to tell", ("The monitor has not looked yet: run leadml monitor.",), weeks)
    try:
        said = MonitorResult.model_validate_json(found.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{found}: is no monitor.json of this version ({str(error).splitlines()[0]})"
        ) from None
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
