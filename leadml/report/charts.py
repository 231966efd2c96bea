"""Charts of a calibration (Altair, Vega-Lite): static SVG in the report, images in MLflow, live in notebooks.

360 pixels wide: one size for a phone, two beside one another on a laptop.
"""

from __future__ import annotations

import contextlib
import functools
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import altair as alt

from leadml.exceptions import UsageError
from leadml.report.answer import economics_of

if TYPE_CHECKING:
    from leadml.card.record import Card
    from leadml.evaluation.log import Log
    from leadml.result import Figure, PolicyResult, Result

WIDTH: Final = 360
INK, SOFT, RULE_COLOUR, CARD_COLOUR, OTHER_COLOUR = "#17202a", "#8a949e", "#5b6472", "#1668b8", "#5b6d00"
KINDS: Final = ("documented", "learned", "wide", "context", "custom", "prior")
COLOURS: Final = (RULE_COLOUR, CARD_COLOUR, "#7a2e8e", OTHER_COLOUR, OTHER_COLOUR, SOFT)
MOST_ROWS: Final = 12
SIGNED: Final = "datum.value == 0 ? '0%' : format(datum.value, '+.0%')"
TITLE_WIDTH: Final = 44  # characters of a line: browsers set wider than the renderer measures
LOOK: Final[Mapping[str, Any]] = {
    "font": "sans-serif", "background": "white", "view": {"stroke": None},
    "padding": {"left": 22, "top": 8, "right": 12, "bottom": 8},  # labels, too, are wider in a browser
    "axis": {
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 220,
        "labelOverlap": "greedy", "gridColor": "#e3e8ec", "labelColor": INK, "titleColor": INK,
    },
    "title": {"fontSize": 12.5, "anchor": "start", "color": INK, "fontWeight": "bold"},
    "legend": {"labelFontSize": 12, "labelColor": INK, "labelLimit": 150, "symbolOpacity": 1},
}  # fmt: skip
Chart = alt.LayerChart


def _channel(kind: Any, field: str, title: str, scale: Any = "", **axis: Any) -> Any:
    """Title "" leaves the title to another layer."""
    more: dict[str, Any] = {"title": title} if title else {}
    more |= {"scale": alt.Scale(type=scale, nice=False)} if scale else {}
    return kind(field, axis=alt.Axis(tickCount=5, **axis), **more)


_x, _y = functools.partial(_channel, alt.X), functools.partial(_channel, alt.Y)


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


def cutoffs(result: Result, policy: str | None = None) -> Chart:
    """For which values of a won deal (in follow-ups) each documented cut-off is right."""
    rows = []
    for each in _rules(result, policy):
        implied = each.implied_value
        if implied is None or (implied.low is None and implied.high is None):
            continue
        low, high = implied.low or 1.0, implied.high or 4 * (implied.low or 1.0)
        if low <= high:
            rows.append({"rule": f"{each.id} ({each.documented_cutoff})", "low": low, "high": high})
    _some(rows, "implied values of cut-offs")
    at = _x("low:Q", "value of a won deal, in follow-ups", scale="log")
    y = alt.Y("rule:N", title=None, sort=None)
    base = _of(rows)
    layers: list[Any] = [base.mark_bar(color=RULE_COLOUR, height=9, opacity=0.75).encode(x=at, x2="high:Q", y=y)]
    ratio = _ratio(result)
    if ratio is not None:
        layers.append(_line({"low": ratio}, "low:Q", "x"))
    end = "" if ratio is None else f"; yours is worth {ratio:.3g}"
    return _chart(layers, f"Each cut-off is right while a won deal is worth so many follow-ups{end}")


