"""What terminal, report and page show of a result first, in words and numbers, so that all of them agree.

Expected wins of 100 followed up are the outlook's (held-out deals averaged with a model of all deals);
figures of the side-by-side table are those of the held-out deals alone, and are called so.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from leadml.report.answer import (
    Answer,
    answer_of,
    card_cutoff,
    cutoff_words,
    economics_of,
    p_better,
    sure_words,
    title_of,
    wins_pair,
    worth_words,
)  # fmt: skip
from leadml.terminal import UNKNOWN_TEXT, Text, figure_text, joined, number

if TYPE_CHECKING:
    from leadml.result import Contender, Finding, PolicyResult, Result

SEVERITIES = ("stop", "warn", "note")
GROUNDS = {
    "economics": "at your costs", "capacity": "by your capacity", "break-even": "at break-even, as asked",
    "workload": "as many as the rule",
}  # fmt: skip
"""What the cut-off of the recommended card rests on."""
P_BETTER = "P better: that the gain is above 0, allowing for the number of rules asked about; change from .95."


class Row(NamedTuple):
    """A rule, contender or column of the CRM in a table, its cells by their titles; remarks: why two of these seem to
    contradict, or the command that shows the column taken out."""

    name: str
    id: str
    cells: Mapping[str, Text]
    remarks: tuple[str, ...] = ()


class FindingGroup(NamedTuple):
    """Findings of one code; what they share is said once."""

    code: str
    severity: str
    titles: tuple[str, ...]
    explanations: tuple[str, ...]
    remedies: tuple[str, ...]
    cost: str


class Summary(NamedTuple):
    """What the first screens show. own, others: rules of the baseline's framework, and of all others."""

    title: str
    deals: str
    rule: PolicyResult | None
    answer: Answer
    own: tuple[Row, ...]
    others: tuple[Row, ...]
    sides: tuple[Row, ...]
    attributes: tuple[Row, ...]
    without: str  # the command that learns without all columns in doubt
    fall: str  # what the wide card loses without the columns that were left out
    findings: tuple[FindingGroup, ...]
    best: str  # title of the recommended card
    card: str
    stays: bool  # the documented rule stays in use


def summarise(result: Result) -> Summary:
    """Put a result into the words and numbers of its first screens."""
    rule = result.policies[0] if result.policies else None  # the baseline is judged first
    rows = rule_rows(result)
    is_own = [rule is not None and each.framework == rule.framework for each in result.policies]
    data, held, doubted = result.data, result.evaluation, result.recommended.doubted
    n, recent = data.n_won + data.n_lost, data.n_recent
    closed = f"{number(n)} closed deals"
    if recent:
        closed = f"{number(n + recent)} closed, {number(recent)} of them too recent to count; {number(n)} learned from"
    closed += f" ({number(data.n_won)} won, {number(data.n_lost)} lost), {number(held.n)} of them held out in"
    return Summary(
        title=data.name,
        deals=f"{closed} {len(held.blocks)} {'blocks of time' if held.kind == 'rolling' else 'parts in turn'}.",
        rule=rule,
        answer=answer_of(result),
        own=tuple(itertools.compress(rows, is_own)),
        others=tuple(row for row, own in zip(rows, is_own, strict=True) if not own),
        sides=side_rows(result, rule) if rule else (),
        attributes=attribute_rows(result),
        without=command_without(result, *doubted) if doubted else "",
        fall=next((f"{capital(f.title)}. {f.explanation}" for f in result.findings if f.code == "LML309"), ""),
        findings=group_findings(result.findings),
        best=title_of(result, result.recommended.contender),
        card=f"{card_text(result)} {result.recommended.doubt}".strip(),
        stays=rule is not None and result.recommended.in_use == rule.id,
    )


# ---------------------------------------------------------------- rules


