"""The mapping: which column of a CRM export means what, as a strict YAML record.

Every fault of a file is reported at once, with its YAML path and line. Values that cells are compared with
are kept as text, the way `leadml.leads.values.category` writes them, so that ``1``, ``1.0`` and ``"1"`` are
one value.
"""

from __future__ import annotations

import codecs
import itertools
import os
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from leadml.leads.values import N_LEVELS, category
from leadml.records import CANONICAL, Record, check_record, load_record, nearest

V = TypeVar("V")


def _cell(value: Any) -> Any:
    """Keep a YAML scalar as the text that a cell would hold."""
    if isinstance(value, bool):
        return str(value).lower()
    return category(str(value)) if isinstance(value, str | int | float) else value


def _level(value: int) -> int:
    if not 0 <= value < N_LEVELS:
        raise ValueError(f"got {value}; valid: a level from 0 to 4; correct it")
    return value


def _criterion(name: str) -> str:
    if name not in CANONICAL:
        raise ValueError(
            f"no criterion has this name; valid: {', '.join(CANONICAL)}"
            f"{nearest(name, CANONICAL) or '; rename it'}"
        )
    return name


Cell = Annotated[str, BeforeValidator(_cell)]
Level = Annotated[int, AfterValidator(_level)]
CriterionId = Annotated[str, AfterValidator(_criterion)]


class ReadOptions(Record):
    """How the file is written; what is left out is sniffed and reported."""

    delimiter: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    sheet: str | None = None

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
            raise ValueError(
                f"got {value!r}; valid: utf-8, utf-16, cp1252 or another encoding of Python; correct it"
            ) from None


class Outcome(Record):
    """Which column holds how a deal ended, and which values mean what."""

    column: str
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


class Amount(Record):
    """What a deal is worth."""

    column: str
    currency: str | None = None