def weights(result: Result, policy: str | None = None) -> Chart:
    """Documented and learned weights of a rule's criteria."""
    rule = _rule(result, policy)
    rows = [{"criterion": name, **dict(weight)} for name, weight in rule.weights.items()]
    _some(rows, "weights")
    base = _of(rows)
    y = alt.Y("criterion:N", title=None, sort=None)
    x = _x("learned:Q", "weight, in documented units")
    layers = [
        base.mark_rule(color=CARD_COLOUR, strokeWidth=2.5).encode(x=_x("low:Q", ""), x2="high:Q", y=y),
        base.mark_point(color=CARD_COLOUR, filled=True, opacity=1, size=80).encode(x=x, y=y),
        base.mark_tick(color=RULE_COLOUR, thickness=3, size=18).encode(x=_x("documented:Q", ""), y=y),
    ]
    return _chart(layers, "What your deals say each criterion weighs (dot), and the document (bar)")


def gain(result: Result) -> Chart:
    """Gains over the baseline at its workload, of all that competes with it."""
    rows: list[dict[str, Any]] = []
    for each in result.contenders:
        won = each.gain.wins_captured
        if won is not None and won.value is not None and each.kind not in ("documented", "prior"):
            rows.append({"id": each.id, "title": each.title, "kind": each.kind, **_ends(won)})
    _some(rows, "gains")
    rows.sort(key=lambda row: (row["id"] != result.recommended.contender, -row["value"]))
    rows = rows[:MOST_ROWS]
    base = _of(rows)
    y = alt.Y("title:N", sort=None, axis=None)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=KINDS, range=COLOURS), legend=None)
    x = _x("value:Q", "more of all won deals", labelExpr=SIGNED)
    names: dict[str, Any] = {"align": "left", "dy": -9, "fontSize": 12, "limit": WIDTH}
    layers = [
        _line({"value": 0}, "value:Q", "x"),
        *(  # a rim of paper, so that the line does not cross the names
            base.mark_text(**names, **look).encode(x=alt.value(0), y=y, text="title:N")
            for look in ({"stroke": "white", "strokeWidth": 4, "color": "white"}, {"color": INK})
        ),
        base.mark_rule(strokeWidth=2.5, yOffset=5).encode(
            x=_x("low:Q", "", labelExpr=SIGNED), x2="high:Q", y=y, color=colour
        ),
        base.mark_point(filled=True, opacity=1, size=70, yOffset=5).encode(x=x, y=y, color=colour),
    ]
    title = f"Gain over {result.policies[0].id}, with as many leads followed up"
    return _chart(layers, title, height=36 * len(rows))


def reliability(result: Result, log: Log | None = None, contender: str | None = None) -> Chart:
    """Predicted probability against the rate observed on held-out deals."""
    name = contender or str(result.recommended.contender)
    if log is None or name not in log.entries:
        raise UsageError(f"reliability: got no held-out log of {name!r}; valid: a calibration with its log")
    from leadml.evaluation.metrics import HeldOut
    from leadml.evaluation.metrics import reliability as bins_of

    rows = [
        {"predicted": predicted, **rate._asdict()}
        for predicted, rate in bins_of(HeldOut(log), log.entries[name].probability)
    ]
    _some(rows, "predicted probabilities")
    top = max(max(row["predicted"], row["high"]) for row in rows)
    diagonal = _of([{"predicted": 0, "value": 0}, {"predicted": top, "value": top}])
    x, y = _x("predicted:Q", "predicted", format=".0%"), _y("value:Q", "won", format=".0%")
    base = _of(rows)
    layers = [
        diagonal.mark_line(color=SOFT, strokeDash=[4, 4], strokeWidth=1.5).encode(x=x, y=y),
        base.mark_rule(color=CARD_COLOUR, strokeWidth=2).encode(x=x, y=_y("low:Q", ""), y2="high:Q"),
        base.mark_point(color=CARD_COLOUR, filled=True, opacity=1, size=70).encode(x=x, y=y),
    ]
    return _chart(layers, "On the dashed line, as many were won as predicted")


