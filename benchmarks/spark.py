"""Scoring by Spark against PySpark's own ``mapInArrow`` that hands every batch back as it came.

Both read the identity and the criteria that the card asks for from the same Parquet, on ``local[2]`` and with the
same settings, and write Parquet. In pairs, each once before that is not counted. Ours writes the answers in place of
the levels: four columns, or all fifteen; a second peer, the same pass without writing anything, tells what the
writing costs.

``--rows 20000000`` is the figure's size; ``--pairs`` how many pairs.
"""

from __future__ import annotations

import argparse
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
from material import BANT, make_files
from pyspark.sql import DataFrame, SparkSession

from leadml.card import load_card
from leadml.engines.spark import score_with_spark
from leadml.leads.mapping import load_mapping

LIMIT = 1.5
FOUR = ("probability", "points", "band")


def hand_back(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Do nothing."""
    yield from batches


def run_pairs(ours: Callable[[], None], peer: Callable[[], None], n: int) -> tuple[float, float, float]:
    """Medians of n interleaved pairs: seconds of both, and their ratio."""
    ours()
    peer()
    pairs = [(seconds(ours), seconds(peer)) for _ in range(n)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def seconds(work: Callable[[], None]) -> float:
    """Time something."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("build/bench-spark"))
    chosen = parser.parse_args()
    folder = (chosen.folder / str(chosen.rows)).absolute()
    make_files(folder, chosen.rows)
    mapping, card = load_mapping(folder / "map.yaml"), load_card(folder / "card.json")
    source = str(folder / "leads.parquet")
    settings = {
        "spark.driver.memory": "4g",
        "spark.log.level": "OFF",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()

    def same() -> DataFrame:
        columns = spark.read.parquet(source).select("lead_id", *BANT)
        return columns.mapInArrow(hand_back, columns.schema)

    def ours(told: tuple[str, ...] | None) -> Callable[[], None]:
        out = str(folder / "scores.parquet")
        return lambda: score_with_spark(source, mapping, [card], out, told=told, say=str)

    def written() -> None:
        same().write.mode("overwrite").parquet(str(folder / "same.parquet"))

    def dropped() -> None:
        same().write.mode("overwrite").format("noop").save()

    print(f"{chosen.rows:,} rows, {chosen.pairs} pairs; PySpark {pyspark.__version__}, {platform.machine()}")
    print(
        "| leadml predict --engine spark writes | mapInArrow identity pass | ours s | peer s | ratio | limit |"
    )
    print("|---|---|---:|---:|---:|---:|")
    for what, told in (("id, probability, points, band", FOUR), ("every column, with reasons", None)):
        for peer, which in (
            (written, "writes the same Parquet columns that it read"),
            (dropped, "writes nothing"),
        ):
            a, b, ratio = run_pairs(ours(told), peer, chosen.pairs)
            limit = f"{LIMIT}" if peer is written else ""
            print(f"| {what} | {which} | {a:.1f} | {b:.1f} | {ratio:.2f} | {limit} |", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
