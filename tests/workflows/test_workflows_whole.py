"""More deals than are compared one by one: learned from all, compared on a sample, and it is said."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from leadml.exceptions import UsageError
from leadml.leads import load_mapping, read_leads
from leadml.workflows.calibrate import Calibration, calibrate, calibrate_counted, calibrate_file, count_file
from leadml.workflows.experiment import Experiment
from leadml.workflows.reproduce import reproduce

N = 8_000
MAPPING: dict[str, Any] = {
    "name": "many",
    "lead_id": "id",
    "outcome": {"column": "status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "context": ["source"],
    "criteria": {name: {"column": name} for name in ("budget", "authority", "need", "timeline")},
}
DATED = {**MAPPING, "dates": {"created": "created", "closed": "closed"}}
SETTINGS = Experiment(
    policies=("bant-ibm", "bant-points"), contenders=("cutoff", "integer"), bootstrap=100, single_deals=2000
)
ALL = SETTINGS.model_copy(update={"single_deals": N})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8,000 deals over three years; the later, the more are open; every 400th has a level that is none."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5, (N, 4))
    won = rng.random(N) < 1 / (1 + np.exp(4.5 - levels @ [0.9, 0.2, 0.5, 0.2]))
    created = np.datetime64("2023-01-10") + np.sort(rng.integers(0, 1000, N))
    closed = created + rng.integers(1, 120, N)
    ended = closed < created.max()
    ended &= rng.random(N) < 0.99
    frame = pd.DataFrame(levels, columns=list(MAPPING["criteria"])).astype(object)
    frame.loc[::400, "need"] = "much"
    frame["status"] = np.where(ended, np.where(won, "Won", "Lost"), "Open")
    frame["created"], frame["closed"] = created.astype(str), np.where(ended, closed.astype(str), "")
    frame["source"] = rng.choice(["web", "fair", "call"], N)
    frame["account"] = rng.integers(0, 1500, N)
    frame.insert(0, "id", [f"L{row}" for row in range(N)])
    path = tmp_path_factory.mktemp("many") / "deals.csv"
    frame.to_csv(path, index=False)
    return path


def make(source: Path, mapping: dict[str, Any], settings: Experiment) -> Calibration:
    return calibrate_counted(count_file(source, load_mapping(mapping), settings), settings)


@pytest.fixture(scope="module")
def sampled(source: Path) -> Calibration:
    return make(source, MAPPING, SETTINGS)


@pytest.fixture(scope="module")
def whole(source: Path) -> Calibration:
    return calibrate(read_leads(source, MAPPING), ALL)


def test_up_to_the_limit_nothing_differs(source: Path, whole: Calibration) -> None:
    found = make(source, MAPPING, ALL)
    assert json.dumps(found.result) == json.dumps(whole.result)
    assert {name: card.to_dict() for name, card in found.cards.items()} == {
        name: card.to_dict() for name, card in whole.cards.items()
    }
    pd.testing.assert_frame_equal(found.predictions, whole.predictions)
    pd.testing.assert_frame_equal(found.rejected, whole.rejected)
    assert "LML306" not in {finding["code"] for finding in found.result["findings"]}


def test_cards_are_learned_from_all_deals(sampled: Calibration, whole: Calibration) -> None:
    assert sampled.cards.keys() == whole.cards.keys()
    for name, card in sampled.cards.items():
        own, expected = card.to_dict(), whole.cards[name].to_dict()
        for key in ("n_won", "n_lost", "data_digest", "mapping_digest"):
            assert own["provenance"][key] == expected["provenance"][key]
        told = np.array([row["probability"] for row in own["table"]])
        # a documented score is calibrated on the very same counts; points differ by the folds at most
        room = 0.02 if name.endswith("integer") else 1e-9
        np.testing.assert_allclose(told, [row["probability"] for row in expected["table"]], atol=room)
        points = [each["points"] for each in own["criteria"]]
        assert np.abs(np.array(points) - [each["points"] for each in expected["criteria"]]).max() <= 1
        assert abs(own["cutoff"] - expected["cutoff"]) <= (1 if name.endswith("integer") else 0)
    for own, expected in zip(sampled.result["policies"], whole.result["policies"], strict=True):
        assert own["learned_cutoff"]["value"] == expected["learned_cutoff"]["value"]
        for name, weight in own["weights"].items():
            other = expected["weights"][name]
            assert weight["learned"] == pytest.approx(other["learned"], abs=0.3)
            # intervals are as narrow as all deals make them
            width = other["high"] - other["low"]
            assert weight["high"] - weight["low"] == pytest.approx(width, rel=0.5)


def test_numbers_told_are_those_of_all_deals_and_the_sample_is_named(
    sampled: Calibration, whole: Calibration
) -> None:
    own, expected = sampled.result["data"], whole.result["data"]
    assert own["n_single"] == 2000 < expected["n_single"]
    assert {k: v for k, v in own.items() if k != "n_single"} == {
        k: v for k, v in expected.items() if k != "n_single"
    }
    finding = next(f for f in sampled.result["findings"] if f["code"] == "LML306")
    n_closed = sampled.predictions["lead_id"].nunique()
    assert n_closed < own["n_single"]  # open leads are among the sampled ones
    assert f"{n_closed:,} of {own['n_won'] + own['n_lost']:,} closed deals" in finding["title"]
    assert f"{own['n_single']:,} of the {own['n_leads']:,} leads" in finding["explanation"]
    model = sampled.estimator
    best = pd.DataFrame(4.0, index=[0], columns=model.feature_names_in_)
    np.testing.assert_allclose(model.predict_proba(best), whole.estimator.predict_proba(best), atol=0.03)


def test_whole_months_that_are_old_enough_are_learned_from(source: Path) -> None:
    found = make(source, DATED, SETTINGS).result
    data, about = found["data"], found["outcomes"]["maturity"]
    assert about["applied"]
    assert data["n_leads"] == data["n_won"] + data["n_lost"] + data["n_left_out"] + data["n_open"]
    assert data["n_left_out"] == about["n_left_out"] > 0
    leads = read_leads(source, DATED)
    assert leads.created_at is not None
    until = pd.Timestamp(about["as_of"]) - pd.Timedelta(days=about["days"])
    old = leads.created_at < until.to_period("M").to_timestamp()
    outcome = np.asarray(leads.outcome)
    assert data["n_won"] == (old & (outcome == 1)).sum()
    assert about["n_overdue"] == (old & np.isnan(outcome)).sum() > 0
    other = found["outcomes"]["other_coding"]
    assert other["n_overdue"] == about["n_overdue"]
    n = data["n_won"] + data["n_lost"] + about["n_overdue"]
    assert other["base_rate"]["value"] == pytest.approx(data["n_won"] / n)
    assert found["split"]["kind"] == "out-of-time"


def test_groups_widen_what_is_learned_from_all_deals(source: Path, sampled: Calibration) -> None:
    found = make(source, {**DATED, "group": ["account"]}, SETTINGS)
    finding = next(f for f in found.result["findings"] if f["code"] == "LML306")
    assert "Groups were drawn whole" in finding["explanation"]
    widths = [
        np.mean([row["high"] - row["low"] for row in each.cards["bant-points-cutoff"].to_dict()["table"]])
        for each in (found, sampled)
    ]
    assert 0.5 < widths[0] / widths[1] < 2.0  # accounts are only numbers here: hardly anything changes


def test_a_file_is_calibrated_and_made_again(source: Path, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(json.dumps(MAPPING))
    (tmp_path / "experiment.yaml").write_text(
        json.dumps(SETTINGS.model_dump(mode="json", exclude_defaults=True))
    )
    said: list[str] = []
    done = calibrate_file(
        str(source),
        str(tmp_path / "map.yaml"),
        str(tmp_path / "experiment.yaml"),
        out_dir=tmp_path / "out",
        track=False,
        store_root=tmp_path / "store",
        say=said.append,
    )
    n_single = done.calibration.result["data"]["n_single"]
    assert f"8000 rows: 7980 leads, {n_single} of them kept one by one, 20 rejected" in said
    assert len(pd.read_csv(tmp_path / "out" / "rejected.csv")) == 20
    assert "sample of" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert reproduce(tmp_path / "out", source).sameness == "identical"


def test_a_database_is_asked_and_its_password_is_not_told(source: Path, tmp_path: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    pd.read_csv(source, dtype=str, keep_default_na=False).to_sql("deals", engine, index=False)
    found = count_file(url, load_mapping(MAPPING), SETTINGS, query="SELECT * FROM deals")
    expected = count_file(source, load_mapping(MAPPING), SETTINGS)
    np.testing.assert_array_equal(found.leads.lead_id, expected.leads.lead_id)
    for name, cells in expected.by_month.items():
        np.testing.assert_array_equal(found.by_month[name].won, cells.won)
    with pytest.raises(UsageError, match="for Spark"):
        count_file(url, load_mapping(MAPPING), SETTINGS, "spark", query="SELECT * FROM deals")


MEASURE = """
import re, sys
from pathlib import Path
from leadml.leads.gather import count_leads
mapping = {"name": "m", "criteria": {"need": {"column": "need"}},
           "outcome": {"column": "status", "won": ["Won"], "lost": ["Lost"]}}
found = count_leads(sys.argv[1], mapping, {"a": ("need",)}, most=5000)
print(found.n_leads, re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not tell the peak")
def test_memory_does_not_grow_with_the_deals(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    used = []
    for n in (300_000, 2_400_000):
        texts = pa.array([f"a text of some length, number {word}" for word in range(10_000)])
        columns = {
            "need": rng.integers(0, 5, n).astype(np.int8),
            "status": pa.array(["Won", "Lost"]).take(pa.array(rng.integers(0, 2, n))),
            "text": texts.take(pa.array(rng.integers(0, 10_000, n))),
        }
        pq.write_table(pa.table(columns), tmp_path / "deals.parquet", row_group_size=100_000)
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path / "deals.parquet")],
            capture_output=True,
            text=True,
            check=True,
        )
        n_leads, kilobytes = map(int, done.stdout.split())
        assert n_leads == n
        used.append(kilobytes)
    # eight times the rows: 2.1 million more texts of 35 bytes would take 70 MB
    assert used[1] < used[0] + 40_000
