"""Findings: notes (LML code, values) turned into text by the table in findings.yaml, one entry for every code.

LML1xx data as read - 2xx criteria - 3xx comparison - 4xx drift - 5xx consequences - 6xx outcomes - 7xx settings.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from leadml.result import Finding, Severity


class Entry(NamedTuple):
    """Text of one finding."""

    severity: Severity
    title: str
    explanation: str
    remedy: str = ""


FINDINGS: Mapping[str, Entry] = {
    code: Entry(**texts) for code, texts in YAML(typ="safe").load(files("leadml.calibration") / "findings.yaml").items()
}
ORDER: Mapping[str, int] = {"stop": 0, "warn": 1, "note": 2}


class _Lenient(string.Formatter):
    """Formats a text; a value that nobody gave is left out, and never costs a calibration."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        return kwargs.get(str(key), "")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value is None:
            value = "?"
        if isinstance(value, str):
            return value
        if not format_spec and isinstance(value, int | float):
            return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
        return str(format(value, format_spec))


def make_finding(
    code: str, where: str = "", cost: float | None = None, severity: Severity | None = None, **values: Any
) -> Finding:
    """Make one finding from the table."""
    entry, fill = FINDINGS[code], _Lenient()
    title, explanation, remedy = (fill.vformat(text, (), {"cost": cost, **values}).strip() for text in entry[1:4])
    return Finding(
        code=code,
        severity=severity or entry.severity,
        title=title,
        explanation=explanation,
        remedy=remedy,
        where=where or str(values.get("column", "")),
        cost=cost,
    )


def findings_of_notes(notes: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Finding]:
    """Turn notes (code, values) into findings; `where` and `cost` among the values go to their fields."""
    return [make_finding(code, **dict(values)) for code, values in notes]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort the gravest first, each once."""
    unique = {(f.code, f.where, f.title): f for f in findings}
    return tuple(sorted(unique.values(), key=lambda f: (ORDER[f.severity], f.code)))
