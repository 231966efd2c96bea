"""Selected labels: which cut-offs can be judged, and whether those who were worked were picked."""

import dataclasses

import numpy as np
import pytest

from leadml import Leads
from leadml.calibration.deals import learning_weight
from leadml.calibration.selection import excess_wins, find_floor, find_selection

NAMES = ["budget", "authority", "need", "timeline"]


def world(how, n=3000, seed=0, **columns):
    """Below 9 points, 30% are worked: at random, by a hidden hunch, or by the first answer."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, (n, 4))
    hunch = rng.normal(size=n)
    log_odds = 6 * levels.mean(axis=1) / 4 - 4 + (hunch if how == "hunch" else 0)
    won = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    below = levels.sum(axis=1) < 9
    picked = {"hunch": hunch > 0.6, "random": rng.random(n) < 0.3, "answer": rng.random(n) < 0.1 + 0.15 * levels[:, 0]}
    region = np.where(rng.random(n) < 0.5, "N", "S")
    picked |= {"region": rng.random(n) < np.where(region == "N", 0.6, 0.1), "all": rng.random(n) < 0.97}
    worked = ~below | picked[how]
    context = {"Region": region, "Size": rng.normal(size=n), "Blank": np.full(n, np.nan)}
    leads = Leads.from_arrays(levels, np.where(worked, won, -1), NAMES, context=context, **columns)
    return leads, below, worked


@pytest.mark.parametrize(("how", "found"), [("random", False), ("hunch", True), ("answer", True), ("region", True)])
def test_picking_is_told_from_chance(how, found):
    leads, below, _ = world(how)
    selection = find_selection(leads, below)
    assert selection.by_hunch == found
    assert not selection.known_random
    worst, as_worked, best = selection.win_rates
    assert worst < as_worked < best
    assert selection.n_below == below.sum()
    named = selection.depends_on
    assert ("budget" in named, "Region" in named) == (how == "answer", how == "region")


def test_a_random_pick_is_rarely_suspected():
    assert np.mean([find_selection(*world("random", 1000, seed)[:2]).by_hunch for seed in range(40)]) <= 0.1


def test_a_known_chance_settles_it_and_weighs():
    leads, below, worked = world("random")
    chance = np.where(below & worked, 0.3, np.nan)
    known = dataclasses.replace(leads, propensity=chance, followed_up=worked, contactable=worked)
    selection = find_selection(known, below)
    assert (selection.known_random, selection.by_hunch) == (True, False)
    weights = learning_weight(known)
    assert set(np.round(weights / weights.min(), 2)) == {1.0, 3.33}
    assert weights.sum() == pytest.approx(weights.sum() ** 2 / (weights @ weights))  # the effective number
    assert (learning_weight(leads) == 1).all()
    rare = learning_weight(dataclasses.replace(leads, propensity=np.where(below, 0.001, np.nan)))
    assert rare.max() / rare.min() == pytest.approx(20)


def test_where_all_were_worked_or_few_lie_below_nothing_was_selected():
    leads, below, _ = world("all")
    assert find_selection(leads, below) is None
    assert find_selection(leads, np.zeros(3000, bool)) is None
    leads, below, _ = world("random")
    assert excess_wins(leads, below & False, below) == 0  # nobody above to learn from


def test_the_lowest_cutoff_that_can_be_judged():
    score = np.repeat(np.arange(5), 100)
    assert [find_floor(score, score >= 3, cutoff, [2, 3], 4) for cutoff in (2, 3)] == [3, 3]
    assert find_floor(score, score >= 0, 2, [], 4) == 0
    # Closed deals alone: hardly any lie below the rule's own cut-off.
    closed = np.concatenate([np.full(200, 3), [1, 2]])
    assert [find_floor(closed, np.ones(202, bool), cutoff, [3], 4) for cutoff in (3, 4)] == [3, 0]
    few_below = np.concatenate([np.full(1000, 4), np.full(20, 1)])
    assert find_floor(few_below, few_below == 4, 2, [], 4) == 0
