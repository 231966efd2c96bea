"""The answer in words: what to do with the documented rule, what each choice brings and costs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from leadml.exceptions import LeadmlError
from leadml.terminal import UNKNOWN_TEXT, joined, number, percent

if TYPE_CHECKING:
    from leadml.result import Contender, Gain, ImpliedValue, Outlook, PolicyResult, Range, Result

LOOK_AGAIN = "Not decidable at your size; look again in a year."
NEARLY_ALL = 0.995
"""Share of leads followed up that is called every lead."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The first screen's text. keep, change: expected wins of 100 followed up, None where none are."""

    verdict: str
    headline: str
    main: str  # what changing is expected to bring
    costs: str  # what each choice is expected to cost
    cutoff: str  # what is right at the costs, the capacity, or for whom
    sure: str  # why this verdict, and what would decide it
    keep: float | None = None
    change: float | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said below the headline, in order."""
        return tuple(text for text in (self.main, self.costs, self.cutoff, self.sure) if text)


def answer_of(result: Result, rule: PolicyResult | None) -> Answer:
    """Say what these deals answer on the baseline rule."""
    if rule is None:
        text = "The mapping names too few criteria of any documented framework. Map more of them."
        return Answer("cannot-judge", "No documented rule can be judged", "", "", "", text)
    everyone = everyone_gains(result) if rule.verdict_cutoff == "change" else None
    look = rule.outlook if rule.verdict_weights != "cannot-judge" else None
    if everyone is not None:
        return Answer(
            verdict=rule.verdict,
            headline="Follow up every lead",
            main=cutoff_sentence(result, rule, everyone),
            costs=""
            if look is None
            else main_sentence(look, "With learned weights and time for only as many leads as the rule"),
            cutoff="",
            sure="",
            keep=None if look is None else look.wins_per_100.keep.value,
            change=None if look is None else look.wins_per_100.change.value,
        )
    return Answer(
        verdict=rule.verdict,
        headline=headline(rule),
        main="" if look is None else main_sentence(look),
        costs="" if look is None else costs_sentence(look),
        cutoff=cutoff_sentence(result, rule, None),
        sure=sure_sentence(rule) + unmapped_words(result, rule),
        keep=None if look is None else look.wins_per_100.keep.value,
        change=None if look is None else look.wins_per_100.change.value,
    )


def headline(rule: PolicyResult) -> str:
    """The answer in a few words."""
    if rule.verdict == "change":
        if rule.verdict_weights == rule.verdict_cutoff == "change":
            return "Change the rule: other weights and another cut-off"
        return "Change the weights" if rule.verdict_weights == "change" else "Change the cut-off"
    return {
        "keep": "Keep the rule",
        "depends": "Keep the weights; the cut-off depends on what a won deal is worth",
        "undecided": "Undecided: stay with the rule for now",
        "cannot-judge": "These deals cannot judge the rule",
    }[rule.verdict]


def sure_words(p: float) -> str:
    """A chance without false certainty: ``.93``, ``> .99``."""
    return "> .99" if p > 0.99 else "< .01" if p < 0.01 else f"{p:.2f}"[1:]


def chance_words(p: float) -> str:
    """``P = .93``, ``P > .99``."""
    words = sure_words(p)
    return f"P {words}" if words[0] in "<>" else f"P = {words}"


def wins_pair(look: Outlook | None) -> tuple[str, str]:
    """Expected wins of 100 when the rule is kept and changed, with the digits that tell them apart."""
    if look is None or look.wins_per_100.keep.value is None or look.wins_per_100.change.value is None:
        return UNKNOWN_TEXT, UNKNOWN_TEXT
    keep, change = look.wins_per_100.keep.value, look.wins_per_100.change.value
    digits = 0 if abs(change - keep) >= 2.95 else 1  # so that their difference is that of the costs
    return number(keep, digits), number(change, digits)


def main_sentence(look: Outlook, when: str = "If you change to learned weights") -> str:
    """``If you change, expect 21 wins of 100 followed up instead of 17 (P = .93 that it is better); ...``."""
    keep, change = wins_pair(look)
    if keep == UNKNOWN_TEXT:
        return ""
    if keep == change:
        return (
            f"With learned weights expect as many wins as with the rule, {keep} of 100 followed up"
            f" ({chance_words(look.p_better)} that they are better)."
        )
    text = (
        f"{when}, expect {change} wins of 100 followed up instead of {keep}"
        f" ({chance_words(look.p_better)} that it is better)"
    )
    wrong, loss = 1.0 - look.p_better, look.regret_per_100.change.value
    better = (look.wins_per_100.change.value or 0.0) > (look.wins_per_100.keep.value or 0.0)
    # Where the card is better nothing is lost, so that the mean loss if it is not is E[loss] / P(not better).
    if better and loss is not None and wrong >= 0.01:
        text += f"; if that is wrong you lose {few(loss / wrong, 'about ')}"
    return text + "."


def few(wins: float, about: str = "") -> str:
    """A small number of wins."""
    if wins < 0.05:
        return "less than 0.1"
    return about + number(wins, 0 if wins >= 2.95 else 1).removesuffix(".0")


def costs_sentence(look: Outlook) -> str:
    """What each choice is expected to cost."""
    keep, change = look.regret_per_100.keep.value, look.regret_per_100.change.value
    if keep is None or change is None:
        return ""
    return f"Expected cost of keeping: {few(keep)} wins of 100; of changing: {few(change)}."


def everyone_gains(result: Result) -> Gain | None:
    """What following up every lead earns more than the rule, where costs make that best and surely better."""
    found = best_for_everyone(result)
    gain = None if found is None else found.gain.net_value_per_lead
    return gain if gain is not None and gain.low is not None and gain.low > 0 else None


def best_for_everyone(result: Result) -> Contender | None:
    """The contender that follows up everyone, where it earns no less than rule and recommended card.

    That is the base rate alone: with costs it follows up all leads once the average one is worth it.
    """
    by_id = {each.id: each for each in result.contenders}
    prior, chosen = by_id.get("prior"), by_id.get(str(result.recommended.contender))
    if prior is None or not result.policies or share_of(prior) < NEARLY_ALL:
        return None
    rivals = (by_id.get(result.policies[0].id), chosen)
    values = [each.net_value_per_lead.value for each in rivals if each and each.net_value_per_lead]
    own = prior.net_value_per_lead
    if own is None or own.value is None or any(own.value < value for value in values if value is not None):
        return None
    return prior


def share_of(contender: Contender) -> float:
    """Share of leads that a contender follows up."""
    return contender.workload.value or 0.0 if contender.workload else 0.0


def money_words(value: float | None, currency: str, *, with_sign: bool = False) -> str:
    """An amount of money, without cents where they say nothing."""
    digits = 0 if value is None or abs(value) >= 10 else 2
    return f"{number(value, digits, signed=with_sign)} {currency}".strip()


def stakes_words(economics: dict[str, Any]) -> str:
    """``At 150 EUR a follow-up and 2,400 EUR a won deal``."""
    currency = str(economics.get("currency") or "")
    worth = economics.get("won_value")
    return f"At {money_words(economics.get('follow_up_cost'), currency)} a follow-up and " + (
        f"{money_words(worth, currency)} a won deal"
        if worth is not None
        else f"{percent(economics.get('margin'))} of a won deal's amount"
    )


def cutoff_sentence(result: Result, rule: PolicyResult, everyone: Gain | None) -> str:
    """The cut-off: at the costs, within the capacity, or for which values of a won deal it is right."""
    economics = result.settings.get("economics")
    if isinstance(economics, dict) and economics:
        return money_sentence(result, rule, dict(economics), everyone)
    if rule.verdict_cutoff == "depends" and rule.verdict != "cannot-judge":
        words = worth_words(rule.depends_on)
        return words and (
            f"Its cut-off of {rule.documented_cutoff} is right if a won deal is worth {words} follow-ups;"
            f" give economics to decide.{worth_more(rule.depends_on)}"
        )
    if rule.verdict_cutoff == "cannot-judge" or rule.learned_cutoff is None:
        return ""
    basis = {"capacity": "Within your capacity", "break-even": "At break-even, as asked,"}.get(
        rule.learned_cutoff.basis, "At the chance you gave"
    )
    return f"{basis} {cutoff_verdict(rule)}."


def worth_more(found: Range | None) -> str:
    """What to do above the values for which a cut-off is right."""
    if found is None or found.high is None:
        return ""
    return f" Worth more than {number(found.high, 1)}? Then call more."


def cutoff_verdict(rule: PolicyResult) -> str:
    """What is said of the cut-off of the rule's own score."""
    learned, gain = rule.learned_cutoff, rule.gain_cutoff
    own = f"its cut-off of {rule.documented_cutoff}"
    if rule.verdict_cutoff == "keep":
        return f"{own} is right"
    if rule.verdict_cutoff != "change" or learned is None or gain is None or gain.value is None:
        return f"it is undecided whether {own} is right"
    after = "" if learned.basis == "capacity" else " after the cost of follow-ups"
    ends = f" ({signed_percent(gain.low)} to {signed_percent(gain.high)})"
    if learned.value == rule.documented_cutoff:
        return f"following the highest scores wins {signed_percent(gain.value)}{ends} of all won deals{after}"
    return (
        f"{cutoff_words(learned.value, rule.total_max)} in place of {rule.documented_cutoff} as its cut-off"
        f" brings {signed_percent(gain.value)}{ends} of all won deals{after}"
    )


