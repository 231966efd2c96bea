"""Final cards, learned from all deals: points, table, bands, cut-off with its interval, provenance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import leadml
from leadml.calibration.classifiers import WideRule
from leadml.calibration.contenders import DocumentedRule, FittedCard, Points, PointsOf, Totals, TotalTable
from leadml.calibration.study import Study
from leadml.calibration.views import Floats, View, learning_weight, weight_of, won_of
from leadml.evaluation.cutoffs import cutoff_at_cost, cutoff_at_share, redraw_rates
from leadml.result import Data, LearnedCutoff

if TYPE_CHECKING:
    from leadml.card.record import Card


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
    """Every contender that may be used fitted to all deals; wide classifiers to those compared."""
    return {
        each.id: each.fit(study.compared if each.kind in ("context", "custom", "wide") else study.deals)
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
    return cutoff_at_cost(rates, totals.n, None if given.basis == "break-even" else given.ratio)


def resolution(totals: DealsByTotal, share: float) -> float:
    """Share of leads at the total where the ranking passes a workload: a cut-off goes to the nearer side."""
    above = np.cumsum(totals.n[::-1])[::-1] / totals.n.sum()
    at = int(np.flatnonzero(above >= share - 1e-12)[-1]) if share > 0 else len(above) - 1
    return float(totals.n[at] / totals.n.sum())


def draft_cards(study: Study, fitted: Mapping[str, Any], data: Data) -> dict[str, Draft]:
    """Every card by contender: documented rules, documented scores with learned chances, learned points."""
    created = study.settings.as_of or data.as_of or "1970-01-01"
    drafts = {name: Draft(rule.card) for name, rule in study.rules.items()}
    for name, own in fitted.items():
        table = own.table if isinstance(own, FittedCard) else own
        if isinstance(table, TotalTable) and (learned := learned_points(study, own, table.rule)):
            drafts[name] = make_draft(study, name, learned, table, data, created)
    return drafts


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """Points of a card's criteria (k, 6), documented ones beside them, and the line behind the table."""

    view: View | None
    points: npt.NDArray[Any]
    documented: Floats
    base: float | None = None
    slope: float | None = None
    attributes: tuple[Any, ...] = ()


def learned_points(study: Study, own: Any, rule: Points) -> Learned | None:
    """What a card holds: learned whole points, documented ones, or criteria with attributes (None without)."""
    from leadml.estimators.wide import card_attributes

    if isinstance(rule, PointsOf):
        view, whole = rule.view, own.whole
        return Learned(view, rule.points, view.documented, whole.base + own.table.shift, whole.slope)
    if isinstance(rule, DocumentedRule):
        known = study.view_of(rule.framework)
        if known is None:
            raise KeyError(rule.framework)
        rows = {each.id: [*each.points, each.unknown_points] for each in rule.card.criteria}
        ids = tuple(each for each in known.framework.criterion_ids if each in rows)
        points = np.array([rows[each] for each in ids])
        # the document counts unmapped criteria, as unknown
        return Learned(dataclasses.replace(known, mapped=ids), points, points[:, :5].astype(float))
    if not isinstance(rule, WideRule) or not rule.fit.attributes:
        return None
    documented = np.empty((0, 5)) if rule.view is None else rule.view.documented
    attributes = card_attributes(rule.fit.attributes, rule.points)
    points = np.asarray(rule.points.criteria).reshape(-1, 6)
    return Learned(rule.view, points, documented, attributes=attributes)


