"""The rubric, and a mapping, as transformers."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from leadml import MappingEncoder, PolicyClassifier, RubricEncoder, ScorecardClassifier, WideCardClassifier
from leadml.exceptions import InputError, LeadmlError, UsageError

NAN = np.nan
ROLES = {"Clerk": 0, "Manager": 2, "Owner": 4}
EDGES = [1, 10_000, 20_000, 30_000]
MONTHS = {"edges": [3, 6, 12, 24], "descending": True}


def encode(values, **rubric):
    return RubricEncoder(**rubric).fit_transform(np.array(values, dtype=object).reshape(-1, 1)).ravel().tolist()


@pytest.mark.parametrize(
    ("values", "rubric", "levels"),
    [
        ([0, 1, 2, 3, 4], {}, [0, 1, 2, 3, 4]),
        # 9,999 has reached 1 only; 10,000 has reached 1 and 10,000
        ([0, 1, 9_999, 10_000, 30_000, 10**9], {"edges": EDGES}, [0, 1, 1, 2, 4, 4]),
        # 3 months: 3, 6, 12 and 24 are at least 3; 4 months: three of them; 25 months: none
        ([3, 4, 24, 25], MONTHS, [4, 3, 1, 0]),
        (
            ["Owner", None, "Clerk", NAN, "?", pd.NA, pd.NaT],
            {"levels": ROLES, "unknown": ["?"]},
            [4, NAN, 0] + [NAN] * 4,
        ),
        (["Owner", "Intern"], {"levels": ROLES, "other": "unknown"}, [4, NAN]),
        (["Owner", "Intern"], {"levels": ROLES, "other": 1}, [4, 1]),
        ([3, "n/a", None, "2"], {"unknown": ["n/a"]}, [3, NAN, NAN, 2]),
        ([0, 4, NAN], {"edges": None}, [0, 4, NAN]),
    ],
)
def test_values_become_levels(values, rubric, levels):
    np.testing.assert_array_equal(encode(values, **rubric), levels)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.booleans())
def test_a_better_number_never_has_a_lower_level(values, descending):
    values = sorted(values, reverse=descending)
    levels = encode(values, edges=[-10, 0, 5, 100], descending=descending)
    assert levels == sorted(levels)


def test_columns_keep_their_names_and_work_side_by_side():
    deals = pd.DataFrame({"role": ["Owner", "Clerk"], "months": [2.0, 30.0]})
    both = make_column_transformer(
        (RubricEncoder(levels=ROLES), ["role"]), (RubricEncoder(**MONTHS), ["months"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pd.testing.assert_frame_equal(both.fit_transform(deals), pd.DataFrame({"role": [4.0, 0.0], "months": [4.0, 0.0]}))


@pytest.mark.parametrize(
    ("values", "wrong", "message"),
    [
        (["Clerk", "Intern"], {"levels": ROLES}, r"row 1, column 0: got 'Intern'; valid: 'Clerk', 'Manager', 'Owner'"),
        ([1, 2.5], {"edges": None}, r"row 1, column 0: got level 2.5; valid: 0 to 4"),
        ([1.0], {"edges": [3, 3]}, "1 to 4 edges, each larger than the one before"),
        ([1.0], {"edges": [1, 2, 3, 4, 5]}, "got a list of 5; valid: at most 4"),
        ([1.0], {"edges": []}, "got a list of 0; valid: at least 1"),
        ([1.0], {"levels": {"Owner": 5}}, r"levels\.Owner: got 5; valid: 0, 1, 2, 3, 4"),
        ([1.0], {"levels": {}}, "levels: got an empty mapping; valid: at least 1"),
        ([1.0], {"other": "ignore"}, "other: got 'ignore'; valid: 0, 1, 2, 3, 4, or unknown"),
        ([1.0], {"other": True}, "other: got true; valid: 0, 1, 2, 3, 4"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_valid(values, wrong, message):
    with pytest.raises(UsageError, match=message):
        encode(values, **wrong)


MAPPING = {
    "name": "ours",
    "criteria": {"authority": {"column": "Role", "levels": {"Clerk": 1, "Owner": 4}}, "need": {"column": "Need"}},
    "context": ["Product"],
}


def test_rows_and_index_stay() -> None:
    deals = pd.DataFrame(
        {"Role": ["Owner", "", "Clerk"], "Need": [0, 4, None], "Product": list("ABA")}, index=[5, 7, 9]
    )
    encoder = MappingEncoder(MAPPING).fit(deals)
    made = encoder.transform(deals)
    assert list(made.index) == [5, 7, 9]
    assert list(made) == list(encoder.get_feature_names_out()) == ["authority", "need", "Product"]
    np.testing.assert_array_equal(made["authority"], [4, np.nan, 1])
    np.testing.assert_array_equal(made["need"], [0, 4, np.nan])


@pytest.mark.parametrize("last", [ScorecardClassifier(), WideCardClassifier(), PolicyClassifier("bant-half")])
def test_a_pipeline_of_crm_columns_is_cross_validated(last) -> None:
    rng = np.random.default_rng(0)
    need = rng.integers(0, 5, 200)
    deals = pd.DataFrame({"Role": rng.choice(["Owner", "Clerk"], 200), "Need": need, "Product": list("AB") * 100})
    deals = deals.assign(**dict.fromkeys(("Budget", "Months"), 2))
    criteria = {**MAPPING["criteria"], "budget": {"column": "Budget"}, "timeline": {"column": "Months"}}
    steps = make_pipeline(MappingEncoder({**MAPPING, "criteria": criteria}), last)
    scores = cross_val_score(steps, deals, rng.uniform(size=200) < need / 4, scoring="roc_auc", error_score="raise")
    assert scores.mean() > 0.6


def test_what_is_not_listed_is_refused() -> None:
    deals = pd.DataFrame({"Role": ["Boss"], "Need": [0], "Product": ["A"]})
    with pytest.raises(InputError, match="'Boss'"):
        MappingEncoder(MAPPING).fit_transform(deals)


@pytest.mark.parametrize("make", [lambda f: pa.Table.from_pandas(f), lambda f: f.to_dict("records")])
def test_any_table_gives_what_a_frame_gives_and_no_lead_id_is_needed(make) -> None:
    deals = pd.DataFrame({"Role": ["Owner", "Clerk"], "Need": [0, 4], "Product": ["A", None]})
    mapping = {**MAPPING, "lead_id": "Deal", "context": ["Product", "Nowhere"]}
    encoder = MappingEncoder(mapping).fit(make(deals))
    made, same = encoder.transform(make(deals)), encoder.transform(deals)
    pd.testing.assert_frame_equal(made, same, check_dtype=False)
    assert list(made) == list(encoder.get_feature_names_out()) == ["authority", "need", "Product"]
    assert encoder.transform(make(deals.drop(columns="Product")))["Product"].isna().all()


@pytest.mark.parametrize("wrong", [[], [1, 2], 7])
def test_what_is_no_table_is_refused(wrong) -> None:
    with pytest.raises(LeadmlError):
        MappingEncoder(MAPPING).fit(wrong)
