"""Spark gives what one machine gives: the same rows to the last bit, the same rejections, the same counts."""

import csv
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from leadml.card import Card, build_card
from leadml.engines import Totals, score_table
from leadml.engines.spark import score_with_spark
from leadml.engines.spark_session import hush
from leadml.exceptions import InputError, UsageError
from leadml.leads.mapping import Mapping, load_mapping
from leadml.workflows.score import predict_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOSTILE = ["", "=1+1", '"', "a,b", "x\ty", "é—\U0001f600", " ", "NULL", "\\N", "\\", "-5", "'", "0.1"]
N = 1500


def make_card() -> Card:
    return build_card(
        name="mine",
        criteria=["authority", "need", "budget"],
        points=[[0, 1, 2, 3, 5], [0, 2, 2, 3, 4], [0, 0, 1, 1, 3]],
        unknown_points=[1, 0, 1],
        documented_points=[[0, 1, 2, 3, 4]] * 3,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": 6, "action": "follow up"},
        ],
        cutoff=6,
        created_at="2026-01-01",
        base=-2.0,
        slope=0.3,
        table=[(total, (total + 1) / 17, total / 30, 1.0) for total in range(13)],
        caveats=[{"id": "repeat", "text": "Less fit.", "when": {"purchase": ["repeat"]}}],
    )


@pytest.fixture
def card() -> Card:
    return make_card()


def make_mapping(lead_id: str | None = "Deal.ID") -> Mapping:
    criteria = {
        "need": {"column": "Need"},
        "authority": {"column": "a`b", "levels": {"Low": 1, "High": 4}, "unknown": ["?"]},
        "budget": {"column": "Budget (EUR)", "edges": [1, 10000, 20000, 30000]},
    }
    facts = {"purchase": {"column": "value", "values": {"repeat": ["Renewal"]}}}
    return load_mapping({"name": "ours", "lead_id": lead_id, "criteria": criteria, "facts": facts})


def make_table(seed: int, texts: list[str], *, is_text: bool) -> pa.Table:
    """Random leads with unknowns, faulty cells and names that break what is not careful."""
    rng = np.random.default_rng(seed)
    need = rng.choice(["0", "1", "2", "3", "4", "", "7", "=9"], N, p=[0.16] * 6 + [0.03, 0.01])
    role = rng.choice(["Low", "High", "?", "Middle"], N, p=[0.4, 0.4, 0.18, 0.02])
    budget = np.where(rng.random(N) < 0.2, np.nan, rng.integers(0, 40000, N))
    columns: dict[str, Any] = {
        "Deal.ID": [f"{texts[row % len(texts)]}{row:04d}" for row in range(N)],
        "Need": need,
        "need": rng.integers(0, 9, N),
        "a`b": role,
        "Budget (EUR)": pa.array(budget, mask=np.isnan(budget)),
        "value": rng.choice(["Renewal", "New", ""], N),
        "points": rng.choice(texts, N),
        "at": rng.random(N),
    }
    if not is_text:
        columns |= {
            "created": pa.array(rng.integers(0, 10**15, N), pa.timestamp("us")),
            "flag": rng.random(N) < 0.5,
            "small": pa.array(rng.integers(0, 9, N), pa.int8()),
            "day": pa.array(rng.integers(0, 20000, N).astype(np.int32), pa.date32()),
        }
    return pa.table(columns)


def write_folder(folder: Path, ending: str, texts: list[str] = HOSTILE) -> Path:
    """Two files whose order, sizes and names differ from what Spark would make of them."""
    folder.mkdir()
    table = make_table(1, texts, is_text=ending == ".csv")
    for name, part in (("a b%20", table.slice(0, 700)), ("c[1]", table.slice(700))):
        if ending == ".csv":
            pc.write_csv(part, folder / f"{name}.csv")
        else:
            pq.write_table(part, folder / f"{name}.parquet", row_group_size=300)
    return folder


