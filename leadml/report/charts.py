"""Charts of a calibration (Altair, Vega-Lite): static SVG in the report, images in MLflow, live in notebooks.

360 pixels wide: one size for a phone, two beside one another on a laptop. Browsers set text wider than the renderer
measures it, so there is room at the edges, and ticks on a scale of ratios are few.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import altair as alt

from leadml.exceptions import UsageError
from leadml.report.answer import economics_of, title_of
from leadml.terminal import rounded

if TYPE_CHECKING:
    from leadml.card.record import Card
    from leadml.evaluation.log import Log
    from leadml.result import Figure, PolicyResult, Result

WIDTH: Final = 360
INK, SOFT, RULE_COLOUR, CARD_COLOUR, OTHER_COLOUR = "#17202a", "#8a949e", "#5b6472", "#1668b8", "#5b6d00"
KINDS: Final = ("documented", "learned", "wide", "context", "custom", "comparison", "prior")
COLOURS: Final = (RULE_COLOUR, CARD_COLOUR, "#7a2e8e", OTHER_COLOUR, OTHER_COLOUR, SOFT, SOFT)
BANDS: Final = ("#7c8791", "#0b5394", "#b8430b", "#7a1f5c")
MOST_ROWS: Final = 12
SIGNED: Final = "datum.value == 0 ? '0%' : format(datum.value, '+.0%')"
LINE: Final = 44  # characters of a title or name
TICKS: Final = ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9))
"""Digits of ticks on a scale of ratios: the first that give three."""
LOOK: Final[Mapping[str, Any]] = {
    "font": "sans-serif", "background": "white", "view": {"stroke": None},
    "padding": {"left": 24, "top": 8, "right": 28, "bottom": 8},
    "axis": {
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 220, "titlePadding": 10,
        "labelFlush": False, "labelOverlap": "greedy", "gridColor": "#e3e8ec", "labelColor": INK, "titleColor": INK,
    },
    "title": {"fontSize": 12.5, "anchor": "start", "color": INK, "fontWeight": "bold"},
    "legend": {
        "labelFontSize": 12, "labelColor": INK, "labelLimit": 150, "symbolOpacity": 1, "columnPadding": 28,
        "orient": "bottom", "title": None,
    },
}  # fmt: skip
Chart = alt.LayerChart


def draw(name: str, result: Result, card: Card | None, log: Log | None, **options: Any) -> Chart:
    """Draw a chart by its name, from what it needs: the result, and the card or the held-out log."""
    more = {"bands": (card,), "reliability": (log,)}.get(name, ())
    made: Chart = _DRAWN_BY[name](result, *more, **options)
    return made


def all_charts(result: Result, card: Card | None = None, log: Log | None = None) -> dict[str, Chart]:
    """Every chart that these deals and files give, by name."""
    drawn = {}
    for name in _DRAWN_BY:
        with contextlib.suppress(UsageError):  # nothing of its kind was found
            drawn[name] = draw(name, result, card, log)
    return drawn


def gain(result: Result) -> Chart:
    """Gains over the baseline at its workload, of all that competes with it."""
    rows = [
        {"id": each.id, "name": _lines(each.title), "kind": each.kind, **_ends(won)}
        for each in result.contenders
        if (won := each.gain.wins_captured) and won.value is not None and each.kind not in ("documented", "prior")
    ]
    _some(rows, "gains")
    rows.sort(key=lambda row: (row["id"] != result.recommended.contender, -row["value"]))
    rows = rows[:MOST_ROWS]
    n_lines = max(len(row["name"]) for row in rows)
    for row in rows:
        row["name"] = [""] * (n_lines - len(row["name"])) + row["name"]
    y = alt.Y("id:N", sort=None, axis=None)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=KINDS, range=COLOURS), legend=None)
    names: dict[str, Any] = {"align": "left", "dy": 6 - 15 * n_lines, "fontSize": 12, "limit": WIDTH}
    text = [  # with a rim of paper, so that the line does not cross the names
        _of(rows).mark_text(**names, **look).encode(x=alt.value(0), y=y, text="name:N")
        for look in ({"stroke": "white", "strokeWidth": 4, "color": "white"}, {"color": INK})
    ]
    x = _x("value", "more of all won deals", labelExpr=SIGNED, tickCount=4)
    layers = [_line("x", "value", 0), *text, *_dots(rows, x, y, colour, yOffset=4 + 2 * n_lines)]
    title = f"Gain over {result.policies[0].id}, with as many leads followed up"
    return _chart(layers, title, height=(22 + 14 * n_lines) * len(rows))


def decision_curve(result: Result, policy: str | None = None) -> Chart:
    """Net wins of 100 leads over the value of a won deal: documented rule, learned card, everyone."""
    rule = _rule(result, policy)
    names = {"documented": "rule", "learned": "card", "all": "everyone", "none": "no one"}
    rows: list[dict[str, Any]] = [
        {"ratio": point.ratio, "who": title, **_ends(getattr(point, name))}
        for point in rule.decision_curve
        for name, title in names.items()
    ]
    _some(rows, "a decision curve")
    # Below the gain of no one by far a curve says only that it is bad: the picture is cut there.
    top = max(row["high"] for row in rows)
    scale = alt.Scale(domain=[-max(top, 1.0) * 0.6, top])
    colours = alt.Scale(domain=[*names.values()], range=[RULE_COLOUR, CARD_COLOUR, OTHER_COLOUR, SOFT])
    colour = alt.Color("who:N", scale=colours, legend=alt.Legend(columns=4, columnPadding=14))
    x = _ratio_axis("ratio", rows[0]["ratio"], rows[-1]["ratio"])
    y, base = _y("value", "net wins of 100 leads", scale=scale), _of(rows)
    layers: list[Any] = [
        base.mark_area(opacity=0.15, clip=True).encode(x=x, y=_also(y, "low"), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=2.5, clip=True).encode(x=x, y=y, color=colour),
    ]
    ratio = _ratio(result)
    if ratio is not None and rows[0]["ratio"] <= ratio <= rows[-1]["ratio"]:
        layers.append(_line("x", "ratio", ratio))
    card = f"; the card is {title_of(result, rule.card)}" if rule.card else ""
    return _chart(layers, f"Net wins of 100 leads: which choice is best at which value of a won deal ({rule.id}{card})")


def cutoffs(result: Result) -> Chart:
    """For which values of a won deal (in follow-ups) each documented cut-off is right."""
    rows: list[dict[str, Any]] = []
    for each in result.policies:
        implied = each.implied_value if each.verdict != "cannot-judge" else None
        if implied is not None and (implied.low is not None or implied.high is not None):
            low, high = implied.low or 1.0, implied.high or 4 * (implied.low or 1.0)
            if low <= high:
                rows.append({"rule": f"{each.id} ({each.documented_cutoff})", "low": low, "high": high})
    _some(rows, "implied values of cut-offs")
    x = _ratio_axis("low", min(row["low"] for row in rows), max(row["high"] for row in rows))
    bars = _of(rows).mark_bar(color=RULE_COLOUR, height=9, opacity=0.75)
    layers = [bars.encode(x=x, x2="high:Q", y=_names("rule"))]
    ratio = _ratio(result)
    if ratio is not None:
        layers.append(_line("x", "low", ratio))
    end = "" if ratio is None else f"; yours is worth {rounded(ratio)}"
    return _chart(layers, f"Each cut-off is right while a won deal is worth so many follow-ups{end}")


def weights(result: Result) -> Chart:
    """Documented and learned weights of a rule's criteria."""
    rule = _rule(result)
    rows = [{"criterion": name, "value": weight.learned, **dict(weight)} for name, weight in rule.weights.items()]
    _some(rows, "weights")
    x, y = _x("value", "weight, in documented units"), _names("criterion")
    document = _of(rows).mark_tick(color=RULE_COLOUR, thickness=3, size=18).encode(x=_also(x, "documented"), y=y)
    title = f"What your deals say each criterion of {rule.id} weighs (dot), and the document (bar)"
    return _chart([*_dots(rows, x, y), document], title)


