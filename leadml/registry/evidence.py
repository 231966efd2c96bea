"""What a version keeps beside its card: its held-out log, and counts of the deals it learned from."""

from __future__ import annotations

import dataclasses
import io
import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leadml.card.record import Card
from leadml.data import dates
from leadml.estimators.patterns import PatternCounts
from leadml.evaluation.log import Log
from leadml.levels import Codes, unpack
from leadml.registry.versions import Version

HELD_OUT, PATTERNS = "log.parquet", "patterns.parquet"
MOST_DEALS = 100_000
"""Of more deals a fixed sample is compared."""


def held_out_file(log: Log, contender: str) -> bytes:
    """The log of one contender, as the content of the file `HELD_OUT` of `save_version`."""
    kept = io.BytesIO()
    pq.write_table(dataclasses.replace(log, entries={contender: log.entries[contender]}).to_arrow(), kept)
    return kept.getvalue()


def patterns_file(card: Card, counts: PatternCounts) -> bytes:
    """Counts of patterns (m, r) in the order of the card's rows, as the content of the file `PATTERNS`."""
    kept = io.BytesIO()
    columns = {name: counts.codes[:, j] for j, name in enumerate(card.lookup.code_columns)}
    pq.write_table(pa.table({**columns, "won of pattern": counts.won, "lost of pattern": counts.lost}), kept)
    return kept.getvalue()


def read_held_out(version: Version | None) -> Log | None:
    """The log of one contender that lies beside a version."""
    if version is None or HELD_OUT not in version.manifest.files:
        return None
    return Log.read(version.folder / HELD_OUT)


def read_counts(version: Version | None) -> tuple[tuple[str, ...], PatternCounts] | None:
    """Rows of the card, and counts of their patterns, that lie beside a version."""
    if version is None or PATTERNS not in version.manifest.files:
        return None
    table = pq.ParquetFile(version.folder / PATTERNS).read()
    *names, won, lost = table.column_names
    codes = np.stack([table[name].to_numpy() for name in names], axis=1).astype(np.uint8)
    return tuple(names), PatternCounts(codes, table[won].to_numpy(), table[lost].to_numpy())


def deals_of(counts: PatternCounts) -> tuple[Codes, npt.NDArray[np.int8]]:
    """Counts as deals: codes and outcomes; of very many deals a fixed sample."""
    n = np.round(np.concatenate([counts.won, counts.lost])).astype(np.int64)
    at = np.repeat(np.arange(len(n)), n)
    if len(at) > MOST_DEALS:
        at = np.random.default_rng(0).choice(at, MOST_DEALS, replace=False)
    m = len(counts.codes)
    return counts.codes[at % m], (at < m).astype(np.int8)


def recode(codes: Codes, names: tuple[str, ...], known: Card, card: Card) -> Codes:
    """Codes of rows of one card as another has them; a row that it lacks or bins otherwise is unknown."""
    bins, own = ({a.id: [b.label for b in a.bins] for a in each.attributes} for each in (known, card))
    made = np.empty((len(codes), len(card.lookup.sizes)), np.uint8)
    made[:] = card.lookup.unknown
    for j, name in enumerate(card.lookup.code_columns):
        if name in names and own.get(name) == bins.get(name):
            made[:, j] = codes[:, names.index(name)]
    return made


def possible_patterns(card: Card, most: int) -> Codes:
    """All patterns there can be, or a fixed sample of so many."""
    sizes = card.lookup.sizes
    if math.prod(sizes) <= most:
        return unpack(np.arange(math.prod(sizes)), len(sizes), sizes)
    return np.random.default_rng(0).integers(0, sizes, (most, len(sizes)), dtype=np.uint8)


def day_of(as_of: object) -> int | None:
    """Days since 1970 of the day up to which a card learned; None where that is no ISO date."""
    try:
        return dates.day_of(str(as_of)[:10])
    except ValueError:  # a card of another maker
        return None
