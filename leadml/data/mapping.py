"""The mapping: which column of a CRM export means what, as a strict YAML record.

Every fault of a file is reported at once, with its YAML path and line. Values that cells are compared with
are kept as text, the way `cells.category` writes them, so that ``1``, ``1.0`` and ``"1"`` are one value.
"""

from __future__ import annotations

import codecs
import itertools
import os
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Mapping as MappingType
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from leadml.data.cells import category, cell_text
from leadml.exceptions import RecordError
from leadml.levels import CANONICAL, LEVEL_MAX
from leadml.records import Record, check_record, digest_record, load_record


def _cell(value: Any) -> Any:
    """Keep a YAML scalar as the text that a cell would hold."""
    return category(str(cell_text(value))) if isinstance(value, str | int | float) else value


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):  # which equals 1 or 0
        raise ValueError(f"got {str(value).lower()}; valid: 0, 1, 2, 3, 4; choose one of these")
    return value


def _delimiter(value: str) -> str:
    value = {"tab": "\t", "\\t": "\t"}.get(value, value)
    if len(value) != 1 or value in '"\r\n':
        raise ValueError(f"got {value!r}; valid: one character such as ; or tab; correct it")
    return value


def _encoding(value: str) -> str:
    try:
        return codecs.lookup(value).name
    except LookupError:
        raise ValueError(f"got {value!r}; valid: an encoding such as utf-8, utf-16 or cp1252; correct it") from None


def _increasing(edges: tuple[float, ...]) -> tuple[float, ...]:
    falling = any(not low < high for low, high in itertools.pairwise(edges))
    _refuse([f"the edges {list(edges)} do not increase"] * falling, "1 to 4 edges, each larger than the one before")
    return edges


def _refuse(faults: Iterable[str], valid: str) -> None:
    if said := "; ".join(dict.fromkeys(faults)):
        raise ValueError(f"{said}; valid: {valid}")


Cell = Annotated[str, BeforeValidator(_cell)]
Cells = Annotated[tuple[Cell, ...], Field(min_length=1)]
Level = Annotated[Literal[0, 1, 2, 3, 4], BeforeValidator(_no_flag)]
Edges = Annotated[tuple[float, ...], Field(min_length=1, max_length=LEVEL_MAX), AfterValidator(_increasing)]
CriterionId = Literal[*CANONICAL]  # type: ignore[valid-type]


