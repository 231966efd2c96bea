"""The answer in words: what to do with the documented rule, what each choice brings and costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from leadml.terminal import UNKNOWN_TEXT, number, percent, rounded

if TYPE_CHECKING:
    from leadml.result import Outlook, PolicyResult, Result

LOOK_AGAIN = "Not decidable at your size; look again in a year."
HEADLINES = {
    "keep": "Keep the rule",
    "depends": "Keep the weights; the cut-off depends on what a won deal is worth",
    "undecided": "Undecided: stay with the rule for now",
    "cannot-judge": "These deals cannot judge the rule",
}
BASES = {"capacity": "Within your capacity", "break-even": "At break-even, as asked,"}


class Answer(NamedTuple):
    """What the first screens say. outlook: of the rule's weights, where these deals can judge them."""

    headline: str
    main: str = ""  # what changing is expected to bring
    costs: str = ""  # what each choice is expected to cost
    cutoff: str = ""  # what is right at the costs, the capacity, or for whom
    sure: str = ""  # why this verdict, and what would decide it
    outlook: Outlook | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said below the headline, in order."""
        return tuple(text for text in (self.main, self.costs, self.cutoff, self.sure) if text)


def answer_of(result: Result) -> Answer:
    """Say what these deals answer on the baseline rule, which is judged first."""
    if not result.policies:
        text = "The mapping names too few criteria of any documented framework. Map more of them."
        return Answer("No documented rule can be judged", sure=text)
    rule = result.policies[0]
    look = rule.outlook if rule.verdict_weights != "cannot-judge" else None
    cutoff, title, weights = cutoff_sentence(result, rule), title_of(result, rule.card), "learned weights"
    if title and result.recommended.contender not in (None, rule.card):  # where another card is recommended
        weights += f" ({title})"
    if is_everyone(result):
        when = f"With {weights} and time for only as many leads as the rule"
        return Answer("Follow up every lead", cutoff, main_sentence(look, p_better(rule), weights, when), outlook=look)
    headline = HEADLINES.get(rule.verdict)
    if headline is None:
        headline = "Change the weights" if rule.verdict_weights == "change" else "Change the cut-off"
        if rule.verdict_weights == rule.verdict_cutoff:
            headline = "Change the rule: other weights and another cut-off"
    main, costs = main_sentence(look, p_better(rule), weights), ""
    if look is not None and None not in (look.regret_per_100.keep.value, look.regret_per_100.change.value):
        keep, change = (few(each.value or 0.0) for _, each in look.regret_per_100)
        costs = f"Expected cost of keeping: {keep} wins of 100; of changing: {change}."
    return Answer(headline, main, costs, cutoff, sure_sentence(rule), look)


def headline_in_use(headline: str, used: str) -> str:
    """The headline where the learned card is in use."""
    return f"Undecided; {used}" if headline == HEADLINES["undecided"] else f"{headline} ({used})"


def title_of(result: Result, contender: str | None) -> str:
    """Title of a contender; "" for none."""
    return next((each.title for each in result.contenders if each.id == contender), "")


# ---------------------------------------------------------------- the weights


def p_better(rule: PolicyResult) -> float:
    """What the verdict on the weights rests on: P(gain above 0), allowing for the number of rules asked about."""
    p = rule.gain_weights.p_adjusted if rule.gain_weights is not None else None
    return 1.0 - p if p is not None else rule.outlook.p_better if rule.outlook is not None else 0.0


def sure_words(p: float) -> str:
    """A chance without false certainty, rounded down, so that .95 is at least that: ``.93``, ``> .99``."""
    return "> .99" if p > 0.99 else "< .01" if p < 0.01 else f".{int(100 * p + 1e-9):02}"


def wins_pair(look: Outlook | None) -> tuple[str, str]:
    """Expected wins of 100 when the rule is kept and changed, with the digits that tell them apart."""
    if look is None or look.wins_per_100.keep.value is None or look.wins_per_100.change.value is None:
        return UNKNOWN_TEXT, UNKNOWN_TEXT
    keep, change = look.wins_per_100.keep.value, look.wins_per_100.change.value
    digits = 0 if abs(change - keep) >= 2.95 else 1  # so that their difference is that of the costs
    return number(keep, digits), number(change, digits)


def main_sentence(look: Outlook | None, p: float, weights: str, when: str = "") -> str:
    """``If you change, expect 21 wins of 100 followed up instead of 17 (P = .93 that it is better); ...``."""
    keep, change = wins_pair(look)
    if look is None or keep == UNKNOWN_TEXT:
        return ""
    chance = f"P {'' if p > 0.99 or p < 0.01 else '= '}{sure_words(p)}"
    if keep == change:
        same = f"With {weights} expect as many wins as with the rule, {keep} of 100 followed up"
        return f"{same} ({chance} that they are better)."
    when = when or f"If you change to {weights}"
    text = f"{when}, expect {change} wins of 100 followed up instead of {keep} ({chance} that it is better)"
    loss = loss_if_wrong(look, p)
    return f"{text}; if that is wrong you lose {few(loss, 'about ')}." if loss is not None else f"{text}."


def loss_if_wrong(look: Outlook, p: float) -> float | None:
    """Wins of 100 lost by a change that is no better, where it is expected to be: E[loss] / P(not better)."""
    wins, loss, wrong = look.wins_per_100, look.regret_per_100.change.value, 1.0 - p
    is_better = (wins.change.value or 0.0) > (wins.keep.value or 0.0)
    return loss / wrong if is_better and loss is not None and wrong >= 0.01 else None


def few(wins: float, about: str = "") -> str:
    """A small number of wins."""
    if wins < 0.05:
        return "less than 0.1"
    return about + number(wins, 0 if wins >= 2.95 else 1).removesuffix(".0")


def sure_sentence(rule: PolicyResult) -> str:
    """Why this verdict, and when to look again."""
    if rule.verdict == "undecided":
        gain = rule.gain_weights if rule.verdict_weights == "undecided" else rule.gain_cutoff
        if gain is None or gain.low is None or rule.reason:
            return f"{rule.because} {look_again(rule)}"
        ends = f"{signed_percent(gain.low)} to {signed_percent(gain.high)}"
        return (
            f"On held-out deals the gain may be {ends} of all won deals, which decides nothing yet. {look_again(rule)}"
        )
    if rule.verdict == rule.verdict_weights == "change" and rule.outlook is not None:
        test = "the stricter test that holds however often you look"
        return f"It passes {test}, too." if rule.outlook.confirmed else f"It does not yet pass {test}."
    return rule.because if rule.verdict in ("keep", "cannot-judge") else ""


def look_again(rule: PolicyResult) -> str:
    """When an open question may be decided."""
    more = rule.outlook.more_deals if rule.outlook is not None and rule.verdict_weights == "undecided" else None
    if more is None:
        return "Look again when more deals have closed."
    return LOOK_AGAIN if more.value is None else f"A{more.text[1:]}."


# ---------------------------------------------------------------- the cut-off


def economics_of(result: Result) -> Mapping[str, Any]:
    """The costs of the settings, or nothing."""
    found = result.settings.get("economics")
    return found if isinstance(found, Mapping) else {}


def leaves_out_nobody(rule: PolicyResult) -> bool:
    """Whether at the costs the rule's own score should leave out nobody."""
    found = rule.learned_cutoff
    return rule.verdict_cutoff == "change" and found is not None and found.value is not None and found.value <= 0


