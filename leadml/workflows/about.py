"""What a result says of itself: its data, its split, where its cards come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.estimators.design import points_of
from leadml.evaluation.bootstrap import as_json
from leadml.evaluation.metrics import rate_figure
from leadml.frameworks import Framework
from leadml.leads.model import Leads
from leadml.leads.split import TRAIN_ONLY, Split
from leadml.records import digest_record
from leadml.workflows.cards import Learned
from leadml.workflows.contenders import SCORECARDS, Contender, Frame
from leadml.workflows.experiment import Experiment
from leadml.workflows.judge import Resampled, share_of_weights
from leadml.workflows.whole import Whole

Array = NDArray[Any]


def describe_data(
    leads: Leads,
    closed: Leads,
    outcome: Array,
    frameworks: list[Framework],
    currency: str,
    name: str,
    whole: Whole | None = None,
) -> dict[str, Any]:
    """Describe the data as in result.json.

    Parameters
    ----------
    leads, closed : Leads
        All leads, and the closed ones that are learned from.
    outcome : array of shape (n,)
        1 won, 0 lost, of the closed ones.
    frameworks : list of Framework
        Those that are judged.
    currency : str
        Unit of net values; empty where no money is told.
    name : str
        Name of the card.
    whole : Whole, optional
        Counts of everything, where `leads` are a sample.

    Returns
    -------
    dict
        Counts, levels and digests.
    """
    names = list(closed.levels.columns)
    counts = _count_levels(closed) if whole is None else whole.levels
    mapped = [
        {
            "id": criterion,
            "mapped": True,
            "unknown_share": counts[criterion][5] / sum(counts[criterion]),
            "levels": {str(v): counts[criterion][v] for v in range(5)},
        }
        for criterion in names
    ]
    asked = {c for f in frameworks for c in f.criterion_ids} - set(names)
    silent = [{"id": c, "mapped": False, "unknown_share": 1.0, "levels": {}} for c in sorted(asked)]
    if whole is None:
        n, won, n_leads = len(outcome), float(outcome.sum()), len(leads)
        n_open = 0 if leads.outcome is None else int(np.isnan(leads.outcome).sum())
    else:
        n, won, n_leads = whole.n_won + whole.n_lost, float(whole.n_won), whole.n_leads
        n_open = whole.n_open
    return {
        "name": name,
        "source": Path(leads.source).name if leads.source else "",
        "n_rows": int(leads.n_rows),
        "n_leads": n_leads,
        "n_won": int(won),
        "n_lost": int(n - won),
        "n_open": n_open,
        "n_left_out": n_leads - n_open - n,
        "n_rejected": int(leads.n_rows - n_leads),
        "n_single": len(leads),
        "base_rate": rate_figure(won, n),
        "digest": leads.digest,
        "mapping_name": None if leads.mapping is None else leads.mapping.name,
        "mapping_digest": mapping_digest(leads),
        "criteria": mapped + silent,
        "context": [str(c) for c in closed.context.columns],
        "currency": currency or None,
    }


def _count_levels(leads: Leads) -> dict[str, list[int]]:
    """Leads at levels 0 to 4 and unknown, by criterion."""
    codes = leads.levels.fillna(5)
    return {str(c): np.bincount(codes[c].astype(int), minlength=6).tolist() for c in codes.columns}


def describe_split(split: Split, outcome: Array) -> dict[str, Any]:
    """Describe the split as in result.json.

    Parameters
    ----------
    split : Split
        The folds.
    outcome : array of shape (n,)
        1 won, 0 lost.

    Returns
    -------
    dict
        Kind, sizes, base rates and the reason.
    """
    in_time = split.kind == "out-of-time"
    test = split.fold[0] == 0 if in_time else np.ones(len(outcome), dtype=bool)
    train = split.fold[0] == TRAIN_ONLY if in_time else test
    return {
        "kind": split.kind,
        "folds": split.n_folds,
        "repeats": len(split.fold),
        "test_share": float(test.mean()) if in_time else 1 / split.n_folds,
        "n_groups": split.n_keys,
        "n_train": int(train.sum()),
        "n_test": int(test.sum()),
        "train_base_rate": float(outcome[train].mean()),
        "test_base_rate": float(outcome[test].mean()),
        "reason": split.reason,
    }


def describe_provenance(
    leads: Leads, outcome: Array, settings: Experiment, whole: Whole | None = None
) -> dict[str, Any]:
    """Say where a card comes from.

    Parameters
    ----------
    leads : Leads
        All leads that were read.
    outcome : array of shape (n,)
        1 won, 0 lost, of the closed ones.
    settings : Experiment
        Gives the date.
    whole : Whole, optional
        Counts of everything, where `leads` are a sample.

    Returns
    -------
    dict
        As in card.json.
    """
    won = int(outcome.sum())
    lost = len(outcome) - won
    if whole is not None:
        won, lost = whole.n_won, whole.n_lost
    return {
        "data_digest": leads.digest,
        "mapping_digest": mapping_digest(leads),
        "n_won": won,
        "n_lost": lost,
        "as_of": settings.as_of or last_day(leads),
        "mlflow_run_id": None,
        "leadml_version": version(),
    }


def mapping_digest(leads: Leads) -> str | None:
    """Digest of the mapping that read the leads.

    Parameters
    ----------
    leads : Leads
        Any leads.

    Returns
    -------
    str or None
        None for leads made by hand.
    """
    return None if leads.mapping is None else digest_record(leads.mapping)


def top_log_odds(full: Array) -> Array:
    """Log-odds of level 4 of each criterion.

    Parameters
    ----------
    full : array of shape (..., 1 + 5 * n_criteria)
        Coefficients of a scorecard.

    Returns
    -------
    array of shape (..., n_criteria)
        f_j(4).
    """
    return points_of(full)[0][..., -1]


def describe_scorecard(
    contender: Contender, frames: dict[str, Frame], learned: dict[str, Learned], drawn: dict[str, Resampled]
) -> dict[str, Any]:
    """Describe how a scorecard was learned from all deals.

    Parameters
    ----------
    contender : Contender
        Any contender; one that learns no points has nothing to tell.
    frames : dict of str to Frame
        The deals as each framework sees them.
    learned : dict of str to Learned
        The card of each framework.
    drawn : dict of str to Resampled
        The deals, drawn again.

    Returns
    -------
    dict
        Strengths, steps that earn points, weights and path; of whole points also the log loss a deal that
        the real-valued fit expects of them, of itself, and the difference. None where there is nothing.
    """
    out: dict[str, Any] = dict.fromkeys(("shrink", "smooth", "n_points_steps", "rounding", "weights", "path"))
    name = contender.framework
    if name is None or contender.family not in SCORECARDS:
        return out
    fit = learned[name]
    card = fit.integer
    out["shrink"], out["smooth"] = as_json(fit.shrink), as_json(fit.smooth)
    out["n_points_steps"] = int((np.diff(card.points, axis=1) > 0).sum())
    if contender.family == "integer":
        lost = card.log_loss - card.real_log_loss
        out["rounding"] = {"whole": card.log_loss, "real": card.real_log_loss, "lost": lost}
    out["weights"], out["path"] = describe_weights(frames[name], fit, drawn[name])
    return out


def describe_weights(
    frame: Frame, learned: Learned, drawn: Resampled
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Weights in documented points with intervals, and along the strengths.

    Parameters
    ----------
    frame : Frame
        The deals as the framework sees them.
    learned : Learned
        Its card.
    drawn : Resampled
        The deals, drawn again.

    Returns
    -------
    weights : dict
        criterion: documented, learned, low, high.
    path : list of dict
        shrink, smooth (a deal; None = infinite), log_loss and weights, from the document to the data.
    """
    ids, scale = frame.framework.criterion_ids, 4.0 * len(frame.mapped)
    shares = share_of_weights(frame, top_log_odds(learned.full)[None])[0]
    weights = {}
    for at, name in enumerate(ids):
        if name in frame.mapped:
            interval = drawn.weight_figure(at, scale)
            weights[name] = {
                "documented": 4.0,
                "learned": as_json(shares[at] * scale),
                "low": as_json(interval.low),
                "high": as_json(interval.high),
            }
    mean = learned.path.losses[0].sum(axis=0) / learned.path.sizes[0].sum()
    path = []
    for at, (shrink, smooth) in enumerate(learned.path.grid):
        share = share_of_weights(frame, learned.weights_path[at][None])[0]
        path.append(
            {
                "shrink": as_json(shrink),
                "smooth": as_json(smooth),
                "log_loss": float(mean[at]),
                "weights": {
                    name: as_json(share[j] * scale) for j, name in enumerate(ids) if name in frame.mapped
                },
            }
        )
    return weights, path


