"""Leads as columns of bytes: one road for 100 deals and for 10,000,000, and for a table counted elsewhere."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.data.cells import carry, number_array, relabel, text_array, text_of
from leadml.data.rejections import Rejections
from leadml.exceptions import InputError, LeadmlError
from leadml.levels import CANONICAL, LEVEL_MAX, Codes, Flags, Floats, Ints, Ints32, codes_of_levels, levels_of_codes
from leadml.records import nearest

if TYPE_CHECKING:
    import pandas as pd

    from leadml.data.mapping import Mapping

Note = tuple[str, MappingType[str, Any]]
"""What was met on reading, for `leadml.calibration.findings`: LML code and the values its text needs."""
Columns = dict[tuple[str, str], Any]
"""Columns of leads, by field and name in it (empty where the field is the column)."""
OPEN = -1
"""Outcome of a lead that is neither won (1) nor lost (0)."""
NO_DAY = int(np.iinfo(np.int32).min)
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
    raw : mapping of str to Arrow array
        Columns that criteria are read from, as words, for the wide card; of closed deals and up to 200,000 rows.
    first : Leads or None
        Codes and `raw` of the first rows, where `raw` is not kept.
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
        What was met on reading: LML code and the values that its text needs.
    truth : object or None
        For synthetic leads, the world they were drawn from.
    """

    criteria: tuple[str, ...]
    codes: Codes
    outcome: npt.NDArray[np.int8] | None = None
    created: Ints32 | None = None
    closed: Ints32 | None = None
    snapshot: Ints32 | None = None
    unit: Ints32 | None = None
    amount: Floats | None = None
    weight: Floats | None = None
    contactable: Flags | None = None
    followed_up: Flags | None = None
    propensity: Floats | None = None
    context: MappingType[str, pa.Array] = dataclasses.field(default_factory=dict)
    segments: MappingType[str, pa.Array] = dataclasses.field(default_factory=dict)
    facts: MappingType[str, pa.Array] = dataclasses.field(default_factory=dict)
    raw: MappingType[str, pa.Array] = dataclasses.field(default_factory=dict)
    first: Leads | None = None
    lead_id: pa.Array | None = None
    row: Ints | None = None
    in_time_order: bool = False
    mapping: Mapping | None = None
    rejections: Rejections | None = None
    n_rows: int = 0
    source: str = "arrays"
    digest: str = ""
    format: MappingType[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    truth: Any = None

    PER_ROW = (
        "codes", "outcome", "created", "closed", "snapshot", "unit", "amount", "weight", "contactable",
        "followed_up", "propensity", "context", "segments", "facts", "raw", "lead_id", "row",
    )  # fmt: skip

    def __len__(self) -> int:
        return len(self.codes)

    def __repr__(self) -> str:
        ends = (("won", 1), ("lost", 0), ("open", OPEN))
        told = [f"{np.count_nonzero(self.outcome == end):,} {word}" for word, end in ends]
        how = ", no outcome" if self.outcome is None else f" ({', '.join(told)})"
        if self.rejections is not None and self.n_rows > len(self):
            how += f", {self.n_rows - len(self):,} of {self.n_rows:,} rows rejected"
        return f"<Leads of {self.source}: {len(self):,} leads{how}; criteria {', '.join(self.criteria)}>"

    @property
    def levels(self) -> Floats:
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
        valid = (*_READERS, *_AS_IS)
        for name in columns:
            if name not in valid:
                raise InputError(f"{name} is no column of leads; valid: {', '.join(valid)}{nearest(name, valid)}")
        names = list(map(str, getattr(levels, "columns", ()) if criteria is None else criteria))
        if not names or len({*names} & {*CANONICAL}) < len(names):
            said = f"criteria are {names}" if names else "criteria are not named"
            raise InputError(f"{said}; valid: each once of {', '.join(CANONICAL)}; give criteria=[...]")
        values = _read(lambda given: np.asarray(given, dtype=np.float64), levels, "levels")
        if values.ndim != 2 or values.shape[1] != len(names):
            raise InputError(f"levels has shape {values.shape}; valid: (leads, {len(names)}), a column a criterion")
        wrong = values[~np.isnan(values) & ~np.isin(values, np.arange(LEVEL_MAX + 1))]
        if len(wrong):
            raise InputError(
                f"levels holds {wrong[0]:g}; valid: 0 to {LEVEL_MAX}, NaN for unknown; use a mapping otherwise"
            )
        n, order = len(values), sorted(range(len(names)), key=lambda j: CANONICAL.index(names[j]))
        made: Columns = {("codes", ""): np.asfortranarray(codes_of_levels(values[:, order]))}
        for name, given in {"outcome": outcome, **columns}.items():
            field, read = _READERS.get(name, (name, None))
            for key, column in dict(given if field in _FRAMES and given is not None else {"": given}).items():
                if read is not None and column is not None:
                    if len(column) != n:
                        raise InputError(f"{name} has {len(column)} rows; valid: {n}, one a lead")
                    made[field, str(key)] = _read(read, column, name)
        as_is = {name: columns[name] for name in _AS_IS if name in columns}
        leads = cls(tuple(names[j] for j in order), **nested(made), row=np.arange(2, n + 2), n_rows=n, **as_is)
        digest = hashlib.sha256(repr((leads.criteria, leads.in_time_order, [*leads.per_row()])).encode())
        for each in leads.per_row().values():
            is_array = isinstance(each, np.ndarray)
            digest.update(each.tobytes() if is_array else pa.RecordBatch.from_arrays([each], names=[""]).serialize())
        return dataclasses.replace(leads, digest=digest.hexdigest())

    def per_row(self) -> Columns:
        """All columns that have a value a lead, by field and name in it (empty where the field is the column)."""
        fields = {field: getattr(self, field) for field in self.PER_ROW}
        columns = {field: each if isinstance(each, MappingType) else {"": each} for field, each in fields.items()}
        return {(f, name): each for f, named in columns.items() for name, each in named.items() if each is not None}

    @property
    def created_at(self) -> npt.NDArray[np.datetime64] | None:
        """(n,) datetime64[D] of creation, NaT where unknown."""
        return _dates(self.created)

    @property
    def closed_at(self) -> npt.NDArray[np.datetime64] | None:
        """(n,) datetime64[D] of the close, NaT where unknown."""
        return _dates(self.closed)

    @property
    def group(self) -> Ints32 | None:
        """(n,) int32, equal for rows that are one unit; None: every deal is its own."""
        return self.unit

    @property
    def rejected(self) -> pd.DataFrame:
        """Rows that could not be used: row, column, value, reason."""
        return (self.rejections or Rejections()).to_pandas()

    def ids(self, at: npt.NDArray[Any] | slice = slice(None)) -> list[str]:
        """Name leads: their id, or the number of their row from 1 (the header not counted) without one."""
        header = int(self.format.get("header_row", 1))
        rows = (np.arange(1, len(self) + 1) if self.row is None else self.row - header)[at].tolist()
        if self.lead_id is None:
            return list(map(str, rows))
        cells = self.lead_id.take(number_array(np.arange(len(self))[at])).to_pylist()
        return [cell or f"row {row}" for cell, row in zip(cells, rows, strict=True)]

    def take(self, rows: npt.NDArray[Any]) -> Leads:
        """Pick rows by position or mask."""
        if rows.dtype == bool and rows.all():
            return dataclasses.replace(self, n_rows=len(self))
        at = np.flatnonzero(rows) if rows.dtype == bool else rows

        def pick(column: Any) -> Any:
            if not isinstance(column, np.ndarray):
                return column.take(number_array(at))
            return np.asfortranarray(column[at]) if column.ndim == 2 else column[at]

        picked = nested({key: pick(column) for key, column in self.per_row().items()})
        return dataclasses.replace(self, **picked, n_rows=len(at))

    def to_pandas(self) -> pd.DataFrame:
        """One row a lead: identity, levels, outcome, dates, amount, context."""
        import pandas as pd

        frame = {"lead_id": self.ids(), **dict(zip(self.criteria, self.levels.T, strict=True))}
        if self.outcome is not None:
            frame["outcome"] = np.where(self.outcome == OPEN, np.nan, self.outcome)
        names = ("created_at", "closed_at", "group", "amount", "weight", "contactable", "followed_up", "propensity")
        frame |= {name: column for name in names if (column := getattr(self, name)) is not None}
        for part in (self.context, self.segments, self.facts):
            frame |= {name: column.to_pandas() for name, column in part.items() if name not in frame}
        return pd.DataFrame(frame)


def nested(columns: Columns) -> dict[str, Any]:
    """Fields of `Leads` from its columns."""
    made: dict[str, Any] = {}
    for (field, name), column in columns.items():
        made[field] = {**made.get(field, {}), name: column} if name else column
    return made


def _dates(days: Ints32 | None) -> npt.NDArray[np.datetime64] | None:
    no_day = np.datetime64("NaT", "D")
    return None if days is None else np.where(days == NO_DAY, no_day, days.astype("datetime64[D]"))


def _outcome(outcome: Any) -> npt.NDArray[np.int8]:
    values = np.nan_to_num(np.array(outcome, dtype=np.float64), nan=OPEN)
    if len(wrong := values[~np.isin(values, (OPEN, 0, 1))]):
        raise InputError(f"outcome holds {wrong[0]:g}; valid: 1 won, 0 lost, NaN open")
    return values.astype(np.int8)


def _days(column: Any) -> Ints32:
    values = np.asarray(column)
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.int32)
    dates = values.astype("datetime64[D]")
    return np.where(np.isnat(dates), NO_DAY, dates.astype(np.int64)).astype(np.int32)


