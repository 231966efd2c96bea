"""Which deals are learned from: those of mature cohorts; and what changes if overdue ones count as lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leadml.evaluation.metrics import rate_figure
from leadml.leads.counted import UNDATED, Counted, month_keys
from leadml.leads.maturity import Maturity, find_maturity
from leadml.leads.model import Leads
from leadml.leads.outcomes import MIN_DEALS
from leadml.workflows.contenders import SCORECARDS
from leadml.workflows.experiment import Experiment
from leadml.workflows.findings import make_finding
from leadml.workflows.whole import Whole, find_whole


@dataclass(frozen=True)
class Chosen:
    """Deals to learn from.

    Attributes
    ----------
    closed : Leads
        Closed deals of mature cohorts; all closed deals where maturity is not known or not wanted.
    considered : Leads
        The same with the open leads of these cohorts.
    about : dict
        What was done, as in result.json under outcomes.maturity.
    findings : list of dict
        LML601 on deals left out, LML604 where that would leave too few.
    overdue : Leads or None
        `considered` with open leads counted as lost; None where there are none, or no known maturity.
    whole, whole_overdue : Whole or None
        Counts of all deals like `closed` and like `overdue`, where these are a sample.
    """

    closed: Leads
    considered: Leads
    about: dict[str, Any]
    findings: list[dict[str, str]]
    overdue: Leads | None = None
    whole: Whole | None = None
    whole_overdue: Whole | None = None


def choose_deals(leads: Leads, settings: Experiment, counted: Counted | None = None) -> Chosen:
    """Choose the deals to learn from.

    Parameters
    ----------
    leads : Leads
        All leads, with outcomes.
    settings : Experiment
        Gives `maturity` and `as_of`.
    counted : Counted, optional
        Counts of everything, where `leads` may be a sample.

    Returns
    -------
    Chosen
        Deals and what was done.

    Notes
    -----
    Of a sample, cohorts are whole months, as all leads were counted by month: a month that is old enough in
    part only is left out.
    """
    ended = np.isfinite(np.asarray(leads.outcome))
    if counted is not None and not counted.is_sampled:
        counted = None

    def leave(reason: str, findings: list[dict[str, str]] | None = None) -> Chosen:
        about = {"applied": False, "reason": reason}
        whole = find_whole(counted, settings.random_state)
        return Chosen(_pick(leads, ended), leads, about, findings or [], whole=whole)

    if settings.maturity == "off":
        return leave("switched off in the experiment")
    found = find_maturity(leads, settings.as_of)
    if found is None:
        return leave("needs the dates of creation and close of at least 40 closed deals")
    before = None
    if counted is not None:
        before = int(month_keys(np.array([found.until]), 1)[0])
        found = _by_months(leads, found, before)
    about = _describe(found, _count_in_memory(leads, found) if counted is None else _count(counted, before))
    kept = np.asarray(leads.outcome)[ended & found.mature]
    if min((kept == 1).sum(), (kept == 0).sum()) < MIN_DEALS:
        reason = "too few deals belong to mature cohorts"
        return replace(leave(reason, [_too_few(about)]), about={**about, "applied": False, "reason": reason})
    considered = _pick(leads, found.mature)
    overdue = None
    if found.overdue.any():
        outcome = np.where(found.overdue, 0.0, np.asarray(leads.outcome))[found.mature]
        overdue = _pick(replace(considered, outcome=outcome), np.isfinite(outcome))
    findings = [_left_out(about)] if about["n_left_out"] else []
    closed, seed = _pick(considered, ended[found.mature]), settings.random_state
    whole = find_whole(counted, seed, before)
    whole_overdue = None if overdue is None else find_whole(counted, seed, before, open_is_lost=True)
    return Chosen(closed, considered, about, findings, overdue, whole, whole_overdue)


def add_outcomes(result: dict[str, Any], chosen: Chosen, leads: Leads, settings: Experiment) -> None:
    """Put into a result which deals it was learned from, and what it is under the other coding.

    Parameters
    ----------
    result : dict
        As in result.json; `outcomes` and a finding are added.
    chosen : Chosen
        The deals it was learned from.
    leads : Leads
        All leads.
    settings : Experiment
        What was compared and how.
    """
    other = None
    if chosen.overdue is not None:
        found = judge_other_coding(chosen.overdue, leads, settings, result, chosen.whole_overdue)
        if found is not None:
            other, finding = found
            result["findings"].append(finding)
    result["outcomes"] = {"maturity": chosen.about, "other_coding": other}


def judge_other_coding(
    overdue: Leads,
    leads: Leads,
    settings: Experiment,
    result: dict[str, Any],
    whole: Whole | None = None,
) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Judge the documented rules once more with open and overdue deals counted as lost.

    Parameters
    ----------
    overdue : Leads
        Deals of mature cohorts, every open one lost.
    leads : Leads
        All leads.
    settings : Experiment
        As for the result; only the rules of two frameworks, their cut-offs and one card compete again.
    result : dict
        What was found without them.
    whole : Whole, optional
        Counts of all deals like `overdue`, where these are a sample.

    Returns
    -------
    tuple of (about, finding), or None
        Verdicts and the recommended card's AUC under either coding, as in result.json; and LML602, which says
        whether the verdict changes. None where no documented rule is judged.
    """
    from leadml.workflows.comparison import Comparison

    recommended = result["recommended"]
    frameworks = {recommended["framework"]} | {
        p["framework"] for p in result["policies"] if p["id"] == recommended["versus"]
    }
    policies = tuple(p["id"] for p in result["policies"] if p["framework"] in frameworks)
    if not policies:
        return None
    cards = [name for name in SCORECARDS if name in settings.contenders][:1]
    fewer = settings.model_copy(
        update={
            "policies": policies,
            "baseline": recommended["versus"],
            "contenders": tuple(n for n in settings.contenders if n == "cutoff" or n in cards),
        }
    )
    other = Comparison(leads, overdue, fewer, result["data"]["name"], [], overdue, whole).run().result
    then = {p["id"]: p for p in other["policies"]}
    auc = {c["id"]: c["auc"] for c in other["contenders"]}
    own_auc = {c["id"]: c["auc"] for c in result["contenders"]}
    card = recommended["contender"]
    rows = [
        {
            "id": p["id"],
            **{key: p[key] for key in ("verdict", "verdict_weights", "verdict_cutoff")},
            "other": {key: then[p["id"]][key] for key in ("verdict", "verdict_weights", "verdict_cutoff")},
        }
        for p in result["policies"]
        if p["id"] in then
    ]
    about = {
        "coding": "open and overdue deals count as lost",
        "n_overdue": other["data"]["n_lost"] - result["data"]["n_lost"],
        "base_rate": other["data"]["base_rate"],
        "policies": rows,
        "recommended": {"contender": card, "auc": own_auc.get(card), "other_auc": auc.get(card)},
    }
    return about, _say_other(about, result["data"]["base_rate"], recommended["versus"])


