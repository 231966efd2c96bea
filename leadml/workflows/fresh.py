"""Closed deals that a card has not learned from, and how they are drawn again."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.card import Card
from leadml.evaluation.bootstrap import draw_clusters
from leadml.evaluation.metrics import HeldOut
from leadml.leads.model import Leads
from leadml.leads.split import make_keys
from leadml.workflows.about import last_day

Array = NDArray[Any]

N_REPLICATES = 1000
REFERENCE = "reference.json"
"""What lies beside a card: how the deals were distributed that it learned from."""


@dataclass(frozen=True)
class Fresh:
    """Leads of a file that are new to some cards.

    Attributes
    ----------
    since : str or None
        The day after which deals are new, ISO; None where nothing is dated.
    recent : mask of shape (n,)
        Leads that no card can have learned from: still open, or closed after that day.
    closed : mask of shape (n,)
        Those among them that are won or lost.
    n_seen : int
        Closed deals left out, since a card may have learned from them.
    known : bool
        Whether it is known that no card learned from them; else they are only taken to be new.
    """

    since: str | None
    recent: Array
    closed: Array
    n_seen: int
    known: bool


def find_fresh(leads: Leads, cards: Sequence[tuple[Card, dict[str, Any]]]) -> Fresh:
    """Find the leads that are new to every one of some cards.

    Parameters
    ----------
    leads : Leads
        Leads of a file.
    cards : sequence of (Card, dict)
        The cards, each with its reference.

    Returns
    -------
    Fresh
        Leads after the last day of the deals that the cards learned from. Without dates: every lead, unless
        the file is the one that a card learned from.
    """
    n = len(leads)
    is_closed = np.zeros(n, bool) if leads.outcome is None else np.isfinite(leads.outcome)
    ends = [end for card, reference in cards if (end := last_day_of(card, reference)) is not None]
    if ends and len(ends) == len(cards) and leads.closed_at is not None and leads.closed_at.notna().any():
        since = max(ends)
        after = (leads.closed_at.dt.normalize() > np.datetime64(since)).to_numpy(dtype=bool)
        closed = is_closed & after
        return Fresh(since, closed | ~is_closed, closed, int((is_closed & ~after).sum()), known=True)
    learned_from = any(card.provenance.get("data_digest") == leads.digest for card, _ in cards)
    closed = is_closed & (not learned_from)
    seen = int(is_closed.sum()) if learned_from else 0
    return Fresh(None, closed | ~is_closed, closed, seen, known=learned_from)


def last_day_of(card: Card, reference: dict[str, Any]) -> str | None:
    """Tell the last day of the deals that a card learned from.

    Parameters
    ----------
    card : Card
        The card.
    reference : dict
        Its reference; may be empty.

    Returns
    -------
    str or None
        ISO date; None where the deals were not dated.
    """
    for day in (reference.get("last_day"), card.provenance.get("as_of")):
        try:
            return datetime.date.fromisoformat(str(day)).isoformat()
        except ValueError:
            continue
    return None


def hold_out(leads: Leads, random_state: int = 0) -> HeldOut:
    """Say how closed deals are drawn again: deals of one account and equal rows together.

    Parameters
    ----------
    leads : Leads
        Closed deals, at least one.
    random_state : int
        Seed.

    Returns
    -------
    HeldOut
        One stratum: a card is the same for all of them.
    """
    key = make_keys(leads.row_key, leads.group)
    draws = draw_clusters(int(key.max()) + 1, N_REPLICATES, random_state)
    outcome = np.asarray(leads.outcome, dtype=float)
    return HeldOut(outcome, np.zeros(len(key), np.int64), key, draws)


def describe_reference(card: Card, leads: Leads, versus: str | None) -> dict[str, Any]:
    """Describe the closed deals that a card learned from, as far as drift is measured against them.

    Parameters
    ----------
    card : Card
        The card.
    leads : Leads
        The leads; the closed ones are described.
    versus : str or None
        The documented rule that it was compared with.

    Returns
    -------
    dict
        ``last_day``; counts of levels 0 to 4 and unknown by criterion; counts of totals; counts only.
    """
    closed = leads.take(np.isfinite(np.asarray(leads.outcome)))
    return {
        "schema_version": 1,
        "n": len(closed),
        "last_day": last_day(closed),
        "versus": versus,
        "criteria": count_levels(closed.levels, [c.id for c in card.criteria]),
        "points": count_points(card, closed.levels).tolist(),
    }


def count_levels(levels: Any, criteria: Sequence[str]) -> dict[str, list[int]]:
    """Count the leads at each level.

    Parameters
    ----------
    levels : DataFrame of shape (n, k)
        Levels; NaN for unknown.
    criteria : sequence of str
        Which to count; those without a column are left out.

    Returns
    -------
    dict of str to list of 6 int
        Levels 0 to 4, then unknown.
    """
    counts = {}
    for name in criteria:
        if name in levels:
            codes = levels[name].fillna(5).to_numpy(dtype=np.int64)
            counts[name] = np.bincount(codes, minlength=6).tolist()
    return counts


def count_points(card: Card, levels: Any) -> Array:
    """Count the leads at each total of a card.

    Parameters
    ----------
    card : Card
        The card.
    levels : DataFrame of shape (n, k)
        Levels; NaN for unknown.

    Returns
    -------
    int array of shape (total_max + 1,)
        Leads at 0, 1, ... points.
    """
    return np.bincount(card.score(levels).points, minlength=card.total_max + 1)


def load_reference(card_path: Path) -> dict[str, Any]:
    """Read what lies beside a card.

    Parameters
    ----------
    card_path : Path
        The card's file.

    Returns
    -------
    dict
        Empty where there is none, as beside cards of earlier releases.
    """
    try:
        found = json.loads(card_path.with_name(REFERENCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
