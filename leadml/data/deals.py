"""Leads as columns of bytes: one road for 100 deals and for 10,000,000, and for a table counted elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType
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
    """n leads read by one mapping; row i of every column is the same lead. `read_leads` or `from_arrays` makes them.

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
        Columns of the CRM as read: dictionary-encoded text (None = blank) or float64 (null = blank); dates as date32.
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
        raise NotImplementedError


def _arrow(at: npt.NDArray[Any]) -> pa.Array:
    import pyarrow as pa

    return pa.array(at)
