"""Columns of a scorecard and the penalties that tie it to its document."""

import numpy as np
import pytest

from leadml.estimators.design import (
    check_documented_points,
    make_family,
    points_of,
    step_columns,
    tie_unknowns,
    unknown_ties,
)

NAN = np.nan
EVEN = np.tile(np.arange(5.0), (2, 1))
UNEVEN = np.array([[0, 1, 1, 3, 4], [0, 0, 2, 2, 8]], dtype=float)
DOCUMENTS = [EVEN, UNEVEN]


def test_one_row_by_hand():
    # intercept; level 2 has climbed the first two steps; unknown climbs none and marks its own column
    expected = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    np.testing.assert_array_equal(step_columns([[2, NAN]]), [expected])


def test_between_two_levels_counts_in_proportion_and_outside_as_the_nearest_end():
    np.testing.assert_allclose(step_columns([[2.25]])[0], [1, 1, 1, 0.25, 0, 0])
    np.testing.assert_array_equal(step_columns([[-3], [9]]), step_columns([[0], [4]]))


def test_columns_times_coefficients_are_the_points():
    rng = np.random.default_rng(0)
    full = np.abs(rng.normal(size=11))
    by_level, unknown = points_of(full)
    levels = np.array([[0, 4], [1, NAN], [3, 2]], dtype=float)
    expected = [
        full[0] + by_level[0, 0] + by_level[1, 4],
        full[0] + by_level[0, 1] + unknown[1],
        full[0] + by_level[0, 3] + by_level[1, 2],
    ]
    np.testing.assert_allclose(step_columns(levels) @ full, expected)
    assert (by_level[:, 0] == 0).all()
    assert (np.diff(by_level) >= 0).all()
    many, many_unknown = points_of(np.stack([full, 2 * full]))
    np.testing.assert_allclose(many[1], 2 * by_level)
    np.testing.assert_allclose(many_unknown[1], 2 * unknown)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((2, 5)),
        [[1, 2, 3, 4, 5], [0, 1, 2, 3, 4]],
        [[0, 2, 1, 3, 4], [0, 1, 2, 3, 4]],
        [[0, 1, 2, 3, NAN], [0, 1, 2, 3, 4]],
    ],
    ids=["all 0", "starts at 1", "falls", "not a number"],
)
def test_points_that_are_no_document_are_refused(points):
    with pytest.raises(ValueError, match="must start at 0 for level 0, never fall, and not all be 0"):
        check_documented_points(points, 2)


def test_a_wrong_shape_is_told_with_the_right_one():
    with pytest.raises(ValueError, match=r"shape \(2, 5\); valid is \(3, 5\)"):
        check_documented_points(EVEN, 3)


def test_without_points_a_level_is_a_point():
    np.testing.assert_array_equal(check_documented_points(None, 2), EVEN)


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("slope", [0.2, 3.0])
def test_no_penalty_falls_on_the_document_at_any_slope(document, slope):
    family = make_family(document, 1.0, 1.0)
    on_line = np.r_[-1.5, np.c_[slope * np.diff(document), np.zeros(2)].ravel()]
    assert on_line @ family.between @ on_line == pytest.approx(0, abs=1e-12)
    assert on_line @ family.within @ on_line == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_two_penalties_see_different_departures(document):
    family = make_family(document, 1.0, 1.0)
    # Another weight for one criterion, its own shape kept: a departure between, none within.
    reweighted = np.r_[0, np.c_[np.diff(document) * [[1], [2]], np.zeros(2)].ravel()]
    assert reweighted @ family.between @ reweighted > 1e-3
    assert reweighted @ family.within @ reweighted == pytest.approx(0, abs=1e-12)
    # Everything of a criterion at its first step, totals kept: a departure within, none between.
    steps = np.zeros((2, 4))
    steps[:, 0] = document[:, -1]
    bent = np.r_[0, np.c_[steps, np.zeros(2)].ravel()]
    assert bent @ family.within @ bent > 1e-3
    assert bent @ family.between @ bent == pytest.approx(0, abs=1e-12)


def test_the_penalty_on_weights_by_hand():
    # Mean steps (1, 3) against the line of equal weights: both 2 would do, so 1 + 1 = 2 remain;
    # an unknown of 2 log-odds is half a level's step: 0.25 more. penalty() is twice the form.
    family = make_family(EVEN, 1.0, 0.0)
    full = np.r_[0, [1, 1, 1, 1, 2], [3, 3, 3, 3, 0]]
    assert full @ family.between @ full == pytest.approx(2.25)
    assert 0.5 * full @ family.penalty(10.0, 0.0, 1.0) @ full == pytest.approx(22.5, rel=1e-5)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_an_infinite_strength_leaves_fewer_coefficients(document):
    assert make_family(document, np.inf, np.inf).basis.shape == (11, 2)
    assert make_family(document, np.inf, 0.0).basis.shape == (11, 2)
    assert make_family(document, 1.0, np.inf).basis.shape == (11, 5)
    assert make_family(document, 1.0, 1.0).basis.shape == (11, 11)
    # one unit of the one slope is the document's own points
    by_level, unknown = points_of(make_family(document, np.inf, np.inf).basis @ [0, 1])
    np.testing.assert_allclose(by_level, document)
    np.testing.assert_array_equal(unknown, 0)
    # with the shape kept, whatever the two weights, levels stand to each other as documented
    by_level, _ = points_of(make_family(document, 1.0, np.inf).basis @ [0, 0.3, 0.1, 0.7, 0.2])
    np.testing.assert_allclose(by_level / by_level[:, [-1]], document / document[:, [-1]])


@pytest.mark.parametrize("smooth", [0.0, np.inf])
def test_a_tied_unknown_earns_what_its_top_level_earns(smooth):
    family = make_family(EVEN, 0.0, smooth)
    free = np.abs(np.random.default_rng(0).normal(size=(3, family.basis.shape[1])))
    ties = np.array([[True, False], [False, False], [True, True]])
    tied = np.einsum("rij,rj->ri", tie_unknowns(family, ties), free) @ family.basis.T
    by_level, unknown = points_of(tied)
    np.testing.assert_allclose(unknown[ties], by_level[..., -1][ties])
    np.testing.assert_allclose(unknown[~ties], points_of(free @ family.basis.T)[1][~ties])
    assert not (unknown_ties(tied) & ties).any()
    above = np.r_[0.0, [1, 1, 1, 1, 4.1], [1, 1, 1, 1, 3.9]]
    np.testing.assert_array_equal(unknown_ties(above[None]), [[True, False]])
