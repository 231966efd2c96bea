"""Final cards, learned from all deals: points, table, bands, cut-off with its interval, provenance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

import leadml
from leadml.calibration.contenders import Fitted, FittedCard
from leadml.calibration.deals import count_by, learning_weight, weight_of
from leadml.calibration.study import Study
from leadml.card.bands import GENERIC, bands_at, edges_by_share
from leadml.card.build import words_of_mapping
from leadml.card.record import Card, CardBand
from leadml.data.deals import Leads
from leadml.evaluation.cutoffs import cutoff_at_cost, cutoff_at_share
from leadml.evaluation.rates import redraw_rates
from leadml.levels import Floats, Ints32
from leadml.result import Data, LearnedCutoff


class DealsByTotal(NamedTuple):
    """All deals by total of a score: how many, how many won, and the value of one if won (v / c) where it varies."""

    n: Floats
    won: Floats
    worth: Floats | None = None


def fit_all(study: Study) -> dict[str, Fitted]:
    """Every contender that may be used, fitted to all deals."""
    own = [each for each in study.contenders.values() if each.kind != "comparison"]
    return {each.id: each.fit(study.all_for(each)) for each in own}


def count_totals(study: Study, deals: Leads, at: Ints32, total_max: int) -> DealsByTotal:
    """Count deals by total (`at`)."""
    (won, n), given = count_by(deals, at, total_max), study.consequences
    worth = None if given.margin is None else given.worth_in(deals)
    if worth is None:  # a won deal is worth the same whatever its total
        return DealsByTotal(n, won)
    weight = learning_weight(deals)
    value = weight * worth(deals)
    mean = np.full(len(n), value.sum() / weight.sum())
    return DealsByTotal(n, won, np.divide(np.bincount(at, value, len(n)), n, out=mean, where=n > 0))


def find_cutoff(study: Study, totals: DealsByTotal, main: FittedCard | None = None) -> LearnedCutoff:
    """Cut-off of a score from the consequences, else at the workload of the `main` rule, with its interval."""
    given, share = study.consequences, 0.5
    if given.share is not None:
        return cutoff_at_share(totals.n, given.share)
    if given.basis == "workload":  # where the ranking passes it the cut-off goes to the nearer side of a total
        if main is not None:
            deals = study.by_pattern[main.card.framework]
            followed = float(np.average(np.asarray(main.predict(deals).decision), weights=weight_of(deals)))
            share = followed if 0.0 < followed < 1.0 else share
        above = np.cumsum(totals.n[::-1])[::-1] / totals.n.sum()
        at = int(np.flatnonzero(above >= share - 1e-12)[-1])
        return cutoff_at_share(totals.n, share + 0.5 * float(totals.n[at] / totals.n.sum()), "workload")
    rates = redraw_rates(totals.won, totals.n, random_state=study.settings.random_state)
    if totals.worth is not None:  # P(won) * v / c >= 1
        return cutoff_at_cost(rates * totals.worth, totals.n, 1.0)
    return cutoff_at_cost(rates, totals.n, given.threshold)


def draft_cards(study: Study, fitted: Mapping[str, Fitted], data: Data) -> dict[str, FittedCard]:
    """Every card by contender: documented rules, documented scores with learned chances, learned points."""
    drafts = dict(study.rules)
    for name, each in fitted.items():
        if name in drafts or not isinstance(each, FittedCard):
            continue
        if each.card.total_max or study.contenders[name].kind != "wide":
            drafts[name] = draft_card(study, name, each, data)
    return drafts


def draft_card(study: Study, name: str, fitted: FittedCard, data: Data) -> FittedCard:
    """Put cut-off, bands, words and provenance to points and what each total means.

    The workload is that of the baseline; in another framework than its own, of the rule with most bands if it has one.
    """
    contender, mapping, document = study.contenders[name], study.deals.mapping, fitted.card.to_dict()
    own = [rule for rule in study.rules.values() if rule.card.framework == contender.framework is not None]
    richest = max(own, key=lambda rule: len(rule.card.bands), default=None)
    baseline = study.rules.get(str(study.baseline))
    main = baseline if baseline in own else richest or baseline
    deals = study.deals if contender.by_row else study.by_pattern[contender.framework]
    at = fitted.totals(deals)
    found = find_cutoff(study, count_totals(study, deals, at, fitted.card.total_max), main)
    cutoff = int(found.value or 0)
    bands = make_bands(study, richest, deals, at, fitted.card, cutoff)
    words = words_of_mapping(mapping)
    document |= {
        "name": f"{data.name}-{name}",
        "criteria": [{**each, "words": words.get(each["id"], {})} for each in document["criteria"]],
        "cutoff": cutoff,
        "bands": [each.model_dump(by_alias=True) for each in bands],
        "created_at": study.settings.as_of or data.as_of or "1970-01-01",
        "provenance": {
            "data_digest": data.digest,
            **({} if mapping is None else mapping.readings(each["id"] for each in document["criteria"])),
            **data.model_dump(include={"mapping_digest", "n_won", "n_lost", "as_of"}),
            "baseline": study.baseline,
            "random_state": study.settings.random_state,
            "mlflow_run_id": None,
            "leadml_version": leadml.__version__,
        },
    }
    return dataclasses.replace(fitted, card=Card.from_dict(document, name, verify=False), cutoff=found)


def make_bands(
    study: Study, rule: FittedCard | None, deals: Leads, at: Ints32, card: Card, cutoff: int
) -> tuple[CardBand, ...]:
    """Bands of a card: as many leads in each as those of a documented rule hold, or from edges of P(won)."""
    settings, total_max = study.settings.bands, card.total_max
    if settings.by != "shares":
        scale = 1.0 if settings.by == "probability" else study.consequences.pays_from(study.deals) or 1.0
        edges = [0, *np.searchsorted(card.lookup.probabilities, np.array(settings.edges) * scale).tolist()]
        return bands_at(GENERIC[len(edges) - 2], edges, cutoff, total_max)
    if rule is None:
        return bands_at(GENERIC[0], [0, cutoff], cutoff, total_max)
    starts = [band.from_ for band in rule.card.bands]
    edges = edges_by_share(rule.totals(deals), at, starts, weight_of(deals))
    return bands_at(rule.card.bands, edges, cutoff, total_max)
