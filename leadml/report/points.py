"""The card as a reader sees it: points per criterion and level, bands, cut-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from leadml.report.wording import figure_text, number, percent

_ASIDE: Final = (
    "The verdict above speaks of “{versus}”. This card is the simplest among those that predict these deals "
    "best{other}: for whoever wants points and chances, not a reason to change."
)


def card_section(
    result: Mapping[str, Any], card: Mapping[str, Any] | None, titles: Mapping[str, str]
) -> dict[str, Any]:
    """Lay out the card.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.
    card : mapping or None
        What ``card.json`` holds.
    titles : mapping
        Title of each contender, by id.

    Returns
    -------
    dict
        Texts, and ``table``: the chance at each total.
    """
    chosen = result["recommended"]
    contender: dict[str, Any] = next(
        (c for c in result["contenders"] if c["id"] == chosen.get("contender")), {}
    )
    frameworks = {f["id"]: f for f in result.get("frameworks") or []}
    own = frameworks.get(chosen.get("framework") or "", {})
    table = [
        {**row, "text": figure_text({**row, "value": row.get("probability")}, "percent")}
        for row in (card or {}).get("table") or []
    ]
    rows = [
        {
            "criterion": criterion.get("title") or criterion["id"],
            "points": [
                {"learned": number(new), "documented": number(old)}
                for new, old in zip(
                    criterion["points"], criterion.get("documented_points") or [None] * 5, strict=False
                )
            ],
            "unknown": number(criterion.get("unknown_points")),
            "absent": criterion["id"] in (own.get("unmapped") or []),
        }
        for criterion in (card or {}).get("criteria") or []
    ]
    weights = contender.get("weights") or {}
    return {
        "title": titles.get(chosen.get("contender"), ""),
        "strip": bool(figure_text(chosen.get("cutoff"), "whole")["interval"]),
        "aside": _aside(result, own, titles)
        if chosen.get("verdict") != "change" and rows and chosen.get("kind") == "learned"
        else "",
        "rows": rows,
        "learned": any(p["learned"] != p["documented"] for row in rows for p in row["points"]),
        "weights": []
        if rows
        else [
            {
                "criterion": name,
                "documented": number(w.get("documented"), 1),
                "learned": figure_text({**w, "value": w.get("learned")}, "decimal"),
            }
            for name, w in weights.items()
        ],
        "total": number((card or {}).get("total_max")) if card else "",
        "rounding": _rounding(contender.get("rounding")),
        "cutoff": figure_text(chosen.get("cutoff"), "whole"),
        "threshold": percent(chosen.get("threshold_probability")),
        "bands": _bands(chosen.get("bands") or [], table, (card or {}).get("total_max")),
        "table": table,
        "framework": str(chosen.get("framework") or ""),
        "file": str(chosen.get("card") or ""),
    }


def _aside(result: Mapping[str, Any], own: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Say what a card is for when the verdict on the rule is no change."""
    versus = result["recommended"].get("versus") or ""
    framework = next((c.get("framework") for c in result["contenders"] if c["id"] == versus), None)
    other = (
        ""
        if own.get("id") == framework
        else f", and of another framework, {own.get('title') or own.get('id')}"
    )
    return _ASIDE.format(versus=titles.get(versus, versus), other=other)


def _rounding(loss: Mapping[str, float] | None) -> str:
    """Say what whole points lose against real-valued weights."""
    if not loss:
        return ""
    lost = "nothing" if loss["lost"] < 5e-5 else number(loss["lost"], 4)
    real = number(loss["real"], 4)
    return f"Whole points lose {lost} of the log loss that the real-valued fit expects, {real}."


def _bands(
    bands: Sequence[Mapping[str, Any]], table: Sequence[Mapping[str, Any]], top: float | None
) -> list[dict[str, str]]:
    """Write each band with its points, its edge's interval and the chances inside it; the best first."""
    chance = {row["points"]: row.get("probability") for row in table}
    ordered = sorted(bands, key=lambda band: float(band["from"]))
    rows = []
    for band, after in zip(ordered, [*ordered[1:], None], strict=False):
        start, end = band["from"], (after["from"] - 1 if after else top)
        inside = [
            chance[p]
            for p in sorted(chance)
            if start <= p and (end is None or p <= end) and chance[p] is not None
        ]
        ends = [percent(p) for p in (inside[0], inside[-1])] if inside else []
        rows.append(
            {
                "points": f"{number(start)} or more"
                if end is None
                else number(start)
                if start == end
                else f"{number(start)} to {number(end)}",
                "title": str(band.get("title") or band.get("id")),
                "action": str(band.get("action") or ""),
                "edge": _edge(band),
                "chance": "" if not ends else ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}",
            }
        )
    return rows[::-1]


def _edge(band: Mapping[str, Any]) -> str:
    """Say where the lower edge of a band may lie; the lowest band has none."""
    low, high = band.get("low"), band.get("high")
    if low is None or high is None or not band["from"]:
        return ""
    return number(low) if low == high else f"{number(low)} to {number(high)}"
