"""Documented policies as cards: the same code judges by them, and it judges as the documents say."""

import numpy as np
import pytest

from leadml.card import Card, card_from_policy
from leadml.frameworks import Policy, documented_score, list_policies, load_framework, load_policy

RULES = [policy for policy in list_policies() if policy.framework]


def card_of(policy: Policy) -> Card:
    return card_from_policy(policy, load_framework(policy.framework) if policy.framework else None)


@pytest.mark.parametrize("policy", RULES, ids=lambda policy: policy.id)
def test_the_card_scores_as_the_rule_does(policy: Policy) -> None:
    ids = load_framework(str(policy.framework)).criterion_ids
    codes = np.random.default_rng(0).integers(0, 6, (2000, len(ids))).astype(np.uint8)
    scores = card_of(policy).score(codes)
    rule = documented_score(codes, policy, ids)
    assert scores.points.tolist() == rule.score.tolist()
    assert scores.low.tolist() == rule.low.tolist()
    assert scores.high.tolist() == rule.high.tolist()
    assert scores.points_max[0] == policy.total_max
    assert np.isnan(scores.probability).all()


@pytest.mark.parametrize("policy", RULES, ids=lambda policy: policy.id)
def test_all_four_is_ready_all_zero_is_not_and_unknown_is_no_zero(policy: Policy) -> None:
    card = card_of(policy)
    ids = [each.id for each in card.criteria]
    best = card.score_one(dict.fromkeys(ids, 4))
    assert (best["points"], best["decision"], best["settled"]) == (card.total_max, "ready", True)
    worst = card.score_one(dict.fromkeys(ids, 0))
    assert worst["points"] == 0
    assert worst["decision"] != "ready"
    unknown = card.score_one(dict.fromkeys(ids))
    assert (unknown["low"], unknown["high"]) == (0, card.total_max)
    assert unknown["decision"] == "wait"
    assert unknown["ask_next"] == ids[0]


@pytest.mark.parametrize(
    ("total", "band", "decision"),
    [
        (4, "drop", "no-match"),
        (5, "nurture", "wait"),
        (8, "nurture", "wait"),
        (9, "follow-up", "ready"),
        (12, "follow-up", "ready"),
        (13, "immediate", "ready"),
    ],
)
def test_the_edges_of_the_bands_of_sixteen(total: int, band: str, decision: str) -> None:
    levels = [min(4, max(0, total - 4 * place)) for place in range(4)]  # fill one criterion after the other
    row = card_of(load_policy("bant-points")).score(np.array([levels], float)).rows()[0]
    assert (row["points"], row["band"], row["decision"]) == (total, band, decision)


def test_the_worked_example() -> None:
    # Budget, authority and need are met, the timeline is not: 3 of 4. On the scale, authority is 4.
    lead = {"budget": 3, "authority": 4, "need": 2, "timeline": 1}
    ibm = card_of(load_policy("bant-ibm")).score_one(lead)
    assert (ibm["points"], ibm["points_max"], ibm["decision"]) == (3, 4, "ready")
    assert ibm["reasons"] == "budget +1; authority +1; need +1"
    assert card_of(load_policy("bant-strict")).score_one(lead)["decision"] == "no-match"
    # 3 + 4 + 2 + 1 = 10 of 16: qualified without being perfect.
    points = card_of(load_policy("bant-points")).score_one(lead)
    assert (points["points"], points["action"]) == (10, "follow up")
    assert points["reasons"] == "authority +4; budget +3; need +2; timeline +1"


def test_a_gate_disqualifies_whatever_the_points() -> None:
    card = card_of(load_policy("champ-half"))
    rest = {"authority": 4, "budget": 4, "prioritization": 4}
    row = card.score_one({"challenges": 0, **rest})
    assert (row["points"], row["decision"], row["action"]) == (3, "no-match", "disqualify")
    assert "gate failed: challenges" in row["caveats"]
    row = card.score_one(rest)
    assert (row["decision"], row["settled"]) == ("ready", True)
    assert "gate open: challenges" in row["caveats"]
    assert "gate" not in card.score_one({"challenges": 1, **rest})["caveats"]


def test_caveats_apply_by_facts() -> None:
    card = card_of(load_policy("faint-half"))
    (caveat,) = [each for each in card.caveats if each.when]
    fact, values = next(iter(caveat.when.items()))
    assert caveat.id in card.score_one({"need": 4}, {fact: values[0]})["caveats"]
    assert caveat.id not in card.score_one({"need": 4}, {fact: "new"})["caveats"]
    assert caveat.id not in card.score_one({"need": 4}, {fact: None})["caveats"]


def test_contactable_is_a_card_as_well() -> None:
    card = card_of(load_policy("contactable"))
    assert card.score_one({"contactable": 4})["decision"] == "ready"
    assert card.score_one({"contactable": 0})["decision"] == "no-match"
    assert card.score_one({"contactable": None})["decision"] == "wait"
