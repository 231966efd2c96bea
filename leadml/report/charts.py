"""The pictures, as SVG in two widths, drawn in colour names that the page resolves for light, dark and print.

Each kind of contender has a colour and a shape of its own, so that nothing rests on colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

if TYPE_CHECKING:
    import altair as alt

WIDTHS: Final = {"wide": 640, "narrow": 330}
"""Widths in CSS pixels: for a laptop and for a phone."""

KIND_MARKS: Final = {
    "documented": ("#010001", "square"),
    "learned": ("#010002", "circle"),
    "context": ("#010003", "triangle-up"),
    "prior": ("#010004", "cross"),
}
"""Colour stand-in and shape of each kind of contender."""

_INK, _SOFT, _LINE, _SHADE = "#010005", "#010006", "#010007", "#010008"
_VARIABLES: Final = {
    **{colour: f"var(--{kind})" for kind, (colour, _) in KIND_MARKS.items()},
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _LINE: "var(--line)",
    _SHADE: "var(--shade)",
}


def forest_svg(rows: Sequence[Mapping[str, Any]], width: int) -> str:
    """Draw gains with their intervals around a zero line.

    Parameters
    ----------
    rows : sequence of mapping
        ``title``, ``kind``, ``value``, ``low``, ``high`` (shares), ``text`` with ``value`` and ``interval``.
    width : int
        In CSS pixels.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    import altair as alt

    values = [
        {
            "row": i,
            "title": r["title"],
            "kind": r["kind"],
            "value": r["value"],
            "low": _or(r["low"], r["value"]),
            "high": _or(r["high"], r["value"]),
            "text": r["text"]["value"]
            + (f"  ({r['text']['interval']})" if r["text"]["interval"] and width > 400 else ""),
        }
        for i, r in enumerate(rows)
    ]
    ends = [0.0, *(v[key] for v in values for key in ("low", "high"))]
    pad = 0.06 * (max(ends) - min(ends) or 1.0)
    digits = 0 if max(ends) - min(ends) > 0.04 else 1
    base = alt.Chart(alt.InlineData(values=values)).encode(y=alt.Y("row:O", axis=None, sort=None))
    x = alt.X(
        "low:Q",
        title="more or fewer of all wins captured, at the same workload",
        scale=alt.Scale(domain=[min(ends) - pad, max(ends) + pad], nice=False, zero=False),
        axis=alt.Axis(
            labelExpr=f"datum.value == 0 ? '0' : format(100 * datum.value, '+.{digits}f') + ' pp'",
            tickCount=5,
            grid=False,
        ),
    )
    colour, shape = _kind_scales()
    zero = alt.Chart(alt.InlineData(values=[{"low": 0}])).mark_rule(color=_INK, strokeWidth=1.2).encode(x=x)
    lines = base.mark_rule(strokeWidth=2.5, yOffset=9).encode(x=x, x2="high:Q", color=colour)
    points = base.mark_point(size=85, filled=True, opacity=1, yOffset=9).encode(
        x=alt.X("value:Q"), color=colour, shape=shape
    )
    names = base.mark_text(align="left", dy=-9, fontSize=13, color=_INK, limit=width - 70).encode(
        x=alt.value(0), text="title:N"
    )
    figures = base.mark_text(align="right", dy=-9, fontSize=13, fontWeight="bold", color=_INK).encode(
        x=alt.value("width"), text="text:N"
    )
    return _render(alt.layer(zero, lines, points, names, figures), width, 46 * len(rows))