class Criterion(Record):
    """How one column becomes levels: by category, by edges, or because it holds 0 to 4 already."""

    column: str
    levels: dict[Cell, Level] | None = None
    edges: tuple[float, ...] | None = None
    descending: bool = False
    unknown: tuple[Cell, ...] = ()
    other: Annotated[Level | Literal["unknown"] | None, Field(description="a level or unknown")] = None

    @field_validator("edges")
    @classmethod
    def _increasing(cls, edges: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if edges is None:
            return None
        faults = []
        if not 1 <= len(edges) < N_LEVELS:
            faults.append(f"got {len(edges)} edges")
        if any(not (low < high) for low, high in itertools.pairwise(edges)):
            faults.append(f"the edges {list(edges)} do not increase")
        _raise(faults, "1 to 4 edges, each larger than the one before")
        return edges

    @model_validator(mode="after")
    def _one_way(self) -> Criterion:
        faults = []
        if self.levels is not None and self.edges is not None:
            faults.append("got both levels and edges")
        if self.levels is not None and not self.levels:
            faults.append("levels lists no value")
        if self.descending and self.edges is None:
            faults.append("got descending without edges")
        faults += [
            f"{value!r} is listed under levels and under unknown"
            for value in self.unknown
            if value in (self.levels or {})
        ]
        _raise(faults, "levels for categories, or edges for numbers, or neither for a column of 0 to 4")
        return self


class Contactable(Record):
    """Which column, when filled, says that the lead can be reached."""

    column: str
    unknown: tuple[Cell, ...] = ()


class Fact(Record):
    """A fact that a caveat of a framework asks for; a value not listed is ``other``."""

    column: str
    values: dict[str, tuple[Cell, ...]]


class Mapping(Record):
    """The meaning of an export's columns.

    With ``optional: true`` a column named here may be absent from the file: what it would say is unknown, and
    that is reported. At least one criterion's column must be there.
    """

    name: str
    read: ReadOptions = ReadOptions()
    optional: bool = False
    lead_id: str | None = None
    outcome: Outcome | None = None
    dates: Dates = Dates()
    order: Literal["rows"] | None = None
    group: tuple[str, ...] = ()
    amount: Amount | None = None
    criteria: dict[CriterionId, Criterion] = Field(default_factory=dict)
    stand_in: dict[CriterionId, CriterionId] = Field(default_factory=dict)
    contactable: Contactable | None = None
    context: tuple[str, ...] = ()
    facts: dict[str, Fact] = Field(default_factory=dict)
    exclude: dict[str, str] = Field(default_factory=dict)

    @field_validator("criteria", "context")
    @classmethod
    def _not_the_outcome(cls, value: V, info: ValidationInfo) -> V:
        late = {}
        if outcome := info.data.get("outcome"):
            late[outcome.column] = "the outcome"
        if (dates := info.data.get("dates")) and dates.closed:
            late[dates.closed] = "the date of the close"
        used = {c: c for c in value} if isinstance(value, tuple) else {k: c.column for k, c in _items(value)}
        _raise(
            [
                f"{place} reads {column!r}, which is {late[column]}"
                for place, column in used.items()
                if column in late
            ],
            "columns known before the close; remove it",
        )
        return value

    @field_validator("stand_in")
    @classmethod
    def _no_cycle(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        criteria = info.data.get("criteria")
        faults = []
        for start in value:
            chain = [start]
            while chain[-1] in value and value[chain[-1]] not in chain:
                chain.append(value[chain[-1]])
            if value.get(chain[-1]) == start:
                faults.append(f"{' <- '.join([*chain, start])} goes round in a circle")
            elif criteria is not None and chain[-1] not in criteria and chain[-1] not in value:
                faults.append(f"{start} would read {chain[-1]}, which is not among the criteria mapped")
        _raise(faults, "each criterion read from one that has a column of its own")
        return value

    @field_validator("exclude")
    @classmethod
    def _not_used(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        _raise(
            [
                f"{column!r} is excluded ({value[column]}) and yet used as {place}"
                for place, column in _uses(info.data)
                if column in value
            ],
            "columns used nowhere else; remove it here or there",
        )
        return value

    @property
    def mapped(self) -> tuple[str, ...]:
        """Criteria that have levels, stand-ins among them, in the canonical order."""
        return tuple(c for c in CANONICAL if c in self.criteria or c in self.stand_in)

    def uses(self, *, to_score: bool = False) -> tuple[tuple[str, str], ...]:
        """List what reads which column.

        Parameters
        ----------
        to_score : bool
            Only what scoring a new lead cannot do without: its id and the criteria.

        Returns
        -------
        tuple of (str, str)
            YAML path and column, for instance ``("criteria.need", "Needs")``.
        """
        needed = ("lead_id", "criteria.") if to_score else ("",)
        return tuple(use for use in _uses(dict(self)) if use[0].startswith(needed))


def load_mapping(source: Mapping | dict[str, Any] | str | os.PathLike[str]) -> Mapping:
    """Read a mapping.

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
    leadml.exceptions.RecordError: mapping: criteria.budgett: no criterion has this name; ...
    """
    if isinstance(source, Mapping | dict):
        return check_record(source, Mapping, "mapping")
    return load_record(source, Mapping)


def _items(value: Any) -> Any:
    return value.items() if isinstance(value, dict) else ()


def _uses(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if fields.get("lead_id"):
        yield "lead_id", fields["lead_id"]
    for key in ("outcome", "amount", "contactable"):
        if fields.get(key):
            yield f"{key}.column", fields[key].column
    for key in ("created", "closed"):
        if fields.get("dates") and getattr(fields["dates"], key):
            yield f"dates.{key}", getattr(fields["dates"], key)
    for key in ("group", "context"):
        yield from ((f"{key}[{i}]", column) for i, column in enumerate(fields.get(key) or ()))
    for key in ("criteria", "facts"):
        yield from ((f"{key}.{name}", part.column) for name, part in _items(fields.get(key)))


def _raise(faults: list[str], valid: str) -> None:
    if faults:
        raise ValueError(f"{'; '.join(faults)}; valid: {valid}")
