"""One verdict on a card in use, with its reasons: healthy, watch or recalibrate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from leadml.evaluation.bootstrap import adjust_holm

Health = Literal["healthy", "watch", "recalibrate"]

FAR_OFF = 0.03  # difference between the mean chance told and the rate seen, from which it counts
SLOPE_LOW, SLOPE_HIGH = 0.8, 1.25
MANY_REJECTED = 0.05  # share of rows
ALPHA = 0.05


class Reason(NamedTuple):
    """One reason for a verdict.

    Attributes
    ----------
    calls_for : {"healthy", "watch", "recalibrate"}
        What it calls for by itself; healthy for what is only to be known.
    text : str
        For a reader.
    """

    calls_for: Health
    text: str


def give_health(found: Mapping[str, Any]) -> tuple[Health, list[Reason]]:
    """Give the verdict.

    Calibration and the documented rule are three tests on the same deals: Holm's adjustment holds the chance
    of a false alarm of any of them at 5%, and a departure must also be large enough to matter.

    Parameters
    ----------
    found : mapping
        What `leadml.workflows.monitor` found: data, drift, unknown, bands, outcomes, rule, backtest.

    Returns
    -------
    verdict : {"healthy", "watch", "recalibrate"}
        The gravest of the reasons.
    reasons : list of Reason
        The gravest first; never empty.
    """
    reasons = [*_outcomes(found), *_inputs(found)]
    order: tuple[Health, ...] = ("recalibrate", "watch", "healthy")
    reasons.sort(key=lambda reason: order.index(reason.calls_for))
    if not reasons:
        reasons = [Reason("healthy", "Leads look like those the card learned from, and chances come true.")]
    return reasons[0].calls_for, reasons


def _outcomes(found: Mapping[str, Any]) -> list[Reason]:
    """What closed deals call for."""
    data, outcomes, rule = found["data"], found["outcomes"], found["rule"]
    if not data["n_closed"]:
        return [
            Reason("healthy", "No deal has closed since: whether the chances come true is not known yet.")
        ]
    if outcomes is None:
        return [Reason("healthy", "A documented card tells no chance, so there is none to check.")]
    if outcomes["intercept"] is None:
        text = (
            f"Only {data['n_won']} won and {data['n_lost']} lost deals since: too few to judge calibration."
        )
        return [Reason("healthy", text), *_rule(rule, None)]
    p_values = [outcomes["p_intercept"], outcomes["p_slope"], None if rule is None else rule["p"]]
    given = np.array([np.nan if p is None else p for p in p_values])
    sure = adjust_holm(given) < ALPHA
    told, seen = outcomes["told_mean"], outcomes["base_rate"]["value"]
    reasons = []
    if abs(told - seen) >= FAR_OFF and given[0] < ALPHA:
        which = "high" if told > seen else "low"
        text = f"Chances are told too {which}: {told:.0%} on average, {seen:.0%} came true."
        reasons.append(Reason("recalibrate" if sure[0] else "watch", text))
    slope = outcomes["slope"]
    if given[1] < ALPHA and not SLOPE_LOW <= slope["value"] <= SLOPE_HIGH:
        text = (
            f"Chances are told too {'extreme' if slope['value'] < 1 else 'timid'}: calibration slope "
            f"{slope['value']:.2f} ({slope['low']:.2f} to {slope['high']:.2f}), where 1 is right."
        )
        reasons.append(Reason("recalibrate" if sure[1] else "watch", text))
    return reasons + _rule(rule, bool(sure[2]))


def _rule(rule: Mapping[str, Any] | None, sure: bool | None) -> list[Reason]:
    """What the documented rule calls for."""
    if rule is None or rule["gain"] is None:
        return []
    gain = rule["gain"]
    interval = f"{gain['low']:+.1%} to {gain['high']:+.1%}"
    says = f"{gain['value']:+.1%} of all won deals at its own workload ({interval})"
    if rule["state"] == "beats-the-card":
        text = f"The documented rule “{rule['title']}” wins more than the card: the card gains {says}."
        return [Reason("recalibrate" if sure else "watch", text)]
    state = "is still beaten" if rule["state"] == "beaten" else "cannot be told from the card on these deals"
    return [Reason("healthy", f"The documented rule “{rule['title']}” {state}: the card gains {says}.")]


def _inputs(found: Mapping[str, Any]) -> list[Reason]:
    """What the leads themselves call for."""
    data, reasons = found["data"], []
    for row in found["drift"]:
        if row["state"] in ("shifted", "shifted-far"):
            far = "far " if row["state"] == "shifted-far" else ""
            text = (
                f"{row['title']} has shifted {far}since: stability index {row['psi']:.2f} "
                f"(chance alone stays below {row['chance']:.2f})."
            )
            reasons.append(Reason("watch", text))
    for row in found["unknown"]:
        if row["more"]:
            now, then = row["now"]["value"], row["then"]
            text = f"{row['title']} is unknown for {now:.0%} of the leads, {then:.0%} before."
            reasons.append(Reason("watch", text))
    if data["n_rows"] and data["n_rejected"] / data["n_rows"] > MANY_REJECTED:
        text = f"{data['n_rejected']} of {data['n_rows']} rows cannot be used; `leadml check` says why."
        reasons.append(Reason("watch", text))
    outcomes = found["outcomes"]
    if outcomes is not None and data["card_base_rate"] is not None:
        seen = outcomes["base_rate"]
        before, apart = data["card_base_rate"], abs(seen["value"] - data["card_base_rate"])
        if not seen["low"] <= before <= seen["high"] and apart >= FAR_OFF:
            text = f"{seen['value']:.0%} of the deals closed since were won, {before:.0%} of those before."
            reasons.append(Reason("watch", text))
    if not any(row["psi"] is not None for row in found["drift"]):
        text = (
            "Nothing lies beside this card to measure drift against; calibrations from now on leave it there."
        )
        reasons.append(Reason("healthy", text))
    return reasons
