"""Notes for findings: on the data (leaks, late answers, selection, twins) and on the result itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from leadml.calibration.check import constant_note
from leadml.calibration.contenders import FittedCard
from leadml.calibration.outcomes import Chosen
from leadml.calibration.rules import max_reach
from leadml.calibration.selected import find_selected
from leadml.calibration.study import Note, Study
from leadml.data.deals import Leads
from leadml.data.late_answers import find_late_answers
from leadml.data.leaks import find_leak_signs
from leadml.evaluation.metrics import Measures
from leadml.levels import UNKNOWN
from leadml.result import Contender, PolicyResult, Recommended

HARDLY_VARIES = 0.85
"""Share of known levels at one level."""
FEW_DEALS = 300
LEAST_INTERCEPT = 0.25
"""Log-odds by which predictions must be off on average, beyond their interval, to be worth telling."""
SURE = 0.05


def data_notes(study: Study, chosen: Chosen, leads: Leads) -> tuple[list[Note], frozenset[str]]:
    """Notes on the data, and the rules whose cut-off the deals cannot judge, since leads were selected."""
    notes: list[Note] = [(code, dict(values)) for code, values in leads.notes]
    notes += _criteria(study)
    late = find_late_answers(leads).note()
    notes += [] if late is None else [late]
    notes += [sign.note() for sign in find_leak_signs(leads)]
    selected, by_hunch = find_selected(study, chosen)
    notes += selected
    if len(study.deals) < FEW_DEALS:
        notes.append(("LML204", {"n": len(study.deals), "where": "data"}))
    return notes, by_hunch


def _criteria(study: Study) -> list[Note]:
    """Criteria that are missing, constant or hardly vary."""
    notes: list[Note] = []
    deals = study.deals
    for view in study.views:
        missing = [name for name in view.framework.criterion_ids if name not in view.mapped]
        if missing:
            values = {
                "framework": view.framework.title,
                "n": len(view.mapped),
                "columns": missing,
                "where": view.id,
            }
            notes.append(("LML201", {**values, "k": len(view.framework.criteria)}))
    for at, name in enumerate(deals.criteria):
        counts = np.bincount(deals.codes[:, at], minlength=UNKNOWN + 1)[:UNKNOWN]
        known = int(counts.sum())
        if constant := constant_note(name, counts):
            notes.append(constant)
        elif counts.max() / known >= HARDLY_VARIES:
            values = {"column": name, "share": counts.max() / known, "level": int(counts.argmax())}
            notes.append(("LML203", values))
    return notes


def result_notes(
    study: Study,
    policies: Sequence[PolicyResult],
    contenders: Sequence[Contender],
    measures: Mapping[str, Measures],
    fitted: Mapping[str, Any],
    recommended: Recommended,
) -> list[Note]:
    """What a calibration has to say about its own result."""
    notes = _on_rules(study, policies)
    for view in study.learnable:
        card = fitted.get(f"{view.id}-integer")
        if isinstance(card, FittedCard):
            points = np.asarray(card.whole.points)
            silent = [name for name, row in zip(view.mapped, points, strict=True) if not row[:UNKNOWN].any()]
            if silent:
                notes.append(
                    ("LML202", {"framework": view.framework.title, "columns": silent, "where": view.id})
                )
    if not beat_prior(measures):
        notes.append(("LML301", {"best": _best(contenders), "where": "contenders"}))
    notes += _context_knows_more(contenders)
    own = next((c for c in contenders if c.id == recommended.contender), None)
    off = None if own is None else own.calibration_intercept
    if own is not None and off is not None and off.value is not None and abs(off.value) >= LEAST_INTERCEPT:
        low, high = off.low or 0.0, off.high or 0.0
        if not low <= 0 <= high:
            values = {"direction": "more" if off.value > 0 else "less", "contender": own.id, "where": own.id}
            notes.append(("LML405", {**values, "value": off.value, "low": low, "high": high}))
    return notes


def _on_rules(study: Study, policies: Sequence[PolicyResult]) -> list[Note]:
    notes: list[Note] = []
    for each in policies:
        rule, view = study.rules[each.id], study.view_of(each.framework)
        reach = max_reach(rule, view)
        if view is not None and reach < each.documented_cutoff:
            missing = [name for name in view.framework.criterion_ids if name not in view.mapped]
            values = {
                "rule": each.id,
                "n": len(view.mapped),
                "k": len(view.framework.criteria),
                "reach": reach,
            }
            values |= {"severity": "warn" if each.id == study.baseline else "note"}
            values |= {"cutoff": each.documented_cutoff, "columns": missing, "where": each.id}
            notes.append(("LML307", values))
        elif each.because.startswith(("It follows up every", "It follows up no")):
            every = "every" in each.because
            values = {"rule": each.id, "whom": "every lead" if every else "no lead", "share": float(every)}
            notes.append(("LML303", {**values, "n": len(study.compared), "where": each.id}))
    return notes


def beat_prior(measures: Mapping[str, Measures]) -> list[str]:
    """Contenders that are shown to predict better than the base rate (paired log loss, Holm)."""
    from leadml.evaluation.bootstrap import holm

    prior = measures["prior"].log_loss
    rivals = {k: m.log_loss for k, m in measures.items() if k != "prior" and m.log_loss is not None}
    if prior is None or not rivals:
        return []
    p = holm([(prior - each).p_not_above() for each in rivals.values()])
    return [name for name, each in zip(rivals, p, strict=True) if each < SURE]


def _best(contenders: Sequence[Contender]) -> str:
    told = [c for c in contenders if c.kind != "prior" and c.auc is not None and c.auc.value is not None]
    if not told:
        return ""
    best = max(told, key=lambda c: c.auc.value)  # type: ignore[union-attr,return-value,arg-type]
    auc = best.auc
    return (
        f": the best ranking has an AUC of {auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})" if auc else ""
    )


def _context_knows_more(contenders: Sequence[Contender]) -> list[Note]:
    cards = [c for c in contenders if c.card is not None and c.kind == "learned" and c.auc is not None]
    wide = [c for c in contenders if c.kind in ("context", "custom", "wide") and c.auc is not None]
    if not cards or not wide:
        return []
    card = max(cards, key=lambda c: c.auc.value or 0.0)  # type: ignore[union-attr]
    best = max(wide, key=lambda c: c.auc.value or 0.0)  # type: ignore[union-attr]
    if card.auc is None or best.auc is None or (best.auc.low or 0.0) <= (card.auc.high or 1.0):
        return []
    values = {"contender": best.title, "auc": best.auc.value, "card_auc": card.auc.value, "where": best.id}
    return [("LML302", values)]
