"""Settings of a calibration (experiment YAML): rules to judge, consequences, evaluation, contenders."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from leadml.frameworks.catalog import list_frameworks, list_policies
from leadml.levels import MET_LEVEL
from leadml.records import Record, check_record, choose, load_record

ContenderName = Literal["cutoff", "weights", "steps", "integer", "context-logistic", "context-boosting", "prior"]
Some = Annotated[tuple[str, ...], Field(min_length=1)]
CONTENDERS: tuple[ContenderName, ...] = get_args(ContenderName)
LEAST_FIRST = 40
"""Closed deals before the first block of time."""


def plain(value: Any) -> Any:
    """Turn what Python callers have at hand (numpy scalars and arrays, dates) into what YAML holds."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return tuple(map(plain, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value


class _Settings(Record):
    # Strict where YAML is read (load_record asks for it), lenient where Python calls.
    model_config = ConfigDict(strict=False)
    ONE_OF: ClassVar[tuple[str, ...]] = ()  # two keys of which one must be given, and what is valid

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return plain(data)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.ONE_OF:
            one, other, valid = self.ONE_OF
            missing = getattr(self, one) is None
            if missing == (getattr(self, other) is None):
                what = f"neither {one} nor" if missing else f"both {one} and"
                raise ValueError(f"got {what} {other}; valid: {valid}; give one of them")
        return self


class Economics(_Settings):
    """Cost of following up one lead, and worth of a won deal: `won_value`, or a share `margin` of its amount."""

    follow_up_cost: Annotated[float, Field(gt=0)]
    won_value: Annotated[float | None, Field(gt=0)] = None
    margin: Annotated[float | None, Field(gt=0, le=1)] = None
    currency: str = ""
    ONE_OF = "won_value", "margin", "won_value, or margin where the mapping names an amount"

    @model_validator(mode="after")
    def _pays(self) -> Self:
        if self.won_value is not None and self.won_value <= self.follow_up_cost:
            raise ValueError(
                f"got won_value {self.won_value:g} and follow_up_cost {self.follow_up_cost:g}; valid: a won"
                " deal is worth more than one follow-up; correct one of them"
            )
        return self


class Capacity(_Settings):
    """How many leads there is time for: a share of them, or so many a week."""

    share: Annotated[float | None, Field(gt=0, lt=1)] = None
    per_week: Annotated[float | None, Field(gt=0)] = None
    ONE_OF = "share", "per_week", "share (0 to 1), or per_week where dates are mapped"


class Bands(_Settings):
    """Where the bands of a card begin: by the documented shares, at probabilities, or at multiples of c/v.

    Two edges make three bands (drop, nurture, now), three make four; a lead is followed up from the last of
    two edges and from the middle one of three.
    """

    by: Literal["shares", "probability", "economics"] = "shares"
    edges: tuple[float, ...] = ()

    @property
    def follow_up_from(self) -> float:
        """The edge from which leads are followed up."""
        return self.edges[min(len(self.edges) - 1, 1)]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        rising = 1 <= len(self.edges) <= 3 and all(low < high for low, high in itertools.pairwise((0.0, *self.edges)))
        got, valid = f"got edges {list(self.edges)}", ""
        if self.by == "shares" and self.edges:
            got += " with by: shares"
            valid = "none, the documented bands give the shares; remove them, or set by: probability"
        elif self.by != "shares" and not (rising and (self.by == "economics" or self.edges[-1] < 1)):
            valid = "one to three rising numbers, between 0 and 1 by probability, above 0 by economics; correct them"
        elif self.by == "economics" and self.follow_up_from != 1:
            valid = "[1], [low, 1] or [low, 1, high], multiples of the chance from which following up pays"
            valid += "; correct them"
        if valid:
            raise ValueError(f"{got}; valid: {valid}")
        return self


class EvaluationSettings(_Settings):
    """How deals are held out: rolling origin in time, or k-fold by unit, twice."""

    kind: Literal["auto", "rolling", "k-fold"] = "auto"
    first: Annotated[int, Field(ge=LEAST_FIRST)] = 100
    growth: Annotated[float, Field(gt=1, le=10)] = 1.25
    embargo: bool = True
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    repeats: Annotated[int, Field(ge=1, le=20)] = 2


class Wide(_Settings):
    """The wide card: how many columns of the CRM it may read, and which (default: context)."""

    attributes: Annotated[int, Field(ge=1, le=50)] = 12
    columns: tuple[str, ...] | None = None


