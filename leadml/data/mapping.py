"""The mapping: which column of a CRM export means what, as a strict YAML record.

Every fault of a file is reported at once, with its YAML path and line. Values that cells are compared with
are kept as text, the way `cells.category` writes them, so that ``1``, ``1.0`` and ``"1"`` are one value.
"""

from __future__ import annotations

import codecs
import itertools
import os
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from leadml.data.cells import category
from leadml.exceptions import RecordError
from leadml.levels import CANONICAL, LEVEL_MAX
from leadml.records import Record, check_record, load_record


def _cell(value: Any) -> Any:
    """Keep a YAML scalar as the text that a cell would hold."""
    if isinstance(value, bool):
        return str(value).lower()
    return category(str(value)) if isinstance(value, str | int | float) else value


Cell = Annotated[str, BeforeValidator(_cell)]
Level = Literal[0, 1, 2, 3, 4]
CriterionId = Literal[*CANONICAL]  # type: ignore[valid-type]


class ReadOptions(Record):
    """How the file is written; what is left out is sniffed and reported."""

    delimiter: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    sheet: str | None = None
    header: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = {"tab": "\t", "\\t": "\t"}.get(value or "", value)
        if value is not None and (len(value) != 1 or value in '"\r\n'):
            raise ValueError(f"got {value!r}; valid: one character such as ; or tab; correct it")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            return value and codecs.lookup(value).name
        except LookupError:
            valid = "utf-8, utf-16, cp1252 or another encoding of Python"
            raise ValueError(f"got {value!r}; valid: {valid}; correct it") from None


class Join(Record):
    """A second export: each deal takes its first match of `left` in column `right` of the file."""

    file: str
    left: str
    right: str


class ColumnRule(Record):
    """What one column holds."""

    column: str


