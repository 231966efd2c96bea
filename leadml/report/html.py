"""From a result to one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadml.report.charts import WIDTHS, forest_svg, rates_svg, reliability_svg
from leadml.report.contenders import KINDS
from leadml.report.summary import summarise


def render_html(result: Mapping[str, Any], card: Mapping[str, Any] | None = None) -> str:
    """Render a calibration as a self-contained page.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds, schema version 1.
    card : mapping or None
        What ``card.json`` holds, for the points per level.

    Returns
    -------
    str
        A whole HTML document: no script, nothing loaded from anywhere, every value escaped.
    """
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    # Escaping is on for every template, whatever its name ends with.
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    summary = summarise(result, card)
    return environment.get_template("report.html.j2").render(
        report=summary, pictures=_pictures(summary, result), kinds=KINDS
    )


def _pictures(summary: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Draw every picture in both widths; the markup is ours, its texts were escaped when drawn."""
    from markupsafe import Markup

    average = (result["data"].get("base_rate") or {}).get("value")
    pictures: dict[str, Any] = {"rules": {}, "reliability": {}}

    def both(draw: Any) -> dict[str, Markup]:
        return {size: Markup(draw(width)) for size, width in WIDTHS.items()}

    forest = [row for row in summary["forest"] if row["main"]]
    if forest:
        pictures["forest"] = both(lambda width: forest_svg(forest, width))
    if summary["card"]["table"]:
        table = [
            {"score": r["points"], "value": r["probability"], "low": r.get("low"), "high": r.get("high")}
            for r in summary["card"]["table"]
        ]
        cutoff = result["recommended"].get("cutoff") or {}
        cutoffs = {"documented": None, **{key: cutoff.get(key) for key in ("value", "low", "high")}}
        pictures["card"] = both(lambda width: rates_svg(table, cutoffs, average, "points on the card", width))
    for rule in (rule for rule in summary["rules"] if rule["main"]):
        rates = [{"score": r["score"], **r["rate"]} for r in rule["rates"]]
        if any(r["value"] is not None for r in rates):
            pictures["rules"][rule["id"]] = both(
                lambda width, rates=rates, rule=rule: rates_svg(
                    rates, rule["cutoffs"], average, rule["scale"] or "score", width
                )
            )
    for shown in summary["reliability"]:
        if any(b["value"] is not None for b in shown["bins"]):
            pictures["reliability"][shown["id"]] = both(
                lambda width, shown=shown: reliability_svg(shown["bins"], shown["kind"], width)
            )
    return pictures