def signed_percent(share: float | None) -> str:
    """``+5.8%``."""
    return percent(share, 0 if share is None or abs(share) >= 0.1 else 1, signed=True)


def money_sentence(result: Result, rule: PolicyResult, economics: dict[str, Any], everyone: Gain | None) -> str:
    """What is best at the costs that were given."""
    stakes, currency = stakes_words(economics), str(economics.get("currency") or "")
    by_id = {each.id: each for each in result.contenders}
    if everyone is not None:
        own = by_id["prior"].net_value_per_lead
        earned = money_words(own.value if own else None, currency)
        return (
            f"{stakes} every lead is worth a follow-up: {earned} a lead,"
            f" {more_words(everyone, currency)} the rule. The card then serves to rank them."
        )
    if best_for_everyone(result) is not None:
        gain = by_id["prior"].gain.net_value_per_lead
        return (
            f"{stakes} following up every lead seems best ({more_words(gain, currency)} the rule), which"
            " these deals do not settle."
        )
    if rule.verdict_cutoff in ("keep", "undecided", "change"):
        return f"{stakes} {cutoff_verdict(rule)}."
    return ""


def more_words(gain: Gain | None, currency: str) -> str:
    """``155 EUR (118 to 192) more than``."""
    if gain is None or gain.value is None:
        return "no less than"
    ends = f" ({number(gain.low)} to {number(gain.high)})" if gain.low is not None else ""
    return f"{money_words(gain.value, currency)}{ends} more than"


