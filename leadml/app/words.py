"""Words of the page: the answer in leads and wins, columns and values as the CRM has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leadml.card.build import words_of_mapping
from leadml.card.record import Card
from leadml.report.answer import is_everyone, look_again, loss_if_wrong, p_better
from leadml.report.summary import attribute_rows, beside_zero, capital, summarise
from leadml.terminal import clean, joined, number

if TYPE_CHECKING:
    from leadml.data.mapping import Mapping
    from leadml.result import Figure, Outlook, Result

PLAIN = {
    "a won deal": "a win", "follow-ups": "calls", "a follow-up": "a call", "; give economics to decide": "",
    "Its cut-off": "The rule’s cut-off",
}  # fmt: skip
SIGNS = {"<": "below {}", ">": "above {}", ">=": "{} or more", "<=": "{} or less"}


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
    doubt: str  # of the card's columns, and the command that learns without them
    command: str


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


def answer_of_page(result: Result) -> Answer:
    """The answer of the report in leads and wins: the same figures, for as many calls as the rule takes."""
    told = summarise(result)
    doubt = clean(result.recommended.doubt), clean(told.without)
    rule, look, answer = told.rule, told.answer.outlook, told.answer
    if rule is None or look is None or look.wins_per_100.keep.value is None:
        more = tuple(plain_words(text) for text in (answer.cutoff, answer.sure) if text)
        return Answer(rule.title if rule else "", answer.headline, "", (), more, *doubt)
    calls, n = look.n_followed_up, result.data.n_won + result.data.n_lost  # of these are the calls of the outlook
    keep = _bar("Rule", "rule0", look.wins_per_100.keep, calls)
    change = _bar("Card", "rule1", look.wins_per_100.change, calls)
    bars, by, wider = [keep, change], "the card", ""
    by_id = {each.id: each for each in result.contenders}
    wide, own = by_id.get(str(result.recommended.contender)), by_id.get(rule.id)
    if wide and own and wide.id != rule.card and wide.wins_per_100 and own.wins_per_100:
        by, bar = "learned points", _bar("Wider card", "rule1", wide.wins_per_100, calls)
        bars = [keep, dataclasses.replace(change, label="Learned points"), bar]
        named = [each.attribute for each in wide.importance if each.attribute]
        names = named or [each.column for each in wide.importance]
        shown = names if len(names) < 5 else [*names[:3], f"{len(names) - 3} more"]
        also = f" (also {joined(shown)})" if names else ""
        beside = number((own.wins_per_100.value or 0) * calls / 100)
        wider = f"The wider card{also} won {number(bar.value)} on deals it had not seen, the rule {beside}."
    recent = f" ({number(result.data.n_recent)} more are too recent to judge)" if result.data.n_recent else ""
    lead = (
        f"Of your last {number(n)} closed leads{recent} the rule has you call {number(calls)}: about"
        f" {number(keep.value)} wins. As many calls by {by}: {number(change.value)}"
        f" ({number(change.low)} to {number(change.high)})."
    )
    remark = capital(f"{text}.") if (text := beside_zero(rule)) else ""
    sure = {"change": "", "undecided": look_again(rule)}.get(rule.verdict, answer.sure)
    texts = (
        answer.main if is_everyone(result) else "",
        chance_sentence(look, p_better(rule), calls),
        wider,
        remark,
        answer.cutoff,
        sure,
    )
    more = tuple(plain_words(text) for text in texts if text)
    return Answer(rule.title, answer.headline, lead, tuple(bars), more, *doubt)


def plain_words(text: str) -> str:
    """The report's words in those of the page."""
    for word, plain in PLAIN.items():
        text = text.replace(word, plain)
    return text


def _bar(label: str, kind: str, figure: Figure, calls: float) -> Bar:
    ends = (figure.value if end is None else end for end in (figure.value, figure.low, figure.high))
    return Bar(label, kind, *((end or 0.0) * calls / 100 for end in ends))


def chance_sentence(look: Outlook, p: float, calls: float) -> str:
    """How sure it is that the card wins more, and what each choice is expected to cost."""
    keep, change = look.regret_per_100.keep.value, look.regret_per_100.change.value
    chances = (
        "More than 99 chances" if p > 0.99 else "Less than 1 chance" if p < 0.01 else f"{int(100 * p + 1e-9)} chances"
    )
    text = f"{chances} in 100 that learned points win more"
    if 0.01 <= p <= 0.99:
        text += f", {100 * look.p_better:.0f} that by enough to be worth a change"
    if keep is None or change is None:
        return f"{text}."
    if (loss := loss_if_wrong(look, p)) is not None:
        text += f"; if that is wrong you lose {_wins(loss * calls / 100)}"
    return f"{text}. Expected cost: keeping {_wins(keep * calls / 100)}, changing {_wins(change * calls / 100)}."


def _wins(n: float) -> str:
    return "less than 1 win" if n < 0.95 else f"about {number(n)} win{'s' if n >= 1.5 else ''}"


def columns_of(
    learned: Card | None, documented: Card | None, mapping: Mapping | None, result: Result | None = None
) -> tuple[Column, ...]:
    """Rows of both cards, each once: criteria first, then attributes, of which is asked when they were known."""
    words = words_of_mapping(mapping)
    found: dict[str, Column] = {}
    lost = {} if result is None else {row.name: row for row in attribute_rows(result)}
    for card in filter(None, (learned, documented)):
        for each in card.criteria:
            # What is read from another criterion has its words.
            chain = mapping.chain(each.id) if mapping else ()
            own = next((name for name in chain if mapping and name in mapping.criteria), "")
            said: MappingType[str, Sequence[str]] = each.words or words.get(own, {})
            labels: tuple[str, ...] = (*(level_label(said, level) for level in range(5)), "not known")
            shown = (*(level for level in range(5) if not said or said.get(str(level))), 5)
            source = clean(mapping.criteria[own].column) if mapping and own else ""
            column = Column(each.id, clean(each.title), source, each.question, "criterion", labels, shown)
            found.setdefault(each.id, column)
    for attribute in learned.attributes if learned else ():
        labels = (*(clean(each.label) for each in attribute.bins), "any other", "not known")
        known = ""
        if row := lost.get(attribute.column):
            known = (
                f"Without it {row.cells['wins of 100']} wins of 100 calls are lost. Was it known when the lead came in?"
            )
            known += "".join(f" If not: {clean(command)}" for command in row.remarks)
        title, column_of, shown = clean(attribute.title), clean(attribute.column), tuple(range(len(labels)))
        found[attribute.id] = Column(attribute.id, title, column_of, known, "attribute", labels, shown)
    return tuple(found.values())


def level_label(words: MappingType[str, Sequence[str]], level: int) -> str:
    """A level in the CRM's words: its values, or its range of numbers (10,000 to 20,000)."""
    texts, after = [], words.get(str(level + 1), ())
    for word in words.get(str(level), ()):
        sign = word.partition(" ")[0]
        if sign not in SIGNS:
            texts.append(clean(word))
            continue
        numbers = (float(each.partition(" ")[2]) for each in (word, *after) if each.startswith(f"{sign} "))
        ends = [f"{each:,.10g}" for each in numbers][:2]
        is_range = len(ends) > 1 and sign in (">=", "<=")
        texts.append(" to ".join(ends if sign == ">=" else ends[::-1]) if is_range else SIGNS[sign].format(ends[0]))
    return ", ".join(texts) or str(level)
