"""Pages that need nothing but themselves: of a calibration, of a monitoring, of a result of version 0.1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from leadml.exceptions import UsageError
from leadml.report.summary import (
    attribute_rows,
    percent_of_wins,
    side_rows,
    summarise,
    text_of,
    title_of,
    verdict_words,
)
from leadml.terminal import clean, figure_parts, number, percent

if TYPE_CHECKING:
    import jinja2

    from leadml.card.record import Card
    from leadml.evaluation.log import Log
    from leadml.monitoring.result import MonitorResult
    from leadml.result import Contender, Result

STYLES: Mapping[str, str] = {
    "auc": "decimal",
    "log_loss": "decimal",
    "brier": "decimal",
    "calibration_slope": "decimal",
    "calibration_intercept": "signed",
    "workload": "percent",
    "precision": "percent",
    "recall": "percent",
    "wins_per_100": "tenths",
    "net_value_per_lead": "money",
}
"""Figures of contenders, and how they are written."""
TITLES = (
    "AUC", "Log loss", "Brier", "Calibration slope", "Calibration intercept", "Followed up", "Precision",
    "Recall", "Wins of 100", "Net value a lead",
)  # fmt: skip
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def render_html(result: Result, card: Card | None = None, log: Log | None = None) -> str:
    """Render a calibration; with the card its points and bands, with the log its reliability."""
    return _page(
        "report.html.j2",
        result=result,
        told=summarise(result),
        card=card,
        rows=() if card is None else card_rows(card, result),
        charts=draw_charts(result, card, log),
        figures=contender_figures(result),
        segments=[(each, percent_of_wins(each.gain)) for each in result.segments],
        settings=[(key, _plain(value)) for key, value in result.settings.items()],
        importance=next((each for each in result.contenders if each.kind == "wide" and each.importance), None),
        title_of=lambda name: title_of(result, name),
    )


render = render_html


def render_monitor(result: MonitorResult) -> str:
    """Render a look at a card in use."""
    return _page("monitor.html.j2", result=result)


def render_old(document: Mapping[str, Any]) -> str:
    """Render a result of version 0.1 (schema_version 1): verdicts, cut-offs and contenders, as they were."""
    return _page("old.html.j2", result=document)


def render_folder(directory: str | Path) -> Path:
    """Render report.html of a folder that `leadml calibrate` wrote, of this version or 0.1."""
    from leadml.card.files import write_text
    from leadml.card.record import load_card
    from leadml.evaluation.log import Log

    folder = Path(directory)
    try:
        document = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        version = document["schema_version"]
    except FileNotFoundError:
        raise UsageError(
            f"{folder}: got no result.json; valid: a folder that `leadml calibrate` wrote; name that"
        ) from None
    except (ValueError, TypeError, KeyError):
        raise UsageError(
            f"{folder / 'result.json'}: is no result of leadml; valid: what `leadml calibrate` wrote"
        ) from None
    if version == 1:
        text = render_old(document)
    else:
        from leadml.result import load_result

        card, log = folder / "card.json", folder / "log.parquet"
        text = render_html(
            load_result(folder), load_card(card) if card.is_file() else None, Log.read(log) if log.is_file() else None
        )
    write_text(folder / "report.html", text)
    return folder / "report.html"


def draw_charts(result: Result, card: Card | None, log: Log | None) -> list[tuple[str, Any]]:
    """Every chart as SVG that may stand in a page; its texts were escaped when drawn."""
    from markupsafe import Markup

    from leadml.report.charts import all_charts, svg

    return [(name, Markup(svg(chart, name))) for name, chart in all_charts(result, card, log).items()]


def contender_figures(result: Result) -> list[tuple[Contender, list[tuple[str, Any]]]]:
    """Every contender with the figures that at least one of them has; the compared ones first."""
    rule = result.policies[0] if result.policies else None
    first = [row.id for row in side_rows(result, rule, "")] if rule else []
    shown = [
        (name, style, title)
        for (name, style), title in zip(STYLES.items(), TITLES, strict=True)
        if any(getattr(each, name) is not None for each in result.contenders)
    ]
    ordered = sorted(result.contenders, key=lambda each: (each.id not in first, KINDS_ORDER.get(each.kind, 9)))
    return [(each, [(title, text_of(getattr(each, name), style)) for name, style, title in shown]) for each in ordered]


KINDS_ORDER: Mapping[str, int] = {"wide": 1, "context": 2, "custom": 3, "prior": 4, "learned": 5, "documented": 6}


def card_rows(card: Card, result: Result) -> list[dict[str, Any]]:
    """Rows of a card as they are printed: level or value in the CRM's words, points, documented points."""
    lost = {row.column: row for row in attribute_rows(result)}
    rows: list[dict[str, Any]] = []
    for each in card.criteria:
        cells: list[tuple[str, int, float | None]] = [
            (", ".join(each.words.get(str(level), ())) or f"level {level}", points, documented)
            for level, (points, documented) in enumerate(zip(each.points, each.documented_points, strict=True))
        ]
        cells.append(("unknown", each.unknown_points, None))
        rows.append({"title": each.title, "note": each.question, "cells": cells, "lost": None})
    for attribute in card.attributes:
        cells = [(one.label, one.points, None) for one in attribute.bins]
        cells += [("other", attribute.other_points, None), ("unknown", attribute.unknown_points, None)]
        note = f"Column {attribute.column}"
        rows.append({"title": attribute.title, "note": note, "cells": cells, "lost": lost.get(attribute.column)})
    return rows


def _interval(figure: Any, style: Any) -> tuple[str, str]:
    """An estimate and its interval in words; version 0.1 had them as plain JSON."""
    return figure_parts(SimpleNamespace(**figure) if isinstance(figure, Mapping) else figure, style)


def _plain(value: object) -> str:
    """A setting on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _page(name: str, **values: Any) -> str:
    environment = _environment()
    return environment.get_template(name).render(**values, policy=CONTENT_POLICY)


def _environment() -> jinja2.Environment:
    """Escaping is on for every template, whatever its name ends with."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # What came from a file carries no invisible characters into the page.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    made.filters |= {"number": number, "percent": percent, "verdict": verdict_words}
    made.globals["interval"] = _interval
    return made
