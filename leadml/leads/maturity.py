"""When deals are old enough to judge: the time to close, and the cohorts that have had it.

Training only on deals that are closed already over-represents those that close quickly, and losses come
sooner than wins. The time to close is therefore estimated over open deals too, and only cohorts that have had
the time to close are learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from leadml.leads.model import Leads

CLOSED_BY_THEN = 0.95
"""A cohort is mature when this share of its leads has had the time to close."""
MIN_TIMES = 40
"""From fewer deals with both dates no time to close is estimated."""

DAY = 86_400.0


@dataclass(frozen=True)
class Maturity:
    """How long deals take to close, and which leads have had that time.

    Attributes
    ----------
    as_of : str
        ISO date of the data.
    days : float
        Days within which 95% of the leads are closed, Kaplan-Meier; 95% of those that ever are, where fewer
        are.
    ever_closed : float
        Share of leads closed within the longest time seen, Kaplan-Meier.
    mature : bool array of shape (n,)
        Leads created at least so many days before `as_of`; those without a date of creation too.
    overdue : bool array of shape (n,)
        Leads of a mature cohort that are still open.
    n_timed : int
        Closed deals with both dates in order.
    n_undated : int
        Closed deals without a date of creation, which belong to no cohort.
    until : datetime64
        Leads created up to this moment are mature.
    """

    as_of: str
    days: float
    ever_closed: float
    mature: NDArray[np.bool_]
    overdue: NDArray[np.bool_]
    n_timed: int
    n_undated: int
    until: np.datetime64


def find_maturity(leads: Leads, as_of: str | None = None) -> Maturity | None:
    """Estimate the time to close and find the cohorts that have had it.

    Parameters
    ----------
    leads : Leads
        Closed and open leads.
    as_of : str, optional
        ISO date on which the data were taken; the last date in them where absent.

    Returns
    -------
    Maturity or None
        None where the dates of creation and close are not both there for at least 40 closed deals.

    Notes
    -----
    An open lead counts as censored at its age. Where many leads are never closed, the estimate levels off
    below 95%, and the 95% are of the level it reaches, the share that is ever closed. In a file that holds
    closed deals only, slow ones are missing and the time comes out too short.

    References
    ----------
    Kaplan, E., Meier, P. (1958). Nonparametric estimation from incomplete observations. Journal of the
    American Statistical Association 53.
    Maller, R., Zhou, S. (1996). Survival analysis with long-term survivors. Wiley. (The level reached.)
    """
    if leads.outcome is None or leads.created_at is None or leads.closed_at is None:
        return None
    created = leads.created_at.to_numpy().astype("datetime64[s]")
    closed = leads.closed_at.to_numpy().astype("datetime64[s]")
    dated = ~np.isnat(created)
    if not dated.any():
        return None
    ended = np.isfinite(leads.outcome)
    both = dated & ~np.isnat(closed) & ended
    timed = both & (closed >= created)
    if timed.sum() < MIN_TIMES:
        return None
    last = max(created[dated].max(), closed[both].max())
    today = last if as_of is None else np.datetime64(as_of, "s") + np.timedelta64(1, "D")
    age = (today - created).astype(float) / DAY
    took = (closed - created).astype(float) / DAY
    waiting = dated & ~ended & (age >= 0)
    days, ever = time_to_close(took[timed], age[waiting])
    old = ~dated | (age >= days)
    return Maturity(
        as_of=as_of or str(last.astype("datetime64[D]")),
        days=days,
        ever_closed=ever,
        mature=old,
        overdue=old & dated & ~ended,
        n_timed=int(timed.sum()),
        n_undated=int((ended & ~dated).sum()),
        until=today - np.timedelta64(int(np.ceil(days * DAY)), "s"),
    )


def time_to_close(took: NDArray[np.float64], waited: NDArray[np.float64]) -> tuple[float, float]:
    """Time within which 95% of the leads are closed, or 95% of those that ever are.

    Parameters
    ----------
    took : array of shape (n_closed,)
        Days from creation to close.
    waited : array of shape (n_open,)
        Days since creation of those still open.

    Returns
    -------
    days : float
        The time.
    ever_closed : float
        Share closed within the longest time seen, 0 to 1.

    Examples
    --------
    >>> time_to_close(np.arange(1.0, 21.0), np.array([]))
    (19.0, 1.0)
    """
    from scipy.stats import CensoredData, ecdf

    found = ecdf(CensoredData(uncensored=took, right=waited)).cdf
    reached = float(found.probabilities[-1])
    wanted = CLOSED_BY_THEN * (1.0 if reached >= CLOSED_BY_THEN else reached)
    at = int(np.argmax(found.probabilities >= wanted - 1e-12))
    return float(found.quantiles[at]), reached
