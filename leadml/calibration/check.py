"""`leadml check`: read a file by its mapping and say what was found, before anything is learned or scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.calibration.deals import MIN_DEALS
from leadml.calibration.findings import make_findings, notes_of_deals
from leadml.data.deals import OPEN
from leadml.levels import CANONICAL, UNKNOWN
from leadml.result import Finding, ResultPart
from leadml.terminal import clean

if TYPE_CHECKING:
    from leadml.data.deals import Leads, Note
    from leadml.data.mapping import Mapping

SHOWN = 10
DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
NO_OUTCOME = (
    "outcome: not in the mapping, or not in the file; to learn from closed deals, add to the mapping:"
    " outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}"
)


class Outcomes(ResultPart):
    """How many deals ended how."""

    won: int
    lost: int
    open: int
    base_rate: float | None


class LevelCounts(ResultPart):
    """What one criterion holds."""

    id: str
    column: str
    unknown_share: float
    levels: dict[str, int]


class Check(ResultPart):
    """What a file holds by its mapping."""

    source: str
    format: dict[str, Any]
    digest: str
    mapping: str
    n_rows: int
    n_leads: int
    n_rejected: int
    outcomes: Outcomes | None
    criteria: list[LevelCounts]
    unmapped: list[str]
    context: list[str]
    rejected: list[dict[str, Any]]  # row, column, value, reason
    faults: list[str]
    findings: list[Finding]


def check_file(source: Any, mapping: Any, *, query: str | None = None) -> Check:
    """Read a file by its mapping and report what was found; nothing is written."""
    from leadml.data.mapping import load_mapping
    from leadml.data.read import read_leads
    from leadml.data.rejections import Rejections

    mapping = load_mapping(mapping)
    leads = read_leads(source, mapping, query=query)
    rejections, outcomes, criteria = leads.rejections or Rejections(), None, []
    if leads.outcome is not None:
        lost, won, left = (int((leads.outcome == each).sum()) for each in (0, 1, OPEN))
        outcomes = Outcomes(won=won, lost=lost, open=left, base_rate=won / (won + lost) if won + lost else None)
    for name, codes in zip(leads.criteria, leads.codes.T, strict=True):
        *levels, unknown = np.bincount(codes, minlength=UNKNOWN + 1).tolist()
        rule, stand_in = mapping.criteria.get(name), mapping.stand_in.get(name, "")
        row = LevelCounts(
            id=name,
            column=rule.column if rule else f"(from {stand_in})",
            unknown_share=unknown / max(len(leads), 1),
            levels={str(level): n for level, n in enumerate(levels)},
        )
        criteria.append(row)
    return Check(
        source=leads.source,
        format=dict(leads.format),
        digest=leads.digest,
        mapping=mapping.name,
        n_rows=leads.n_rows,
        n_leads=len(leads),
        n_rejected=leads.n_rows - len(leads),
        outcomes=outcomes,
        criteria=criteria,
        unmapped=[name for name in CANONICAL if name not in leads.criteria],
        context=list(leads.context),
        rejected=rejections.to_dicts()[:SHOWN],
        faults=rejections.summary(SHOWN),
        findings=list(make_findings([*notes_of_deals(leads, leads), *_on_learning(leads, mapping, outcomes)])),
    )


def _on_learning(leads: Leads, mapping: Mapping, ended: Outcomes | None) -> Iterator[Note]:
    """Whether there is enough to learn from, and rules of BANT (where no framework is named) that no lead can reach."""
    from leadml.frameworks.catalog import load_framework

    if ended is not None and min(ended.won, ended.lost) < MIN_DEALS:
        where = mapping.outcome.column if mapping.outcome else "outcome"
        yield "LML109", {"n_won": ended.won, "n_lost": ended.lost, "minimum": MIN_DEALS, "where": where}
    bant = load_framework("bant")
    missing = [name for name in bant.criterion_ids if name not in leads.criteria]
    rules = [each for each in bant.policies if each.unit == "met" and each.cutoff > len(bant.criteria) - len(missing)]
    if rules and not mapping.frameworks:
        keys = ", ".join(f"{name}: {{column: NAME}}" for name in missing)
        left_out = f" Excluded are: {', '.join(mapping.exclude)}." if mapping.exclude else ""
        titles = [f"{bant.title} ({rule.title})" for rule in rules]
        told = {"columns": missing, "keys": keys, "rules": titles, "left_out": left_out}
        yield "LML119", {**told, "severity": "warn" if bant.policies[0] in rules else "note", "where": bant.id}


def format_check(found: Check) -> str:
    """Lines for a terminal."""
    ended = found.outcomes
    rate = "export closed deals too, or correct outcome.won and outcome.lost in the mapping"
    if ended and ended.base_rate is not None:
        rate = f"{ended.base_rate:.1%} of the closed deals were won"
    form = {**found.format, "delimiter": DELIMITERS.get(given := found.format.get("delimiter", ""), given)}
    told = [key for key in ("encoding", "delimiter", "quote", "decimal", "sheet") if key in found.format]
    read = [f"{key} {form[key]}{' (sniffed)' * (key in form.get('sniffed', ()))}" for key in told]
    files = [f"{form['n_files']} files"] if form.get("n_files", 1) > 1 else []
    lines = [
        f"{found.source}: {found.n_rows} rows = {found.n_leads} leads + {found.n_rejected} rejected",
        f"read as {', '.join([str(form.get('kind', 'leads')), *read, *files])}",
        f"outcome: {ended.won} won, {ended.lost} lost, {ended.open} open; {rate}" if ended else NO_OUTCOME,
        "",
        f"{'criterion':<15}{'column':<20}{'unknown':>8}{'0':>8}{'1':>8}{'2':>8}{'3':>8}{'4':>8}",
    ]
    for row in found.criteria:
        levels = "".join(f"{n:>8}" for n in row.levels.values())
        lines.append(f"{row.id:<15}{row.column[:19]:<20}{row.unknown_share:>8.1%}{levels}")
    if not found.criteria:
        lines[-1] = "no criterion is mapped: no documented policy can be judged"
    lines.append(f"not mapped, so always unknown: {', '.join(found.unmapped) or 'none'}")
    if found.context:
        lines.append(f"context: {', '.join(found.context)}")
    if found.faults:
        lines += ["", "rejected:", *(f"  {fault}" for fault in found.faults)]
    lines += ["", "findings:"] if found.findings else []
    for each in found.findings:
        lines.append(f"  {each.code} {each.severity}: {each.title}")
        lines.append(f"    {each.explanation} {each.remedy}".rstrip())
    return "\n".join(map(clean, lines))
