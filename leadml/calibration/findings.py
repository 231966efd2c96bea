"""Findings: every LML code in one table: severity, title, explanation, remedy. {placeholders} are values.

LML1xx data as read - 2xx criteria - 3xx comparison - 4xx drift - 5xx consequences - 6xx outcomes - 7xx
settings.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from leadml.result import Finding, Severity


class Entry(NamedTuple):
    """Text of one finding."""

    severity: Severity
    title: str
    explanation: str
    remedy: str = ""


FINDINGS: dict[str, Entry] = {
    # ------------------------------------------------------------ data as read
    "LML101": Entry(
        "warn",
        "{column} alone ranks the outcomes almost perfectly",
        "{detail} A column that knows the outcome is usually filled in after the close.",
        "If it is known only after the close, add to the mapping: exclude: {{{column}: known only after the"
        " close}}",
    ),
    "LML102": Entry(
        "warn",
        "whether {column} is filled tells the outcome",
        "{detail} It may be filled in after the close.",
        "If so, add to the mapping: exclude: {{{column}: filled in after the close}}",
    ),
    "LML103": Entry(
        "warn",
        "lead ids occur more than once",
        "{n} rows repeat the {column} of an earlier row ({examples}). Every row is kept, and those of one id"
        " stay together when deals are held out.",
        "Remove copies from the export, or name the column that identifies a deal.",
    ),
    "LML104": Entry(
        "warn",
        "{n} of {of} rows were rejected",
        "{detail}",
        "Correct the rows that are listed in rejected.csv, or name their values in the mapping.",
    ),
    "LML105": Entry(
        "warn",
        "the order of day and month in {column} was assumed",
        "{detail}",
        "Export dates as 2026-01-31, or check the first ones.",
    ),
    "LML106": Entry("note", "how the file is written was guessed", "{detail}", "Name it under read: to be"
    " sure."),
    "LML107": Entry(
        "note", "columns are absent that may be", "The file lacks {columns}: unknown for every lead."
    ),
    "LML109": Entry(
        "stop",
        "too few closed deals to learn from",
        "{n_won} won and {n_lost} lost deals; at least {minimum} of each.",
        "Score with the documented rules (leadml qualify), and calibrate once more deals have closed.",
    ),
    "LML110": Entry("note", "{column} does not vary", "It is {seen}: no deal can tell its weight."),
    "LML111": Entry(
        "warn",
        "in one stretch of {column} all deals ended alike",
        "{detail} It may be measured while the deal is decided.",
        "If it is known only after the close, exclude it in the mapping.",
    ),
    "LML112": Entry(
        "warn",
        "answers look filled in after the close: {columns}",
        "{detail} Levels known only for deals that went on make every rule look better than it will be on new"
        " leads.",
        "Export the answers as they stood at qualification, and name that day under snapshot: in the"
        " mapping.",
    ),
    "LML113": Entry(
        "warn",
        "{column} knows more than a lead can tell",
        "{detail}",
        "Ask when it is filled in; if after qualification, exclude it in the mapping.",
    ),
    "LML114": Entry(
        "note",
        "rows that are equal count as one unit",
        "{n} rows have an equal one, {expected} would by chance. They are kept together when deals are held"
        " out, and"
        " intervals count them once.",
        "If they are different deals, set duplicates: off in the mapping.",
    ),
    "LML115": Entry(
        "note",
        "copies of deals cannot be seen in this file",
        "It holds levels alone, and equal levels are no evidence of a copy.",
        "Map a lead_id or a group, so that rows of one account stay together.",
    ),
    "LML116": Entry(
        "stop",
        "the mapped criteria hold no information",
        "None of them takes two different values: {columns}.",
        "Check the levels of the mapping (leadml check), and map a criterion that varies.",
    ),
    "LML117": Entry(
        "warn",
        "closing dates are missing for {share:.0%} of the {which} deals",
        "Which deals count as closed before a day is then known for the others only.",
        "Export the day on which a deal was closed for won and lost deals alike.",
    ),
    "LML118": Entry(
        "note",
        "{n} rows have no match in the joined file",
        "{detail}",
        "Export both on the same day, and check what join.left and join.right name.",
    ),
    # ------------------------------------------------------------ criteria
    "LML201": Entry(
        "note",
        "{framework} is judged on {n} of its {k} criteria",
        "These deals hold no {columns}: unknown for every lead, so documented cut-offs are harder to reach"
        " than the"
        " document means. A learned card leaves them out.",
        "Map a column that answers them.",
    ),
    "LML202": Entry(
        "warn",
        "{framework}: no points for {columns}",
        "A higher level goes with no more wins here, or with too few for a whole point.",
    ),
    "LML203": Entry(
        "note",
        "{column} hardly varies",
        "{share:.0%} of the known levels are {level}: whatever it is worth, these deals can hardly show it.",
    ),
    "LML204": Entry(
        "note",
        "{n} closed deals are few",
        "Intervals are wide and “undecided” is the likely answer; it is a good answer.",
    ),
    "LML205": Entry(
        "warn",
        "{column} runs backwards",
        "Leads at level {high_level} win {high_rate:.0%}, at level {low_level} {low_rate:.0%}: the rule"
        " counts in favour"
        " of a lead what goes with losing. The card gives it no points.",
        "Check the mapping of its levels; if they are right, the rule is contradicted here.",
    ),
    "LML206": Entry(
        "warn",
        "{column} is best in the middle",
        "Held-out deals are predicted better when its points may turn: level {best_level} wins"
        " {best_rate:.0%}, level 4"
        " {top_rate:.0%}. Points that only rise cannot follow that.",
        "Use the free form of the card, or map the levels in the order in which they win.",
    ),
    "LML207": Entry(
        "warn",
        "{columns} work together",
        "{detail} A card that adds points cannot say so.",
        "Consider a gate in a framework of your own (leadml frameworks new).",
    ),
    "LML208": Entry(
        "warn",
        "counting unknown as 0 costs {cost:.1f} wins of 100",
        "{rule} gives 0 points for what is not known. The same points with unknown counted as an average"
        " level win"
        " {other:.0f} of 100 leads followed up, instead of {own:.0f}.",
        "Ask before judging, or use a card that gives points for unknown.",
    ),
    # ------------------------------------------------------------ comparison
    "LML301": Entry(
        "warn",
        "nothing beats the base rate",
        "No rule, card or classifier is shown to tell won from lost deals better than the same probability"
        " for every"
        " lead{best}. Do not act on differences between contenders.",
        "Map columns that were known at qualification, or wait for more deals.",
    ),
    "LML302": Entry(
        "note",
        "the context columns know more than the rules",
        "{contender} ranks held-out deals at AUC {auc:.2f}, the best card at {card_auc:.2f}. What tells wins"
        " from losses"
        " here is only in part what the rules ask.",
    ),
    "LML303": Entry(
        "note",
        "{rule} follows up {whom}",
        "Of {n} held-out deals it would follow up {share:.0%}: there is no choice to judge.",
    ),
    "LML304": Entry(
        "note",
        "{baseline} is not judged, {other} is compared with",
        "Without the criteria that these deals lack its cut-off cannot be reached.",
        "Name a baseline in the experiment.",
    ),
    "LML305": Entry(
        "note",
        "no documented rule can be judged",
        "The mapping names fewer than two criteria of any framework.",
        "Map criteria; without them only the wider classifiers are compared with the base rate.",
    ),
    "LML306": Entry(
        "note",
        "compared on a sample of {n} of {all} closed deals",
        "Points, weights and probabilities are learned from all {all} deals by their number in each pattern;"
        " the"
        " comparison on held-out deals, the wider classifiers and the log take a random sample of {n}.",
        "A larger single_deals in the experiment makes the sample larger.",
    ),
    "LML307": Entry(
        "warn",
        "{rule}: its cut-off cannot be reached",
        "With {n} of its {k} criteria mapped a lead reaches {reach} of {cutoff}: the rule would follow up no"
        " one, which"
        " says nothing of the rule.",
        "Map {columns}, or choose a rule that asks for less.",
    ),
    "LML308": Entry(
        "note",
        "{rule}: the verdict rests on few different judgements",
        "Rule and card judge {n} held-out deals differently; at least {minimum} are asked for.",
    ),
    # ------------------------------------------------------------ drift
    "LML401": Entry(
        "warn",
        "the win rate moved from {before:.1%} to {after:.1%}",
        "Of the earlier deals {before:.1%} were won, of the later ones {after:.1%}. Probabilities are those"
        " of the latest"
        " deals; cut-offs that rest on older ones do not hold. Rankings may.",
        "Calibrate again when the next deals have closed; watch with leadml monitor.",
    ),
    "LML402": Entry(
        "warn",
        "{column} is distributed differently in later deals",
        "Population stability index {psi:.2f}, where {limit:.2f} counts as a large shift. Shares of leads in"
        " each band,"
        " and a cut-off by capacity, may no longer hold.",
        "Check whether its levels still mean the same.",
    ),
    "LML403": Entry(
        "note",
        "{n} deals had not closed when a block began",
        "They are left out of what was learned before that block, as they would have been at the time.",
    ),
    "LML404": Entry(
        "warn",
        "points of {card} are distributed differently in later deals",
        "Population stability index {psi:.2f}: mean points went from {before:.1f} to {after:.1f}. Shares of"
        " leads in each"
        " band, and a cut-off by capacity, no longer hold.",
        "Set the cut-off from recent leads.",
    ),
    "LML405": Entry(
        "warn",
        "deals are won {direction} often than {contender} predicted",
        "Calibration intercept {value:+.2f} ({low:+.2f} to {high:+.2f}) on held-out deals, where 0 is"
        " calibrated.",
        "Take its probabilities as a ranking until it is calibrated on recent deals.",
    ),
    "LML406": Entry(
        "warn",
        "what counts has changed over time",
        "Weights learned from earlier deals predict the later ones worse than chance allows: {columns}. A"
        " verdict on"
        " weights rests on deals that may no longer tell.",
        "“Change” is said only where the last two blocks agree; look at each period in the report.",
    ),
    # ------------------------------------------------------------ consequences
    "LML501": Entry(
        "note",
        "no economics and no capacity were given",
        "Whether a documented cut-off is right depends on what a won deal is worth; each rule shows for"
        " which values it"
        " is. Cards are shown at the workload of the baseline.",
        "Give economics or capacity in the experiment.",
    ),
    "LML502": Entry(
        "note",
        "{per_week:g} leads a week are {share:.0%} of those that come",
        "{inflow:,.1f} leads were created a week, on average between the first and the last date of"
        " creation.",
    ),
    "LML503": Entry(
        "note",
        "a won deal is worth {value:,.0f} {currency}",
        "That is {margin:.0%} of the mean amount of {n:,.0f} won deals, {mean:,.0f}. A follow-up costs"
        " {cost:,.0f}.",
    ),
    "LML504": Entry(
        "note",
        "break-even is assumed",
        "As asked, a lead is worth following up when it is likelier to be won than the average lead"
        " ({rate:.0%}).",
    ),
    # ------------------------------------------------------------ outcomes
    "LML601": Entry(
        "note",
        "{n} closed deals are too recent to count ({share:.1%})",
        "95% of the deals that close do so within {days:,.0f} days. Of leads created later than that before"
        " {as_of} only"
        " the quick ones have closed: {all:.1%} of all closed deals were won, {mature:.1%} of those old"
        " enough. Only"
        " these are learned from.",
        "maturity: off in the experiment takes all.",
    ),
    "LML602": Entry(
        "note",
        "with overdue deals counted as lost the verdict {moves}",
        "{n} deals are still open though older than nearly all deals are when they close. Left out,"
        " {before:.1%} were"
        " won; counted as lost, {after:.1%}. The verdict on {rule} is {verdict}, then {other}.",
        "Close deals that are lost in the CRM.",
    ),
    "LML603": Entry(
        "warn",
        "{rule}: nothing can be said below {floor}",
        "{closed} of the {n} leads below {floor} were followed up to an end. What the others would have"
        " become is not in"
        " the data, and it is not made up.",
        "Follow up a few leads below the cut-off, picked at random, and map propensity.",
    ),
    "LML604": Entry(
        "warn",
        "too few deals are old enough, so recent ones count too",
        "95% of the deals that close do so within {days:,.0f} days. Without the later ones fewer than"
        " {minimum} won or"
        " lost deals would be left; with them, quick losses weigh too much.",
    ),
    "LML605": Entry(
        "warn",
        "leads below the cut-off were followed up by choice",
        "{detail} Wins among the followed-up leads then say little of the others: between {worst} and {best}"
        " of 100.",
        "Follow up a share picked at random, and map propensity. No verdict on the cut-off rests on these"
        " leads.",
    ),
    "LML606": Entry(
        "note",
        "leads picked at random stand for the others",
        "{n} leads were followed up with a known chance, and count by one over it.",
    ),
    # ------------------------------------------------------------ settings
    "LML701": Entry(
        "note",
        "split is replaced by evaluation",
        "The experiment names split ({kind}); deals are held out {how}.",
        "Write evaluation: in its place.",
    ),
    "LML702": Entry(
        "note",
        "{contender} is left out",
        "{reason}",
    ),
}  # fmt: skip
# Readers of data (leadml.data) note codes of their own: their texts stand in the block below.
FINDINGS |= {}

ORDER: Mapping[str, int] = {"stop": 0, "warn": 1, "note": 2}


class _Lenient(string.Formatter):
    """Formats a text; a value that nobody gave is left out, and never costs a calibration."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        return kwargs.get(str(key), "")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value is None:
            value = "?"
        if isinstance(value, str):
            return value
        if not format_spec and isinstance(value, int | float):
            return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
        return str(format(value, format_spec))


def make_finding(
    code: str, where: str = "", cost: float | None = None, severity: Severity | None = None, **values: Any
) -> Finding:
    """Make one finding from the table."""
    entry, fill = FINDINGS[code], _Lenient()
    title, explanation, remedy = (
        fill.vformat(text, (), {"cost": cost, **values}).strip() for text in entry[1:4]
    )
    return Finding(
        code=code,
        severity=severity or entry.severity,
        title=title,
        explanation=explanation,
        remedy=remedy,
        where=where or str(values.get("column", "")),
        cost=cost,
    )


def findings_of_notes(notes: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Finding]:
    """Turn notes (code, values) into findings; `where` and `cost` among the values go to their fields."""
    return [make_finding(code, **dict(values)) for code, values in notes]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort the gravest first, each once."""
    unique = {(f.code, f.where, f.title): f for f in findings}
    return tuple(sorted(unique.values(), key=lambda f: (ORDER[f.severity], f.code)))
