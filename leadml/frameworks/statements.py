"""What a document states beside its rules: meanings of levels, gates, claims, caveats, notes.

Every statement says where it comes from: `source` names a document, and a field of type `Basis` tells what
the document states from what is our own reading of it.
"""

from typing import Annotated, Literal

from pydantic import Field

from leadml.records import Record

Basis = Literal["document", "our reading"]
"""Whether the source states it, or we read it into the source."""


class Source(Record):
    """A document, and where to find it.

    Attributes
    ----------
    id : str
        Short name.
    title : str
        Its title.
    by : str
        Who published it.
    year : int or None
        When, where known.
    """

    id: str
    title: str
    by: str
    year: int | None = None


class Rubric(Record):
    """What a canonical criterion asks, and what each of its five levels means.

    Attributes
    ----------
    id : str
        One of the 13 canonical criteria.
    asks : str
        What it asks.
    levels : tuple of 5 str
        Meaning of the levels 0 to 4.
    basis : Basis
        Whether the document states it.
    source : str
        Id of a `Source`, and the place in it.
    """

    id: str
    asks: str
    levels: Annotated[tuple[str, ...], Field(min_length=5, max_length=5)]
    basis: Basis
    source: str


class Gate(Record):
    """A criterion that disqualifies a lead by itself when it is known to lie below a level.

    Attributes
    ----------
    criterion : str
        Canonical name.
    below : int
        1 to 4; a known level below it fails.
    text : str
        Why.
    source : str
        Id of a `Source`, and the place in it.
    basis : Basis
        Whether the document states it.
    below_from : Basis
        Whether the level is the document's.
    """

    criterion: str
    below: Annotated[int, Field(ge=1, le=4)]
    text: str
    source: str
    basis: Basis
    below_from: Basis = Field(description="whether the level is the document's")


class OrderClaim(Record):
    """A claim about the order of the criteria: by weight (testable on deals) or of judging.

    Attributes
    ----------
    kind : "weight" or "judging"
        What the order is of.
    criteria : tuple of str
        Canonical names, the first weighing most or judged first.
    text : str
        The claim in words.
    source : str
        Id of a `Source`, and the place in it.
    basis : Basis
        Whether the document states it.
    attributed_to : str or None
        Who claims it.
    """

    kind: Literal["weight", "judging"]
    criteria: Annotated[tuple[str, ...], Field(min_length=2)]
    text: str
    source: str
    basis: Basis
    attributed_to: str | None = None


class Caveat(Record):
    """A warning that the framework's document gives, and the facts about a lead that call for it.

    Attributes
    ----------
    id : str
        Short name.
    text : str
        The warning.
    when : dict of str to tuple of str
        Values of facts that call for it; empty calls for it always.
    source : str
        Id of a `Source`, and the place in it.
    basis : Basis
        Whether the document states it.
    when_from : Basis
        Whether the document names these facts.
    """

    id: str
    text: str
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    source: str
    basis: Basis
    when_from: Basis = "document"

    def applies(self, facts: dict[str, str | None]) -> bool:
        """Say whether the caveat applies to a lead.

        Parameters
        ----------
        facts : dict of str to str or None
            What is known about the lead, e.g. ``{"purchase": "repeat"}``; None is not known.

        Returns
        -------
        bool
            True when the caveat holds always, or when each of its facts has one of the values named.
        """
        return all(facts.get(fact) in values for fact, values in self.when.items())


class Note(Record):
    """A statement that changes no score: where the framework fits, or where else a rule is found.

    Attributes
    ----------
    text : str
        The statement.
    source : str
        Id of a `Source`, and the place in it.
    basis : Basis
        Whether the document states it.
    """

    text: str
    source: str
    basis: Basis
