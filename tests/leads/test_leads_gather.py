"""Deals counted in a stream are the deals counted in memory, and the sample is drawn fairly."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from leadml.exceptions import InputError
from leadml.leads import counted, csv_text, gather, readers, rejections
from leadml.leads.counted import UNDATED, Counted, sum_cells
from leadml.leads.gather import count_leads
from leadml.leads.mapping import Mapping
from leadml.leads.model import Leads
from leadml.leads.patterns import PatternTable, make_patterns
from leadml.leads.read import read_leads
from leadml.leads.tables import open_table
from leadml.leads.workers import Workers

FRAMEWORKS = {
    "bant": ("budget", "authority", "need", "timeline"),
    "small": ("need",),
    "with": ("need", "plans"),
}
MAPPING: dict[str, Any] = {
    "name": "m",
    "lead_id": "id",
    "outcome": {"column": "status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
    "amount": {"column": "worth"},
    "criteria": {
        "budget": {"column": "money", "edges": [1, 2, 3, 4]},
        "authority": {"column": "role", "levels": {"low": 1, "high": 4}},
        "need": {"column": "need"},
    },
    "stand_in": {"timeline": "need"},
}
DATED = {**MAPPING, "dates": {"created": "made"}}
GROUPED = {**MAPPING, "group": ["account"]}
N = 20_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 deals as CSV and Parquet; some open, some with a level, a date or an amount that is none."""
    made = tmp_path_factory.mktemp("deals")
    rng = np.random.default_rng(0)
    need = rng.integers(0, 6, N)
    account = rng.integers(0, 3000, N)
    day = np.datetime64("2024-01-15") + rng.integers(0, 700, N)
    dates = np.where(rng.random(N) < 0.03, "", day.astype(str))
    dates[np.arange(N) % 977 == 0] = "soon"
    worth = rng.integers(0, 9000, N).astype(str)
    worth[np.arange(N) % 1009 == 0] = "much"
    table = pa.table(
        {
            "id": [f"L{row}" for row in range(1, N + 1)],
            "status": np.array(["Won", "Lost", "Open"])[rng.choice(3, N, p=[0.3, 0.6, 0.1])],
            "money": pa.array(rng.uniform(0, 5, N).round(2), mask=rng.random(N) < 0.1),
            "role": np.array(["low", "high", ""])[rng.integers(0, 3, N)],
            "need": pa.array(np.where(np.arange(N) % 501 == 0, 9, need), mask=need == 5),
            "account": [f"account {number}" if number else None for number in account],
            "team": np.array(["north", "south", "east"])[rng.integers(0, 3, N)],
            "made": dates,
            "worth": worth,
        }
    )
    pq.write_table(table, made / "deals.parquet", row_group_size=3000)
    pyarrow.csv.write_csv(table, made / "deals.csv")
    return made


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "CSV_BLOCK_BYTES", 50_000)
    monkeypatch.setattr(readers, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(readers, "COUNT_ROWS", 2500)


def count(
    source: Path, mapping: dict[str, Any] | Mapping = MAPPING, most: int = 2000, **settings: Any
) -> Counted:
    return count_leads(source, mapping, FRAMEWORKS, most=most, **settings)


def in_memory(leads: Leads, names: tuple[str, ...], rows: np.ndarray) -> PatternTable:
    levels = leads.levels.reindex(columns=list(names)).to_numpy(float)
    return make_patterns(levels[rows], np.asarray(leads.outcome)[rows], np.zeros(int(rows.sum()), int))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("cells", [10, gather.CELLS])
@pytest.mark.parametrize("mapping", [MAPPING, DATED, GROUPED], ids=["plain", "dated", "grouped"])
def test_counts_are_those_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ending: str, cells: int, mapping: dict[str, Any]
) -> None:
    monkeypatch.setattr(gather, "CELLS", cells)
    source = folder / f"deals.{ending}"
    leads = read_leads(source, mapping)
    closed = np.isfinite(np.asarray(leads.outcome))
    found = count(source, mapping)
    assert found.is_sampled
    assert (found.n_leads, found.leads.n_rows) == (len(leads), N)
    assert found.leads.digest == leads.digest
    assert found.ended.totals() == (np.sum(leads.outcome == 1), np.sum(leads.outcome == 0), np.sum(~closed))
    for name, table in found.tables(0).items():
        expected = in_memory(leads, FRAMEWORKS[name], closed)
        np.testing.assert_array_equal(table.levels, expected.levels)
        np.testing.assert_array_equal(table.counts(), expected.counts())
    levels = found.count_levels()
    assert levels["plans"] == [0, 0, 0, 0, 0, closed.sum()]
    for name in leads.levels.columns:
        codes = leads.levels[name][closed].fillna(5).astype(int)
        assert levels[name] == np.bincount(codes, minlength=6).tolist()


