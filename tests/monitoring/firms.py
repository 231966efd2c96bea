"""Firms with a card learned from their deals, and deals that close afterwards: stationary, or changed in one way."""

from __future__ import annotations

from typing import Any

import numpy as np

from leadml.card.build import LearnedPoints, learned_card
from leadml.card.record import Card, CardBand
from leadml.data.deals import Leads
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.estimators.whole_points import whole_points
from leadml.evaluation.rates import table_of_totals
from leadml.levels import logistic
from leadml.monitoring.backtest import Before

CRITERIA = ("budget", "authority", "need", "timeline")
AT = "2026-01-01"


class Firm:
    """Weights, base rate and answers of one firm; `change` is "rate" (a third fewer wins) or "stop" (no weight)."""

    def __init__(self, seed: int, n: int = 1000) -> None:
        self.rng = np.random.default_rng(seed)
        self.weights = self.rng.uniform(0.1, 0.9, 4)
        self.intercept = float(-2 * self.weights.sum() + self.rng.normal(-0.8, 0.3))
        codes, won = self.draw(n)
        self.counts = counts = PatternCounts.from_codes(codes, won)
        self.card = learn(counts)
        self.before = Before(counts.total.sum(), counts.won.sum() / counts.total.sum(), counts)

    def draw(self, n: int, change: str = "") -> tuple[Any, Any]:
        weights, intercept = self.weights.copy(), self.intercept
        if change == "stop":
            strongest = int(np.argmax(weights))
            intercept += 2 * weights[strongest]
            weights[strongest] = 0.0
        latent = 2 + 1.2 * (0.7 * self.rng.normal(size=(n, 1)) + self.rng.normal(size=(n, 4)))
        levels = np.clip(np.floor(latent + 0.5), 0, 4)
        chance = logistic(intercept + levels @ weights)
        if change == "rate":
            chance = chance * 2 / 3
        won = (self.rng.random(n) < chance).astype(np.int8)
        return np.where(self.rng.random((n, 4)) < 0.15, 5, levels).astype(np.uint8), won

    def leads(self, n: int, change: str = "") -> Leads:
        """n deals closed after the card was learned, a day each."""
        codes, won = self.draw(n, change)
        days = np.arange(20_455, 20_455 + n, dtype=np.int32)
        return Leads(CRITERIA, codes, won, closed=days, source="deals.csv", n_rows=n)


def learn(counts: PatternCounts) -> Card:
    documented = np.tile(np.arange(5.0), (4, 1))
    fit = fit_scorecard(counts)
    whole = whole_points(fit, counts.codes, counts.total)
    points, size = np.array(whole.rows), whole.total_max + 1
    table = table_of_totals(whole.totals(counts.codes), counts.won, counts.total, whole.total_max)
    made = LearnedPoints(CRITERIA, points, documented, table.probability, table.low, table.high)
    bands = [("drop", 0, "drop", "no-match"), ("now", size // 2, "follow up", "ready")]
    rows = [CardBand.model_validate(dict(zip(("id", "title", "from", "action", "decision"),
            (b[0], b[0], *b[1:]), strict=True))) for b in bands]  # fmt: skip
    return learned_card(
        "made",
        None,
        made,
        cutoff=size // 2,
        bands=rows,
        created_at=AT,
        provenance={"as_of": AT, "baseline": "bant-ibm"},
    )
