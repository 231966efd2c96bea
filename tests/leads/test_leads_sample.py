"""Synthetic worlds: what is drawn agrees with the truth, and the truth is as each world says."""

import numpy as np
import pandas as pd
import pytest

from leadml.frameworks import documented_score, list_frameworks, load_policy
from leadml.leads.sample import FRAMEWORK_CRITERIA, WORLDS, make_leads, make_truth
from leadml.leads.truth import Truth, every_pattern
from leadml.records import CANONICAL

EQUAL = {"budget": 4.0, "authority": 4.0, "need": 4.0, "timeline": 4.0}


def codes_of(leads):
    return np.nan_to_num(leads.levels[list(leads.truth.criteria)], nan=5).astype(np.uint8)


def two_criteria(**change):
    """A world for arithmetic by hand: for both criteria half of the leads are at 0, half at 4."""
    half = (0.5, 0, 0, 0, 0.5, 0)
    even = (0.0, 0.5, 1.0, 1.5, 2.0)
    made = {
        "world": "by hand",
        "framework": "none",
        "criteria": ("need", "budget"),
        "unit": "met",
        "cutoff": 1,
        "intercept": -2.0,
        "points": {"need": even, "budget": even},
        "unknown_points": {"need": 0.0, "budget": 0.0},
        "level_shares": {"need": half, "budget": half},
    }
    return Truth(**(made | change))


# ---------------------------------------------------------------- the arithmetic


def test_the_figures_by_hand():
    truth = two_criteria()
    # Log-odds -2, 0, 0, 2 for a quarter of the leads each: 0.1192, 0.5, 0.5, 0.8808, on average 0.5
    assert truth.base_rate == pytest.approx(0.5)
    np.testing.assert_allclose(truth.share_by_score("met"), [0.25, 0.5, 0.25])
    np.testing.assert_allclose(truth.win_rate_by_score("met"), [0.11920292, 0.5, 0.88079708])
    # Following up from 1: 0.5 * 0.5 + 0.25 * 0.8808 = 0.4702 won at 10 each, 0.75 followed at 3 each
    assert truth.net_value("met", 1, cost=3, value=10) == pytest.approx(4.7019927 - 2.25)
    assert truth.best_cutoff("met", threshold=0.3) == 1  # 0.1192 < 0.3 < 0.5
    assert truth.best_cutoff("met", threshold=0.6) == 2
    assert truth.best_cutoff("met", threshold=0.05) == 0
    assert truth.best_cutoff("met", threshold=0.95) == 3  # none
    assert truth.weights == {"need": 4.0, "budget": 4.0}
    assert np.isnan(truth.win_rate_by_score("points")[1])  # nobody has 1 point


def test_the_gain_at_equal_workload_by_hand():
    flat = (0.0,) * 5
    truth = two_criteria(points={"need": (0.0, 0.5, 1.0, 1.5, 2.0), "budget": flat})
    # Won: 0.1192 without need, 0.5 with. One met or more: three quarters of the leads, that is all with need
    # (0.5 of the leads) and half of those without: 0.25 + 0.25 * 0.1192; the true ranking has no better.
    assert truth.gain_at_equal_workload("met", 1) == 0
    # Two met: a quarter of the leads, with a rate of 0.5, as high as any quarter can be.
    assert truth.gain_at_equal_workload("met", 2) == 0
    # Unequal: need worth 2, budget worth 1. From 1 met on, three quarters; all but the worst quarter.
    truth = two_criteria(
        points={"need": (0.0, 0.5, 1.0, 1.5, 2.0), "budget": (0.0, -0.25, -0.5, -0.75, -1.0)}, intercept=-1.0
    )
    # Rates: neither 0.2689, need 0.7311, budget 0.1192, both 0.5. The rule follows need, budget, both:
    # (0.7311 + 0.1192 + 0.5) / 4; the best three quarters are need, both, neither: 1.5 / 4.
    rates = np.array([0.26894142, 0.73105858, 0.11920292, 0.5])
    assert truth.gain_at_equal_workload("met", 1) == pytest.approx((rates[0] - rates[2]) / rates.sum())


def test_the_effect_of_accounts_is_integrated_out():
    truth = two_criteria(group_sd=1.5)
    nodes = np.linspace(-12, 12, 20_001)
    density = np.exp(-(nodes**2) / 2)
    chance = 1 / (1 + np.exp(-(-2.0 + 1.5 * nodes)))
    assert truth.probability(np.zeros((1, 2), dtype=np.uint8))[0] == pytest.approx(
        (chance * density).sum() / density.sum(), abs=1e-7
    )


def test_an_unknown_counts_as_the_level_that_is_said():
    truth = make_truth("tilted", unknown_level=1.5)
    for name in truth.criteria:
        assert truth.unknown_points[name] == pytest.approx(
            (truth.points[name][1] + truth.points[name][2]) / 2
        )


# ---------------------------------------------------------------- the worlds


