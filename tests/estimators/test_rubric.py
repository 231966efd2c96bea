"""The rubric as a transformer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer

from leadml.estimators import RubricEncoder

ROLES = {"Clerk": 0, "Manager": 2, "Owner": 4}


def encode(values, **rubric):
    return RubricEncoder(**rubric).fit_transform(np.array(values, dtype=object).reshape(-1, 1)).ravel().tolist()


def test_the_default_keeps_levels_as_they_are():
    assert encode([0, 1, 2, 3, 4]) == [0, 1, 2, 3, 4]


def test_level_is_how_many_edges_are_reached():
    # 9,999 has reached 1 only; 10,000 has reached 1 and 10,000
    assert encode([0, 1, 9_999, 10_000, 30_000, 10**9], edges=[1, 10_000, 20_000, 30_000]) == [0, 1, 1, 2, 4, 4]


def test_descending_counts_the_edges_at_least_the_value():
    # 3 months: 3, 6, 12 and 24 are at least 3; 4 months: three of them; 25 months: none
    assert encode([3, 4, 24, 25], edges=[3, 6, 12, 24], descending=True) == [4, 3, 1, 0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.booleans())
def test_a_better_number_never_has_a_lower_level(values, descending):
    values = sorted(values, reverse=descending)
    levels = encode(values, edges=[-10, 0, 5, 100], descending=descending)
    assert levels == sorted(levels)


def test_listed_categories_have_their_levels_and_missing_ones_are_unknown():
    found = encode(["Owner", None, "Clerk", np.nan, "?", pd.NA, pd.NaT], levels=ROLES, unknown=["?"])
    np.testing.assert_array_equal(found, [4, np.nan, 0, np.nan, np.nan, np.nan, np.nan])


def test_an_unlisted_category_is_named_with_its_place():
    with pytest.raises(ValueError, match=r"row 1, column 0: got 'Intern'; valid: 'Clerk', 'Manager', 'Owner'"):
        encode(["Clerk", "Intern"], levels=ROLES)


@pytest.mark.parametrize(("other", "level"), [("unknown", np.nan), (1, 1)])
def test_an_unlisted_category_may_have_a_level_of_its_own(other, level):
    np.testing.assert_array_equal(encode(["Owner", "Intern"], levels=ROLES, other=other), [4, level])


def test_numbers_may_have_words_for_unknown():
    np.testing.assert_array_equal(encode([3, "n/a", None, "2"], unknown=["n/a"]), [3, np.nan, np.nan, 2])


def test_without_edges_only_levels_are_taken():
    np.testing.assert_array_equal(encode([0, 4, np.nan], edges=None), [0, 4, np.nan])
    with pytest.raises(ValueError, match=r"row 1, column 0: got level 2.5; valid: 0 to 4"):
        encode([1, 2.5], edges=None)


def test_columns_keep_their_names_and_work_side_by_side():
    deals = pd.DataFrame({"role": ["Owner", "Clerk"], "months": [2.0, 30.0]})
    both = make_column_transformer(
        (RubricEncoder(levels=ROLES), ["role"]),
        (RubricEncoder(edges=[3, 6, 12, 24], descending=True), ["months"]),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pd.testing.assert_frame_equal(both.fit_transform(deals), pd.DataFrame({"role": [4.0, 0.0], "months": [4.0, 0.0]}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"edges": [3, 3]}, "ascending"),
        ({"edges": [1, 2, 3, 4, 5]}, "1 to 4 ascending numbers"),
        ({"edges": []}, "1 to 4 ascending numbers"),
        ({"levels": {"Owner": 5}}, r"levels is \{'Owner': 5\}; valid: a level from 0 to 4"),
        ({"levels": {}}, "valid: a level from 0 to 4"),
        ({"other": "ignore"}, "other is 'ignore'; valid:"),
        ({"other": True}, "other is True; valid:"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_valid(wrong, message):
    with pytest.raises(ValueError, match=message):
        encode([1.0], **wrong)
