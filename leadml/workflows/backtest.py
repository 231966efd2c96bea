"""Do the chances that were told come true? Calibration and bands on closed deals, and kept scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadml.card import Card, card_from_policy
from leadml.evaluation.bootstrap import as_json, to_figure, two_sided_p
from leadml.evaluation.metrics import (
    HeldOut,
    find_auc,
    find_calibration,
    log_loss_of,
    rate_figure,
    wins_at_workload,
)
from leadml.exceptions import InputError
from leadml.frameworks import load_framework, load_policy
from leadml.leads.model import Leads
from leadml.leads.tables import open_table
from leadml.workflows.fresh import hold_out
from leadml.workflows.gate import judge_by_card

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]

FEWEST = 20
"""Won and lost deals from which calibration is judged."""

KEPT = ("lead_id", "probability", "points", "band", "model")


def check_chances(held: HeldOut, told: Array) -> dict[str, Any]:
    """Compare told chances with what became of the deals.

    Parameters
    ----------
    held : HeldOut
        The deals.
    told : array of shape (n,)
        P(won) as told.

    Returns
    -------
    dict
        ``n, n_won, base_rate, told_mean``; ``intercept`` (calibration in the large, log-odds), ``slope``,
        ``auc`` and ``log_loss`` as figures, ``p_intercept`` and ``p_slope`` against 0 and 1: None with fewer
        than 20 won or lost.
    """
    n, won = len(held.outcome), int(held.outcome.sum())
    row: dict[str, Any] = {
        "n": n,
        "n_won": won,
        "base_rate": rate_figure(won, n),
        "told_mean": float(told.mean()),
        **dict.fromkeys(("intercept", "slope", "auc", "log_loss", "p_intercept", "p_slope")),
    }
    if min(won, n - won) < FEWEST:
        return row
    intercept, slope = find_calibration(held, told)
    loss = held.add_up(log_loss_of(held.outcome, told)[:, None])[:, 0] / held.totals[:, 0]
    return row | {
        "intercept": to_figure(intercept).to_dict(),
        "slope": to_figure(slope).to_dict(),
        "auc": to_figure(find_auc(held, told)).to_dict(),
        "log_loss": to_figure(loss).to_dict(),
        "p_intercept": as_json(two_sided_p(intercept)),
        "p_slope": as_json(two_sided_p(slope - 1.0)),
    }


def rates_by_band(band: Sequence[str], outcome: Array, told: Array, card: Card) -> list[dict[str, Any]]:
    """Count what became of the deals of each band.

    Parameters
    ----------
    band : sequence of str
        Band of each deal.
    outcome, told : arrays of shape (n,)
        1 won, 0 lost; P(won) as told.
    card : Card
        Gives order and titles; bands of an earlier card come after its own.

    Returns
    -------
    list of dict
        ``id, title, n, n_won, rate`` (figure) ``, told`` (mean or None).
    """
    names = np.asarray(band, dtype=object)
    titles = {each.id: each.title for each in card.bands}
    rows = []
    for name in [*titles, *sorted({str(n) for n in names} - set(titles))]:
        at = names == name
        n, won = int(at.sum()), float(outcome[at].sum())
        rows.append(
            {
                "id": name,
                "title": titles.get(name, name),
                "n": n,
                "n_won": int(won),
                "rate": rate_figure(won, n),
                "told": float(told[at].mean()) if n else None,
            }
        )
    return rows


def check_outcomes(card: Card, deals: Leads) -> dict[str, Any]:
    """Say what became of closed deals, by the card as it is.

    Parameters
    ----------
    card : Card
        A card that tells chances.
    deals : Leads
        Closed deals, at least one.

    Returns
    -------
    dict
        What `check_chances` gives, with ``bands``.
    """
    scores, outcome = card.score(deals.levels), np.asarray(deals.outcome)
    told = np.asarray(scores.probability)
    found = check_chances(hold_out(deals), told)
    return found | {"bands": rates_by_band(scores.band.tolist(), outcome, told, card)}


def check_rule(card: Card, deals: Leads, versus: str | None) -> dict[str, Any] | None:
    """Say whether the documented rule is still beaten, at its own workload.

    Parameters
    ----------
    card : Card
        The card.
    deals : Leads
        Closed deals.
    versus : str or None
        The rule; None where it is not known.

    Returns
    -------
    dict or None
        ``policy, title, gain`` (share of all won deals, figure) ``, p, state``: beaten, beats-the-card or
        cannot-tell. None where there is no such rule, or too few deals.
    """
    outcome = np.asarray(deals.outcome)
    if versus is None or min(outcome.sum(), (1 - outcome).sum()) < FEWEST:
        return None
    policy = load_policy(versus)
    if policy.framework is None or not set(policy.criteria) & set(deals.levels.columns):
        return None
    rule = card_from_policy(policy, load_framework(policy.framework), met_level=card.met_level)
    held, by_card, by_rule = hold_out(deals), judge_by_card(card, deals), judge_by_card(rule, deals)
    won = held.totals[:, 1]
    more = (
        wins_at_workload(held, by_card.score, by_rule.decision)
        - held.add_up((by_rule.decision * outcome)[:, None])[:, 0]
    )
    gains = np.divide(more, won, out=np.full(len(won), np.nan), where=won > 0)
    gain = to_figure(gains)
    state = "beaten" if gain.low > 0 else "beats-the-card" if gain.high < 0 else "cannot-tell"
    return {
        "policy": versus,
        "title": policy.title,
        "gain": gain.to_dict(),
        "p": as_json(two_sided_p(gains)),
        "state": state,
    }


def read_kept(source: str | os.PathLike[str]) -> pd.DataFrame:
    """Read scores that `leadml predict` wrote earlier.

    Parameters
    ----------
    source : str or path
        A file, a folder or a glob.

    Returns
    -------
    DataFrame
        lead_id, probability, points, band, model as text or numbers.

    Raises
    ------
    InputError
        When a column is missing or a probability is none.
    """
    import pandas as pd
    import pyarrow as pa

    table = open_table(source)
    missing = [name for name in KEPT if name not in table.columns]
    if missing:
        raise InputError(
            f"{table.source}: has no column {', '.join(missing)}; valid is what `leadml predict -o` wrote; "
            f"it has {', '.join(table.columns)}"
        )
    frame: pd.DataFrame = pa.Table.from_batches([chunk.data for chunk in table.chunks(KEPT)]).to_pandas()
    frame = frame.astype({"lead_id": str, "band": str, "model": str})
    for name in ("probability", "points"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    wrong = ~frame["probability"].between(0.0, 1.0)
    if wrong.any():
        raise InputError(
            f"{table.source}: probability: {int(wrong.sum())} rows hold none from 0 to 1, the first is row "
            f"{int(np.flatnonzero(wrong)[0]) + 1}; give what `leadml predict` wrote with a learned card"
        )
    return frame


def backtest(card: Card, kept: pd.DataFrame, source: str, leads: Leads) -> dict[str, Any] | None:
    """Join scores as they were given with what became of the leads.

    Parameters
    ----------
    card : Card
        The card of today, for the order of bands.
    kept : DataFrame
        What `read_kept` gave; the last score of a lead counts.
    source : str
        Where it came from.
    leads : Leads
        Leads of today, some of them closed.

    Returns
    -------
    dict or None
        What `check_chances` gives, with ``bands, source, n_scored, n_repeated, n_open, n_unmatched, n_moved``
        (leads that the card gives other points today) and ``models``. None where no scored lead is closed.
    """
    import pandas as pd

    last = kept.drop_duplicates("lead_id", keep="last").set_index("lead_id")
    ids = pd.Index(leads.lead_id.astype(str))
    at = last.index.get_indexer(ids)
    outcome = np.full(len(leads), np.nan) if leads.outcome is None else np.asarray(leads.outcome)
    both = np.flatnonzero((at >= 0) & np.isfinite(outcome))
    if not len(both):
        return None
    deals, given = leads.take(both), last.iloc[at[both]]
    told = given["probability"].to_numpy(dtype=float)
    points = card.score(deals.levels).points
    same_card = given["model"].to_numpy() == card.model
    return check_chances(hold_out(deals), told) | {
        "bands": rates_by_band(given["band"].tolist(), outcome[both], told, card),
        "source": source,
        "n_scored": len(last),
        "n_repeated": len(kept) - len(last),
        "n_open": int(((at >= 0) & ~np.isfinite(outcome)).sum()),
        "n_unmatched": len(last) - len(np.unique(at[at >= 0])),
        "n_moved": int((same_card & (given["points"].to_numpy() != points)).sum()),
        "models": {str(k): int(v) for k, v in given["model"].value_counts().sort_index().items()},
    }
