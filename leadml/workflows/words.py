"""A calibration in a terminal, on one screen: answer, rules, contenders, card, findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from leadml.report.contenders import name_contenders
from leadml.report.wording import UNKNOWN_TEXT, figure_text, number
from leadml.workflows.tables import Table, format_blocks

__all__ = ["format_calibration"]

_SPLITS: Final = {
    "out-of-time": "judged on the latest {n_test} of them, learned on earlier ones",
    "grouped-kfold": "judged on deals held out in turn ({folds} folds{times})",
}
_SEVERITIES: Final = ("stop", "warn", "note")


def format_calibration(result: Mapping[str, Any], terminal: bool | None = None) -> str:
    """Write a calibration for whoever ran it.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds, schema version 1.
    terminal : bool, optional
        Whether to draw for a terminal; found out from stdout when absent.

    Returns
    -------
    str
        The baseline's verdict, the documented rules, the contenders that matter, the weights behind the
        recommended card, and the findings.
    """
    data, split = result["data"], result["split"]
    times = "" if split["repeats"] == 1 else f", {split['repeats']} times"
    how = _SPLITS.get(split["kind"], "judged on {n_test} held-out deals").format(**split, times=times)
    n_closed = data["n_won"] + data["n_lost"]
    blocks: list[str | Table | None] = [
        f"{data['name']}: {number(n_closed)} closed deals ({number(data['n_won'])} won,"
        f" {number(data['n_lost'])} lost), {how}.",
        result["recommended"]["sentence"],
        _rules(result["policies"]),
        _contenders(result),
        _card(result),
        _weights(result),
        _findings(result["findings"]),
    ]
    return format_blocks([block for block in blocks if block], terminal)


def _rules(policies: Sequence[Mapping[str, Any]]) -> Table | None:
    """Every documented rule: its cut-off, what would be gained, and the verdicts."""
    if not policies:
        return None
    gains = [_aligned([_gain(p, key) for p in policies]) for key in ("weights", "cutoff")]
    rows = [
        (
            policy["id"],
            f"{policy['documented_cutoff']} of {len(policy['rates']) - 1}",
            _figure(policy["learned_cutoff"], "whole"),
            weights,
            cutoff,
            policy["verdict"],
            _about(policy["more_deals_needed"]),
        )
        for policy, weights, cutoff in zip(policies, *gains, strict=True)
    ]
    header = ("rule", "cut-off", "learned", "other weights", "other cut-off", "overall", "more deals")
    note = (
        "Gains in % of all won deals: of learned weights with as many leads followed up, and of the learned"
        " cut-off on the same score. In brackets: 95% intervals. More deals: how many would decide."
    )
    return Table("The documented rules", header, rows, note, spare=("more deals",))


def _contenders(result: Mapping[str, Any]) -> Table:
    """The baseline, the recommended card, the best of each framework, and what stands outside of all."""
    chosen = result["recommended"]
    names = name_contenders(result, chosen["versus"])
    by_loss = sorted(result["contenders"], key=lambda c: _value(c["log_loss"], 9.0))
    best: dict[str, str] = {}
    for each in by_loss:
        if each["kind"] == "learned":
            best.setdefault(each["framework"], each["id"])
    wanted = {chosen["versus"], chosen["contender"], *best.values()}
    shown = [c for c in by_loss if c["id"] in wanted or c["kind"] in ("context", "prior")]
    shown.sort(key=lambda c: c["id"] != chosen["versus"])
    rows = [
        (
            each["id"] + (" *" if chosen["card"] and each["id"] == chosen["contender"] else ""),
            names[each["id"]]["what"] + (", the baseline" if each["id"] == chosen["versus"] else ""),
            _figure(each["auc"], "decimal"),
            _figure(each["log_loss"], "decimal"),
            _percent((each.get("gain") or {}).get("wins_captured")),
        )
        for each in shown
    ]
    note = "* the best card. " if chosen["card"] else ""
    note += (
        "AUC: the chance that a won deal ranks above a lost one, 0.5 is a coin. Log loss: how far the"
        " probabilities are off, less is better. Gain: wins more than the baseline's, in % of all won deals,"
        " with as many leads followed up."
    )
    header = ("contender", "what it is", "AUC", "log loss", f"gain over {chosen['versus']}")
    return Table("On the same held-out deals", header, rows, note, spare=("what it is",))


def _card(result: Mapping[str, Any]) -> str:
    """Say which card is recommended, and what that means next to the verdict."""
    chosen = result["recommended"]
    if not chosen["card"]:
        return ""
    title = name_contenders(result, chosen["versus"])[chosen["contender"]]["title"]
    text = f"Best card: {title}. Follow up from {_figure(chosen['cutoff'], 'whole')} points."
    if chosen["verdict"] != "change":
        text += (
            " It is for whoever wants points and chances; it is no reason to change"
            f" {chosen['versus']}, of which the verdict above speaks."
        )
    return text


def _weights(result: Mapping[str, Any]) -> Table | None:
    """Learned weights beside the documented ones, for the framework of the recommended card."""
    chosen = result["recommended"]
    card: dict[str, Any] = next((c for c in result["contenders"] if c["id"] == chosen["contender"]), {})
    weights, title = card.get("weights"), "Weights of the card: points at level 4"
    if not weights:
        own = [p for p in result["policies"] if p["framework"] == chosen["framework"]]
        weights = own[0]["weights"] if own else None
        title = "Weights: as documented, which this card keeps, and as learned"
    if not weights:
        return None
    rows = [
        (name, number(w["documented"], 1), _figure({**w, "value": w["learned"]}, "tenths"))
        for name, w in weights.items()
    ]
    note = "Weights lean toward the document where deals are few; their intervals do not."
    return Table(title, ("criterion", "documented", "learned"), rows, note)


def _findings(findings: Sequence[Mapping[str, Any]]) -> Table | None:
    """One line for each kind of finding, the gravest first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding["severity"], finding["code"]), []).append(finding["title"])
    rows = [
        (severity, code, titles[0] + (f" (and {len(titles) - 1} more)" if len(titles) > 1 else ""))
        for (severity, code), titles in sorted(groups.items(), key=lambda item: _SEVERITIES.index(item[0][0]))
    ]
    return Table("Findings, explained in report.html", (), rows) if rows else None


