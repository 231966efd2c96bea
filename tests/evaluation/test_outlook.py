"""What changing and keeping are expected to bring, and when a rule will be decided."""

import dataclasses
import time

import numpy as np
import pytest

from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.outlook import HORIZON_MONTHS, NOT_DECIDABLE, look_ahead, plan
from leadml.evaluation.verdict import gain_at_workload

POPULATION = np.array([40.0, 30.0, 20.0, 10.0])
RULE, CARD = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 2 / 3, 0.5, 0.0])
"""Both follow up 30 of 100."""


def gain_between(log):
    return gain_at_workload(HeldOut(log), log.entries["rule"], log.entries["card"])


def look(log, gain=0.0, spread=0.05, card=CARD):
    """The judge believes that the card swaps half of pattern 2 and all of 3 for two thirds of pattern 1."""
    rng = np.random.default_rng(0)
    mean = np.array([0.1, 0.3 + gain, 0.3, 0.3])
    drawn = np.clip(mean + rng.normal(0, spread, (400, 4)), 0.01, 0.99)
    return look_ahead(drawn, POPULATION, RULE, card, gain_between(log), 0.01)


def plan_for(log, gain, rate, spread=0.05, **more):
    paired = look(log, gain, spread)
    return plan(paired, 0.01, n_logged=len(log), n_deals=len(log) + 100, deals_per_month=rate, **more)


def test_three_shares_add_up_and_gains_are_on_the_same_deals(make_log):
    found = look(make_log(300), 0.1).outlook
    assert found.p_better + found.p_same + found.p_worse == pytest.approx(1)
    assert found.n_followed_up == 30
    wins, regret = found.wins_per_100, found.regret_per_100
    assert wins.change.value - wins.keep.value == pytest.approx(regret.keep.value - regret.change.value)
    for figure in (wins.keep, wins.change, regret.keep, regret.change):
        assert 0 <= figure.low <= figure.value <= figure.high


def test_the_judge_alone_speaks_where_the_log_holds_no_answer(make_log):
    lost = dataclasses.replace(make_log(50), outcome=np.zeros(50, np.int8))
    paired = look(lost, 0.2, spread=0.0)
    found = paired.outlook
    expected = POPULATION @ ((CARD - RULE) * [0.1, 0.5, 0.3, 0.3]) / (POPULATION @ [0.1, 0.5, 0.3, 0.3])
    assert paired.expected == pytest.approx(np.full(400, expected))
    assert (found.p_better, found.regret_per_100.change.value, (paired.expected <= 0).mean()) == (1.0, 0.0, 0.0)
    assert found.wins_per_100.keep.value == pytest.approx(30.0)
    assert found.wins_per_100.change.value == pytest.approx(100 * (20 * 0.5 + 10 * 0.3) / 30)


def test_no_posterior_decides_alone(make_log):
    # the held-out deals say that the card is worse, the judge that it is surely better
    paired = look(make_log(2000, better=0.0), 0.5, spread=0.0)
    assert paired.outlook.p_better == pytest.approx(2 / 3, abs=0.02)
    assert (paired.expected <= 0).mean() > 0.3
    assert (paired.expected < 0.01).mean() == pytest.approx(1 / 3, abs=0.02)


def test_equal_decisions_gain_nothing_to_the_judge(make_log):
    assert not look(make_log(300), card=RULE).judged.any()


def test_draws_of_the_log_have_its_mean_and_error(make_log):
    paired = look(make_log(600))
    drawn = paired.expected[len(paired.judged) :]
    assert drawn.mean() == pytest.approx(paired.gain.value, abs=1e-3)
    assert drawn.std() == pytest.approx(np.hypot(paired.gain.error, 1 / paired.n_won), rel=0.05)


def test_a_plan_promises_months_at_this_firms_rate(make_log):
    found = plan_for(make_log(150), 0.3, 50)
    assert found.value == pytest.approx(found.months * 50, rel=0.05)
    assert 1 <= found.months <= HORIZON_MONTHS
    assert "more closed deals" in found.text
    assert plan_for(make_log(150), 0.3, 200).months <= found.months


def test_what_two_years_cannot_decide_is_no_number(make_log):
    found = plan_for(make_log(300, better=0.3), 0.0, 2, spread=0.1)
    assert found is NOT_DECIDABLE
    for rate in (0.0, -1.0):
        assert plan_for(make_log(300), 0.1, rate) is NOT_DECIDABLE


def test_more_rules_take_longer_and_a_plan_is_quick(make_log):
    log = make_log(300, better=0.5)
    start = time.process_time()
    alone, among = (plan_for(log, 0.15, 40, n_rules=n) for n in (1, 6))
    assert time.process_time() - start < 2.0
    assert alone.months < among.months
    assert plan_for(log, 0.15, 40) == alone
