"""Final cards, learned from all deals: points, table, bands, cut-off with its interval, provenance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import leadml
from leadml.calibration.classifiers import WideRule
from leadml.calibration.contenders import DocumentedRule, Plain, PointsOf, Totals, TotalTable
from leadml.calibration.study import Study
from leadml.calibration.views import Floats, View, learning_weight, weight_of, won_of
from leadml.card.build import LearnedPoints, bands_at, edges_by_share, learned_card, words_of_mapping
from leadml.card.record import Card, CardBand
from leadml.evaluation.cutoffs import cutoff_at_cost, cutoff_at_share, redraw_rates
from leadml.result import Data, LearnedCutoff

GENERIC = {
    "drop": ("Below the cut-off", "spend the time elsewhere", "no-match"),
    "nurture": ("Nurture", "nurture", "wait"),
    "follow-up": ("Follow up", "follow up", "ready"),
    "immediate": ("Follow up first", "follow up immediately", "ready"),
}
"""Bands where no document names some: title, action, decision; two of them are the first and the third."""


@dataclasses.dataclass(frozen=True, eq=False)
class Draft:
    """A card, and the interval of its cut-off in points."""

    card: Card
    cutoff: LearnedCutoff | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class DealsByTotal:
    """All deals by total of a score: their number, the won ones, and the value of a won deal."""

    n: Floats
    won: Floats
    worth: Floats  # v / c of leads at each total, NaN where no economics are known


def fit_all(study: Study) -> dict[str, Any]:
    """Every contender that may be used fitted to all deals; what makes a row of numbers a deal, to those compared."""
    by_row = ("context", "custom", "wide")
    return {
        each.id: each.fit(study.compared if each.kind in by_row or isinstance(each, Plain) else study.deals)
        for each in study.contenders
        if each.kind != "comparison"
    }


def count_totals(study: Study, at: Totals, total_max: int) -> DealsByTotal:
    """Count all deals by total."""
    deals = study.deals
    weight = learning_weight(deals)
    n = np.bincount(at, weight, minlength=total_max + 1).astype(np.float64)
    won = np.bincount(at, weight * won_of(deals), minlength=total_max + 1).astype(np.float64)
    value = study.consequences.learned_from(deals).value_of(deals)
    worth = np.bincount(at, weight * np.nan_to_num(value), minlength=total_max + 1)
    mean = float(weight @ np.nan_to_num(value) / weight.sum())
    worth = np.divide(worth, n, out=np.full(len(n), mean), where=n > 0)
    return DealsByTotal(n, won, worth if np.isfinite(value).all() else np.full(len(n), np.nan))


def find_cutoff(study: Study, totals: DealsByTotal, share: float) -> LearnedCutoff:
    """Cut-off of a score from the consequences, or at a workload (`share`), with its interval."""
    given = study.consequences
    if given.share is not None:
        return cutoff_at_share(totals.n, given.share)
    if given.basis == "workload":
        return cutoff_at_share(totals.n, share + 0.5 * resolution(totals, share), "workload")
    rates = redraw_rates(totals.won, totals.n, random_state=study.settings.random_state)
    if given.margin is not None:  # worth varies with the total: P(won) * v / c >= 1
        return cutoff_at_cost(rates * totals.worth, totals.n, 1.0)
    return cutoff_at_cost(rates, totals.n, given.threshold)


def resolution(totals: DealsByTotal, share: float) -> float:
    """Share of leads at the total where the ranking passes a workload: a cut-off goes to the nearer side."""
    above = np.cumsum(totals.n[::-1])[::-1] / totals.n.sum()
    at = int(np.flatnonzero(above >= share - 1e-12)[-1]) if share > 0 else len(above) - 1
    return float(totals.n[at] / totals.n.sum())


def draft_cards(study: Study, fitted: Mapping[str, Any], data: Data) -> dict[str, Draft]:
    """Every card by contender: documented rules, documented scores with learned chances, learned points."""
    drafts = {name: Draft(rule.card) for name, rule in study.rules.items()}
    for name, table in fitted.items():
        if isinstance(table, TotalTable) and (learned := learned_points(study, table)):
            drafts[name] = make_draft(study, name, *learned, table, data)
    return drafts


def learned_points(study: Study, table: TotalTable) -> tuple[View | None, LearnedPoints] | None:
    """What a card holds: learned whole points, documented ones, or criteria and attributes (None without either)."""
    from leadml.estimators.wide import card_attributes

    rule, chances = table.rule, (table.probability, table.low, table.high)
    if isinstance(rule, PointsOf):
        view, whole = rule.view, rule.whole
        line = (whole.base + table.shift, whole.slope)
        return view, LearnedPoints(view.mapped, whole.points, view.documented, *chances, *line)
    if isinstance(rule, DocumentedRule):  # the document counts unmapped criteria, as unknown
        own = rule.card.criteria
        points = np.array([[*each.points, each.unknown_points] for each in own])
        ids = tuple(each.id for each in own)
        return study.view_of(rule.framework), LearnedPoints(ids, points, points[:, :5].astype(float), *chances)
    if not isinstance(rule, WideRule) or not rule.total_max:
        return None
    mapped, documented = ((), np.empty((0, 5))) if rule.view is None else (rule.view.mapped, rule.view.documented)
    points = np.asarray(rule.points.criteria).reshape(-1, 6)
    attributes = card_attributes(rule.fit.attributes, rule.points)
    return rule.view, LearnedPoints(mapped, points, documented, *chances, attributes=attributes)


def make_draft(
    study: Study, name: str, view: View | None, learned: LearnedPoints, table: TotalTable, data: Data
) -> Draft:
    """Put cut-off, bands, words and provenance to learned points."""
    at = table.rule.totals(study.deals)
    totals = count_totals(study, at, len(table.probability) - 1)
    cutoff = find_cutoff(study, totals, workload(study, view))
    mapping, told = study.deals.mapping, data.model_dump(include={"mapping_digest", "n_won", "n_lost", "as_of"})
    card = learned_card(
        f"{data.name}-{name}",
        None if view is None else view.framework,
        learned,
        cutoff=int(cutoff.value or 0),
        bands=make_bands(study, view, at, table, int(cutoff.value or 0)),
        created_at=study.settings.as_of or data.as_of or "1970-01-01",
        words=None if mapping is None else words_of_mapping(mapping),
        provenance={
            "data_digest": data.digest,
            **told,
            "baseline": study.baseline,
            "random_state": study.settings.random_state,
            "mlflow_run_id": None,
            "leadml_version": leadml.__version__,
        },
    )
    return Draft(card, cutoff)


def richest_rule(study: Study, view: View | None) -> DocumentedRule | None:
    """The rule of a framework with most bands."""
    own = [rule for rule in study.rules.values() if view is not None and rule.framework == view.id]
    return max(own, key=lambda rule: len(rule.card.bands), default=None)


def workload(study: Study, view: View | None) -> float:
    """Share of all deals that the framework's main rule follows up; half where there is no choice in it.

    The main one is the baseline, else the rule with most bands; a framework without rules takes the baseline's.
    """
    rule = baseline = study.rules.get(str(study.baseline))
    if baseline is None or view is None or baseline.framework != view.id:
        rule = richest_rule(study, view) or baseline
    if rule is None:
        return 0.5
    share = float(np.average(np.asarray(rule.predict(study.deals).decision), weights=weight_of(study.deals)))
    return share if 0.0 < share < 1.0 else 0.5


def make_bands(study: Study, view: View | None, at: Totals, table: TotalTable, cutoff: int) -> tuple[CardBand, ...]:
    """Bands of a card: as many leads in each as the documented ones hold, or from edges of P(won)."""
    settings, total_max = study.settings.bands, len(table.probability) - 1
    rule = richest_rule(study, view)
    if settings.by != "shares":
        pays_from = study.consequences.learned_from(study.deals).threshold
        scale = 1.0 if settings.by == "probability" else pays_from or 1.0
        rising = np.maximum.accumulate(table.probability)
        edges = [0, *(int(np.searchsorted(rising, edge * scale)) for edge in settings.edges)]
        return bands_at(generic_bands(len(edges)), edges, cutoff, total_max)
    if rule is None:
        return bands_at(generic_bands(2), [0, cutoff], cutoff, total_max)
    starts = [band.from_ for band in rule.card.bands]
    edges = edges_by_share(rule.totals(study.deals), at, starts, weight_of(study.deals))
    return bands_at(rule.card.bands, edges, cutoff, total_max)


def generic_bands(n: int) -> Sequence[CardBand]:
    """Bands for one to three edges: drop, (nurture,) follow up (, follow up at once)."""
    chosen = [name for name in list(GENERIC)[: max(n, 3)] if n > 2 or name != "nurture"]
    told = (dict(zip(("title", "action", "decision"), GENERIC[name], strict=True)) for name in chosen)
    return [
        CardBand.model_validate({"id": name, "from": at, **each})
        for at, (name, each) in enumerate(zip(chosen, told, strict=True))
    ]
