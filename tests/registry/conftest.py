"""A small card, and the time of everything."""

from __future__ import annotations

from typing import Any

import pytest

from leadml.card.record import Card

AT = "2026-01-01T00:00:00+00:00"


def make_card(cutoff: int = 5, *, table: bool = False, name: str = "made", **changes: Any) -> Card:
    """Two criteria of 0 to 4 points; drop, nurture from 3, follow up from the cut-off."""
    bands = [("drop", 0, "drop", "no-match"), ("nurture", 3, "nurture", "wait"), ("now", cutoff, "follow up", "ready")]
    totals = [{"points": p, "probability": p / 10, "low": p / 20, "high": p / 8} for p in range(9)]
    keys = ("id", "title", "from", "action", "decision")
    kept = [b for b in bands if b[0] == "now" or b[1] < cutoff]
    document = {
        "schema_version": 2,
        "name": name,
        "kind": "learned" if table else "documented",
        "created_at": AT,
        "criteria": [
            {"id": each, "title": each.title(), "points": [0, 1, 2, 3, 4], "unknown_points": 0,
             "documented_points": [0.0, 1.0, 2.0, 3.0, 4.0]}
            for each in ("need", "budget")
        ],
        "total_max": 8,
        "table": totals if table else [],
        "bands": [dict(zip(keys, (i, i.title(), f, a, d), strict=True)) for i, f, a, d in kept],
        "cutoff": cutoff,
        **changes,
    }  # fmt: skip
    return Card.from_dict(document, verify=False)


@pytest.fixture
def card() -> Card:
    return make_card()
