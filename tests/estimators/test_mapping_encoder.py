"""A mapping as a transformer."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from leadml import MappingEncoder
from leadml.exceptions import InputError, LeadmlError

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
