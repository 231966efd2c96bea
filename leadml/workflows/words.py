"""A calibration in a terminal: who ranks best, which cut-offs differ, and what is recommended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["format_calibration"]


def format_calibration(result: Mapping[str, Any]) -> str:
    """Write a calibration as plain text.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds, schema version 1.

    Returns
    -------
    str
        Two tables and the recommendation, without colour.
    """
    data, split = result["data"], result["split"]
    lines = [
        f"{data['name']}: {data['n_leads']} leads, {data['n_won']} won, {data['n_lost']} lost, "
        f"{data['n_open']} open; tested on {split['n_test']} held-out deals ({split['kind']})",
        "",
    ]
    rows: list[tuple[str, ...]] = [("contender", "kind", "AUC (95% interval)", "log loss")]
    rows += [
        (each["id"], each["kind"], _figure(each["auc"], 3), _figure(each["log_loss"], 3))
        for each in result["contenders"]
    ]
    lines += _table(rows)
    lines.append("")
    rows = [("rule", "cut-off", "learned (95%)", "weights", "cut-off", "overall")]
    rows += [
        (
            each["id"],
            f"{each['documented_cutoff']}",
            _figure(each["learned_cutoff"], 0),
            each["verdict_weights"],
            each["verdict_cutoff"],
            each["verdict"],
        )
        for each in result["policies"]
    ]
    lines += _table(rows)
    for finding in result["findings"]:
        if finding["severity"] != "note":
            lines += [
                "",
                f"{finding['severity']} {finding['code']}: {finding['title']}. {finding['explanation']}",
            ]
    recommended = result["recommended"]
    lines += ["", recommended["sentence"]]
    if recommended["contender"]:
        lines.append(
            f"The card is {recommended['contender']}, followed up from {_figure(recommended['cutoff'], 0)}."
        )
    return "\n".join(lines)


def _figure(figure: Mapping[str, Any] | None, digits: int) -> str:
    """Write a value with its interval; a dash for none."""
    if figure is None or figure["value"] is None:
        return "-"
    value = f"{figure['value']:.{digits}f}"
    if figure["low"] is None or figure["high"] is None:
        return value
    return f"{value} ({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Align columns of text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
