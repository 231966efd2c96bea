"""Numbered findings of a calibration.

========  ========================================================================================
LML201    a criterion of the framework is not in the data
LML202    a criterion earns no points: the deals show no effect, or the wrong sign
LML203    a criterion hardly varies
LML204    few deals: intervals are wide
LML301    nothing beats the base rate
LML302    the context columns know more than the rules
LML303    a rule follows up everyone or no one
LML304    the baseline is not judged, another rule is compared with
LML305    no documented rule can be judged, since no criterion is mapped
LML306    more deals than are compared one by one: learned from all, compared on a sample
LML401    the base rate differs between training and test deals
LML402    a criterion is distributed differently in training and test deals
LML403    deals are left out of training because their group or twin is held out
LML404    the points of the recommended card are distributed differently in training and test deals
LML405    the probabilities told do not hold on the test deals
LML501    no economics and no capacity were given: break-even is assumed
LML502    what share of the leads a capacity of so many a week is
LML503    what a won deal is worth, from the amounts of won deals
LML601    closed deals of leads too recent to count are left out
LML602    what the verdict is when open and overdue deals count as lost
LML603    hardly any lead below a score was worked: lower cut-offs cannot be judged
LML604    too few deals are old enough, so recent ones count too
========  ========================================================================================

LML1xx are findings on the data, see `leadml.leads.catalogue`; LML306 comes from `leadml.workflows.whole`,
LML401 to LML405 from `shift`, LML502 and LML503 from `stakes`, LML601 to LML604 from `outcomes` and `worked`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from leadml.leads.split import LEFT_OUT, Split
from leadml.workflows.contenders import Frame

Array = NDArray[Any]

HARDLY_VARIES = 0.85  # share of known levels at one level
FEW_DEALS = 300


def make_finding(code: str, severity: str, title: str, explanation: str, where: str) -> dict[str, str]:
    """Make one finding.

    Parameters
    ----------
    code : str
        LML and three digits.
    severity : {"stop", "warn", "note"}
        How much it endangers the result.
    title, explanation : str
        In a user's words.
    where : str
        Column, criterion, rule or file.

    Returns
    -------
    dict
        As in result.json.
    """
    return {"code": code, "severity": severity, "title": title, "explanation": explanation, "where": where}


def find_on_criteria(levels: Any, frameworks: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Criteria that are missing or hardly vary.

    Parameters
    ----------
    levels : DataFrame of shape (n, k)
        Levels of the mapped criteria.
    frameworks : list of dict
        id, title, mapped, unmapped.

    Returns
    -------
    list of dict
        Findings LML201 and LML203.
    """
    out = [
        make_finding(
            "LML201",
            "note",
            f"{framework['title']} is judged on {len(framework['mapped'])} of its"
            f" {len(framework['mapped']) + len(framework['unmapped'])} criteria",
            f"These deals hold no {', '.join(framework['unmapped'])}: they count as unknown for every lead,"
            " so documented cut-offs are harder to reach than the document means, and a learned card keeps"
            " their documented points, untested.",
            framework["id"],
        )
        for framework in frameworks
        if framework["unmapped"]
    ]
    for name in levels.columns:
        known = levels[name].dropna()
        if len(known) and (share := float(known.value_counts(normalize=True).iloc[0])) >= HARDLY_VARIES:
            level = int(known.mode().iloc[0])
            out.append(
                make_finding(
                    "LML203",
                    "note",
                    f"{name} hardly varies",
                    f"{share:.0%} of the known levels are {level}: whatever it is worth, these deals can"
                    " hardly show it.",
                    name,
                )
            )
    return out


def _best_of(figures: list[dict[str, Any]]) -> str:
    """Say how well the best ranking may yet be."""
    told = [f for f in figures if f["kind"] in ("learned", "context") and f["auc"]["high"] is not None]
    if not told:
        return ""
    best = max(told, key=lambda f: f["auc"]["value"])["auc"]
    return f": the best ranking has an AUC of {best['value']:.2f} ({best['low']:.2f} to {best['high']:.2f})"


