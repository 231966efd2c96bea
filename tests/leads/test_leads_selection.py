"""Below which score hardly any lead was worked."""

import numpy as np
import pytest

from leadml import make_leads
from leadml.leads.selection import find_worked
from leadml.leads.truth import UNKNOWN, score_of


def worked(world, seed, unit, n=400):
    leads = make_leads(n, world=world, random_state=seed, form=unit)
    levels = leads.levels[list(leads.truth.criteria)].to_numpy()
    codes = np.where(np.isnan(levels), UNKNOWN, levels).astype(np.uint8)
    score = score_of(codes, unit).astype(int)
    highest = leads.truth.total_max if unit == "points" else len(leads.truth.criteria)
    return leads.truth.cutoff, find_worked(score, np.isfinite(leads.outcome), [leads.truth.cutoff], highest)


@pytest.mark.parametrize("unit", ["points", "met"])
@pytest.mark.parametrize("world", ["selected", "rule_right", "immature"])
def test_the_cutoff_is_found_where_leads_below_it_were_not_worked_and_only_there(world, unit):
    for seed in range(25):
        cutoff, found = worked(world, seed, unit)
        assert found.floor == (cutoff if world == "selected" else 0)
        assert found.n_leads.sum() == 400
        assert (found.n_closed <= found.n_leads).all()


def test_leads_worked_half_as_often_can_be_judged_those_worked_a_tenth_as_often_cannot():
    # scores 3, 2, 1, 0 with 100 leads each, worked 100, 50, 10 and 10 times
    score = np.repeat([3, 2, 1, 0], 100)
    closed = np.tile(np.arange(100), 4) < np.repeat([100, 50, 10, 10], 100)
    found = find_worked(score, closed, [3], 3)
    assert found.floor == 2
    assert found.n_closed.tolist() == [10, 10, 50, 100]


def test_few_leads_of_a_score_are_judged_with_their_neighbours():
    # 10 leads at score 2, none worked, say nothing by themselves
    score = np.r_[np.repeat(3, 100), np.repeat(2, 10), np.repeat(1, 100)]
    assert find_worked(score, score != 2, [3], 3).floor == 0


def test_highest_scores_that_are_still_open_do_not_hide_the_others():
    score = np.repeat([4, 3, 2, 1], 100)
    assert find_worked(score, score < 4, [3], 4).floor == 0
    assert find_worked(score, score == 3, [3], 4).floor == 3


@pytest.mark.parametrize(("n_below", "floor"), [(0, 2), (19, 2), (20, 0)])
def test_without_open_leads_the_count_below_the_documented_cutoff_decides(n_below, floor):
    score = np.r_[np.repeat(3, 1000), np.repeat(1, n_below)]
    assert find_worked(score, np.ones(len(score), bool), [2], 3).floor == floor
    assert find_worked(score, np.ones(len(score), bool), [], 3).floor == 0


def test_without_open_leads_a_rule_with_a_higher_cutoff_is_not_concerned():
    score = np.r_[np.repeat([3, 2], 500), np.repeat(1, 10)]
    closed_only = find_worked(score, np.ones(len(score), bool), [2, 3], 3)
    assert [closed_only.floor_of(k) for k in (1, 2, 3)] == [2, 2, 0]
    # with open leads it is known that scores below 2 were not worked, whatever the rule
    open_too = find_worked(np.r_[score, np.repeat(1, 200)], np.arange(1210) < 1010, [2, 3], 3)
    assert [open_too.floor_of(k) for k in (1, 2, 3)] == [2, 2, 2]