def bands(_: Result, card: Card | None = None) -> Chart:
    """Probability at each total of the recommended card, in its bands, with its cut-off."""
    if card is None or not card.table:
        raise UsageError("bands: got no card with probabilities; valid: a calibration with a recommended card")
    names = [band.title for band in card.bands]
    rows = [
        {**row.model_dump(), "band": [b.title for b in card.bands if b.from_ <= row.points][-1]} for row in card.table
    ]
    base = _of(rows)
    x, y = _x("points:Q", "points on the card"), _y("probability:Q", "P(won)", format=".0%")
    scale = alt.Scale(domain=names, range=["#7c8791", "#0b5394", "#b8430b", "#7a1f5c"][-len(names) :])
    colour = alt.Color("band:N", scale=scale, legend=alt.Legend(title=None, orient="bottom", columns=2))
    layers: list[Any] = [
        base.mark_rule(strokeWidth=2, opacity=0.45).encode(x=x, y=_y("low:Q", ""), y2="high:Q", color=colour),
        base.mark_point(filled=True, opacity=1, size=30).encode(x=x, y=y, color=colour),
    ]
    if card.cutoff <= card.total_max and card.cutoff > 0:
        layers.append(_line({"points": card.cutoff - 0.5}, "points:Q", "x"))
    return _chart(layers, f"Chance of winning at each total of the card; followed up from {card.cutoff}")


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
    floor = -max(top, 1.0) * 0.6
    y = alt.Scale(domain=[floor, top], clamp=True)
    colour = alt.Color(
        "who:N",
        scale=alt.Scale(domain=[*names.values()], range=[RULE_COLOUR, CARD_COLOUR, OTHER_COLOUR, SOFT]),
        legend=alt.Legend(title=None, orient="bottom", columns=4),
    )
    base = _of(rows)
    x = _x("ratio:Q", "value of a won deal, in follow-ups", scale="log")
    layers: list[Any] = [
        base.mark_area(opacity=0.15).encode(x=x, y=alt.Y("low:Q", scale=y, title=""), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=2.5).encode(
            x=x, y=alt.Y("value:Q", scale=y, title="net wins of 100 leads"), color=colour
        ),
    ]
    ratio = _ratio(result)
    points = [point.ratio for point in rule.decision_curve]
    if ratio is not None and min(points) <= ratio <= max(points):
        layers.append(_line({"ratio": ratio}, "ratio:Q", "x"))
    return _chart(layers, "Net wins of 100 leads: which choice is best at which value of a won deal")


def svg(chart: Chart, mark: str) -> str:
    """Render a chart; ids of what it defines begin with `mark`, so that several share a page."""
    import vl_convert

    drawn = str(vl_convert.vegalite_to_svg(chart.to_json()))
    drawn = re.sub(r'\bid="', f'id="{mark}-', drawn)
    return re.sub(r"url\(#", f"url(#{mark}-", drawn)


def _chart(layers: Iterable[Any], title: str, height: int | None = None) -> Chart:
    """Lay layers over one another, in one look."""
    made = alt.layer(*layers).properties(width=WIDTH, title=textwrap.wrap(title, TITLE_WIDTH))
    if height is not None:
        made = made.properties(height=height)
    styled: Chart = made.properties(autosize={"type": "fit-x", "contains": "padding"}).configure(**LOOK)
    return styled


def _of(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A chart of rows that stand in its specification (altair's own constructors are untyped)."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def _line(at: Mapping[str, float], field: str, axis: str) -> Any:
    """A thin reference line."""
    place = {axis: alt.X(field) if axis == "x" else alt.Y(field)}
    return _of([dict(at)]).mark_rule(color=SOFT, strokeDash=[6, 3]).encode(**place)


def _ends(figure: Figure) -> dict[str, float | None]:
    """A figure that can be drawn: an end that is not known is the value itself."""
    low, high = figure.low, figure.high
    value = figure.value
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high}


def _rules(result: Result, policy: str | None) -> list[PolicyResult]:
    """The rule asked for, else all."""
    found = [each for each in result.policies if policy in (None, each.id)]
    if policy is not None and not found:
        valid = ", ".join(each.id for each in result.policies)
        raise UsageError(f"policy: got {policy!r}; valid: {valid}; name one of these")
    return found


def _rule(result: Result, policy: str | None) -> PolicyResult:
    """The rule asked for, else the baseline."""
    found = _rules(result, policy)
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
