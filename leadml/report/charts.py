"""The pictures, as SVG in two widths, in colours that the page resolves for light, dark and print.

Each is a Vega-Lite specification as plain data. Each kind of contender has a colour and a shape of its
own, so that nothing rests on colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zlib import crc32

WIDTHS: Final = {"wide": 640, "narrow": 330}
"""Widths in CSS pixels: for a laptop and for a phone."""

KIND_MARKS: Final = {
    "documented": ("#010001", "square"),
    "learned": ("#010002", "circle"),
    "context": ("#010003", "triangle-up"),
    "prior": ("#010004", "cross"),
}
"""Colour stand-in and shape of each kind of contender."""

_INK, _SOFT, _LINE, _SHADE, _PAPER = "#010005", "#010006", "#010007", "#010008", "#010009"
_VARIABLES: Final = {
    **{colour: f"var(--{kind})" for kind, (colour, _) in KIND_MARKS.items()},
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _LINE: "var(--line)",
    _SHADE: "var(--shade)",
    _PAPER: "var(--paper)",
}
_PLOT_HEIGHT: Final = 240
_DASHED: Final = {"color": _SOFT, "strokeDash": [4, 4], "strokeWidth": 1.5}

Spec = dict[str, Any]


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
    values = [
        {**_interval(row), "row": i, "title": row["title"], "kind": row["kind"]} for i, row in enumerate(rows)
    ]
    for value, row in zip(values, rows, strict=True):
        text = row["text"]
        value["text"] = text["value"] + (
            f"  ({text['interval']})" if text["interval"] and width > 400 else ""
        )
    ends = [0.0, *(v[key] for v in values for key in ("low", "high"))]
    span = max(ends) - min(ends) or 1.0
    digits = 0 if span > 0.04 else 1
    x = _axis(
        "more or fewer of all wins captured, at the same workload",
        [min(ends) - 0.06 * span, max(ends) + 0.06 * span],
        grid=False,
        labelExpr=f"datum.value == 0 ? '0' : format(100 * datum.value, '+.{digits}f') + ' pp'",
    )
    y = {"field": "row", "type": "ordinal", "axis": None, "sort": None}
    name = {"align": "left", "dy": -9, "fontSize": 13, "limit": width - 70}
    # A name may stand on the zero line: it is set off by a rim of paper.
    names = [
        _layer("text", values, {**name, **rim}, x={"value": 0}, y=y, text={"field": "title"})
        for rim in ({"stroke": _PAPER, "strokeWidth": 5, "color": _PAPER}, {"color": _INK})
    ]
    number = {"align": "right", "dy": -9, "fontSize": 13, "fontWeight": "bold", "color": _INK}
    layers = [
        _layer("rule", [{"at": 0}], {"color": _INK, "strokeWidth": 1.2}, x={"field": "at", **x}),
        *names,
        _layer(
            "rule",
            values,
            {"strokeWidth": 2.5, "yOffset": 9},
            x={"field": "low", **x},
            x2={"field": "high"},
            y=y,
            color=_kind(0),
        ),
        _layer(
            "point",
            values,
            {"size": 85, "filled": True, "opacity": 1, "yOffset": 9},
            x={"field": "value", **x},
            y=y,
            color=_kind(0),
            shape=_kind(1),
        ),
        _layer("text", values, number, x={"value": "width"}, y=y, text={"field": "text"}),
    ]
    return _render(layers, width, 46 * len(rows))


def reliability_svg(bins: Sequence[Mapping[str, Any]], kind: str, width: int) -> str:
    """Draw what was predicted against what happened.

    Parameters
    ----------
    bins : sequence of mapping
        ``p_mean``, ``value``, ``low``, ``high`` (shares).
    kind : str
        Kind of the contender, for its colour.
    width : int
        In CSS pixels.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    width = min(width, 420)
    seen = [{**_interval(b), "said": b["p_mean"], "kind": kind} for b in bins if b["value"] is not None]
    top = min(1.0, 1.08 * max([0.1, *(max(v["said"], v["high"]) for v in seen)]))
    x = _axis("chance of winning as predicted", [0, top], format=".0%")
    y = _axis("share won", [0, top], format=".0%")
    ends = [{"said": end, "value": end} for end in (0, top)]
    note = {"text": "as predicted", "align": "right", "dx": -14, "fontSize": 12, "color": _SOFT}
    layers = [
        _layer("line", ends, _DASHED, x={"field": "said", **x}, y={"field": "value", **y}),
        _layer("text", ends[1:], note, x={"field": "said", **x}, y={"field": "value", **y}),
        _layer(
            "rule",
            seen,
            {"strokeWidth": 2.5},
            x={"field": "said", **x},
            y={"field": "low", **y},
            y2={"field": "high"},
            color=_kind(0),
        ),
        _layer(
            "point",
            seen,
            {"filled": True, "size": 85, "opacity": 1},
            x={"field": "said", **x},
            y={"field": "value", **y},
            color=_kind(0),
            shape=_kind(1),
        ),
    ]
    return _render(layers, width, width - 60)


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
        ``score``, ``value``, ``low``, ``high`` (shares).
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
    seen = [{**_interval(r), "score": r["score"]} for r in rates if r["value"] is not None]
    scores = sorted(r["score"] for r in rates)
    domain = (scores[0] - 0.6, scores[-1] + 0.6)
    step = 1 if len(scores) <= 6 or width > 400 else 2
    ticks = [score for score in scores if score % step == 0]
    x = _axis(scale_title, list(domain), grid=False, values=ticks, format="d")
    top = min(1.0, 1.3 * max([0.05, *(v["high"] for v in seen)]))
    y = _axis("share won", [0, top], format=".0%", tickCount=4)
    layers = _cutoff_layers(cutoffs, x, domain, width)
    if average is not None:
        level = [{"at": average, "text": f"average lead {average:.0%}"}]
        note = {"align": "right", "dy": -7, "fontSize": 12, "color": _SOFT}
        layers.append(_layer("rule", level, _DASHED, y={"field": "at", **y}))
        layers.append(
            _layer("text", level, note, x={"value": "width"}, y={"field": "at", **y}, text={"field": "text"})
        )
    at = {"field": "score", **x}
    layers.append(
        _layer(
            "rule",
            seen,
            {"color": _INK, "strokeWidth": 2},
            x=at,
            y={"field": "low", **y},
            y2={"field": "high"},
        )
    )
    dot = {"color": _INK, "filled": True, "opacity": 1, "size": 60}
    layers.append(_layer("point", seen, dot, x=at, y={"field": "value", **y}))
    return _render(layers, width, _PLOT_HEIGHT)


