"""P(won) at every total: the line's own value, and intervals that widen where totals depart from it."""

import numpy as np
import pytest

from leadml.evaluation.bootstrap import to_figure
from leadml.evaluation.line import probability_figures

TOTALS = np.arange(9)
LINE = np.random.default_rng(0).normal([-2.0, 0.5], [0.1, 0.02], (401, 2))
LINE[0] = (-2.0, 0.5)
CHANCE = 1 / (1 + np.exp(-(LINE[0, 0] + LINE[0, 1] * TOTALS)))
DEALS = np.full(9, 200.0)


def test_the_value_is_the_line_and_lies_inside():
    told = probability_figures(LINE, CHANCE * DEALS, DEALS)
    assert [f.value for f in told] == pytest.approx(CHANCE)
    assert all(0 < f.low < f.value < f.high < 1 for f in told)


def test_totals_on_the_line_leave_its_own_interval():
    told = probability_figures(LINE, CHANCE * DEALS, DEALS)
    for total, figure in enumerate(told):
        drawn = to_figure(1 / (1 + np.exp(-(LINE[:, 0] + LINE[:, 1] * total))))
        assert (figure.low, figure.high) == pytest.approx((drawn.low, drawn.high), rel=1e-3)


def test_totals_off_the_line_widen_every_interval():
    # 40 of 200 more or less than the line says, in turn: an error of 0.03 explains none of it.
    off = CHANCE * DEALS + np.where(TOTALS % 2, 20.0, -20.0)
    for near, far in zip(
        probability_figures(LINE, CHANCE * DEALS, DEALS), probability_figures(LINE, off, DEALS), strict=True
    ):
        assert far.low < near.low
        assert far.high > near.high
        assert far.value == near.value


@pytest.mark.parametrize("deals", [np.zeros(9), np.r_[5.0, np.zeros(8)], np.r_[5.0, 5.0, np.zeros(7)]])
def test_too_few_totals_tell_nothing_of_the_shape(deals):
    told = probability_figures(LINE, deals * CHANCE, deals)
    assert all(np.isfinite([f.low, f.value, f.high]).all() for f in told)
