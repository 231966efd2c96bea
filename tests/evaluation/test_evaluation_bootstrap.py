"""Draws, intervals and p-values."""

import math

import numpy as np
import pytest

from leadml.evaluation.bootstrap import Figure, adjust_holm, as_json, draw_clusters, to_figure, two_sided_p


def test_every_draw_takes_as_many_clusters_as_there_are():
    draws = draw_clusters(37, 50, 0)
    assert draws.shape == (51, 37)
    np.testing.assert_array_equal(draws[0], 1)
    np.testing.assert_array_equal(draws.sum(axis=1), 37)
    # drawn with replacement: a cluster is missed with probability (1 - 1/37)^37 = 0.363
    assert (draws[1:] == 0).mean() == pytest.approx(0.363, abs=0.02)


def test_a_seed_repeats_its_draws_and_fewer_are_the_first_of_more():
    np.testing.assert_array_equal(draw_clusters(20, 30, 4), draw_clusters(20, 30, 4))
    np.testing.assert_array_equal(draw_clusters(20, 30, 4)[:11], draw_clusters(20, 10, 4))
    assert (draw_clusters(20, 30, 4) != draw_clusters(20, 30, 5)).any()


def test_an_interval_holds_the_middle_95_percent():
    # 0 to 40 evenly: the 2.5th percentile is 1, the 97.5th 39.
    figure = to_figure(np.r_[7.0, np.arange(41.0)])
    assert (figure.value, figure.low, figure.high) == (7, 1, 39)
    assert to_figure(np.r_[7.0, np.arange(41.0)], value=3.0).value == 3


def test_draws_without_a_value_are_left_out_while_they_are_few():
    some = np.r_[7.0, np.arange(41.0), np.full(41, np.nan)]
    assert (to_figure(some).low, to_figure(some).high) == (1, 39)
    most = np.r_[7.0, np.arange(41.0), np.full(42, np.nan)]
    assert np.isnan([to_figure(most).low, to_figure(most).high]).all()
    assert to_figure(most).to_dict() == {"value": 7.0, "low": None, "high": None}


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_json_knows_no_such_number(number):
    assert as_json(number) is None
    assert Figure(number, 0.0, 1.0).to_dict()["value"] is None


def test_a_p_value_by_hand():
    # Draws -1 and 1 have the standard error sqrt(2); 2 is 1.4142 errors away: erfc(1) = 0.1573.
    assert two_sided_p(np.array([2.0, -1.0, 1.0])) == pytest.approx(math.erfc(1.0))
    assert two_sided_p(np.array([0.0, -1.0, 1.0])) == 1.0
    assert two_sided_p(np.array([0.0, 0.0, 0.0])) == 1.0
    assert two_sided_p(np.array([0.5, 0.5, 0.5])) == 0.0
    assert np.isnan(two_sided_p(np.array([np.nan, 1.0, 2.0])))


def test_holm_by_hand():
    # Sorted 0.01 * 4 = 0.04; 0.02 * 3 = 0.06; 0.03 * 2 = 0.06; 0.9 * 1 = 0.9.
    np.testing.assert_allclose(adjust_holm([0.03, 0.01, 0.9, 0.02]), [0.06, 0.04, 0.9, 0.06])
    # never falling, never above 1: 0.4 * 2 = 0.8, then 0.5 -> 0.8; 0.6 * 3 -> 1
    np.testing.assert_allclose(adjust_holm([0.4, 0.5]), [0.8, 0.8])
    np.testing.assert_allclose(adjust_holm([0.6, 0.6, 0.6]), [1, 1, 1])


def test_what_has_no_p_value_does_not_count():
    np.testing.assert_allclose(adjust_holm([np.nan, 0.01, 0.02]), [np.nan, 0.02, 0.02])
    assert len(adjust_holm([])) == 0


def test_an_interval_of_a_mean_covers_it():
    # 300 samples of 60: percentile intervals of a mean cover it in 91 to 98 percent.
    rng = np.random.default_rng(0)
    draws = draw_clusters(60, 200, 1)
    hits = 0
    for sample in rng.normal(5, 2, (300, 60)):
        figure = to_figure(draws @ sample / 60)
        hits += figure.low <= 5 <= figure.high
    assert 0.91 <= hits / 300 <= 0.98
