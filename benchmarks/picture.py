"""The figures as bars: how our time compares with the peer's, the limit a line across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, ROW, LABEL, TOP = 860, 40, 400, 46
LOWEST, HIGHEST = 1 / 500, 3.0
TICKS = (1 / 100, 1 / 10, 1)
STYLE = """
  svg { background: #ffffff }
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .quiet { fill: #59636e } .line { stroke: #d1d9e0 } .limit { stroke: #1f2328; stroke-width: 2 }
  .kept { fill: #2a7f62 } .missed { fill: #b5482a }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117 }
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } .line { stroke: #3d444d } .limit { stroke: #e6edf3 }
    .kept { fill: #3fa77f } .missed { fill: #e0714f }
  }
"""


def at(ratio: float) -> float:
    """Place a ratio on the axis, which is logarithmic."""
    share = (math.log(min(max(ratio, LOWEST), HIGHEST)) - math.log(LOWEST)) / math.log(HIGHEST / LOWEST)
    return LABEL + share * (WIDTH - LABEL - 60)


def times(ratio: float) -> str:
    """Say how the times compare."""
    return f"{1 / ratio:.3g}x faster" if ratio < 0.95 else f"{ratio:.2f}x the time"


def draw(figures: Sequence[Any]) -> str:
    """Draw figures that have ``what``, ``peer``, ``peer_seconds``, ``ratio``, ``limit`` and ``is_met``."""
    compared = [each for each in figures if not math.isnan(each.peer_seconds)]
    height = TOP + ROW * len(compared) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' aria-label="Time of leadml over time of each peer">',
        f"<style>{STYLE}</style>",
        f'<text x="{LABEL}" y="16" class="quiet">time of leadml over time of the peer, logarithmic;'
        " | the limit</text>",
    ]
    for tick in TICKS:
        name = "1" if tick == 1 else f"1/{1 / tick:.0f}"
        parts += [
            f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{TOP - 8}" y2="{height - 4}" class="line"/>',
            f'<text x="{at(tick):.1f}" y="{TOP - 12}" text-anchor="middle" class="quiet">{name}</text>',
        ]
    for row, each in enumerate(compared):
        y = TOP + ROW * row
        width, limit = max(at(each.ratio) - LABEL, 1), at(each.limit)
        end = max(at(each.ratio), limit if abs(limit - at(each.ratio)) < 90 else 0)
        parts += [
            f'<text x="{LABEL - 10}" y="{y + 13}" text-anchor="end">{escape(each.what)}</text>',
            f'<text x="{LABEL - 10}" y="{y + 28}" text-anchor="end" class="quiet">{escape(each.peer)}</text>',
            f'<rect x="{LABEL}" y="{y + 7}" width="{width:.1f}" height="18" rx="2"'
            f' class="{"kept" if each.is_met else "missed"}"/>',
            f'<line x1="{limit:.1f}" x2="{limit:.1f}" y1="{y + 3}" y2="{y + 29}" class="limit"/>',
            f'<text x="{end + 8:.1f}" y="{y + 20}">{times(each.ratio)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
