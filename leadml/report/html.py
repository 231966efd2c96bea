"""Pages that need nothing but themselves: of a calibration, of a monitoring, of a result of version 0.1."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from leadml.exceptions import UsageError
from leadml.report.answer import headline_in_use, title_of, wins_pair
from leadml.report.summary import P_BETTER, Row, capital, summarise
from leadml.terminal import Text, clean, figure_text, number, percent

if TYPE_CHECKING:
    from leadml.card.record import Card
    from leadml.evaluation.log import Log
    from leadml.monitoring.result import MonitorResult
    from leadml.result import Result

FIGURES: Mapping[str, tuple[str, str]] = {
    "auc": ("AUC", "decimal"), "log_loss": ("Log loss", "decimal"), "brier": ("Brier", "decimal"),
    "calibration_slope": ("Calibration slope", "decimal"), "calibration_intercept": ("Calibration intercept", "signed"),
    "workload": ("Followed up", "percent"), "precision": ("Precision", "percent"), "recall": ("Recall", "percent"),
    "wins_per_100": ("Wins of 100", "tenths"), "net_value_per_lead": ("Net value a lead", "money"),
}  # fmt: skip
"""Figures of contenders: their titles, and how they are written."""
KINDS_ORDER = ("wide", "context", "custom", "prior", "learned", "documented", "comparison")
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def render_html(result: Result, card: Card | None = None, log: Log | None = None, in_use: str = "") -> str:
    """Render a calibration; with the card its points and bands, with the log its reliability. in_use: the version as
    which the card is in use."""
    from markupsafe import Markup

    from leadml.report.charts import all_charts, svg

    told = summarise(result)
    headline, used = told.answer.headline, f"the learned card is in use, as {in_use}"
    return _page(
        "report.html.j2",
        result=result,
        told=told,
        card=card,
        in_use=in_use,
        headline=headline_in_use(headline, used) if in_use else headline,
        # A chart may stand in a page as it is: its texts were escaped when drawn.
        charts=[(name, Markup(svg(chart, name))) for name, chart in all_charts(result, card, log).items()],
        figures=contender_rows(result, [side.id for side in told.sides]),
        importance=next((each for each in result.contenders if each.kind == "wide" and each.importance), None),
        p_better=P_BETTER,
        pair=wins_pair(told.answer.outlook),
        champion=title_of(result, result.champion) or result.champion,
    )


def render_monitor(result: MonitorResult) -> str:
    """Render a look at a card in use."""
    return _page("monitor.html.j2", result=result)


def render_old(document: Mapping[str, Any]) -> str:
    """Render a result of version 0.1 (schema_version 1): verdicts, cut-offs and contenders, as they were."""
    return _page("old.html.j2", result=document)


def render_folder(directory: str | Path, in_use_as: Callable[[Card, str], str] | None = None) -> Path:
    """Render report.html of a folder that `leadml calibrate` wrote, of this version or 0.1.

    in_use_as : says as which version a card is in use under a name ("": it is not).
    """
    from leadml.card.files import write_text

    folder = Path(directory)
    try:
        document = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        is_old = document["schema_version"] == 1
    except FileNotFoundError:
        how = "valid: a folder that `leadml calibrate` wrote; name that"
        raise UsageError(f"{folder}: got no result.json; {how}") from None
    except (ValueError, TypeError, KeyError):
        how = "valid: what `leadml calibrate` wrote"
        raise UsageError(f"{folder / 'result.json'}: is no result of leadml; {how}") from None
    if is_old:
        page = render_old(document)
    else:
        result, card, log = read_folder(folder)
        page = render_html(result, card, log, in_use_as(card, result.data.name) if in_use_as and card else "")
    write_text(folder / "report.html", page)
    return folder / "report.html"


def read_folder(folder: Path) -> tuple[Result, Card | None, Log | None]:
    """Result, card and held-out log of a folder; the last two where they are kept."""
    from leadml.card.record import load_card
    from leadml.evaluation.log import Log
    from leadml.result import load_result

    card, log = folder / "card.json", folder / "log.parquet"
    held_out = Log.read(log) if log.is_file() else None
    return load_result(folder), load_card(card) if card.is_file() else None, held_out


def contender_rows(result: Result, first: Sequence[str]) -> list[Row]:
    """Every contender with the figures that at least one of them has; the compared ones first."""
    shown = {name: told for name, told in FIGURES.items() if any(getattr(each, name) for each in result.contenders)}
    ordered = sorted(result.contenders, key=lambda each: (each.id not in first, KINDS_ORDER.index(each.kind)))
    return [
        Row(each.title, each.id, {title: figure_text(getattr(each, n), style) for n, (title, style) in shown.items()})
        for each in ordered
    ]


def _text(figure: Any, style: str) -> Text:
    """An estimate in words; version 0.1 had them as plain JSON."""
    return figure_text(SimpleNamespace(**figure) if isinstance(figure, Mapping) else figure, style)


def _plain(value: object) -> str:
    """A setting on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _page(name: str, **values: Any) -> str:
    """Fill a template in; escaping is on for every one, whatever its name ends with."""
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
    made.filters |= {"number": number, "percent": percent, "figure": _text, "plain": _plain, "capital": capital}
    return made.get_template(name).render(**values, policy=CONTENT_POLICY)
