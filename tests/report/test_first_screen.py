"""Laws of the first screen: every number is the record's, and nothing contradicts another thing."""

import re

import pytest
from report_worlds import CASES

from leadml.report.answer import LOOK_AGAIN, few, sure_words
from leadml.report.charts import decision_curve
from leadml.report.first_screen import format_result
from leadml.report.html import render_html
from leadml.report.summary import group_findings, notes_of, rule_rows, summarise
from leadml.result import Choice, Figure
from leadml.terminal import number, rounded


def figures(result):
    """Every estimate of a result with its ends."""
    for each in result.contenders:
        yield from (each.auc, each.wins_per_100, each.net_value_per_lead, each.gain.wins_captured)
    for each in result.policies:
        yield from (each.gain_weights, each.gain_cutoff, each.learned_cutoff)
        if each.outlook:
            yield from (each.outlook.wins_per_100.keep, each.outlook.wins_per_100.change)


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_those_of_the_record(found, case):
    result = found(case).result
    told, rule = summarise(result), result.policies[0]
    for figure in figures(result):
        if figure is not None and None not in (figure.value, figure.low, figure.high):
            assert figure.low <= figure.value <= figure.high
    assert told.rule == rule
    look = rule.outlook
    row = told.own[0]
    if look is not None and rule.verdict_weights != "cannot-judge":
        keep, change = look.wins_per_100.keep.value, look.wins_per_100.change.value
        wins = str(row.cells["wins of 100"])
        assert wins in {f"{number(keep, n)} → {number(change, n)}" for n in (0, 1)} | {number(keep, 1)}
        assert str(row.cells["P better"]) == sure_words(1 - rule.gain_weights.p_adjusted)
        assert any(all(each in text for each in wins.split(" → ")) for text in told.answer.sentences)
    by_id = {each.id: each for each in result.contenders}
    for side in told.sides:
        wins = by_id[side.id].wins_per_100
        assert side.cells["wins of 100"].value == number(wins.value, 1)
        if side.id != rule.id:  # the same deals: the gain is the difference of the two
            difference = wins.value - by_id[rule.id].wins_per_100.value
            assert side.cells["more than the rule"].value == number(difference, 1, signed=True)
    assert f"{number(result.evaluation.n)} of them held out" in told.deals


@pytest.mark.parametrize("case", CASES)
def test_nothing_contradicts(found, case):
    result = found(case).result
    rule, text = result.policies[0], format_result(result, terminal=False)
    answer = summarise(result).answer
    assert "champion" not in text
    assert not re.search(r"\b0 more|\d{3},\d{3} more", text)
    if answer.headline.startswith("Change"):
        assert rule.verdict == "change"
        asked = [rule.gain_weights] * (rule.verdict_weights == "change")
        asked += [rule.gain_cutoff] * (rule.verdict_cutoff == "change")
        assert asked
        assert all(gain.value > 0 for gain in asked)
    if answer.headline.startswith("Undecided"):
        assert "deals" in answer.sure
        assert rule.verdict == "undecided"
    is_everyone = rule.verdict_cutoff == "change" and rule.learned_cutoff.value == 0
    assert (answer.headline == "Follow up every lead") == is_everyone == (case in ("tilted-cheap", "null-costs"))
    if is_everyone:
        assert "every lead is worth a follow-up, which brings +" in text
        assert "follow up from" not in text
        # unless the recommended card tells leads apart: then the answer is about that card
        best = result.recommended.model_copy(update={"cutoff": rule.learned_cutoff.model_copy(update={"value": 13.0})})
        one = result.model_copy(update={"recommended": best})
        assert summarise(one).answer.headline.startswith("Change ")
        assert (
            "follow up from 13 points of the recommended card. The rule's own score would"
            in summarise(one).answer.cutoff
        )
        assert "follow up from 13 points, at your costs" in summarise(one).card
    if not result.settings["economics"] and not result.settings["capacity"]:
        assert "EUR" not in text
    if rule.verdict_cutoff == "depends":
        assert rounded(rule.depends_on.low) in answer.cutoff


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_screen(found, case):
    lines = format_result(found(case).result, ("out/report.html", "out/page.html"), terminal=False).split("\n")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 140
    assert lines[-1] == "Open out/report.html and out/page.html"