class ReadOptions(Record):
    """How the file is written; what is left out is sniffed and reported."""

    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    decimal: Literal[".", ","] | None = None
    sniffed_decimal: Literal[".", ","] | None = None  # of what was learned from, for text where none is sniffed
    sheet: str | None = None
    header: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None

    @property
    def mark(self) -> str:
        """The decimal mark of text in frames and under Spark, which nobody sniffs."""
        return self.decimal or self.sniffed_decimal or "."


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

    won: Cells
    lost: Cells
    open: tuple[Cell, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> Outcome:
        lists = itertools.combinations({"won": self.won, "lost": self.lost, "open": self.open}.items(), 2)
        twice = ((value, one, other) for (one, a), (other, b) in lists for value in a if value in b)
        faults = (f"{value!r} is listed as {one} and as {other}" for value, one, other in twice)
        _refuse(faults, "each value in one list, at least one won and one lost")
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
    """How one column becomes levels: by words, by edges of numbers, by both, by neither where it holds 0-4."""

    levels: Annotated[dict[Cell, Level], Field(min_length=1)] | None = None
    edges: Edges | None = None
    descending: bool = False
    unknown: tuple[Cell, ...] = ()
    other: Level | Literal["unknown"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Criterion:
        faults = ["got descending without edges"] * (self.descending and self.edges is None)
        faults += [f"{v!r} is listed under levels and under unknown" for v in self.unknown if v in (self.levels or {})]
        _refuse(faults, "levels for words, edges for numbers, both, or neither for a column of 0 to 4")
        return self


class Contactable(ColumnRule):
    """Which column, when filled, says that the lead can be reached."""

    unknown: tuple[Cell, ...] = ()


class Fact(ColumnRule):
    """A fact that a caveat of a framework asks for; a value not listed is ``other``."""

    values: dict[str, tuple[Cell, ...]]


class FollowedUp(ColumnRule):
    """Which leads were worked at all."""

    values: Cells


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
    duplicates: Literal["auto", "off", False] | tuple[str, ...] = "auto"  # False: how YAML 1.1 reads off
    exclude: dict[str, str] = Field(default_factory=dict)

    _folder: Path | None = PrivateAttr(default=None)

    # Each field is checked by itself, with those before it, so that every fault is told with its line.
    @field_validator("criteria", "context")
    @classmethod
    def _not_the_outcome(cls, value: Any, info: ValidationInfo) -> Any:
        outcome, dates = info.data.get("outcome"), info.data.get("dates")
        late = {outcome.column: "the outcome"} if outcome else {}
        late |= {dates.closed: "the date of the close"} if dates else {}
        used = ((at, column) for at, column in _uses({str(info.field_name): value}) if column in late)
        faults = (f"{at} reads {column!r}, which is {late[column]}" for at, column in used)
        _refuse(faults, "columns known before the close; remove it")
        return value

    @field_validator("stand_in")
    @classmethod
    def _ends_in_a_column(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        ends = {*info.data.get("criteria", CANONICAL)}.difference(value)
        chains = map(cls.model_construct(stand_in=value).chain, value)
        faults = (f"{' <- '.join(chain)} ends in no column" for chain in chains if chain[-1] not in ends)
        _refuse(faults, "each criterion read, in the end, from one that is mapped")
        return value

    @field_validator("exclude")
    @classmethod
    def _not_used(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        used = ((at, column) for at, column in _uses(info.data) if column in value)
        faults = (f"{column!r} is excluded ({value[column]}) and yet used as {at}" for at, column in used)
        _refuse(faults, "columns used nowhere else; remove it here or there")
        return value

    @property
    def mapped(self) -> tuple[str, ...]:
        """Criteria that have levels, stand-ins among them, in canonical order."""
        return tuple(c for c in CANONICAL if c in self.criteria or c in self.stand_in)

    def chain(self, name: str) -> tuple[str, ...]:
        """A criterion, then those that stand in for it, one after the other."""
        chain = [name]
        while chain[-1] in self.stand_in and chain[-1] not in chain[:-1]:
            chain.append(self.stand_in[chain[-1]])
        return tuple(chain)

    def column_of(self, name: str) -> str:
        """The column that a criterion is read from, also as a stand-in; what is no criterion is a column itself."""
        return next((self.criteria[each].column for each in self.chain(name) if each in self.criteria), name)

    def uses(self) -> tuple[tuple[str, str], ...]:
        """List (YAML path, column)."""
        return tuple(_uses(dict(self)))

    def present(self, columns: Collection[str]) -> tuple[str, ...]:
        """List the criteria that these columns can say something about, in canonical order."""
        there = {name for name, rule in self.criteria.items() if rule.column in columns}
        return tuple(name for name in self.mapped if there.intersection(self.chain(name)))

    def digest(self) -> str:
        """SHA-256 of what columns mean: without the decimal mark that was sniffed, which the next file may not have."""
        return digest_record(self, exclude={"read": {"sniffed_decimal"}})

    def readings(self, criteria: Iterable[str]) -> dict[str, str]:
        """Digests of how each of these is read, as a card keeps them: by what column, words, edges and stand-ins."""

        def digest(name: str) -> str:
            chain = {*self.chain(name)}
            some = {"criteria": chain & {*self.criteria}, "stand_in": chain & {*self.stand_in}}
            return digest_record(self, include={k: v for k, v in some.items() if v}, exclude_defaults=True)[:16]

        return {f"reading_of_{name}": digest(name) for name in criteria}

    def kept(self, form: MappingType[str, Any]) -> Mapping:
        """Itself, as kept with a model that was learned from a file written so (`Leads.format`)."""
        if "decimal" not in form.get("sniffed", ()):
            return self
        mark = "," if form["decimal"] == "," else None  # a point is read anyway
        return self.model_copy(update={"read": self.read.model_copy(update={"sniffed_decimal": mark})})

    def path_of(self, file: str) -> str:
        """Find a file that the mapping names: beside the mapping, else as it is written."""
        return str(beside) if self._folder and (beside := self._folder / file).exists() else file


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
