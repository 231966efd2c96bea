"""Bands of a card: as the document shares leads out, by probability, or by what following up is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.decisions.bands import documented_shares, edges_at_probabilities, edges_at_shares
from leadml.evaluation.bootstrap import to_figure
from leadml.frameworks import Policy
from leadml.workflows.experiment import Bands

Array = NDArray[Any]


@dataclass(frozen=True)
class PlainBand:
    """A band where the document has another number of them.

    Attributes
    ----------
    id, title, action, decision : str
        As on a card.
    """

    id: str
    title: str
    action: str
    decision: str


_DROP = PlainBand("drop", "Drop", "spend no time on it", "no-match")
_NURTURE = PlainBand("nurture", "Nurture", "nurture", "wait")
_NOW = PlainBand("now", "Now", "follow up", "ready")
_FIRST = PlainBand("first", "First", "follow up before all others", "ready")
BANDS = {2: (_DROP, _NOW), 3: (_DROP, _NURTURE, _NOW), 4: (_DROP, _NURTURE, _NOW, _FIRST)}
"""Bands by their number, where it is not the document's."""


@dataclass(frozen=True)
class LaidBands:
    """Bands and where they begin.

    Attributes
    ----------
    layout : sequence of n_bands records with ``id, title, action, decision``
        The bands, rising.
    edges : int array of shape (1 + n_replicates, n_bands)
        Totals from which they begin, on the sample and on each replicate; the first is 0.
    """

    layout: Sequence[Any]
    edges: Array


def lay_bands(
    settings: Bands,
    documented: Policy,
    cutoffs: Array,
    line: Array,
    threshold: Array,
    learned_by: Array,
    documented_by: Array,
) -> LaidBands:
    """Find where bands begin; one always begins at the cut-off.

    Parameters
    ----------
    settings : Bands
        By what, and at which edges.
    documented : Policy
        Gives the bands, and their shares of leads; the bands are ours where another number is asked for.
    cutoffs : int array of shape (1 + n_replicates,)
        Totals from which leads are followed up.
    line : array of shape (1 + n_replicates, 2)
        log-odds = base + slope * total.
    threshold : array of shape (1 + n_replicates,)
        P(won) from which following up pays.
    learned_by : array of shape (1 + n_replicates, learned_max + 1)
        Leads at each learned total.
    documented_by : array of shape (1 + n_replicates, documented_max + 1)
        Leads at each documented total.

    Returns
    -------
    LaidBands
        Bands and edges.
    """
    layout: Sequence[Any] = documented.bands
    if settings.by == "shares":
        shares = documented_shares(documented_by, [band.from_ for band in layout])
        edges = edges_at_shares(learned_by, shares)
        ready = next(at for at, band in enumerate(layout) if band.from_ == documented.cutoff)
    else:
        unit = threshold[:, None] if settings.by == "economics" else np.ones((len(threshold), 1))
        wanted = unit * np.array(settings.edges)
        edges = edges_at_probabilities(line[:, 0], line[:, 1], wanted, learned_by.shape[1] - 1)
        ready = settings.follow_up_at + 1
        if len(layout) != edges.shape[1]:
            layout = BANDS[edges.shape[1]]
    edges[:, ready] = cutoffs
    edges[:, 1:ready] = np.minimum(edges[:, 1:ready], cutoffs[:, None])
    edges[:, ready + 1 :] = np.maximum(edges[:, ready + 1 :], cutoffs[:, None])
    return LaidBands(layout, edges)


def describe_bands(laid: LaidBands, total_max: int) -> list[dict[str, Any]]:
    """Bands that hold a total, each with the interval of its edge.

    Parameters
    ----------
    laid : LaidBands
        Bands and edges.
    total_max : int
        Largest total.

    Returns
    -------
    list of dict
        id, title, from, action, decision, low, high.
    """
    bands: list[dict[str, Any]] = []
    for at, band in enumerate(laid.layout):
        begins = int(laid.edges[0, at])
        if begins > total_max:
            continue  # no total is high enough
        if bands and begins <= bands[-1]["from"]:
            bands.pop()  # the band before holds no total
        figure = to_figure(laid.edges[:, at])
        bands.append(
            {
                "id": band.id,
                "title": band.title,
                "from": begins,
                "action": band.action,
                "decision": band.decision,
                "low": figure.low,
                "high": figure.high,
            }
        )
    return bands
