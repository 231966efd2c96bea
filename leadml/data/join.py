"""Join a second export: each row of the first takes the first row of the second whose key is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leadml.data.cells import categories_of, category, join_column, number_array, text_of
from leadml.data.chunks import Chunk, Reader, batch_of
from leadml.exceptions import InputError
from leadml.records import nearest

if TYPE_CHECKING:
    from leadml.data.mapping import Join
    from leadml.data.sources import Source


class RightTable:
    """A second export in memory, and the first row of each key; blank keys match nothing."""

    def __init__(self, source: Source, key: str) -> None:
        if key not in source.columns:
            raise InputError(f"join.right: {source.name} has no column {key!r}{nearest(key, source.columns)}")
        batches = [chunk.table for chunk in source.chunks()]
        parts = {name: [batch.column(name) for batch in batches] for name in source.columns}
        self.columns = {name: join_column(each, ".", keep_text=True) for name, each in parts.items()}
        self.row_of: dict[str, int] = {}
        for row, value in enumerate(text_of(self.columns[key]).to_pylist()):
            self.row_of.setdefault(category(value or ""), row)
        self.row_of.pop("", None)


class JoinedReader(Reader):
    """A reader with the columns of a second file beside its own."""

    def __init__(self, left: Reader, join: Join, right: RightTable) -> None:
        if join.left not in left.columns:
            raise InputError(f"join.left: no column {join.left!r}{nearest(join.left, left.columns)}")
        self._left, self._join, self._row_of, stem = left, join, right.row_of, Path(join.file).stem
        # A name that both have is told apart by the file.
        self._taken = {f"{stem}.{n}" if n in left.columns else n: column for n, column in right.columns.items()}
        super().__init__((*left.columns, *self._taken), left.format, [*left.notes])
        self.share = left.share

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Read the columns named, in that order."""
        left, n_unmatched = self._left, 0
        own = dict.fromkeys([*(column for column in columns if column not in self._taken), self._join.left])
        for chunk in left.chunks(list(own)):
            at, keys = categories_of(chunk.table.column(self._join.left))
            row = np.array([self._row_of.get(category(key), -1) for key in keys], np.int64)[at]
            n_unmatched += int((row < 0).sum())
            picked = number_array(np.maximum(row, 0), valid=row >= 0)
            arrays = [self._taken[c].take(picked) if c in self._taken else chunk.table.column(c) for c in columns]
            self.format, self.share = left.format, left.share
            yield Chunk(batch_of(arrays, columns, chunk.table.num_rows), chunk.rows, chunk.faults)
        self.format, self.notes, self.share = left.format, [*left.notes], left.share
        if n_unmatched:
            text = f"{n_unmatched} rows have no match of {self._join.left!r} in {self._join.file}"
            self.notes.append(("LML118", {"text": text, "n": str(n_unmatched)}))
