"""Join a second export: each row of the first takes the first row of the second whose key is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import categories_of, category, dictionary_of, join_column, number_array
from leadml.data.chunks import Chunk, Reader, batch_of
from leadml.exceptions import InputError
from leadml.records import nearest

if TYPE_CHECKING:
    from leadml.data.mapping import Join
    from leadml.data.sources import Source


class JoinedReader(Reader):
    """A reader with the columns of a second file beside its own; `right` is held in memory."""

    def __init__(self, left: Reader, join: Join, right: RightTable) -> None:
        self._left, self._join, self._right = left, join, right
        if join.left not in left.columns:
            raise InputError(f"join.left: no column {join.left!r}{nearest(join.left, left.columns)}")
        stem = Path(join.file).stem
        # A name that both have is told apart by the file; unnamed columns are not taken.
        self._named = {f"{stem}.{name}" if name in left.columns else name: name for name in right.columns if name}
        self.columns = (*left.columns, *self._named)
        self.format, self.notes, self.share = left.format, left.notes, left.share

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order."""
        own = [column for column in columns if column not in self._named]
        n_unmatched = 0
        for chunk in self._left.chunks(list(dict.fromkeys([*own, self._join.left]))):
            at = self._right.match(chunk.table.column(self._join.left))
            n_unmatched += int((at < 0).sum())
            picked = number_array(np.maximum(at, 0), valid=at >= 0)
            arrays = [
                self._right.columns[self._named[column]].take(picked)
                if column in self._named
                else chunk.table.column(column)
                for column in columns
            ]
            self.format, self.share = self._left.format, self._left.share
            yield Chunk(batch_of(arrays, columns, chunk.table.num_rows), chunk.rows, chunk.faults)
        self.format, self.notes, self.share = self._left.format, [*self._left.notes], self._left.share
        if n_unmatched:
            text = f"{n_unmatched} rows have no match of {self._join.left!r} in {self._join.file}"
            self.notes.append(("LML118", {"text": text, "n": str(n_unmatched)}))


class RightTable:
    """A second export in memory, and the first row of each key; blank keys match nothing."""

    def __init__(self, source: Source, key: str) -> None:
        if key not in source.columns:
            raise InputError(f"join.right: {source.name} has no column {key!r}{nearest(key, source.columns)}")
        batches = [chunk.table for chunk in source.chunks()]
        self.columns = {
            name: join_column([batch.column(name) for batch in batches], ".", keep_text=True) for name in source.columns
        }
        self._row_of: dict[str, int] = {}
        for row, value in enumerate(dictionary_of(self.columns[key]).to_pylist()):
            self._row_of.setdefault(category(value or ""), row)
        self._row_of.pop("", None)

    def match(self, keys: pa.Array) -> npt.NDArray[np.int64]:
        """The row for each key, -1 where there is none."""
        at, distinct = categories_of(keys)
        return np.array([self._row_of.get(category(value), -1) for value in distinct], np.int64)[at]
