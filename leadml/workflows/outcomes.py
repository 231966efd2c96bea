"""Which deals are learned from: those of mature cohorts; and what changes if overdue ones count as lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leadml.evaluation.metrics import rate_figure
from leadml.leads.maturity import Maturity, find_maturity
from leadml.leads.model import Leads
from leadml.leads.outcomes import MIN_DEALS
from leadml.workflows.contenders import SCORECARDS
from leadml.workflows.experiment import Experiment
from leadml.workflows.findings import make_finding


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
    """

    closed: Leads
    considered: Leads
    about: dict[str, Any]
    findings: list[dict[str, str]]
    overdue: Leads | None = None


def choose_deals(leads: Leads, settings: Experiment) -> Chosen:
    """Choose the deals to learn from.

    Parameters
    ----------
    leads : Leads
        All leads, with outcomes.
    settings : Experiment
        Gives `maturity` and `as_of`.

    Returns
    -------
    Chosen
        Deals and what was done.
    """
    ended = np.isfinite(np.asarray(leads.outcome))

    def leave(reason: str, findings: list[dict[str, str]] | None = None) -> Chosen:
        return Chosen(_pick(leads, ended), leads, {"applied": False, "reason": reason}, findings or [])

    if settings.maturity == "off":
        return leave("switched off in the experiment")
    found = find_maturity(leads, settings.as_of)
    if found is None:
        return leave("needs the dates of creation and close of at least 40 closed deals")
    about = _describe(leads, found, ended)
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
    return Chosen(_pick(considered, ended[found.mature]), considered, about, findings, overdue)


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
        found = judge_other_coding(chosen.overdue, leads, settings, result)
        if found is not None:
            other, finding = found
            result["findings"].append(finding)
    result["outcomes"] = {"maturity": chosen.about, "other_coding": other}


def judge_other_coding(
    overdue: Leads, leads: Leads, settings: Experiment, result: dict[str, Any]
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
    other = Comparison(leads, overdue, fewer, result["data"]["name"], [], overdue).run().result
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


def _describe(leads: Leads, found: Maturity, ended: np.ndarray[Any, Any]) -> dict[str, Any]:
    outcome = np.asarray(leads.outcome)
    kept = outcome[ended & found.mature]
    return {
        "applied": True,
        "reason": "",
        "as_of": found.as_of,
        "days": found.days,
        "ever_closed": found.ever_closed,
        "n_closed": int(ended.sum()),
        "n_left_out": int((ended & ~found.mature).sum()),
        "share_left_out": float((ended & ~found.mature).sum() / ended.sum()),
        "n_open_left_out": int((~ended & ~found.mature).sum()),
        "n_overdue": int(found.overdue.sum()),
        "n_undated": found.n_undated,
        "base_rate_of_all": rate_figure(float(np.nansum(outcome)), float(ended.sum())),
        "base_rate_of_mature": rate_figure(float(kept.sum()), float(len(kept))),
        "base_rate_if_overdue_are_lost": rate_figure(
            float(kept.sum()), float(len(kept) + found.overdue.sum())
        ),
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