def _cutoff_layers(
    cutoffs: Mapping[str, float | None], x: Spec, domain: tuple[float, float], width: int
) -> list[Spec]:
    """Draw both cut-offs half a step below the first score that passes, each named where it stands."""
    layers: list[Spec] = []
    low, high = cutoffs.get("low"), cutoffs.get("high")
    if low is not None and high is not None and high > low:
        strip = [{"from": max(domain[0], low - 0.5), "to": min(domain[1], high - 0.5)}]
        span = {"y": {"value": 0}, "y2": {"value": _PLOT_HEIGHT}}
        shade = {"color": _SHADE, "opacity": 1}
        layers.append(_layer("rect", strip, shade, x={"field": "from", **x}, x2={"field": "to"}, **span))
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
        spot, colour = [{"at": cutoff - 0.5, "text": text}], KIND_MARKS[kind][0]
        line = {"color": colour, "strokeWidth": 2, "strokeDash": dash}
        layers.append(_layer("rule", spot, line, x={"field": "at", **x}))
        name = {"align": "right" if on_left else "left", "dx": -6 if on_left else 6}
        name |= {"fontSize": 12, "fontWeight": "bold", "color": colour}
        layers.append(
            _layer("text", spot, name, x={"field": "at", **x}, y={"value": height}, text={"field": "text"})
        )
    return layers


def _layer(
    mark: str, values: Sequence[Mapping[str, Any]], style: Mapping[str, Any], **encoding: Spec
) -> Spec:
    """Make one layer: marks of one kind over rows of data."""
    return {"data": {"values": list(values)}, "mark": {"type": mark, **style}, "encoding": encoding}


def _axis(title: str, domain: Sequence[float], **axis: Any) -> Spec:
    """Describe a quantitative axis over a fixed domain."""
    scale = {"domain": list(domain), "nice": False, "zero": False}
    return {
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": axis if "values" in axis else {"tickCount": 5, **axis},
    }


def _kind(part: int) -> Spec:
    """Give the colour (0) or the shape (1) of each kind."""
    scale = {"domain": list(KIND_MARKS), "range": [mark[part] for mark in KIND_MARKS.values()]}
    return {"field": "kind", "type": "nominal", "scale": scale, "legend": None}


def _interval(figure: Mapping[str, Any]) -> Spec:
    """Give a figure that can be drawn: an end that is not known is the value itself."""
    value = figure["value"]
    ends = {key: value if figure.get(key) is None else figure[key] for key in ("low", "high")}
    return {"value": value, **ends}


def _render(layers: Sequence[Spec], width: int, height: int) -> str:
    """Turn layers into an SVG element whose colours are the page's own."""
    import vl_convert

    text = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    colours = {
        "labelColor": _SOFT,
        "titleColor": _SOFT,
        "domainColor": _LINE,
        "tickColor": _LINE,
        "gridColor": _LINE,
    }
    spec = {
        "width": width - 12,
        "height": height,
        "padding": 6,
        "background": "transparent",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": list(layers),
        "config": {
            "aria": False,
            "font": "sans-serif",
            "view": {"stroke": None},
            "axis": {**text, **colours, "gridOpacity": 0.6},
        },
    }
    svg = vl_convert.vegalite_to_svg(spec)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(f'"{stand_in}"', f'"{variable}"')
    # Several pictures share a page: what one defines must not be taken by another.
    prefix = f"p{crc32(svg.encode()):08x}-"
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r"url\(#", f"url(#{prefix}", svg)