def _column(column: Any) -> pa.Array:
    """Take a column of any kind as a reader would have it."""
    array = column if isinstance(column, pa.Array) else pa.array(column, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return relabel(text_of(array), str.strip) if pa.types.is_boolean(array.type) else carry(array)


def _read(read: Callable[[Any], Any], given: Any, name: str) -> Any:
    try:
        return read(given)
    except LeadmlError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}; correct it, or read words by a mapping: leadml.read_leads") from None


_FRAMES = ("context", "segments", "facts")
_AS_IS = ("in_time_order", "source", "mapping", "truth")
_READERS: dict[str, tuple[str, Any]] = {
    "outcome": ("outcome", _outcome), "created_at": ("created", _days), "closed_at": ("closed", _days),
    "snapshot": ("snapshot", _days), "lead_id": ("lead_id", lambda ids: text_array(list(map(str, ids)))),
    "group": ("unit", lambda group: np.unique(list(map(str, group)), return_inverse=True)[1].astype(np.int32)),
    **{name: (name, partial(np.asarray, dtype=float)) for name in ("amount", "weight", "propensity")},
    **{name: (name, partial(np.asarray, dtype=bool)) for name in ("followed_up", "contactable")},
    **{name: (name, _column) for name in _FRAMES},
}  # fmt: skip
"""Columns of `from_arrays`: their field, and what reads them."""


def why_none_closed(leads: Leads) -> str:
    """Why no deal is closed, and what to do; empty where one is."""
    if leads.outcome is not None and (leads.outcome != OPEN).any():
        return ""
    rule = None if leads.mapping is None else leads.mapping.outcome
    if rule is None:
        example = "outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}"
        return f"the mapping names no outcome; add to it: {example}"
    if leads.outcome is None:
        return f"the file has no column {rule.column!r}, which the mapping reads outcomes from; correct outcome.column"
    how = "export closed deals too, or correct outcome.won and outcome.lost in the mapping"
    return f"all {len(leads):,} are open by their {rule.column!r}; {how}"
