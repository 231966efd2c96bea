"""Rejected rows of a stream: the first few in memory, all of them in a file where there are many."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from leadml.leads.chunks import Rejection

HELD = 10_000
"""Up to so many faults are held in memory."""


class Rejections:
    """Why which rows could not be used.

    Parameters
    ----------
    held : int, optional
        From more faults on than this, all of them go into a file that vanishes with this object; 10,000 when
        absent.

    Attributes
    ----------
    first : list of Rejection
        The first faults.
    n_rows : int
        Rows that have a fault.
    columns : set of str
        The columns at fault; empty text for whole rows.
    """

    def __init__(self, held: int | None = None) -> None:
        self.first: list[Rejection] = []
        self.n_rows = 0
        self.columns: set[str] = set()
        self._held = HELD if held is None else held
        self._file: IO[str] | None = None

    def add(self, rejected: Iterable[Rejection]) -> None:
        """Take the faults of some rows, all faults of a row at once.

        Parameters
        ----------
        rejected : iterable of Rejection
            The faults.
        """
        ordered = sorted(rejected, key=lambda fault: fault.row)
        self.n_rows += len({fault.row for fault in ordered})
        self.columns |= {fault.column for fault in ordered}
        if self._file is None and len(self.first) + len(ordered) > self._held:
            self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115
            weakref.finalize(self, self._file.close)
            csv.writer(self._file, lineterminator=os.linesep).writerow(("row", "column", "value", "reason"))
            self._write(self.first)
        if self._file is not None:
            self._write(ordered)
        self.first += ordered[: max(0, self._held - len(self.first))]

    def _write(self, faults: list[Rejection]) -> None:
        if self._file is not None:
            rows = ((each.row, each.column, each.value, each.reason) for each in faults)
            csv.writer(self._file, lineterminator=os.linesep).writerows(rows)

    def save(self, path: Path) -> None:
        """Write all of them as CSV.

        Parameters
        ----------
        path : Path
            The file.
        """
        if self._file is None:
            self.frame().to_csv(path, index=False)
            return
        self._file.flush()
        self._file.seek(0)
        with path.open("w", encoding="utf-8", newline="") as out:
            shutil.copyfileobj(self._file, out, 1 << 20)
        self._file.seek(0, os.SEEK_END)

    def frame(self) -> pd.DataFrame:
        """Give the first ones.

        Returns
        -------
        DataFrame
            row, column, value, reason.
        """
        import numpy as np
        import pandas as pd

        return pd.DataFrame(
            {
                "row": np.array([fault.row for fault in self.first], np.int64),
                **{
                    key: np.array([getattr(fault, key) for fault in self.first], object)
                    for key in ("column", "value", "reason")
                },
            }
        )
