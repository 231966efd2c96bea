"""Join a second export: each row of the first takes the first row of the second whose key is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from leadml.data.cells import category, dictionary_of, number_array, valid_of, values_of
from leadml.data.chunks import Chunk, Format, Notes, Reader, batch_of
from leadml.exceptions import InputError
from leadml.records import nearest

if TYPE_CHECKING:
    from leadml.data.mapping import Join
    from leadml.data.sources import Source


class JoinedReader:
    """A reader with the columns of a second file beside its own; `right` is held in memory."""

    def __init__(self, left: Reader, join: Join, right: RightTable) -> None:
        self._left, self._join, self._right = left, join, right
        if join.left not in left.columns:
            raise InputError(f"join.left: no column {join.left!r}{nearest(join.left, left.columns)}")
        stem = Path(join.file).stem
        # A name that both have is told apart by the file; unnamed columns are not taken.
        self._named = {
            f"{stem}.{name}" if name in left.columns else name: name for name in right.columns if name
        }
        self.columns = (*left.columns, *self._named)
        self.n_unmatched = 0

    @property
    def format(self) -> Format:
        """How the first file is written."""
        return self._left.format

    @property
    def share(self) -> float | None:
        """How much of the first file has been read."""
        return self._left.share

    @property
    def notes(self) -> Notes:
        """Those of the first file, and how many of its rows have no match."""
        text = f"{self.n_unmatched} rows have no match of {self._join.left!r} in {self._join.file}"
        found = [("LML118", {"text": text, "n": str(self.n_unmatched)})] if self.n_unmatched else []
        return [*self._left.notes, *found]

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order."""
        own = [column for column in columns if column not in self._named]
        for chunk in self._left.chunks(list(dict.fromkeys([*own, self._join.left]))):
            at = self._right.match(chunk.table.column(self._join.left))
            self.n_unmatched += int((at < 0).sum())
            picked = number_array(np.maximum(at, 0), valid=at >= 0)
            arrays = [
                self._right.columns[self._named[column]].take(picked)
                if column in self._named
                else chunk.table.column(column)
                for column in columns
            ]
            yield Chunk(batch_of(arrays, columns, chunk.table.num_rows), chunk.rows, chunk.faults)


class RightTable:
    """A second export in memory, and the first row of each key; blank keys match nothing."""

    def __init__(self, source: Source, key: str) -> None:
        if key not in source.columns:
            raise InputError(f"join.right: {source.name} has no column {key!r}{nearest(key, source.columns)}")
        batches = [chunk.table for chunk in source.chunks()]
        self.columns = {name: _one([batch.column(name) for batch in batches]) for name in source.columns}
        self._row_of: dict[str, int] = {}
        for row, value in enumerate(dictionary_of(self.columns[key]).to_pylist()):
            self._row_of.setdefault(category(value or ""), row)
        self._row_of.pop("", None)

    def match(self, keys: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The row for each key, -1 where there is none."""
        encoded = dictionary_of(keys)
        rows = [self._row_of.get(category(value or ""), -1) for value in encoded.dictionary.to_pylist()]
        at = np.array(values_of(encoded.indices), np.int64)
        if encoded.indices.null_count:
            at[~valid_of(encoded.indices)] = len(rows)
        return np.array([*rows, -1], np.int64)[at]


def _one(arrays: Sequence[pa.Array]) -> pa.Array:
    """Join the parts of a column, as text where they differ in type."""
    if len({array.type for array in arrays}) > 1:
        arrays = [dictionary_of(array) for array in arrays]
    if pa.types.is_dictionary(arrays[0].type):
        return pa.chunked_array(arrays).unify_dictionaries().combine_chunks()
    return pa.concat_arrays(list(arrays))
