"""Answers filled in after the close are named; unknowns at random, of low levels or of junk leads are not."""

import numpy as np
import pytest

from leadml import Leads
from leadml.calibration.late_answers import find_late_answers

NAMES = ["budget", "authority", "need", "timeline"]


def world(kind, n, seed, *, completed=1.0, open_share=0.0):
    """Draw deals whose log-odds rise by 6 from 0 to 4 throughout; a quarter of the answers is unknown."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, (n, 4))
    junk = rng.random(n) < (0.2 if kind == "junk" else 0)
    won = rng.random(n) < 1 / (1 + np.exp(-(6 * levels.mean(axis=1) / 4 - 4 - 3 * junk)))
    chance = np.full((n, 4), 0.25)
    if kind == "low":
        chance = 0.5 * (1 - levels / 4)
    elif kind == "junk":
        chance = np.where(junk, 0.7, 0.12)[:, None] * np.ones(4)
    unknown = rng.random((n, 4)) < chance
    still_open = rng.random(n) < open_share
    if kind == "late":
        unknown &= ~((won & ~still_open)[:, None] & (rng.random((n, 4)) < completed))
    elif kind == "all later":
        unknown &= still_open[:, None] | (rng.random((n, 4)) < 0.3)
    outcome = np.where(still_open, -1, won)
    return Leads.from_arrays(np.where(unknown, np.nan, levels), outcome, NAMES)


def share_found(kind, n, seeds=20, **options):
    return np.mean([find_late_answers(world(kind, n, seed, **options)) is not None for seed in range(seeds)])


@pytest.mark.parametrize("n", [300, 1000])
def test_completed_after_the_close_is_found(n):
    assert share_found("late", n) >= 0.9
    assert share_found("late", n, completed=0.9) >= 0.8
    code, values = find_late_answers(world("late", 1000, 0))
    assert (code, values["columns"]) == ("LML112", ", ".join(NAMES))
    assert "With 0, 1, 2, 3, 4 answers unknown" in values["detail"]
    assert " / 0% / 0% of the deals were won." in values["detail"]
    assert "unknown in 0% of the won deals" in values["detail"]


@pytest.mark.parametrize("n", [300, 1000])
@pytest.mark.parametrize("kind", ["random", "low", "junk"])
def test_genuine_unknowns_are_left_alone(kind, n):
    assert share_found(kind, n) <= 0.05


def test_open_deals_that_know_less_give_it_away_where_win_rates_cannot():
    assert share_found("all later", 1000, open_share=0.3) >= 0.9
    assert "of the open ones" in find_late_answers(world("all later", 1000, 0, open_share=0.3))[1]["detail"]
    assert share_found("random", 1000, open_share=0.3) == 0
    # Open deals that are far overdue are as good as lost, and are not compared.
    late = world("all later", 1000, 0, open_share=0.3)
    import dataclasses

    created = np.where(late.outcome == -1, 0, 900).astype(np.int32)
    dated = dataclasses.replace(late, created=created, closed=created + 20)
    assert find_late_answers(dated) is None


def test_a_snapshot_answers_the_question_and_little_data_ask_none():
    import dataclasses

    late = world("late", 1000, 0)
    day = np.zeros(1000, np.int32)
    for of, closed, is_asked in (
        (late, None, False),
        (late, day + 1, False),
        (late, day, True),
        (world("low", 1000, 0), day, False),
    ):
        leads = dataclasses.replace(of, snapshot=day, closed=closed, created=None if closed is None else day - 1)
        assert (find_late_answers(leads) is not None) == is_asked  # a day that is not before the close is no answer
    assert find_late_answers(world("late", 20, 0)) is None
    assert find_late_answers(Leads.from_arrays([[1.0]], criteria=["need"])) is None


@pytest.mark.parametrize("shape", [lambda x: (x >= 2) * 4, lambda x: 4 - 2 * abs(x - 2), lambda x: 4 - x])
def test_steps_a_best_level_in_the_middle_and_falling_levels_are_no_evidence(shape):
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        levels = rng.integers(0, 5, (2000, 4))
        won = rng.random(2000) < 1 / (1 + np.exp(4 - 1.5 * shape(levels).mean(axis=1)))
        unknown = rng.random((2000, 4)) < 0.15
        leads = Leads.from_arrays(np.where(unknown, np.nan, levels), won, NAMES)
        found.append(find_late_answers(leads) is not None)
    assert sum(found) == 0
