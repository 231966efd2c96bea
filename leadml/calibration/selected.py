"""Selected labels: rules below whose cut-off leads were hardly followed up, or by choice, cannot be judged
there."""

from __future__ import annotations

import numpy as np

from leadml.calibration.outcomes import Chosen
from leadml.calibration.study import Note, Study
from leadml.data.deals import OPEN, Leads
from leadml.data.selection import Selection, find_selection, find_worked


def find_selected(study: Study, chosen: Chosen) -> tuple[list[Note], frozenset[str]]:
    """Notes, and the rules that cannot be judged for this reason."""
    leads = chosen.considered
    notes: list[Note] = []
    by_hunch: set[str] = set()
    closed = np.asarray(leads.outcome) != OPEN
    if leads.propensity is not None and np.isfinite(leads.propensity).any():
        notes.append(("LML606", {"n": int(np.isfinite(leads.propensity).sum()), "where": "propensity"}))
    for name, rule in study.rules.items():
        if rule.card.unit == "contactable":
            continue
        totals = rule.totals(leads)
        found = find_selection(leads, totals < rule.card.cutoff)
        if found is not None and found.by_hunch:
            if not by_hunch:  # the baseline comes first; the same leads say it of the others
                notes.append(("LML605", _hunch(name, found)))
            by_hunch.add(name)
            continue
        if found is not None and found.known_random:
            continue
        cutoffs = [each.card.cutoff for each in study.rules.values() if _same_score(each.card, rule.card)]
        worked = find_worked(totals, closed & _followed(leads), cutoffs, rule.card.total_max)
        floor = worked.floor_of(rule.card.cutoff)
        if floor:
            by_hunch.add(name)
            n, n_closed = int(worked.n_leads[:floor].sum()), int(worked.n_closed[:floor].sum())
            notes.append(
                ("LML603", {"rule": name, "floor": floor, "n": n, "closed": n_closed, "where": name})
            )
    return notes, frozenset(by_hunch)


def _followed(leads: Leads) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.ones(len(leads), bool) if leads.followed_up is None else leads.followed_up


def _same_score(one: object, other: object) -> bool:
    return (one.framework, one.unit) == (other.framework, other.unit)  # type: ignore[attr-defined]


def _hunch(name: str, found: Selection) -> dict[str, object]:
    worst, _, best = (f"{100 * rate:.0f}" for rate in found.win_rates)
    detail = f"{found.n_worked:,} of {found.n_below:,} leads below the cut-off of {name} were followed up."
    if found.depends_on:
        detail += f" Which ones depends on {', '.join(column for column, _ in found.depends_on[:3])}."
    else:
        detail += " They won more than the answers of the other leads predict."
    return {"detail": detail, "worst": worst, "best": best, "where": name}
