"""Misfits of a learned card: criteria that run backwards, turn, or only work together; the free form is offered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.calibration.contenders import View, learning_weight, won_of
from leadml.calibration.study import Note
from leadml.data.deals import Leads

CODES: Mapping[str, str] = {"reversed": "LML205", "turning": "LML206", "together": "LML207"}
SHARE = 0.3
"""Share of leads followed up at which a misfit is priced where no rule says otherwise."""


def misfit_notes(view: View, deals: Leads, met_level: int, workload: float = SHARE) -> list[Note]:
    """Look for misfits of a framework's card on all deals."""
    from leadml.estimators.misfit import find_misfits
    from leadml.estimators.patterns import PatternCounts

    counts = PatternCounts.from_codes(view.codes(deals), won_of(deals), learning_weight(deals))
    share = workload if 0.0 < workload < 1.0 else SHARE
    notes: list[Note] = []
    for found in find_misfits(counts, view.documented, view.mapped, workload=share, met_level=met_level):
        values: dict[str, Any] = {"cost": found.cost, "where": found.criteria[0]}
        if found.kind == "together":
            told = (found.low, found.best, found.high)
            rates = ", ".join(f"{rate:.0%} where {words}" for words, rate, _ in told)
            values |= {"columns": " and ".join(found.criteria), "detail": f"Deals are won by {rates}."}
        else:
            values |= {"column": found.criteria[0], "low_level": found.low[0], "low_rate": found.low[1]}
            values |= {"high_level": found.high[0], "high_rate": found.high[1], "top_rate": found.high[1]}
            values |= {"best_level": found.best[0], "best_rate": found.best[1]}
        notes.append((CODES[found.kind], values))
    return notes


def turning(view: View, train: Leads, random_state: int) -> npt.NDArray[np.bool_]:
    """(k,) criteria whose points must be free to turn, as a training set tells."""
    from leadml.estimators.misfit import find_misfits
    from leadml.estimators.patterns import PatternCounts

    counts = PatternCounts.from_codes(view.codes(train), won_of(train), learning_weight(train))
    found = find_misfits(counts, view.documented, view.mapped, random_state=random_state)
    names = {each.criteria[0] for each in found if each.kind == "turning"}
    return np.array([name in names for name in view.mapped])