def bands(result: Result, card: Card | None = None) -> Chart:
    """Probability at each total of the recommended card, in its bands, with its cut-off."""
    if card is None or not card.table:
        raise UsageError("bands: got no card with probabilities; valid: a calibration with a recommended card")
    names, begin = [band.title for band in card.bands], [band.from_ for band in card.bands]
    rows = [
        {**row.model_dump(), "value": row.probability, "band": names[bisect.bisect(begin, row.points) - 1]}
        for row in card.table
    ]
    colours = alt.Scale(domain=names, range=BANDS[-len(names) :])
    colour = alt.Color("band:N", scale=colours, legend=alt.Legend(columns=2))
    layers = _dots(rows, _y("value", "chance of winning", format=".0%"), _x("points", "points on the card"), colour, 30)
    if 0 < card.cutoff <= card.total_max:
        layers.append(_line("x", "points", card.cutoff - 0.5))
    title = title_of(result, result.recommended.contender)
    return _chart(layers, f"Chance of winning at each total of {title}; followed up from {card.cutoff}")


def reliability(result: Result, log: Log | None = None) -> Chart:
    """Predicted probability against the rate observed on held-out deals, of the recommended card."""
    name = str(result.recommended.contender)
    if log is None or name not in log.entries:
        raise UsageError(f"reliability: got no held-out log of {name!r}; valid: a calibration with its log")
    from leadml.evaluation.metrics import HeldOut
    from leadml.evaluation.metrics import reliability as bins_of

    found = bins_of(HeldOut(log), log.entries[name].probability)
    rows = [{"predicted": predicted, **dict(rate)} for predicted, rate in found]
    _some(rows, "predicted probabilities")
    top = max(max(row["predicted"], row["high"]) for row in rows)
    x, y = _x("predicted", "predicted", format=".0%"), _y("value", "won", format=".0%")
    ends = _of([{"predicted": at, "value": at} for at in (0, top)])
    diagonal = ends.mark_line(color=SOFT, strokeDash=[4, 4], strokeWidth=1.5).encode(x=x, y=y)
    title = f"{title_of(result, name)}, held out: on the dashed line, as many were won as predicted"
    return _chart([diagonal, *_dots(rows, y, x)], title)


