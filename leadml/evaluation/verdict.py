"""Verdicts on documented rules (change, keep, depends, undecided, cannot-judge), Holm, confidence sequence.

Everything is a paired gain on the same held-out deals. `change`: P(gain > 0) is at least 95% after Holm's adjustment
for the number of rules, and at least 10 leads are judged differently; `keep`: P(gain < smallest gain worth having) is.
Where there is an outlook these are its chances, judge and log averaged (the log alone has to be 85% sure, whatever the
judge believes); else the log's own one-sided bounds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from leadml.evaluation.bootstrap import Z_ONE, Statistic, Z, holm
from leadml.evaluation.log import Entries
from leadml.evaluation.metrics import HeldOut, at_workload, rate_of_different, standing
from leadml.levels import Floats
from leadml.result import Gain, Outlook, Reason, Verdict

MIN_DIFFERENT = 10
"""Leads judged differently before `change` is said."""
SURE = 0.95
SURELY_RANKS = 3.0
"""Standard errors by which a card's wins exceed those of drawing lots before `change` is said. Where nothing matters
card and rule are equal, and else 15% of firms were told `change` at one of 14 looks; it costs no power."""
RULE_OF_THREE = 3.0
"""What was seen in none of n is in at most 3 / n of all (Hanley, Lippman-Hand 1983, JAMA 249)."""
SEQUENCE_TUNED_AT = 25.0
"""Variance (leads judged differently x that of their outcome) where the confidence sequence is tightest."""
_TWICE = 2.0 * (1.0 - SURE)
SEQUENCE_TUNING = (-2.0 * np.log(_TWICE) + np.log(1.0 - 2.0 * np.log(_TWICE))) / SEQUENCE_TUNED_AT


@dataclasses.dataclass(frozen=True, eq=False)
class PairedGain:
    """What one decision wins more than another on the same deals.

    gain : share of all won deals, with influence by unit.
    n_different : leads judged differently (a lead shared by halves counts half).
    by_block : (n_blocks,) wins gained in each block, in time; empty for folds, which have no order.
    ranks : standard errors by which the card wins more than lots drawn in each block (inf: not asked, at a cost).
    variance : of the centred differences by unit, in won deals, for the confidence sequence.
    judged : equally likely gains by the judge of `look_ahead`; expected : judge and log averaged; outlook : what that
    means. None: the log alone.
    """

    gain: Statistic
    n_different: float
    n_won: float
    by_block: Floats
    ranks: float
    variance: float
    judged: Floats | None = None
    expected: Floats | None = None
    outlook: Outlook | None = None

    @property
    def confirmed_error(self) -> float:
        """How far the gain may be from its value at any look, one-sided 95% (asymptotic confidence sequence).

        Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics 52.
        """
        grown = self.variance * SEQUENCE_TUNING + 1.0
        spread = np.sqrt(2.0 * grown / SEQUENCE_TUNING * np.log1p(np.sqrt(grown) / _TWICE))
        return float(spread / self.n_won) if self.n_won > 0 else np.inf


def paired_gain(held: HeldOut, rule: Floats, card: Floats, ratio: float | None = None) -> PairedGain:
    """Gain of the decisions of a card over those of a rule, both (m,) in 0..1.

    At equal workload (ratio None) differences are centred: e_i = (card_i - rule_i)(y_i - win rate of the leads judged
    differently). At a cost (ratio = value of a won deal / cost of a follow-up): e_i = (card_i - rule_i)(y_i - 1/ratio).
    """
    y, weight, away = held.y, held.weight, card - rule
    each = weight * away * (y - (rate_of_different(held, card, rule) if ratio is None else 1.0 / ratio))
    won_more = weight * away * y if ratio is None else each
    won, by_unit, ranks = max(held.n_won, 1e-12), held.by_unit(each), np.inf
    value = float(won_more.sum()) / won if held.n_won > 0 else np.nan
    if ratio is None:  # beside lots: y and card less their means in the block
        size = np.maximum(held.in_block(weight), 1e-12)
        rate, share = held.in_block(weight * y) / size, held.in_block(weight * card) / size
        lots = held.by_unit(weight * (card - share) * (y - rate))
        ranks = float(lots.sum()) / max(float(np.sqrt(lots @ lots)), 1e-300)
    return PairedGain(
        gain=Statistic(value, held.by_unit(each - value * weight * y) / won),
        n_different=float((weight > 0) @ np.abs(away)) / held.n_repeats,
        n_won=held.n_won,
        by_block=np.bincount(held.block, won_more).astype(np.float64) if held.n_repeats == 1 else np.zeros(0),
        ranks=ranks,
        variance=float(by_unit @ by_unit),
    )


Question = PairedGain | Reason
"""One question asked of a rule (its weights, or its cut-off): what competes, or why the data hold no answer."""


class Judgement(NamedTuple):
    """Verdict on one question, why, the gain (two-sided 95%, p by Holm), and what it rests on."""

    verdict: Verdict
    reason: Reason
    gain: Gain | None = None
    paired: PairedGain | None = None


def gain_at_workload(held: HeldOut, rule: Entries, card: Entries) -> PairedGain:
    """Gain of a card that follows up as many leads of each block as a rule does, ties shared."""
    wanted = np.nan_to_num(rule.decision)
    return paired_gain(held, wanted, at_workload(held, card.score, wanted))


def why_no_answer(held: HeldOut, rule: Entries, card: Entries) -> Reason:
    """Reason why the held-out deals hold no answer on the rule's weights, or ""."""
    counted = held.weight > 0
    decision = np.nan_to_num(rule.decision)[counted]
    if not decision.any():
        return "follows no one"
    if (decision == 1.0).all():
        return "follows everyone"
    for said in (rule.score, card.score):  # in some block a second score
        ((_, above),) = standing(said[counted], held.block[counted], np.ones(counted.sum()))
        if above.any():
            return ""
    return "constant scores"