class Outcome(ColumnRule):
    """Which column holds how a deal ended, and which values mean what."""

    won: tuple[Cell, ...]
    lost: tuple[Cell, ...]
    open: tuple[Cell, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> Outcome:
        lists = {"won": self.won, "lost": self.lost, "open": self.open}
        faults = [f"{name} lists no value" for name in ("won", "lost") if not lists[name]]
        for value in dict.fromkeys(v for values in lists.values() for v in values):
            where = [name for name, values in lists.items() if value in values]
            if len(where) > 1:
                faults.append(f"{value!r} is listed as {' and as '.join(where)}")
        _raise(faults, "each value in one list, at least one won and one lost")
        return self


class Dates(Record):
    """When a lead was created and when it was closed."""

    created: str | None = None
    closed: str | None = None
    day_first: bool | None = None


class Amount(ColumnRule):
    """What a deal is worth."""

    currency: str | None = None


class Criterion(ColumnRule):
    """How one column becomes levels: by words, by edges of numbers, by both, by neither where it holds
    0-4."""

    levels: dict[Cell, Level] | None = None
    edges: tuple[float, ...] | None = None
    descending: bool = False
    unknown: tuple[Cell, ...] = ()
    other: Level | Literal["unknown"] | None = None

    @field_validator("edges")
    @classmethod
    def _increasing(cls, edges: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if edges is None:
            return None
        faults = [] if 1 <= len(edges) <= LEVEL_MAX else [f"got {len(edges)} edges"]
        if any(not (low < high) for low, high in itertools.pairwise(edges)):
            faults.append(f"the edges {list(edges)} do not increase")
        _raise(faults, "1 to 4 edges, each larger than the one before")
        return edges

    @model_validator(mode="after")
    def _consistent(self) -> Criterion:
        faults = ["levels lists no value"] if self.levels is not None and not self.levels else []
        if self.descending and self.edges is None:
            faults.append("got descending without edges")
        twice = [value for value in self.unknown if value in (self.levels or {})]
        faults += [f"{value!r} is listed under levels and under unknown" for value in twice]
        _raise(faults, "levels for words, edges for numbers, both, or neither for a column of 0 to 4")
        return self


class Contactable(ColumnRule):
    """Which column, when filled, says that the lead can be reached."""

    unknown: tuple[Cell, ...] = ()


class Fact(ColumnRule):
    """A fact that a caveat of a framework asks for; a value not listed is ``other``."""

    values: dict[str, tuple[Cell, ...]]


class FollowedUp(ColumnRule):
    """Which leads were worked at all."""

    values: tuple[Cell, ...] = Field(min_length=1)


def _duplicates(value: Any) -> Any:
    return "off" if value is False else tuple(value) if isinstance(value, list) else value


class Mapping(Record):
    """The meaning of an export's columns.

    With ``optional: true`` a column named here may be absent from the file: what it would say is unknown, and
    that is reported. At least one criterion's column must be there.
    """

    name: str
    read: ReadOptions = Field(default_factory=ReadOptions)
    join: Join | None = None
    optional: bool = False
    lead_id: str | None = None
    outcome: Outcome | None = None
    dates: Dates = Field(default_factory=Dates)
    order: Literal["rows"] | None = None
    group: tuple[str, ...] = ()
    amount: Amount | None = None
    criteria: dict[CriterionId, Criterion] = Field(default_factory=dict)
    stand_in: dict[CriterionId, CriterionId] = Field(default_factory=dict)
    contactable: Contactable | None = None
    context: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    facts: dict[str, Fact] = Field(default_factory=dict)
    snapshot: str | None = None
    followed_up: FollowedUp | None = None
    propensity: ColumnRule | None = None  # chance (above 0, up to 1) of a pick at random; else empty
    frameworks: tuple[str, ...] = ()
    duplicates: Annotated[Literal["auto", "off"] | tuple[str, ...], BeforeValidator(_duplicates)] = "auto"
    exclude: dict[str, str] = Field(default_factory=dict)

    _folder: Path | None = PrivateAttr(default=None)

    @field_validator("criteria", "context")
    @classmethod
    def _not_the_outcome(cls, value: Any, info: ValidationInfo) -> Any:
        late = {}
        if outcome := info.data.get("outcome"):
            late[outcome.column] = "the outcome"
        if (dates := info.data.get("dates")) and dates.closed:
            late[dates.closed] = "the date of the close"
        used = {k: c.column for k, c in value.items()} if isinstance(value, dict) else {c: c for c in value}
        faults = [f"{at} reads {c!r}, which is {late[c]}" for at, c in used.items() if c in late]
        _raise(faults, "columns known before the close; remove it")
        return value

    @field_validator("stand_in")
    @classmethod
    def _no_cycle(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        valid = "each criterion read from one that has a column of its own"
        try:
            tuple(TopologicalSorter({each: [other] for each, other in value.items()}).static_order())
        except CycleError as error:
            _raise([f"{' <- '.join(error.args[1])} goes round in a circle"], valid)
        known = {*info.data.get("criteria", CANONICAL), *value}  # of criteria with faults of their own nothing is said
        missing = [(each, other) for each, other in value.items() if other not in known]
        _raise([f"{a} would read {b}, which is not among the criteria mapped" for a, b in missing], valid)
        return value

    @field_validator("exclude")
    @classmethod
    def _not_used(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        faults = [
            f"{column!r} is excluded ({value[column]}) and yet used as {place}"
            for place, column in _uses(info.data)
            if column in value
        ]
        _raise(faults, "columns used nowhere else; remove it here or there")
        return value

    def __eq__(self, other: object) -> bool:
        # Wherever it was read from, it says the same.
        return isinstance(other, Mapping) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def mapped(self) -> tuple[str, ...]:
        """Criteria that have levels, stand-ins among them, in canonical order."""
        return tuple(c for c in CANONICAL if c in self.criteria or c in self.stand_in)

    def uses(self, *, to_score: bool = False) -> tuple[tuple[str, str], ...]:
        """List (YAML path, column); `to_score`: only what scoring cannot do without (id and criteria)."""
        needed = ("lead_id", "criteria.") if to_score else ("",)
        return tuple(use for use in _uses(dict(self)) if use[0].startswith(needed))

    def present(self, columns: Iterable[str]) -> tuple[str, ...]:
        """List the criteria that these columns can say something about, in canonical order."""
        there = set(columns)

        def says(criterion: str) -> bool:
            own = criterion in self.criteria and self.criteria[criterion].column in there
            return own or (criterion in self.stand_in and says(self.stand_in[criterion]))

        return tuple(c for c in CANONICAL if says(c))

    def path_of(self, file: str) -> str:
        """Find a file that the mapping names: beside the mapping, else as it is written."""
        beside = None if self._folder is None else self._folder / file
        return str(beside) if beside is not None and beside.exists() else file


def load_mapping(source: Mapping | dict[str, Any] | str | os.PathLike[str]) -> Mapping:
    """Read a mapping: what the columns of an export mean.

    Parameters
    ----------
    source : Mapping, dict, str or path
        A YAML file; or a mapping as plain data or as a record, which is returned.

    Returns
    -------
    Mapping
        The mapping.

    Raises
    ------
    RecordError
        The file is missing or breaks the schema; the message lists every fault with its YAML path and line.

    Examples
    --------
    >>> mapping = load_mapping({"name": "mine", "criteria": {"need": {"column": "Need"}}})
    >>> mapping.mapped
    ('need',)
    >>> load_mapping({"name": "mine", "criteria": {"budgett": {"column": "Money"}}})
    Traceback (most recent call last):
    leadml.exceptions.RecordError: mapping: criteria.budgett: got 'budgett'; valid: budget, funds, ...
    """
    if isinstance(source, Mapping | dict):
        return check_record(source, Mapping, "mapping")
    try:
        path = Path(source)
    except TypeError:
        how = "valid: a path, a dict or a Mapping; `leadml mapping` writes one"
        raise RecordError(f"mapping: got {type(source).__name__}; {how}") from None
    mapping = load_record(path, Mapping)
    mapping._folder = path.parent
    return mapping


_USES = (
    "lead_id", "snapshot", "join", "outcome", "amount", "contactable", "followed_up", "propensity", "dates",
    "group", "context", "segments", "duplicates", "criteria", "facts",
)  # fmt: skip


def _uses(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(YAML path, column) of all that a mapping reads, as far as its fields are known."""
    for key in _USES:
        value = fields.get(key)
        if isinstance(value, tuple):
            yield from ((f"{key}[{i}]", column) for i, column in enumerate(value))
        elif isinstance(value, dict):
            yield from ((f"{key}.{name}", part.column) for name, part in value.items())
        elif isinstance(value, Record):
            named = value.model_dump(include={"column", "left", "created", "closed"})
            yield from ((f"{key}.{name}", column) for name, column in named.items() if column)
        elif value and key != "duplicates":
            yield key, value


def _raise(faults: list[str], valid: str) -> None:
    if faults:
        raise ValueError(f"{'; '.join(faults)}; valid: {valid}")