def svg(chart: Chart, mark: str) -> str:
    """Render a chart; ids of what it defines begin with `mark`, so that several share a page."""
    import vl_convert

    drawn = str(vl_convert.vegalite_to_svg(chart.to_json()))
    drawn = re.sub(r'\bid="', f'id="{mark}-', drawn)
    return re.sub(r"url\(#", f"url(#{mark}-", drawn)


def _chart(layers: Iterable[Any], title: str, height: int | None = None) -> Chart:
    """Lay layers over one another, in one look."""
    made = alt.layer(*layers).properties(width=WIDTH, title=_lines(title))
    if height is not None:
        made = made.properties(height=height)
    styled: Chart = made.properties(autosize={"type": "fit-x", "contains": "padding"}).configure(**LOOK)
    return styled


def _lines(text: str) -> list[str]:
    return textwrap.wrap(text, LINE, break_on_hyphens=False)


def _names(field: str) -> Any:
    """An axis of names, each of which is shown."""
    return alt.Y(f"{field}:N", title=None, sort=None, axis=alt.Axis(labelOverlap=False))


def _channel(kind: Any, field: str, title: str, scale: Any = None, **axis: Any) -> Any:
    scales = {} if scale is None else {"scale": scale}
    return kind(f"{field}:Q", title=title, axis=alt.Axis(**{"tickCount": 5, **axis}), **scales)


_x, _y = functools.partial(_channel, alt.X), functools.partial(_channel, alt.Y)


def _ratio_axis(field: str, low: float, high: float) -> Any:
    """Values of a won deal in follow-ups, even in logarithm, with ticks that do not touch."""
    for digits in TICKS:
        ticks = [each for power in range(6) for digit in digits if low <= (each := digit * 10**power) <= high]
        if len(ticks) > 2:
            break
    scale = alt.Scale(type="log", nice=False)
    return _x(field, "value of a won deal, in follow-ups", scale=scale, values=ticks or [low, high], format="~r")


def _also(channel: Any, field: str) -> Any:
    """The same axis for another field."""
    made = channel.copy()
    made.shorthand = f"{field}:Q"
    return made


def _of(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A chart of rows that stand in its specification (altair's own constructors are untyped)."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def _dots(
    rows: Sequence[Mapping[str, Any]], at: Any, across: Any, colour: Any = None, size: int = 70, **mark: Any
) -> list[Any]:
    """Estimates (`at`: their axis) as dots, and their intervals as lines."""
    along, other = ("x", "y") if isinstance(at, alt.X) else ("y", "x")
    look = {"color": alt.value(CARD_COLOUR) if colour is None else colour, other: across}
    line = _of(rows).mark_rule(strokeWidth=2, opacity=0.45 if size < 70 else 1, **mark)
    dots = _of(rows).mark_point(filled=True, opacity=1, size=size, **mark)
    return [line.encode(**{along: _also(at, "low"), f"{along}2": "high:Q"}, **look), dots.encode(**{along: at}, **look)]


def _line(axis: str, field: str, at: float) -> Any:
    """A thin reference line."""
    return _of([{field: at}]).mark_rule(color=SOFT, strokeDash=[6, 3]).encode(**{axis: f"{field}:Q"})


def _ends(figure: Figure) -> dict[str, Any]:
    """A figure that can be drawn: an end that is not known is the value itself."""
    value = figure.value
    low, high = (value if end is None else end for end in (figure.low, figure.high))
    return {"value": value, "low": low, "high": high}


def _rule(result: Result, policy: str | None = None) -> PolicyResult:
    """The rule asked for, else the baseline."""
    found = [each for each in result.policies if policy in (None, each.id)]
    if result.policies and not found:
        valid = ", ".join(each.id for each in result.policies)
        raise UsageError(f"policy: got {policy!r}; valid: {valid}; name one of these")
    _some(found, "documented rules")
    return found[0]


def _some(rows: Iterable[Any], what: str) -> None:
    if not rows:
        raise UsageError(f"chart: this calibration has no {what}; valid: a calibration that has; see its findings")


def _ratio(result: Result) -> float | None:
    """Value of a won deal in follow-ups, where both were given."""
    given = economics_of(result)
    value, cost = given.get("won_value"), given.get("follow_up_cost")
    return float(value) / float(cost) if value and cost else None


_DRAWN_BY: Final[Mapping[str, Callable[..., Chart]]] = {
    each.__name__: each for each in (gain, decision_curve, cutoffs, weights, bands, reliability)
}