def order_of(leads: Leads) -> Array | None:
    """Time of each deal: when it was created, else closed, else its row.

    Parameters
    ----------
    leads : Leads
        Closed deals.

    Returns
    -------
    array of shape (n,) or None
        Numbers that rise with time, NaN where missing; None where there is no time.
    """
    for dates in (leads.created_at, leads.closed_at):
        if dates is not None and dates.notna().any():
            return np.where(dates.isna(), np.nan, dates.astype("int64").to_numpy(dtype=float))
    return np.arange(len(leads), dtype=float) if leads.in_time_order else None


def name_of(leads: Leads) -> str:
    """Name that the store accepts, out of the mapping's or the file's.

    Parameters
    ----------
    leads : Leads
        Any leads.

    Returns
    -------
    str
        1 to 64 letters, digits, - and _.
    """
    text = leads.mapping.name if leads.mapping is not None else Path(leads.source).stem
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", text.encode("ascii", "ignore").decode()).strip("_-")
    return plain[:64] or "leads"


def last_day(leads: Leads) -> str:
    """Last date in the data, which dates a result without a clock.

    Parameters
    ----------
    leads : Leads
        Any leads.

    Returns
    -------
    str
        ISO date, or "undated".
    """
    for dates in (leads.closed_at, leads.created_at):
        if dates is not None and dates.notna().any():
            return str(dates.max().date())
    return "undated"


def version() -> str:
    """Version of leadml.

    Returns
    -------
    str
        As in the package.
    """
    from leadml import __version__

    return __version__