@pytest.mark.parametrize("framework", list(FRAMEWORK_CRITERIA))
@pytest.mark.parametrize("form", ["points", "met"])
def test_where_the_rule_is_right_nothing_beats_its_cutoff_or_its_ranking(framework, form):
    truth = make_truth("rule_right", framework=framework, form=form)
    assert truth.base_rate == pytest.approx(0.3)
    assert truth.best_cutoff(form) == truth.cutoff
    assert truth.gain_at_equal_workload(form, truth.cutoff) == 0
    assert set(truth.weights.values()) == {4.0}
    rate = truth.win_rate_by_score(form)
    log_odds = np.log(rate / (1 - rate))
    np.testing.assert_allclose(np.diff(log_odds), np.diff(log_odds)[0])
    # break-even lies midway between the cut-off and the score below it
    assert log_odds[truth.cutoff - 1 : truth.cutoff + 1].mean() == pytest.approx(np.log(0.3 / 0.7))


def test_the_documented_cutoffs_of_bant_are_the_ones_that_are_right():
    assert make_truth(form="met").cutoff == load_policy("bant-ibm").cutoff
    assert make_truth(form="points").cutoff == load_policy("bant-points").cutoff
    for framework in ("anum", "champ", "gpct", "faint", "madr"):
        assert make_truth(framework=framework, form="met").cutoff == load_policy(f"{framework}-half").cutoff


def test_the_criteria_are_those_of_the_library():
    assert {f.id: f.criterion_ids for f in list_frameworks()} == FRAMEWORK_CRITERIA


def test_tilted_weighs_unequally_with_the_same_total():
    truth = make_truth("tilted")
    # 0.4 : 2.2 : 1.0 : 0.4, of 16 points
    assert truth.weights == pytest.approx({"budget": 1.6, "authority": 8.8, "need": 4.0, "timeline": 1.6})
    assert truth.gain_at_equal_workload("points", 9) > 0.05
    assert truth.base_rate == pytest.approx(0.3)
    assert make_truth("tilted", weights=[1, 1, 1, 1]).points == make_truth("rule_right").points


@pytest.mark.parametrize("dud", ["budget", "need", None])
def test_dud_has_one_worthless_criterion(dud):
    truth = make_truth("dud", dud=dud)
    worthless = dud or "timeline"
    assert truth.weights == pytest.approx({c: 0.0 if c == worthless else 16 / 3 for c in truth.criteria})
    assert truth.gain_at_equal_workload("points", 9) > 0.02


def test_in_steps_every_criterion_weighs_alike_and_its_levels_do_not():
    truth = make_truth("steps")
    assert truth.weights == pytest.approx(EQUAL)
    assert truth.gain_at_equal_workload("points", 9) > 0.02
    for points in truth.points.values():
        steps = np.diff(points)
        assert (steps >= 0).all()
        assert steps.max() > 5 * steps.min()


def test_null_has_no_signal():
    truth = make_truth("null", base_rate=0.2)
    np.testing.assert_allclose(truth.win_rate_by_score("points"), 0.2)
    assert truth.gain_at_equal_workload("points", 9) == 0
    assert truth.weights == dict.fromkeys(truth.criteria, 0.0)


def test_drifting_rises_in_base_rate_and_levels():
    truth = make_truth("drifting")
    assert truth.at(1) == truth
    assert truth.at(0.5).base_rate == pytest.approx(0.3)
    assert truth.at(0).base_rate < 0.2 < 0.4 < truth.at(1).base_rate
    assert truth.at(0).share_by_score("points")[9:].sum() < truth.share_by_score("points")[9:].sum()
    leads = make_leads(20_000, "drifting", 3)
    first, last = leads.take(np.arange(2_000)), leads.take(np.arange(18_000, 20_000))
    # 2,000 leads: a standard error of at most 0.011
    assert first.outcome.mean() == pytest.approx(truth.at(0.05).base_rate, abs=0.045)
    assert last.outcome.mean() == pytest.approx(truth.at(0.95).base_rate, abs=0.045)


def test_grouped_leads_of_an_account_share_their_luck():
    leads = make_leads(20_000, "grouped", 4, group_sd=2.0)
    assert leads.truth.base_rate == pytest.approx(0.3)
    rates = pd.Series(leads.outcome).groupby(leads.group).mean()
    alone = pd.Series(leads.outcome).groupby(np.random.default_rng(0).permutation(leads.group)).mean()
    assert rates.std() > 1.2 * alone.std()
    assert make_leads(100).group is None


def test_immature_losses_come_first():
    leads = make_leads(20_000, "immature", 5)
    taken = np.datetime64("2024-12-30")
    is_open = np.isnan(leads.outcome)
    assert (leads.closed_at.isna() == is_open).all()
    assert leads.closed_at.max() <= taken + np.timedelta64(2, "D")
    assert leads.created_at[is_open].min() > leads.created_at[is_open].max() - pd.Timedelta(days=400)
    recent = (leads.created_at > taken - np.timedelta64(30, "D")).to_numpy() & ~is_open
    older = (leads.created_at < taken - np.timedelta64(200, "D")).to_numpy() & ~is_open
    assert leads.outcome[recent].mean() < leads.outcome[older].mean() - 0.1
    assert leads.truth.points == make_truth("rule_right").points