def make_draft(study: Study, name: str, learned: Learned, table: TotalTable, data: Data, created: str) -> Draft:
    """Put cut-off, bands, words and provenance to learned points."""
    from leadml.card.build import LearnedPoints, learned_card
    from leadml.card.questions import words_of_mapping

    view, deals = learned.view, study.deals
    at = table.rule.totals(deals)
    totals = count_totals(study, at, len(table.probability) - 1)
    cutoff = find_cutoff(study, totals, workload(study, view))
    first = int(cutoff.value or 0)
    card = learned_card(
        f"{data.name}-{name}",
        None if view is None else view.framework,
        LearnedPoints(
            () if view is None else view.mapped,
            learned.points,
            learned.documented,
            table.probability,
            table.low,
            table.high,
            learned.base,
            learned.slope,
            learned.attributes,
        ),
        cutoff=first,
        bands=make_bands(study, view, at, table, first),
        created_at=created,
        words=None if deals.mapping is None else words_of_mapping(deals.mapping),
        provenance=provenance(data, study),
    )
    return Draft(card, cutoff)


def provenance(data: Data, study: Study) -> dict[str, Any]:
    """Where a card comes from."""
    told = data.model_dump(include={"mapping_digest", "n_won", "n_lost", "as_of"})
    return {
        "data_digest": data.digest,
        **told,
        "baseline": study.baseline,
        "random_state": study.settings.random_state,
        "mlflow_run_id": None,
        "leadml_version": leadml.__version__,
    }


def main_rule(study: Study, view: View | None) -> DocumentedRule | None:
    """The rule whose workload a framework's card takes: the baseline, else the one with most bands."""
    baseline = study.rules.get(str(study.baseline))
    if baseline is not None and view is not None and baseline.framework == view.id:
        return baseline
    return richest_rule(study, view)


def richest_rule(study: Study, view: View | None) -> DocumentedRule | None:
    """The rule of a framework with most bands."""
    own = [rule for rule in study.rules.values() if view is not None and rule.framework == view.id]
    return max(own, key=lambda rule: len(rule.card.bands), default=None)


def workload(study: Study, view: View | None) -> float:
    """Share of all deals that the framework's main rule follows up; half where there is no choice in it."""
    rule = main_rule(study, view) or study.rules.get(str(study.baseline))
    if rule is None:
        return 0.5
    decision = np.asarray(rule.predict(study.deals).decision)
    share = float(np.average(decision, weights=weight_of(study.deals)))
    return share if 0.0 < share < 1.0 else 0.5


def make_bands(study: Study, view: View | None, at: Totals, table: TotalTable, cutoff: int) -> tuple[Any, ...]:
    """Bands of a card: as many leads in each as the documented ones hold, or from edges of P(won)."""
    from leadml.card.build import bands_at, edges_by_share

    settings, total_max = study.settings.bands, len(table.probability) - 1
    if settings.by != "shares":
        scale = 1.0 if settings.by == "probability" else study.consequences.ratio or 1.0
        rising = np.maximum.accumulate(table.probability)
        edges = [0, *(int(np.searchsorted(rising, edge * scale)) for edge in settings.edges)]
        return bands_at(generic_bands(len(edges)), edges, cutoff, total_max)
    rule = richest_rule(study, view)
    if rule is None:
        return bands_at(generic_bands(2), [0, cutoff], cutoff, total_max)
    starts = [band.from_ for band in rule.card.bands]
    edges = edges_by_share(rule.totals(study.deals), at, starts, weight_of(study.deals))
    return bands_at(rule.card.bands, edges, cutoff, total_max)


def generic_bands(n: int) -> list[Any]:
    """Bands for one to three edges: drop, (nurture,) follow up (, follow up at once)."""
    from leadml.card.record import CardBand

    drop = ("drop", "Below the cut-off", "spend the time elsewhere", "no-match")
    nurture = ("nurture", "Nurture", "nurture", "wait")
    now = ("follow-up", "Follow up", "follow up", "ready")
    first = ("immediate", "Follow up first", "follow up immediately", "ready")
    chosen = {2: (drop, now), 3: (drop, nurture, now), 4: (drop, nurture, now, first)}[n]
    return [
        CardBand.model_validate({"id": i, "title": t, "from": at, "action": a, "decision": d})
        for at, (i, t, a, d) in enumerate(chosen)
    ]
