"""Summary of a result: the texts and numbers that terminal, report and page show first, so that all agree.

Expected wins of 100 followed up are the outlook's (held-out deals averaged with a model of all deals);
figures of the side-by-side table are those of the held-out deals alone, and are called so.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from leadml.report.answer import Answer, answer_of, cutoff_words, everyone_gains, sure_words, wins_pair, worth_words
from leadml.terminal import UNKNOWN_TEXT, figure_parts, joined, number, percent

if TYPE_CHECKING:
    from leadml.result import Contender, Figure, Finding, PolicyResult, Result

SEVERITIES = ("stop", "warn", "note")


@dataclasses.dataclass(frozen=True)
class Text:
    """An estimate in words and its interval ("" where there is none)."""

    value: str
    between: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.between})" if self.between else self.value


NOTHING = Text(UNKNOWN_TEXT)


@dataclasses.dataclass(frozen=True)
class RuleRow:
    """One documented rule: verdicts, cut-offs, gain, outlook."""

    id: str
    title: str
    framework: str | None
    verdict: str
    weights: str
    cutoff: str
    documented: str
    learned: Text
    depends: str  # "2.7 to 4.1": right if a won deal is worth so many follow-ups
    gain: Text
    gain_cutoff: Text
    p_better: str
    keep: str
    change: str
    because: str
    source: str
    order: str
    n_different: str
    apart: bool  # chance of being better and gain point different ways


@dataclasses.dataclass(frozen=True)
class SideRow:
    """Documented rule, learned card, wide card beside one another, on the held-out deals."""

    role: str
    id: str
    title: str
    auc: Text
    wins: Text
    gain: Text  # wins of 100 more than the rule, paired
    value: Text  # net value of a lead, with economics


@dataclasses.dataclass(frozen=True)
class AttributeRow:
    """A column of the CRM on the card: what would be lost without it, held out, and how to see it taken out."""

    column: str
    wins: Text
    loss: Text
    command: str


@dataclasses.dataclass(frozen=True)
class WeightRow:
    """Weight of a criterion in documented units."""

    criterion: str
    documented: str
    learned: Text


@dataclasses.dataclass(frozen=True)
class FindingGroup:
    """Findings of one code; what they share is said once."""

    code: str
    severity: str
    titles: tuple[str, ...]
    explanations: tuple[str, ...]
    remedies: tuple[str, ...]
    cost: str


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the first screens show."""

    title: str
    deals: str
    rule: str
    rule_id: str
    answer: Answer
    rules: tuple[RuleRow, ...]
    sides: tuple[SideRow, ...]
    weights: tuple[WeightRow, ...]
    attributes: tuple[AttributeRow, ...]
    fall: str  # what the wide card loses without the columns that were left out
    findings: tuple[FindingGroup, ...]
    card: str
    stays: str  # the documented rule, where it stays in use
    currency: str
    has_money: bool
    smallest_gain: str

    @property
    def own_rules(self) -> tuple[RuleRow, ...]:
        """Rules of the baseline's framework."""
        return tuple(row for row in self.rules if row.framework == self.rules[0].framework)

    @property
    def apart(self) -> str:
        """Why chance and gain may point different ways, where they do."""
        names = [row.id for row in self.own_rules if row.apart]
        if not names:
            return ""
        return (
            f"{joined(names)}: P better and gain point different ways, since P counts gains above"
            f" {self.smallest_gain} only, from held-out deals and a model of all deals together."
        )

    @property
    def other_rules(self) -> tuple[RuleRow, ...]:
        """Rules of all other frameworks."""
        return tuple(row for row in self.rules if row.framework != self.rules[0].framework)


def summarise(result: Result) -> Summary:
    """Put a result into the words and numbers of its first screens."""
    rule = result.policies[0] if result.policies else None  # the baseline is judged first
    economics = economics_of(result)
    cards = {each.id: each for each in result.contenders}
    chosen = cards.get(str(result.recommended.contender))
    return Summary(
        title=result.data.name,
        deals=deals_text(result),
        rule="" if rule is None else rule.title,
        rule_id="" if rule is None else rule.id,
        answer=answer_of(result, rule),
        rules=tuple(rule_row(each) for each in result.policies),
        sides=() if rule is None else side_rows(result, rule, economics.get("currency") or ""),
        weights=() if rule is None else tuple(weight_rows(rule)),
        attributes=tuple(attribute_rows(result)),
        fall=next((f"{each.title}. {each.explanation}" for each in result.findings if each.code == "LML309"), ""),
        findings=group_findings(result.findings),
        card="" if chosen is None else card_text(result, chosen),
        stays="" if rule is None or result.recommended.in_use != rule.id else rule.title,
        currency=economics.get("currency") or "",
        has_money=bool(economics),
        smallest_gain=percent(float(str(result.settings["smallest_gain"]))),
    )