def _pick(leads: Leads, rows: np.ndarray[Any, Any]) -> Leads:
    """Pick leads by a mask; all of them are themselves."""
    return leads if rows.all() else leads.take(rows)


@dataclass(frozen=True)
class _Counts:
    """Leads by how they ended, and whether they are old enough; undated ones are."""

    won: int
    lost: int
    open: int
    won_mature: int
    lost_mature: int
    open_mature: int
    overdue: int
    undated: int


def _count_in_memory(leads: Leads, found: Maturity) -> _Counts:
    outcome = np.asarray(leads.outcome)
    ends = (outcome == 1, outcome == 0, np.isnan(outcome))
    won, lost, still_open = (int(each.sum()) for each in ends)
    w, n, m = (int((each & found.mature).sum()) for each in ends)
    return _Counts(won, lost, still_open, w, n, m, int(found.overdue.sum()), found.n_undated)


def _count(counted: Counted, before: int | None) -> _Counts:
    mature, undated = counted.ended.among(before), counted.ended.among(UNDATED)
    won, lost, still_open = undated.totals()
    overdue = mature.totals()[2] - still_open
    return _Counts(*counted.ended.totals(), *mature.totals(), overdue, won + lost)


def _by_months(leads: Leads, found: Maturity, before: int) -> Maturity:
    """Take whole months for cohorts."""
    created = leads.created_at
    keys = month_keys(None if created is None else created.to_numpy().astype("datetime64[s]"), len(leads))
    mature = keys < before
    still_open = np.isnan(np.asarray(leads.outcome))
    return replace(found, mature=mature, overdue=mature & still_open & (keys != UNDATED))


