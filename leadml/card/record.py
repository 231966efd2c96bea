"""The card: a table of points that can be read, compared, stored and applied. Plain JSON, never code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Decision = Literal["ready", "wait", "no-match"]
DECISIONS: tuple[Decision, ...] = ("ready", "wait", "no-match")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class CardCriterion(_Part):
    """Points of one criterion at the levels 0 to 4, and while it is unknown."""

    id: str
    title: str
    question: str = ""
    points: tuple[int, ...]
    unknown_points: int
    documented_points: tuple[float, ...]
    words: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)  # level ("0".."4") -> the CRM's words


class CardBin(_Part):
    """One bin of an attribute: the listed values, or a half-open range from <= x < to; blank=True is the empty cell."""

    label: str
    values: tuple[str, ...] | None = None
    from_: float | None = Field(default=None, alias="from")
    to: float | None = None
    blank: bool = False
    points: int
    n: float
    won: float


class CardAttribute(_Part):
    """Points for a column of the CRM. Codes of bins: 0..len(bins)-1; other (a value never seen): len(bins);
    unknown (not asked, or the column is absent): len(bins) + 1."""

    id: str
    title: str
    column: str
    kind: Literal["categories", "edges"]
    bins: tuple[CardBin, ...]
    unknown_points: int
    other_points: int
    known_when: Literal["at creation", "unsure"] = "unsure"
    age_of: str | None = None  # the column is a date: its age in days at this date's column (creation)


class CardTotal(_Part):
    """What one total means: P(won) with its 95% interval."""

    points: int
    probability: float
    low: float
    high: float


class CardBand(_Part):
    """Totals from `from_` up to the next band ask for one action."""

    id: str
    title: str
    from_: int = Field(alias="from")
    action: str
    decision: Decision


class CardGate(_Part):
    """A known level below `below` disqualifies, whatever the points."""

    criterion: str
    below: int
    text: str


class CardCaveat(_Part):
    """A documented limit; `when` holds facts and the values that call for it (empty: always)."""

    id: str
    text: str
    when: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


class CardPublished(_Part):
    """Who changed a card by hand, and why."""

    by: str
    because: str
    at: str
    changed_from: str


class Card(_Part):
    """A scorecard. Make one by `leadml.card.build` or `load_card`.

    `unit` says what points are: "points" (also all learned cards), "met" (criteria met) or "contactable".
    A total may begin below 0? No: points of every row are shifted so that the lowest possible total is 0.
    """

    schema_version: Literal[1, 2] = 2
    name: str
    version: int | None = None
    framework: str | None = None
    kind: Literal["documented", "learned", "wide"]
    policy: str | None = None  # id of the documented rule, where the card is one
    unit: Literal["points", "met", "contactable"] = "points"
    created_at: str
    criteria: tuple[CardCriterion, ...]
    attributes: tuple[CardAttribute, ...] = ()
    met_level: int = 2
    base: float | None = None
    slope: float | None = None
    total_max: int
    table: tuple[CardTotal, ...] = ()
    bands: Annotated[tuple[CardBand, ...], Field(min_length=1)]
    cutoff: int
    gates: tuple[CardGate, ...] = ()
    decision_labels: Mapping[str, str] = Field(default_factory=dict)
    caveats: tuple[CardCaveat, ...] = ()
    published: CardPublished | None = None
    provenance: Mapping[str, Any] = Field(default_factory=dict)
    sha256: str | None = None