def find_on_result(
    levels: Any,
    outcome: Array,
    frames: Sequence[Frame],
    points_of_level_4: dict[str, Array],
    figures: list[dict[str, Any]],
    split: Split,
    basis: str,
) -> list[dict[str, str]]:
    """Everything that a calibration has to say about itself, the gravest first.

    Parameters
    ----------
    levels : DataFrame of shape (n, k)
        Levels of the closed deals.
    outcome : array of shape (n,)
        1 won, 0 lost.
    frames : sequence of Frame
        Frameworks that were judged.
    points_of_level_4 : dict of str to array
        Whole points of level 4 of each criterion, by framework.
    figures : list of dict
        Contenders as in result.json.
    split : Split
        The folds.
    basis : str
        Where the cut-off comes from.

    Returns
    -------
    list of dict
        Findings.
    """
    found: list[dict[str, str]] = []
    knows_prior = any(f["kind"] == "prior" for f in figures)
    views = [
        {
            "id": f.framework.id,
            "title": f.framework.title,
            "mapped": f.mapped,
            "unmapped": [c for c in f.framework.criterion_ids if c not in f.mapped],
        }
        for f in frames
    ]
    found += find_on_criteria(levels, views)
    for frame in frames:
        points = points_of_level_4[frame.framework.id]
        silent = [
            c
            for c, p in zip(frame.framework.criterion_ids, points, strict=True)
            if p == 0 and c in frame.mapped
        ]
        if silent:
            found.append(
                make_finding(
                    "LML202",
                    "warn",
                    f"{frame.framework.title}: no points for {', '.join(silent)}",
                    "In these deals a higher level goes with no more wins, or with too few for a whole point."
                    " A learned card never gives negative points; it gives none.",
                    frame.framework.id,
                )
            )
    if len(outcome) < FEW_DEALS:
        found.append(
            make_finding(
                "LML204",
                "note",
                f"{len(outcome)} closed deals are few",
                "Intervals are wide and “undecided” is the likely answer; it is a good answer.",
                "data",
            )
        )
    beats = [
        f["id"]
        for f in figures
        if (g := f["gain_over_prior"]) is not None
        and (g["log_loss"]["low"] or 0) > 0
        and (g["log_loss"]["p_adjusted"] if g["log_loss"]["p_adjusted"] is not None else 1) < 0.05
    ]
    if knows_prior and not beats:
        found.append(
            make_finding(
                "LML301",
                "warn",
                "nothing beats the base rate",
                "No rule, learned card or wide classifier is shown to tell won from lost deals better than"
                f" giving every lead the same probability{_best_of(figures)}. Do not act on differences"
                " between contenders.",
                "contenders",
            )
        )
    cards = [f for f in figures if f["kind"] == "learned"]
    wide = [f for f in figures if f["kind"] == "context" and f["id"] in beats]
    if cards and wide:
        best_card = min(cards, key=lambda f: f["log_loss"]["value"])
        best_wide = min(wide, key=lambda f: f["log_loss"]["value"])
        if best_wide["auc"]["low"] > best_card["auc"]["high"]:
            found.append(
                make_finding(
                    "LML302",
                    "note",
                    "the context columns know more than the rules",
                    f"{best_wide['title']} ranks held-out deals at AUC {best_wide['auc']['value']:.2f}, the"
                    f" best card at {best_card['auc']['value']:.2f}. What tells wins from losses here is only"
                    " in part what the rules ask.",
                    best_wide["id"],
                )
            )
    if split.kind == "out-of-time":
        left = int((split.fold[0] == LEFT_OUT).sum())
        if left:
            title = f"{left} deals are left out of training"
            found.append(make_finding("LML403", "note", title, split.reason, "split"))
    if basis == "break-even":
        found.append(
            make_finding(
                "LML501",
                "note",
                "break-even is assumed",
                "No economics and no capacity were given, so a lead is worth following up when it is likelier"
                f" to be won than the average lead ({float(outcome.mean()):.0%}). Each documented cut-off's"
                " implied value is shown beside it.",
                "experiment",
            )
        )
    order = {"stop": 0, "warn": 1, "note": 2}
    return sorted(found, key=lambda f: order[f["severity"]])
