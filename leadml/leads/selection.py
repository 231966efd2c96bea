"""Below which score hardly any lead was worked, so that no data can tell what it would have been worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HARDLY = 0.2
"""Leads of a score were hardly worked when closed less than this often, the best-worked score being 1."""
MIN_LEADS = 20
"""Scores are judged in groups of at least so many leads."""
FEW_BELOW = 0.05
"""Fewer leads than this share below a cut-off are not worth asking for. Where all leads are closed, hardly
any was worked below it when fewer than this share, and fewer than 20, lie there."""


@dataclass(frozen=True)
class Worked:
    """How many leads of each score were worked to an end.

    Attributes
    ----------
    floor : int
        The lowest cut-off that can be judged; 0 where every one can.
    n_leads, n_closed : int arrays of shape (score_max + 1,)
        Leads of each score, open ones among them, and closed deals.
    """

    floor: int
    n_leads: NDArray[np.int64]
    n_closed: NDArray[np.int64]

    def floor_of(self, cutoff: int) -> int:
        """Give the lowest cut-off that can be judged for one rule.

        Parameters
        ----------
        cutoff : int
            The rule's documented cut-off.

        Returns
        -------
        int
            The lowest of all where open leads show how often each score was worked. In data of closed deals
            alone it is known for rules only below which hardly any deal lies; for others 0.
        """
        knows_open = bool((self.n_leads > self.n_closed).any())
        return self.floor if knows_open or cutoff <= self.floor else 0


def find_worked(
    score: NDArray[np.int64], closed: NDArray[np.bool_], cutoffs: Sequence[int], score_max: int
) -> Worked:
    """Find the lowest cut-off that the closed deals can judge.

    With open leads in the data, scores are gone through from the highest down, neighbours together until
    they hold 20 leads; the first group whose leads were closed less than a fifth as often as those of the
    best-worked group ends what can be judged, unless fewer than 5% of the leads lie below. In data of closed
    deals alone a documented cut-off is such an end when fewer than 5% of the deals, and fewer than 20, lie
    below it.

    Parameters
    ----------
    score : int array of shape (n,)
        Documented score of every lead, 0 to score_max.
    closed : bool array of shape (n,)
        Whether it was won or lost.
    cutoffs : sequence of int
        Documented cut-offs on this score.
    score_max : int
        Highest score.

    Returns
    -------
    Worked
        The lowest cut-off, and the counts by score.

    Examples
    --------
    >>> score = np.repeat([0, 1, 2], 100)
    >>> find_worked(score, score >= 2, [2], 2).floor
    2
    >>> find_worked(score, np.ones(300, bool), [2], 2).floor
    0
    """
    n_leads = np.bincount(score, minlength=score_max + 1)
    n_closed = np.bincount(score[closed], minlength=score_max + 1)
    if closed.all():
        below = np.concatenate([[0], np.cumsum(n_closed)])
        few = min(MIN_LEADS, FEW_BELOW * len(score))
        floor = max((k for k in cutoffs if 0 < k <= score_max and below[k] < few), default=0)
        return Worked(int(floor), n_leads, n_closed)
    groups: list[tuple[int, float]] = []
    leads = ended = 0
    for at in range(score_max, -1, -1):
        leads, ended = leads + int(n_leads[at]), ended + int(n_closed[at])
        if leads >= MIN_LEADS:
            groups.append((at, ended / leads))
            leads = ended = 0
    most = max((share for _, share in groups), default=0.0)
    floor, worked = 0, False
    for number, (_, share) in enumerate(groups):
        if worked and share < HARDLY * most:
            floor = groups[number - 1][0]
            break
        worked = worked or share >= HARDLY * most
    if n_leads[:floor].sum() < FEW_BELOW * len(score):
        floor = 0
    return Worked(int(floor), n_leads, n_closed)
