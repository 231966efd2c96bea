"""Intervals by influence values agree with the unit bootstrap; Holm; percentiles."""

import numpy as np
import pytest

from leadml.evaluation.bootstrap import UNSEEN, Statistic, bootstrap, holm, percentile
from leadml.evaluation.metrics import HeldOut, auc, calibration, measure
from leadml.result import Figure


@pytest.mark.parametrize("per_unit", [1, 3])
def test_influence_values_give_the_spread_of_the_unit_bootstrap(make_log, per_unit):
    log = make_log(400, per_unit=per_unit)
    held, said = HeldOut(log), log.entries["card"]
    drawn, weight = np.random.default_rng(1).dirichlet(np.ones(held.n_units), 250) * held.n_units, held.weight
    for statistic in (
        lambda: auc(held, said.score),
        lambda: calibration(held, said.probability, slope=True),
        lambda: measure(held, said, workload=log.entries["rule"].decision)["wins_captured"],
        lambda: measure(held, said)["precision"],
        lambda: measure(held, said)["log_loss"],
    ):
        values = []
        for each in drawn:
            held.weight = weight * each[held.unit]
            values.append(statistic().value)
        held.weight = weight
        assert statistic().error == pytest.approx(np.std(values), rel=0.15)


def test_influence_values_add_up_to_nothing(make_log):
    log = make_log(300, per_unit=2)
    held, rule = HeldOut(log), log.entries["rule"].decision
    found = measure(held, log.entries["card"], workload=rule, worth=5.0 * log.outcome - 1)
    assert len(found) == 11  # every one is there
    for name, each in found.items():
        assert each.influence.sum() == pytest.approx(0.0, abs=1e-7 * max(1, abs(each.value))), name
        assert each.figure.low <= each.value <= each.figure.high, name


def test_an_interval_of_a_share_stays_within_0_and_its_whole_and_has_width():
    assert Statistic(1.0, np.zeros(50), 1.0).figure == Figure(value=1.0, low=1.0 - UNSEEN / 50, high=1.0)
    assert Statistic(0.0, np.zeros(2), 1.0).figure == Figure(value=0.0, low=0.0, high=1.0)
    near = Statistic(0.98, np.array([0.03, -0.03]), 1.0)
    assert 0 < near.figure.low < 0.98 < near.figure.high < 1
    of_100 = Statistic(98.0, 100 * near.influence, 100.0)
    assert dict(of_100.figure) == pytest.approx({name: 100 * each for name, each in near.figure})


def test_where_the_deals_hold_no_answer_there_is_no_interval():
    assert Statistic(np.nan, np.zeros(3)).figure == percentile([np.nan, np.nan]) == Figure(value=None)


def test_p_is_one_sided():
    gain = Statistic(1.0, np.array([1.0, -1.0]))
    assert gain.p_not_above() == pytest.approx(1 - gain.p_not_above(2.0))
    assert Statistic(0.0, np.zeros(4)).p_not_above() == 1.0
    assert Statistic(0.1, np.zeros(4)).p_not_above() == 0.0


def test_holm_never_lowers_a_p_and_keeps_their_order():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.9]), [0.04, 0.09, 0.09, 0.9])
    assert holm([]).shape == (0,)
    for p in np.random.default_rng(0).uniform(size=(50, 5)) ** 2:
        assert (holm(p) >= p).all()
        assert (np.diff(holm(p)[np.argsort(p)]) >= 0).all()  # a worse p is never adjusted to a better one


def test_a_metric_of_the_user_is_bootstrapped_by_unit_and_holds_its_value(make_log):
    held = HeldOut(make_log(400, per_unit=4))
    found = bootstrap(lambda w: float(np.average(held.y, weights=w)), held.unit, held.weight, 500, 0)
    exact = held.ratio(held.y)
    assert found.value == pytest.approx(exact.value)
    assert (found.high - found.low) / 3.92 == pytest.approx(exact.error, rel=0.15)
    assert dict(percentile(np.arange(100.0), 500.0)) == pytest.approx({"value": 500.0, "low": 2.475, "high": 500.0})