def _describe(found: Maturity, n: _Counts) -> dict[str, Any]:
    closed, mature = n.won + n.lost, n.won_mature + n.lost_mature
    return {
        "applied": True,
        "reason": "",
        "as_of": found.as_of,
        "days": found.days,
        "ever_closed": found.ever_closed,
        "n_closed": closed,
        "n_left_out": closed - mature,
        "share_left_out": (closed - mature) / closed,
        "n_open_left_out": n.open - n.open_mature,
        "n_overdue": n.overdue,
        "n_undated": n.undated,
        "base_rate_of_all": rate_figure(float(n.won), float(closed)),
        "base_rate_of_mature": rate_figure(float(n.won_mature), float(mature)),
        "base_rate_if_overdue_are_lost": rate_figure(float(n.won_mature), float(mature + n.overdue)),
    }


def _left_out(about: dict[str, Any]) -> dict[str, str]:
    filtered = (
        ""
        if about["n_open_left_out"] or about["n_overdue"]
        else " The data hold no open deal; if those were filtered out, slow deals are missing and the time to"
        " close is longer than it seems."
    )
    return make_finding(
        "LML601",
        "note",
        f"{about['n_left_out']:,} closed deals are too recent to count ({about['share_left_out']:.1%})",
        f"95% of the deals that close do so within {about['days']:,.0f} days of their creation. Of leads"
        f" created later than that before {about['as_of']}, only the quick ones have closed, and losses are"
        f" often quicker than wins: {about['base_rate_of_all']['value']:.1%} of all closed deals were won,"
        f" {about['base_rate_of_mature']['value']:.1%} of those old enough. Only these are learned"
        f" from.{filtered}",
        "dates",
    )


def _too_few(about: dict[str, Any]) -> dict[str, str]:
    return make_finding(
        "LML604",
        "warn",
        "too few deals are old enough, so recent ones count too",
        f"95% of the deals that close do so within {about['days']:,.0f} days of their creation. Without"
        f" the {about['n_left_out']:,} closed deals of leads created later than that before {about['as_of']},"
        f" fewer than {MIN_DEALS} won or lost deals would be left. With them, quick losses weigh too much:"
        " probabilities may be too low.",
        "dates",
    )


def _say_other(about: dict[str, Any], base_rate: dict[str, Any], baseline: str) -> dict[str, str]:
    own = next(row for row in about["policies"] if row["id"] == baseline)
    before, after = own["verdict"], own["other"]["verdict"]
    card = about["recommended"]
    auc, other_auc = ((card[key] or {}).get("value") for key in ("auc", "other_auc"))
    ranks = ""
    if auc is not None and other_auc is not None:
        ranks = f" {card['contender']} ranks at AUC {auc:.2f}, then at {other_auc:.2f}."
    moved = [row["id"] for row in about["policies"] if row["verdict"] != row["other"]["verdict"]]
    moved = [name for name in moved if name != baseline]
    others = f" Other rules whose verdict changes: {', '.join(moved)}." if moved else ""
    return make_finding(
        "LML602",
        "note" if before == after else "warn",
        f"counting overdue deals as lost, the verdict on {baseline} "
        + ("stays" if before == after else f"changes from {before} to {after}"),
        f"{about['n_overdue']:,} deals are still open though older than nearly all deals are when they close."
        f" Left out, {base_rate['value']:.1%} were won; counted as lost, {about['base_rate']['value']:.1%}."
        f" The verdict on {baseline} is {before}, then {after}.{ranks}{others}",
        baseline,
    )