def test_recent_months_can_be_left_out_and_open_leads_counted_as_lost(folder: Path) -> None:
    source = folder / "deals.parquet"
    mapping = {**DATED, "group": ["account"]}
    leads, found = read_leads(source, mapping), count(source, mapping)
    assert leads.created_at is not None
    created, outcome = leads.created_at, np.asarray(leads.outcome)
    before = 2025 * 12 + 3  # April 2025
    old = (created.isna() | (created < pd.Timestamp("2025-04-01"))).to_numpy()
    assert 0 < old.sum() < len(old)
    closed = np.isfinite(outcome)
    overdue = ~closed & created.notna().to_numpy()
    for recode in (False, True):
        tables = found.tables(0, before, open_is_lost=recode)
        judged = read_leads(source, mapping)
        judged.outcome[overdue & recode] = 0.0  # type: ignore[index]
        rows = old & (closed | (overdue & recode))
        for name, table in tables.items():
            expected = in_memory(judged, FRAMEWORKS[name], rows)
            np.testing.assert_array_equal(table.levels, expected.levels)
            np.testing.assert_array_equal(table.counts(), expected.counts())
            assert (table.won >= 0).all()
            assert (table.lost >= 0).all()
    undated = found.ended.key == UNDATED
    assert found.ended.won[undated].sum() == (created.isna() & (outcome == 1)).sum()


def test_the_sample_is_read_as_all_leads_are_and_groups_stay_whole(folder: Path) -> None:
    source = folder / "deals.csv"
    whole, found = read_leads(source, GROUPED), count(source, GROUPED)
    assert 1980 < len(found.leads) <= 2000
    at = np.flatnonzero(np.isin(whole.lead_id, found.leads.lead_id))
    for name in ("levels", "context"):
        pd.testing.assert_frame_equal(
            getattr(found.leads, name), getattr(whole, name).iloc[at].reset_index(drop=True)
        )
    for name in ("lead_id", "outcome", "amount"):
        np.testing.assert_array_equal(getattr(found.leads, name), getattr(whole, name)[at])
    assert whole.group is not None
    assert found.leads.group is not None
    kept = np.isin(whole.group, whole.group[at])
    assert kept.sum() == len(at)
    # the same rows are together, whatever their groups are called
    pairs = np.unique(np.stack([whole.group[at], found.leads.group]), axis=1)
    assert pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


