"""What conclusions are drawn from: the log, figures of every contender, and what all deals tell of a framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from leadml.calibration.contenders import documented_points
from leadml.calibration.deals import Floats, count_patterns
from leadml.calibration.study import Study, View
from leadml.data.deals import Leads
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, Measures, measure
from leadml.levels import LEVEL_MAX, N_CODES

N_DRAWS = 400


class Posterior(NamedTuple):
    """What all deals tell of a framework's criteria.

    leads : one row a pattern that occurs; population : deals of each. draws : (D, m) P(won) of each by a
    judge wider than the card. weights : (1 + D, k) log-odds between levels 4 and 0, as fitted, then as drawn.
    """

    leads: Leads
    population: Floats
    draws: Floats
    weights: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """What is known when all deals were learned from.

    fitted : contenders by id. drifted : whether weights moved. by_hunch : rules below whose cut-off leads were followed
    up by choice.
    """

    study: Study
    log: Log
    fitted: Mapping[str, Any]
    drifted: bool = False
    by_hunch: frozenset[str] = frozenset()

    @cached_property
    def held(self) -> HeldOut:
        """The held-out deals as figures need them."""
        return HeldOut(self.log)

    @cached_property
    def known(self) -> dict[str, Posterior]:
        """What all deals tell, by framework."""
        return {name: find_posterior(self.study, view) for name, view in self.study.learnable.items()}

    @cached_property
    def measures(self) -> dict[str, Measures]:
        """Figures of every contender, wins at the baseline's workload, net value where economics are given."""
        given, baseline = self.study.consequences, self.study.baseline
        value: Floats | float | None = given.value
        if given.margin is not None and value is not None:
            amount = np.asarray(self.study.compared.amount)[self.log.row]
            value = np.where(np.isfinite(amount), given.margin * amount, value)
        workload = None if baseline is None else self.decision(baseline)
        return {
            name: measure(self.held, said, workload=workload, won_value=value, follow_up_cost=given.cost)
            for name, said in self.log.entries.items()
        }

    def decision(self, name: str) -> Floats:
        """(m,) follow-ups of a contender among the held-out deals."""
        return np.nan_to_num(self.log.entries[name].decision)

    @cached_property
    def workload(self) -> Floats | None:
        """The baseline's decision where it is one, at whose workload cards are compared."""
        decision = None if self.study.baseline is None else self.decision(self.study.baseline)
        return decision if decision is not None and 0.0 < decision.mean() < 1.0 else None


def find_posterior(study: Study, view: View) -> Posterior:
    """Count the patterns of all deals; draw P(won) of each, and the weights of the criteria."""
    from leadml.estimators.judge import fit_judge
    from leadml.estimators.scorecard_fit import fit_scorecard

    counts, settings = count_patterns(study.by_pattern[view.framework.id], view.mapped), study.settings
    seed = settings.random_state
    draws = fit_judge(counts, met_level=settings.met_level, n_draws=N_DRAWS, random_state=seed)
    fit = fit_scorecard(counts, documented_points(len(view.mapped)), random_state=seed, n_draws=2 * N_DRAWS)
    values = np.concatenate([fit.values[None], fit.draws[:, 1:].reshape(len(fit.draws), -1, N_CODES)])
    leads = Leads(criteria=view.mapped, codes=np.asfortranarray(counts.codes))
    return Posterior(leads, counts.total, draws, values[:, :, LEVEL_MAX] - values[:, :, 0])
