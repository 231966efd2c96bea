"""Making cards: of every documented rule, and of learned points; bands; the words of answers."""

import numpy as np
import pytest
from card_samples import CARDS, random_card

from leadml.card.bands import bands_at, edges_by_share
from leadml.card.build import documented_card, words_of_mapping
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import list_policies, load_framework, load_policy
from leadml.frameworks.model import Policy
from leadml.levels import unpack


@pytest.mark.parametrize("policy", list_policies(), ids=lambda policy: policy.id)
@pytest.mark.parametrize("met_level", [1, 2, 3, 4])
def test_documented_card_is_the_rule(policy, met_level):
    card = documented_card(policy, met_level=met_level)
    k = len(card.criteria)
    codes = np.random.default_rng(0).integers(0, 6, (300, k)).astype(np.uint8)
    answers = card.lookup.answers(codes)
    level = np.where(codes == 5, 0, codes)
    best = np.where(codes == 5, 4, codes)
    if policy.unit == "points":
        low, high = level.sum(axis=1), best.sum(axis=1)
    else:
        least = 4 if policy.unit == "contactable" else met_level
        low, high = (level >= least).sum(axis=1), (best >= least).sum(axis=1)
    assert (answers.points == low).all()
    assert (answers.low == low).all()
    assert (answers.high == high).all()
    assert (answers.points >= policy.cutoff).tolist() == [card.bands[b].decision == "ready" for b in answers.band]
    assert (card.total_max, card.cutoff, card.unit, card.policy) == (
        policy.total_max,
        policy.cutoff,
        policy.unit,
        policy.id,
    )
    assert not card.table


def test_unmapped_criteria_stay_unknown_and_are_named():
    card = documented_card(load_policy("bant-ibm"), mapped=["budget", "need"], created_at="2026-01-01")
    assert [each.id for each in card.criteria] == ["budget", "authority", "need", "timeline"]
    assert card.provenance["unmapped"] == "authority, timeline"
    assert card.score_one({"budget": 4, "need": 4})["decision"] == "wait"


def test_contactable_is_a_card_like_the_others():
    card = documented_card(load_policy("contactable"))
    assert card.score_one({"contactable": 4})["decision"] == "ready"
    assert card.score_one({"contactable": 0})["action"] == "find a phone number"
    lead = card.score_one({"contactable": None})
    assert (lead["question"], lead["if_answered"]) == ("Is a phone number known?", "4: ready; 0-3: no-match")
    from leadml.data.deals import Leads

    leads = Leads((), np.empty((2, 0), np.uint8), contactable=np.array([True, False]))
    assert card.score(leads).decision.tolist() == ["ready", "no-match"]
    assert card.score(Leads((), np.empty((1, 0), np.uint8))).decision.tolist() == ["wait"]


def test_rules_that_make_no_card():
    policy = load_policy("bant-ibm")
    with pytest.raises(UsageError, match="met_level=5"):
        documented_card(policy, met_level=5)
    with pytest.raises(UsageError, match="give the framework 'ours'"):
        documented_card(policy.model_copy(update={"framework": "ours"}))


def test_weights_of_a_rule():
    framework = load_framework("bant")
    bands = [b.model_dump(by_alias=True) for b in load_policy("bant-points").bands]
    policy = Policy.model_validate({
        "id": "ours", "title": "t", "unit": "points", "cutoff": 9, "weights": {"need": 3},
        "criteria": framework.criterion_ids, "bands": tuple(bands),
    })  # fmt: skip
    card = documented_card(policy, framework)
    assert card.total_max == 24
    assert card.score_one({"need": 3})["reasons"] == "need +9"


def test_question_of_the_document_or_of_the_column():
    assert (
        CARDS["bant-ibm"].score_one({"authority": 4, "need": 4})["question"]
        == "Is there money for it, or can it be created?"
    )
    assert "What is known of budget?" in random_card(1).score(unpack(np.arange(1296), 4, [6] * 4)).question


def test_bands_keep_to_their_side_of_the_cutoff():
    bands = load_policy("bant-points").bands
    rng = np.random.default_rng(0)
    for _ in range(300):
        total = int(rng.integers(1, 40))
        cutoff = int(rng.integers(0, total + 2))
        edges = [0, *sorted(rng.integers(0, total + 3, 3).tolist())]
        made = bands_at(bands, edges, cutoff, total)
        starts = [band.from_ for band in made]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        assert starts[-1] <= total
        assert all((band.decision == "ready") == (band.from_ >= cutoff) for band in made)
        assert cutoff in starts or cutoff == total + 1
    assert [band.from_ for band in bands_at(bands, [0, 5, 9, 13], 9, 16)] == [0, 5, 9, 13]


def test_edges_hold_the_same_shares_of_leads():
    rng = np.random.default_rng(0)
    documented = rng.integers(0, 17, 5000)
    edges = edges_by_share(documented, documented * 2 + rng.integers(0, 2, 5000), [0, 5, 9, 13])
    assert edges == [0, 10, 18, 26]
    assert edges_by_share(documented, documented, [0, 5, 9, 13], np.ones(5000)) == [0, 5, 9, 13]


MAPPING = {
    "name": "ours",
    "lead_id": "id",
    "criteria": {
        "budget": {"column": "Budget", "levels": {"geen": 0, "": 0}, "edges": [1, 10000, 20000, 30000]},
        "authority": {"column": "Role", "levels": {"Low": 1, "Mid": 2, "High": 4, "Boss": 4}},
        "need": {"column": "Months", "edges": [3, 6], "descending": True},
        "timeline": {"column": "Level"},
    },
}


def test_answers_in_the_words_of_the_crm():
    from leadml.data.mapping import load_mapping

    words = words_of_mapping(load_mapping(MAPPING))
    assert words["budget"]["0"] == ["geen", "< 1"]
    assert words["need"] == {"0": ["> 6"], "1": ["<= 6"], "2": ["<= 3"]}
    assert "timeline" not in words
    card = documented_card(load_policy("bant-ibm"), words=words)
    two = {"authority": 4, "need": 2, "timeline": 0, "budget": 4}
    said = {name: card.score_one(two | {name: None})["if_answered"] for name in two if name != "timeline"}
    assert said["budget"] == ">= 10000: ready; geen, < 10000: no-match"
    assert said["authority"] == "Mid, High, Boss: ready; Low: no-match"
    assert said["need"] == "<= 3: ready; > 3: no-match"
    points = documented_card(load_policy("bant-points"), words=words)
    asked = points.score_one({"authority": 1, "need": 0, "timeline": 2})
    assert asked["if_answered"] == ">= 10000: wait; geen, < 10000: no-match" or asked["ask_next"] == ""
    middle = points.score_one({"authority": 4, "need": 2, "timeline": 0, "budget": None})
    assert middle["if_answered"] == ">= 20000: ready; geen, < 20000: wait"


def test_answers_of_an_attribute_by_label():
    card = CARDS["wide"]
    sizes = card.lookup.sizes
    texts = set(card.score(unpack(np.arange(np.prod(sizes)), len(sizes), sizes)).if_answered)
    assert any("Alpha" in text or "< 10" in text for text in texts)