def test_selected_leads_below_the_cutoff_were_hardly_worked():
    leads = make_leads(20_000, "selected", 6)
    score = documented_score(codes_of(leads), load_policy("bant-points"), leads.truth.criteria).score
    is_open = np.isnan(leads.outcome)
    assert not is_open[score >= 9].any()
    assert is_open[score < 9].mean() == pytest.approx(0.98, abs=0.005)


# ---------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_drawn_agrees_with_the_truth(world):
    leads = make_leads(40_000, world, 7)
    truth = leads.truth.at(0.5)
    known = ~np.isnan(leads.outcome)
    codes = codes_of(leads)
    for j, name in enumerate(truth.criteria):
        found = np.bincount(codes[:, j], minlength=6) / len(codes)
        np.testing.assert_allclose(found, truth.level_shares[name], atol=0.012)
    if world in ("immature", "selected"):
        return  # their outcomes are not a fair sample
    expected = truth.probability(codes)
    # The mean of y - p has a standard error of about 0.0023, and so has its product with a centred score.
    residual = leads.outcome[known] - expected[known]
    assert abs(residual.mean()) < 0.012
    score = documented_score(codes, load_policy("bant-points"), truth.criteria).score / 16
    if world != "drifting":
        assert abs((residual * (score - score.mean())).mean()) < 0.003


def test_all_thirteen_criteria_are_there_with_a_tenth_unknown():
    levels = make_leads(20_000).levels
    assert tuple(levels.columns) == CANONICAL
    assert set(np.unique(levels.to_numpy()[~np.isnan(levels.to_numpy())])) == {0, 1, 2, 3, 4}
    np.testing.assert_allclose(levels.isna().mean(), 0.1, atol=0.01)
    assert np.abs(np.corrcoef(levels.fillna(2).T) - np.eye(13)).max() < 0.04


def test_the_seed_decides_everything():
    one, same, other = (make_leads(300, "grouped", seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.levels, same.levels)
    np.testing.assert_array_equal(one.outcome, same.outcome)
    pd.testing.assert_frame_equal(one.context, same.context)
    assert one.digest == same.digest != other.digest


def test_new_leads_of_the_same_world():
    truth = make_truth("tilted", framework="faint")
    leads = make_leads(50, random_state=3, as_if=truth)
    assert leads.truth is truth
    assert leads.created_at.is_monotonic_increasing
    assert (leads.closed_at > leads.created_at).all()
    assert len(leads) == leads.n_rows == 50
    assert len(set(leads.lead_id)) == 50


def test_every_pattern_is_listed_once():
    assert len(np.unique(every_pattern(4), axis=0)) == 6**4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"world": "titled"}, "world is 'titled'; valid: .*did you mean tilted?"),
        ({"framework": "bent"}, "framework is 'bent'; .*did you mean bant?"),
        ({"form": "sum"}, "form is 'sum'; valid: points, met"),
        ({"base_rate": 1.0}, "base_rate is 1.0; valid: 0.01 to 0.99"),
        ({"cutoff": 17}, "cutoff is 17; valid: 1 to 16"),
        ({"strength": -1}, "strength is -1; valid"),
        ({"unknown_share": 1.0}, "unknown_share is 1.0; valid"),
        ({"world": "tilted", "weights": [1, 2]}, "valid: 4 numbers from 0 up"),
        ({"world": "tilted", "weights": [0, 0, 0, 0]}, "not all 0"),
        ({"world": "dud", "dud": "plans"}, "dud is 'plans'; valid: budget, authority, need, timeline"),
        (
            {"base_rate": 0.99, "cutoff": 1, "form": "met", "unknown_share": 0.9},
            "no world has this base_rate",
        ),
        ({"n": 0}, "n is 0; valid: at least 1"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_valid(options, message):
    with pytest.raises(ValueError, match=message):
        make_leads(**({"n": 10} | options))


def test_a_wrong_unit_or_shape_is_named_with_what_is_valid():
    with pytest.raises(ValueError, match=r'unit is .sum.; valid is "met" or "points"'):
        make_truth().best_cutoff("sum")
    with pytest.raises(ValueError, match=r"got codes of shape \(1, 3\); valid: \(n, 4\)"):
        make_truth().probability(np.zeros((1, 3), dtype=np.uint8))


def test_a_dud_changes_no_ranking_where_criteria_are_counted():
    # Three of four met with one worthless: all leads with the three that matter, and of those with two of
    # them the ones that also meet the fourth. Which of two equals is followed up changes no win.
    assert make_truth("dud", form="met").gain_at_equal_workload("met", 3) == 0