def cutoff_words(cutoff: float | None, total_max: int) -> str:
    """A cut-off of a score; below the lowest it is every lead, above the highest none."""
    if cutoff is None:
        return UNKNOWN_TEXT
    return "every lead" if cutoff <= 0 else "no lead" if cutoff > total_max else number(cutoff)


def worth_words(found: Range | ImpliedValue | None) -> str:
    """For which worth of a won deal, in follow-ups, a cut-off is right: ``2.7 to 4.1``; "" for none."""
    if found is None or (found.low is None and found.high is None):
        return ""
    if found.high is None:
        return f"at least {number(found.low, 1)}"
    if found.low is None:
        return f"at most {number(found.high, 1)}"
    return f"{number(found.low, 1)} to {number(found.high, 1)}" if found.low <= found.high else ""


def sure_sentence(rule: PolicyResult) -> str:
    """Why this verdict, and when to look again."""
    look = rule.outlook
    if rule.verdict == "undecided":
        more = look.more_deals if look is not None and rule.verdict_weights == "undecided" else None
        when = "Look again when more deals have closed."
        if more is not None:
            when = f"A{more.text[1:]}." if more.value is not None and more.text[:1] in "Aa" else LOOK_AGAIN
        return f"{reason_words(rule)} {when}"
    if rule.verdict == "change" and rule.verdict_weights == "change" and look is not None:
        test = "the stricter test that holds however often you look"
        return f"It passes {test}, too." if look.confirmed else f"It does not yet pass {test}."
    return rule.because if rule.verdict in ("keep", "cannot-judge") else ""


def unmapped_words(result: Result, rule: PolicyResult) -> str:
    """Criteria of the rule that the mapping lacks, where it cannot be judged."""
    from leadml.frameworks.catalog import load_framework

    if rule.verdict != "cannot-judge" or rule.framework is None or not result.data.unmapped:
        return ""
    try:
        asked = load_framework(rule.framework).criterion_ids
    except LeadmlError:  # a framework of the firm's own, whose file is not here
        return ""
    missing = [name for name in asked if name in result.data.unmapped]
    return f" Not mapped: {joined(missing)}." if missing else ""


def reason_words(rule: PolicyResult) -> str:
    """Why nothing is decided: a reason of its own, or the held-out gain."""
    gain = rule.gain_weights if rule.verdict_weights == "undecided" else rule.gain_cutoff
    if gain is None or gain.low is None or gain.high is None or not rule.because.startswith("Another card"):
        return rule.because
    return (
        f"On held-out deals the gain may be {signed_percent(gain.low)} to {signed_percent(gain.high)} of all"
        " won deals, which decides nothing yet."
    )
