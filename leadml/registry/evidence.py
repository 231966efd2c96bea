"""What lies beside a card: its held-out log, and counts of the deals that it learned from."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leadml.card.record import Card
from leadml.data import dates
from leadml.evaluation.log import Log
from leadml.levels import Codes, Floats

Columns = Mapping[str, Codes]
"""(n,) codes by id of a criterion or attribute."""
Counts = tuple[Columns, Floats, Floats]
"""Codes of distinct patterns, and how many deals of each were won and lost."""
HELD_OUT, DEAL_COUNTS = "log.parquet", "deal_counts.parquet"
WON, LOST = "won of pattern", "lost of pattern"


def held_out_file(log: Log, contender: str) -> bytes:
    """The log of one contender, as the content of the file `HELD_OUT` of `save_version`."""
    own = dataclasses.replace(log, entries={contender: log.entries[contender]})
    pq.write_table(own.to_arrow(), kept := io.BytesIO())
    return kept.getvalue()


def read_held_out(folder: Path) -> Log | None:
    """The log beside a card, if any."""
    return Log.read(folder / HELD_OUT) if (folder / HELD_OUT).is_file() else None


def counts_file(columns: Columns, won: npt.NDArray[Any], lost: npt.NDArray[Any]) -> bytes:
    """`Counts` as the content of the file `DEAL_COUNTS`."""
    pq.write_table(pa.table({**columns, WON: won, LOST: lost}), kept := io.BytesIO(), compression="zstd")
    return kept.getvalue()


def read_counts(folder: Path) -> Counts | None:
    """What `counts_file` left beside a card, if anything."""
    if not (folder / DEAL_COUNTS).is_file():
        return None
    table = pq.ParquetFile(folder / DEAL_COUNTS).read()
    columns = {name: table[name].to_numpy() for name in table.column_names}
    won, lost = (columns.pop(name).astype(np.float64) for name in (WON, LOST))
    return columns, won, lost


def codes_for(card: Card, columns: Columns, own: Card) -> Codes:
    """Codes of columns that lie beside the card `own` as another has them; a row that is absent is unknown."""
    strangers = rebinned(own, card)
    codes = np.empty((len(next(iter(columns.values()))), len(card.lookup.sizes)), np.uint8)
    codes[:] = card.lookup.unknown
    for j, name in enumerate(card.lookup.code_columns):
        if name in columns and name not in strangers:
            codes[:, j] = columns[name]
    return codes


def rebinned(own: Card, card: Card) -> set[str]:
    """Attributes of two cards whose codes mean something else on each."""
    old, new = ({a.id: [b.label for b in a.bins] for a in each.attributes} for each in (own, card))
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def day_of(as_of: object) -> int | None:
    """Days since 1970 of the day up to which a card learned; None where that is no ISO date."""
    try:
        return dates.day_of(str(as_of)[:10])
    except ValueError:  # a card of another maker
        return None
