"""When deals are old enough to judge: time to close (Kaplan-Meier), mature cohorts, overdue deals, censoring.

Training only on deals that are closed already over-represents those that close quickly, and losses come
sooner than wins. The time to close is therefore estimated over open deals too, and only cohorts that have
had that time are learned from.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from leadml.data.dates import day_text
from leadml.data.deals import NO_DAY, OPEN, Leads

Bools = npt.NDArray[np.bool_]

CLOSED_BY_THEN = 0.95
"""A cohort is mature when this share of its leads has had the time to close."""
MIN_TIMES = 40
"""From fewer deals with both dates no time to close is estimated."""


@dataclasses.dataclass(frozen=True)
class Maturity:
    """How long deals take to close, and which leads have had that time.

    as_of : day of the data; days : within which 95% of the leads are closed (of those that ever are, where
    fewer are); ever_closed : share closed within the longest time seen, Kaplan-Meier. mature, overdue : (n,)
    leads created at least so many days before `as_of` (and those without a date of creation); leads of a
    mature cohort that are still open. n_timed, n_undated : closed deals with both dates in order, and
    without a date of creation.
    """

    as_of: int
    days: int
    ever_closed: float
    mature: Bools
    overdue: Bools
    n_timed: int
    n_undated: int

    @property
    def until(self) -> str:
        """ISO date up to which leads were created that are mature."""
        return day_text(self.as_of - self.days)


@dataclasses.dataclass(frozen=True)
class Cohorts:
    """Counts under either coding: won and lost of all closed deals and of mature ones, open left out,
    overdue."""

    n_won: int
    n_lost: int
    n_won_mature: int
    n_lost_mature: int
    n_open_immature: int
    n_overdue: int

    @property
    def share_left_out(self) -> float:
        """Share of the closed deals that are too recent."""
        return 1 - (self.n_won_mature + self.n_lost_mature) / max(self.n_won + self.n_lost, 1)

    @property
    def base_rates(self) -> tuple[float, float, float]:
        """Win rate of all closed deals, of mature ones, and of mature ones with overdue deals as lost."""
        mature = self.n_won_mature + self.n_lost_mature
        all_closed = self.n_won + self.n_lost
        return (
            self.n_won / max(all_closed, 1),
            self.n_won_mature / max(mature, 1),
            self.n_won_mature / max(mature + self.n_overdue, 1),
        )


def find_maturity(leads: Leads, as_of: int | None = None) -> Maturity | None:
    """Estimate the time to close and find mature cohorts; None where 40 closed deals lack both dates.

    An open lead counts as censored at its age. Where many leads are never closed, the estimate levels off
    below 95%, and the 95% are of the level it reaches (Maller and Zhou 1996). In a file of closed deals
    only, slow ones are missing and the time comes out too short. `as_of`: day of the data, the last date in
    them when absent.
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
    waiting = dated & ~ended & (age >= 0)
    days, ever = time_to_close(closed[timed] - created[timed], age[waiting])
    old = ~dated | (age >= days)
    overdue = old & dated & ~ended
    return Maturity(today, days, ever, old, overdue, int(timed.sum()), int((ended & ~dated).sum()))


def time_to_close(took: npt.NDArray[np.integer], waited: npt.NDArray[np.integer]) -> tuple[int, float]:
    """Days within which 95% of the leads (or of those that ever close) are closed, and the share that ever
    is.

    >>> time_to_close(np.arange(1, 21), np.array([], dtype=int))
    (19, 1.0)
    """
    size = int(max(took.max(), waited.max(initial=0))) + 1
    ends, censored = np.bincount(took, minlength=size), np.bincount(waited, minlength=size)
    # Kaplan-Meier: those censored on a day were at risk on it.
    at_risk = np.cumsum((ends + censored)[::-1])[::-1]
    survival = np.cumprod(1 - ends / np.maximum(at_risk, 1))
    reached = float(1 - survival[-1])
    wanted = CLOSED_BY_THEN * (1.0 if reached >= CLOSED_BY_THEN else reached)
    return int(np.argmax(1 - survival >= wanted - 1e-12)), reached


def count_cohorts(leads: Leads, found: Maturity) -> Cohorts:
    """Count leads by how they ended, and whether they are old enough."""
    outcome = np.asarray(leads.outcome)
    won, lost, waiting = (outcome == end for end in (1, 0, OPEN))
    young = int((waiting & ~found.mature).sum())
    won_mature, lost_mature = (int((end & found.mature).sum()) for end in (won, lost))
    overdue = int(found.overdue.sum())
    return Cohorts(int(won.sum()), int(lost.sum()), won_mature, lost_mature, young, overdue)
