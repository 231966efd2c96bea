"""Which closed deals are learned from: enough of them, of mature cohorts; and the other coding of overdue
deals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from leadml.calibration.contenders import weight_of
from leadml.calibration.experiment import Experiment
from leadml.data.deals import OPEN, Leads
from leadml.exceptions import InputError, TooFewDealsError, UsageError

MIN_DEALS = 20
Note = tuple[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen:
    """Closed deals to learn from; `overdue` are these with open and overdue deals counted as lost, or
    None."""

    deals: Leads
    considered: Leads  # with the open leads of the same cohorts
    notes: tuple[Note, ...] = ()
    overdue: Leads | None = None


def check_enough(leads: Leads) -> None:
    """Refuse leads without outcomes, with too few won or lost deals, or with criteria that tell nothing."""
    if leads.outcome is None:
        raise UsageError(
            f"{leads.source}: the mapping names no outcome; valid: outcome:"
            f" {{column: ..., won: [...], lost: [...]}};"
            " add it to the mapping"
        )
    weight = weight_of(leads)
    n_won, n_lost = (float(weight[leads.outcome == each].sum()) for each in (1, 0))
    if min(n_won, n_lost) < MIN_DEALS:
        raise TooFewDealsError(
            f"{leads.source}: got {n_won:,.0f} won and {n_lost:,.0f} lost deals; valid: at least {MIN_DEALS}"
            " of each, to"
            " learn from; score with the documented policies for now (leadml qualify), and calibrate once"
            " more deals"
            " have closed"
        )
    closed = leads.codes[leads.outcome != OPEN]
    if closed.shape[1] and not (closed != closed[0]).any() and not leads.context:
        raise InputError(
            f"{leads.source}: {', '.join(leads.criteria)} are the same in all {len(closed):,} closed deals;"
            " valid: at"
            " least one criterion that varies; check the levels of the mapping (leadml check)"
        )


def choose_deals(leads: Leads, settings: Experiment) -> Chosen:
    """Take closed deals of cohorts that had the time to close, where that is known and wanted."""
    closed = np.asarray(leads.outcome) != OPEN
    everything = Chosen(_pick(leads, closed), leads)
    if settings.maturity == "off":
        return everything
    return everything


def _pick(leads: Leads, rows: Any) -> Leads:
    return leads if rows.all() else leads.take(rows)
