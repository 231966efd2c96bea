"""What a documented framework consists of, as frozen records."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from leadml.frameworks.statements import Basis, Caveat, Gate, Note, OrderClaim, Rubric, Source
from leadml.records import CANONICAL, Record, nearest

Decision = Literal["ready", "wait", "no-match"]
"""The three outcomes of a lead: ready for sales, wait and learn more, no match."""

LEVEL_MAX = 4
MET_LEVEL = 2
"""A criterion is met from this level up unless the user says otherwise: our reading."""


class Criterion(Record):
    """A canonical criterion as one framework calls and asks it.

    Attributes
    ----------
    id : str
        One of the 13 canonical criteria.
    title : str
        Its name inside the framework.
    question : str
        What is asked.
    question_from : Basis
        Whether the document asks it.
    source : str
        Id of a `Source`, and the place in it.
    rubric : tuple of 5 str
        Meaning of the levels 0 to 4; that of the vocabulary unless the framework has its own.
    rubric_from : Basis
        Whether the document spells the levels out.
    """

    id: str = Field(description="one of the 13 canonical criteria")
    title: str
    question: str
    question_from: Basis
    source: str
    rubric: tuple[str, ...] = ()
    rubric_from: Basis = "our reading"

    @model_validator(mode="after")
    def _is_canonical(self) -> Self:
        if self.id not in CANONICAL:
            raise ValueError(
                f"got {self.id!r} as a criterion; valid: {', '.join(CANONICAL)}"
                + (nearest(self.id, CANONICAL) or "; choose one of these")
            )
        if len(self.rubric) not in (0, LEVEL_MAX + 1):
            raise ValueError(
                f"got {len(self.rubric)} levels in a rubric; valid: 5, from 0 to 4; add the rest"
            )
        return self


class Band(Record):
    """A range of scores with one action: from `from_` up to the next band.

    Attributes
    ----------
    id : str
        Short name.
    title : str
        Name.
    from_ : int
        Lowest score; ``from`` in YAML.
    action : str
        What to do with the lead.
    decision : Decision
        Which of the three outcomes it stands for.
    basis : Basis
        Whether the title and the action are the document's.
    decision_from : Basis
        Whether the outcome is the document's.
    """

    id: str
    title: str
    from_: int = Field(alias="from", ge=0)
    action: str
    decision: Decision
    basis: Basis = Field(description="whether the title and action are the document's")
    decision_from: Basis = "our reading"


class Policy(Record):
    """A documented rule: how a score is counted, and from which score a lead qualifies.

    Attributes
    ----------
    id : str
        Short name.
    title : str
        The rule in words.
    unit : "met", "points" or "contactable"
        What the score counts.
    cutoff : int
        Score from which a lead qualifies.
    bands : tuple of Band
        Ascending from 0; one begins at the cut-off.
    source : str
        Id of a `Source`, and the place in it.
    attributed_to : str or None
        Whose rule the source says it is.
    reading : tuple of str
        What in it is our reading.
    framework : str or None
        Id of its framework; None where no criteria count.
    criteria : tuple of str
        Canonical names of the criteria it counts.
    """

    id: str
    title: str
    unit: Literal["met", "points", "contactable"]
    cutoff: int = Field(ge=1)
    bands: Annotated[tuple[Band, ...], Field(min_length=2)]
    source: str
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
            raise ValueError(
                f"got the cut-off {self.cutoff} inside a band; valid: where a band begins; correct one"
            )
        return self

    @property
    def band_starts(self) -> tuple[int, ...]:
        """The lowest score of each band, ascending from 0."""
        return tuple(band.from_ for band in self.bands)

    @property
    def total_max(self) -> int:
        """The highest score: criteria when met are counted, four times as many in points, else 1."""
        return {"met": len(self.criteria), "points": LEVEL_MAX * len(self.criteria), "contactable": 1}[
            self.unit
        ]


class Framework(Record):
    """A documented framework: its criteria, its rules and what its document warns about.

    Attributes
    ----------
    id : str
        Short name.
    title : str
        Name.
    summary : str
        What sets it apart.
    summary_from : Basis
        Whether the document says so.
    source : str
        Id of a `Source`, and the place in it.
    criteria : tuple of Criterion
        In the framework's order.
    policies : tuple of Policy
        Its documented rules.
    gates : tuple of Gate
        What disqualifies by itself.
    order_claim : OrderClaim or None
        Which criterion is claimed to weigh more.
    judging_order : OrderClaim or None
        Which criterion is looked at first.
    caveats : tuple of Caveat
        What the document warns about.
    fit : tuple of Note
        Where it fits.
    notes : tuple of Note
        What else is documented.
    """

    id: str
    title: str
    summary: str
    summary_from: Basis
    source: str
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
        claims = [claim for claim in (self.order_claim, self.judging_order) if claim]
        named = [gate.criterion for gate in self.gates] + [c for claim in claims for c in claim.criteria]
        strangers = [name for name in named if name not in own]
        if strangers:
            raise ValueError(
                f"got {', '.join(strangers)} in a gate or order; valid: {', '.join(own)}; choose among these"
            )
        return self

    @property
    def criterion_ids(self) -> tuple[str, ...]:
        """The canonical names of the criteria, in the framework's order."""
        return tuple(criterion.id for criterion in self.criteria)

    def policy(self, policy_id: str) -> Policy:
        """Find one of the framework's policies.

        Parameters
        ----------
        policy_id : str
            Its id.

        Returns
        -------
        Policy
            The policy.

        Raises
        ------
        KeyError
            The framework has no policy of this id.
        """
        return {policy.id: policy for policy in self.policies}[policy_id]

    def to_dict(self) -> dict[str, Any]:
        """Give the whole record as plain data, ready for JSON.

        Returns
        -------
        dict
            Keys as in the YAML of the library.
        """
        return self.model_dump(mode="json", by_alias=True)


class Common(Record):
    """What holds for all frameworks: the sources, the vocabulary, and the rules that need no criteria.

    Attributes
    ----------
    sources : tuple of Source
        Every document that a `source` names.
    rubrics : tuple of Rubric
        One for each canonical criterion, in their order.
    policies : tuple of Policy
        Rules that belong to no framework.
    notes : tuple of Note
        Statements about all frameworks.
    """

    sources: tuple[Source, ...]
    rubrics: tuple[Rubric, ...]
    policies: tuple[Policy, ...]
    notes: tuple[Note, ...]

    @model_validator(mode="after")
    def _covers_the_vocabulary(self) -> Self:
        ids: Sequence[str] = [rubric.id for rubric in self.rubrics]
        if tuple(ids) != CANONICAL:
            raise ValueError(f"got rubrics of {', '.join(ids)}; valid: {', '.join(CANONICAL)}, in this order")
        return self