def card_cutoff(result: Result) -> float:
    """From how many points the recommended card is followed up; 0: every lead, or no card."""
    found = result.recommended.cutoff
    return 0.0 if found is None or found.value is None else found.value


def is_everyone(result: Result) -> bool:
    """Whether at the costs neither the rule's score nor the recommended card should leave out anybody."""
    return leaves_out_nobody(result.policies[0]) and card_cutoff(result) <= 0


def cutoff_sentence(result: Result, rule: PolicyResult) -> str:
    """The cut-off: at the costs, within the capacity, or for which values of a won deal it is right."""
    learned = rule.learned_cutoff
    if economics := economics_of(result):
        currency, worth = str(economics.get("currency") or ""), economics.get("won_value")
        won = f"{percent(economics.get('margin'))} of a won deal's amount"
        won = won if worth is None else f"{money_words(worth, currency)} a won deal"
        basis = f"At {money_words(economics.get('follow_up_cost'), currency)} a follow-up and {won}"
    elif rule.verdict_cutoff == "depends" and rule.verdict != "cannot-judge":
        if not (words := worth_words(rule.depends_on)):
            return ""
        more = rule.depends_on and rule.depends_on.high
        more_words = f" Worth more than {rounded(more)}? Then call more." if more else ""
        own = f"Its cut-off of {rule.documented_cutoff} is right if a won deal is worth {words} follow-ups"
        return f"{own}; give economics to decide.{more_words}"
    else:
        basis = BASES.get(learned.basis if learned else "", "At the chance you gave")
    if rule.verdict_cutoff not in ("keep", "undecided", "change") or learned is None:
        return ""
    return f"{basis} {cutoff_verdict(rule, card_cutoff(result))}."


