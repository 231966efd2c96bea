"""What a framework consists of: criteria, rubrics, rules with bands and cut-offs, gates, caveats.

Every statement says where it comes from: `source` names a document, and a field of type `Basis` tells what
the document states from what is our own reading. In a firm's own framework both may be left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from leadml.levels import CANONICAL, LEVEL_MAX
from leadml.records import Record, choose

Basis = Literal["document", "our reading"]
Decision = Literal["ready", "wait", "no-match"]
OWN = "own"
"""The source of what a firm states itself."""
READING: Basis = "our reading"


class Source(Record):
    """A document, and where to find it."""

    id: str
    title: str
    by: str
    year: int | None = None


class Rubric(Record):
    """What a canonical criterion asks, and what its levels 0 to 4 mean."""

    id: str
    asks: str
    levels: Annotated[tuple[str, ...], Field(min_length=5, max_length=5)]
    basis: Basis
    source: str


class Note(Record):
    """A statement and where it comes from: where the framework fits, or where else a rule is found."""

    text: str
    source: str = OWN
    basis: Basis = READING


class Gate(Note):
    """A criterion that disqualifies a lead by itself when it is known to lie below a level."""

    criterion: str
    below: Annotated[int, Field(ge=1, le=4)]
    below_from: Basis = READING


class OrderClaim(Note):
    """A claim about the order of criteria, first ones first: by weight (testable on deals) or of judging."""

    kind: Literal["weight", "judging"]
    criteria: Annotated[tuple[str, ...], Field(min_length=2)]
    attributed_to: str | None = None


class Caveat(Note):
    """A warning, and the facts of a lead (and their values) that call for it; without any, always."""

    id: str
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    when_from: Basis = "document"


class Criterion(Record):
    """A canonical criterion as one framework calls and asks it; without a rubric it has the vocabulary's."""

    id: str = Field(description="one of the 13 canonical criteria")
    title: str
    question: str
    question_from: Basis = READING
    source: str = OWN
    rubric: tuple[str, ...] = ()
    rubric_from: Basis = READING

    @model_validator(mode="after")
    def _is_canonical(self) -> Self:
        if self.id not in CANONICAL:
            raise ValueError(
                f"got {self.id!r} as a criterion; valid: {', '.join(CANONICAL)}{choose(self.id, CANONICAL)}"
            )
        if len(self.rubric) not in (0, LEVEL_MAX + 1):
            raise ValueError(f"got {len(self.rubric)} levels in a rubric; valid: 5, from 0 to 4; add the rest")
        return self


class Band(Record):
    """Scores from `from_` up to the next band ask for one action."""

    id: str
    title: str
    from_: int = Field(alias="from", ge=0)
    action: str
    decision: Decision
    basis: Basis = READING
    decision_from: Basis = READING


class Policy(Record):
    """A documented rule: what its score counts, and from which score a lead qualifies."""

    id: str
    title: str
    unit: Literal["met", "points", "contactable"]
    cutoff: int = Field(ge=1)
    bands: Annotated[tuple[Band, ...], Field(min_length=2)]
    weights: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)  # criterion -> times; else 1
    source: str = OWN
    attributed_to: str | None = None
    reading: tuple[str, ...] = ()
    framework: str | None = None
    criteria: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _bands_ascend(self) -> Self:
        starts = self.band_starts
        if starts[0] != 0 or list(starts) != sorted(set(starts)):
            raise ValueError(f"got bands from {list(starts)}; valid: ascending from 0; correct the bands")
        if self.cutoff not in starts:
            raise ValueError(f"got the cut-off {self.cutoff} inside a band; valid: where a band begins; correct one")
        wrong = [band.id for band in self.bands if (band.decision == "ready") != (band.from_ >= self.cutoff)]
        if wrong:
            raise ValueError(
                f"got the decision of {', '.join(wrong)}; valid: ready from the cut-off {self.cutoff} up "
                "and nowhere else; correct the decision or the cut-off"
            )
        return self

    @property
    def band_starts(self) -> tuple[int, ...]:
        """The lowest score of each band, ascending from 0."""
        return tuple(band.from_ for band in self.bands)

    @property
    def total_max(self) -> int:
        """The highest score."""
        if self.unit == "contactable":
            return 1
        return sum(self.weights.get(each, 1) for each in self.criteria) * (LEVEL_MAX if self.unit == "points" else 1)


class Framework(Record):
    """A documented framework: its criteria in order, its rules, and what its document warns about."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
    title: str
    summary: str = ""
    summary_from: Basis = READING
    source: str = OWN
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    policies: Annotated[tuple[Policy, ...], Field(min_length=1)]
    gates: tuple[Gate, ...] = ()
    order_claim: OrderClaim | None = None
    judging_order: OrderClaim | None = None
    caveats: tuple[Caveat, ...] = ()
    fit: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _names_its_own_criteria(self) -> Self:
        own = self.criterion_ids
        if len(set(own)) != len(own):
            raise ValueError(f"got the criteria {', '.join(own)}; valid: each once; remove the second")
        rules = [policy.id for policy in self.policies]
        if len(set(rules)) != len(rules):
            raise ValueError(f"got the policies {', '.join(rules)}; valid: each id once; rename the second")
        claims = [claim for claim in (self.order_claim, self.judging_order) if claim]
        named = [gate.criterion for gate in self.gates] + [c for claim in claims for c in claim.criteria]
        named += [criterion for policy in self.policies for criterion in policy.weights]
        if strangers := [name for name in named if name not in own]:
            raise ValueError(
                f"got {', '.join(strangers)} in a gate, order or weight; valid: {', '.join(own)}; choose among these"
            )
        return self

    @property
    def criterion_ids(self) -> tuple[str, ...]:
        """Canonical names of the criteria, in the framework's order."""
        return tuple(criterion.id for criterion in self.criteria)

    def __repr__(self) -> str:
        rules = ", ".join(f"{each.id} from {each.cutoff} of {each.total_max}" for each in self.policies)
        return f"<Framework {self.id}: {', '.join(self.criterion_ids)};\n {len(self.policies)} rules: {rules}>"

    __str__ = __repr__

    def policy(self, policy_id: str) -> Policy:
        """One of the framework's policies; KeyError when it has no such one."""
        return {policy.id: policy for policy in self.policies}[policy_id]

    def to_dict(self) -> dict[str, Any]:
        """Give the whole record as plain data, keys as in the YAML."""
        return self.model_dump(mode="json", by_alias=True)


class Common(Record):
    """What holds for all: sources, a rubric for each canonical criterion, rules without criteria."""

    sources: tuple[Source, ...]
    rubrics: tuple[Rubric, ...]
    policies: tuple[Policy, ...]
    notes: tuple[Note, ...]
