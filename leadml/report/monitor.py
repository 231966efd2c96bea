"""From a monitoring to one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from leadml.report.wording import figure_text, number, percent

HEADLINES: Final = {
    "healthy": "Healthy: keep using it",
    "watch": "Watch: something has moved",
    "recalibrate": "Recalibrate: its chances or its ranking no longer hold",
}
CLASSES: Final = {"healthy": "keep", "watch": "undecided", "recalibrate": "change"}
STATES: Final = {
    "steady": "steady",
    "shifted": "shifted",
    "shifted-far": "shifted far",
    "not-known": "not known",
    "beaten": "still beaten by the card",
    "beats-the-card": "beats the card",
    "cannot-tell": "cannot be told from the card",
}


def render_monitor(result: Mapping[str, Any]) -> str:
    """Render a monitoring as a self-contained page.

    Parameters
    ----------
    result : mapping
        What ``monitor.json`` holds, schema version 1.

    Returns
    -------
    str
        A whole HTML document: no script, nothing loaded from anywhere, every value escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("monitor.html.j2")
    return page.render(
        result=result, page=summarise_monitor(result), states=STATES, number=number, percent=percent
    )


def summarise_monitor(result: Mapping[str, Any]) -> dict[str, Any]:
    """Put the figures of a monitoring into words.

    Parameters
    ----------
    result : mapping
        What ``monitor.json`` holds.

    Returns
    -------
    dict
        Plain values: headline, class, facts, tables of bands and of outcomes.
    """
    data, outcomes, rule = result["data"], result["outcomes"], result["rule"]
    facts = [
        _fact("Leads looked at", {"value": number(data["n_recent"]), "interval": ""}, _since(data)),
        _fact(
            "Deals closed since",
            {"value": number(data["n_closed"]), "interval": ""},
            f"{number(data['n_won'])} won, {number(data['n_lost'])} lost",
        ),
    ]
    if outcomes is not None:
        told = figure_text({"value": outcomes["told_mean"], "low": None, "high": None}, "percent")
        seen = figure_text(outcomes["base_rate"], "percent")
        facts += [_fact("Chance told, on average", told, ""), _fact("Won, of all closed", seen, "")]
        if outcomes["slope"] is not None:
            facts.append(
                _fact("Calibration in the large", figure_text(outcomes["intercept"], "signed"), "0 is right")
            )
            facts.append(_fact("Calibration slope", figure_text(outcomes["slope"], "decimal"), "1 is right"))
            facts.append(_fact("AUC", figure_text(outcomes["auc"], "decimal"), ""))
    if rule is not None:
        gain = figure_text(rule["gain"], "percentage-points")
        facts.append(_fact("More of all wins than the documented rule", gain, STATES[rule["state"]]))
    return {
        "headline": HEADLINES[result["verdict"]],
        "class": CLASSES[result["verdict"]],
        "facts": facts,
        "unknown": [
            {**row, "text": figure_text(row["now"], "percent"), "then": percent(row["then"])}
            for row in result["unknown"]
        ],
        "bands": [
            {**row, "text": figure_text(row["now"], "percent"), "then": percent(row["then"])}
            for row in result["bands"]["bands"]
        ],
        "outcomes": _bands(outcomes),
        "backtest": _bands(result["backtest"]),
    }


def _bands(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Give the bands that hold deals, in words."""
    rows = [] if found is None else found["bands"]
    return [
        {**row, "told": percent(row["told"]), "text": figure_text(row["rate"], "percent")}
        for row in rows
        if row["n"]
    ]


def _since(data: Mapping[str, Any]) -> str:
    if data["since"]:
        return f"open, or closed after {data['since']}"
    return "all of them" if not data["known_new"] else "open ones: the card learned from the closed ones"


def _fact(label: str, text: Mapping[str, str], note: str) -> dict[str, str]:
    return {"label": label, "value": text["value"], "interval": text["interval"], "note": note}