def test_the_sample_is_the_same_each_time_and_uniform(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder / "deals.csv"
    found = count(source)
    rows = np.array([int(name[1:]) for name in found.leads.lead_id])
    assert len(rows) == 2000
    # ten stretches of the file: chi-squared with 9 degrees of freedom, 99.9th percentile
    by_stretch = np.bincount((rows - 1) // (N // 10), minlength=10)
    assert ((by_stretch - len(rows) / 10) ** 2 / (len(rows) / 10)).sum() < 27.9
    monkeypatch.setattr(csv_text, "CSV_BLOCK_BYTES", 13_000)
    assert count(source).leads.lead_id.tolist() == found.leads.lead_id.tolist()
    assert count(folder / "deals.parquet").leads.lead_id.tolist() == found.leads.lead_id.tolist()
    other = count(source, random_state=1).leads.lead_id
    assert len(np.intersect1d(other, found.leads.lead_id)) < len(rows) / 2


def test_when_chunks_are_judged_does_not_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder / "deals.parquet"
    found = count(source, GROUPED).leads.lead_id.tolist()
    one_by_one = lambda _, work, items: ((each, work(each)) for each in items)  # noqa: E731
    all_first = lambda _, work, items: [(each, work(each)) for each in items]  # noqa: E731
    for order in (one_by_one, all_first):
        monkeypatch.setattr(Workers, "map", order)
        assert count(source, GROUPED).leads.lead_id.tolist() == found


@pytest.mark.parametrize(
    "written",
    [
        {"row_group_size": 7000},
        {"use_dictionary": False},
        {"use_dictionary": ["role", "made"], "dictionary_pagesize_limit": 500},
        {"row_group_size": 100},
        {"use_dictionary": False, "column_encoding": {"role": "DELTA_BYTE_ARRAY", "need": "PLAIN"}},
        {"data_page_version": "2.0", "compression": "zstd"},
    ],
    ids=lambda written: ",".join(written),
)
@pytest.mark.parametrize("mapping", [DATED, GROUPED], ids=["dated", "grouped"])
def test_how_parquet_holds_texts_does_not_matter(
    folder: Path, tmp_path: Path, mapping: dict[str, Any], written: dict[str, Any]
) -> None:
    table = pq.read_table(folder / "deals.parquet")
    pq.write_table(table, tmp_path / "deals.parquet", **written)
    assert_alike(count(tmp_path / "deals.parquet", mapping), count(folder / "deals.csv", mapping))


def test_categories_of_a_frame_are_texts_and_numbers(folder: Path, tmp_path: Path) -> None:
    frame = pq.read_table(folder / "deals.parquet").to_pandas()
    kinds = dict.fromkeys(("status", "role", "need", "account", "made", "worth"), "category")
    frame.astype(kinds).to_parquet(tmp_path / "deals.parquet", row_group_size=6000)
    assert_alike(count(tmp_path / "deals.parquet", DATED), count(folder / "deals.csv", DATED))


def assert_alike(one: Counted, other: Counted) -> None:
    pd.testing.assert_frame_equal(one.leads.levels, other.leads.levels)
    pd.testing.assert_frame_equal(one.leads.rejected, other.leads.rejected)
    for name in ("lead_id", "outcome", "amount", "row_key", "group"):
        np.testing.assert_array_equal(getattr(one.leads, name), getattr(other.leads, name))
    assert one.rejections is not None
    assert other.rejections is not None
    assert one.rejections.n_rows == other.rejections.n_rows
    for where in ("by_month", "by_group"):
        for name, cells in getattr(one, where).items():
            for field in ("key", "pattern", "won", "lost", "open"):
                np.testing.assert_array_equal(
                    getattr(cells, field), getattr(getattr(other, where)[name], field)
                )


def test_texts_that_repeat_are_not_written_out_to_be_counted(folder: Path) -> None:
    table = open_table(folder / "deals.parquet", to_count=True)
    kinds = {field.name: field.type for field in next(table.chunks()).data.schema}
    assert [name for name, kind in kinds.items() if pa.types.is_dictionary(kind)] == [
        "status",
        "role",
        "team",
    ]
    assert kinds["id"] == kinds["worth"] == pa.string()
    plain = next(open_table(folder / "deals.parquet").chunks()).data.schema
    assert not any(pa.types.is_dictionary(field.type) for field in plain)


def test_counts_added_up_by_a_table_are_those_added_up_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for keys in ([0], [0, 24_301, 24_300], [7], [-5, 1 << 40]):
        cells = np.stack(
            [rng.choice(keys, 500), rng.integers(0, 36, 500), *rng.integers(0, 1 << 44, (3, 500))]
        )
        added = sum_cells(cells)
        with monkeypatch.context() as patch:
            patch.setattr(counted, "LARGEST_TABLE", 0)
            np.testing.assert_array_equal(sum_cells(cells), added)
        np.testing.assert_array_equal(added[2:].sum(axis=1), cells[2:].sum(axis=1))


def test_folds_and_buckets_share_the_deals_out(folder: Path) -> None:
    source = folder / "deals.parquet"
    plain = count(source).tables(0)["bant"]
    by_fold = np.bincount(plain.key, plain.won + plain.lost)
    assert len(by_fold) == plain.n_keys == 5
    assert (abs(by_fold - by_fold.mean()) < 5 * np.sqrt(by_fold.mean())).all()
    grouped = count(source, GROUPED).tables(0)["bant"]
    by_bucket = np.bincount(grouped.key, grouped.won + grouped.lost)
    assert len(by_bucket) == grouped.n_keys == 200
    assert by_bucket.min() > 0


def test_a_few_large_groups_are_thinned_by_rows(folder: Path) -> None:
    found = count(folder / "deals.parquet", {**MAPPING, "group": ["team"]})
    assert len(found.leads) == 2000
    assert found.leads.group is not None
    assert len(np.unique(found.leads.group)) == 3


def test_every_row_is_a_lead_or_rejected_with_its_reason(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder / "deals.csv"
    leads = read_leads(source, DATED)
    leads.rejected.to_csv(tmp_path / "expected.csv", index=False)
    for held in (10, 10_000):
        monkeypatch.setattr(rejections, "HELD", held)
        found = count(source, DATED)
        assert found.rejections is not None
        assert found.n_leads + found.rejections.n_rows == found.leads.n_rows == N
        found.rejections.save(tmp_path / "rejected.csv")
        assert (tmp_path / "rejected.csv").read_text() == (tmp_path / "expected.csv").read_text()
        said = [each["explanation"] for each in found.leads.findings if each["code"] == "LML104"]
        assert said == [each["explanation"] for each in leads.findings if each["code"] == "LML104"]


def test_few_rows_are_read_as_ever(folder: Path) -> None:
    leads, found = read_leads(folder / "deals.csv", DATED), count(folder / "deals.csv", DATED, most=N)
    assert not found.is_sampled
    assert found.by_month == {}
    pd.testing.assert_frame_equal(found.leads.levels, leads.levels)
    pd.testing.assert_frame_equal(found.leads.rejected, leads.rejected)
    np.testing.assert_array_equal(found.leads.row_key, leads.row_key)
    assert (found.leads.digest, found.leads.findings) == (leads.digest, leads.findings)


def test_a_frame_has_the_same_digest_however_it_is_read(folder: Path) -> None:
    frame = pq.read_table(folder / "deals.parquet").to_pandas()
    assert count(frame).leads.digest == read_leads(frame, MAPPING).digest  # type: ignore[arg-type]
    frame.loc[7, "role"] = None
    assert count(frame).leads.digest != read_leads(folder / "deals.parquet", MAPPING).digest  # type: ignore[arg-type]


def test_what_cannot_be_counted_is_said(folder: Path, tmp_path: Path) -> None:
    narrow = {**MAPPING, "outcome": {"column": "status", "won": ["Won"], "lost": ["No"], "open": ["Open"]}}
    with pytest.raises(InputError, match=r"'Lost' in \d{5} rows"):
        count(folder / "deals.csv", narrow)
    with pytest.raises(InputError, match="'account 7'"):
        count(folder / "deals.csv", {**MAPPING, "group": ["account 7"]})
    bad = "id,status,money,role,need,worth\n" + "1,Won,1,none,2,3\n" * 3000
    (tmp_path / "bad.csv").write_text(bad)
    with pytest.raises(InputError, match="every row was rejected; row 1: role 'none'"):
        count(tmp_path / "bad.csv")
