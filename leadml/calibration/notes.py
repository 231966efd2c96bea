"""Notes for findings: on the data (leaks, late answers, selected leads) and on the result itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from leadml.calibration.cards import Draft
from leadml.calibration.check import constant_note
from leadml.calibration.contenders import DocumentedRule, TotalTable, logit
from leadml.calibration.facts import Posterior
from leadml.calibration.outcomes import Chosen
from leadml.calibration.study import Study, reach
from leadml.calibration.views import Note, won_of
from leadml.data.deals import OPEN, Leads
from leadml.data.leaks import leak_notes
from leadml.data.selection import Selection, find_selection, find_worked
from leadml.evaluation.bootstrap import holm
from leadml.evaluation.metrics import Measures, highest
from leadml.levels import UNKNOWN
from leadml.result import Contender, PolicyResult, Recommended

HARDLY_VARIES = 0.85
"""Share of known levels at one level."""
FEW_DEALS = 300
LEAST_COST = 0.5
"""Wins of 100 leads followed up that are worth telling."""
LEAKS = ("LML121", "LML101", "LML102", "LML111", "LML113")
"""Findings that doubt whether a column was known when the lead came in."""
LEAST_INTERCEPT = 0.25
"""Log-odds by which predictions must be off on average, beyond their interval, to be worth telling."""
SURE = 0.02
LEAST_UNKNOWN = 0.02
"""Share of answers that must be unknown for the price of counting them as 0 to be looked at."""


def data_notes(study: Study, chosen: Chosen, leads: Leads) -> tuple[list[Note], frozenset[str]]:
    """Notes on the data, and the rules whose cut-off the deals cannot judge, since leads were selected."""
    selected, by_hunch = find_selected(study, chosen)
    read = [(code, dict(values)) for code, values in leads.notes]
    notes: list[Note] = [*read, *_criteria(study), *leak_notes(leads), *selected]
    if len(study.deals) < FEW_DEALS:
        notes.append(("LML204", {"n": len(study.deals), "where": "data"}))
    return notes, by_hunch


def doubt_of(notes: Sequence[Note], study: Study, draft: Draft | None) -> str:
    """Say which columns of a card may tell how a deal went, and where that is told; "" for none."""
    mapped = {} if study.deals.mapping is None else study.deals.mapping.criteria
    held = [] if draft is None else [a.column for a in draft.card.attributes]
    held += [] if draft is None else [mapped[c.id].column for c in draft.card.criteria if c.id in mapped]
    told = [(code, values.get("columns", [values.get("column")])) for code, values in notes if code in LEAKS]
    found = {column: code for code, columns in reversed(told) for column in held if column in columns}
    if not found:
        return ""
    return f"It holds {', '.join(found)}: known when the lead came in? See {', '.join(sorted({*found.values()}))}."


def _criteria(study: Study) -> list[Note]:
    """Criteria that are missing, constant or hardly vary."""
    notes: list[Note] = []
    for view in study.views:
        if view.missing:
            values = {"framework": view.framework.title, "n": len(view.mapped), "columns": view.missing}
            notes.append(("LML201", {**values, "k": len(view.framework.criteria), "where": view.id}))
    for name, codes in zip(study.deals.criteria, study.deals.codes.T, strict=True):
        counts = np.bincount(codes, minlength=UNKNOWN + 1)[:UNKNOWN]
        if constant := constant_note(name, counts):
            notes.append(constant)
        elif (share := counts.max() / int(counts.sum())) >= HARDLY_VARIES:
            notes.append(("LML203", {"column": name, "share": share, "level": int(counts.argmax())}))
    return notes


def find_selected(study: Study, chosen: Chosen) -> tuple[list[Note], frozenset[str]]:
    """Rules below whose cut-off leads were hardly followed up, or by choice: they cannot be judged there."""
    leads = chosen.considered
    notes: list[Note] = []
    by_hunch: set[str] = set()
    closed = np.asarray(leads.outcome) != OPEN
    followed = closed if leads.followed_up is None else closed & leads.followed_up
    if leads.propensity is not None and np.isfinite(leads.propensity).any():
        notes.append(("LML606", {"n": int(np.isfinite(leads.propensity).sum()), "where": "propensity"}))
    for name, rule in study.rules.items():
        card = rule.card
        if card.unit == "contactable":
            continue
        totals = rule.totals(leads)
        found = find_selection(leads, totals < card.cutoff)
        # what is known to be followed up in part can be shown to be chosen, never to be random
        chosen_by_hand = leads.followed_up is not None and found is not None and not found.known_random
        if found is not None and (found.by_hunch or chosen_by_hand):
            if not by_hunch:  # the baseline comes first; the same leads say it of the others
                notes.append(("LML605", _hunch(name, found)))
            by_hunch.add(name)
            continue
        if found is not None and found.known_random:
            continue
        cutoffs = [
            other.card.cutoff
            for other in study.rules.values()
            if (other.card.framework, other.card.unit) == (card.framework, card.unit)
        ]
        worked = find_worked(totals, followed, cutoffs, card.total_max)
        floor = worked.floor_of(card.cutoff)
        if floor:
            by_hunch.add(name)
            n, n_closed = int(worked.n_leads[:floor].sum()), int(worked.n_closed[:floor].sum())
            values = {"rule": name, "floor": floor, "n": n, "closed": n_closed, "where": name}
            notes.append(("LML603", values))
    return notes, frozenset(by_hunch)


def _hunch(name: str, found: Selection) -> dict[str, object]:
    worst, _, best = (f"{100 * rate:.0f}" for rate in found.win_rates)
    detail = f"{found.n_worked:,} of {found.n_below:,} leads below the cut-off of {name} were followed up."
    if found.depends_on:
        detail += f" Which ones depends on {', '.join(column for column, _ in found.depends_on[:3])}."
    elif found.by_hunch:
        detail += " They won more than the answers of the other leads predict."
    return {"detail": detail, "worst": worst, "best": best, "where": name}


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
        if isinstance(card, TotalTable):
            silent = [name for name, row in zip(view.mapped, card.rule.rows, strict=True) if not row[:UNKNOWN].any()]
            if silent:
                values = {"framework": view.framework.title, "columns": silent, "where": view.id}
                notes.append(("LML202", values))
    ranked = [c for c in contenders if c.kind not in ("prior", "comparison") and c.auc is not None]
    if not beat_prior({c.id: measures[c.id] for c in contenders if c.kind != "comparison"}):
        notes.append(("LML301", {"best": _best(ranked), "where": "contenders"}))
    notes += _context_knows_more(contenders)
    own = next((c for c in contenders if c.id == recommended.contender), None)
    off = None if own is None else own.calibration_intercept
    if own is not None and off is not None and off.value is not None and abs(off.value) >= LEAST_INTERCEPT:
        late, wider = made_early(study)
        low, high = (off.value + wider * ((end or 0.0) - off.value) for end in (off.low, off.high))
        if not low <= late <= high:
            values = {"direction": "more" if off.value > late else "less", "contender": own.id, "where": own.id}
            notes.append(("LML405", {**values, "value": off.value, "low": low, "high": high, "late": late}))
    return notes


def made_early(study: Study) -> tuple[float, float]:
    """Log-odds that held-out predictions lack for deals that closed late, and how much their own error widens.

    While nothing changed, a deal's surprise counts once where it is held out, and against each later block that
    learned from it: with 1 - sum of n_test / n_train over these blocks, in place of 1.
    """
    deals = study.compared
    won, late, learned, square, n = won_of(deals), 0.0, 0.0, 0.0, 0
    for held in reversed(study.blocks if study.timed else ()):
        if deals.created is not None:
            before = np.flatnonzero(deals.created < deals.created[held.test].min())
            late += len(held.test) * float(logit(won[before].mean()) - logit(won[held.train].mean()))
        square += len(held.test) * (1.0 - learned) ** 2
        learned += len(held.test) / len(held.train)
        n += len(held.test)
    if not n:
        return 0.0, 1.0
    return late / n, float(np.sqrt((square + len(study.blocks[0].train) * learned**2) / n))


def _on_rules(study: Study, policies: Sequence[PolicyResult]) -> list[Note]:
    """Rules whose cut-off cannot be reached, or that follow up everyone or no one."""
    notes: list[Note] = []
    for each in policies:
        view = study.view_of(each.framework)
        most = reach(study.rules[each.id], study.deals.criteria)
        if view is not None and most < each.documented_cutoff:
            values = {"rule": each.id, "n": len(view.mapped), "k": len(view.framework.criteria), "reach": most}
            values |= {"severity": "warn" if each.id == study.baseline else "note"}
            values |= {"cutoff": each.documented_cutoff, "columns": view.missing, "where": each.id}
            notes.append(("LML307", values))
        elif each.because.startswith(("It follows up every", "It follows up no")):
            every = "every" in each.because
            values = {"rule": each.id, "whom": "every lead" if every else "no lead", "share": float(every)}
            notes.append(("LML303", {**values, "n": len(study.compared), "where": each.id}))
    return notes


def beat_prior(measures: Mapping[str, Measures]) -> list[str]:
    """Contenders shown to predict better than the base rate, or to rank better than lots (Holm over both)."""
    prior, p = measures["prior"].log_loss, {}
    for name, each in measures.items():
        if name != "prior" and prior is not None and each.log_loss is not None:
            p[name, "predicts"] = (prior - each.log_loss).p_not_above()
        if name != "prior" and each.auc is not None:
            p[name, "ranks"] = each.auc.p_not_above(0.5)
    return sorted({name for (name, _), adjusted in zip(p, holm(list(p.values())), strict=True) if adjusted < SURE})


def _auc(contender: Contender) -> float:
    return 0.0 if contender.auc is None else contender.auc.value or 0.0


def _best(ranked: Sequence[Contender]) -> str:
    best = max(ranked, key=_auc, default=None)
    if best is None or best.auc is None:
        return ""
    low, high = best.auc.low or 0.0, best.auc.high or 1.0
    return f": the best ranking has an AUC of {_auc(best):.2f} ({low:.2f} to {high:.2f})"


def _context_knows_more(contenders: Sequence[Contender]) -> list[Note]:
    """LML302, where a classifier that reads more columns ranks better than every card."""
    ranked = [c for c in contenders if c.auc is not None]
    card = max((c for c in ranked if c.card and c.kind == "learned"), key=_auc, default=None)
    best = max((c for c in ranked if c.kind in ("context", "custom", "wide")), key=_auc, default=None)
    if card is None or best is None or card.auc is None or best.auc is None:
        return []
    if (best.auc.low or 0.0) <= (card.auc.high or 1.0):
        return []
    values = {"contender": best.title, "auc": best.auc.value, "card_auc": card.auc.value, "where": best.id}
    return [("LML302", values)]


def price_unknown(rule: DocumentedRule, known: Posterior) -> list[Note]:
    """LML208: what counting unknown as 0 costs, beside the same points with unknown at the average known level."""
    codes, population = known.leads.codes, known.population
    unknown = codes == UNKNOWN
    if float(population @ unknown.mean(axis=1)) < LEAST_UNKNOWN * population.sum():
        return []
    points = {each.id: np.array(each.points, dtype=np.float64) for each in rule.card.criteria}
    score = np.zeros(len(codes))
    for column, name in zip(codes.T, known.leads.criteria, strict=True):
        own, seen = points[name], column != UNKNOWN
        mean = float(np.average(own[column[seen]], weights=population[seen])) if seen.any() else 0.0
        score += np.where(seen, own[np.minimum(column, UNKNOWN - 1)], mean)
    decision = np.asarray(rule.predict(known.leads).decision)
    followed = float(population @ decision)
    if not 0.0 < followed < population.sum():
        return []
    other = highest(np.round(score, 9), followed / population.sum(), population)
    won, won_other = (known.draws @ (population * each) / followed * 100 for each in (decision, other))
    cost = float((won_other - won).mean())
    if np.quantile(won_other - won, 0.05) <= 0 or cost < LEAST_COST:
        return []
    own_wins = float(won.mean())
    values = {"rule": rule.id, "own": own_wins, "other": own_wins + cost, "cost": cost, "where": rule.id}
    return [("LML208", values)]