def reliability_svg(bins: Sequence[Mapping[str, Any]], kind: str, width: int) -> str:
    """Draw what was said against what happened.

    Parameters
    ----------
    bins : sequence of mapping
        ``p_mean``, ``value``, ``low``, ``high`` (shares), ``n``.
    kind : str
        Kind of the contender, for its colour.
    width : int
        In CSS pixels.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    import altair as alt

    width = min(width, 420)
    seen = [
        {
            "said": b["p_mean"],
            "won": b["value"],
            "low": _or(b["low"], b["value"]),
            "high": _or(b["high"], b["value"]),
            "n": b["n"],
            "kind": kind,
        }
        for b in bins
        if b["value"] is not None
    ]
    top = min(1.0, 1.08 * max([0.1, *(max(v["said"], v["high"]) for v in seen)]))
    scale, axis = alt.Scale(domain=[0, top], nice=False), alt.Axis(format=".0%", tickCount=5)
    x = alt.X("said:Q", title="chance of winning as predicted", scale=scale, axis=axis)
    y = alt.Y("won:Q", title="share won", scale=scale, axis=axis)
    ends = alt.Chart(alt.InlineData(values=[{"said": 0, "won": 0}, {"said": top, "won": top}]))
    diagonal = ends.mark_line(color=_SOFT, strokeDash=[4, 4], strokeWidth=1.5).encode(x=x, y=y)
    note = (
        alt.Chart(alt.InlineData(values=[{"said": top * 0.97, "won": top * 0.97}]))
        .mark_text(text="as predicted", align="right", dy=-2, dx=-14, fontSize=12, color=_SOFT)
        .encode(x=x, y=y)
    )
    base = alt.Chart(alt.InlineData(values=seen))
    colour, shape = _kind_scales()
    lines = base.mark_rule(strokeWidth=2.5).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour)
    points = base.mark_point(filled=True, size=85, opacity=1).encode(x=x, y=y, color=colour, shape=shape)
    return _render(alt.layer(diagonal, note, lines, points), width, width - 60)


def rates_svg(
    rates: Sequence[Mapping[str, Any]],
    cutoffs: Mapping[str, float | None],
    average: float | None,
    scale_title: str,
    width: int,
) -> str:
    """Draw the share won at each score, the average lead, and the cut-offs.

    Parameters
    ----------
    rates : sequence of mapping
        ``score``, ``value``, ``low``, ``high`` (shares), ``n`` or None.
    cutoffs : mapping
        ``documented``; ``value``, ``low``, ``high`` of the learned one; any may be None.
    average : float or None
        Share won among all leads.
    scale_title : str
        What the score counts.
    width : int
        In CSS pixels.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    import altair as alt

    seen = [
        {
            "score": r["score"],
            "won": r["value"],
            "low": _or(r["low"], r["value"]),
            "high": _or(r["high"], r["value"]),
        }
        for r in rates
        if r["value"] is not None
    ]
    scores = [r["score"] for r in rates]
    left, right = min(scores) - 0.6, max(scores) + 0.6
    top = min(1.0, 1.3 * max([0.05, *(v["high"] for v in seen)]))
    step = 1 if len(scores) <= 6 or width > 400 else 2
    ticks = [s for s in sorted(scores) if float(s).is_integer() and int(s) % step == 0]
    x = alt.X(
        "score:Q",
        title=scale_title,
        scale=alt.Scale(domain=[left, right], nice=False, zero=False),
        axis=alt.Axis(values=ticks, format="d", grid=False),
    )
    y = alt.Y(
        "won:Q",
        title="share won",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(format=".0%", tickCount=4),
    )
    layers: list[alt.Chart] = []
    if average is not None:
        level = alt.Chart(alt.InlineData(values=[{"won": average, "text": f"average lead {average:.0%}"}]))
        layers.append(level.mark_rule(color=_SOFT, strokeDash=[4, 4], strokeWidth=1.5).encode(y=y))
        layers.append(
            level.mark_text(align="right", dy=-7, fontSize=12, color=_SOFT).encode(
                y=y, x=alt.value("width"), text="text:N"
            )
        )
    base = alt.Chart(alt.InlineData(values=seen))
    layers.append(base.mark_rule(color=_INK, strokeWidth=2).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"))
    layers.append(base.mark_point(color=_INK, filled=True, opacity=1, size=60).encode(x=x, y=y))
    layers = [*_cutoff_layers(cutoffs, x, (left, right), width), *layers]
    return _render(alt.layer(*layers), width, 240)


def _cutoff_layers(
    cutoffs: Mapping[str, float | None], x: alt.X, domain: tuple[float, float], width: int
) -> list[alt.Chart]:
    """Draw both cut-offs half a step below the first score that passes, each named where it stands."""
    import altair as alt

    layers: list[alt.Chart] = []
    low, high = cutoffs.get("low"), cutoffs.get("high")
    if low is not None and high is not None and high > low:
        band = alt.Chart(
            alt.InlineData(values=[{"score": max(domain[0], low - 0.5), "end": min(domain[1], high - 0.5)}])
        )
        layers.append(
            band.mark_rect(color=_SHADE, opacity=1).encode(x=x, x2="end:Q", y=alt.value(0), y2=alt.value(240))
        )
    known = {key: found for key in ("documented", "value") if (found := cutoffs.get(key)) is not None}
    lowest = min(known, key=known.__getitem__) if len(known) > 1 else None
    room = width - 70
    for key, cutoff in known.items():
        kind, height, dash = ("documented", 8, [1, 0]) if key == "documented" else ("learned", 24, [6, 3])
        text = (
            f"{kind}: from {cutoff:g}"
            if width > 400
            else f"{'rule' if key == 'documented' else kind} {cutoff:g}"
        )
        place, need = (cutoff - 0.5 - domain[0]) / (domain[1] - domain[0]) * room, 7.0 * len(text)
        # The lower one is named on its left and the higher on its right, so that no name crosses a line.
        on_left = key == lowest if lowest else place > width / 2
        on_left = (on_left and place > need) or place + need > room
        spot = alt.Chart(alt.InlineData(values=[{"score": cutoff - 0.5, "text": text}]))
        colour, side = KIND_MARKS[kind][0], -1 if on_left else 1
        layers.append(spot.mark_rule(color=colour, strokeWidth=2, strokeDash=dash).encode(x=x))
        name = spot.mark_text(
            align="right" if on_left else "left", dx=6 * side, fontSize=12, fontWeight="bold", color=colour
        )
        layers.append(name.encode(x=x, y=alt.value(height), text="text:N"))
    return layers


def _kind_scales() -> tuple[alt.Color, alt.Shape]:
    """Give the colour and the shape of each kind."""
    import altair as alt

    kinds = list(KIND_MARKS)
    colours, shapes = (alt.Scale(domain=kinds, range=[KIND_MARKS[kind][i] for kind in kinds]) for i in (0, 1))
    return alt.Color("kind:N", scale=colours, legend=None), alt.Shape("kind:N", scale=shapes, legend=None)


def _render(chart: alt.LayerChart | alt.FacetChart, width: int, height: int) -> str:
    """Turn a chart into an SVG element whose colours are the page's own."""
    import vl_convert

    text = {
        "labelColor": _SOFT,
        "titleColor": _SOFT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelFont": "sans-serif",
        "titleFont": "sans-serif",
    }
    chart = (
        chart.properties(
            width=width - 12,
            height=height,
            background="transparent",
            autosize={"type": "fit-x", "contains": "padding"},
            padding=6,
        )
        .configure(font="sans-serif", aria=False)
        .configure_view(stroke=None)
        .configure_axis(domainColor=_LINE, tickColor=_LINE, gridColor=_LINE, gridOpacity=0.6, **text)
    )
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(f'"{stand_in}"', f'"{variable}"')
    # Several pictures share a page: what one defines must not be taken by another.
    prefix = f"p{crc32(svg.encode()):08x}-"
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r"url\(#", f"url(#{prefix}", svg)


def _or(value: float | None, default: float) -> float:
    """Replace a missing end of an interval."""
    return default if value is None else value
