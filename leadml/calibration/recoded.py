"""The other coding of outcomes: open deals that are overdue count as lost, and the baseline is judged once
more."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from leadml.calibration.blocks import make_blocks
from leadml.calibration.comparison import hold_out
from leadml.calibration.contenders import FittedCard
from leadml.calibration.outcomes import Chosen
from leadml.calibration.rules import Facts, find_posteriors, judge_rules
from leadml.calibration.run import make_study
from leadml.calibration.study import Note, Study
from leadml.data.deals import Leads
from leadml.evaluation.metrics import HeldOut
from leadml.result import PolicyResult


def judge_recoded(
    study: Study, chosen: Chosen, leads: Leads, policies: tuple[PolicyResult, ...]
) -> list[Note]:
    """LML602: what the verdict on the baseline is with overdue deals counted as lost; none where there are
    none."""
    own = next((each for each in policies if each.id == study.baseline), None)
    view = study.view_of(None if own is None else own.framework)
    if chosen.overdue is None or own is None or view is None or own.verdict == "cannot-judge":
        return []
    fewer = study.settings.model_copy(
        update={"contenders": (), "wide": False, "policies": (own.id,), "baseline": own.id}
    )
    recoded = dataclasses.replace(chosen, deals=chosen.overdue)
    other = make_study(leads, recoded, fewer, [view.framework])
    other, blocks, _ = make_blocks(other)
    log, _ = hold_out(other, blocks)
    fitted = {each.id: each.fit(other.deals) for each in other.contenders}
    cards = {str(view.id): each for each in fitted.values() if isinstance(each, FittedCard)}
    facts = Facts(other, log, HeldOut(log), cards, find_posteriors(other))
    verdict = next(each.verdict for each in judge_rules(facts) if each.id == own.id)
    rates: list[Any] = [float(np.mean(np.asarray(d.outcome) == 1)) for d in (chosen.deals, chosen.overdue)]
    values = {
        "n": len(chosen.overdue) - len(chosen.deals),
        "before": rates[0],
        "after": rates[1],
        "rule": own.id,
    }
    values |= {"verdict": own.verdict, "other": verdict, "where": own.id}
    moves = "stays" if verdict == own.verdict else f"changes from {own.verdict} to {verdict}"
    return [("LML602", {**values, "moves": moves, "severity": "note" if moves == "stays" else "warn"})]
