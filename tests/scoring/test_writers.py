"""What is written is what was scored: every kind of file, whole or not at all, and no cell of it runs."""

import contextlib
import csv
import gzip
import io
import json
import os
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadml.card.files import replacing, sweep
from leadml.data.rejections import guard_formula
from leadml.exceptions import InputError, UsageError
from leadml.scoring.predicting import open_writer
from leadml.scoring.scorer import Scored
from leadml.scoring.writers import Layout, batch_of, check_out, guard

TEXTS = ["plain", 'a "quote"', "two, words; three\ttabs", "line\nend", "", "Käse €", "=1+1", "-5"]
LAYOUT = Layout(columns=("probability", "points", "band", "settled"), kept=("Note", "Amount"))


def make_scored(ids=TEXTS, start=0):
    n = len(ids)
    answers = pa.RecordBatch.from_pydict(
        {
            "probability": pa.array([0.125, None, 0.5]),
            "points": pa.array([1, 2, 3], pa.int32()),
            "band": ["now", 'la"ter', "drop"],
            "settled": [True, False, True],
        }
    )
    kept = {"Note": pa.array([*TEXTS, None] * n).slice(0, n), "Amount": pa.array([1.5, None] * n).slice(0, n)}
    own = pa.RecordBatch.from_pydict({"lead_id": pa.array(ids), **kept})
    return Scored(own, answers, (np.arange(n) % 3).astype(np.int32))


def write(path, scored, layout=LAYOUT):
    with open_writer(str(path), layout) as writer:
        for each in scored:
            writer.write(writer.make(each))
    return writer


def test_csv_is_what_pyarrow_writes(tmp_path):
    scored = [make_scored(), make_scored(["x"])]
    plain = [batch_of(each, LAYOUT) for each in scored]
    write(tmp_path / "a.csv", [make_scored(TEXTS[:6])], Layout(columns=LAYOUT.columns))
    table = pa.Table.from_batches([plain[0].slice(0, 6)]).select(["lead_id", *LAYOUT.columns])
    expected = io.BytesIO()
    pyarrow.csv.write_csv(table, expected)
    assert (tmp_path / "a.csv").read_bytes() == expected.getvalue()


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet", ".xlsx", ".csv.gz", ".csv.zst"])
def test_every_kind_reads_back(tmp_path, ending):
    scored = [make_scored(), make_scored(["x", "y"])]
    path = tmp_path / f"out{ending}"
    writer = write(path, scored)
    want = pa.Table.from_batches([batch_of(each, LAYOUT).cast(pq_schema()) for each in scored]).to_pylist()
    got = read(path)
    assert [row["lead_id"].lstrip("'") for row in got] == [row["lead_id"].lstrip("'") for row in want]
    for key in ("probability", "points", "Amount"):
        assert [float(row[key]) if row[key] not in ("", None) else None for row in got] == [
            None if row[key] is None else float(row[key]) for row in want
        ]
    if "csv" in ending or "tsv" in ending:
        assert writer.n_guarded == 2  # an identity and a note
        assert [row["Note"] for row in got][6:8] == ["'=1+1", "-5"]
    else:
        assert [row["Note"] or "" for row in got] == [row["Note"] or "" for row in want]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def pq_schema():
    kinds = {"probability": pa.float64(), "points": pa.int32(), "band": pa.string(), "settled": pa.bool_()}
    return pa.schema({"lead_id": pa.string(), **kinds, "Note": pa.string(), "Amount": pa.float64()})


def read(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".xlsx":
        from python_calamine import CalamineWorkbook

        header, *rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
        assert header == ["Lead", "Chance", "Points", "Band", "Settled", "Note", "Amount"]
        return [dict(zip(LAYOUT.names, row, strict=True)) for row in rows]
    if path.suffix == ".gz":
        text = gzip.decompress(path.read_bytes()).decode()
    else:
        text = pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None).read().decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ","))


