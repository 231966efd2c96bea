"""The digest of an input: of its files' bytes, of its cells where there is no file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leadml.leads.values import as_text, buffer_bits, lengths

if TYPE_CHECKING:
    import pyarrow as pa


def digest_files(files: Iterable[Path]) -> str:
    """Digest files, one after the other.

    Parameters
    ----------
    files : iterable of Path
        The files.

    Returns
    -------
    str
        SHA-256 of their bytes, in hexadecimal.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()


class CellDigest:
    """The digest of cells as text, the same however the rows come in parts.

    Parameters
    ----------
    names : sequence of str
        The columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = {name: (hashlib.sha256(), hashlib.sha256()) for name in names}

    def add(self, name: str, array: pa.Array) -> None:
        """Take the next cells of a column.

        Parameters
        ----------
        name : str
            Which column.
        array : Array
            Canonical cells.
        """
        text = as_text(array)
        filled = text.drop_null() if text.null_count else text
        size = np.full(len(text), -1, np.int32)
        size[buffer_bits(text.is_valid()) if len(text) else slice(0)] = lengths(filled)
        of_sizes, of_cells = self._columns[name]
        of_sizes.update(size.tobytes())
        _, offsets, cells = filled.buffers()
        if cells is not None and len(filled):
            ends = np.frombuffer(offsets, np.int32, count=filled.offset + len(filled) + 1)
            of_cells.update(memoryview(cells)[int(ends[filled.offset]) : int(ends[-1])])

    def hexdigest(self) -> str:
        """Give the digest of what came so far.

        Returns
        -------
        str
            SHA-256 over the columns' names, the sizes of their cells and the cells, in hexadecimal.
        """
        digest = hashlib.sha256()
        for name, (of_sizes, of_cells) in self._columns.items():
            digest.update(f"\x1f{name}\x1f".encode() + of_sizes.digest() + of_cells.digest())
        return digest.hexdigest()
