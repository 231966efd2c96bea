"""The documented rule as a classifier."""

import numpy as np
import pandas as pd
import pytest

from leadml import PolicyClassifier, WideCardClassifier
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import list_policies
from leadml.levels import unpack

POINTS = PolicyClassifier(unit="points", cutoff=9)
OUTCOME = [0, 1]


@pytest.mark.parametrize("policy", [p for p in list_policies() if p.unit != "contactable"], ids=lambda p: p.id)
def test_it_says_what_the_documents_say_on_every_pattern(policy):
    k = len(policy.criteria)
    codes = unpack(np.arange(6**k), k)
    levels = np.where(codes == 5, np.nan, codes)
    rule = PolicyClassifier(policy.id).fit(levels[:2], OUTCOME)
    earned = np.nan_to_num(levels) if policy.unit == "points" else levels >= 2
    score = earned.sum(axis=1)
    np.testing.assert_array_equal(rule.total(levels), score)
    np.testing.assert_array_equal(rule.predict(levels) == 1, score >= policy.cutoff)
    np.testing.assert_array_equal(rule.decision_function(levels) > 0, rule.predict(levels) == 1)


def test_a_policy_and_a_framework_name_the_criteria_of_a_frame():
    deals = pd.DataFrame({"need": [4.0, 0], "other": [0.0, 4], "budget": [3.0, 1], "authority": [2.0, 1],
                          "timeline": [np.nan, 4]})  # fmt: skip
    rule = PolicyClassifier("bant-ibm").fit(deals, OUTCOME)
    assert rule.predict(deals).tolist() == [1, 0]
    assert PolicyClassifier(framework="bant").fit(deals, OUTCOME).cutoff_ == 2
    points = PolicyClassifier(framework="bant", unit="points", cutoff=9).fit(deals, OUTCOME)
    assert points.total(deals).tolist() == [9, 6]
    assert points.predict(deals).tolist() == [1, 0]
    for wrong, message in (
        (lambda: rule.predict(deals.drop(columns="need")), "no column need"),
        (lambda: rule.predict(deals.assign(need=[0, 7])), r"row 1, need: got level 7; valid: 0 to 4"),
        (lambda: PolicyClassifier("bant-ibm").fit(np.zeros((2, 3)), OUTCOME), "got 3 columns; valid: budget"),
        (lambda: PolicyClassifier("bant-ibm", framework="bant").fit(deals, OUTCOME), "give one"),
    ):
        with pytest.raises(UsageError, match=message):
            wrong()


def test_nothing_is_learned_and_no_probability_is_told():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5, size=(60, 4)).astype(float)
    first = POINTS.fit(levels, rng.integers(0, 2, 60)).predict(levels)
    second = POINTS.fit(levels[::-1], np.arange(60) % 2, sample_weight=rng.uniform(0.1, 9, 60)).predict(levels)
    np.testing.assert_array_equal(first, second)
    assert not hasattr(POINTS, "predict_proba")


def test_the_margin_is_the_score_minus_the_cutoff_and_an_unknown_earns_nothing():
    levels = np.array([[4, 4, 4, 4], [4, 4, 1, np.nan], [4, 4, 0, 0]], dtype=float)
    # 16 - 9 = 7; 9 - 9 = 0, which qualifies and so is a hair above; 8 - 9 = -1
    margin = POINTS.fit(levels[:2], OUTCOME).decision_function(levels)
    assert margin[0] == 7
    assert 0 < margin[1] < 1e-300
    assert margin[2] == -1


@pytest.mark.parametrize(("n_criteria", "half"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_the_default_cutoff_is_half_rounded_up(n_criteria, half):
    assert PolicyClassifier().fit(np.zeros((2, n_criteria)), OUTCOME).cutoff_ == half


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unit": "metres"}, "unit is 'metres'; valid:"),
        ({"unit": "points"}, "cutoff is None; valid: a number"),
        ({"cutoff": np.nan}, "'cutoff' parameter of PolicyClassifier must be a float in the range .* Got nan"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_valid(wrong, message):
    with pytest.raises(UsageError, match=message):
        PolicyClassifier(**wrong).fit(np.zeros((2, 4)), OUTCOME)


def test_a_wide_card_of_a_framework() -> None:
    rng = np.random.default_rng(0)
    deals = pd.DataFrame(rng.integers(0, 5, (200, 2)).astype(float), columns=["goals", "need"])
    won = rng.random(200) < deals["need"] / 5
    assert WideCardClassifier(framework="bant").fit(deals, won).criteria_ == ("need",)
    with pytest.raises(UsageError, match="has none of budget"):
        WideCardClassifier(framework="bant").fit(deals[["goals"]], won)
    with pytest.raises(UsageError, match="give one"):
        WideCardClassifier(["need"], framework="bant").fit(deals, won)
