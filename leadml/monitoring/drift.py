"""Drift of leads: levels (population stability index) and unknowns, against the deals that a card learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from leadml.card.record import Card
from leadml.estimators.patterns import PatternCounts
from leadml.evaluation.metrics import stability_index
from leadml.levels import Codes, Floats
from leadml.monitoring.result import LevelDrift
from leadml.registry.evidence import codes_for, read_counts

SHIFTED = 0.1
"""Population stability index from which a shift counts: the customary limit."""
ALARM = 20.0


class Before(NamedTuple):
    """The deals that a card learned from; counts of their answers in its codes, where they lie beside it."""

    n: float = 0.0
    base_rate: float | None = None
    counts: PatternCounts | None = None

    @classmethod
    def of_counts(cls, counts: PatternCounts) -> Before:
        """Deals that are known."""
        n = float(counts.total.sum())
        return cls(n, float(counts.won.sum()) / n, counts)


def load_before(card: Card, folder: Path) -> Before:
    """What lies beside a card in a folder, else what the card says of its deals."""
    if (kept := read_counts(folder)) is not None:
        columns, won, lost = kept
        return Before.of_counts(PatternCounts(codes_for(card, columns, card), won, lost))
    n_won, n_lost = (card.provenance.get(each) for each in ("n_won", "n_lost"))
    if not (isinstance(n_won, int | float) and isinstance(n_lost, int | float) and n_won + n_lost > 0):
        return Before()
    return Before(float(n_won + n_lost), n_won / (n_won + n_lost))


def titles_of(card: Card) -> dict[str, str]:
    """Id and title of each row of the card."""
    return {each.id: each.title for each in card.criteria} | {each.id: each.title for each in card.attributes}


def find_drift(card: Card, before: Before, codes: Codes) -> tuple[LevelDrift, ...]:
    """Compare the answers of (m, r) codes with those before, row by row."""
    titles, counts = titles_of(card), before.counts
    rows = []
    for j, (name, title) in enumerate(titles.items()):
        size, unknown, found = card.lookup.sizes[j], card.lookup.unknown[j], dict[str, Any]()
        now = np.bincount(codes[:, j], minlength=size).astype(np.float64)
        if counts is not None:
            then = np.bincount(counts.codes[:, j], counts.total, minlength=size).astype(np.float64)
            psi, e = stability_index(then, now), shift_evidence(then, now)
            found = {"psi": psi, "e": min(e, 1e9), "unknown_before": float(then[unknown] / then.sum())}
            found["shifted"] = psi >= SHIFTED and e / len(titles) >= ALARM
        rows.append(LevelDrift(id=name, title=title, n=len(codes), unknown_now=now[unknown] / len(codes), **found))
    return tuple(rows)


def shift_evidence(then: Floats, now: Floats) -> float:
    """E-value of a shift: the counts now by shares of their own, against the shares that those before tell.

    Both are Dirichlet-multinomial, so their ratio is a martingale while nothing shifts, whatever the looks.
    """
    from scipy.special import gammaln

    def weight(a: Floats) -> float:
        return float(gammaln(a).sum() - gammaln(a.sum()))

    prior = np.full(len(then), 0.5)
    log_e = weight(prior + now) - weight(prior) - weight(prior + then + now) + weight(prior + then)
    return float(np.exp(np.clip(log_e, -500.0, 500.0)))
