"""Selected labels (missing not at random): who was followed up, by what, and what can be judged in spite of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import chi2_contingency
from scipy.stats.contingency import crosstab

from leadml.calibration.leaks import bins_of
from leadml.data.deals import OPEN, Leads, Note
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.solver import fit_logistic
from leadml.levels import LEVEL_MAX, UNKNOWN, Codes, Flags, Floats, Ints, Ints32, logistic

if TYPE_CHECKING:
    from leadml.calibration.study import Study

HARDLY = 0.2
"""Leads of a score were hardly worked when closed less than this often, the best-worked score being 1."""
MIN_LEADS = 20
"""Scores are judged in groups of at least so many leads; fewer leads of a kind show no dependence."""
FEW_BELOW = 0.05
"""Fewer leads than this share below a cut-off are not worth asking for."""
ALL_WORKED = 0.95
"""From this share on everything was worked, and nothing was selected."""
_LEVEL = 0.01
_BINS = 4
_Z = 1.88  # one-sided 3%, beside the 1% of the columns


class Selection(NamedTuple):
    """Follow-up below a cut-off; known_random: nearly all have a known chance, so that none was picked."""

    n_below: int
    n_worked: int
    win_rates: tuple[float, float, float]  # if nobody else would have been won, as worked, if everybody else
    depends_on: tuple[str, ...]  # columns that tell who was worked, the surest first
    by_hunch: bool
    known_random: bool


def find_selected(study: Study) -> tuple[list[Note], frozenset[str]]:
    """Rules below whose cut-off leads were hardly followed up, or by choice: they cannot be judged there."""
    leads, rules = study.chosen.considered, [rule for rule in study.rules.values() if rule.card.unit != "contactable"]
    notes: list[Note] = []
    by_hunch: set[str] = set()
    followed = np.asarray(leads.outcome) != OPEN
    if leads.followed_up is not None:
        followed &= leads.followed_up
    if leads.propensity is not None and (n := int(np.isfinite(leads.propensity).sum())):
        notes.append(("LML606", {"n": n, "where": "propensity"}))
    for rule in rules:
        name, card, totals = rule.card.name, rule.card, rule.totals(leads)
        found = find_selection(leads, totals < card.cutoff)
        if found is not None and found.known_random:
            continue
        # what is known to be followed up in part can be shown to be chosen, never to be random
        if found is not None and (found.by_hunch or leads.followed_up is not None):
            if not by_hunch:  # the baseline comes first; the same leads say it of the others
                why = " They won more than the answers of the other leads predict." if found.by_hunch else ""
                why = f" Which ones depends on {', '.join(found.depends_on[:3])}." if found.depends_on else why
                worst, _, best = (round(100 * rate) for rate in found.win_rates)
                values = {"rule": name, "n": found.n_worked, "of": found.n_below, "why": why, "worst": worst}
                notes.append(("LML605", {**values, "best": best, "where": name}))
            by_hunch.add(name)
            continue
        alike = [o.card.cutoff for o in rules if (o.card.framework, o.card.unit) == (card.framework, card.unit)]
        if floor := find_floor(totals, followed, card.cutoff, alike, card.total_max):
            by_hunch.add(name)
            n, n_closed = (int((each & (totals < floor)).sum()) for each in (np.ones(len(leads), bool), followed))
            notes.append(("LML603", {"rule": name, "floor": floor, "n": n, "closed": n_closed, "where": name}))
    return notes, frozenset(by_hunch)


def find_floor(score: Ints | Ints32, closed: Flags, cutoff: int, others: Sequence[int], score_max: int) -> int:
    """Find the lowest cut-off that closed deals can judge (0: every one), from the documented score of every lead.

    With open leads, scores are gone through from the highest down, neighbours together until they hold 20 leads; the
    first group closed less than a fifth as often as the best-worked one ends what can be judged, unless fewer than 5%
    of the leads lie below. In closed deals alone a documented cut-off, a rule's own or one of others that count alike,
    is such an end when hardly any lie below it.

    >>> score = np.repeat([0, 1, 2], 100)
    >>> find_floor(score, score >= 2, 2, [], 2), find_floor(score, np.ones(300, bool), 2, [], 2)
    (2, 0)
    """
    n_leads = np.bincount(score, minlength=score_max + 1)
    below, few = np.concatenate([[0], np.cumsum(n_leads)]), FEW_BELOW * len(score)
    if closed.all():
        known = [k for k in (cutoff, *others) if 0 < k <= score_max and below[k] < min(MIN_LEADS, few)]
        floor = max(known, default=0)
        return floor if cutoff <= floor else 0
    n_closed = np.bincount(score[closed], minlength=score_max + 1)
    lowest, shares = [], []  # of each group, from the highest down
    leads = ended = 0
    for at in range(score_max, -1, -1):
        leads, ended = leads + int(n_leads[at]), ended + int(n_closed[at])
        if leads >= MIN_LEADS:
            lowest.append(at)
            shares.append(ended / leads)
            leads = ended = 0
    is_worked = np.array(shares) >= HARDLY * max(shares, default=0.0)
    hardly = np.flatnonzero(~is_worked & np.logical_or.accumulate(is_worked))
    floor = lowest[hardly[0] - 1] if len(hardly) else 0
    return 0 if below[floor] < few else floor


def find_selection(leads: Leads, below: Flags) -> Selection | None:
    """Look at who was worked below a cut-off, of leads that had the time to close; None: all were, or few lie there."""
    closed = np.asarray(leads.outcome) != OPEN
    worked = closed if leads.followed_up is None else leads.followed_up
    n_below, n_worked = int(below.sum()), int((below & worked).sum())
    if n_below < MIN_LEADS or n_worked >= ALL_WORKED * n_below:
        return None
    done = below & worked & closed
    n_won = int((done & (leads.outcome == 1)).sum())
    rates = (n_won / n_below, n_won / max(int(done.sum()), 1), (n_won + n_below - n_worked) / n_below)
    random = np.zeros(len(leads), bool) if leads.propensity is None else ~np.isnan(leads.propensity)
    depends_on = _dependence(leads, below, worked & ~random)
    picked = bool(depends_on) or excess_wins(leads, ~below & closed, done & ~random) > _Z
    known_random = int((below & worked & random).sum()) >= ALL_WORKED * max(n_worked, 1)
    return Selection(n_below, n_worked, rates, depends_on, picked and not known_random, known_random)


def _dependence(leads: Leads, there: Flags, worked: Flags) -> tuple[str, ...]:
    """Test each mapped column against being worked among the leads `there` (chi-square, Bonferroni)."""
    columns: dict[str, Any] = dict(zip(leads.criteria, leads.codes.T, strict=True))
    columns |= {name: bins_of(column, _BINS) for name, column in {**leads.context, **leads.segments}.items()}
    columns |= {} if leads.contactable is None else {"contactable": leads.contactable}
    p = {}
    for name, column in columns.items():  # rare categories are taken together
        _, at, count = np.unique(column[there], return_inverse=True, return_counts=True)
        table = crosstab(np.where(count[at] < MIN_LEADS, -1, at), worked[there]).count
        p[name] = 1.0 if min(table.shape) < 2 else float(chi2_contingency(table, correction=False).pvalue)
    return tuple(name for name in sorted(p, key=p.__getitem__) if p[name] < _LEVEL / len(p))


def excess_wins(leads: Leads, above: Flags, worked_below: Flags) -> float:
    """Wins below the cut-off beyond what the answers of leads above predict (lines in the levels), as a z score."""
    won = np.asarray(leads.outcome == 1)
    if min(above.sum(), worked_below.sum()) < MIN_LEADS or not 0 < won[above].mean() < 1:
        return 0.0
    upper, lower = (PatternCounts.from_codes(leads.codes[rows], won[rows]) for rows in (above, worked_below))

    def design(codes: Codes) -> Floats:
        unknown = codes == UNKNOWN
        return np.hstack([np.ones((len(codes), 1)), np.where(unknown, 0.0, codes) / LEVEL_MAX, unknown])

    x, k = design(lower.codes), 2 * len(leads.criteria)
    penalty = np.diag([1e-9, *np.full(k, 0.1)])[None]
    fit = fit_logistic(design(upper.codes), upper.won[None], upper.total[None], penalty, tolerance=1e-8)
    p = logistic(x @ fit.theta[0])
    # The variance of the difference: that of the outcomes, and that of the line.
    spread = lower.total * p * (1 - p)
    slope = spread @ x
    variance = float(spread.sum() + slope @ np.linalg.solve(fit.hessian[0], slope))
    return float((lower.won - lower.total * p).sum() / np.sqrt(max(variance, 1e-9)))