def cutoff_verdict(rule: PolicyResult, of_card: float) -> str:
    """What is said of the cut-off of the rule's own score, beside that of the recommended card."""
    learned, gain = rule.learned_cutoff, rule.gain_cutoff
    own = f"its cut-off of {rule.documented_cutoff}"
    if rule.verdict_cutoff == "keep":
        return f"{own} is right"
    if rule.verdict_cutoff != "change" or learned is None or gain is None or gain.value is None:
        return f"it is undecided whether {own} is right"
    after = "" if learned.basis == "capacity" else " after the cost of follow-ups"
    ends = f" ({signed_percent(gain.low)} to {signed_percent(gain.high)})"
    brings = f"{signed_percent(gain.value)}{ends} of all won deals{after}"
    if leaves_out_nobody(rule):
        if of_card > 0:
            own = f"The rule's own score would leave out nobody, which brings {brings}"
            return f"follow up from {number(of_card)} points of the recommended card. {own}"
        return f"every lead is worth a follow-up, which brings {brings}. The card then serves to rank them"
    if learned.value == rule.documented_cutoff:
        return f"following the highest scores wins {brings}"
    other = cutoff_words(learned.value, rule.total_max)
    return f"{other} in place of {rule.documented_cutoff} as its cut-off brings {brings}"


def money_words(value: float | None, currency: str) -> str:
    """An amount of money, without cents where they say nothing."""
    return f"{number(value, 0 if value is None or abs(value) >= 10 else 2)} {currency}".strip()


def signed_percent(share: float | None) -> str:
    """``+5.8%``."""
    return percent(share, 0 if share is None or abs(share) >= 0.1 else 1, signed=True)


def cutoff_words(cutoff: float | None, total_max: int) -> str:
    """A cut-off of a score; below the lowest it is every lead, above the highest none."""
    if cutoff is None:
        return UNKNOWN_TEXT
    return "every lead" if cutoff <= 0 else "no lead" if cutoff > total_max else number(cutoff)


def worth_words(found: Any) -> str:
    """For which worth of a won deal, in follow-ups, a cut-off is right: ``2.7 to 4.1``; "" for none."""
    low, high = (None, None) if found is None else (found.low, found.high)
    if low is None or high is None:
        return f"at least {rounded(low)}" if low is not None else f"at most {rounded(high)}" if high is not None else ""
    ends = tuple(dict.fromkeys((rounded(low), rounded(high))))
    return (" to ".join(ends) if len(ends) > 1 else f"about {ends[0]}") if low <= high else ""
