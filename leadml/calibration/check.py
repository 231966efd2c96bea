"""`leadml check`: read a file by its mapping and say what was found, before anything is learned or scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from leadml.calibration.findings import findings_of_notes, in_order
from leadml.calibration.outcomes import MIN_DEALS
from leadml.levels import CANONICAL, UNKNOWN
from leadml.result import Finding
from leadml.terminal import clean

if TYPE_CHECKING:
    from leadml.data.deals import Leads

SHOWN = 10


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcomes(_Part):
    """How many deals ended how."""

    won: int
    lost: int
    open: int
    base_rate: float | None


class LevelCounts(_Part):
    """What one criterion holds."""

    id: str
    column: str
    unknown_share: float
    levels: dict[str, int]


class Rejected(_Part):
    """One fault of one row."""

    row: int
    column: str
    value: str
    reason: str


class Check(_Part):
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
    rejected: list[Rejected]
    faults: list[str]
    findings: list[Finding]

    @property
    def rejected_share(self) -> float:
        """Share of the rows that could not be used."""
        return self.n_rejected / max(self.n_rows, 1)


def check_file(source: Any, mapping: Any, *, query: str | None = None) -> Check:
    """Read a file by its mapping and report what was found; nothing is written."""
    from leadml.data.read import read_leads

    leads = read_leads(source, mapping, query=query)
    rejections = leads.rejections
    told = [] if rejections is None else rejections.to_pandas().head(SHOWN).to_dict("records")
    return Check(
        source=leads.source,
        format=dict(leads.format),
        digest=leads.digest,
        mapping=leads.mapping.name if leads.mapping else "",
        n_rows=leads.n_rows,
        n_leads=len(leads),
        n_rejected=leads.n_rows - len(leads),
        outcomes=_outcomes(leads),
        criteria=[_counts(leads, at) for at in range(len(leads.criteria))],
        unmapped=[name for name in CANONICAL if name not in leads.criteria],
        context=list(leads.context),
        rejected=[Rejected(**{str(key): value for key, value in each.items()}) for each in told],
        faults=[] if rejections is None else rejections.summary(SHOWN),
        findings=list(in_order(findings_of_notes(_notes(leads)))),
    )


def _outcomes(leads: Leads) -> Outcomes | None:
    if leads.outcome is None:
        return None
    lost, won = (int((leads.outcome == each).sum()) for each in (0, 1))
    rate = won / (won + lost) if won + lost else None
    return Outcomes(won=won, lost=lost, open=len(leads) - won - lost, base_rate=rate)


def _counts(leads: Leads, at: int) -> LevelCounts:
    name = leads.criteria[at]
    counts = np.bincount(leads.codes[:, at], minlength=UNKNOWN + 1)
    rule = leads.mapping.criteria.get(name) if leads.mapping else None
    stand_in = leads.mapping.stand_in.get(name, "") if leads.mapping else ""
    return LevelCounts(
        id=name,
        column=rule.column if rule else f"(from {stand_in})",
        unknown_share=float(counts[UNKNOWN] / max(len(leads), 1)),
        levels={str(level): int(counts[level]) for level in range(UNKNOWN)},
    )


def _notes(leads: Leads) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was met on reading, signs of leaks and late answers, and whether there is enough to learn from."""
    from leadml.data.leaks import leak_notes

    for code, values in leads.notes:
        yield code, {**values, **({"detail": "They are listed under rejected."} if code == "LML104" else {})}
    for name, codes in zip(leads.criteria, leads.codes.T, strict=True):
        note = constant_note(name, np.bincount(codes, minlength=UNKNOWN + 1)[:UNKNOWN])
        if note:
            yield note
    if unjudged := _unjudged_note(leads):
        yield unjudged
    if (ended := _outcomes(leads)) is None:
        return
    if min(ended.won, ended.lost) < MIN_DEALS:
        where = leads.mapping.outcome.column if leads.mapping and leads.mapping.outcome else "outcome"
        yield "LML109", {"n_won": ended.won, "n_lost": ended.lost, "minimum": MIN_DEALS, "where": where}
        return
    yield from leak_notes(leads)


def _unjudged_note(leads: Leads) -> tuple[str, dict[str, Any]] | None:
    """Note which rules of the baseline (BANT, where the mapping names no framework) no lead can reach."""
    from leadml.frameworks.catalog import load_framework

    if leads.mapping is None or leads.mapping.frameworks:
        return None
    bant = load_framework("bant")
    missing = [name for name in bant.criterion_ids if name not in leads.criteria]
    n = len(bant.criteria) - len(missing)
    rules = [policy for policy in bant.policies if policy.unit == "met" and policy.cutoff > n]
    if not rules:
        return None
    keys = ", ".join(f"{name}: {{column: NAME}}" for name in missing)
    told = {"columns": missing, "keys": keys, "rules": [f"{bant.title} ({rule.title})" for rule in rules]}
    return "LML119", {**told, "severity": "warn" if bant.policies[0] in rules else "note", "where": bant.id}


def constant_note(name: str, counts: npt.NDArray[np.int64]) -> tuple[str, dict[str, Any]] | None:
    """Note that a criterion is at one level wherever it is known, or never known; `counts` by level."""
    if (counts > 0).sum() > 1:
        return None
    seen = f"at level {counts.argmax()} wherever it is known" if counts.any() else "never known"
    return "LML110", {"column": name, "seen": seen}


def format_check(found: Check) -> str:
    """Lines for a terminal."""
    lines = [
        f"{found.source}: {found.n_rows} rows = {found.n_leads} leads + {found.n_rejected} rejected",
        f"read as {_format_words(found.format)}",
        _outcome_words(found.outcomes),
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


def _format_words(form: dict[str, Any]) -> str:
    names = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
    parts = [str(form.get("kind", "leads"))]
    for key in ("encoding", "delimiter", "quote", "decimal", "sheet"):
        if key in form:
            value = names.get(form[key], form[key]) if key == "delimiter" else form[key]
            parts.append(f"{key} {value}" + (" (sniffed)" if key in form.get("sniffed", ()) else ""))
    if form.get("n_files", 1) > 1:
        parts.append(f"{form['n_files']} files")
    return ", ".join(parts)


def _outcome_words(found: Outcomes | None) -> str:
    if found is None:
        return (
            "outcome: not in the mapping, or not in the file; to learn from closed deals, add to the mapping:"
            " outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}"
        )
    how = "export closed deals too, or correct outcome.won and outcome.lost in the mapping"
    rate = f"; {how if found.base_rate is None else f'{found.base_rate:.1%} of the closed deals were won'}"
    return f"outcome: {found.won} won, {found.lost} lost, {found.open} open{rate}"
