"""What a calibration is told: rules to judge, consequences, splits, contenders."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from leadml.decisions.cutoff import Consequences
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
    """What following up one lead costs and what a won deal is worth, in one currency."""

    follow_up_cost: Annotated[float, Field(gt=0)]
    won_value: Annotated[float, Field(gt=0)]
    currency: str = ""

    @model_validator(mode="after")
    def _pays(self) -> Self:
        if self.won_value <= self.follow_up_cost:
            raise ValueError(
                f"got won_value {self.won_value:g} and follow_up_cost {self.follow_up_cost:g}; valid: a won"
                " deal is worth more than one follow-up; correct one of them"
            )
        return self


class Capacity(Record):
    """How many leads there is time for."""

    share: Annotated[float, Field(gt=0, lt=1)]


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

    def consequences(self) -> Consequences:
        """Give what decides the cut-off: economics, else capacity, else break-even.

        Returns
        -------
        Consequences
            The one in force.
        """
        if self.economics is not None:
            e = self.economics
            return Consequences("economics", e.follow_up_cost, e.won_value, currency=e.currency)
        if self.capacity is not None:
            return Consequences("capacity", share=self.capacity.share)
        return Consequences("break-even")


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