def judge(
    questions: Mapping[str, Question], smallest_gain: float, unit: str = "", drifted: bool = False
) -> dict[str, Judgement]:
    """Answer questions of one kind (weights, or cut-offs), with Holm over them.

    Before `change` the card must have won more in the last two blocks, a third of the deals: together, which costs 1 to
    2 points of power, or, where weights are found to have `drifted`, in each, which costs 10 to 20: where the rule had
    become right half-way, all blocks still said `change` to 53% of firms, the last two to none.
    """
    answers = {
        name: Judgement("cannot-judge", q)
        if isinstance(q, str)
        else Judgement("cannot-judge", "constant scores", None, q)
        for name, q in questions.items()
    }
    asked = {name: q for name, q in questions.items() if not isinstance(q, str) and np.isfinite(q.gain.value)}
    p = [q.gain.p_not_above() if q.expected is None else float((q.expected <= 0).mean()) for q in asked.values()]
    for (name, q), adjusted in zip(asked.items(), holm(p).tolist(), strict=True):
        value, error, one_win = q.gain.value, q.gain.error, max(q.n_won, 1.0)
        # two-sided 95%, never without width: one win that no held-out deal showed is always possible
        half = max(Z * float(np.hypot(error, 1.0 / one_win)), RULE_OF_THREE / one_win)
        verdict: Verdict = "undecided"
        reason: Reason = ""
        if adjusted >= 1.0 - SURE:  # the held-out deals must not point the other way
            below = q.expected is not None and (q.expected < smallest_gain).mean() >= SURE and value < smallest_gain
            ceiling = value + np.hypot(Z_ONE * error, RULE_OF_THREE / one_win)  # one-sided 95%
            verdict = "keep" if below or ceiling < smallest_gain else "undecided"
        elif q.n_different < MIN_DIFFERENT:
            reason = "few judged differently"
        elif q.ranks < SURELY_RANKS:
            reason = "ranks by chance"
        elif len(last := q.by_block[-2:]) and not ((last > 0).all() if drifted else last.sum() > 0):
            reason = "blocks disagree"
        else:
            verdict = "change"
        gain = Gain(value=value, low=value - half, high=value + half, p_adjusted=adjusted, unit=unit)
        answers[name] = Judgement(verdict, reason, gain, q)
    return answers


def overall(weights: Verdict, cutoff: Verdict) -> Verdict:
    """One verdict for both questions: any change; keep when nothing speaks against it; else what is open."""
    if weights == "cannot-judge" and cutoff not in ("change", "undecided"):
        return weights
    order: tuple[Verdict, ...] = ("change", "undecided", "depends", "keep")
    return next(verdict for verdict in order if verdict in (weights, cutoff))
