"""Contenders on the same deals, and what may be said of the difference."""

import numpy as np
import pytest

from leadml.evaluation.bootstrap import Figure, adjust_holm, draw_clusters, two_sided_p
from leadml.evaluation.compare import (
    FIGURES,
    Judged,
    evaluate,
    figures_of,
    gain_with_p,
    gains_over,
    reliability_of,
)
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.verdict import give_verdict, join_verdicts, plan_more_deals

NAN = float("nan")


def hold(outcome, n_draws=40):
    n = len(outcome)
    return HeldOut(
        np.asarray(outcome, dtype=float), np.zeros(n, int), np.arange(n), draw_clusters(n, n_draws, 0)
    )


def test_figures_by_hand():
    # 4 deals, 2 won. Follows up the first two: 1 won. Log loss: -(log 0.8 + log 0.4 + log 0.5 + log 0.9) / 4.
    held = hold([1, 0, 1, 0])
    p = np.array([0.8, 0.6, 0.5, 0.1])
    judged = Judged("a", p, np.array([1.0, 1, 0, 0]), p)
    found = evaluate(held, judged, np.array([1.0, 0, 0, 0]), value=10.0, cost=3.0)
    first = {name: getattr(found, name)[0] for name in FIGURES}
    assert first["workload"] == 0.5
    assert first["precision"] == 0.5
    assert first["recall"] == 0.5
    assert first["auc"] == 0.75  # 0.8 beats both, 0.5 beats 0.1 only: 3 of 4 pairs
    assert first["wins_captured"] == 0.5  # the baseline takes one lead: the best one is won, of 2
    assert first["net_value_per_lead"] == (10 - 2 * 3) / 4
    assert first["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.5, 0.9]).mean())
    assert first["brier"] == pytest.approx((0.2**2 + 0.6**2 + 0.5**2 + 0.1**2) / 4)


def test_a_rule_without_probability_has_no_probability_figures():
    held = hold([1, 0, 1, 0])
    judged = Judged("rule", np.array([3.0, 2, 2, 1]), np.array([1.0, 0, 0, 0]), None)
    figures = figures_of(evaluate(held, judged, judged.decision, 1.0, 0.5))
    for name in ("log_loss", "brier", "calibration_slope", "calibration_intercept"):
        assert figures[name] == {"value": None, "low": None, "high": None}
    assert reliability_of(held, judged) == []
    assert figures["auc"]["value"] is not None


def test_a_rule_that_follows_up_no_one_has_no_precision():
    held = hold([1, 0])
    nobody = Judged("none", np.zeros(2), np.zeros(2), None)
    figures = figures_of(evaluate(held, nobody, nobody.decision, 1.0, 0.5))
    assert figures["precision"]["value"] is None
    assert figures["workload"]["value"] == figures["recall"]["value"] == 0


def test_gains_are_paired_and_adjusted_over_the_contenders():
    rng = np.random.default_rng(0)
    held = hold(rng.integers(0, 2, 200), n_draws=100)
    rule = rng.integers(0, 2, 200).astype(float)
    scores = [held.outcome + rng.normal(0, sd, 200) for sd in (1.0, 2.0, 3.0)]
    judged = [
        Judged(str(at), s, (s > 0.5).astype(float), np.clip(s, 0.1, 0.9)) for at, s in enumerate(scores)
    ]
    baseline = evaluate(held, Judged("rule", rule, rule, np.full(200, 0.5)), rule, 1.0, 0.5)
    others = [evaluate(held, each, rule, 1.0, 0.5) for each in judged]
    gains = gains_over(baseline, others, ("auc", "log_loss"))
    differences = [other.auc - baseline.auc for other in others]
    adjusted = adjust_holm(np.array([two_sided_p(d) for d in differences]))
    for gain, difference, p in zip(gains, differences, adjusted, strict=True):
        assert gain["auc"]["value"] == pytest.approx(difference[0])
        assert gain["auc"]["low"] == pytest.approx(np.percentile(difference[1:], 2.5))
        assert gain["auc"]["p_adjusted"] == pytest.approx(p)
    # a lower log loss is a gain
    assert gains[0]["log_loss"]["value"] == pytest.approx(baseline.log_loss[0] - others[0].log_loss[0])


def test_a_contender_gains_nothing_over_itself():
    held = hold([1, 0, 1, 0, 1])
    same = evaluate(held, Judged("a", np.arange(5.0), np.ones(5), np.full(5, 0.5)), np.ones(5), 1.0, 0.5)
    gain, p = gain_with_p(same.net_value_per_lead - same.net_value_per_lead)
    assert (gain, p) == (Figure(0.0, 0.0, 0.0), 1.0)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.05, 0.001, 0.09, "change"),  # all of it above 0
        (0.05, 0.0, 0.09, "undecided"),  # 0 itself is not above 0
        (0.0, -0.02, 0.0099, "keep"),  # all of it below what is worth having
        (0.0, -0.02, 0.01, "undecided"),
        (-0.05, -0.1, -0.01, "keep"),
        (0.004, 0.001, 0.008, "change"),  # better for certain, though hardly
        (0.0, 0.0, 0.0, "keep"),  # learned and documented agree on every draw
        (NAN, NAN, NAN, "cannot-judge"),
    ],
)
def test_a_verdict_follows_from_the_interval(value, low, high, verdict):
    assert give_verdict(Figure(value, low, high), 0.01) == verdict


def test_two_verdicts_make_one():
    table = {
        # rows weights, columns cut-off: keep, change, undecided, cannot-judge
        "keep": ("keep", "change", "undecided", "undecided"),
        "change": ("change", "change", "change", "change"),
        "undecided": ("undecided", "change", "undecided", "undecided"),
        "cannot-judge": ("undecided", "change", "undecided", "cannot-judge"),
    }
    for weights, row in table.items():
        for cutoff, expected in zip(table, row, strict=True):
            assert join_verdicts(weights, cutoff) == expected


def test_further_deals_by_hand():
    # Interval 0.02 +/- 0.06: error 0.06 / 1.96 = 0.030612. The gain is 0.02 from 0 and 0.01 beyond the
    # smallest, so change is planned for: (2.801585 * 0.030612 / 0.02)^2 = 18.388 times 500 deals = 9,195.
    needed = plan_more_deals(Figure(0.02, -0.04, 0.08), 0.01, 500)
    assert needed == pytest.approx(9195 - 500, abs=2)
    # A gain of -0.02 is 0.03 from the smallest gain: (2.801585 * 0.030612 / 0.03)^2 = 8.1726 times.
    needed = plan_more_deals(Figure(-0.02, -0.08, 0.04), 0.01, 500)
    assert needed == pytest.approx(8.1726 * 500 - 500, abs=2)


def test_further_deals_fall_with_the_gain_and_rise_with_the_error():
    plans = [plan_more_deals(Figure(g, g - 0.06, g + 0.06), 0.01, 500) for g in (0.02, 0.03, 0.05)]
    assert plans == sorted(plans, reverse=True)
    wide, narrow = (plan_more_deals(Figure(0.02, 0.02 - e, 0.02 + e), 0.01, 500) for e in (0.08, 0.04))
    assert wide > narrow
    assert plan_more_deals(Figure(0.02, NAN, NAN), 0.01, 500) is None
    assert plan_more_deals(Figure(0.5, 0.4, 0.6), 0.01, 500) == 0  # decided as it is