def changed(result, rule=None, **parts):
    """The result with its baseline rule and other parts replaced."""
    rules = (result.policies[0].model_copy(update=rule or {}), *result.policies[1:])
    return result.model_copy(update={"policies": rules, **parts})


VERDICTS = {
    "keep": ("keep", "keep", "Keep the rule"),
    "depends": ("keep", "depends", "Keep the weights; the cut-off depends on what a won deal is worth"),
    "cannot-judge": ("cannot-judge", "cannot-judge", "These deals cannot judge the rule"),
    "change": ("keep", "change", "Change the cut-off"),
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_each_verdict_has_its_headline(found, verdict):
    weights, cutoff, headline = VERDICTS[verdict]
    rule = {"verdict": verdict, "verdict_weights": weights, "verdict_cutoff": cutoff, "because": "So it is."}
    result = changed(found("tilted-costs").result, rule)
    answer = summarise(result).answer
    assert answer.headline == headline
    assert answer.sure == ("So it is." if verdict in ("keep", "cannot-judge") else "")
    assert (answer.main == "") == (weights == "cannot-judge")
    assert "cannot-judge" in format_result(result, terminal=False) or verdict != "cannot-judge"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(2.7, 4.1, "worth 2.7 to 4.1 follow-ups"), (2.06, 539.0, "worth 2.1 to 540 follow-ups"),
     (None, 4.1, "at most 4.1"), (2.7, None, "at least 2.7"),
     (2.76, 2.79, "worth about 2.8 follow-ups"), (None, None, ""), (5, 4, "")],
)  # fmt: skip
def test_it_says_for_whom_a_cut_off_is_right(found, low, high, words):
    result = found("right-120").result
    rule = result.policies[0]
    both = {"low": low, "high": high}
    update = {
        "verdict_cutoff": "depends",
        "depends_on": rule.depends_on.model_copy(update=both),
        "implied_value": rule.implied_value.model_copy(update=both),
    }
    told = summarise(changed(result, update))
    assert words in told.answer.cutoff
    assert bool(told.answer.cutoff) == bool(words)
    if words:
        assert str(told.own[0].cells["right at"]) in words


def test_undecided_says_when_it_is_decided(found):
    result = found("right-120").result
    look = result.policies[0].outlook
    plan = look.more_deals.model_copy if look.more_deals else None
    verdicts = {"verdict": "undecided", "verdict_weights": "undecided"}
    if plan is None:
        pytest.skip("decided")
    for more, words in (
        ({"value": 340.0, "months": 7.0, "text": "about 340 more closed deals (7 months) decide it"}, "About 340"),
        ({"value": None, "months": None, "text": "not decidable"}, LOOK_AGAIN),
    ):
        outlook = look.model_copy(update={"more_deals": plan(update=more)})
        told = summarise(changed(result, verdicts | {"outlook": outlook}))
        assert words in told.answer.sure
        # of the other rules it stands below their table, and beside them in the report
        both = result.policies[0].model_copy(update=verdicts | {"outlook": outlook}), result.policies[1]
        two = result.model_copy(update={"policies": both[::-1]})
        words = "340 more deals would decide it" if more["value"] else "not decidable at your size"
        assert f"bant-ibm: {words}." in [*notes_of(summarise(two).own[1:])]
    in_use = re.findall("<(?:title|h1)>.*", render_html(one := changed(result, verdicts), in_use="a@1"))
    assert all("Undecided; the learned card is in use, as a@1</" in each for each in in_use)  # not: stay with the rule
    assert "<h1>Undecided: stay with the rule for now</h1>" in render_html(one)
    told = summarise(changed(result, verdicts | {"outlook": None})).answer
    assert told.main == told.costs == ""
    assert told.sure.endswith("Look again when more deals have closed.")


def test_each_screen_names_the_card_that_it_is_about(found):
    result = found("wide").result
    wide = next(each for each in result.contenders if each.kind == "wide")
    best = result.recommended.model_copy(update={"contender": wide.id})
    own = "BANT, learned card"
    for chosen, words in ((result.recommended, "to learned weights, "), (best, f"to learned weights ({own}), ")):
        one = result.model_copy(update={"recommended": chosen})
        assert words in summarise(one).answer.main
        assert words in format_result(one, terminal=False)
        title = wide.title if chosen == best else own
        page = render_html(one)
        assert f"Where bant-ibm and the {title} disagree" in page
        assert f"the card is {own}" in " ".join(decision_curve(one).to_dict()["title"])
        n, of = number(one.evaluation.n), number(one.data.n_won + one.data.n_lost)
        assert f"Counts of the {n} held-out deals (the page for sales counts all {of})" in page