def rule_rows(result: Result) -> list[Row]:
    """Every documented rule; what its cut-off brings where the consequences tell, else at which worth it is right."""
    has_cutoffs = any(each.learned_cutoff is not None for each in result.policies)
    rows: list[Row] = []
    for rule in result.policies:
        look = rule.outlook if rule.verdict_weights != "cannot-judge" else None
        keep, change = wins_pair(look)
        what = [name for name in ("weights", "cutoff") if getattr(rule, f"verdict_{name}") == "change"]
        words = "both" if len(what) > 1 else "".join(what).replace("cutoff", "cut-off")
        cells = {"cut-off": Text(f"{rule.documented_cutoff} of {rule.total_max}")}
        if (found := rule.learned_cutoff) is not None:
            learned, *between = (cutoff_words(each, rule.total_max) for each in (found.value, found.low, found.high))
            is_range = len(set(between)) > 1
            cells = {"cut-off": Text(f"{cells['cut-off']} → {learned}", " to ".join(between) if is_range else "")}
        elif not has_cutoffs:
            right_at = "" if rule.verdict == "cannot-judge" else worth_words(rule.implied_value)
            cells["right at"] = Text(right_at or UNKNOWN_TEXT)
        cells["verdict"] = Text(f"change ({words})" if what else rule.verdict)
        cells["gain by weights"] = figure_text(rule.gain_weights if look else None, "gain")
        if has_cutoffs:
            gain = rule.gain_cutoff if rule.verdict_cutoff != "cannot-judge" else None
            cells["gain by cut-off"] = figure_text(gain, "gain")
        p = p_better(rule)
        # Allowed for several rules, a chance below a half says only that it is not above.
        sure = sure_words(p) if p >= 0.5 or not rows else "< .50"
        cells["P better"] = Text(sure if look else UNKNOWN_TEXT)
        cells["wins of 100"] = Text(keep if keep == change else f"{keep} → {change}")
        rows.append(Row(rule.title, rule.id, cells, tuple(remarks_on(rule, is_first=not rows))))
    return rows


def beside_zero(rule: PolicyResult) -> str:
    """Why something is to be changed though the interval beside it holds 0, where that is so."""
    for verdict, gain, rests in (
        (rule.verdict_weights, rule.gain_weights, "averages them with a model of all deals"),
        (rule.verdict_cutoff, rule.gain_cutoff, "asks for its lower bound alone"),
    ):
        if verdict == "change" and gain is not None and gain.low is not None and gain.low <= 0:
            return f"by held-out deals alone the gain may be 0; the verdict {rests}"
    return ""


def remarks_on(rule: PolicyResult, is_first: bool) -> Iterator[str]:
    """Why figures of a rule seem to contradict, and how many more deals would decide it (of the first, the answer says
    it)."""
    if text := beside_zero(rule):
        yield text
    gain, found, look = rule.gain_cutoff, rule.learned_cutoff, rule.outlook
    if found and found.basis == "capacity" and gain and gain.value is not None and abs(gain.value) < 1e-9:
        yield "with as many leads as the rule picks within the capacity, another cut-off wins no more and no less"
    if look is None:
        return
    if rule.verdict_weights != "cannot-judge" and rule.gain_weights:
        more = (look.wins_per_100.change.value or 0.0) - (look.wins_per_100.keep.value or 0.0)
        if (rule.gain_weights.value or 0.0) * more < 0:
            why = "since wins are expected from held-out deals and a model of all deals together"
            yield f"gain and wins of 100 point different ways, {why}"
    if rule.verdict == "undecided" and not is_first and (needed := look.more_deals):
        n = needed.value
        yield "not decidable at your size" if n is None else f"{number(n)} more deals would decide it"


def notes_of(rows: Sequence[Row]) -> Iterable[str]:
    """Remarks on rules, each once."""
    for text in dict.fromkeys(text for row in rows for text in row.remarks):
        yield f"{joined([row.id for row in rows if text in row.remarks])}: {text}."


# ---------------------------------------------------------------- contenders and cards


