"""The answer and the card beside it: nothing there says more than the verdict."""

import pytest

from leadml.report import render_html, summarise
from leadml.report.rules import rule_summary


def labels(result) -> list[str]:
    return [fact["label"] for fact in summarise(result)["answer"]["facts"]]


def test_a_change_is_backed_by_the_card_that_brings_it(make_result) -> None:
    assert labels(make_result("change"))[2:] == ["More of the wins, with the card below", "Follow up from"]


@pytest.mark.parametrize("verdict", ["keep", "undecided", "cannot-judge"])
def test_without_a_change_the_figures_are_those_of_the_rule(make_result, make_card, verdict: str) -> None:
    shown = summarise(make_result(verdict), make_card())
    facts = {fact["label"]: fact["value"] for fact in shown["answer"]["facts"]}
    assert list(facts)[2:] == ["The rule follows up", "Of those it follows up, won"]
    assert facts["The rule follows up"] == "34%"
    assert shown["answer"]["card_words"] == "Best card on these deals"
    assert "not a reason to change" in shown["card"]["aside"]
    assert "another framework" not in shown["card"]["aside"]


def test_a_card_of_another_framework_is_said_to_be_one(make_result, make_card) -> None:
    result = make_result("undecided")
    result["frameworks"].append({"id": "faint", "title": "FAINT", "mapped": ["need"], "unmapped": ["budget"]})
    result["recommended"]["framework"] = "faint"
    card = summarise(result, make_card())["card"]
    assert "of another framework, FAINT" in card["aside"]
    assert [row["criterion"] for row in card["rows"] if row["absent"]] == ["budget"]


@pytest.mark.parametrize("question", ["weights", "cutoff"])
def test_what_cannot_be_judged_has_no_figure(make_result, question: str) -> None:
    policy = make_result("undecided")["policies"][0] | {f"verdict_{question}": "cannot-judge"}
    shown = rule_summary(policy, {}, None)
    assert shown[f"gain_{question}"]["value"] == "—"
    assert shown[f"gain_{question}"]["p"] == ""


def test_a_cutoff_that_nothing_reaches_is_following_up_no_one(make_result) -> None:
    # Five scores, 0 to 4: a cut-off of 5 is above them all.
    policy = make_result("undecided")["policies"][0]
    policy["rates"] = policy["rates"][:5]
    policy["learned_cutoff"]["not_distinguishable"] = [2, 3, 4, 5]
    told = rule_summary(policy, {}, None)["same_cutoffs"]
    assert told == "Cut-offs that cannot be told from the best: 2 to 4; nor can following up no one."


def test_findings_name_rules_by_their_titles(make_result) -> None:
    result = make_result()
    rule = result["policies"][0]["id"]
    result["findings"] = [
        {"code": "LML303", "severity": "warn", "title": f"{rule} follows up no one", "where": rule}
    ]
    (shown,) = summarise(result)["findings"]
    title = shown["members"][0]["title"]
    assert rule not in title
    assert title.endswith("follows up no one")
    assert shown["members"][0]["where"] == ""


def test_where_there_is_no_rule_none_is_said_to_follow_up(make_result) -> None:
    result = make_result("cannot-judge")
    result["recommended"] |= {"contender": "prior", "versus": "prior", "framework": None, "card": None}
    assert len(labels(result)) == 2


def test_a_page_without_rules_and_card_says_so_and_shows_no_empty_table(make_result) -> None:
    result = make_result("cannot-judge")
    prior = next(c for c in result["contenders"] if c["kind"] == "prior")
    result["contenders"] = [c for c in result["contenders"] if c["kind"] in ("context", "prior")]
    result |= {"policies": [], "frameworks": [], "disagreement": []}
    result["recommended"] |= {"contender": prior["id"], "versus": prior["id"], "framework": None}
    result["recommended"] |= {"card": None, "cutoff": None, "bands": [], "kind": "prior"}
    prior["recommended"] = True
    shown, page = summarise(result), render_html(result)
    assert shown["forest"] == []
    assert shown["answer"]["card_words"] == ""
    assert "these deals hold none of them" in page
    assert "None can be judged" in page
    assert "<tbody></tbody>" not in page
    assert "<b>recommended</b>" not in page
