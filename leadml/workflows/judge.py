"""The verdict on each documented rule: its weights, its cut-off, and what it implies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.decisions.cutoff import (
    Consequences,
    cutoff_at_capacity,
    cutoff_at_probability,
    implied_value,
    net_value_by_cutoff,
    not_distinguishable,
)
from leadml.estimators.design import PER_CRITERION, points_of
from leadml.estimators.integer_points import count_by_total, fit_lines
from leadml.estimators.monotone_fit import fit_scorecards
from leadml.evaluation.bootstrap import Figure, adjust_holm, as_json, expanded_tail, to_figure, two_sided_p
from leadml.evaluation.line import probability_figures
from leadml.evaluation.metrics import HeldOut, rate_figure, wins_at_workload
from leadml.evaluation.verdict import Verdict, give_verdict, join_verdicts, plan_more_deals
from leadml.frameworks import Policy
from leadml.report.wording import number
from leadml.workflows.contenders import Contender, Frame

Array = NDArray[Any]

HARDLY = 1e-3  # shrinkage a deal that only keeps separated draws finite


@dataclass(frozen=True)
class Resampled:
    """A framework's closed deals, drawn again as a whole.

    Attributes
    ----------
    won, total : arrays of shape (1 + n_replicates, n_patterns)
        Weights of patterns; row 0 is the sample.
    full : array of shape (1 + n_replicates, 1 + 5 * n_criteria)
        Coefficients of the free (not shrunk) fit.
    weights : array of shape (1 + n_replicates, n_criteria)
        Share of each criterion in the free fit, adding up to 1; NaN where nothing matters.
    """

    won: Array
    total: Array
    full: Array
    weights: Array

    def weight_figure(self, criterion: int, scale: float) -> Figure:
        """Weight of a criterion in the free fit, with its interval.

        Parameters
        ----------
        criterion : int
            Position in the framework.
        scale : float
            Points that all criteria share.

        Returns
        -------
        Figure
            In points.
        """
        won, total = self.won[0].sum(), self.total[0].sum()
        tail = expanded_tail(min(won, total - won), 1 + 2 * self.weights.shape[1])
        return to_figure(self.weights[:, criterion] * scale, tail=tail)

    @property
    def base_rate(self) -> Array:
        """Share of won deals in each draw."""
        return np.asarray(self.won.sum(axis=1) / self.total.sum(axis=1))


def resample(frame: Frame, won: Array, total: Array) -> Resampled:
    """Draw a framework's deals again, and re-weight its criteria freely each time.

    Parameters
    ----------
    frame : Frame
        The deals.
    won, total : arrays of shape (1 + n_replicates, n_patterns)
        Won and all deals of each pattern in each draw; row 0 is the sample.

    Returns
    -------
    Resampled
        Counts and weights.

    Notes
    -----
    The fit is hardly shrunk and has no bounds: shrinkage bends a bootstrap toward the document, and a
    bootstrap at a bound does not cover the truth. What comes out negative counts as 0 once the deals are
    drawn.
    """
    # one fit on the sample gives all replicates their start
    settings: dict[str, Any] = {
        "documented_points": frame.documented_points,
        "shrink": HARDLY,
        "smooth": np.inf,
        "per_deal": True,
        "monotone": False,
        "tolerance": 1e-4,
    }
    start = fit_scorecards(frame.table.levels, won[:1], total[:1], **settings)
    full = fit_scorecards(
        frame.table.levels, won, total, start=np.repeat(start, len(won), axis=0), **settings
    )
    body = np.maximum(full[:, 1:].reshape(len(full), -1, PER_CRITERION), 0.0)
    body[:, :, -1] = np.minimum(body[:, :, -1], body[:, :, :-1].sum(axis=2))
    full = np.concatenate([full[:, :1], body.reshape(len(full), -1)], axis=1)
    weights = share_of_weights(frame, points_of(full)[0][..., -1])
    return Resampled(won, total, full, weights)


def share_of_weights(frame: Frame, top: Array) -> Array:
    """Share of each mapped criterion in the log-odds between all at 0 and all at 4.

    Parameters
    ----------
    frame : Frame
        Tells which criteria the deals hold.
    top : array of shape (n, n_criteria)
        Log-odds of level 4.

    Returns
    -------
    array of shape (n, n_criteria)
        Shares that add up to 1 over the mapped criteria; NaN where nothing matters.
    """
    top = np.where(np.isin(frame.framework.criterion_ids, frame.mapped), top, 0.0)
    whole = top.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(top, whole, out=np.full(top.shape, np.nan), where=whole > 1e-6))


def judge_policy(
    frame: Frame,
    policy: Policy,
    drawn: Resampled,
    *,
    held: HeldOut,
    rule: Contender,
    learned: Contender | None,
    cutoff: Contender | None,
    consequences: Consequences,
    threshold: Array | float,
    met_level: int,
    smallest_gain: float,
    n_deals: int,
    learned_weights: Array | None,
    free_score: Array | None,
    floor: int = 0,
) -> dict[str, Any]:
    """Everything that result.json says of one documented rule.

    Parameters
    ----------
    frame : Frame
        The deals as its framework sees them.
    policy : Policy
        The rule.
    drawn : Resampled
        Its framework's deals, drawn again.
    held : HeldOut
        Held-out deals and draws.
    rule, learned, cutoff : Contender
        The rule as it stands, the learned card of its framework, and its score with a learned cut-off.
    consequences : Consequences
        What decides cut-offs.
    threshold : float or array of shape (1 + n_replicates,)
        P(won) from which following up pays; one for each draw where it is estimated.
    met_level : int
        Level from which a criterion is met.
    smallest_gain : float
        Smallest gain worth having, as a share of all won deals.
    n_deals : int
        Closed deals.
    learned_weights : array of shape (n_criteria,), optional
        Shares of the criteria in the learned card; the free fit's where absent.
    free_score : array of shape (n_held,), optional
        Held-out ranking of criteria re-weighted without shrinkage.
    floor : int
        Lowest cut-off that can be judged: hardly any lead below it was worked.

    Returns
    -------
    dict
        As in result.json.

    Notes
    -----
    A card that shrank to the document gains exactly nothing, and a learned cut-off that equals the
    documented one too: that says how little was learned, not that there is nothing to gain. So the upper end
    of the weights' gain is that of the free fit where it is higher, and the interval of the cut-off's gain
    spans those of every cut-off in the interval of the learned one. Where other weights, or several
    cut-offs, decide alike on every deal, no draw differs: then the interval allows for what so many won deals
    cannot show.

    Where leads below `floor` were hardly worked, "keep" would claim to know them: it becomes "cannot-judge".
    And a capacity or break-even is a share or a rate of all leads, which worked ones cannot tell.
    """
    totals = frame.documented_totals(policy, met_level)
    line, _ = fit_lines(totals, drawn.won, drawn.total, policy.total_max)
    won_by, total_by = count_by_total(totals, drawn.won, drawn.total, policy.total_max)
    if consequences.share is not None:
        best = cutoff_at_capacity(total_by, consequences.share)
    else:
        best = cutoff_at_probability(
            line[:, 0], line[:, 1], consequences.threshold(drawn.base_rate), policy.total_max
        )
    best = np.maximum(best, floor)
    best_figure = to_figure(best)
    net = net_value_by_cutoff(won_by, total_by, consequences.threshold(drawn.base_rate))
    low, high = implied_value(line[:, 0], line[:, 1], policy.cutoff)
    won = held.totals[:, 1]

    weights_gain, cutoff_gain = None, None
    own = held.add_up((rule.decision * held.outcome)[:, None])[:, 0]
    if learned is not None:
        weights_gain = _share(wins_at_workload(held, learned.score, rule.decision) - own, won)
    if cutoff is not None:
        cutoff_gain = _share(_cutoff_worth(held, rule, cutoff, consequences, threshold), won)
    silent: Verdict = "cannot-judge"
    figure_w, p_w = _figure(weights_gain)
    figure_c, p_c = _figure(cutoff_gain)
    if free_score is not None and weights_gain is not None:
        freely = to_figure(_share(wins_at_workload(held, free_score, rule.decision) - own, won))
        figure_w = Figure(figure_w.value, figure_w.low, max(figure_w.high, freely.high))
    if cutoff_gain is not None and consequences.share is None:
        figure_c = _span(figure_c, net, best_figure, policy.cutoff, drawn)
    n_won = min(float(won[0]), float(drawn.won[0].sum()))  # a deal held out in every repeat is one deal
    alike_w, alike_c = figure_w.low == figure_w.high, figure_c.low == figure_c.high
    figure_w = _allow_unseen(figure_w, n_won)
    if best_figure.low < best_figure.high:  # else every draw finds this one cut-off
        figure_c = _allow_unseen(figure_c, n_won)
    adjusted = adjust_holm(np.array([p_w, p_c]))
    verdict_w: Verdict = give_verdict(figure_w, smallest_gain) if weights_gain is not None else silent
    verdict_c: Verdict = give_verdict(figure_c, smallest_gain) if cutoff_gain is not None else silent
    if not rule.decision.any() or rule.decision.all():
        verdict_w = silent  # it follows up none or all, so that no weights could pick differently
    if floor and (verdict_w == "keep" or alike_w):
        verdict_w = silent
    if floor and (verdict_c == "keep" or alike_c or consequences.basis in ("capacity", "break-even")):
        verdict_c = silent
    overall = join_verdicts(verdict_w, verdict_c)
    more = [
        plan_more_deals(figure, smallest_gain, n_deals)
        for figure, verdict in ((figure_w, verdict_w), (figure_c, verdict_c))
        if verdict == "undecided"
    ]
    low_figure, high_figure = to_figure(low), to_figure(high)
    learned_share = drawn.weights[0] if learned_weights is None else learned_weights
    scale = float(policy.total_max)
    per_criterion = scale / len(frame.framework.criteria)
    weights = {}
    n_mapped_scale = per_criterion * len(frame.mapped)
    for at, name in enumerate(frame.framework.criterion_ids):
        if name in frame.mapped:
            interval = drawn.weight_figure(at, n_mapped_scale)
            weights[name] = {
                "documented": per_criterion,
                "learned": as_json(learned_share[at] * n_mapped_scale),
                "low": as_json(interval.low),
                "high": as_json(interval.high),
            }
    return {
        "id": policy.id,
        "framework": frame.framework.id,
        "title": policy.title,
        "source": policy.source,
        "unit": policy.unit,
        "documented_cutoff": policy.cutoff,
        "judged_from": floor,
        "learned_cutoff": {
            **best_figure.to_dict(),
            "not_distinguishable": [k for k in not_distinguishable(net, int(best[0])) if k >= floor],
        },
        "implied_value": {
            "low": as_json(low[0]),
            "high": as_json(high[0]),
            "low_interval": [as_json(low_figure.low), as_json(low_figure.high)],
            "high_interval": [as_json(high_figure.low), as_json(high_figure.high)],
        },
        "verdict": overall,
        "verdict_weights": verdict_w,
        "verdict_cutoff": verdict_c,
        "gain_weights": {
            **figure_w.to_dict(),
            "p_adjusted": as_json(adjusted[0]),
            "unit": "share of all won deals, at the rule's own workload",
        },
        "gain_cutoff": {
            **figure_c.to_dict(),
            "p_adjusted": as_json(adjusted[1]),
            "unit": "share of all won deals"
            + (", within capacity" if consequences.share is not None else ", after the cost of follow-ups"),
        },
        "more_deals_needed": max((n for n in more if n is not None), default=None),
        "weights": weights,
        "order_claim": order_claim(frame, drawn),
        "learned_contender": None if learned is None else learned.id,
        "threshold": {"probability": as_json(np.ravel(threshold)[0]), "basis": consequences.basis},
        "rates": [
            {
                "score": score,
                "n": int(total_by[0, score]),
                "won": int(won_by[0, score]),
                "rate": rate_figure(float(won_by[0, score]), float(total_by[0, score])),
                "probability": told.to_dict(),
            }
            for score, told in enumerate(probability_figures(line, won_by[0], total_by[0]))
        ],
    }


def order_claim(frame: Frame, drawn: Resampled) -> dict[str, Any] | None:
    """How often the claimed order of the criteria's weights holds in the bootstrap.

    Parameters
    ----------
    frame : Frame
        Whose framework may claim an order.
    drawn : Resampled
        Weights of every draw.

    Returns
    -------
    dict or None
        claim, criteria, share (0 to 1) of draws in which each weighs more than the one after it.
    """
    claim = frame.framework.order_claim
    if claim is None:
        return None
    ids = list(frame.framework.criterion_ids)
    tested = [name for name in claim.criteria if name in frame.mapped]
    if len(tested) < 2:
        return None
    ordered = drawn.weights[1:, [ids.index(name) for name in tested]]
    ordered = ordered[np.isfinite(ordered).all(axis=1)]
    share = float((np.diff(ordered, axis=1) < 0).all(axis=1).mean()) if len(ordered) else None
    return {"claim": claim.text, "source": claim.source, "criteria": tested, "share": share}


def _cutoff_worth(
    held: HeldOut, rule: Contender, cutoff: Contender, consequences: Consequences, threshold: Array | float
) -> Array:
    """Won deals (less the cost of follow-ups, in won deals) that the learned cut-off adds."""
    if consequences.share is None:
        more = cutoff.decision - rule.decision
        sums = held.add_up(np.stack([more * held.outcome, more], axis=1))
        return np.asarray(sums[:, 0] - threshold * sums[:, 1])
    # the same number of leads for both: within the rule's picks, and by score, as far as capacity goes
    capacity = np.full(len(held.outcome), consequences.share)
    by_score = wins_at_workload(held, cutoff.score, capacity)
    by_rule = wins_at_workload(held, rule.decision, np.minimum(capacity, 1.0))
    return by_score - by_rule


def _span(gain: Figure, net_value: Array, learned: Figure, documented: int, drawn: Resampled) -> Figure:
    """Interval of the gain over every cut-off that may be the right one."""
    if not (np.isfinite(learned.low) and np.isfinite(learned.high)):
        return gain
    per_won = drawn.total.sum(axis=1) / np.maximum(drawn.won.sum(axis=1), 1e-12)
    lows, highs = [gain.low], [gain.high]
    for cutoff in range(int(learned.low), int(learned.high) + 1):
        other = to_figure((net_value[:, cutoff] - net_value[:, documented]) * per_won)
        lows.append(other.low)
        highs.append(other.high)
    return Figure(gain.value, min(lows), max(highs))


def _allow_unseen(gain: Figure, n_won: float) -> Figure:
    """Widen an interval without any width: what differs in none of n deals may differ in 3 / n of all.

    References
    ----------
    Hanley, J., Lippman-Hand, A. (1983). If nothing goes wrong, is everything all right? JAMA 249(13).
    """
    if gain.low != gain.high:  # NaN too
        return gain
    return Figure(gain.value, gain.low - 3.0 / n_won, gain.high + 3.0 / n_won)


def _share(gain: Array, won: Array) -> Array:
    return np.asarray(np.divide(gain, won, out=np.full(len(gain), np.nan), where=won > 0))


def _figure(gain: Array | None) -> tuple[Figure, float]:
    if gain is None:
        return Figure(np.nan, np.nan, np.nan), float("nan")
    return to_figure(gain), two_sided_p(gain)


def say(policy: dict[str, Any], title: str, n_left: int = 0) -> str:
    """Give the verdict on a rule as a sales manager would read it.

    Parameters
    ----------
    policy : dict
        What `judge_policy` returned.
    title : str
        The rule's name, e.g. "3 of 4 met".
    n_left : int
        Closed deals of the file that were left out of the sample that was judged.

    Returns
    -------
    str
        One or two sentences with the interval.
    """
    verdict = policy["verdict"]
    if verdict == "cannot-judge":
        return f"Nothing can be said of “{title}”: {_why_silent(policy)}."
    parts = {"weights": _say_weights(policy), "cutoff": _say_cutoff(policy)}
    if verdict == "keep":
        return f"Keep “{title}”: " + "; ".join(parts.values()) + ". Neither is worth a change."
    if verdict == "change":
        reasons = [words for name, words in parts.items() if policy[f"verdict_{name}"] == "change"]
        return f"Change “{title}”: " + "; ".join(reasons) + "."
    needed = policy["more_deals_needed"]
    more = "More closed deals alone may not decide."
    if needed:
        more = f"About {float(f'{needed:.2g}'):,.0f} more closed deals would decide"
        more += ", and the file holds them: raise single_deals." if needed <= n_left else "."
    return f"Undecided on “{title}”: " + "; ".join(parts.values()) + f". {more}"


def _say_weights(policy: dict[str, Any]) -> str:
    """Say what other weights would bring."""
    gain = policy["gain_weights"]
    if policy["verdict_weights"] == "cannot-judge":
        return f"other weights cannot be judged, since {_why_silent(policy)}"
    wins = f"{_signed(gain['value'])} of all won deals (95% interval {_ends(gain)})"
    if all(weight["learned"] is None for weight in policy["weights"].values()):
        return (
            "the deals teach no weights that rank them; drawing as many leads by lot would change the wins by"
            f" {wins}"
        )
    if policy["verdict_weights"] == "change":
        return f"with as many leads followed up, learned weights win more: {wins}"
    return f"with as many leads followed up, learned weights would change the wins by {wins}"


def _say_cutoff(policy: dict[str, Any]) -> str:
    """Say what another cut-off on the same score would be worth."""
    gain, documented = policy["gain_cutoff"], policy["documented_cutoff"]
    learned = _whole(policy["learned_cutoff"]["value"])
    if policy["verdict_cutoff"] == "cannot-judge":
        if policy.get("judged_from"):
            return f"another cut-off cannot be judged, since {_why_silent(policy)}"
        return "no learned cut-off competes"
    worth = f"{_signed(gain['value'])} of all won deals ({_ends(gain)})"
    if policy["verdict_cutoff"] == "change":
        return f"a cut-off of {learned} instead of {documented} is worth {worth}"
    if learned == str(documented):
        others = "" if gain["low"] == gain["high"] else f", others may be worth {_ends(gain)}"
        return f"the documented cut-off of {documented} seems the best{others}"
    return f"a cut-off of {learned} instead of {documented} would change their worth by {worth}"


def _why_silent(policy: dict[str, Any]) -> str:
    """Say why other weights cannot be judged."""
    if policy.get("judged_from"):
        return f"too few leads below {policy.get('judged_from')} were worked to an end"
    if policy["gain_weights"]["value"] is None:
        return "no learned card competes with it"
    return "on these deals it follows up everyone or no one"


def _signed(share: float | None) -> str:
    return "—" if share is None else f"{number(100 * share, 1, signed=True)}%"


def _ends(gain: dict[str, Any]) -> str:
    return f"{_signed(gain['low'])} to {_signed(gain['high'])}"


def _whole(number: float | None) -> str:
    return "—" if number is None else f"{number:.0f}"