def economics_of(result: Result) -> dict[str, Any]:
    """The economics of the settings, or nothing."""
    found = result.settings.get("economics")
    return dict(found) if isinstance(found, dict) else {}


def title_of(result: Result, contender: str) -> str:
    """Title of a contender by its id."""
    return next((each.title for each in result.contenders if each.id == contender), contender)


def deals_text(result: Result) -> str:
    """What was learned from, and how it was judged."""
    data, held = result.data, result.evaluation
    how = "blocks of time" if held.kind == "rolling" else "parts in turn"
    n = data.n_won + data.n_lost
    recent = next((each.title for each in result.findings if each.code == "LML601"), "").split(" closed")[0]
    left = int(digits) if (digits := recent.replace(",", "")).isdecimal() else 0
    closed = f"{number(n)} closed deals"
    if left:
        closed = f"{number(n + left)} closed, {recent} of them too recent to count; {number(n)} learned from"
    return (
        f"{closed} ({number(data.n_won)} won, {number(data.n_lost)}"
        f" lost), {number(held.n)} of them held out in {len(held.blocks)} {how}."
    )


def text_of(figure: Figure | None, style: Any, currency: str = "") -> Text:
    """A figure in words."""
    return Text(*figure_parts(figure, style, currency))


def percent_of_wins(gain: Figure | None) -> Text:
    """A gain as a share of all won deals: ``+9.2% (+5.5 to +12.9%)``."""
    value, between = figure_parts(gain, "percentage-points")
    return Text(value.replace(" pp", "%"), between.replace(" pp", "%"))


def rule_row(rule: PolicyResult) -> RuleRow:
    """One documented rule as texts."""
    keep, change = wins_pair(rule.outlook)
    found, claim = rule.learned_cutoff, rule.order_claim
    ends = () if found is None else (found.value, found.low, found.high)
    learned = [cutoff_words(each, rule.total_max) for each in ends]
    between = " to ".join(learned[1:]) if len(set(learned[1:])) > 1 else ""
    judged = rule.verdict_weights != "cannot-judge"
    return RuleRow(
        id=rule.id,
        title=rule.title,
        framework=rule.framework,
        verdict=rule.verdict,
        weights=rule.verdict_weights,
        cutoff=rule.verdict_cutoff,
        documented=f"{rule.documented_cutoff} of {rule.total_max}",
        learned=Text(learned[0], between) if learned else NOTHING,
        depends=UNKNOWN_TEXT if rule.verdict == "cannot-judge" else worth_words(rule.implied_value) or UNKNOWN_TEXT,
        gain=percent_of_wins(rule.gain_weights) if judged else NOTHING,
        gain_cutoff=percent_of_wins(rule.gain_cutoff) if rule.verdict_cutoff != "cannot-judge" else NOTHING,
        p_better=sure_words(rule.outlook.p_better) if rule.outlook and judged else UNKNOWN_TEXT,
        keep=keep if judged else UNKNOWN_TEXT,
        change=change if judged else UNKNOWN_TEXT,
        because=rule.because,
        source=rule.source,
        order="" if claim is None else f"{claim.text} It holds in {claim.share_of_draws:.0%} of the draws.",
        apart=judged and point_apart(rule),
        n_different=number(rule.n_judged_differently) if judged else UNKNOWN_TEXT,
    )


def point_apart(rule: PolicyResult) -> bool:
    """Whether the held-out gain is one way and the chance of being better the other."""
    gain = None if rule.gain_weights is None else rule.gain_weights.value
    if not gain or rule.outlook is None:
        return False
    return (gain > 0) != (rule.outlook.p_better > 0.5)


def side_rows(result: Result, rule: PolicyResult, currency: str) -> tuple[SideRow, ...]:
    """The documented rule, the card it is compared with, the recommended card, and the wide card."""
    by_id = {each.id: each for each in result.contenders}
    wide = next((each.id for each in result.contenders if each.kind == "wide"), None)
    wanted = {rule.id: "documented rule", str(rule.card): "learned card"}
    # "recommended" would contradict an answer other than to change
    best = "recommended" if rule.verdict == "change" else "best card found"
    wanted.setdefault(str(result.recommended.contender), "recommended card" if best == "recommended" else best)
    wanted.setdefault(str(wide), "wide card")
    base = by_id.get(rule.id)
    rows = []
    for name, role in wanted.items():
        each = by_id.get(name)
        if each is None:
            continue
        mark = f", {best}" if name == result.recommended.contender and best not in role else ""
        rows.append(
            SideRow(
                role=role + mark,
                id=name,
                title=each.title,
                auc=text_of(each.auc, "decimal"),
                wins=text_of(each.wins_per_100, "tenths"),
                gain=NOTHING if name == rule.id else wins_gained(each, base),
                value=text_of(each.net_value_per_lead, "money", currency),
            )
        )
    return tuple(rows)


