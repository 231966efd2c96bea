"""First screen of a calibration in the terminal: answer, rules, side by side, weights, findings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leadml.report.summary import P_BETTER, FindingGroup, Summary, notes_of, summarise
from leadml.terminal import Table, format_blocks, joined, number

if TYPE_CHECKING:
    from leadml.result import PolicyResult, Result

MOST_FINDINGS = 4
FINDING_WIDTH = 80
GAINS = (
    "Gains in % of all won deals, held out; wins of 100 followed up: expected, of held-out deals averaged with a model"
    " of all deals, rule → its framework's card."
)
RIGHT_AT = "Right at: worth of a won deal in follow-ups."
ASK_ALL = "Columns in doubt: known when the lead came in? If not, learn without all of them at once:"
ASK_EACH = "Was each known when the lead came in? If not, learn without it and see the fall:"


def format_result(result: Result, open_files: Sequence[str] = (), terminal: bool | None = None) -> str:
    """Write a calibration for whoever ran it; `open_files` are named last."""
    return format_blocks(list(_blocks(summarise(result), open_files)), terminal)


def _blocks(told: Summary, open_files: Sequence[str]) -> Iterator[str | Table]:
    rule = f" ({told.rule.title}, {told.rule.id})" if told.rule else ""
    yield "\n".join([f"{told.answer.headline}{rule}", *told.answer.sentences, f"{told.title}: {told.deals}"])
    if told.own:
        rows = [(row.id, *map(str, row.cells.values())) for row in told.own]
        header = ("rule", *told.own[0].cells)
        notes = [GAINS, P_BETTER, *([RIGHT_AT] if "right at" in header else []), *notes_of(told.own)]
        yield Table("Documented rules", header, rows, " ".join(notes), spare=("right at",))
    if told.sides:
        rows = [(row.name, row.id, *map(str, row.cells.values())) for row in told.sides]
        title = "Seen on the held-out deals alone, with as many leads followed up"
        yield Table(title, ("", "contender", *told.sides[0].cells), rows)
    if told.rule and told.rule.weights:
        yield _weights(told.rule)
    if told.attributes:
        note = "Held out: in wins the column is blank for all (as many followed up), in loss that of other deals."
        rows = [(row.name, *map(str, row.cells.values())) for row in told.attributes]
        yield Table("Lost without each column of the CRM on the card", ("", *told.attributes[0].cells), rows, note)
    commands = [told.without] if told.without else [command for row in told.attributes for command in row.remarks]
    if commands:
        yield "\n".join([ASK_ALL if told.without else ASK_EACH, *(f"  {each}" for each in commands)])
    if told.fall:
        yield told.fall
    if told.findings:
        yield _findings(told.findings)
    last = [f"Card: {told.card}"] * bool(told.card) + [f"Open {joined(open_files)}"] * bool(open_files)
    if last:
        yield "\n".join(last)


def _weights(rule: PolicyResult) -> Table:
    given, weights = [number(each.documented, 1) for each in rule.weights.values()], rule.weights.values()
    learned = [f"{number(each.learned, 1)} ({number(each.low, 1)}–{number(each.high, 1)})" for each in weights]
    are_equal = len(set(given)) == 1
    title = f"Weights of the criteria{f' (documented: {given[0]} each)' if are_equal else ''}"
    rows = [["learned", *learned]] if are_equal else [["documented", *given], ["learned", *learned]]
    return Table(title, ("", *rule.weights), rows)


def _findings(findings: Sequence[FindingGroup]) -> Table:
    shown = [each for each in findings if each.severity != "note"][:MOST_FINDINGS] or findings[:1]
    rows: list[tuple[str, str]] = []
    for each in shown:
        more = f", and {len(each.titles) - 1} more" if len(each.titles) > 1 else ""
        cost = f" [{each.cost}]" if each.cost else ""
        lines = textwrap.wrap(f"{each.titles[0]} ({each.code}{more}){cost}.", FINDING_WIDTH)
        remedy = each.remedies[0] if each.remedies else ""
        if ": {" not in remedy:  # what is to be copied into the mapping is told whole
            remedy = textwrap.shorten(remedy, 2 * FINDING_WIDTH, placeholder=" …")
        lines += textwrap.wrap(remedy, FINDING_WIDTH)
        rows += [(each.severity, lines[0]), *(("", line) for line in lines[1:])]
    left = len(findings) - len(shown)
    return Table("Findings", (), rows, f"and {left} more in report.html" if left else "")