def both(
    folder: Path, source: str, mapping: Mapping, ending: str, **options: Any
) -> tuple[Path, Path, Totals, list[str]]:
    """Score on one machine and by Spark; rejections and counts have to be the same."""
    here, there, said = folder / f"here{ending}", folder / f"there{ending}", list[str]()
    expected = score_table(
        source.removeprefix("file://"), mapping, [make_card()], str(here), say=str, **options
    )
    totals = score_with_spark(source, mapping, [make_card()], str(there), say=said.append, **options)
    assert (totals.n_rows, totals.n_scored, totals.n_rejected) == (
        expected.n_rows,
        expected.n_scored,
        expected.n_rejected,
    )
    assert totals.n_rows == totals.n_scored + totals.n_rejected
    if totals.n_rejected:
        beside = Path(str(totals.rejected))
        assert beside.read_bytes() == Path(f"{here}.rejected.csv").read_bytes()
    assert f"{totals.n_rows} rows = {totals.n_scored} scored + {totals.n_rejected} rejected" in said[-1]
    return here, there, totals, said


def assert_same_rows(here: Path, there: Path) -> None:
    """Every column of every lead, to the last bit."""
    expected = pq.read_table(here).sort_by("lead_id")
    found = pq.read_table(there).sort_by("lead_id")
    assert found.schema.equals(expected.schema)
    assert found.equals(expected)


def lines_of(folder: Path) -> list[str]:
    """Lines of all parts, each of which begins with the header."""
    parts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("part-*"))]
    parts = [part for part in parts if part]
    headers = {part.split("\n", 1)[0] for part in parts}
    assert len(headers) == 1
    return sorted([headers.pop(), *(line for part in parts for line in part.split("\n")[1:-1])])


