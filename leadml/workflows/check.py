"""`leadml check`: read a file by its mapping and say what was found, before anything is learned or scored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from leadml.leads.mapping import Mapping
from leadml.leads.outcomes import check_data, count_outcomes
from leadml.leads.read import read_leads
from leadml.records import CANONICAL

if TYPE_CHECKING:
    import pandas as pd

    from leadml.leads.model import Leads

SHOWN_REJECTIONS = 10


def check_file(
    source: str | os.PathLike[str] | pd.DataFrame,
    mapping: Mapping | dict[str, Any] | str | os.PathLike[str],
) -> dict[str, Any]:
    """Read a file by its mapping and report what was found; nothing is written.

    Parameters
    ----------
    source : str, path or DataFrame
        The file.
    mapping : Mapping, dict, str or path
        What its columns mean.

    Returns
    -------
    dict
        ``source, format, digest, mapping, n_rows, n_leads, n_rejected, outcomes, criteria, unmapped, context,
        rejected, findings``; plain values only.

    Raises
    ------
    InputError
        The file cannot be used.
    RecordError
        The mapping is wrong.
    """
    leads = read_leads(source, mapping)
    counts = count_outcomes(leads)
    return {
        "source": leads.source,
        "format": leads.format,
        "digest": leads.digest,
        "mapping": leads.mapping.name if leads.mapping else "",
        "n_rows": leads.n_rows,
        "n_leads": len(leads),
        "n_rejected": leads.n_rows - len(leads),
        "outcomes": None
        if leads.outcome is None
        else {
            "won": counts.n_won,
            "lost": counts.n_lost,
            "open": counts.n_open,
            "base_rate": counts.base_rate if counts.n_won + counts.n_lost else None,
        },
        "criteria": [_criterion(leads, name) for name in leads.levels.columns],
        "unmapped": [name for name in CANONICAL if name not in leads.levels.columns],
        "context": list(map(str, leads.context.columns)),
        "rejected": leads.rejected.head(SHOWN_REJECTIONS).to_dict("records"),
        "findings": check_data(leads),
    }


def format_check(result: dict[str, Any]) -> str:
    """Write what `check_file` found for a terminal.

    Parameters
    ----------
    result : dict
        What `check_file` returned.

    Returns
    -------
    str
        Lines without colour.
    """
    lines = [
        f"{result['source']}: {result['n_rows']} rows = {result['n_leads']} leads"
        f" + {result['n_rejected']} rejected",
        f"read as {_format_words(result['format'])}",
        _outcome_words(result["outcomes"]),
        "",
        f"{'criterion':<15}{'column':<20}{'unknown':>8}{'0':>8}{'1':>8}{'2':>8}{'3':>8}{'4':>8}",
    ]
    for row in result["criteria"]:
        levels = "".join(f"{n:>8}" for n in row["levels"].values())
        lines.append(f"{row['id']:<15}{row['column'][:19]:<20}{row['unknown_share']:>8.1%}{levels}")
    if not result["criteria"]:
        lines[-1] = "no criterion is mapped: no documented policy can be judged"
    lines.append(f"not mapped, so always unknown: {', '.join(result['unmapped']) or 'none'}")
    if result["context"]:
        lines.append(f"context: {', '.join(result['context'])}")
    if result["rejected"]:
        lines += ["", f"rejected (the first {len(result['rejected'])} faults):"]
        lines += [
            f"  row {fault['row']}{', ' + fault['column'] if fault['column'] else ''}:"
            f" {fault['value']!r} {fault['reason']}"
            for fault in result["rejected"]
        ]
    if result["findings"]:
        lines += ["", "findings:"]
        lines += [
            f"  {found['code']} {found['severity']}: {found['title']}\n    {found['explanation']}"
            for found in result["findings"]
        ]
    return "\n".join(lines)


def _criterion(leads: Leads, name: str) -> dict[str, Any]:
    known = leads.levels[name].dropna().astype(int)
    own = leads.mapping.criteria.get(name) if leads.mapping else None
    stand_in = leads.mapping.stand_in.get(name, "") if leads.mapping else ""
    return {
        "id": name,
        "column": own.column if own else f"(from {stand_in})",
        "unknown_share": 1 - len(known) / len(leads),
        "levels": {str(level): int((known == level).sum()) for level in range(5)},
    }


def _format_words(form: dict[str, Any]) -> str:
    names = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
    parts = [str(form.get("kind", "leads"))]
    for key in ("encoding", "delimiter", "quote", "decimal", "sheet"):
        if key in form:
            value = names.get(form[key], form[key]) if key == "delimiter" else form[key]
            parts.append(f"{key} {value}" + (" (sniffed)" if key in form["sniffed"] else ""))
    if form.get("n_files", 1) > 1:
        parts.append(f"{form['n_files']} files")
    return ", ".join(parts)


def _outcome_words(outcomes: dict[str, Any] | None) -> str:
    if outcomes is None:
        return "outcome: not in the mapping, or not in the file"
    rate = (
        "" if outcomes["base_rate"] is None else f"; {outcomes['base_rate']:.1%} of the closed deals were won"
    )
    return f"outcome: {outcomes['won']} won, {outcomes['lost']} lost, {outcomes['open']} open{rate}"
