"""What is held out together, and when."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leadml.exceptions import TooFewDealsError
from leadml.leads.split import LEFT_OUT, TRAIN_ONLY, make_keys, make_split

OUTCOMES = np.tile([0.0, 1.0], 50)


def test_equal_rows_and_groups_join_through_any_chain():
    # Rows 0 and 1 are equal, 1 and 2 share an account, 2 and 3 are equal: one key. Row 4 stands alone.
    key = make_keys(np.array([7, 7, 3, 3, 9]), np.array([1, 5, 5, 8, 2]))
    np.testing.assert_array_equal(key, [0, 0, 0, 0, 1])


def test_keys_are_numbered_as_they_first_appear():
    np.testing.assert_array_equal(make_keys(np.array([9, 2, 9, 4])), [0, 1, 0, 2])


@given(st.integers(0, 10**6), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_a_key_is_the_smallest_set_that_holds_its_groups_and_its_equal_rows(seed, n):
    rng = np.random.default_rng(seed)
    row_key, group = rng.integers(0, n, n), rng.integers(0, n, n)
    key = make_keys(row_key, group)
    # By hand: join whoever shares either, until nothing changes.
    label = np.arange(n)
    for _ in range(n):
        for same in (row_key, group):
            for value in np.unique(same):
                label[same == value] = label[same == value].min()
    np.testing.assert_array_equal(key[:, None] == key, label[:, None] == label)


@given(st.integers(0, 10**6), st.integers(8, 60), st.integers(2, 12), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_deal_is_held_out_once_a_repeat_and_no_key_straddles(seed, n_keys, folds, repeats):
    rng = np.random.default_rng(seed)
    key = make_keys(rng.integers(0, n_keys, 80))
    outcome = rng.integers(0, 2, 80)
    outcome[:2] = 0, 1
    assume(min(len(set(key[outcome == won])) for won in (0, 1)) > 5)
    split = make_split(outcome, key, folds=folds, repeats=repeats, random_state=seed)
    assert split.kind == "grouped-kfold"
    assert split.fold.shape == (repeats, 80)
    assert split.n_folds == min(folds, split.n_keys)
    for fold in split.fold:
        assert set(fold) == set(range(split.n_folds))  # none is empty
        assert all(len(set(fold[key == k])) == 1 for k in range(split.n_keys))


@pytest.mark.parametrize("with_time", [False, True])
def test_no_key_trains_for_the_fold_that_holds_it_out(with_time):
    rng = np.random.default_rng(0)
    key = make_keys(rng.integers(0, 70, 200), rng.integers(0, 150, 200))
    order = np.arange(200.0) if with_time else None
    split = make_split(rng.integers(0, 2, 200), key, order=order, folds=5, repeats=2, kind="out-of-time")
    assert split.kind == ("out-of-time" if with_time else "grouped-kfold")
    training = split.training_keys()
    held_out = split.held_out()
    assert [number for number, _ in held_out] == list(range(len(training)))
    for number, rows in held_out:
        assert not training[number][key[rows]].any()
        out = split.fold[number // split.n_folds]
        trains = training[number][key] == 1
        np.testing.assert_array_equal(trains, (out != number % split.n_folds) & (out != LEFT_OUT))


def test_folds_are_alike_in_size_and_in_win_rate():
    rng = np.random.default_rng(1)
    key = np.arange(503)
    outcome = (rng.uniform(size=503) < 0.2).astype(float)
    split = make_split(outcome, key, folds=10, repeats=3)
    for fold in split.fold:
        size, won = np.bincount(fold), np.bincount(fold, outcome)
        assert set(size) <= {50, 51}
        assert won.max() - won.min() <= 2


def test_big_groups_are_dealt_round():
    key = np.repeat(np.arange(20), np.r_[np.full(4, 30), np.full(16, 5)])
    split = make_split(np.tile([0.0, 1.0], 100), key, folds=4, repeats=2)
    for fold in split.fold:
        np.testing.assert_array_equal(np.bincount(fold), [50, 50, 50, 50])  # 30 + 4 * 5


def test_repeats_differ_and_a_seed_repeats():
    first, second = (make_split(OUTCOMES, np.arange(100), random_state=3).fold for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).any()
    assert (make_split(OUTCOMES, np.arange(100), random_state=4).fold != first).any()


def test_out_of_time_holds_the_latest_out():
    order = np.random.default_rng(2).permutation(100).astype(float)
    split = make_split(OUTCOMES, np.arange(100), order=order, test_share=0.3)
    assert split.kind == "out-of-time"
    assert len(split.held_out()) == split.n_folds == 1
    np.testing.assert_array_equal(split.fold[0] == 0, order >= 70)
    assert set(split.fold[0]) == {0, TRAIN_ONLY}


@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.05, 0.6))
@settings(max_examples=60, deadline=None)
def test_no_training_deal_is_later_than_a_held_out_one_and_a_day_stays_on_one_side(seed, n_days, share):
    day = np.random.default_rng(seed).integers(0, n_days, 100).astype(float)
    split = make_split(OUTCOMES, np.arange(100), order=day, test_share=share)
    if split.kind == "grouped-kfold":  # one day alone cannot be split
        assert "out of time would leave" in split.reason
        return
    train, test = split.fold[0] == TRAIN_ONLY, split.fold[0] == 0
    assert day[train].max() < day[test].min()
    assert test.sum() >= round(share * 100)


def test_a_deal_without_a_date_only_trains():
    order = np.arange(100.0)
    order[[3, 98, 99]] = np.nan
    split = make_split(OUTCOMES, np.arange(100), order=order, test_share=0.2)
    assert split.fold[0][[3, 98, 99]].tolist() == [TRAIN_ONLY] * 3
    np.testing.assert_array_equal(np.flatnonzero(split.fold[0] == 0), np.arange(78, 98))


def test_what_stands_on_both_sides_of_the_date_is_left_out_and_counted():
    key = np.arange(100)
    key[[90, 91]] = [2, 10]  # deals 2 and 10 share an account with later ones
    split = make_split(OUTCOMES, make_keys(key), order=np.arange(100.0), test_share=0.2)
    np.testing.assert_array_equal(np.flatnonzero(split.fold[0] == LEFT_OUT), [2, 10])
    assert "2 earlier deals are left out" in split.reason
    assert "latest 20% of the deals" in split.reason


def test_too_many_groups_on_both_sides_fall_back_to_folds_and_say_so():
    # 20 accounts, each with deals before and after the date: 0% of the earlier would be left to train on.
    key = np.arange(100) % 20
    split = make_split(OUTCOMES, key, order=np.arange(100.0))
    assert split.kind == "grouped-kfold"
    assert "would leave 0% of the earlier deals to train on" in split.reason
    # who asks for it gets it only where something is left to learn from
    assert make_split(OUTCOMES, key, order=np.arange(100.0), kind="out-of-time").kind == "grouped-kfold"


def test_a_side_without_wins_falls_back_to_folds_and_says_so():
    outcome = np.r_[np.zeros(70), np.ones(30)]
    split = make_split(outcome, np.arange(100), order=np.arange(100.0))
    assert split.kind == "grouped-kfold"
    assert "a side without won or without lost deals" in split.reason


def test_without_a_time_it_says_so_and_with_one_it_says_who_chose_folds():
    assert "no dates and no order were mapped" in make_split(OUTCOMES, np.arange(100)).reason
    asked = make_split(OUTCOMES, np.arange(100), order=np.arange(100.0), kind="grouped-kfold")
    assert asked.kind == "grouped-kfold"
    assert "no dates" not in asked.reason
    assert "asked" in asked.reason


@pytest.mark.parametrize("order", [None, np.arange(100.0)])
def test_one_group_of_all_deals_cannot_be_split(order):
    with pytest.raises(TooFewDealsError, match="all 100 closed deals are one group or equal rows"):
        make_split(OUTCOMES, np.zeros(100, dtype=int), order=order)


def test_wins_of_one_group_alone_cannot_be_learned_from():
    # Held out, the winning account leaves nothing but lost deals.
    key = np.r_[np.zeros(30, dtype=int), 1 + np.arange(70) % 5]
    with pytest.raises(TooFewDealsError, match="all won deals are in the same few of 6 groups"):
        make_split(np.r_[np.ones(30), np.zeros(70)], key)
    with pytest.raises(TooFewDealsError, match="all lost deals are in the same few of 6 groups"):
        make_split(np.r_[np.zeros(30), np.ones(70)], key)