def test_a_card_in_doubt_is_not_called_recommended(found):
    result = found("tilted-1500").result
    assert "learned card, recommended" in format_result(result, terminal=False)
    doubted = result.model_copy(update={"recommended": result.recommended.model_copy(update={"doubt": "Known then?"})})
    text = format_result(doubted, terminal=False)
    assert "learned card, best card found, in doubt" in text
    assert ", recommended" not in text
    assert "the champion" not in render_html(doubted)


def test_without_rules_it_says_so(found):
    result = found("right-120").result
    bare = result.model_copy(update={"policies": (), "disagreement": ()})
    assert "No documented rule can be judged" in format_result(bare, terminal=False)
    none = bare.recommended.model_copy(update={"contender": None, "card": None, "cutoff": None})
    assert summarise(bare.model_copy(update={"recommended": none})).card == ""


def test_a_loss_is_only_told_where_it_can_happen(found):
    result = found("tilted-1500").result
    look = result.policies[0].outlook
    gain = result.policies[0].gain_weights
    sure, unsure = ({"gain_weights": gain.model_copy(update={"p_adjusted": p})} for p in (0.0, 0.2))
    assert "if that is wrong" not in summarise(changed(result, sure)).answer.main
    regret = look.regret_per_100.model_copy(
        update={"change": look.regret_per_100.change.model_copy(update={"value": 0.2})}
    )
    unsure["outlook"] = look.model_copy(update={"regret_per_100": regret})
    assert "if that is wrong you lose about 1." in summarise(changed(result, unsure)).answer.main
    even = look.wins_per_100.model_copy(update={"change": look.wins_per_100.keep})
    same = summarise(changed(result, {"outlook": look.model_copy(update={"wins_per_100": even})})).answer
    assert "as many wins as with the rule" in same.main
    assert few(0.01) == "less than 0.1"


def test_p_better_is_what_the_verdict_rests_on(found):
    for case in CASES:
        result = found(case).result
        for rule, row in zip(result.policies, rule_rows(result), strict=True):
            text = str(row.cells["P better"])
            assert rule.verdict_weights != "change" or text >= ".95" or text == "> .99"
            if rule.verdict_weights in ("keep", "undecided") and not rule.reason:
                assert text[:2] in ("< ", "—") or text < ".95"
    assert [sure_words(p) for p in (0.9499, 0.95, 0.29, 0.001)] == [".94", ".95", ".29", "< .01"]


def test_findings_of_one_code_stand_together(found):
    findings = found("tilted-1500").result.findings
    one = findings[0].model_copy(update={"cost": 2.4, "remedy": "do this", "severity": "warn", "where": ""})
    other = one.model_copy(update={"title": "another", "cost": 1.0})
    (group,) = group_findings([one, other])
    assert group.cost == "2.4 wins of 100"
    assert group.titles[1] == "Another"
    assert group.remedies == ("do this",)
    result = found("tilted-1500").result.model_copy(update={"findings": (one, other)})
    assert ", and 1 more) [2.4 wins of 100]" in format_result(result, terminal=False)


def test_what_a_won_deal_is_worth_is_said_as_it_was_given(found):
    result = found("tilted-costs").result
    given = {"follow_up_cost": 2.5, "margin": 0.2, "currency": "EUR", "won_value": None}
    told = summarise(changed(result, {}, settings={**result.settings, "economics": given})).answer
    assert "At 2.50 EUR a follow-up and 20% of a won deal's amount" in " ".join(told.sentences)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"verdict_cutoff": "keep"}, "Within your capacity its cut-off of 3 is right."),
        ({"verdict_cutoff": "undecided"}, "Within your capacity it is undecided whether its cut-off of 3 is right."),
        ({"verdict_cutoff": "change", "learned_cutoff": 3.0}, "Within your capacity following the highest scores wins"),
        ({"verdict_cutoff": "change", "learned_cutoff": 2.0}, "capacity 2 in place of 3 as its cut-off brings"),
        ({"verdict_cutoff": "change", "learned_cutoff": 5.0}, "no lead in place of 3"),
        ({"verdict_cutoff": "cannot-judge", "verdict": "undecided"}, ""),
    ],
)
def test_the_cut_off_at_the_capacity(found, rule, words):
    result = found("tilted-capacity").result
    if "learned_cutoff" in rule:
        learned = result.policies[0].learned_cutoff.model_copy(update={"value": rule["learned_cutoff"]})
        gain = result.policies[0].gain_weights
        rule = rule | {"learned_cutoff": learned, "gain_cutoff": gain}
    cutoff = summarise(changed(result, rule)).answer.cutoff
    assert words in cutoff
    assert bool(words) == bool(cutoff)


