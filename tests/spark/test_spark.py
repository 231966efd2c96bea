"""Spark gives the answers of one machine; skipped where there is no Java."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import leadml
from leadml.card.build import documented_card
from leadml.exceptions import InputError, UsageError
from leadml.frameworks.catalog import load_policy
from leadml.scoring.predicting import predict_file
from leadml.scoring.scorer import Options

pyspark = pytest.importorskip("pyspark", reason="PySpark is not installed")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java 17, and there is no java on the PATH", allow_module_level=True)

from leadml.spark import count_with_spark, open_session, predict_with_spark  # noqa: E402

MAPPING = {
    "name": "ours",
    "lead_id": "Deal ID",
    "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "dates": {"created": "Created"},
    "criteria": {
        "need": {"column": "Need"},
        "authority": {"column": "Role", "levels": {"Low": 1, "High": 4}, "unknown": [""]},
    },
    "facts": {"purchase": {"column": "Kind", "values": {"repeat": ["Renewal"]}}},
}
N = 400
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session():
    with open_session() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "Deal ID": [f"={i}" if i == 7 else f"D{i}" for i in range(N)],
            "Need": rng.choice(["0", "1", "2", "3", "4", ""], N),
            "Role": rng.choice(["Low", "High", ""], N),
            "Kind": rng.choice(["Renewal", "New"], N),
            "Status": rng.choice(["Won", "Lost", "Open"], N),
            "Created": rng.choice(["2025-01-03", "2025-01-20", "2025-02-28", ""], N),
            "Note, with `marks`": rng.choice(["a", 'b "quoted"', "two\nlines"], N),
        }
    )
    frame.loc[3, "Need"] = "9"
    frame.loc[9, "Role"] = "Middle"
    frame.to_csv(folder / "leads.csv", index=False)
    frame.to_parquet(folder / "leads.parquet")
    return folder


def card():
    return documented_card(load_policy("bant-points"))


@pytest.mark.parametrize("source", ["leads.csv", "leads.parquet"])
@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_the_answers_are_those_of_one_machine(session, folder, tmp_path, source, ending):
    options, said, here = Options(keep_columns=True), [], []
    totals = predict_with_spark(
        str(folder / source), MAPPING, [card()], str(tmp_path / f"out{ending}"), options, said.append
    )
    one = predict_file(folder / source, MAPPING, [card()], str(tmp_path / "one.csv"), options, here.append)
    assert (totals.n_rows, totals.n_scored, totals.n_rejected, totals.n_closed) == (
        N, one.n_scored, one.n_rejected, one.n_closed,
    )  # fmt: skip
    expected = pd.read_csv(tmp_path / "one.csv", dtype=str, keep_default_na=False)
    if ending == ".parquet":
        got = pd.read_parquet(tmp_path / "out.parquet").astype(object)
        expected["lead_id"] = expected["lead_id"].str.removeprefix("'")
        expected["Deal ID"] = expected["Deal ID"].str.removeprefix("'")
        got = got.where(got.notna(), "").astype(str)
        got["settled"] = got["settled"].str.lower()
    else:
        parts = [pd.read_csv(each, dtype=str, keep_default_na=False) for each in (tmp_path / "out.csv").glob("*.csv")]
        got = pd.concat(parts)
    key = ["lead_id"]
    pd.testing.assert_frame_equal(
        got.sort_values(key, ignore_index=True), expected.sort_values(key, ignore_index=True), check_dtype=False
    )
    with Path(totals.rejected).open(newline="") as file:
        assert sorted((row["lead_id"], row["value"]) for row in csv.DictReader(file)) == [("D3", "9"), ("D9", "Middle")]


def test_counts_are_those_of_one_machine(session, folder):
    counted = count_with_spark(str(folder / "leads.parquet"), MAPPING)
    read = leadml.read_leads(folder / "leads.parquet", MAPPING)
    assert counted.criteria == read.criteria
    assert counted.n_rows == read.n_rows == N
    assert counted.weight.sum() == len(read)
    assert set(counted.created_at.astype(str)) <= {"2025-01-01", "2025-02-01", "NaT"}

    def sums(leads):
        weight = np.ones(len(leads)) if leads.weight is None else leads.weight
        made = {}
        for codes, outcome, n in zip(leads.codes.tolist(), leads.outcome.tolist(), weight, strict=True):
            made[*codes, outcome] = made.get((*codes, outcome), 0) + n
        return made

    assert sums(counted) == sums(read)


def test_what_spark_cannot_is_refused(session, folder, tmp_path):
    leads = str(folder / "leads.parquet")
    for out, options, mapping, words in [
        ("a.xlsx", Options(), MAPPING, "valid with --engine spark"),
        ("a.csv", Options(sort=True), MAPPING, "--sort"),
        ("a.csv", Options(), {**MAPPING, "lead_id": None}, "add lead_id"),
        ("no/a.csv", Options(), MAPPING, "no folder"),
    ]:
        with pytest.raises(UsageError, match=words):
            predict_with_spark(leads, mapping, [card()], str(tmp_path / out), options, print)
    with pytest.raises(UsageError, match="classifier"):
        predict_with_spark(leads, MAPPING, [object()], str(tmp_path / "a.csv"), Options(), print)
    with pytest.raises(UsageError, match="names no outcome"):
        count_with_spark(leads, {**MAPPING, "outcome": None})
    unlisted = {**MAPPING, "outcome": {"column": "Status", "won": ["Won"], "lost": ["Lost"]}}
    with pytest.raises(InputError, match="'Open' in"):
        count_with_spark(leads, unlisted)
    with pytest.raises(InputError, match="Spark refused"):
        count_with_spark(str(folder / "gone.parquet"), MAPPING)
