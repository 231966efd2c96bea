"""All closed deals by their counts, where single ones are only a sample of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.frameworks import fails_gate
from leadml.leads.counted import N_BUCKETS, Counted
from leadml.leads.patterns import PatternTable
from leadml.workflows.contenders import INNER_FOLDS, Frame, to_codes
from leadml.workflows.findings import make_finding


@dataclass(frozen=True)
class Whole:
    """Counts of everything that a sample of single deals was drawn from.

    Attributes
    ----------
    tables : dict of str to PatternTable
        Closed deals that are learned from, by framework; keys are folds, or buckets of groups.
    levels : dict of str to list of 6 int
        These deals at levels 0 to 4 and unknown, by criterion.
    n_won, n_lost : int
        These deals.
    n_leads, n_open : int
        Leads read, and those among them that are open.
    n_single : int
        Leads in the sample.
    in_groups : bool
        Whether deals come in groups, which were drawn whole.
    """

    tables: dict[str, PatternTable]
    levels: dict[str, list[int]]
    n_won: int
    n_lost: int
    n_leads: int
    n_open: int
    n_single: int
    in_groups: bool

    @property
    def base_rate(self) -> float:
        """Share of won deals."""
        return self.n_won / (self.n_won + self.n_lost)


def find_whole(
    counted: Counted | None, random_state: int, before: int | None = None, *, open_is_lost: bool = False
) -> Whole | None:
    """Lay out what was counted.

    Parameters
    ----------
    counted : Counted, optional
        What was counted.
    random_state : int
        Seed of the folds.
    before : int, optional
        Key of the month from which on leads are too recent to learn from.
    open_is_lost : bool
        Whether open leads of the other months count as lost.

    Returns
    -------
    Whole or None
        None where every lead is there.
    """
    if counted is None or not counted.is_sampled:
        return None
    n_won, n_lost = counted.count_closed(before, open_is_lost=open_is_lost)
    return Whole(
        tables=counted.tables(random_state, before, open_is_lost=open_is_lost),
        levels=counted.count_levels(before, open_is_lost=open_is_lost),
        n_won=n_won,
        n_lost=n_lost,
        n_leads=counted.n_leads,
        n_open=int(counted.ended.open.sum()),
        n_single=len(counted.leads),
        in_groups=bool(counted.by_group),
    )


def count_frame(frame: Frame, whole: Whole) -> Frame:
    """Look at all deals as a framework sees the sample.

    Parameters
    ----------
    frame : Frame
        The framework and the sample.
    whole : Whole
        All deals.

    Returns
    -------
    Frame
        The same with the counts of all deals; single levels are those of the patterns.
    """
    table = whole.tables[frame.framework.id]
    failed = fails_gate(to_codes(table.levels), frame.framework, frame.framework.criterion_ids)
    return replace(frame, levels=table.levels, table=table, gate_failed=failed)


def inner_folds(frames: Sequence[Frame], random_state: int) -> NDArray[Any]:
    """Deal the keys of all deals to the folds in which strengths are chosen.

    Parameters
    ----------
    frames : sequence of Frame
        As `count_frame` gives them.
    random_state : int
        Seed.

    Returns
    -------
    int array of shape (n_keys,)
        Fold of each key.
    """
    n_keys = max((frame.table.n_keys for frame in frames), default=0)
    folds = np.random.default_rng([random_state, 7]).permutation(n_keys)
    return np.asarray(folds % INNER_FOLDS)


def say_sampled(whole: Whole, n_closed: int) -> dict[str, str]:
    """Say what was learned from all deals and what from a sample.

    Parameters
    ----------
    whole : Whole
        All deals.
    n_closed : int
        Closed deals in the sample.

    Returns
    -------
    dict
        LML306.
    """
    n_all = whole.n_won + whole.n_lost
    groups = (
        f" Groups were drawn whole; over all deals they are drawn again in {N_BUCKETS} parts."
        if whole.in_groups
        else ""
    )
    return make_finding(
        "LML306",
        "note",
        f"rules and cards are compared on a sample of {n_closed:,} of {n_all:,} closed deals",
        f"Points, weights, cut-offs, bands and their intervals are learned from all {n_all:,} closed deals,"
        " by their number in each pattern. What needs single deals comes from a random sample of"
        f" {whole.n_single:,} of the {whole.n_leads:,} leads: the comparison on held-out deals and the"
        " verdicts that rest on it, the wider classifiers, the search for leaks and drift, the time to close,"
        f" and predictions.parquet.{groups} A larger single_deals in the experiment makes the sample larger.",
        "data",
    )