def _gain(policy: Mapping[str, Any], question: str) -> tuple[str, str]:
    """Give the verdict on one question and the gain behind it; none where nothing could be judged."""
    verdict = policy[f"verdict_{question}"]
    return verdict, "" if verdict == "cannot-judge" else _percent(policy[f"gain_{question}"])


def _aligned(cells: Sequence[tuple[str, str]]) -> list[str]:
    """Put the figures behind the verdicts of a column below each other."""
    width = max((len(verdict) for verdict, figure in cells if figure), default=0)
    return [f"{verdict:<{width}} {figure}".rstrip() for verdict, figure in cells]


def _percent(gain: Mapping[str, Any] | None) -> str:
    """Write a gain in percent with its interval."""
    text = figure_text(gain, "percentage-points")
    value = text["value"].replace(" pp", "%")
    return value + (f" ({text['interval'].removesuffix(' pp')})" if text["interval"] else "")


def _figure(figure: Mapping[str, Any] | None, style: str) -> str:
    """Write a value with its interval; a dash for none."""
    if style == "tenths" and figure is not None and figure["value"] is not None:
        ends = [number(figure[key], 1) for key in ("low", "high")]
        return number(figure["value"], 1) + ("" if UNKNOWN_TEXT in ends else f" ({ends[0]} to {ends[1]})")
    text = figure_text(figure, style)
    return text["value"] + (f" ({text['interval']})" if text["interval"] else "")


def _about(n_deals: float | None) -> str:
    """Write a forecast of deals with two leading digits; a dash for none."""
    return UNKNOWN_TEXT if n_deals is None else number(float(f"{n_deals:.2g}"))


def _value(figure: Mapping[str, Any] | None, otherwise: float) -> float:
    """Give the value of a figure that may be absent."""
    return otherwise if figure is None or figure["value"] is None else float(figure["value"])
