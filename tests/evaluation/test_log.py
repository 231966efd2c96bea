"""The log on disk: what is written is read, and old blocks are never rewritten."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadml.evaluation.log import COLUMNS, NO_DAY, Entries, Log
from leadml.evaluation.metrics import HeldOut
from leadml.exceptions import InputError


@pytest.fixture
def full_log(make_log):
    n = 60
    log = make_log(n)
    rng = np.random.default_rng(1)
    closed = np.arange(n, dtype=np.int32)
    closed[3] = NO_DAY
    return dataclasses.replace(
        log,
        closed=closed,
        followed_up=rng.uniform(size=n) < 0.7,
        propensity=np.where(rng.uniform(size=n) < 0.5, 0.25, np.nan),
        lead_id=pa.array([f"D{i % 50}" for i in range(n)]),  # ids may repeat
    )


def with_entry(log: Log, name: str, entries: Entries) -> Log:
    return dataclasses.replace(log, entries={**log.entries, name: entries})


def same(one: Log, other: Log) -> None:
    for field in ("block", "repeat", "outcome", "unit", "weight", "closed", "followed_up", "propensity"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
    assert [*one.entries] == [*other.entries]
    for name in one.entries:
        for field in ("score", "probability", "decision"):
            np.testing.assert_array_equal(getattr(one.entries[name], field), getattr(other.entries[name], field))


def test_what_is_written_is_read(full_log, tmp_path):
    log = full_log
    assert log.append(tmp_path / "log.parquet")
    table = pq.read_table(tmp_path / "log.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table.num_rows == 2 * len(log)
    assert table["probability"].null_count == len(log)  # a documented rule tells none
    back = Log.read(tmp_path / "log.parquet")
    same(log, back)
    assert back.lead_id.equals(log.lead_id)


def test_a_log_without_ids_and_dates_is_read_back(make_log, tmp_path):
    log = make_log(40)
    assert log.append(tmp_path / "log.parquet")
    back = Log.read(tmp_path / "log.parquet")
    same(log, back)
    assert back.lead_id.to_pylist() == [str(i + 1) for i in range(40)]


def test_blocks_and_contenders_are_appended_and_old_ones_stay(full_log, tmp_path):
    path, log = tmp_path / "log.parquet", full_log
    first = log.subset(log.block < 2)
    assert first.append(path)
    same(Log.read(path), first)
    kept = pq.read_table(path)
    later = with_entry(log, "late", Entries(*(np.ones(len(log)),) * 3))
    assert later.append(path)  # old blocks come again, with a contender that entered later
    assert not later.append(path)
    same(Log.read(path), later)
    now = pq.read_table(path)
    assert now.slice(0, len(log)).num_rows == len(log)
    assert set(map(str, kept.to_pylist())) <= set(map(str, now.to_pylist()))
    only_new = log.subset(log.block == 3)
    assert dataclasses.replace(only_new, block=only_new.block + 1).append(path)
    assert len(Log.read(path)) == len(log) + len(only_new)


@pytest.mark.parametrize("what", ["score", "outcome"])
def test_an_old_block_that_comes_out_otherwise_is_refused(full_log, tmp_path, what):
    path, log = tmp_path / "log.parquet", full_log
    log.append(path)
    if what == "outcome":
        changed = dataclasses.replace(log, outcome=(1 - log.outcome).astype(np.int8))
    else:
        entries = log.entries["card"]
        changed = with_entry(log, "card", dataclasses.replace(entries, score=entries.score + 1))
    before = path.read_bytes()
    with pytest.raises(InputError, match="only appended to"):
        changed.append(path)
    assert path.read_bytes() == before


def test_what_is_no_log_is_named(tmp_path):
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(InputError, match="not a log"):
        Log.read(tmp_path / "a.parquet")
    pq.write_table(pa.table({"lead_id": ["1"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="no column block"):
        Log.read(tmp_path / "b.parquet")


def test_rows_count_by_weight_repeat_and_chance(make_log):
    log = make_log(8, blocks=2)
    twice = dataclasses.replace(log, repeat=log.block)
    np.testing.assert_array_equal(HeldOut(twice).weight, 0.5)
    worked = np.array([1, 1, 0, 0, 1, 1, 1, 1], bool)
    chance = np.array([0.25, 1, 0.25, 1, np.nan, np.nan, 1, 1])
    drawn = dataclasses.replace(log, followed_up=worked, propensity=chance)
    np.testing.assert_array_equal(HeldOut(drawn).weight, [4, 1, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(HeldOut(dataclasses.replace(log, propensity=chance)).weight[:2], [4, 1])
