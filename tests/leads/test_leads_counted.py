"""Deals counted in a stream are the deals counted in memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from leadml.exceptions import InputError
from leadml.leads import counted, csv_text
from leadml.leads.counted import count_patterns
from leadml.leads.mapping import load_mapping
from leadml.leads.patterns import make_patterns
from leadml.leads.read import read_leads

FRAMEWORKS = {
    "bant": ("budget", "authority", "need", "timeline"),
    "small": ("need",),
    "with": ("need", "plans"),
}
MAPPING = load_mapping(
    {
        "name": "m",
        "outcome": {"column": "status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
        "criteria": {
            "budget": {"column": "money", "edges": [1, 2, 3, 4]},
            "authority": {"column": "role", "levels": {"low": 1, "high": 4}},
            "need": {"column": "need"},
        },
        "stand_in": {"timeline": "need"},
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 deals as CSV and Parquet; some open, some with a level that is none."""
    made = tmp_path_factory.mktemp("deals")
    rng = np.random.default_rng(0)
    n = 20_000
    need = rng.integers(0, 6, n)
    table = pa.table(
        {
            "status": np.array(["Won", "Lost", "Open"])[rng.choice(3, n, p=[0.3, 0.6, 0.1])],
            "money": pa.array(rng.uniform(0, 5, n).round(2), mask=rng.random(n) < 0.1),
            "role": np.array(["low", "high", ""])[rng.integers(0, 3, n)],
            "need": pa.array(np.where(np.arange(n) % 501 == 0, 9, need), mask=need == 5),
        }
    )
    pq.write_table(table, made / "deals.parquet", row_group_size=3000)
    pyarrow.csv.write_csv(table, made / "deals.csv")
    return made


def by_row(data: pa.RecordBatch, rows: np.ndarray) -> np.ndarray:
    return rows % 7


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("cells", [10, counted.CELLS])
def test_counts_are_those_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ending: str, cells: int
) -> None:
    monkeypatch.setattr(counted, "CELLS", cells)
    monkeypatch.setattr(csv_text, "CSV_BLOCK_BYTES", 50_000)
    source = folder / f"deals.{ending}"
    leads = read_leads(source, MAPPING)
    assert leads.outcome is not None
    closed = ~np.isnan(leads.outcome)
    assert 0 < closed.sum() < len(closed) < 20_000
    key = leads.lead_id.astype(int) % 7
    found = count_patterns(source, MAPPING, FRAMEWORKS, key_of=by_row)
    for name, names in FRAMEWORKS.items():
        levels = leads.levels.reindex(columns=list(names)).to_numpy(float)
        expected = make_patterns(levels[closed], leads.outcome[closed], key[closed])
        for field in ("levels", "pattern", "key", "won", "lost"):
            np.testing.assert_array_equal(getattr(found[name], field), getattr(expected, field))
        assert found[name].n_keys == expected.n_keys == 7


def test_a_key_of_its_own_for_every_deal_is_counted_too(folder: Path) -> None:
    found = count_patterns(
        folder / "deals.parquet", MAPPING, {"small": ("need",)}, key_of=lambda data, rows: rows - 1
    )["small"]
    assert len(found.key) == len(np.unique(found.key))
    np.testing.assert_array_equal(found.won + found.lost, 1)
    without = count_patterns(folder / "deals.parquet", MAPPING, {"small": ("need",)})["small"]
    assert without.n_keys == 1
    np.testing.assert_array_equal(without.counts()[1], found.counts()[1])


def test_keys_can_be_read_from_columns(folder: Path) -> None:
    def by_role(data: pa.RecordBatch, rows: np.ndarray) -> np.ndarray:
        return pc.equal(data["role"], "high").cast("int64").to_numpy(zero_copy_only=False)

    found = count_patterns(
        folder / "deals.csv", MAPPING, {"a": ("authority",)}, key_of=by_role, key_columns=["role"]
    )["a"]
    # Level 4 has key 1; level 1 and unknown have key 0.
    assert found.levels[:, 0][found.pattern[found.key == 1]].tolist() == [4.0]
    assert np.isnan(found.levels[:, 0][found.pattern[found.key == 0]]).tolist() == [False, True]


def test_what_cannot_be_counted_is_said(folder: Path, tmp_path: Path) -> None:
    source = folder / "deals.csv"
    without = MAPPING.model_copy(update={"outcome": None})
    with pytest.raises(InputError, match="names no outcome"):
        count_patterns(source, without, FRAMEWORKS)
    with pytest.raises(InputError, match="'account'"):
        count_patterns(source, MAPPING, FRAMEWORKS, key_columns=["account"])
    narrow = MAPPING.model_copy(
        update={"outcome": MAPPING.outcome.model_copy(update={"lost": ("No",)}) if MAPPING.outcome else None}
    )
    with pytest.raises(InputError, match=r"does not list: 'Lost' \(row "):
        count_patterns(source, narrow, FRAMEWORKS)
    (tmp_path / "open.csv").write_text("status,money,role,need\nOpen,1,low,2\n")
    with pytest.raises(InputError, match="holds no closed deal"):
        count_patterns(tmp_path / "open.csv", MAPPING, FRAMEWORKS)