class Experiment(_Settings):
    """Settings of one calibration; every one has a default.

    Lists, numpy numbers, dates and plain dicts are accepted wherever a tuple, number, text or record is.

    Parameters
    ----------
    policies : tuple of str, optional
        Documented rules to judge; all of every framework that has a mapped criterion by default.
    baseline : str
        The rule that everything is compared with.
    economics : Economics, optional
        `follow_up_cost` with `won_value` or `margin`: the cut-off follows from them.
    capacity : Capacity, optional
        `share` of leads or leads `per_week` there is time for.
    split : dict, optional
        How version 0.1 held deals out: read, and replaced by `evaluation`.
    contenders : tuple of str
        Which contenders compete with the rules.
    met_level : int
        Level (1 to 4) from which a criterion is met.
    smallest_gain : float
        Smallest gain worth a change, as a share of won deals.
    bootstrap : int
        Replicates behind each interval.
    random_state : int
        Seed.
    as_of : str, optional
        ISO date of the result; the last date in the data by default.
    maturity : {"auto", "off"}
        Whether deals of cohorts that are too recent are left out.
    bands : Bands
        Where the bands of a learned card begin.
    single_deals : int
        How many deals at most are compared one by one.
    frameworks : tuple of str, optional
        Ids or paths; all with at least two mapped criteria by default.
    evaluation : EvaluationSettings
        How deals are held out.
    points : int
        In all, of a learned card.
    wide : Wide or False
        The wide card; False leaves it out.
    cutoff_basis : {"auto", "break-even"}
        auto: economics, else capacity, else `depends`.
    without : tuple of str
        Columns that nothing is learned from, but for one wide card that shows what they are worth.

    Examples
    --------
    >>> Experiment(contenders=["integer"]).contenders
    ('integer',)
    """

    frameworks: Some | None = None  # first: the names of rules depend on it
    policies: Some | None = None
    baseline: str = "bant-ibm"
    economics: Economics | None = None
    capacity: Capacity | None = None
    split: Mapping[str, Any] | None = None
    contenders: tuple[ContenderName, ...] = CONTENDERS
    met_level: Annotated[int, Field(ge=1, le=4)] = MET_LEVEL
    smallest_gain: Annotated[float, Field(gt=0, lt=1)] = 0.01
    bootstrap: Annotated[int, Field(ge=50)] = 1000
    random_state: Annotated[int, Field(ge=0)] = 0
    as_of: str | None = None
    maturity: Literal["auto", "off"] = "auto"
    bands: Bands = Bands()
    single_deals: Annotated[int, Field(ge=1000)] = 50_000
    evaluation: EvaluationSettings = EvaluationSettings()
    points: Annotated[int, Field(ge=4, le=1000)] = 40
    wide: Wide | Literal[False] = Wide()
    cutoff_basis: Literal["auto", "break-even"] = "auto"
    without: tuple[str, ...] = ()

    @field_validator("as_of")
    @classmethod
    def _is_date(cls, value: str | None) -> str | None:
        try:
            return None if value is None else date.fromisoformat(value).isoformat()
        except ValueError:
            raise ValueError(f"got {value!r}; valid: a date like 2026-01-31; correct it") from None

    @field_validator("policies", "baseline")
    @classmethod
    def _documented(cls, value: Any, info: ValidationInfo) -> Any:
        built_in = {each.id for each in list_frameworks()}
        if built_in.issuperset(info.data.get("frameworks") or ()):  # a firm's own may bring rules of its own
            known = [policy.id for policy in list_policies()]
            for name in [value] if isinstance(value, str) else value or ():
                if name not in known:
                    valid = f"{', '.join(known)}, or one of a file that frameworks names here{choose(name, known)}"
                    raise ValueError(f"got the policy {name!r}; valid: {valid}")
        return value

    @model_validator(mode="after")
    def _one_cutoff(self) -> Self:
        given = "economics" if self.economics else "capacity" if self.capacity else None
        if self.bands.by == "probability" and given:
            raise ValueError(
                f"got bands by probability (followed up from {self.bands.follow_up_from:g}) and {given},"
                " which decides that too; valid: one of them; remove the other, or set bands by economics"
            )
        if self.bands.by == "economics" and given != "economics" and self.cutoff_basis != "break-even":
            raise ValueError(
                "got bands by economics without economics, which tell the chance from which following up pays;"
                " valid: by economics with economics or cutoff_basis: break-even; add one of them"
            )
        return self


def load_experiment(source: Experiment | Mapping[str, Any] | str | Path | None, **more: Any) -> Experiment:
    """Read an experiment from a YAML file or a dict, or take defaults (None); `more` takes the place of its own."""
    if isinstance(source, str | Path):
        source = load_record(source, Experiment)
    if isinstance(source, Experiment):
        if not more:
            return source
        source = source.model_dump(exclude_unset=True)
    return check_record({**(source or {}), **more}, Experiment, "experiment")