def side_rows(result: Result, rule: PolicyResult) -> tuple[Row, ...]:
    """The documented rule, the card it is compared with, the recommended card, and the wide card."""
    by_id, economics = {each.id: each for each in result.contenders}, economics_of(result)
    chosen, base = str(result.recommended.contender), by_id.get(rule.id)
    # "recommended" would contradict an answer other than to change, and the doubt that is told of its columns
    is_best = rule.verdict == "change" and not result.recommended.doubt
    best = "recommended" if is_best else "best card found" + ", in doubt" * bool(result.recommended.doubt)
    roles = {rule.id: "documented rule", str(rule.card): "learned card"}
    if chosen in roles:
        roles[chosen] += f", {best}"
    roles.setdefault(chosen, "recommended card" if is_best else best)
    roles.setdefault(next((each.id for each in result.contenders if each.kind == "wide"), ""), "wide card")
    rows = []
    for name, role in roles.items():
        if (each := by_id.get(name)) is not None:
            gain = Text() if name == rule.id else wins_gained(each, base)
            cells = {"AUC": figure_text(each.auc, "decimal"), "wins of 100": figure_text(each.wins_per_100, "tenths")}
            cells["more than the rule"] = gain
            if economics:
                money = ", ".join(filter(None, ("net value a lead", economics.get("currency"))))
                cells[money] = figure_text(each.net_value_per_lead, "money")
            rows.append(Row(role, name, cells))
    return tuple(rows)


def wins_gained(each: Contender, base: Contender | None) -> Text:
    """The paired gain in wins of 100 leads followed up, from a share of all won deals."""
    gain = each.gain.wins_captured
    if gain is None or gain.value is None or not (base and base.wins_per_100 and base.wins_captured):
        return Text()
    scale = (base.wins_per_100.value or 0.0) / (base.wins_captured.value or 1.0)
    ends = [number(end * scale, 1, signed=True) for end in (gain.low, gain.high) if end is not None]
    return Text(number(gain.value * scale, 1, signed=True), " to ".join(ends))


def attribute_rows(result: Result) -> tuple[Row, ...]:
    """Columns of the CRM on the recommended card, or else on the wide one: what would be lost without each, held out;
    the question is when each was known."""
    wide = [each for each in result.contenders if each.kind == "wide"]
    chosen = next((each for each in wide if each.id == result.recommended.contender), wide[0] if wide else None)
    rows = []
    for each in chosen.importance if chosen else ():
        if name := each.attribute:
            cells = {
                "wins of 100": figure_text(each.wins_per_100, "tenths"),
                "log loss": figure_text(each.loss, "decimal"),
            }
            rows.append(Row(name, "", cells, () if result.recommended.doubted else (command_without(result, name),)))
    return tuple(rows)


def command_without(result: Result, *names: str) -> str:
    """What to run to learn without columns and see the fall; from Python, what to say in the experiment."""
    if result.command:
        return "".join([result.command, *(f" --without {shlex.quote(name)}" for name in names)])
    without = result.settings.get("without")
    columns = [*(without if isinstance(without, list | tuple) else ()), *names]
    return f"leadml.calibrate(leads, {{..., 'without': {columns}}})"


def card_text(result: Result) -> str:
    """Which card is recommended, from where it is followed, and on what ground."""
    cutoff, basis = result.recommended.cutoff, result.recommended.cutoff_basis
    title = title_of(result, result.recommended.contender)
    if not title or cutoff is None or cutoff.value is None:
        return title and f"{title}."
    if card_cutoff(result) <= 0:
        return f"{title}, for its ranking and chances: every lead is followed up, {GROUNDS.get(basis, basis)}."
    ends = "" if cutoff.low == cutoff.high else f" ({number(cutoff.low)} to {number(cutoff.high)})"
    return f"{title}: follow up from {number(cutoff.value)} points{ends}, {GROUNDS.get(basis, basis)}."


# ---------------------------------------------------------------- findings


def group_findings(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """Put findings of one code together, the gravest first."""

    def key(found: Finding) -> tuple[int, str]:
        return SEVERITIES.index(found.severity), found.code

    groups = []
    for (severity, code), together in itertools.groupby(sorted(findings, key=key), key):
        found = list(together)
        cost = max((each.cost for each in found if each.cost is not None), default=None)
        groups.append(
            FindingGroup(
                code=code,
                severity=SEVERITIES[severity],
                titles=tuple(capital(each.title, name=each.where) for each in found),
                explanations=tuple(dict.fromkeys(each.explanation for each in found if each.explanation)),
                remedies=tuple(dict.fromkeys(each.remedy for each in found if each.remedy)),
                cost="" if cost is None else f"{number(cost, 1)} wins of 100",
            )
        )
    return tuple(groups)


def capital(text: str, name: str = "") -> str:
    """Begin with a capital, unless it begins with a name."""
    return text if name and text.startswith(name) else text[:1].upper() + text[1:]
