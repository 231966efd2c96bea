"""The figures as bars: how our time compares with the peer's, the limit a line across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, BAR, LABEL = 860, 34, 430
LOWEST, HIGHEST = 1 / 500, 4.0


def at(ratio: float) -> float:
    """Place a ratio on the axis, which is logarithmic."""
    share = (math.log(min(max(ratio, LOWEST), HIGHEST)) - math.log(LOWEST)) / math.log(HIGHEST / LOWEST)
    return LABEL + share * (WIDTH - LABEL - 60)


def draw(figures: Sequence[Any]) -> str:
    """Draw figures that have ``what``, ``peer``, ``ratio``, ``limit`` and ``is_met``."""
    height = 50 + BAR * len(figures)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        ' font-size="12" role="img" aria-label="Time of leadml over time of each peer">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LABEL}" y="18" fill="#555">our time over theirs (logarithmic); | is the limit</text>',
        f'<line x1="{at(1):.1f}" x2="{at(1):.1f}" y1="28" y2="{height - 10}" stroke="#bbb"/>',
    ]
    for row, each in enumerate(figures):
        y = 32 + BAR * row
        colour = "#2a7f62" if each.is_met else "#b5482a"
        width, limit = at(each.ratio) - LABEL, at(each.limit)
        parts += [
            f'<text x="{LABEL - 10}" y="{y + 11}" text-anchor="end">{escape(each.what)}</text>',
            f'<text x="{LABEL - 10}" y="{y + 24}" text-anchor="end" fill="#777">{escape(each.peer)}</text>',
            f'<rect x="{LABEL}" y="{y + 3}" width="{width:.1f}" height="18" fill="{colour}"/>',
            f'<line x1="{limit:.1f}" x2="{limit:.1f}" y1="{y}" y2="{y + 24}" stroke="#111"/>',
            f'<text x="{at(max(each.ratio, each.limit)) + 6:.1f}" y="{y + 16}">{each.ratio:.3g}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
