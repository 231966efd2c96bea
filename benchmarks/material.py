"""What the figures are measured on: leads of 13 criteria and four columns of text, a mapping and a card."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from leadml.card import build_card
from leadml.records import CANONICAL

BANT = ("budget", "authority", "need", "timeline")
TEXTS = (("company", 5000), ("source", 12), ("region", 40), ("product", 200))
BATCH = 250_000


def make_batch(n: int, first: int) -> pa.Table:
    """Leads `first` to ``first + n``: levels 0-4, 10% of them unknown, and an outcome that they shape."""
    rng = np.random.default_rng([7, first])
    columns: dict[str, pa.Array] = {"lead_id": pa.array([f"L{row:09d}" for row in range(first, first + n)])}
    effect = np.zeros(n)
    for name in CANONICAL:
        levels = rng.integers(0, 5, n).astype(np.int8)
        unknown = rng.random(n) < 0.1
        columns[name] = pa.array(levels, mask=unknown)
        effect += np.where(unknown, 2, levels) * (0.3 if name in BANT else 0.05)
    for name, n_words in TEXTS:
        words = pa.array([f"{name} number {word}" for word in range(n_words)])
        columns[name] = words.take(pa.array(rng.integers(0, n_words, n)))
    won = rng.random(n) < 1 / (1 + np.exp(4 - effect))
    columns["status"] = pa.array(["Lost", "Won"]).take(pa.array(won.astype(np.int32)))
    return pa.table(columns)


def make_files(folder: Path, n: int) -> None:
    """Write ``leads.csv``, ``leads.parquet``, ``one.csv``, ``map.yaml``, ``card.json`` and ``wide.json``."""
    done = folder / f"made-{n}"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    schema = make_batch(1, 0).schema
    unquoted = pc.WriteOptions(quoting_style="none")
    with (
        pc.CSVWriter(folder / "leads.csv", schema, write_options=unquoted) as text,
        pq.ParquetWriter(folder / "leads.parquet", schema) as columns,
    ):
        for first in range(0, n, BATCH):
            batch = make_batch(min(BATCH, n - first), first)
            text.write_table(batch)
            columns.write_table(batch)
    pc.write_csv(make_batch(1, 0), folder / "one.csv", unquoted)
    criteria = "".join(f"  {name}: {{column: {name}}}\n" for name in CANONICAL)
    (folder / "map.yaml").write_text(
        "name: bench\nlead_id: lead_id\noutcome: {column: status, won: [Won], lost: [Lost]}\n"
        f"criteria:\n{criteria}"
    )
    make_card().save(folder / "card.json")
    make_wide_card().save(folder / "wide.json")
    done.touch()


def make_card():
    """A learned BANT card, as `calibrate` would write it."""
    points = [[0, 2, 3, 5, 7], [0, 1, 3, 4, 6], [0, 2, 4, 6, 8], [0, 1, 2, 4, 5]]
    total = sum(row[4] for row in points)
    chance = [float(1 / (1 + np.exp(4 - 8 * each / total))) for each in range(total + 1)]
    return build_card(
        name="bench",
        criteria=list(BANT),
        points=points,
        unknown_points=[3, 2, 3, 2],
        documented_points=[[0, 1, 2, 3, 4]] * 4,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "nurture", "title": "Nurture", "from": 9, "action": "nurture"},
            {"id": "follow-up", "title": "Follow up", "from": 14, "action": "follow up"},
            {"id": "at-once", "title": "At once", "from": 20, "action": "follow up immediately"},
        ],
        cutoff=14,
        created_at="2026-01-01",
        base=-4.0,
        slope=8 / total,
        table=[(each, p, max(0.0, p - 0.05), min(1.0, p + 0.05)) for each, p in enumerate(chance)],
    )


def make_wide_card():
    """A card that asks all 13 criteria, so that nearly every lead is a pattern of its own."""
    points = [[0, 1 + at % 3, 2 + at % 3, 5, 6 + at % 4] for at in range(len(CANONICAL))]
    total = sum(row[4] for row in points)
    chance = [float(1 / (1 + np.exp(4 - 8 * each / total))) for each in range(total + 1)]
    return build_card(
        name="wide",
        criteria=list(CANONICAL),
        points=points,
        unknown_points=[2] * len(points),
        documented_points=[[0, 1, 2, 3, 4]] * len(points),
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "nurture", "title": "Nurture", "from": total // 4, "action": "nurture"},
            {"id": "follow-up", "title": "Follow up", "from": total // 2, "action": "follow up"},
        ],
        cutoff=total // 2,
        created_at="2026-01-01",
        base=-4.0,
        slope=8 / total,
        table=[(each, p, max(0.0, p - 0.05), min(1.0, p + 0.05)) for each, p in enumerate(chance)],
    )


if __name__ == "__main__":
    make_files(Path(sys.argv[1]), int(sys.argv[2]))