def wins_gained(each: Contender, base: Contender | None) -> Text:
    """The paired gain in wins of 100 leads followed up, from a share of all won deals."""
    gain = each.gain.wins_captured
    scale = 0.0
    if base and base.wins_per_100 and base.wins_captured and base.wins_captured.value:
        scale = (base.wins_per_100.value or 0.0) / base.wins_captured.value
    if gain is None or gain.value is None or not scale:
        return NOTHING
    ends = [None if end is None else end * scale for end in (gain.low, gain.high)]
    between = "" if None in ends else " to ".join(number(end, 1, signed=True) for end in ends)
    return Text(number(gain.value * scale, 1, signed=True), between)


def weight_rows(rule: PolicyResult) -> Iterable[WeightRow]:
    """Documented and learned weights of the rule's framework."""
    for name, weight in rule.weights.items():
        between = f"{number(weight.low, 1)} to {number(weight.high, 1)}"
        yield WeightRow(name, number(weight.documented, 1), Text(number(weight.learned, 1), between))


def attribute_rows(result: Result) -> Iterable[AttributeRow]:
    """Columns of the CRM on the recommended card, or else on the wide one; the question is when each was known."""
    wide = [each for each in result.contenders if each.kind == "wide"]
    chosen = next((each for each in wide if each.id == result.recommended.contender), wide[0] if wide else None)
    for each in chosen.importance if chosen else ():
        if each.attribute:
            wins, loss = text_of(each.wins_per_100, "tenths"), text_of(each.loss, "decimal")
            yield AttributeRow(each.attribute, wins, loss, command_without(result, each.attribute))


def command_without(result: Result, column: str) -> str:
    """What to run to learn without a column and see the fall; from Python, what to say in the experiment."""
    if result.command:
        return f"{result.command} --without {shlex.quote(column)}"
    without = result.settings.get("without")
    columns = [*(without if isinstance(without, list | tuple) else ()), column]
    return f"leadml.calibrate(leads, {{..., 'without': {columns}}})"


def card_text(result: Result, chosen: Contender) -> str:
    """Which card is recommended, from where it is followed, and on what ground."""
    cutoff, basis = result.recommended.cutoff, result.recommended.cutoff_basis
    ground = {
        "economics": "at your costs",
        "capacity": "by your capacity",
        "break-even": "at break-even, as asked",
        "workload": "as many as the rule",
    }.get(basis, basis)
    if cutoff is None or cutoff.value is None:
        return f"{chosen.title}."
    if basis == "economics" and everyone_gains(result) is not None:
        return f"{chosen.title}, for its ranking and chances: at your costs every lead is followed up."
    ends = "" if cutoff.low == cutoff.high else f" ({number(cutoff.low)} to {number(cutoff.high)})"
    return f"{chosen.title}: follow up from {number(cutoff.value)} points{ends}, {ground}."


def group_findings(findings: Sequence[Finding]) -> tuple[FindingGroup, ...]:
    """Put findings of one code together, the gravest first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for each in sorted(findings, key=lambda found: SEVERITIES.index(found.severity)):
        groups.setdefault((each.severity, each.code), []).append(each)
    return tuple(_group(code, severity, found) for (severity, code), found in groups.items())


def _group(code: str, severity: str, found: Sequence[Finding]) -> FindingGroup:
    costs = [each.cost for each in found if each.cost is not None]
    return FindingGroup(
        code=code,
        severity=severity,
        titles=tuple(_capital(each) for each in found),
        explanations=tuple(dict.fromkeys(each.explanation for each in found if each.explanation)),
        remedies=tuple(dict.fromkeys(each.remedy for each in found if each.remedy)),
        cost=f"{number(max(costs), 1)} wins of 100" if costs else "",
    )


def _capital(finding: Finding) -> str:
    """Begin with a capital, unless it begins with a name."""
    title = finding.title
    return title if finding.where and title.startswith(finding.where) else title[:1].upper() + title[1:]


def verdict_words(row: RuleRow) -> str:
    """A verdict; of a change, what of."""
    what = [name for name, each in (("weights", row.weights), ("cut-off", row.cutoff)) if each == "change"]
    return f"change ({'both' if len(what) > 1 else ''.join(what)})" if what else row.verdict
