"""Bands of a card: where each begins (band edges), by documented totals, shares of leads or a cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.card.record import CardBand


class Band(NamedTuple):
    """A band where no document names some."""

    id: str
    title: str
    action: str
    decision: str


DROP = Band("drop", "Below the cut-off", "spend the time elsewhere", "no-match")
NURTURE = Band("nurture", "Nurture", "nurture", "wait")
FOLLOW_UP = Band("follow-up", "Follow up", "follow up", "ready")
AT_ONCE = Band("immediate", "Follow up first", "follow up immediately", "ready")
GENERIC = ((DROP, FOLLOW_UP), (DROP, NURTURE, FOLLOW_UP), (DROP, NURTURE, FOLLOW_UP, AT_ONCE))


def bands_at(bands: Sequence[Any], edges: Sequence[int], cutoff: int, total_max: int) -> tuple[CardBand, ...]:
    """Give documented bands (id, title, action, decision) other first totals, one a band.

    The first ready band begins at the cut-off; the others keep to their side of it, and one that has no
    total left is dropped. With a cut-off above `total_max` no band is ready.
    """
    placed: dict[int, Any] = {}
    for band, edge in zip(bands, [0, *map(int, edges[1:])], strict=True):
        if band.decision == "ready":
            start = max(edge, cutoff) if any(each.decision == "ready" for each in placed.values()) else cutoff
        elif edge < cutoff:
            start = edge
        else:  # squeezed out by the cut-off
            continue
        if start <= total_max:
            placed = {at: each for at, each in placed.items() if at < start} | {start: band}
    same = ("id", "title", "action", "decision")
    made = ({"from": at} | {name: getattr(band, name) for name in same} for at, band in placed.items())
    return tuple(CardBand.model_validate(each) for each in made)


def edges_by_share(
    documented: npt.NDArray[Any],
    points: npt.NDArray[Any],
    edges: Sequence[int],
    weight: npt.NDArray[np.float64] | None = None,
) -> list[int]:
    """First totals of bands that hold about the same shares of leads as the documented bands.

    documented, points : (n,) totals of the same leads. edges : first totals of the documented bands.
    """
    weight = np.ones(len(points)) if weight is None else weight
    size = float(weight.sum()) or 1.0
    shares = np.append(np.cumsum(np.bincount(points, weight)[::-1])[::-1], 0.0) / size  # from each total up
    wanted = [float(weight[documented >= edge].sum()) / size for edge in edges]
    return [0 if edge == 0 else int(np.argmin(np.abs(shares - each))) for edge, each in zip(edges, wanted, strict=True)]
