"""Scoring a table in a stream: nothing is lost, overwritten, reordered or run as a formula."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadml.card import Card, build_card
from leadml.card.scores import COLUMNS
from leadml.engines import score_table
from leadml.exceptions import InputError, UsageError
from leadml.leads.mapping import Mapping, load_mapping


@pytest.fixture
def mapping() -> Mapping:
    return load_mapping(
        {
            "name": "ours",
            "lead_id": "Deal",
            "criteria": {
                "need": {"column": "Need"},
                "authority": {"column": "Role", "levels": {"Low": 1, "High": 4}},
            },
            "facts": {"purchase": {"column": "Kind", "values": {"repeat": ["Renewal"]}}},
        }
    )


def make_card(name: str = "mine", cutoff: int = 5) -> Card:
    return build_card(
        name=name,
        criteria=["authority", "need", "budget"],
        points=[[0, 1, 2, 3, 4]] * 3,
        unknown_points=[0, 0, 0],
        documented_points=[[0, 1, 2, 3, 4]] * 3,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": cutoff, "action": "follow up"},
        ],
        cutoff=cutoff,
        created_at="2026-01-01",
        kind="documented",
        caveats=[{"id": "repeat", "text": "Less fit.", "when": {"purchase": ["repeat"]}}],
    )


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_text(
        "Deal,Need,Role,Kind,points,Note\n"
        "a1,4,High,Renewal,x,=1+1\n"
        "a2,7,Low,New,x,plain\n"
        "a3,,Low,,x,-5\n"
        "a4,2,Middle,,x,+31 20 123\n"
        'a5,1,,,x,"two, words"\n'
        "=a6,0,Low,,x,@SUM(A1)\n",
        encoding="utf-8",
    )
    return path


def read_rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def quiet(message: str) -> None:
    """Say nothing."""


def test_rows_are_scored_or_rejected(tmp_path: Path, export: Path, mapping: Mapping) -> None:
    said: list[str] = []
    out = tmp_path / "scores.csv"
    totals = score_table(export, mapping, [make_card()], str(out), say=said.append)
    assert (totals.n_rows, totals.n_scored, totals.n_rejected) == (6, 4, 2)
    rows = read_rows(out)
    assert list(rows[0]) == ["lead_id", *COLUMNS]
    assert [row["lead_id"] for row in rows] == ["a1", "a3", "a5", "'=a6"]
    assert rows[0] == {
        "lead_id": "a1",
        "probability": "",
        "points": "8",
        "points_max": "12",
        "low": "8",
        "high": "12",
        "band": "now",
        "action": "follow up",
        "decision": "ready",
        "settled": "true",
        "ask_next": "",
        "unknown": "budget",
        "reasons": "authority +4; need +4",
        "caveats": "repeat",
        "model": "mine",
    }
    assert rows[1]["caveats"] == ""
    rejected = read_rows(tmp_path / "scores.csv.rejected.csv")
    assert [(row["row"], row["column"], row["value"]) for row in rejected] == [
        ("2", "Need", "7"),
        ("4", "Role", "Middle"),
    ]
    assert said[-1] == f"6 rows = 4 scored + 2 rejected (why: {out}.rejected.csv)"
    assert "not mapped, so unknown for every lead: budget" in said
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "export.csv",
        "scores.csv",
        "scores.csv.rejected.csv",
    ]


def test_kept_columns_are_never_overwritten_nor_run(tmp_path: Path, export: Path, mapping: Mapping) -> None:
    said: list[str] = []
    out = tmp_path / "scores.csv"
    score_table(export, mapping, [make_card()], str(out), keep_columns=True, say=said.append)
    rows = read_rows(out)
    assert list(rows[0])[15:] == ["Deal", "Need", "Role", "Kind", "input_points", "Note"]
    assert {row["input_points"] for row in rows} == {"x"}
    assert rows[0]["points"] == "8"
    assert [row["Note"] for row in rows] == ["'=1+1", "-5", "two, words", "'@SUM(A1)"]
    assert "kept under another name, as theirs is taken: points as input_points" in said
    assert "4 cells that a spreadsheet would run as a formula begin with ' now" in said
    score_table(export, mapping, [make_card()], str(tmp_path / "s.parquet"), keep_columns=True, say=quiet)
    kept = pq.read_table(tmp_path / "s.parquet")
    assert kept["Note"].to_pylist() == ["=1+1", "-5", "two, words", "@SUM(A1)"]  # no cell of it is a formula


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_xlsx(path: Path) -> list[dict[str, Any]]:
    from python_calamine import CalamineWorkbook

    header, *rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("ending", "read"),
    [
        (".tsv", lambda path: read_rows(path, "\t")),
        (".parquet", lambda path: pq.read_table(path).to_pylist()),
        (".jsonl", read_jsonl),
        (".xlsx", read_xlsx),
    ],
)
def test_every_kind_of_file_holds_the_same(
    tmp_path: Path,
    export: Path,
    mapping: Mapping,
    ending: str,
    read: Callable[[Path], list[dict[str, Any]]],
) -> None:
    score_table(export, mapping, [make_card()], str(tmp_path / "a.csv"), say=quiet)
    out = tmp_path / f"b{ending}"
    score_table(export, mapping, [make_card()], str(out), say=quiet)
    for plain, other in zip(read_rows(tmp_path / "a.csv"), read(out), strict=True):
        assert list(plain) == list(other)
        for name, text in plain.items():
            value = other[name]
            found = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            assert found.removesuffix(".0") == text.removeprefix("'") or (ending == ".tsv" and found == text)


def test_several_cards_stand_lead_by_lead_in_order(tmp_path: Path, mapping: Mapping) -> None:
    n = 150_000  # more than two batches
    rng = np.random.default_rng(0)
    ids = [f"d{row}" for row in range(n)]
    roles = np.array(["Low", "High", ""])[rng.integers(0, 3, n)].tolist()
    table = pa.table({"Deal": ids, "Need": rng.integers(0, 5, n), "Role": roles, "Kind": [None] * n})
    pq.write_table(table, tmp_path / "big.parquet")
    cards = [make_card("strict", 9), make_card("loose", 1)]
    totals = score_table(
        tmp_path / "big.parquet", mapping, cards, str(tmp_path / "s.parquet"), name_policy=True, say=quiet
    )
    found = pq.read_table(tmp_path / "s.parquet")
    assert totals.n_scored == n
    assert found.column_names[:3] == ["lead_id", "policy", "probability"]
    assert found["lead_id"].to_pylist() == [each for each in ids for _ in cards]
    assert found["policy"].to_pylist() == ["strict", "loose"] * n
    points = np.repeat(
        np.array([{"Low": 1, "High": 4, "": 0}[role] for role in roles]) + table["Need"].to_numpy(), 2
    )
    assert found["points"].to_pylist() == points.tolist()
    assert pq.read_metadata(tmp_path / "s.parquet").num_rows == 2 * n


def test_a_mapping_without_an_identity_counts_rows(tmp_path: Path, mapping: Mapping) -> None:
    source = tmp_path / "in.csv"
    source.write_text("Need\n1\n9\n3\n")
    only_need = load_mapping({"name": "n", "criteria": {"need": {"column": "Need"}}})
    score_table(source, only_need, [make_card()], str(tmp_path / "out.csv"), say=quiet)
    assert [row["lead_id"] for row in read_rows(tmp_path / "out.csv")] == ["1", "3"]


def test_nothing_is_left_when_no_row_can_be_used(tmp_path: Path, mapping: Mapping) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("Deal,Need,Role,Kind\na,9,Low,\n")
    out.write_text("before")
    with pytest.raises(InputError, match=r"none of its 1 rows can be used; see .*out\.csv\.rejected\.csv"):
        score_table(source, mapping, [make_card()], str(out), say=quiet)
    assert out.read_text() == "before"
    assert len(read_rows(Path(f"{out}.rejected.csv"))) == 1
    # A later run without rejected rows takes the old list away.
    source.write_text("Deal,Need,Role,Kind\na,3,Low,\n")
    score_table(source, mapping, [make_card()], str(out), say=quiet)
    assert not Path(f"{out}.rejected.csv").exists()


def test_a_failure_midway_leaves_the_old_file(tmp_path: Path, mapping: Mapping) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.csv"
    folder.mkdir()
    for name, cell in (("a", "x"), ("b", b"\xff")):
        text = b"Deal,Need,Role,Kind\n1,2,Low," + (cell.encode() if isinstance(cell, str) else cell) + b"\n"
        (folder / f"{name}.csv").write_bytes(text)
    out.write_text("before")
    mapping = mapping.model_copy(update={"read": mapping.read.model_copy(update={"encoding": "utf-8"})})
    with pytest.raises(InputError):
        score_table(folder, mapping, [make_card()], str(out), say=quiet)
    assert out.read_text() == "before"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "out.csv"]


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("scores.doc", r"got 'scores\.doc', valid endings are \.csv"),
        ("none/scores.csv", "is no folder"),
        ("in.csv", "is the input itself"),
    ],
)
def test_a_destination_that_cannot_be_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapping: Mapping, out: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("Deal,Need,Role,Kind\na,3,Low,\n")
    with pytest.raises(UsageError, match=says):
        score_table("in.csv", mapping, [make_card()], out, say=quiet)
    assert Path("in.csv").read_text().startswith("Deal,Need")


def test_what_the_mapping_cannot_say_is_refused_by_name(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("Goals\n3\n")
    other = load_mapping({"name": "other", "criteria": {"goals": {"column": "Goals"}}})
    with pytest.raises(InputError, match=r"mapping 'other' says nothing about authority, need, budget"):
        score_table(source, other, [make_card()], str(tmp_path / "out.csv"), say=quiet)
    missing = load_mapping({"name": "m", "criteria": {"need": {"column": "Gaols"}}})
    with pytest.raises(InputError, match=r"'Gaols' \(criteria\.need\); did you mean"):
        score_table(source, missing, [make_card()], str(tmp_path / "out.csv"), say=quiet)


def test_columns_that_may_be_absent_must_not_all_be(tmp_path: Path) -> None:
    said: list[str] = []
    source = tmp_path / "in.csv"
    criteria = {name: {"column": name} for name in ("need", "budget", "authority")}
    mapping = load_mapping({"name": "m", "optional": True, "criteria": criteria})
    source.write_text("need,x\n4,1\n")
    score_table(source, mapping, [make_card()], str(tmp_path / "out.csv"), say=said.append)
    assert "not in the file, so unknown: budget, authority" in said
    assert read_rows(tmp_path / "out.csv")[0]["unknown"] == "authority; budget"
    source.write_text("x\n1\n")
    with pytest.raises(InputError, match="has no column that says anything about authority, need, budget"):
        score_table(source, mapping, [make_card()], str(tmp_path / "out.csv"), say=quiet)
