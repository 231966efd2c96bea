"""When deals are old enough to judge: time to close (Kaplan-Meier), mature cohorts, overdue deals, censoring.

Training only on deals that are closed already over-represents those that close quickly, and losses come sooner than
wins. So the time to close is estimated over open deals too, and only cohorts that have had it are learned from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.data.cells import Bools
from leadml.data.deals import NO_DAY, OPEN, Leads

CLOSED_BY_THEN = 0.95
"""A cohort is mature when this share of its leads has had the time to close."""
MIN_TIMES = 40
"""From fewer deals with both dates no time to close is estimated."""


class Maturity(NamedTuple):
    """How long deals take to close, and which leads have had that time."""

    as_of: int  # day of the data
    days: int  # within which 95% of the leads (of those that ever are, where fewer are) are closed
    mature: Bools  # (n,) created so many days before `as_of`, or without a date of creation
    overdue: Bools  # (n,) of a mature cohort, and still open


def find_maturity(leads: Leads, as_of: int | None = None) -> Maturity | None:
    """Estimate the time to close and find mature cohorts on the day of the data (their last date, unless told).

    An open lead counts as censored at its age. Where many leads are never closed, the estimate levels off below 95%,
    and the 95% are of the level it reaches (Maller and Zhou 1996). In a file of closed deals only, slow ones are
    missing and the time comes out too short. None where fewer than 40 closed deals have both dates.
    """
    created, closed, outcome = leads.created, leads.closed, leads.outcome
    if outcome is None or created is None or closed is None:
        return None
    dated, ended = created != NO_DAY, outcome != OPEN
    timed = dated & ended & (closed != NO_DAY) & (closed >= created)
    if timed.sum() < MIN_TIMES:
        return None
    today = as_of if as_of is not None else max(int(created[dated].max()), int(closed[timed].max()))
    age = today - created.astype(np.int64)
    days = time_to_close(closed[timed] - created[timed], age[dated & ~ended & (age >= 0)])
    old = ~dated | (age >= days)
    return Maturity(today, days, mature=old, overdue=old & dated & ~ended)


def time_to_close(took: npt.NDArray[np.integer], waited: npt.NDArray[np.integer]) -> int:
    """Days within which 95% of those that ever close are closed.

    >>> time_to_close(np.arange(1, 21), np.array([], dtype=int))
    19
    """
    size = int(max(took.max(), waited.max(initial=0))) + 1
    ends, censored = np.bincount(took, minlength=size), np.bincount(waited, minlength=size)
    # Kaplan-Meier: those censored on a day were at risk on it.
    at_risk = np.cumsum((ends + censored)[::-1])[::-1]
    survival = np.cumprod(1 - ends / np.maximum(at_risk, 1))
    reached = 1 - survival[-1]
    wanted = CLOSED_BY_THEN * (1.0 if reached >= CLOSED_BY_THEN else reached)
    return int(np.argmax(1 - survival >= wanted - 1e-12))