def test_dutch_numbers_and_delimiter(tmp_path):
    scored = make_scored(["a", "b"])
    scored = scored._replace(own=scored.own.select(["lead_id", "Amount"]))
    index = scored.answers.schema.get_field_index("probability")  # a chance is rounded, the input is not
    chances = pa.array([each and each + 3e-5 for each in scored.answers.column(index).to_pylist()], pa.float64())
    scored = scored._replace(answers=scored.answers.set_column(index, "probability", chances))
    write(tmp_path / "a.csv", [scored], Layout(("probability", "points"), ("Amount",), locale="nl"))
    assert (tmp_path / "a.csv").read_text("utf-8").splitlines() == [  # with a mark by which Excel knows accents
        '\ufeff"lead_id";"probability";"points";"Amount"', '"a";"0,125";1;"1,5"', '"b";;2;'
    ]  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_chances_can_be_rounded(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write(path, [make_scored(["a", "b", "c"])], Layout(("probability", "points"), digits=1))
    assert [row["probability"] or None for row in read(path)] in ([0.1, None, 0.5], ["0.1", None, "0.5"])


@example([f"{space}=1" for space in map(chr, range(0x10000)) if space.isspace()] + ["\ufeff=1", "\u200b=1"])
@given(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from("=+-@ 1\t"), max_size=6), min_size=1))
def test_guard_marks_every_formula_and_nothing_else(texts):
    column, n = guard(pa.array(["", *texts]).slice(1))
    assert column.to_pylist() == [guard_formula(each) for each in texts]
    assert n == sum(guard_formula(each) != each for each in texts)


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with contextlib.suppress(RuntimeError), open_writer(str(path), LAYOUT) as writer:
        writer.write(writer.make(make_scored()))
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_the_new_file_takes_its_place_by_one_rename(tmp_path):
    """A reader that opens the path at any time finds a whole file: the old one or the new one."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    watch = f"import os, time\nwhile os.path.exists({str(tmp_path / 'go')!r}): open({str(path)!r}).close()"
    (tmp_path / "go").touch()
    reader = subprocess.Popen([sys.executable, "-c", watch], stderr=subprocess.PIPE)
    for _ in range(300):
        with replacing(path) as temporary:
            temporary.write_text("new")
    (tmp_path / "go").unlink()
    assert reader.communicate()[1] == b""


def test_a_killed_run_is_swept_at_the_next_start(tmp_path):
    code = (
        "import os, sys; from leadml.card.files import replacing\n"
        f"with replacing({str(tmp_path / 'a.csv')!r}) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    elsewhere = tmp_path / ".b.csv.00.otherhost-1.leadml-tmp"
    elsewhere.touch()
    mine = tmp_path / f".c.csv.00.x-{os.getpid()}.leadml-tmp"
    mine.touch()
    assert len(list(tmp_path.iterdir())) == 3
    check_out(str(tmp_path / "a.csv"))
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([elsewhere.name, mine.name])
    os.utime(elsewhere, (0, time.time() - 200_000))
    sweep(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [mine.name]


def test_a_pipe_is_written_directly(tmp_path):
    os.mkfifo(tmp_path / "p.csv")
    reader = subprocess.Popen(["cat", tmp_path / "p.csv"], stdout=subprocess.PIPE)
    write(tmp_path / "p.csv", [make_scored(["a"])])
    assert b'"a",0.125' in reader.communicate()[0]


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("a.doc", "valid endings"),
        ("a.parquet.gz", "valid endings"),
        ("no/a.csv", "no folder"),
        ("sqlite:///x.db", "valid endings"),
        ("leads.csv", "the input itself"),
        ("locked/a.csv", "cannot be written"),
    ],
)
def test_a_destination_is_refused_before_reading(tmp_path, monkeypatch, out, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leads.csv").touch()
    (tmp_path / "locked").mkdir(mode=0o500)
    if out.startswith("locked"):  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match=words):
        check_out(out, "leads.csv")


def test_kept_columns_that_change_type_are_a_fault(tmp_path):
    other = make_scored(["a"])
    other = other._replace(own=other.own.set_column(2, "Amount", pa.array(["text"])))
    with pytest.raises(InputError, match="changes its type"):
        write(tmp_path / "a.parquet", [make_scored(), other])
    assert list(tmp_path.iterdir()) == []


def test_a_work_list_begins_with_names_and_explains_its_columns(tmp_path):
    from zipfile import ZipFile

    from python_calamine import CalamineWorkbook

    kept = ("Note", "Punten")  # one of the input is called like one of ours
    layout = Layout(LAYOUT.columns, kept, first=("Note",), band_decisions={"now": "ready"}, locale="nl")
    write(tmp_path / "a.xlsx", [make_scored()], layout)
    book = CalamineWorkbook.from_path(str(tmp_path / "a.xlsx"))
    assert book.sheet_names == ["leads", "kolommen"]
    header = book.get_sheet_by_index(0).to_python()[0]
    assert header == ["Lead", "Note", "Kans", "Punten", "Klasse", "Staat vast", "Punten *"]
    about = dict(book.get_sheet_by_index(1).to_python())
    assert list(about) == header
    assert all(about.values())
    sheet = ZipFile(tmp_path / "a.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert 'state="frozen"' in sheet
    assert "<autoFilter" in sheet
    assert "<f>" not in sheet  # no cell is a formula
    assert b"C6EFCE" in ZipFile(tmp_path / "a.xlsx").read("xl/styles.xml")  # the colour of a band


def test_a_sheet_holds_so_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("leadml.scoring.worklist.SHEET_ROWS", 3)
    with pytest.raises(UsageError, match="at most 3 rows"):
        write(tmp_path / "a.xlsx", [make_scored()])
