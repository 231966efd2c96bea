"""First screen of a calibration in the terminal: answer, rules, side by side, weights, findings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leadml.report.summary import FindingGroup, Summary, capital, notes_of, summarise
from leadml.terminal import UNKNOWN_TEXT, Table, format_blocks, joined, number

if TYPE_CHECKING:
    from leadml.result import PolicyResult, Result

MOST_FINDINGS = 4
FINDING_WIDTH = 80


def format_result(result: Result, open_files: Sequence[str] = (), terminal: bool | None = None) -> str:
    """Write a calibration for whoever ran it; `open_files` are named last."""
    return format_blocks(list(_blocks(summarise(result), open_files)), terminal)


def _blocks(told: Summary, open_files: Sequence[str]) -> Iterator[str | Table]:
    rule = f" ({told.rule.title}, {told.rule.id})" if told.rule else ""
    yield "\n".join([f"{told.answer.headline}{rule}", *told.answer.sentences, f"{told.title}: {told.deals}"])
    if told.own:
        yield _rules(told)
    if told.sides:
        yield _sides(told)
    if told.rule and told.rule.weights:
        yield _weights(told.rule)
    if told.attributes:
        yield Table(
            "Lost without each column of the CRM on the card",
            ("", "wins of 100", "log loss"),
            [(row.column, str(row.wins), str(row.loss)) for row in told.attributes],
            "Held out: in wins the column is blank for all (as many followed up), in loss that of other deals.",
        )
        if not told.without:
            asked = "Was each known when the lead came in? If not, learn without it and see the fall:"
            yield "\n".join([asked, *(f"  {row.command}" for row in told.attributes)])
    if told.without:
        asked = "Columns in doubt: known when the lead came in? If not, learn without all of them at once:"
        yield f"{asked}\n  {told.without}"
    if told.fall:
        yield capital(told.fall)
    if told.findings:
        yield _findings(told.findings)
    last = [f"Card: {told.card}"] * bool(told.card) + [f"Open {joined(open_files)}"] * bool(open_files)
    if last:
        yield "\n".join(last)


def _rules(told: Summary) -> Table:
    """Rules of the baseline's framework; what the cut-off brings only where the consequences tell."""
    rows, has_cutoffs = told.own, any(row.learned.value != UNKNOWN_TEXT for row in told.own)
    columns = {"rule": [row.rule.id for row in rows], "cut-off": [row.cutoff for row in rows]}
    if has_cutoffs:
        columns["cut-off"] = [f"{row.cutoff} → {row.learned.value}" for row in rows]
    else:
        columns["right at"] = [row.right_at or UNKNOWN_TEXT for row in rows]
    columns |= {"verdict": [row.verdict for row in rows], "gain by weights": [str(row.gain) for row in rows]}
    if has_cutoffs:
        columns["gain by cut-off"] = [str(row.gain_cutoff) for row in rows]
    columns |= {"P better": [row.p_better for row in rows], "wins of 100": [row.wins for row in rows]}
    note = "Gains in % of all won deals, held out; wins of 100 followed up: expected, rule → card."
    note += "" if has_cutoffs else " Right at: worth of a won deal in follow-ups."
    cells = list(zip(*columns.values(), strict=True))
    return Table("Documented rules", [*columns], cells, " ".join([note, *notes_of(rows)]), spare=("right at",))


def _sides(told: Summary) -> Table:
    header = ["", "contender", "AUC", "wins of 100", "more than the rule"]
    rows = [[each.role, each.contender.id, str(each.auc), str(each.wins), str(each.gain)] for each in told.sides]
    if told.currency is not None:
        header.append(f"net value a lead{', ' * bool(told.currency)}{told.currency}")
        for cells, each in zip(rows, told.sides, strict=True):
            cells.append(str(each.value).replace(f" {told.currency}", "") if told.currency else str(each.value))
    return Table("Seen on the held-out deals alone, with as many leads followed up", header, rows)


def _weights(rule: PolicyResult) -> Table:
    given, weights = [number(each.documented, 1) for each in rule.weights.values()], rule.weights.values()
    learned = [f"{number(each.learned, 1)} ({number(each.low, 1)}–{number(each.high, 1)})" for each in weights]
    are_equal = len(set(given)) == 1
    title = f"Weights of the criteria{f' (documented: {given[0]} each)' if are_equal else ''}"
    rows = [["learned", *learned]] if are_equal else [["documented", *given], ["learned", *learned]]
    return Table(title, ("", *rule.weights), rows)


def _findings(findings: Sequence[FindingGroup]) -> Table:
    shown = [each for each in findings if each.severity != "note"][:MOST_FINDINGS] or findings[:1]
    rows: list[tuple[str, str, str]] = []
    for each in shown:
        more = f" (and {len(each.titles) - 1} more)" if len(each.titles) > 1 else ""
        cost = f" [{each.cost}]" if each.cost else ""
        lines = textwrap.wrap(f"{each.titles[0]}{more}{cost}.", FINDING_WIDTH)
        remedy = each.remedies[0] if each.remedies else ""
        if ": {" not in remedy:  # what is to be copied into the mapping is told whole
            remedy = textwrap.shorten(remedy, 2 * FINDING_WIDTH, placeholder=" …")
        lines += textwrap.wrap(remedy, FINDING_WIDTH)
        rows += [(each.severity, each.code, lines[0]), *(("", "", line) for line in lines[1:])]
    left = len(findings) - len(shown)
    return Table("Findings", (), rows, f"and {left} more in report.html" if left else "")
