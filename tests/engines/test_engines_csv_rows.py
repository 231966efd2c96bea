"""Lines made of look-ups are what Arrow's own writer makes of the whole table, and the order is kept."""

import csv
import datetime
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from leadml.card import Card, build_card
from leadml.card.scores import COLUMNS
from leadml.engines import score_table
from leadml.engines.scorer import Scorer
from leadml.exceptions import UsageError
from leadml.leads import csv_text
from leadml.leads.mapping import Mapping, load_mapping
from leadml.leads.tables import open_table
from leadml.records import CANONICAL


def make_card(ids: tuple[str, ...], name: str = "mine") -> Card:
    """A learned card with a gate, a caveat that depends on a fact, and words that need quotes."""
    points = [[0, 1, 1, 3, 3 + at] for at in range(len(ids))]
    total = sum(row[4] for row in points)
    probability = [1 / (1 + np.exp(2 - 4 * each / total)) for each in range(total + 1)]
    return build_card(
        name=name,
        criteria=list(ids),
        points=points,
        unknown_points=[1] * len(ids),
        documented_points=[[0, 1, 2, 3, 4]] * len(ids),
        bands=[
            {"id": "no", "title": "No", "from": 0, "action": 'drop, "now"'},
            {"id": "yes", "title": "Yes", "from": total // 2, "action": "follow up"},
        ],
        cutoff=total // 2,
        created_at="2026-01-01",
        base=-2.0,
        slope=4 / total,
        table=[(each, p, p / 2, min(1.0, p * 1.5)) for each, p in enumerate(probability)],
        gates=[{"criterion": ids[0], "below": 1, "text": "No."}],
        caveats=[
            {"id": "always", "text": "So.", "when": {}},
            {"id": "repeat", "text": "Less fit.", "when": {"purchase": ["repeat"]}},
        ],
    )


def make_mapping(ids: tuple[str, ...]) -> Mapping:
    return load_mapping(
        {
            "name": "ours",
            "lead_id": "Deal",
            "criteria": {name: {"column": name} for name in ids},
            "facts": {"purchase": {"column": "Kind", "values": {"repeat": ["R"]}}},
        }
    )


def make_export(n: int, ids: tuple[str, ...], *, nulls: bool = False) -> pa.Table:
    rng = np.random.default_rng(n)
    columns: dict[str, Any] = {"Deal": [f'd"{row}' if row % 7 == 0 else f"d,{row}" for row in range(n)]}
    if nulls:
        columns["Deal"][n // 2] = None
    for name in ids:
        columns[name] = [None if level == 5 else int(level) for level in rng.integers(0, 6, n)]
    columns["Kind"] = [("R", "N", None)[row % 3] for row in range(n)]
    columns["Amount"] = [None if row % 5 == 0 else row / 3 for row in range(n)]
    columns["Day"] = [None if row % 4 == 0 else datetime.date(2026, 1, 1 + row % 28) for row in range(n)]
    columns["At"] = [datetime.datetime(2026, 1, 1, row % 24) for row in range(n)]
    columns["Note"] = [None if row % 6 == 0 else 'a "b"\nc' for row in range(n)]
    return pa.table(columns)


def written(batches: list[pa.RecordBatch], delimiter: str = ",") -> bytes:
    """What Arrow's writer makes of batches."""
    sink = pa.BufferOutputStream()
    table = pa.Table.from_batches(batches)
    plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    pc.write_csv(pa.table(plain, names=table.column_names), sink, pc.WriteOptions(delimiter=delimiter))
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("keep_columns", [False, True])
@pytest.mark.parametrize("n_cards", [1, 2])
@pytest.mark.parametrize(("n", "n_criteria"), [(1, 2), (50, 3), (65, 3), (3000, 3), (400, 9)])
def test_lines_are_those_of_arrow(
    tmp_path: Path, n: int, n_criteria: int, n_cards: int, keep_columns: bool, nulls: bool
) -> None:
    ids = CANONICAL[:n_criteria]
    cards = [make_card(ids, name) for name in ("one", "two")[:n_cards]]
    pq.write_table(make_export(n, ids, nulls=nulls), tmp_path / "in.parquet")
    options = {"keep_columns": keep_columns, "name_policy": n_cards > 1}
    mapping = make_mapping(ids)
    table = open_table(tmp_path / "in.parquet")
    scorer = Scorer(table, mapping, cards, **options)
    expected = written([scorer.score(chunk)[0] for chunk in table.chunks(scorer.columns)])
    score_table(tmp_path / "in.parquet", mapping, cards, str(tmp_path / "o.csv"), say=print, **options)
    assert (tmp_path / "o.csv").read_bytes() == expected


def test_packed_text_holds_the_same(tmp_path: Path) -> None:
    ids = CANONICAL[:3]
    pq.write_table(make_export(500, ids), tmp_path / "in.parquet")
    for out in ("o.csv", "o.csv.gz", "o.csv.zst", "o.jsonl", "o.jsonl.gz"):
        score_table(
            tmp_path / "in.parquet", make_mapping(ids), [make_card(ids)], str(tmp_path / out), say=print
        )
    plain = (tmp_path / "o.csv").read_bytes()
    assert gzip.decompress((tmp_path / "o.csv.gz").read_bytes()) == plain
    assert pa.input_stream(str(tmp_path / "o.csv.zst"), compression="zstd").read() == plain
    assert gzip.decompress((tmp_path / "o.jsonl.gz").read_bytes()) == (tmp_path / "o.jsonl").read_bytes()
    for out in ("o.parquet.gz", "o.gz", "o.xlsx.zst"):
        with pytest.raises(UsageError, match="valid endings are"):
            score_table(tmp_path / "in.parquet", make_mapping(ids), [make_card(ids)], out, say=print)


def test_some_columns_are_those_of_the_whole(tmp_path: Path) -> None:
    ids = CANONICAL[:3]
    pq.write_table(make_export(300, ids), tmp_path / "in.parquet")
    names = ("band", "probability", "points")
    for out, told in (("all.parquet", None), ("some.parquet", names), ("some.csv", names)):
        score_table(
            tmp_path / "in.parquet",
            make_mapping(ids),
            [make_card(ids)],
            str(tmp_path / out),
            told=told,
            say=print,
        )
    whole, some = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("all", "some"))
    assert some.equals(whole.select(["lead_id", *names]))
    assert pc.read_csv(tmp_path / "some.csv").column_names == ["lead_id", *names]
    with pytest.raises(UsageError, match="got 'bands', valid are probability"):
        score_table(tmp_path / "in.parquet", make_mapping(ids), [], "o.csv", told=["bands"], say=print)


def test_parquet_holds_texts_and_few_large_groups(tmp_path: Path) -> None:
    ids = CANONICAL[:3]
    n = 300_000
    pq.write_table(
        pa.table({"Deal": pa.array(np.arange(n)).cast(pa.string()), **{i: np.arange(n) % 5 for i in ids}}),
        tmp_path / "in.parquet",
        row_group_size=10_000,
    )
    mapping = load_mapping({**make_mapping(ids).model_dump(exclude={"facts"}, exclude_defaults=True)})
    score_table(tmp_path / "in.parquet", mapping, [make_card(ids)], str(tmp_path / "o.parquet"), say=print)
    found = pq.read_table(tmp_path / "o.parquet")
    kinds = {"probability": "double", "settled": "bool"} | dict.fromkeys(
        ("points", "points_max", "low", "high"), "int32"
    )
    found_kinds = [str(each) for each in found.schema.types]
    assert found_kinds == ["string", *(kinds.get(name, "string") for name in COLUMNS)]
    assert pq.read_metadata(tmp_path / "o.parquet").num_row_groups == 2
    assert found["lead_id"].to_pylist() == [str(row) for row in range(n)]


def test_rows_keep_order_and_number_through_blocks_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_text, "CSV_BLOCK_BYTES", 500)
    (tmp_path / "in").mkdir()
    bad = {}
    for file in range(2):
        lines = []
        for row in range(1, 2001):
            level = "9" if row % 97 == 0 else str(row % 5)
            lines.append(f"{level},x,x" if row % 89 == 0 else f"{level},x")
            if row % 97 == 0 or row % 89 == 0:
                bad[file * 2000 + row] = row
        (tmp_path / "in" / f"{file}.csv").write_text("Need,y\n" + "\n".join(lines) + "\n")
    mapping = load_mapping({"name": "n", "criteria": {CANONICAL[0]: {"column": "Need"}}})
    out = tmp_path / "o.csv"
    totals = score_table(tmp_path / "in", mapping, [make_card(CANONICAL[:1])], str(out), say=print)
    assert (totals.n_rows, totals.n_rejected) == (4000, len(bad))
    with out.open(newline="") as file:
        found = [int(row["lead_id"]) for row in csv.DictReader(file)]
    assert found == [row for row in range(1, 4001) if row not in bad]
    with Path(f"{out}.rejected.csv").open(newline="") as file:
        assert [int(row["row"]) for row in csv.DictReader(file)] == sorted(bad)
