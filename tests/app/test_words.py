"""The answer in words, for whatever a calibration may have found."""

import pytest

import leadml
from leadml.app.words import answer_of_page, columns_of
from leadml.card.build import documented_card
from leadml.result import Choice, Figure, Importance, MoreDeals, Recommended, load_result


@pytest.fixture(scope="module")
def result(made):
    return load_result(made / "found")


def changed(result, look=None, **rule):
    """The result with another verdict or outlook of its first rule."""
    own = result.policies[0]
    outlook = own.outlook.model_copy(update=look or {})
    return result.model_copy(update={"policies": (own.model_copy(update={"outlook": outlook, **rule}),)})


def told(result):
    answer = answer_of_page(result)
    return " ".join((answer.lead, *answer.more))


def test_chances_and_costs(result):
    nothing, gain = Figure(value=None), result.policies[0].gain_weights

    def at(p, **look):
        return told(changed(result, look, gain_weights=gain.model_copy(update={"p_adjusted": 1 - p})))

    assert "More than 99 chances in 100 that learned points win more" in at(1.0)
    assert "Less than 1 chance in 100 that" in at(0.0)
    text = at(0.5, p_better=0.32, regret_per_100=Choice(keep=nothing, change=nothing))
    assert "50 chances in 100 that learned points win more, 32 that by enough to be worth a change." in text
    assert "Expected cost" not in text
    loss = Choice(keep=Figure(value=0.3), change=Figure(value=0.2))
    text = at(0.8, regret_per_100=loss, n_followed_up=346.0)
    assert "; if that is wrong you lose about 3 wins. Expected cost: keeping" in text
    one = Choice(keep=Figure(value=0.3), change=Figure(value=0.01))
    text = told(changed(result, {"regret_per_100": one, "n_followed_up": 346.0}))
    assert "Expected cost: keeping about 1 win, changing less than 1 win." in text


def test_calls_are_of_the_deals_that_were_learned_from(result):
    n = result.data.n_won + result.data.n_lost
    assert f"last {n:.0f} closed leads the rule has" in answer_of_page(result).lead
    data = result.data.model_copy(update={"n_recent": 9})
    some = answer_of_page(result.model_copy(update={"data": data})).lead
    assert f"last {n:.0f} closed leads (9 more are too recent to judge) the rule has you call" in some


def test_when_to_look_again(result):
    more = MoreDeals(value=600.0, text="about 600 more closed deals decide it in 8 of 10 futures")
    undecided = {"verdict": "undecided", "verdict_weights": "undecided"}
    assert told(changed(result, {"more_deals": more}, **undecided)).endswith(
        "600 more closed deals decide it in 8 of 10 futures."
    )
    none = MoreDeals(value=None, text="not decidable")
    text = told(changed(result, {"more_deals": none}, **undecided))
    assert text.endswith("Not decidable at your size; look again in a year.")
    assert "No card is likely" in told(
        changed(result, verdict="keep", verdict_weights="keep", because="No card is likely to.")
    )


def test_it_is_said_why_a_rule_is_changed_beside_a_gain_that_may_be_nothing(result):
    gain = result.policies[0].gain_weights.model_copy(update={"value": 0.01, "low": -0.01, "high": 0.03})
    change = {"verdict": "change", "verdict_weights": "change", "gain_weights": gain}
    why = "By held-out deals alone the gain may be 0; the verdict averages them with a model of all deals."
    assert why in told(changed(result, **change))
    assert why not in told(changed(result, **change | {"verdict_weights": "keep"}))


def test_what_stands_in_lends_its_words():
    budget = {"column": "Budget", "levels": {"No": 1, "Yes": 3}}
    mapping = leadml.load_mapping({"name": "ours", "criteria": {"budget": budget}, "stand_in": {"funds": "budget"}})
    rule = documented_card(leadml.load_policy("faint-half"), created_at="2026-01-01")
    funds = next(each for each in columns_of(None, rule, mapping) if each.id == "funds")
    assert (funds.source, funds.labels) == ("Budget", ("0", "No", "2", "Yes", "4", "not known"))
    assert funds.shown == (1, 3, 5)


def test_nothing_is_said_where_nothing_can_be(result):
    answer = answer_of_page(changed(result, verdict="cannot-judge", verdict_weights="cannot-judge", because="No way."))
    assert (answer.lead, answer.bars) == ("", ())
    assert "No way." in answer.more
    assert "Map more of them." in " ".join(answer_of_page(result.model_copy(update={"policies": ()})).more)


def test_a_wider_card_has_a_bar_of_its_own(result):
    own = next(each for each in result.contenders if each.id == "bant-integer")
    figure = Figure(value=60.0, low=50.0, high=70.0)
    importance = (Importance(column="Team", loss=figure),)
    wide = own.model_copy(update={"id": "wide", "kind": "wide", "wins_per_100": figure, "importance": importance})
    chosen = Recommended(contender="wide", card="wide.json", framework="bant", because="", in_use="wide")
    found = result.model_copy(update={"contenders": (*result.contenders, wide), "recommended": chosen})
    answer = answer_of_page(found)
    assert [bar.label for bar in answer.bars] == ["Rule", "Learned points", "Wider card"]
    assert answer.bars[2].value == pytest.approx(0.6 * result.policies[0].outlook.n_followed_up)
    assert "The wider card (also Team) won" in " ".join(answer.more)
    assert (answer.doubt, answer.command) == ("", "")
    rows = tuple(Importance(column=each, attribute=each, loss=figure) for each in ("Lost, reason", "B", "C", "D", "E"))
    doubt = "It holds Lost, reason, C: known when the lead came in?"
    in_doubt = {"doubt": doubt, "doubted": ("Lost, reason", "C")}
    wide, chosen = wide.model_copy(update={"importance": rows}), chosen.model_copy(update=in_doubt)
    found = found.model_copy(update={"contenders": (*result.contenders, wide), "recommended": chosen})
    answer = answer_of_page(found.model_copy(update={"command": "leadml calibrate a.csv"}))
    assert "(also Lost, reason, B, C and 2 more)" in " ".join(answer.more)
    assert answer.doubt == doubt
    assert answer.command == "leadml calibrate a.csv --without 'Lost, reason' --without C"


def test_everyone_is_worth_a_call_where_that_is_so(result):
    rule = result.policies[0]
    gain = rule.gain_weights.model_copy(update={"value": 0.3, "low": 0.2, "high": 0.4})
    learned = rule.learned_cutoff.model_copy(update={"value": 0.0})
    both = {"verdict": "change", "verdict_cutoff": "change", "gain_cutoff": gain, "learned_cutoff": learned}
    cutoff = Figure(value=0.0)
    found = result.model_copy(update={"recommended": result.recommended.model_copy(update={"cutoff": cutoff})})
    answer = answer_of_page(changed(found, **both))
    assert answer.headline == "Follow up every lead"
    assert "At 150 EUR a call and 600 EUR a win every lead is worth a call, which brings +30%" in " ".join(answer.more)