@pytest.mark.parametrize("value", [0.0, -4e-18, 0.02])
def test_the_same_leads_within_the_capacity_are_said_to_be(found, value):
    result = found("tilted-capacity").result
    rule = result.policies[0]
    gain = rule.gain_weights.model_copy(update={"value": value, "low": -0.04, "high": 0.04})
    row = summarise(changed(result, {"gain_cutoff": gain, "verdict_cutoff": "undecided"})).own[0]
    assert any("another cut-off wins no more and no less" in text for text in row.remarks) == (value < 0.01)


def test_without_figures_nothing_is_made_up(found):
    result = found("tilted-1500").result
    look = result.policies[0].outlook
    none = look.wins_per_100.keep.model_copy(update={"value": None})
    update = {
        "wins_per_100": look.wins_per_100.model_copy(update={"keep": none}),
        "regret_per_100": look.regret_per_100.model_copy(update={"keep": none}),
    }
    told = summarise(changed(result, {"outlook": look.model_copy(update=update)}))
    assert told.answer.main == told.answer.costs == ""
    assert str(told.own[0].cells["wins of 100"]) == "—"


@pytest.mark.parametrize(
    ("side", "why"),
    [("weights", "averages them with a model of all deals"), ("cutoff", "asks for its lower bound alone")],
)
def test_it_says_why_it_is_change_beside_a_gain_that_may_be_nothing(found, side, why):
    """Terminal and page, of the rule and no other; nothing is said where the interval is above 0."""
    result = found("tilted-costs").result
    gain = result.policies[0].gain_weights
    for low, is_said in ((-0.01, True), (0.0, True), (0.001, False)):
        both = {name: gain.model_copy(update={"value": 0.02, "low": 0.001, "high": 0.05}) for name in
                ("gain_weights", "gain_cutoff")}  # fmt: skip
        both[f"gain_{side}"] = both["gain_weights"].model_copy(update={"low": low})
        verdicts = {"verdict": "change", "verdict_weights": "change", "verdict_cutoff": "change"}
        one = changed(result, verdicts | both)
        one = one.model_copy(update={"policies": one.policies[:1]})
        text = f"by held-out deals alone the gain may be 0; the verdict {why}"
        terminal = " ".join(format_result(one, terminal=False).split())
        assert (f"{one.policies[0].id}: {text}." in terminal, text in render_html(one)) == (is_said, is_said)


def test_it_says_what_is_missing_and_what_is_apart(found):
    result = found("right-120").result
    unable = {"verdict": "cannot-judge", "verdict_weights": "cannot-judge", "verdict_cutoff": "depends"}
    told = summarise(changed(result, unable | {"because": "So it is."}))
    assert told.answer.cutoff == ""
    assert told.answer.sure == "So it is."
    assert str(told.own[0].cells["right at"]) == "—"
    rule = result.policies[0]
    for wins, apart in ((30.0, True), (50.0, False)):
        gain = rule.gain_weights.model_copy(update={"value": 0.02, "low": -0.1, "high": 0.2})
        pair = {"keep": Figure(value=40.0), "change": Figure(value=wins)}
        look = rule.outlook.model_copy(update={"wins_per_100": Choice(**pair)})
        update = {"verdict": "undecided", "verdict_weights": "undecided", "gain_weights": gain}
        other = changed(result, update | {"outlook": look})
        other = other.model_copy(update={"policies": other.policies[:1]})
        assert ("different ways" in " ".join(format_result(other, terminal=False).split())) == apart
        assert ", recommended" not in format_result(other, terminal=False)
    text = summarise(changed(result, data=result.data.model_copy(update={"n_recent": 1009}))).deals
    n = round(result.data.n_won + result.data.n_lost)
    assert text.startswith(f"{n + 1009:,} closed, 1,009 of them too recent to count; {n:,} learned from")
