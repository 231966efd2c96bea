"""Held-out figures agree with scikit-learn's, share ties openly and count by weight."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, precision_score, recall_score, roc_auc_score

from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import HeldOut, at_workload, auc, calibration, captured, measure, reliability, wilson
from leadml.levels import logistic
from leadml.result import Figure


def test_figures_are_those_of_scikit_learn(make_log):
    log = dataclasses.replace(make_log(500, blocks=1), weight=np.random.default_rng(1).uniform(0.2, 2, 500))
    held, said, rule = HeldOut(log), log.entries["card"], log.entries["rule"]
    y, w = log.outcome, log.weight
    found = measure(held, said)
    assert found["auc"].value == pytest.approx(roc_auc_score(y, said.score, sample_weight=w))
    assert found["log_loss"].value == pytest.approx(log_loss(y, said.probability, sample_weight=w))
    assert found["brier"].value == pytest.approx(brier_score_loss(y, said.probability, sample_weight=w))
    found = measure(held, rule, worth=10.0 * y - 2)
    assert found["precision"].value == pytest.approx(precision_score(y, rule.decision, sample_weight=w))
    assert found["recall"].value == pytest.approx(recall_score(y, rule.decision, sample_weight=w))
    assert found["workload"].value == pytest.approx(np.average(rule.decision, weights=w))
    assert found["net_value_per_lead"].value == pytest.approx(np.average(rule.decision * (10 * y - 2), weights=w))
    assert not {"log_loss", "wins_captured"} & found.keys()  # no probability, and no workload to compare at


def test_deals_are_ranked_within_their_block_only(make_log):
    log = make_log(400, blocks=4)
    alike = auc(HeldOut(log), log.block * 0.3).figure
    assert (alike.value, alike.low, alike.high) == (0.5, 0.5, 0.5)  # no deal outranks another
    held, score = HeldOut(log), log.entries["card"].score
    assert auc(held, score).value == pytest.approx(auc(held, score + 100.0 * log.block).value)
    wanted = log.entries["rule"].decision
    taken = at_workload(held, score, wanted)
    np.testing.assert_allclose(at_workload(held, score + 100.0 * log.block, wanted), taken)
    np.testing.assert_allclose(np.bincount(log.block, taken), np.bincount(log.block, wanted))


@pytest.mark.parametrize("world", ["ties", "weights", "all", "none", "constant"])
def test_the_workload_is_met_exactly_whatever_the_ties(make_log, world):
    log = make_log(200)
    if world == "weights":
        log = dataclasses.replace(log, weight=np.random.default_rng(0).uniform(0, 3, 200))
    held, score = HeldOut(log), np.round(log.entries["card"].score)
    wanted = {"all": np.ones(200), "none": np.zeros(200)}.get(world, log.entries["rule"].decision)
    taken = at_workload(held, np.zeros(200) if world == "constant" else score, wanted)
    np.testing.assert_allclose(
        np.bincount(log.block, held.weight * taken), np.bincount(log.block, held.weight * wanted), atol=1e-9
    )
    assert ((taken >= 0) & (taken <= 1)).all()
    if world == "ties":  # higher scores first; one score a block is shared
        for block in range(4):
            own = log.block == block
            assert taken[own][score[own] == score[own].max()].min() > 0
            assert len(np.unique(score[own][(taken[own] > 0) & (taken[own] < 1)])) <= 1


def test_what_captures_its_own_workload_gains_nothing_over_itself(make_log):
    log = make_log(300)
    held, rule = HeldOut(log), log.entries["rule"]
    own = captured(held, rule.decision, rule.decision)
    assert own.value == pytest.approx(measure(held, rule)["recall"].value)
    gain = own - captured(held, rule.decision * 7.0, rule.decision)
    assert gain.value == 0.0
    assert gain.error == 0.0


def test_wins_of_100_follow_from_what_is_captured(make_log):
    log = make_log(400)
    held, rule = HeldOut(log), log.entries["rule"]
    found = measure(held, log.entries["card"], workload=rule.decision)
    share = rule.decision.mean()
    assert found["wins_per_100"].value == pytest.approx(100 * found["wins_captured"].value * log.outcome.mean() / share)


def test_a_calibrated_probability_has_intercept_0_and_slope_1():
    rng = np.random.default_rng(0)
    n = 40_000
    x = rng.normal(-1, 1.5, n)
    zeros = np.zeros(n, np.int32)
    y = (rng.uniform(size=n) < logistic(x)).astype(np.int8)
    held = HeldOut(Log(np.arange(n), zeros, zeros, y, np.arange(n), np.ones(n)))
    intercept, slope = (calibration(held, logistic(x), slope=each).figure for each in (False, True))
    assert intercept.low < 0 < intercept.high
    assert slope.low < 1 < slope.high
    extreme = logistic(2 * x + 1)
    assert calibration(held, extreme, slope=True).value == pytest.approx(0.5, abs=0.05)
    assert calibration(held, extreme, slope=False).value < 0


@pytest.mark.parametrize("what", ["constant", "separated"])
def test_there_is_no_slope_where_the_deals_hold_none(make_log, what):
    log = make_log(60)
    p = np.full(60, 0.3) if what == "constant" else np.where(log.outcome == 1, 0.9, 0.1)
    assert np.isnan(calibration(HeldOut(log), p, slope=True).value)


def test_deals_of_one_outcome_give_no_auc_and_no_share_of_wins(make_log):
    log = dataclasses.replace(make_log(50), outcome=np.zeros(50, np.int8))
    held, said = HeldOut(log), log.entries["card"]
    found = measure(held, said, workload=log.entries["rule"].decision)
    assert found.keys() == {"log_loss", "brier", "workload", "precision", "wins_per_100"}


def test_what_was_said_of_some_deals_only_is_measured_on_these(make_log):
    log = make_log(400)
    said = log.entries["card"]
    some = log.block > 0
    part = Entries(*(np.where(some, each, np.nan) for each in (said.score, said.probability, said.decision)))
    found, alone = measure(HeldOut(log), part), log.subset(some)
    expected = measure(HeldOut(alone), alone.entries["card"])
    for name in ("auc", "log_loss", "brier", "precision", "recall", "workload"):
        assert found[name].value == pytest.approx(expected[name].value), name
    assert "calibration_slope" not in found


def test_reliability_bins_hold_all_deals_and_their_rates(make_log):
    log = make_log(1000)
    bins = reliability(HeldOut(log), log.entries["card"].probability)
    assert np.all(np.diff([predicted for predicted, _ in bins]) > 0)
    assert all(rate.low <= rate.value <= rate.high for _, rate in bins)
    assert np.mean([rate.value for _, rate in bins]) == pytest.approx(log.outcome.mean(), abs=0.03)
    assert reliability(HeldOut(log), np.full(1000, np.nan)) == []


def test_wilson_holds_the_rate_and_knows_no_deals():
    assert wilson(0, 10).low == 0.0
    assert dict(wilson(10, 10)) == pytest.approx({"value": 1.0, "low": 0.7225, "high": 1.0}, abs=1e-3)
    assert wilson(0, 0) == Figure(value=None)