def test_parquet_is_scored_as_by_one_machine(spark: "SparkSession", tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in*?", ".parquet")
    here, there, totals, _ = both(tmp_path, str(source), make_mapping(), ".parquet", keep_columns=True)
    assert 0 < totals.n_rejected < N
    assert_same_rows(here, there)
    assert len(list(there.glob("part-*.parquet"))) > 1
    for part in there.glob("part-*.parquet"):  # each keeps the order of its rows, of two files at most
        numbers = [int(each[-4:]) for each in pq.read_table(part)["lead_id"].to_pylist()]
        assert sum(a > b for a, b in itertools.pairwise(numbers)) <= 1


def test_csv_is_scored_as_by_one_machine(spark: "SparkSession", tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ".csv")
    with (source / "c[1].csv").open("a", encoding="utf-8") as file:
        file.write('"ragged","1"\n"R","4",1,"Low",5,"New","x",0.5\n')
    here, there, _, said = both(tmp_path, str(source), make_mapping(), ".csv", keep_columns=True)
    assert lines_of(there) == sorted(here.read_text(encoding="utf-8").split("\n")[:-1])
    assert any("a spreadsheet would run as a formula" in line for line in said)


def test_a_cell_may_go_on_in_the_next_line_wherever_spark_cuts_the_file(
    spark: "SparkSession", tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", ".csv", ["one\ntwo", 'say "x\n"\ny', "\n\n", "plain"])
    before = spark.conf.get("spark.sql.files.maxPartitionBytes")
    here, there, _, _ = both(tmp_path, source.as_uri(), make_mapping(), ".parquet", keep_columns=True)
    assert_same_rows(here, there)
    assert spark.conf.get("spark.sql.files.maxPartitionBytes") == before


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_files_that_only_spark_reaches_have_the_same_numbers(
    spark: "SparkSession", tmp_path: Path, ending: str
) -> None:
    source = write_folder(tmp_path / "in", ending)
    told = ("probability", "points", "reasons")
    here, there, _, _ = both(tmp_path, source.as_uri(), make_mapping(None), ".parquet", told=told)
    assert_same_rows(here, there)


def test_a_folder_may_be_parted_by_columns(spark: "SparkSession", tmp_path: Path) -> None:
    table = make_table(1, HOSTILE, is_text=False)
    parts = {"day=1": table.slice(0, 900), "day=2": table.slice(900)}
    for name, part in parts.items():
        (tmp_path / "in" / name).mkdir(parents=True)
        pq.write_table(part.drop_columns("day"), tmp_path / "in" / name / "part.parquet")
    pq.write_table(table, tmp_path / "one.parquet")
    mapping, cards = make_mapping(None), [make_card()]
    score_table(tmp_path / "one.parquet", mapping, cards, str(tmp_path / "here.parquet"), say=str)
    score_with_spark(tmp_path / "in", mapping, cards, str(tmp_path / "there.parquet"), say=str)
    assert_same_rows(tmp_path / "here.parquet", tmp_path / "there.parquet")


def test_tables_of_the_catalog_in_and_out(
    spark: "SparkSession", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: Card
) -> None:
    monkeypatch.chdir(tmp_path)  # the reasons are kept here
    source = write_folder(tmp_path / "in", ".parquet")
    spark.conf.set("spark.sql.caseSensitive", "true")
    spark.read.parquet(str(source)).write.saveAsTable("leads")
    spark.conf.unset("spark.sql.caseSensitive")
    query, mapping = "SELECT * FROM leads WHERE need < 5", make_mapping()
    totals = score_with_spark(
        "catalog:", mapping, [card], "catalog:", told=["points"], query=query, into="scores", say=str
    )
    pq.write_table(pq.read_table(source).filter(pa.compute.field("need") < 5), tmp_path / "some.parquet")
    score_table(tmp_path / "some.parquet", mapping, [card], "here.parquet", told=["points"], say=str)
    expected = {row["lead_id"]: row["points"] for row in pq.read_table("here.parquet").to_pylist()}
    found = {row["lead_id"]: row["points"] for row in spark.table("scores").collect()}
    assert (totals.n_scored, found) == (len(expected), expected)
    with Path("scores.rejected.csv").open(encoding="utf-8", newline="") as file:
        rejected = list(csv.DictReader(file))
    assert len({row["row"] for row in rejected}) == totals.n_rejected > 0
    assert not {row["row"].removeprefix("'") for row in rejected} & {*expected}  # leads, not numbers
    with pytest.raises(UsageError, match="'scores' is in the catalog already"):
        score_with_spark("catalog:", mapping, [card], "catalog:", query=query, into="scores", say=str)
    with pytest.raises(UsageError, match="rows of a table have no number; add lead_id"):
        score_with_spark("catalog:", make_mapping(None), [card], "x.csv", query=query, say=str)
    with pytest.raises(InputError, match=r"catalog:: .*TABLE_OR_VIEW_NOT_FOUND"):
        score_with_spark("catalog:", mapping, [card], "x.csv", query="SELECT * FROM nothing", say=str)


def test_executors_load_nothing_heavy(spark: "SparkSession", tmp_path: Path, card: Card) -> None:
    from leadml.engines.scorer import Scorer
    from leadml.engines.spark_work import Work, score_columns
    from leadml.leads.known import as_known
    from leadml.leads.tables import open_table

    path = write_folder(tmp_path / "in", ".parquet")
    scorer = Scorer(open_table(path), as_known(make_mapping()), [card])
    score = score_columns(spark.sparkContext.broadcast(Work(scorer=scorer, columns=scorer.columns)))
    heavy = ("mlflow", "pandas", "pydantic", "ruamel", "scipy", "sklearn")

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        n = sum(batch.num_rows for batch in score(batches))
        found = ",".join(name for name in heavy if name in sys.modules)
        yield pa.RecordBatch.from_arrays([pa.array([f"{n > 0} {found}"])], names=["found"])

    data = [{f"c{at}": value for at, value in enumerate(("d", "4", "Low", 5.0, "New"))}]
    with hush():
        frame = spark.createDataFrame(data).coalesce(1).mapInArrow(look, "found string")
        assert [row["found"] for row in frame.collect()] == ["True "]


def test_faults_are_told_before_anything_is_written(
    spark: "SparkSession", tmp_path: Path, card: Card
) -> None:
    source = write_folder(tmp_path / "leads.parquet", ".parquet")
    mapping = make_mapping()

    def refused(
        kind: type[Exception], match: str, source: object = source, out: str = "o.csv", **k: Any
    ) -> None:
        with pytest.raises(kind, match=match):
            score_with_spark(str(source), mapping, [card], str(tmp_path / out), say=str, **k)

    refused(UsageError, "holds the input itself", out="leads.parquet")
    refused(UsageError, "holds the input itself", out="leads.parquet", source=source.as_uri())
    refused(UsageError, "valid endings with --engine spark are .csv, .tsv, .parquet", out="o.xlsx")
    refused(UsageError, "is no folder to write 'o.csv' in", out="nowhere/o.csv")
    refused(UsageError, "--table: by Spark it goes with catalog: as OUT", into="scores")
    refused(UsageError, "--query: goes with catalog: as FILE", query="SELECT 1")
    refused(UsageError, "cannot read standard input", source="-")
    refused(InputError, "no such file or folder", source=tmp_path / "none.parquet")
    refused(InputError, "PATH_NOT_FOUND", source=(tmp_path / "none.parquet").as_uri())
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is all that is right PAR1")
    refused(InputError, "is not a Parquet file", source=tmp_path / "bad.parquet")
    refused(InputError, "Spark cannot go on", source=(tmp_path / "bad.parquet").as_uri())
    (tmp_path / "one.jsonl").write_text('{"Need": 1}\n')
    refused(UsageError, "reads Parquet and CSV, not jsonl", source=tmp_path / "one.jsonl")
    (tmp_path / "wide.csv").write_text("Deal.ID,Need\na,1\n", encoding="utf-16")
    refused(UsageError, "cannot cut UTF-16 into lines", source=tmp_path / "wide.csv")
    assert not (tmp_path / "o.csv").exists()


def test_rows_that_are_all_rejected_are_told_and_are_no_result(
    spark: "SparkSession", tmp_path: Path, card: Card
) -> None:
    (tmp_path / "in.csv").write_text("Deal.ID,Need,a`b,Budget (EUR),value\na,9,Low,1,\nb,,Low,much,\n")
    with pytest.raises(InputError, match=r"none of its 2 rows can be used; see .*out.csv.rejected.csv"):
        score_with_spark(tmp_path / "in.csv", make_mapping(), [card], str(tmp_path / "out.csv"), say=str)
    assert len((tmp_path / "out.csv.rejected.csv").read_text().splitlines()) == 3


def test_an_engine_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="--engine: got 'sparc', valid are local, spark"):
        predict_file("a.csv", "m.yaml", "card.json", "o.csv", engine="sparc")


def test_without_pyspark_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, card: Card) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with pytest.raises(UsageError, match=r"needs PySpark 4; pip install \"leadml\[spark\]\""):
        score_with_spark("a.csv", make_mapping(), [card], "o.csv", say=str)


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command, as a program of its own that has to start Spark."""
    make_card().save(tmp_path / "card.json")
    (tmp_path / "map.yaml").write_text("name: m\nlead_id: Deal\ncriteria: {need: {column: Need}}\n")
    (tmp_path / "in.csv").write_text("Deal,Need\n" + "".join(f"d{row},{row % 6}\n" for row in range(60)))
    words = ["predict", "in.csv", "-m", "map.yaml", "--model", "card.json", "--engine", "spark"]

    def run(*more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "leadml", *words, *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
            check=False,
        )

    return run


def test_without_java_it_is_named(desk: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    pytest.importorskip("pyspark", reason="needs PySpark: the extra spark")
    done = desk("-o", "out.csv", JAVA_HOME="/nowhere")
    assert done.returncode == 2
    assert "needs Java 17, and JAVA_HOME is '/nowhere', which has no bin/java" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_command_starts_spark_quietly(
    spark: "SparkSession", tmp_path: Path, desk: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = desk("-o", "out.csv", "--columns", "points")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    told = [line for line in done.stderr.splitlines() if "incubator modules" not in line]  # Java's own
    assert told == [
        told[0],
        "not mapped, so unknown for every lead: authority, budget",
        "60 rows = 50 scored + 10 rejected (why: out.csv.rejected.csv)",
    ]
    assert re.fullmatch(r"Spark 4\S* on local\[\*\]", told[0])
    assert '"lead_id","points"' in lines_of(tmp_path / "out.csv")
