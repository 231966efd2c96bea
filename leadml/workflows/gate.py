"""Is a candidate worse than the champion? Both on the same deals, by paired intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from leadml.card import Card
from leadml.evaluation.bootstrap import Figure, draw_clusters, to_figure
from leadml.evaluation.metrics import HeldOut, log_loss_of, wins_at_workload
from leadml.leads.model import Leads
from leadml.workflows.fresh import N_REPLICATES, hold_out

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]

Outcome = Literal["better", "worse", "alike", "cannot-tell", "not-compared"]


@dataclass(frozen=True)
class Judgement:
    """What one model says of the deals that are compared on.

    Attributes
    ----------
    score, decision : arrays of shape (n,)
        What it ranks by, and 1 where it would follow up.
    probability : array of shape (n,) or None
        P(won) as told; None for a documented card.
    """

    score: Array
    decision: Array
    probability: Array | None


@dataclass(frozen=True)
class Match:
    """How a candidate compares with the champion.

    Attributes
    ----------
    outcome : {"better", "worse", "alike", "cannot-tell", "not-compared"}
        better and worse: beyond noise. alike: no deal is judged otherwise.
    n_deals, n_won : int
        Deals that both judged.
    log_loss : Figure or None
        Nats a deal that the candidate saves; above 0 is better.
    wins : Figure or None
        More won deals at the champion's workload, as a share of all of them.
    sentence : str
        All of this, for a reader.
    """

    outcome: Outcome
    n_deals: int
    n_won: int
    log_loss: Figure | None
    wins: Figure | None
    sentence: str


def judge_by_card(card: Card, leads: Leads) -> Judgement:
    """Let a card judge leads.

    Parameters
    ----------
    card : Card
        The card.
    leads : Leads
        n leads.

    Returns
    -------
    Judgement
        Points, decisions (1 where ready) and probabilities.
    """
    scores = card.score(leads.levels)
    decision = (scores.decision == card.decision_labels["ready"]).astype(float)
    return Judgement(scores.points.astype(float), decision, scores.probability if card.table else None)


def match_cards(candidate: Card, champion: Card, deals: Leads) -> Match:
    """Compare two cards on closed deals that neither learned from.

    Parameters
    ----------
    candidate, champion : Card
        The two.
    deals : Leads
        Closed deals.

    Returns
    -------
    Match
        The comparison.
    """
    names = (candidate.model, champion.model)
    outcome = np.asarray(deals.outcome)
    if not len(outcome) or outcome.min() == outcome.max():
        why = f"{len(outcome)} closed deals that neither had seen hold no won or no lost one"
        return Match("cannot-tell", len(outcome), int(outcome.sum()), None, None, f"Cannot tell: {why}.")
    mine, theirs = judge_by_card(candidate, deals), judge_by_card(champion, deals)
    return match(hold_out(deals), mine, theirs, names, "deals that neither learned from")


def match_held_out(candidate: pd.DataFrame, champion: pd.DataFrame, names: tuple[str, str]) -> Match | None:
    """Compare two calibrations on the deals that both held out.

    Parameters
    ----------
    candidate, champion : DataFrame
        Held-out predictions of one file of deals: lead_id, outcome, probability, decision.
    names : (str, str)
        Of the candidate and the champion.

    Returns
    -------
    Match or None
        None where no deal was held out by both. What is compared are the models that each calibration fitted
        without the deal, so it is the way of learning that is judged, not the very points of the card.
    """
    columns = ["outcome", "probability", "decision"]
    # A deal that is held out several times, once a repeat, counts once, with the mean of what was said.
    means = [each.groupby("lead_id")[columns].mean() for each in (candidate, champion)]
    pair = means[0].merge(means[1], left_index=True, right_index=True, suffixes=("_a", "_b"))
    outcome = pair["outcome_a"].to_numpy(dtype=float)
    if not len(pair) or outcome.min() == outcome.max():
        return None
    mine, theirs = (
        Judgement(told, np.round(pair[f"decision_{side}"].to_numpy(dtype=float)), told)
        for side in "ab"
        for told in [pair[f"probability_{side}"].to_numpy(dtype=float)]
    )
    n = len(pair)
    held = HeldOut(outcome, np.zeros(n, np.int64), np.arange(n), draw_clusters(n, N_REPLICATES, 0))
    return match(held, mine, theirs, names, "deals that both calibrations held out")


def match(
    held: HeldOut, candidate: Judgement, champion: Judgement, names: tuple[str, str], deals: str
) -> Match:
    """Compare two judgements of the same deals.

    Parameters
    ----------
    held : HeldOut
        The deals and their draws, with won and lost ones.
    candidate, champion : Judgement
        The two.
    names : (str, str)
        Theirs.
    deals : str
        What deals these are, for the sentence.

    Returns
    -------
    Match
        worse where the interval of either gain lies below 0; else better where one lies above 0.
    """
    n, won = len(held.outcome), int(held.outcome.sum())
    loss = None
    if candidate.probability is not None and champion.probability is not None:
        saved = log_loss_of(held.outcome, champion.probability) - log_loss_of(
            held.outcome, candidate.probability
        )
        loss = to_figure(held.add_up(saved[:, None])[:, 0] / held.totals[:, 0])
    # As many leads of each as the champion would follow up; ties are shared out for both.
    gain = wins_at_workload(held, candidate.score, champion.decision) - wins_at_workload(
        held, champion.score, champion.decision
    )
    all_won = held.totals[:, 1]
    wins = to_figure(np.divide(gain, all_won, out=np.full(len(gain), np.nan), where=all_won > 0))
    figures = [figure for figure in (loss, wins) if figure is not None]
    outcome: Outcome = "cannot-tell"
    if all(figure == Figure(0.0, 0.0, 0.0) for figure in figures):
        outcome = "alike"
    elif any(figure.high < 0 for figure in figures):
        outcome = "worse"
    elif any(figure.low > 0 for figure in figures):
        outcome = "better"
    says = {
        "better": f"{names[0]} is better than {names[1]} beyond noise",
        "worse": f"{names[0]} is worse than {names[1]} beyond noise",
        "alike": f"{names[0]} judges these deals exactly as {names[1]} does",
        "cannot-tell": f"these deals cannot tell which of {names[0]} and {names[1]} is better",
    }[outcome]
    parts = []
    if loss is not None:
        parts.append(f"log loss saved {loss.value:+.4f} ({loss.low:+.4f} to {loss.high:+.4f})")
    parts.append(
        f"wins at the champion's workload {wins.value:+.1%} ({wins.low:+.1%} to {wins.high:+.1%}) of all won"
    )
    sentence = f"On {n} {deals} ({won} won): {says}: {'; '.join(parts)}."
    return Match(outcome, n, won, loss, wins, sentence)


def match_recorded(
    candidate: Mapping[str, Any], champion: Mapping[str, Any], names: tuple[str, str]
) -> Match:
    """Say what was recorded at calibration, where there are no deals to compare on.

    Parameters
    ----------
    candidate, champion : mapping
        Figures of each on its own held-out deals.
    names : (str, str)
        Theirs.

    Returns
    -------
    Match
        not-compared, always.
    """
    told = [
        f"{name} {figures['log_loss']:.3f}" if isinstance(figures.get("log_loss"), float) else f"{name} none"
        for name, figures in zip(names, (candidate, champion), strict=True)
    ]
    sentence = (
        "Not compared: there are no deals that both judged. Only what was recorded at calibration is known, "
        f"each on its own held-out deals: log loss {' and '.join(told)}. "
        "To compare, give deals closed since: --on FILE --mapping M."
    )
    return Match("not-compared", 0, 0, None, None, sentence)
