"""Which card to use, and where it disagrees with the rule that is in use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.evaluation.bootstrap import as_json
from leadml.evaluation.compare import Replicates
from leadml.evaluation.metrics import shrunk_rate
from leadml.workflows.cards import CardDraft
from leadml.workflows.contenders import Arena, Contender

Array = NDArray[Any]

CELL_PRIOR = 10  # deals at the base rate that a small cell's rate is shrunk with
NO_RULE = "The documented rule cannot be judged: these deals do not hold its criteria."
CELL_IDS = 20  # leads named in each cell of the disagreement table


def choose_card(
    figures: list[dict[str, Any]],
    drafts: dict[str, CardDraft],
    replicates: dict[str, Replicates],
    baseline: Contender,
    must_learn: bool,
) -> str:
    """Choose the simplest card whose held-out log loss is within one standard error of the best.

    A documented score is simpler than learned points, the baseline's framework than another.

    Parameters
    ----------
    figures : list of dict
        Contenders as in result.json.
    drafts : dict of str to CardDraft
        Cards by contender.
    replicates : dict of str to Replicates
        Figures of every contender on every draw.
    baseline : Contender
        The rule that is in use.
    must_learn : bool
        Whether the baseline's weights are to be changed, so that documented points are out.

    Returns
    -------
    str
        Id of the contender; the baseline's where there is no card.
    """
    cards = [f for f in figures if f["id"] in drafts]
    if must_learn:
        cards = [f for f in cards if f["family"] == "integer"] or cards
    if not cards:  # neither cutoff nor integer competes: the documented score, calibrated
        own = [name for name in drafts if name.startswith(f"{baseline.framework}-")]
        return (own or list(drafts) or [baseline.id])[0]

    def simplicity(f: dict[str, Any]) -> tuple[Any, ...]:
        return (f["family"] == "integer", f["framework"] != baseline.framework, f["log_loss"]["value"])

    near = _near_the_best([f["id"] for f in cards], replicates)
    return str(min((f for f in cards if f["id"] in near), key=simplicity)["id"])


def find_champion(contenders: list[Contender], replicates: dict[str, Replicates]) -> str | None:
    """Find the simplest of all contenders whose held-out log loss is within one standard error of the best.

    Parameters
    ----------
    contenders : list of Contender
        Those that tell a probability compete, wide classifiers and the base rate among them.
    replicates : dict of str to Replicates
        Figures of every contender on every draw.

    Returns
    -------
    str or None
        Its id; None where none tells a probability.
    """
    told = [c for c in contenders if c.probability is not None]
    near = _near_the_best([c.id for c in told], replicates)
    best = min(
        (c for c in told if c.id in near), key=lambda c: (c.rank, replicates[c.id].log_loss[0]), default=None
    )
    return None if best is None else best.id


def _near_the_best(names: list[str], replicates: dict[str, Replicates]) -> set[str]:
    """Those whose held-out log loss is within one standard error, of the paired difference, of the best."""
    losses = {name: replicates[name].log_loss for name in names}
    best = min(losses.values(), key=lambda loss: float(loss[0]), default=None)
    if best is None:
        return set()
    apart = {name: loss - best for name, loss in losses.items()}
    return {name for name, away in apart.items() if away[0] <= np.nanstd(away[1:])}


def recommend(
    contender: str,
    draft: CardDraft | None,
    policy: dict[str, Any] | None,
    baseline: Contender,
    threshold: float,
) -> dict[str, Any]:
    """Describe the recommended card as in result.json.

    Parameters
    ----------
    contender : str
        Its id.
    draft : CardDraft or None
        The card and its intervals; None where no framework is mapped.
    policy : dict or None
        What was judged of the baseline.
    baseline : Contender
        The rule that is in use.
    threshold : float
        P(won) from which following up pays.

    Returns
    -------
    dict
        Card, cut-off, bands and the baseline's verdict.
    """
    return {
        "contender": contender,
        "framework": None if draft is None else draft.card.framework,
        "kind": baseline.kind if draft is None else "learned",
        "verdict": "cannot-judge" if policy is None else policy["verdict"],
        "sentence": NO_RULE if policy is None else policy["sentence"],
        "card": None if draft is None else "card.json",
        "cutoff": None if draft is None else draft.cutoff.to_dict(),
        "threshold_probability": threshold,
        "bands": [
            {
                **{key: band[key] for key in ("id", "title", "from", "action")},
                "low": as_json(band["low"]),
                "high": as_json(band["high"]),
            }
            for band in ([] if draft is None else draft.bands)
        ],
        "versus": baseline.id,
    }


def find_disagreement(rule: Contender, model: Contender, arena: Arena, lead_id: Array) -> dict[str, Any]:
    """Tabulate where a rule and a model judge alike and differently, each deal once.

    Parameters
    ----------
    rule, model : Contender
        The two.
    arena : Arena
        Held-out deals.
    lead_id : array of shape (n,)
        Identity of every closed deal.

    Returns
    -------
    dict
        policy, contender and four cells with counts, shrunk win rate and ids.
    """
    _, first = np.unique(arena.rows, return_index=True)
    outcome, ids = arena.outcome[arena.rows[first]], lead_id[arena.rows[first]]
    base_rate = float(arena.outcome.mean())
    cells = []
    for by_rule in (True, False):
        for by_model in (True, False):
            at = ((rule.decision[first] > 0) == by_rule) & ((model.decision[first] > 0) == by_model)
            won, n = float(outcome[at].sum()), int(at.sum())
            cells.append(
                {
                    "rule": by_rule,
                    "model": by_model,
                    "n": n,
                    "won": int(won),
                    "rate": shrunk_rate(won, n, base_rate, CELL_PRIOR),
                    "ids": [str(i) for i in ids[at][:CELL_IDS]],
                }
            )
    return {"policy": rule.id, "contender": model.id, "cells": cells}
