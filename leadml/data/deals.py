"""Leads as columns of bytes: one road for 100 deals and for 10,000,000, and for a table counted elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.levels import levels_of_codes

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from leadml.data.mapping import Mapping
    from leadml.data.rejections import Rejections

OPEN = -1
"""Outcome of a lead that is neither won (1) nor lost (0)."""
NO_DAY = np.iinfo(np.int32).min
"""A day that is not known."""


@dataclasses.dataclass(frozen=True, eq=False)
class Leads:
    """n leads read by one mapping; row i of every column is the same lead.

    `read_leads` or `from_arrays` makes them.

    Attributes
    ----------
    criteria : tuple of k str
        Canonical names of the mapped criteria (stand-ins applied), in canonical order.
    codes : (n, k) uint8, each column contiguous
        Levels 0 to 4, 5 for unknown.
    outcome : (n,) int8 or None
        1 won, 0 lost, -1 open.
    created, closed, snapshot : (n,) int32 or None
        Days since 1970-01-01, `NO_DAY` where unknown.
    unit : (n,) int32 or None
        Equal for rows that are one unit (mapped group, or copies beyond chance); None: every deal is its own.
    amount : (n,) float64 or None
        Value of the deal, NaN where empty.
    weight : (n,) float64 or None
        How many deals a row stands for; None: one each (a table counted by Spark or SQL has weights).
    contactable : (n,) bool or None
        Whether the lead can be reached.
    followed_up : (n,) bool or None
        Whether the lead was worked at all.
    propensity : (n,) float64 or None
        Chance of having been picked at random, NaN where not random.
    context, segments, facts : mapping of str to Arrow array
        Columns of the CRM as read: dictionary-encoded text, float64 or date32; null = blank.
    lead_id : Arrow array of n text, or None
        Identity; None: the row number, from 1.
    row : (n,) int64
        Row as the user's spreadsheet shows it (the header is row 1).
    in_time_order : bool
        Whether rows are in time order (``order: rows``).
    mapping : Mapping or None
        What read them.
    rejections : Rejections or None
        Rows that could not be used, with their reasons.
    n_rows : int
        Rows of the file: leads + rejected rows.
    source, digest : str
        Where they come from, and the SHA-256 of what was read.
    format : dict
        How the file was written, as sniffed, for messages.
    notes : tuple of (code, values)
        What was met on reading, for `leadml.calibration.findings`: LML code and the values its text needs.
    truth : object or None
        For synthetic leads, the world they were drawn from.
    """

    criteria: tuple[str, ...]
    codes: npt.NDArray[np.uint8]
    outcome: npt.NDArray[np.int8] | None = None
    created: npt.NDArray[np.int32] | None = None
    closed: npt.NDArray[np.int32] | None = None
    snapshot: npt.NDArray[np.int32] | None = None
    unit: npt.NDArray[np.int32] | None = None
    amount: npt.NDArray[np.float64] | None = None
    weight: npt.NDArray[np.float64] | None = None
    contactable: npt.NDArray[np.bool_] | None = None
    followed_up: npt.NDArray[np.bool_] | None = None
    propensity: npt.NDArray[np.float64] | None = None
    context: MappingType[str, pa.Array] = dataclasses.field(default_factory=dict)
    segments: MappingType[str, pa.Array] = dataclasses.field(default_factory=dict)
    facts: MappingType[str, pa.Array] = dataclasses.field(default_factory=dict)
    lead_id: pa.Array | None = None
    row: npt.NDArray[np.int64] | None = None
    in_time_order: bool = False
    mapping: Mapping | None = None
    rejections: Rejections | None = None
    n_rows: int = 0
    source: str = "arrays"
    digest: str = ""
    format: MappingType[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[tuple[str, MappingType[str, Any]], ...] = ()
    truth: Any = None

    PER_ROW = (
        "codes", "outcome", "created", "closed", "snapshot", "unit", "amount", "weight", "contactable",
        "followed_up", "propensity", "context", "segments", "facts", "lead_id", "row",
    )  # fmt: skip

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def levels(self) -> npt.NDArray[np.float64]:
        """(n, k) float64, NaN for unknown."""
        return levels_of_codes(self.codes)

    @classmethod
    def from_arrays(
        cls, levels: Any, outcome: Any = None, criteria: Sequence[str] | None = None, **columns: Any
    ) -> Leads:
        """Make leads of arrays.

        Parameters
        ----------
        levels : array of shape (n, k), or DataFrame
            Levels 0 to 4, NaN for unknown.
        outcome : array of shape (n,), optional
            1 or True won, 0 or False lost, NaN, None or -1 open.
        criteria : sequence of k str, optional
            Canonical names; those of the frame's columns when absent.
        **columns
            Each (n,): ``created_at``, ``closed_at``, ``snapshot`` (dates), ``group`` (any values),
            ``amount``, ``weight``, ``propensity``, ``followed_up``, ``contactable``, ``lead_id``;
            ``context``, ``segments`` and ``facts`` as a frame or a dict of name to column;
            ``in_time_order``, ``source``, ``mapping`` and ``truth`` as they are.

        Returns
        -------
        Leads
            The leads.

        Raises
        ------
        InputError
            A level is not 0 to 4, a name is not known or a column has another length.

        Examples
        --------
        >>> leads = Leads.from_arrays([[4, float("nan")], [0, 2]], [1, 0], ["budget", "need"])
        >>> len(leads), leads.levels.tolist()
        (2, [[4.0, nan], [0.0, 2.0]])
        """
        from leadml.data.arrays import leads_of_arrays

        return leads_of_arrays(levels, outcome, criteria, columns)

    @property
    def created_at(self) -> npt.NDArray[np.datetime64] | None:
        """(n,) datetime64[D] of creation, NaT where unknown."""
        return _dates(self.created)

    @property
    def closed_at(self) -> npt.NDArray[np.datetime64] | None:
        """(n,) datetime64[D] of the close, NaT where unknown."""
        return _dates(self.closed)

    @property
    def group(self) -> npt.NDArray[np.int32] | None:
        """(n,) int32, equal for rows that are one unit; None: every deal is its own."""
        return self.unit

    @property
    def rejected(self) -> pd.DataFrame:
        """Rows that could not be used: row, column, value, reason."""
        import pandas as pd

        if self.rejections is None:
            return pd.DataFrame({"row": [], "column": [], "value": [], "reason": []})
        return self.rejections.to_pandas()

    def ids(self, at: npt.NDArray[Any] | slice = slice(None)) -> list[str]:
        """Name leads: their id, or the number of their row from 1 (the header not counted) without one."""
        if self.lead_id is not None:
            cells = self.lead_id.take(_arrow(np.arange(len(self))[at])).to_pylist()
        else:
            cells = [None] * len(np.arange(len(self))[at])
        header = int(self.format.get("header_row", 1))
        rows = np.arange(1, len(self) + 1) if self.row is None else self.row - header
        blank = "{}" if self.lead_id is None else "row {}"
        return [cell or blank.format(row) for cell, row in zip(cells, rows[at].tolist(), strict=True)]

    def take(self, rows: npt.NDArray[Any]) -> Leads:
        """Pick rows by position or mask."""
        at = np.flatnonzero(rows) if rows.dtype == bool else rows

        def pick(column: Any) -> Any:
            if column is None:
                return None
            if isinstance(column, MappingType):
                return {name: each.take(_arrow(at)) for name, each in column.items()}
            if isinstance(column, np.ndarray):
                return np.asfortranarray(column[at]) if column.ndim == 2 else column[at]
            return column.take(_arrow(at))

        picked = {name: pick(getattr(self, name)) for name in self.PER_ROW}
        return dataclasses.replace(self, **picked, n_rows=len(at))

    def to_pandas(self) -> pd.DataFrame:
        """One row a lead: identity, levels, outcome, dates, amount, context."""
        import pandas as pd

        frame = {"lead_id": self.ids(), **dict(zip(self.criteria, self.levels.T, strict=True))}
        if self.outcome is not None:
            frame["outcome"] = np.where(self.outcome == OPEN, np.nan, self.outcome)
        for name in ("created_at", "closed_at"):
            if (dates := getattr(self, name)) is not None:
                frame[name] = dates.astype("datetime64[s]")
        for name in ("unit", "amount", "weight", "contactable", "followed_up", "propensity"):
            if (column := getattr(self, name)) is not None:
                frame["group" if name == "unit" else name] = column
        for part in (self.context, self.segments, self.facts):
            frame |= {name: column.to_pandas() for name, column in part.items() if name not in frame}
        return pd.DataFrame(frame)


def _dates(days: npt.NDArray[np.int32] | None) -> npt.NDArray[np.datetime64] | None:
    if days is None:
        return None
    return np.where(days == NO_DAY, np.datetime64("NaT", "D"), days.astype("datetime64[D]"))


def _arrow(at: npt.NDArray[Any]) -> pa.Array:
    """Wrap positions as an Arrow column; `pa.array` would import pandas."""
    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.int64(), len(at), [None, pa.py_buffer(np.ascontiguousarray(at, np.int64))]
    )
