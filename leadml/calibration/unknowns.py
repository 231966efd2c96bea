"""The price of counting unknown as 0 points: the same documented points with unknown at the average known
level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leadml.calibration.consequences import highest
from leadml.calibration.contenders import DocumentedRule
from leadml.calibration.rules import Posterior
from leadml.calibration.study import Note
from leadml.levels import UNKNOWN

LEAST_SHARE = 0.02
"""Share of answers that must be unknown for the price to be looked at."""
LEAST_COST = 0.5
"""Wins of 100 leads followed up that are worth telling."""


def price_unknown(rule: DocumentedRule, known: Posterior) -> list[Note]:
    """LML208, where unknowns that count for nothing cost wins for sure."""
    codes, population = known.leads.codes, known.population
    unknown = codes == UNKNOWN
    if float(population @ unknown.mean(axis=1)) < LEAST_SHARE * population.sum():
        return []
    points = {each.id: np.array(each.points, dtype=np.float64) for each in rule.card.criteria}
    score = np.zeros(len(codes))
    for at, name in enumerate(known.leads.criteria):
        column, own = codes[:, at], points[name]
        seen = column != UNKNOWN
        mean = float(np.average(own[column[seen]], weights=population[seen])) if seen.any() else 0.0
        score += np.where(seen, own[np.minimum(column, UNKNOWN - 1)], mean)
    decision = np.asarray(rule.predict(known.leads).decision)
    followed = float(population @ decision)
    if not 0.0 < followed < population.sum():
        return []
    other = highest(np.round(score, 9), followed / population.sum(), population)
    won = wins(known.draws, population, decision) / followed * 100
    gain = wins(known.draws, population, other) / followed * 100 - won
    cost = float(gain.mean())
    if np.quantile(gain, 0.05) <= 0 or cost < LEAST_COST:
        return []
    values = {"rule": rule.id, "own": float(won.mean()), "other": float(won.mean() + cost), "where": rule.id}
    return [("LML208", {**values, "cost": cost})]


def wins(
    draws: npt.NDArray[np.float64], population: npt.NDArray[np.float64], decision: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Won deals among those followed up, for each draw."""
    return np.asarray(draws @ (population * decision))
