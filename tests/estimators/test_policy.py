"""The documented rule as a classifier."""

import numpy as np
import pandas as pd
import pytest

from leadml.estimators import PolicyClassifier, WideCardClassifier
from leadml.exceptions import UsageError
from leadml.frameworks import list_policies
from leadml.levels import unpack

POINTS = PolicyClassifier(unit="points", cutoff=9, bands=(0, 5, 9, 13), level_max=4)
OUTCOME = [0, 1]


@pytest.mark.parametrize("policy", [p for p in list_policies() if p.unit != "contactable"], ids=lambda p: p.id)
def test_it_says_what_the_documents_say_on_every_pattern(policy):
    k = len(policy.criteria)
    codes = unpack(np.arange(6**k), k)
    levels = np.where(codes == 5, np.nan, codes)
    rule = PolicyClassifier(policy.id, level_max=4).fit(levels[:2], OUTCOME)
    earned = np.nan_to_num(levels) if policy.unit == "points" else levels >= 2
    score = earned.sum(axis=1)
    np.testing.assert_array_equal(rule.total(levels), score)
    np.testing.assert_array_equal(rule.predict(levels) == 1, score >= policy.cutoff)
    np.testing.assert_array_equal(rule.decision_function(levels) > 0, rule.predict(levels) == 1)
    starts = np.array(policy.band_starts)
    np.testing.assert_array_equal(rule.predict_band(levels), (score[:, None] >= starts).sum(axis=1) - 1)


def test_a_policy_reads_its_criteria_of_a_frame_by_name():
    frame = pd.DataFrame({"need": [4.0, 0], "other": [0.0, 4], "budget": [3.0, 1], "authority": [2.0, 1],
                          "timeline": [np.nan, 4]})  # fmt: skip
    rule = PolicyClassifier("bant-ibm").fit(frame, OUTCOME)
    assert rule.predict(frame).tolist() == [1, 0]
    with pytest.raises(ValueError, match="got 3 columns; valid for bant-ibm: budget"):
        PolicyClassifier("bant-ibm").fit(np.zeros((2, 3)), OUTCOME)


def test_nothing_is_learned():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5, size=(60, 4)).astype(float)
    first = POINTS.fit(levels, rng.integers(0, 2, 60)).predict(levels)
    weights = rng.uniform(0.1, 9, 60)
    second = POINTS.fit(levels[::-1], np.arange(60) % 2, sample_weight=weights).predict(levels)
    np.testing.assert_array_equal(first, second)


def test_a_documented_rule_has_no_probability():
    assert not hasattr(POINTS, "predict_proba")


def test_the_margin_is_the_score_minus_the_cutoff():
    levels = np.array([[4, 4, 4, 4], [4, 4, 1, 0], [4, 4, 0, 0]], dtype=float)
    # 16 - 9 = 7; 9 - 9 = 0, which qualifies and so is a hair above; 8 - 9 = -1
    margin = POINTS.fit(levels[:2], OUTCOME).decision_function(levels)
    assert margin[0] == 7
    assert 0 < margin[1] < 1e-300
    assert margin[2] == -1


def test_an_unknown_earns_nothing_and_keeps_its_range():
    levels = np.array([[3, 4, 2, np.nan]])
    rule = POINTS.fit(np.zeros((2, 4)), OUTCOME)
    assert rule.total(levels).tolist() == [9]  # 3 + 4 + 2
    assert rule.score_range(levels)[1].tolist() == [13]  # and 4 more at best
    assert rule.is_settled(levels).tolist() == [False]  # follow up at 9, at once at 13


def test_without_a_highest_level_an_unknown_could_earn_anything():
    rule = PolicyClassifier(unit="points", cutoff=9).fit(np.zeros((2, 2)), OUTCOME)
    assert rule.score_range([[70.0, np.nan]])[0].tolist() == [70]
    assert rule.score_range([[70.0, np.nan]])[1].tolist() == [np.inf]


@pytest.mark.parametrize(("n_criteria", "half"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_the_default_cutoff_is_half_rounded_up(n_criteria, half):
    assert PolicyClassifier().fit(np.zeros((2, n_criteria)), OUTCOME).cutoff_ == half


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unit": "metres"}, "unit is 'metres'; valid is"),
        ({"unit": "points"}, "cutoff is None; valid is a number"),
        ({"cutoff": np.nan}, "cutoff is nan; valid is a finite number"),
        ({"bands": (0, 5, 5)}, "ascending from 0"),
        ({"bands": (1, 5)}, "ascending from 0"),
        ({"level_max": 0}, "level_max is 0; valid is a number above 0"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_valid(wrong, message):
    with pytest.raises(ValueError, match=message):
        PolicyClassifier(**wrong).fit(np.zeros((2, 4)), OUTCOME)


def test_a_level_out_of_range_is_named_with_its_place():
    rule = POINTS.fit(np.zeros((2, 4)), OUTCOME)
    with pytest.raises(ValueError, match=r"row 1, column 2: got level 7; valid is 0 to 4"):
        rule.predict([[0, 0, 0, 0], [0, 0, 7, 0]])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="y has 1 class; valid is 2"):
        POINTS.fit(np.zeros((2, 4)), [1, 1])


def test_a_framework_names_the_criteria() -> None:
    deals = pd.DataFrame({"timeline": [4, 0], "need": [4, 0], "authority": [0, 0], "budget": [0, 4], "goals": [4, 4]})
    rule = PolicyClassifier(framework="bant").fit(deals, [1, 0])
    assert rule.cutoff_ == 2
    assert rule.predict(deals).tolist() == [1, 0]
    assert PolicyClassifier(framework="bant", unit="points", cutoff=8).fit(deals, [1, 0]).predict(deals)[0] == 1
    with pytest.raises(UsageError, match="no column need"):
        rule.predict(deals.drop(columns="need"))
    with pytest.raises(UsageError, match="give one"):
        PolicyClassifier("bant-ibm", framework="bant").fit(deals, [1, 0])


def test_a_wide_card_of_a_framework() -> None:
    rng = np.random.default_rng(0)
    deals = pd.DataFrame(rng.integers(0, 5, (200, 2)).astype(float), columns=["goals", "need"])
    won = rng.random(200) < deals["need"] / 5
    assert WideCardClassifier(framework="bant").fit(deals, won).criteria_ == ("need",)
    with pytest.raises(UsageError, match="no criterion of bant"):
        WideCardClassifier(framework="bant").fit(deals[["goals"]], won)
    with pytest.raises(UsageError, match="give one"):
        WideCardClassifier(["need"], framework="bant").fit(deals, won)
