"""Final cards, learned from all deals: points, table, bands, cut-off with its interval, provenance."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import leadml
from leadml.calibration.contenders import Contender, Fitted, FittedCard
from leadml.calibration.deals import count_by, learning_weight, weight_of
from leadml.calibration.study import Study
from leadml.card.bands import GENERIC, bands_at, edges_by_share
from leadml.card.build import words_of_mapping
from leadml.card.record import Card
from leadml.data.deals import Leads
from leadml.evaluation.cutoffs import cutoff_at_cost, cutoff_at_share
from leadml.evaluation.rates import redraw_rates
from leadml.levels import Ints32
from leadml.result import Data, LearnedCutoff


def fit_all(study: Study, data: Data) -> dict[str, Fitted]:
    """Every contender that may be used, fitted to all deals; but for a wide card on which nothing earns a point."""
    fitted: dict[str, Fitted] = {}
    for name, contender in study.contenders.items():
        if contender.kind == "comparison":
            continue
        deals = study.compared if contender.by_row else study.deals  # one by one where time counts
        if not contender.by_row and not study.dated:
            deals = study.by_pattern[contender.framework]
        found = contender.fit(deals, study.timing)
        if isinstance(found, FittedCard) and name not in study.rules:
            if contender.kind == "wide" and not found.card.total_max:
                continue
            found = finish_card(study, contender, found, data)
        fitted[name] = found
    return fitted


def find_cutoff(
    study: Study, deals: Leads, at: Ints32, total_max: int, main: FittedCard | None = None
) -> LearnedCutoff:
    """Cut-off of a score (`at`) from the consequences, else at the workload of the `main` rule, with its interval."""
    (won, n), given, share = count_by(deals, at, total_max), study.consequences, 0.5
    if given.share is not None:
        return cutoff_at_share(n, given.share)
    if given.basis == "workload":  # where the ranking passes it the cut-off goes to the nearer side of a total
        if main is not None:
            all_deals = study.by_pattern[main.card.framework]
            followed = float(np.average(main.predict(all_deals).decision, weights=weight_of(all_deals)))
            share = followed if 0.0 < followed < 1.0 else share
        above = np.cumsum(n[::-1])[::-1] / n.sum()
        last = int(np.flatnonzero(above >= share - 1e-12)[-1])
        return cutoff_at_share(n, share + 0.5 * float(n[last] / n.sum()), "workload")
    rates = redraw_rates(won, n, random_state=study.settings.random_state)
    worth = None if given.margin is None else given.worth_in(deals)
    if worth is None:  # a won deal is worth the same whatever its total
        return cutoff_at_cost(rates, n, given.threshold)
    weight = learning_weight(deals)
    value = weight * worth(deals)
    mean = np.full(len(n), value.sum() / weight.sum())
    rates *= np.divide(np.bincount(at, value, len(n)), n, out=mean, where=n > 0)
    return cutoff_at_cost(rates, n, 1.0)  # P(won) * v / c >= 1


def finish_card(study: Study, contender: Contender, fitted: FittedCard, data: Data) -> FittedCard:
    """Put cut-off, bands, words and provenance to points and what each total means.

    The workload is that of the baseline; in another framework than its own, of the rule with most bands if it has one.
    """
    document, total_max, mapping = fitted.card.to_dict(), fitted.card.total_max, study.deals.mapping
    own = [rule for rule in study.rules.values() if rule.card.framework == contender.framework is not None]
    richest = max(own, key=lambda rule: len(rule.card.bands), default=None)
    baseline = study.rules.get(str(study.baseline))
    main = baseline if baseline in own else richest or baseline
    deals = study.deals if contender.by_row else study.by_pattern[contender.framework]
    at = fitted.totals(deals)
    found = find_cutoff(study, deals, at, total_max, main)
    cutoff = int(found.value or 0)
    settings, bands, edges = study.settings.bands, list[Any](GENERIC[0]), [0, cutoff]
    if settings.by != "shares":  # from edges of P(won)
        scale = 1.0 if settings.by == "probability" else study.consequences.pays_from(study.deals) or 1.0
        edges = [0, *np.searchsorted(fitted.card.lookup.probabilities, np.array(settings.edges) * scale).tolist()]
        bands = [*GENERIC[len(edges) - 2]]
    elif richest is not None:  # as many leads in each as those of the rule hold
        bands = [*richest.card.bands]
        edges = edges_by_share(richest.totals(deals), at, [band.from_ for band in bands], weight_of(deals))
    words = words_of_mapping(mapping)
    document |= {
        "name": f"{data.name}-{contender.id}",
        "criteria": [{**each, "words": words.get(each["id"], {})} for each in document["criteria"]],
        "cutoff": cutoff,
        "bands": [each.model_dump(by_alias=True) for each in bands_at(bands, edges, cutoff, total_max)],
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
    return dataclasses.replace(fitted, card=Card.from_dict(document, contender.id, verify=False), cutoff=found)
