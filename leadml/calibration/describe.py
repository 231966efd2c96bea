"""What was learned from and how deals were held out, as records of the result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from leadml.calibration.comparison import Held
from leadml.calibration.study import Study
from leadml.calibration.views import weight_of
from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.evaluation.log import Log
from leadml.result import Block, Data, Evaluation

DAYS_A_MONTH = 365.25 / 12


def iso(day: float | None) -> str | None:
    """Day since 1970-01-01 as an ISO date."""
    return None if day is None or day == NO_DAY else (date(1970, 1, 1) + timedelta(days=int(day))).isoformat()


def span(leads: Leads) -> tuple[int, int] | None:
    """First and last known day: of closing, else of creation."""
    for column in (leads.closed, leads.created):
        if column is not None and (known := column[column != NO_DAY]).size:
            return int(known.min()), int(known.max())
    return None


def span_of(dates: tuple[int, int] | None) -> dict[str, Any]:
    """First and last day as the fields `from` and `to`."""
    return {} if dates is None else {"from": iso(dates[0]), "to": iso(dates[1])}


def last_day(leads: Leads) -> str | None:
    """The last date in the data: what `as_of` is when nobody says."""
    days = [int(column.max()) for column in (leads.created, leads.closed) if column is not None and len(column)]
    return iso(max(days, default=None))


def describe_data(study: Study, leads: Leads, name: str) -> Data:
    """The data as a record."""
    from leadml.records import digest_record

    deals = study.deals
    weight, all_weight = weight_of(deals), weight_of(leads)
    won = float(weight[deals.outcome == 1].sum())
    n = float(weight.sum())
    dates = span(deals)
    per_month = None
    if dates is not None and dates[1] > dates[0]:
        per_month = n / max((dates[1] - dates[0]) / DAYS_A_MONTH, 1.0)
    asked = {name for view in study.views for name in view.framework.criterion_ids}
    return Data(
        name=name,
        source=leads.source,
        digest=leads.digest,
        mapping_digest="" if leads.mapping is None else digest_record(leads.mapping),
        n_rows=leads.n_rows or len(leads),
        n_leads=len(leads),
        n_rejected=max(leads.n_rows - len(leads), 0) if leads.rejections is not None else 0,
        n_won=won,
        n_lost=n - won,
        n_open=float(all_weight[np.asarray(leads.outcome) == OPEN].sum()),
        n_units=len(deals) if deals.unit is None else len(np.unique(deals.unit)),
        n_compared=len(study.compared),
        base_rate=won / n,
        **span_of(dates),
        as_of=study.settings.as_of or last_day(leads),
        deals_per_month=per_month,
        criteria=leads.criteria,
        unmapped=tuple(sorted(asked - set(leads.criteria))),
    )


def describe_unit(leads: Leads) -> str:
    """What one unit is, in words."""
    if leads.unit is None:
        return "deal"
    if group := getattr(leads.mapping, "group", None):
        return f"account ({', '.join(group)})"
    return "account" if leads.mapping is None else "equal rows"


def split_of(evaluation: Evaluation) -> dict[str, object]:
    """The same in the words of version 1."""
    kind = {"rolling": "out-of-time", "k-fold": "grouped-kfold"}[evaluation.kind]
    last = evaluation.blocks[-1]
    return {"kind": kind, "folds": len(evaluation.blocks), "n_train": last.n_train, "n_test": evaluation.n}


def describe_evaluation(study: Study, blocks: Sequence[Held], log: Log) -> Evaluation:
    """Blocks as records; every held-out figure rests on `n` deals."""
    deals, weight = study.compared, weight_of(study.compared)
    out = []
    for held in blocks:
        train, test = weight[held.train].sum(), weight[held.test].sum()
        won = weight[held.test] @ (deals.outcome[held.test] == 1)  # type: ignore[index]
        dates = span(deals.take(held.test)) if study.timed else None
        out.append(
            Block(
                **span_of(dates),
                n_train=float(train),
                n_test=float(test),
                n_embargoed=float(held.n_embargoed),
                base_rate=float(won / test) if test else None,
            )
        )
    once = log.repeat == 0
    return Evaluation(
        kind="rolling" if study.timed else "k-fold",
        unit=describe_unit(study.deals),
        blocks=tuple(out),
        n=float(log.weight[once].sum()),
        n_won=float(log.weight[once] @ (log.outcome[once] == 1)),
        looks=1,
    )
