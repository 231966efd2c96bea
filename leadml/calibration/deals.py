"""Closed deals as they are learned from: enough, of mature cohorts (Kaplan-Meier), a sample of many; their weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from leadml.card.codes import codes_of_leads
from leadml.data.dates import day_of, day_text
from leadml.data.deals import NO_DAY, OPEN, Leads, Note, why_none_closed
from leadml.estimators.patterns import PatternCounts
from leadml.exceptions import InputError, TooFewDealsError, UsageError
from leadml.levels import UNKNOWN, Codes, Flags, Floats

if TYPE_CHECKING:
    from leadml.calibration.experiment import Experiment


MIN_DEALS = 20
CLOSED_BY_THEN = 0.95
"""A cohort is mature when this share of its leads has had the time to close."""
MIN_TIMES = 40
"""From fewer deals with both dates no time to close is estimated."""


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen:
    """Closed deals to learn from, and what was done.

    considered : leads that had the time to close, open ones among them (all leads where that is not known).
    n_recent : closed deals left out since leads of their age had no time to close.
    days : days within which nearly all close; 0 where not known.
    overdue : which of `considered` are still open and were followed up; None where no cohort is left out.
    """

    deals: Leads
    considered: Leads
    notes: tuple[Note, ...] = ()
    n_recent: int = 0
    days: int = 0
    overdue: Flags | None = None


def set_aside(leads: Leads, without: Sequence[str]) -> Leads:
    """Leave out columns, and criteria read from them; the wide card that is compared with finds them in `raw`."""
    if not without:
        return leads
    valid = dict.fromkeys((*leads.context, *leads.raw))
    if absent := [name for name in without if name not in valid]:
        known = f"{', '.join(valid)} (context and criteria of the mapping)" if valid else "no column, as none is mapped"
        raise UsageError(f"without: got {', '.join(absent)}; valid: {known}; correct it, or leave it out")

    names = leads.criteria if leads.mapping is None else map(leads.mapping.column_of, leads.criteria)
    kept = [at for at, column in enumerate(names) if column not in without]
    return dataclasses.replace(
        leads,
        criteria=tuple(leads.criteria[at] for at in kept),
        codes=np.asfortranarray(leads.codes[:, kept]),
        context={name: values for name, values in leads.context.items() if name not in without},
        raw={**leads.raw, **{name: values for name, values in leads.context.items() if name in without}},
    )


def check_enough(leads: Leads) -> None:
    """Refuse leads without outcomes, with too few won or lost deals, or with criteria that tell nothing."""
    if leads.outcome is None:
        raise UsageError(f"{leads.source}: {why_none_closed(leads)}")
    n_won, n_lost = n_of(leads, 1), n_of(leads, 0)
    if min(n_won, n_lost) < MIN_DEALS:
        raise TooFewDealsError(
            f"{leads.source}: got {n_won:,.0f} won and {n_lost:,.0f} lost deals; valid: at least {MIN_DEALS}"
            " of each, to learn from; score with the documented policies for now (leadml qualify), and"
            " calibrate once more deals have closed"
        )
    closed = np.flatnonzero(leads.outcome != OPEN)
    varies = any((codes[closed] != codes[closed[0]]).any() for codes in leads.codes.T)
    if leads.criteria and not varies and not leads.context:
        raise InputError(
            f"{leads.source}: {', '.join(leads.criteria)} are the same in all {len(closed):,} closed deals;"
            " valid: at least one criterion that varies; check the levels of the mapping (leadml check)"
        )


def choose_deals(leads: Leads, settings: Experiment) -> Chosen:
    """Take closed deals of cohorts that had the time to close, where that is known and wanted."""
    outcome = np.asarray(leads.outcome)
    closed, won = outcome != OPEN, outcome == 1
    found = None
    if settings.maturity == "auto":
        found = find_maturity(leads, None if settings.as_of is None else day_of(settings.as_of))
    if found is None:
        return Chosen(leads.take(closed), leads)
    days, mature, notes = found.days, found.mature, []
    kept = closed & mature
    if min((won & kept).sum(), (kept & ~won).sum()) < MIN_DEALS:
        note = ("LML604", {"days": days, "minimum": MIN_DEALS, "where": "dates"})
        return Chosen(leads.take(closed), leads, (note,), days=days)
    if left := int(closed.sum() - kept.sum()):
        rates = {"all": float(won.sum() / closed.sum()), "mature": float((won & mature).sum() / kept.sum())}
        values = {"n": left, "share": left / int(closed.sum()), "days": days, "as_of": day_text(found.as_of)}
        notes.append(("LML601", {**values, **rates, "where": "dates"}))
    late = found.overdue if leads.followed_up is None else found.overdue & leads.followed_up
    return Chosen(leads.take(kept), leads.take(mature), tuple(notes), left, days, late[mature])


class Maturity(NamedTuple):
    """How long deals take to close, and which leads have had that time."""

    as_of: int  # day of the data
    days: int  # within which 95% of the leads (of those that ever are, where fewer are) are closed
    mature: Flags  # (n,) created so many days before `as_of`, or without a date of creation
    overdue: Flags  # (n,) of a mature cohort, and still open


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


def sample_deals(deals: Leads, most: int, random_state: int) -> tuple[Leads, list[Note]]:
    """At most so many deals, units whole, in their order; weights add up to all deals."""
    if len(deals) <= most:
        return deals, []
    rng = np.random.default_rng([random_state, 306])
    if deals.unit is None:
        rows = np.sort(rng.choice(len(deals), most, replace=False))
    else:
        number, unit = np.unique(deals.unit, return_inverse=True)
        rows = np.flatnonzero((rng.random(len(number)) < most / len(deals))[unit])
    sample = deals.take(rows)
    weight = weight_of(sample) * (n_of(deals) / n_of(sample))
    note = {"n": len(rows), "all": len(deals), "where": "data"}
    return dataclasses.replace(sample, weight=weight), [("LML306", note)]


# ---------------------------------------------------------------- what deals stand for


def weight_of(leads: Leads) -> Floats:
    """How many deals each row stands for."""
    return np.broadcast_to(1.0, len(leads)) if leads.weight is None else leads.weight


def n_of(leads: Leads, outcome: int | None = None) -> float:
    """How many deals there are, or ended so; no column of numbers is made of ten million deals."""
    if leads.weight is None:
        return float(len(leads) if outcome is None else np.count_nonzero(leads.outcome == outcome))
    return float(leads.weight.sum() if outcome is None else leads.weight @ (leads.outcome == outcome))


def learning_weight(leads: Leads) -> Floats:
    """The same; leads followed up at random stand for those that were not, by one over their chance (at most 20).

    They add up to the effective number (Kish 1965): a lead that stands for ten is still one lead seen.
    """
    weight = weight_of(leads)
    if leads.propensity is None:
        return weight
    stands_for = np.where(np.isnan(leads.propensity), 1.0, np.minimum(1 / leads.propensity, 20.0))
    return weight * stands_for * float(weight @ stands_for) / float(weight @ stands_for**2)


def won_of(leads: Leads) -> Floats:
    """1 won, 0 lost."""
    return np.asarray(leads.outcome == 1, dtype=np.float64)


def count_by(leads: Leads, at: npt.NDArray[np.integer], most: int) -> tuple[Floats, Floats]:
    """Won deals, and all deals, of each number (`at`) from 0 up to the highest."""
    won, weight = np.asarray(leads.outcome == 1), None
    if leads.weight is not None or leads.propensity is not None:
        weight = learning_weight(leads)
    n_won = np.bincount(at[won], None if weight is None else weight[won], most + 1)
    return n_won.astype(np.float64), np.bincount(at, weight, most + 1).astype(np.float64)


def count_patterns(leads: Leads, criteria: Sequence[str]) -> PatternCounts:
    """Won and lost deals of each pattern of some criteria."""
    won, weight = np.asarray(leads.outcome == 1), learning_weight(leads)
    return PatternCounts.from_codes(codes_of_leads(leads, criteria), won, weight)


def plain_design(codes: Codes, of: Codes, n: Floats) -> Floats:
    """Levels, unknown at the mean known one of patterns (`of`, n deals each), beside an indicator of each unknown."""
    known, unknown = of != UNKNOWN, codes == UNKNOWN
    mean = (n @ np.where(known, of, 0)) / np.maximum(n @ known, 1e-9)
    return np.hstack([np.where(unknown, mean, codes), unknown]).astype(np.float64)


def span(leads: Leads) -> tuple[int, int] | None:
    """First and last known day: of closing, else of creation."""
    for column in (leads.closed, leads.created):
        if column is not None and (known := column[column != NO_DAY]).size:
            return int(known.min()), int(known.max())
    return None
