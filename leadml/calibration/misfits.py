"""Misfits of a learned card: criteria that run backwards, turn, or only work together; the free form is offered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadml.calibration.views import Flags, Note, View, count_patterns
from leadml.data.deals import Leads

CODES: Mapping[str, str] = {"reversed": "LML205", "turning": "LML206", "together": "LML207"}
SHARE = 0.3
"""Share of leads followed up at which a misfit is priced."""


def misfit_notes(view: View, deals: Leads, met_level: int) -> list[Note]:
    """Look for misfits of a framework's card on all deals."""
    from leadml.estimators.misfit import find_misfits

    counts = count_patterns(deals, view.mapped)
    notes: list[Note] = []
    for found in find_misfits(counts, view.documented, view.mapped, workload=SHARE, met_level=met_level):
        values: dict[str, Any] = {"cost": found.cost, "where": found.criteria[0]}
        if found.kind == "together":
            told = (found.low, found.best, found.high)
            rates = ", ".join(f"{rate:.0%} where {words}" for words, rate in told)
            values |= {"columns": " and ".join(found.criteria), "detail": f"Deals are won by {rates}."}
        else:
            values |= {"column": found.criteria[0], "low_level": found.low[0], "low_rate": found.low[1]}
            values |= {"high_level": found.high[0], "high_rate": found.high[1], "top_rate": found.high[1]}
            values |= {"best_level": found.best[0], "best_rate": found.best[1]}
        notes.append((CODES[found.kind], values))
    return notes


def turning(view: View, train: Leads, random_state: int) -> Flags:
    """(k,) criteria whose points must be free to turn, as a training set tells."""
    from leadml.estimators.misfit import find_misfits

    counts = count_patterns(train, view.mapped)
    found = find_misfits(counts, view.documented, view.mapped, random_state=random_state)
    names = {each.criteria[0] for each in found if each.kind == "turning"}
    return np.array([name in names for name in view.mapped])
