"""Scoring by Spark against PySpark's own ``mapInArrow`` that hands every batch back as it came.

Both read Parquet and write Parquet on ``local[2]``, in one session with the same settings, in interleaved
pairs after one run of each that is not counted. An identity pass writes what it reads, and scoring does not;
so two ways of scoring are compared with a pass each:

- ours reads the identity and four criteria and writes the identity, probability, points and band;
  the peer hands those five columns back;
- ours writes every column, with reasons; the peer hands back the same fifteen columns, which it reads from
  what ours wrote.

A third line tells what every column costs against handing back only what was read. Times are those of the
wall clock; the ratio of the CPU times of all processes is for a machine that does other things too.

``--pairs 1 --lines 1`` tries it quickly, in a folder of material (``material.py FOLDER 2000000``). The last
line printed is the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

import pyarrow as pa
import pyspark
from material import BANT
from pyspark.sql import SparkSession

from leadml.card import load_card
from leadml.engines.spark import score_with_spark
from leadml.engines.spark_session import BATCH_ROWS, hush
from leadml.leads.mapping import load_mapping

LIMIT = 1.5
FEW = ("probability", "points", "band")
SETTINGS = {
    "spark.driver.memory": "4g",
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
}
Work = Callable[[], None]


def hand_back(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Do nothing."""
    yield from batches


def cpu_seconds() -> float:
    """Add up the CPU time of this process and of all that it started: Java, and Java's Python workers."""
    parent, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parent[int(stat.parent.name)] = int(after[1])
        ticks[int(stat.parent.name)] = sum(map(int, after[11:15]))
    ours = {os.getpid()}
    while more := {each for each, of in parent.items() if of in ours} - ours:
        ours |= more
    return sum(ticks.get(each, 0) for each in ours) / os.sysconf("SC_CLK_TCK")


def measure(work: Work) -> tuple[float, float]:
    """Time something: seconds of the wall clock, and of all CPUs."""
    begun, before = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - begun, cpu_seconds() - before


def run_pairs(ours: Work, peer: Work, n: int) -> list[float]:
    """Medians over pairs: seconds of ours and of the peer, their ratio, and that of their CPU times."""
    ours()
    peer()
    pairs = [(*measure(ours), *measure(peer)) for _ in range(n)]
    figures = [(a, b, a / b, a_cpu / b_cpu) for a, a_cpu, b, b_cpu in pairs]
    return [statistics.median(column) for column in zip(*figures, strict=True)]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="holds leads.parquet, map.yaml and card.json")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--lines", type=int, nargs="+", default=[1, 2, 3])
    chosen = parser.parse_args()
    folder = chosen.folder.absolute()
    mapping, card = load_mapping(folder / "map.yaml"), load_card(folder / "card.json")
    leads, scores = str(folder / "leads.parquet"), str(folder / "scores.parquet")
    builder = SparkSession.builder.master("local[2]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    with hush():
        spark = builder.getOrCreate()

    def ours(told: tuple[str, ...] | None, out: str) -> Work:
        return lambda: void(score_with_spark(leads, mapping, [card], out, told=told, say=str))

    def peer(source: str, columns: tuple[str, ...]) -> Work:
        def work() -> None:
            with hush():
                frame = spark.read.parquet(source).select(*columns)
                same = frame.mapInArrow(hand_back, frame.schema)
                same.write.mode("overwrite").parquet(str(folder / "same.parquet"))

        return work

    few, every = ours(FEW, str(folder / "few.parquet")), ours(None, scores)
    read = ("lead_id", *BANT)
    handed = peer(leads, read)
    print(f"{chosen.pairs} pairs; PySpark {pyspark.__version__}, {platform.machine()}\n")
    print("| ours writes | the identity pass reads and writes | ours s | peer s | ratio | of CPU | limit |")
    print("|---|---|---:|---:|---:|---:|---:|")
    lines = (
        ("identity, probability, points, band", few, "identity, four criteria", handed, str(LIMIT)),
        ("every column, with reasons", every, "the same 15 columns", peer(scores, ("*",)), str(LIMIT)),
        ("every column, with reasons", every, "identity, four criteria", handed, ""),
    )
    found = []
    for line in chosen.lines:
        what, mine, whose, theirs, limit = lines[line - 1]
        a, b, ratio, cpu = run_pairs(mine, theirs, chosen.pairs)
        print(f"| {what} | {whose} | {a:.1f} | {b:.1f} | {ratio:.2f} | {cpu:.2f} | {limit} |", flush=True)
        found.append((what, whose, a, b, ratio, cpu))
    print(json.dumps(found))
    spark.stop()


def void(_: object) -> None:
    """Forget a value."""


if __name__ == "__main__":
    main()
