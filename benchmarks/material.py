"""What the figures are measured on: leads of 13 criteria and columns of a CRM, mappings and cards.

``python material.py FOLDER N`` writes leads.csv, leads.parquet, one.csv, two mappings, three cards, patterns.parquet
and deals.parquet (50,000 deals of 30 columns).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from leadml import Card
from leadml.card.build import LearnedPoints, learned_card
from leadml.card.record import CardAttribute, CardBand, CardBin
from leadml.frameworks.catalog import load_framework
from leadml.levels import CANONICAL

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
    columns["employees"] = pa.array(np.round(rng.lognormal(4, 1.2, n)).astype(np.int32))
    won = rng.random(n) < 1 / (1 + np.exp(4 - effect))
    columns["status"] = pa.array(["Lost", "Won"]).take(pa.array(won.astype(np.int32)))
    return pa.table(columns)


def attributes() -> list[CardAttribute]:
    """Three columns of words and one of numbers, in five bins each."""
    fixed = {"unknown_points": 2, "other_points": 1}
    made = []
    for name, n_words in TEXTS[1:]:
        groups = np.array_split([f"{name} number {word}" for word in range(n_words)], 5)
        bins = [CardBin(label=f"{at}", values=tuple(each), points=at, n=9, won=2) for at, each in enumerate(groups)]
        made.append(CardAttribute(id=name, title=name, column=name, kind="categories", bins=tuple(bins), **fixed))
    edges = itertools.pairwise([None, 10, 50, 150, 500, None])
    bins = [CardBin(label=f"{at}", from_=a, to=b, points=at, n=9, won=2) for at, (a, b) in enumerate(edges)]
    name = "employees"
    return [*made, CardAttribute(id=name, title=name, column=name, kind="edges", bins=tuple(bins), **fixed)]


def make_card(name: str, criteria: Sequence[str], attributes: Sequence[CardAttribute] = ()) -> Card:
    """A learned card, as `calibrate` would write it."""
    points = np.array([[0, 1 + at % 3, 2 + at % 3, 5, 6 + at % 4, 2] for at in range(len(criteria))])
    total = int(points.max(axis=1).sum()) + sum(max(bin_.points for bin_ in each.bins) for each in attributes)
    chance = 1 / (1 + np.exp(4 - 8 * np.arange(total + 1) / total))
    starts = (("drop", "no-match", 0), ("nurture", "wait", total // 4), ("follow-up", "ready", total // 2))
    bands = [CardBand(id=at, title=at, from_=start, action=at, decision=each) for at, each, start in starts]
    learned = LearnedPoints(
        criteria, points, np.tile(np.arange(5), (len(criteria), 1)), chance, chance * 0.9, chance, attributes=attributes
    )
    framework = load_framework("bant") if tuple(criteria) == BANT else None
    return learned_card(name, framework, learned, cutoff=total // 2, bands=bands, created_at="2026-01-01")


def write_patterns(card: Card, path: Path) -> None:
    """Write what leadml says of every pattern of four criteria, beside the pattern."""
    codes = np.array(list(itertools.product([0, 1, 2, 3, 4, np.nan], repeat=len(BANT))))
    keys = {name: pa.array(codes[:, at], from_pandas=True).cast(pa.int8()) for at, name in enumerate(BANT)}
    told = pa.Table.from_pandas(card.score(codes).to_pandas(), preserve_index=False)
    columns = {name: told[name] for name in told.column_names if name != "lead_id"}
    pq.write_table(pa.table({**keys, **columns}), path)


def write_deals(path: Path, n: int = 50_000) -> None:
    """Deals of four criteria and 26 columns, of which six tell something."""
    rng = np.random.default_rng(11)
    columns = {name: rng.integers(0, 5, n).astype(float) for name in BANT}
    effect = sum(0.25 * levels for levels in columns.values()) - 3.0
    for at in range(15):
        words = rng.integers(0, 20, n)
        effect = effect + (np.sin(words + at) * 0.5 if at < 4 else 0.0)
        columns[f"words {at}"] = np.array([f"w{word}" for word in range(20)])[words]
    for at in range(11):
        columns[f"number {at}"] = rng.lognormal(3, 1, n)
        effect = effect + (0.4 * np.log(columns[f"number {at}"]) - 1.2 if at < 2 else 0.0)
    pq.write_table(pa.table({**columns, "won": (rng.random(n) < 1 / (1 + np.exp(-effect))).astype(int)}), path)


def make_files(folder: Path, n: int) -> None:
    """Write everything, once."""
    done = folder / "made"
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
    pc.write_csv(make_batch(1, 0).drop(["status"]), folder / "one.csv", unquoted)
    criteria = "".join(f"  {name}: {{column: {name}}}\n" for name in CANONICAL)
    plain = f"name: bench\nlead_id: lead_id\ncriteria:\n{criteria}"
    (folder / "leads.yaml").write_text(plain)
    outcome = "outcome: {column: status, won: [Won], lost: [Lost]}\n"
    (folder / "deals.yaml").write_text(plain + outcome)
    (folder / "context.yaml").write_text(plain + outcome + "context: [source, region, product, employees]\n")
    card = make_card("bench", BANT)
    card.save(folder / "card.json")
    make_card("eight", CANONICAL[:8]).save(folder / "eight.json")
    make_card("wide", BANT, attributes()).save(folder / "wide.json")
    make_card("thirteen", CANONICAL).save(folder / "thirteen.json")
    write_patterns(card, folder / "patterns.parquet")
    write_deals(folder / "deals.parquet")
    done.touch()


if __name__ == "__main__":
    make_files(Path(sys.argv[1]), int(sys.argv[2]))
