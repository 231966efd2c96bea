"""First screen of a calibration in the terminal: answer, rules, side by side, weights, findings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leadml.report.summary import FindingGroup, RuleRow, Summary, summarise, verdict_words
from leadml.terminal import UNKNOWN_TEXT, Table, format_blocks, joined

if TYPE_CHECKING:
    from leadml.result import Result

MOST_FINDINGS = 4
FINDING_WIDTH = 80


def format_result(result: Result, open_files: Sequence[str] = (), terminal: bool | None = None) -> str:
    """Write a calibration for whoever ran it; `open_files` are named last."""
    told = summarise(result)
    return format_blocks([block for block in _blocks(told, open_files) if block], terminal)


def _blocks(told: Summary, open_files: Sequence[str]) -> Iterator[str | Table]:
    rule = f" ({told.rule}, {told.rule_id})" if told.rule else ""
    yield "\n".join([f"{told.answer.headline}{rule}", *told.answer.sentences, f"{told.title}: {told.deals}"])
    if told.rules:
        yield _rules(told)
    if told.sides:
        yield _sides(told)
    if told.weights:
        yield _weights(told)
    if told.attributes:
        yield _attributes(told)
        commands = [f"  {row.command}" for row in told.attributes]
        yield "\n".join(["Was each known when the lead came in? If not, learn without it and see the fall:", *commands])
    if told.fall:
        yield told.fall[:1].upper() + told.fall[1:]
    if told.findings:
        yield _findings(told.findings)
    yield "\n".join([f"Card: {told.card}"] * bool(told.card) + [f"Open {joined(open_files)}"] * bool(open_files))


def _rules(told: Summary) -> Table:
    """Rules of the baseline's framework; what the cut-off brings only where the consequences tell."""
    has_cutoffs = any(row.learned.value != UNKNOWN_TEXT for row in told.own_rules)
    header = ["rule", "cut-off", "verdict", "gain by weights", "P better", "wins of 100"]
    rows = [
        [row.id, row.documented, verdict_words(row), str(row.gain), row.p_better, _wins(row)] for row in told.own_rules
    ]
    if has_cutoffs:
        header.insert(4, "gain by cut-off")
    else:
        header.insert(2, "right at")
    for cells, row in zip(rows, told.own_rules, strict=True):
        if has_cutoffs:
            cells[1] = f"{row.documented} → {row.learned.value}"
            cells.insert(4, str(row.gain_cutoff))
        else:
            cells.insert(2, row.depends)
    note = "Gains in % of all won deals, held out; wins of 100 followed up: expected, rule → card."
    note += "" if has_cutoffs else " Right at: worth of a won deal in follow-ups."
    note += f" {told.apart}" if told.apart else ""
    return Table("Documented rules", header, rows, note, spare=("right at",))


def _wins(row: RuleRow) -> str:
    return row.keep if row.keep == row.change else f"{row.keep} → {row.change}"


def _sides(told: Summary) -> Table:
    header = ["", "contender", "AUC", "wins of 100", "more than the rule"]
    rows = [[row.role, row.id, str(row.auc), str(row.wins), str(row.gain)] for row in told.sides]
    if told.has_money:
        header.append(f"net value a lead{', ' + told.currency if told.currency else ''}")
        for cells, row in zip(rows, told.sides, strict=True):
            cells.append(str(row.value).replace(f" {told.currency}", "") if told.currency else str(row.value))
    return Table("Seen on the held-out deals alone, with as many leads followed up", header, rows)


def _attributes(told: Summary) -> Table:
    rows = [(row.column, str(row.wins), str(row.loss)) for row in told.attributes]
    note = "Held out, with as many leads followed up: the column's answers are those of other deals."
    return Table("Lost without each column of the CRM on the card", ("", "wins of 100", "log loss"), rows, note)


def _weights(told: Summary) -> Table:
    given = {row.documented for row in told.weights}
    rows = [("learned", *(str(row.learned).replace(" to ", "–") for row in told.weights))]
    title = "Weights of the criteria"
    if len(given) == 1:
        title += f" (documented: {given.pop()} each)"
    else:
        rows.insert(0, ("documented", *(row.documented for row in told.weights)))
    return Table(title, ("", *(row.criterion for row in told.weights)), rows)


def _findings(findings: Sequence[FindingGroup]) -> Table:
    grave = [each for each in findings if each.severity != "note"]
    shown = grave[:MOST_FINDINGS] or findings[:1]
    rows: list[tuple[str, str, str]] = []
    for each in shown:
        more = f" (and {len(each.titles) - 1} more)" if len(each.titles) > 1 else ""
        cost = f" [{each.cost}]" if each.cost else ""
        lines = textwrap.wrap(f"{each.titles[0]}{more}{cost}.", FINDING_WIDTH)
        remedy = textwrap.shorten(each.remedies[0] if each.remedies else "", 2 * FINDING_WIDTH, placeholder=" …")
        lines += textwrap.wrap(remedy, FINDING_WIDTH)
        rows += [(each.severity, each.code, lines[0]), *(("", "", line) for line in lines[1:])]
    left = len(findings) - len(shown)
    return Table("Findings", (), rows, f"and {left} more in report.html" if left else "")
