"""What a calibration is told: rules to judge, consequences, splits, contenders."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from leadml.exceptions import RecordError
from leadml.frameworks import list_policies
from leadml.records import Record, load_record, nearest

CONTENDERS = (
    "cutoff",
    "weights",
    "steps",
    "integer",
    "context-logistic",
    "context-boosting",
    "prior",
)


class Economics(Record):
    """What following up one lead costs and what a won deal is worth, in one currency.

    A won deal is worth `won_value`, or `margin` (a share of its amount) times the mean amount of won deals.
    """

    follow_up_cost: Annotated[float, Field(gt=0)]
    won_value: Annotated[float | None, Field(gt=0)] = None
    margin: Annotated[float | None, Field(gt=0, le=1)] = None
    currency: str = ""

    @model_validator(mode="after")
    def _pays(self) -> Self:
        if (self.won_value is None) == (self.margin is None):
            raise ValueError(
                f"got {'neither won_value nor' if self.margin is None else 'both won_value and'} margin;"
                " valid: won_value, or margin where the mapping names an amount; give one of them"
            )
        if self.won_value is not None and self.won_value <= self.follow_up_cost:
            raise ValueError(
                f"got won_value {self.won_value:g} and follow_up_cost {self.follow_up_cost:g}; valid: a won"
                " deal is worth more than one follow-up; correct one of them"
            )
        return self


class Capacity(Record):
    """How many leads there is time for: a share of them, or so many a week."""

    share: Annotated[float | None, Field(gt=0, lt=1)] = None
    per_week: Annotated[float | None, Field(gt=0)] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.share is None) == (self.per_week is None):
            raise ValueError(
                f"got {'neither share nor' if self.share is None else 'both share and'} per_week;"
                " valid: share (0 to 1), or per_week where dates are mapped; give one of them"
            )
        return self


class Bands(Record):
    """Where the bands of a card begin.

    shares: each band holds the share of leads that the documented one holds (no edges). probability: from
    each edge, a chance of winning. economics: from each edge, a multiple of the chance from which following
    up pays, 1 among them. Two edges make three bands (drop, nurture, now), three make four; a lead is
    followed up from the last of two edges and from the middle one of three.
    """

    by: Literal["shares", "probability", "economics"] = "shares"
    edges: tuple[float, ...] = ()

    @property
    def follow_up_at(self) -> int:
        """Position of the edge from which leads are followed up."""
        return min(len(self.edges) - 1, 1)

    @property
    def follow_up_from(self) -> float:
        """The edge from which leads are followed up."""
        return self.edges[self.follow_up_at]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.by == "shares":
            if self.edges:
                raise ValueError(
                    f"got edges {list(self.edges)} with by: shares; valid: none, the documented bands give"
                    " the shares; remove them, or set by: probability"
                )
            return self
        rising = all(low < high for low, high in itertools.pairwise(self.edges))
        inside = all(edge > 0 and (self.by == "economics" or edge < 1) for edge in self.edges)
        if not (1 <= len(self.edges) <= 3 and rising and inside):
            raise ValueError(
                f"got edges {list(self.edges)}; valid: one to three rising numbers, between 0 and 1 by"
                " probability, above 0 by economics; correct them"
            )
        if self.by == "economics" and self.follow_up_from != 1:
            raise ValueError(
                f"got edges {list(self.edges)}; valid: [1], [low, 1] or [low, 1, high], multiples of the"
                " chance from which following up pays; correct them"
            )
        return self


class SplitSettings(Record):
    """How deals are held out."""

    kind: Literal["auto", "out-of-time", "grouped-kfold"] = "auto"
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    folds: Annotated[int, Field(ge=2)] = 10
    repeats: Annotated[int, Field(ge=1)] = 3


class Experiment(Record):
    """Settings of one calibration; every one has a default.

    Examples
    --------
    >>> Experiment().baseline
    'bant-ibm'
    """

    policies: tuple[str, ...] | None = None
    baseline: str = "bant-ibm"
    economics: Economics | None = None
    capacity: Capacity | None = None
    split: SplitSettings = SplitSettings()
    contenders: tuple[str, ...] = CONTENDERS
    met_level: Annotated[int, Field(ge=1, le=4)] = 2
    smallest_gain: Annotated[float, Field(gt=0, lt=1)] = 0.01
    bootstrap: Annotated[int, Field(ge=50)] = 1000
    random_state: Annotated[int, Field(ge=0)] = 0
    as_of: str | None = None
    maturity: Literal["auto", "off"] = "auto"
    bands: Bands = Bands()
    single_deals: Annotated[int, Field(ge=1000)] = 50_000

    @field_validator("policies", "baseline")
    @classmethod
    def _documented(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        known = [policy.id for policy in list_policies()]
        for name in (value,) if isinstance(value, str) else value or ():
            if name not in known:
                raise ValueError(
                    f"got the policy {name!r}; valid: {', '.join(known)}"
                    + (nearest(name, known) or "; choose one of these")
                )
        return value

    @field_validator("contenders")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in CONTENDERS:
                raise ValueError(
                    f"got the contender {name!r}; valid: {', '.join(CONTENDERS)}"
                    + (nearest(name, CONTENDERS) or "; choose among these")
                )
        return value

    @field_validator("as_of")
    @classmethod
    def _is_date(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError(f"got {value!r}; valid: a date like 2026-01-31; correct it") from None
        return value

    @model_validator(mode="after")
    def _one_cutoff(self) -> Self:
        given = "economics" if self.economics else "capacity" if self.capacity else None
        if self.bands.by == "probability" and given:
            raise ValueError(
                f"got bands by probability (followed up from {self.bands.follow_up_from:g}) and {given},"
                " which decides that too; valid: one of them; remove the other, or set bands by economics"
            )
        if self.bands.by == "economics" and given == "capacity":
            raise ValueError(
                "got bands by economics and a capacity, which knows no chance from which following up pays;"
                " valid: by economics with economics or break-even; remove one"
            )
        return self


def load_experiment(path: str | Path | None) -> Experiment:
    """Read an experiment, or take the defaults.

    Parameters
    ----------
    path : str, Path or None
        A YAML file; None takes every default.

    Returns
    -------
    Experiment
        The settings.

    Raises
    ------
    RecordError
        Naming every fault of the file with its YAML path.
    """
    if path is None:
        return Experiment()
    if Path(path).is_file() and not Path(path).read_text(encoding="utf-8").strip():
        raise RecordError(f"{path}: the file is empty; leave --experiment out to take every default")
    return load_record(path, Experiment)
