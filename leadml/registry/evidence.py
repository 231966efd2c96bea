"""What a version keeps beside its card for later comparisons: its held-out log, and counts of the deals it learned from."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leadml.card.record import Card
from leadml.estimators.patterns import PatternCounts
from leadml.levels import Codes
from leadml.registry.versions import Version

if TYPE_CHECKING:
    from leadml.evaluation.log import Log

HELD_OUT, PATTERNS = "log.parquet", "patterns.parquet"


def held_out_file(log: Log, contender: str) -> bytes:
    """The log of one contender, as the content of the file `HELD_OUT` of `save_version`."""
    import pyarrow.parquet as pq

    kept = io.BytesIO()
    pq.write_table(dataclasses.replace(log, entries={contender: log.entries[contender]}).to_arrow(), kept)
    return kept.getvalue()


def patterns_file(card: Card, counts: PatternCounts) -> bytes:
    """Counts of patterns (m, r) in the order of the card's rows, as the content of the file `PATTERNS`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = io.BytesIO()
    columns = {name: counts.codes[:, j] for j, name in enumerate(card.lookup.code_columns)}
    pq.write_table(pa.table({**columns, "won of pattern": counts.won, "lost of pattern": counts.lost}), kept)
    return kept.getvalue()


def read_held_out(version: Version) -> Log | None:
    """The log of one contender that lies beside a version."""
    from leadml.evaluation.log import Log

    return Log.read(version.folder / HELD_OUT) if HELD_OUT in version.manifest.files else None


def read_patterns(version: Version) -> tuple[tuple[str, ...], PatternCounts] | None:
    """Rows of the card and counts of patterns that lie beside a version."""
    import pyarrow.parquet as pq

    if PATTERNS not in version.manifest.files:
        return None
    table = pq.ParquetFile(version.folder / PATTERNS).read()
    *names, won, lost = table.column_names
    codes = np.stack([table[name].to_numpy() for name in names], axis=1).astype(np.uint8)
    return tuple(names), PatternCounts(codes, table[won].to_numpy(), table[lost].to_numpy())


def recode(codes: Codes, names: tuple[str, ...], known: Card, card: Card) -> Codes:
    """Codes of the rows `names` of one card as another has them; a row that it lacks or bins otherwise is unknown."""
    bins = {each.id: each for each in known.attributes}
    made = np.empty((len(codes), len(card.lookup.sizes)), np.uint8)
    made[:] = card.lookup.unknown
    for j, name in enumerate(card.lookup.code_columns):
        own = card.attributes[j - len(card.criteria)] if j >= len(card.criteria) else None
        if name in names and (own is None or (name in bins and _labels(own) == _labels(bins[name]))):
            made[:, j] = codes[:, names.index(name)]
    return made


def possible_patterns(card: Card, most: int) -> npt.NDArray[np.uint8]:
    """All patterns there can be, or a fixed sample of so many."""
    sizes = np.array(card.lookup.sizes)
    drawn = np.random.default_rng(0).integers(0, sizes, (most, len(sizes)))
    if float(np.prod(sizes.astype(float))) > most:
        return drawn.astype(np.uint8)
    return np.indices(sizes).reshape(len(sizes), -1).T.astype(np.uint8)


def _labels(attribute: object) -> list[str]:
    return [each.label for each in attribute.bins]  # type: ignore[attr-defined]
