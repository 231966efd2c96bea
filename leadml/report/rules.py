"""The documented rules and their verdicts, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from leadml.report.wording import UNKNOWN_TEXT, figure_text, joined, number, percent

VERDICTS: Final[dict[str, dict[str, str]]] = {
    "keep": {
        "badge": "Keep",
        "headline": "Keep the rule",
        "means": "Nothing learned from these deals is worth more than the smallest gain asked for.",
    },
    "change": {
        "badge": "Change",
        "headline": "Change the rule",
        "means": "The whole interval of the gain lies above zero.",
    },
    "undecided": {
        "badge": "Undecided",
        "headline": "Undecided: stay with the rule for now",
        "means": "These deals neither contradict the rule nor confirm it. That is an answer: "
        "nothing here is worth a change yet.",
    },
    "cannot-judge": {
        "badge": "Cannot judge",
        "headline": "These deals cannot judge the rule",
        "means": "What would be needed to judge is not in the data; more deals of the same kind "
        "would not help.",
    },
}
"""What each verdict is called, and what it means to someone who has never seen one."""

_BASES: Final = {
    "economics": "the value of a won deal and the cost of a follow-up that were given",
    "capacity": "the number of leads that can be followed up, as given",
    "probability": "the probability that was given with the bands",
    "break-even": "break-even, as nothing else was given: follow up when a lead is at least as likely "
    "to be won as an average one",
}


def verdict_words(verdict: str | None) -> dict[str, str]:
    """Put a verdict into words.

    Parameters
    ----------
    verdict : str or None
        ``keep``, ``change``, ``undecided`` or ``cannot-judge``.

    Returns
    -------
    dict
        ``id``, ``badge``, ``headline``, ``means``.
    """
    known = VERDICTS.get(
        verdict or "", {"badge": UNKNOWN_TEXT, "headline": "No verdict", "means": "No verdict was reached."}
    )
    return {"id": verdict if verdict in VERDICTS else "none", **known}


def implied_value_text(
    implied: Mapping[str, Any] | None, n_times: str = "right for you if a won deal is worth"
) -> str:
    """Say for whom a documented cut-off is the right one.

    Parameters
    ----------
    implied : mapping or None
        ``low``, ``high`` in follow-ups per won deal; ``low_interval``, ``high_interval``
        as pairs; any may be None.
    n_times : str
        The opening words.

    Returns
    -------
    str
        Empty when nothing is known.

    Examples
    --------
    >>> implied_value_text({"low": 6.1, "high": 10.9, "low_interval": [5, 7.2], "high_interval": [9, 14]})
    'right for you if a won deal is worth 6.1 (5.0 to 7.2) to 10.9 (9.0 to 14.0) follow-ups'
    """
    low, high = ((implied or {}).get(key) for key in ("low", "high"))
    ends = [
        _end(value, (implied or {}).get(f"{key}_interval")) for key, value in (("low", low), ("high", high))
    ]
    if low is None and high is None:
        return ""
    if high is None:
        return f"{n_times} at least {ends[0]} follow-ups"
    if low is None:
        return f"{n_times} at most {ends[1]} follow-ups"
    if low > high:
        return ""
    return f"{n_times} {ends[0]} to {ends[1]} follow-ups"


def gain_text(gain: Mapping[str, Any] | None, currency: str | None = None) -> dict[str, str]:
    """Write a gain of a verdict in its own unit.

    Parameters
    ----------
    gain : mapping or None
        ``value``, ``low``, ``high``, ``p_adjusted``, ``unit``.
    currency : str or None
        Of the data.

    Returns
    -------
    dict
        ``value``, ``interval``, ``unit``, ``p``.
    """
    unit = str((gain or {}).get("unit") or "")
    style = (
        "percentage-points"
        if "share" in unit or "wins" in unit
        else ("signed-money" if currency and currency in unit else "signed")
    )
    text = figure_text(gain, style, None)
    return {**text, "unit": unit, "p": p_text((gain or {}).get("p_adjusted"))}


def p_text(p: float | None) -> str:
    """Write an adjusted p-value.

    Parameters
    ----------
    p : float or None
        Between 0 and 1.

    Returns
    -------
    str
    """
    if p is None:
        return ""
    return (
        "p\u00a0<\u00a00.001"
        if p < 0.001
        else f"p\u00a0=\u00a0{p:.3f}"
        if p < 0.0095
        else f"p\u00a0=\u00a0{p:.2f}"
    )


def rule_summary(
    policy: Mapping[str, Any], titles: Mapping[str, str], currency: str | None
) -> dict[str, Any]:
    """Summarise one documented rule.

    Parameters
    ----------
    policy : mapping
        One of the result's ``policies``.
    titles : mapping
        Title of each contender, by id.
    currency : str or None
        Of the data.

    Returns
    -------
    dict
        Plain texts, and ``rates`` for the picture.
    """
    scale = "criteria met" if policy["unit"] == "met" else "points" if policy["unit"] == "points" else ""
    cutoff = policy.get("learned_cutoff") or {}
    threshold = policy.get("threshold") or {}
    more, sentence = policy.get("more_deals_needed"), policy.get("sentence") or ""
    told = "would decide" in sentence
    learned = policy.get("learned_contender")
    return {
        "id": policy["id"],
        "title": titles.get(policy["id"]) or policy.get("title") or policy["id"],
        "verdict": verdict_words(policy.get("verdict")),
        "weights_verdict": verdict_words(policy.get("verdict_weights")),
        "cutoff_verdict": verdict_words(policy.get("verdict_cutoff")),
        "sentence": sentence,
        "documented_cutoff": f"from {number(policy.get('documented_cutoff'))} {scale}".strip(),
        "learned_cutoff": figure_text(cutoff, "whole"),
        "same_cutoffs": _same_text(
            cutoff.get("not_distinguishable") or [], len(policy.get("rates") or []) - 1
        ),
        "scale": scale,
        **{f"gain_{name}": _judged_gain(policy, name, currency) for name in ("weights", "cutoff")},
        "against": titles.get(learned or "", learned or ""),
        "threshold": _threshold_text(threshold),
        "implied": implied_value_text(policy.get("implied_value")),
        "more_deals": ""
        if told or not more
        else f"About {number(_rounded(more))} further closed deals would decide.",
        "weights": [_weight_row(name, weight) for name, weight in (policy.get("weights") or {}).items()],
        "order": _order_text(policy.get("order_claim")),
        "rates": policy.get("rates") or [],
        "rate_rows": [
            {
                **{key: number(row[key]) for key in ("score", "n", "won")},
                "rate": figure_text(row["rate"], "percent"),
            }
            for row in policy.get("rates") or []
        ],
        "cutoffs": {
            "documented": policy.get("documented_cutoff"),
            **{key: cutoff.get(key) for key in ("value", "low", "high")},
        },
    }


def _judged_gain(policy: Mapping[str, Any], question: str, currency: str | None) -> dict[str, str]:
    """Write the gain behind a verdict; none where nothing could be judged."""
    silent = policy.get(f"verdict_{question}") == "cannot-judge"
    return gain_text(None if silent else policy.get(f"gain_{question}"), currency)


def _end(value: float | None, interval: list[float] | None) -> str:
    """Write one end of an implied range, with its own interval."""
    text = number(value, 1)
    if interval and None not in interval:
        text += f" ({number(interval[0], 1)} to {number(interval[1], 1)})"
    return text


def _rounded(n: float) -> float:
    """Round to two leading digits: a forecast of deals is no exact figure."""
    return float(f"{n:.2g}")


def _threshold_text(threshold: Mapping[str, Any]) -> str:
    """Say from which probability on a follow-up pays, and on what ground."""
    if threshold.get("probability") is None:
        return ""
    ground = _BASES.get(str(threshold.get("basis")), str(threshold.get("basis")))
    return f"A follow-up pays from a chance of {percent(threshold['probability'], 0)} on. Ground: {ground}."


def _weight_row(name: str, weight: Mapping[str, Any]) -> dict[str, Any]:
    """Put the documented weight of a criterion next to the learned one."""
    return {
        "criterion": name,
        "documented": number(weight.get("documented"), 1),
        "learned": figure_text(
            {"value": weight.get("learned"), **{k: weight.get(k) for k in ("low", "high")}}, "decimal"
        ),
    }


def _order_text(claim: Mapping[str, Any] | None) -> str:
    """Say how far a claimed order of the criteria holds."""
    if not claim or not claim.get("claim"):
        return ""
    share = claim.get("share")
    held = (
        "" if share is None else f" The learned weights stood in this order in {percent(share)} of resamples."
    )
    return f"{claim['claim']}{held}"


def _same_text(cutoffs: Sequence[float], top: int) -> str:
    """Name the cut-offs that cannot be told from the best, a run of them by its ends."""
    reached = [k for k in cutoffs if top < 1 or k <= top]
    beyond = "; nor can following up no one" if len(reached) < len(cutoffs) else ""
    if len(cutoffs) < 2 or not reached:
        return ""
    run = len(reached) > 2 and max(reached) - min(reached) == len(reached) - 1
    words = (
        f"{number(min(reached))} to {number(max(reached))}" if run else joined([number(k) for k in reached])
    )
    return f"Cut-offs that cannot be told from the best: {words}{beyond}."
