"""Deals counted by Spark are the deals counted on one machine: counts, sample, rejections and digest."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from leadml.engines.spark_count import count_with_spark
from leadml.exceptions import InputError, UsageError
from leadml.leads.counted import Cells, Counted
from leadml.leads.gather import count_leads
from leadml.leads.mapping import load_mapping

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

N = 3000
FRAMEWORKS = {"bant": ("budget", "authority", "need", "timeline"), "with": ("need", "plans")}
MAPPING: dict[str, Any] = {
    "name": "m",
    "lead_id": "id",
    "outcome": {"column": "status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "dates": {"created": "made"},
    "amount": {"column": "worth"},
    "criteria": {
        "budget": {"column": "money", "edges": [1, 2, 3, 4]},
        "authority": {"column": "role", "levels": {"low": 1, "high": 4}},
        "need": {"column": "need"},
    },
    "stand_in": {"timeline": "need"},
    "context": ["source"],
}
GROUPED = {**MAPPING, "group": ["account"]}


def make_deals(folder: Path, ending: str, n_accounts: int = 900) -> Path:
    """Deals in two files; some open, some with a level, a date or an amount that is none."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    day = np.datetime64("2024-01-15") + rng.integers(0, 400, N)
    made = np.array([f"{d.month}/{d.day}/{d.year}" for d in day.tolist()], object)
    made[rng.random(N) < 0.03] = ""
    made[np.arange(N) % 977 == 0] = "soon"
    worth = rng.integers(0, 9000, N).astype(str).astype(object)
    worth[np.arange(N) % 1009 == 0] = "much"
    table = pa.table(
        {
            "id": [f"L{row}" for row in range(1, N + 1)],
            "status": np.array(["Won", "Lost", "Open"])[rng.choice(3, N, p=[0.3, 0.6, 0.1])],
            "made": made.tolist(),
            "worth": worth.tolist(),
            "money": pa.array(rng.uniform(0, 5, N).round(2), mask=rng.random(N) < 0.1),
            "role": np.array(["low", "high", ""])[rng.integers(0, 3, N)],
            "need": rng.choice(["0", "1", "2", "3", "4", "", "9"], N, p=[0.16] * 6 + [0.04]),
            "account": [f"a{account}" if account else "" for account in rng.integers(0, n_accounts, N)],
            "source": np.array(["web", "fair"])[rng.integers(0, 2, N)],
        }
    )
    for name, part in (("b", table.slice(0, 1200)), ("c", table.slice(1200))):
        if ending == ".csv":
            pc.write_csv(part, folder / f"{name}.csv")
        else:
            pq.write_table(part, folder / f"{name}.parquet", row_group_size=700)
    return folder


def assert_same(found: Counted, expected: Counted, *, digest: bool = True) -> None:
    """Every count, every single lead, every reason."""
    assert found.n_leads == expected.n_leads
    assert found.criteria == expected.criteria
    for which in ("by_month", "by_group"):
        a, b = getattr(found, which), getattr(expected, which)
        assert list(a) == list(b)
        for name in a:
            assert_same_cells(a[name], b[name])
    assert_same_cells(found.ended, expected.ended)
    assert found.is_sampled == expected.is_sampled
    one, other = found.leads, expected.leads
    assert (one.n_rows, one.format, one.source) == (other.n_rows, other.format, other.source)
    assert one.findings == other.findings
    pd.testing.assert_frame_equal(one.levels, other.levels)
    pd.testing.assert_frame_equal(one.rejected, other.rejected)
    pd.testing.assert_frame_equal(one.context, other.context)
    for name in ("lead_id", "outcome", "created_at", "group", "row_key", "amount"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            pd.testing.assert_series_equal(pd.Series(a), pd.Series(b))
    if digest:
        assert one.digest == other.digest


def assert_same_cells(found: Cells, expected: Cells) -> None:
    for name in ("key", "pattern", "won", "lost", "open"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(
    ("ending", "mapping", "n_accounts"),
    [(".parquet", MAPPING, 900), (".csv", GROUPED, 900), (".parquet", GROUPED, 60)],
)
def test_spark_counts_what_one_machine_counts(
    spark: "SparkSession", tmp_path: Path, ending: str, mapping: dict[str, Any], n_accounts: int
) -> None:
    source = make_deals(tmp_path / "deals", ending, n_accounts)
    expected = count_leads(source, mapping, FRAMEWORKS, most=500, random_state=3)
    found = count_with_spark(source, load_mapping(mapping), FRAMEWORKS, most=500, random_state=3, say=str)
    assert expected.is_sampled
    assert_same(found, expected)


def test_few_deals_are_all_fetched(spark: "SparkSession", tmp_path: Path) -> None:
    source = make_deals(tmp_path / "deals", ".csv")
    with (source / "b.csv").open("a") as file:
        file.write("ragged,Won\n")
    expected = count_leads(source, MAPPING, FRAMEWORKS, most=N + 1)
    # Only Spark reaches a URL, so that the input's digest is one of its rows.
    found = count_with_spark(source.as_uri(), load_mapping(MAPPING), FRAMEWORKS, most=N + 1, say=str)
    assert (found.n_leads, found.leads.n_rows) == (expected.n_leads, N + 1)
    pd.testing.assert_frame_equal(found.leads.levels, expected.leads.levels)
    pd.testing.assert_frame_equal(found.leads.rejected, expected.leads.rejected)


def test_what_cannot_be_counted_is_said(spark: "SparkSession", tmp_path: Path) -> None:
    source = make_deals(tmp_path / "deals", ".parquet")
    unlisted = {**MAPPING, "outcome": {"column": "status", "won": ["Won"], "lost": ["Lost"]}}
    with pytest.raises(InputError) as expected:
        count_leads(source, unlisted, FRAMEWORKS, most=500)
    with pytest.raises(InputError) as found:
        count_with_spark(source, load_mapping(unlisted), FRAMEWORKS, most=500, say=str)
    assert str(found.value) == str(expected.value)
    with pytest.raises(UsageError, match="rows of catalog: have no number"):
        count_with_spark("catalog:", load_mapping(MAPPING), FRAMEWORKS, most=500, say=str)
