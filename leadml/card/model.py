"""What a card is: a table of points, edges, actions and probabilities that a person can read."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.card.check import check_document
from leadml.card.files import write_text
from leadml.card.lookup import Lookup
from leadml.card.scores import Scores
from leadml.card.sealed import digest, pretty, read_json
from leadml.exceptions import StoreError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Card", "CardBand", "CardCaveat", "CardCriterion", "CardGate", "CardTotal", "load_card"]


@dataclasses.dataclass(frozen=True)
class CardCriterion:
    """Points of one criterion.

    Attributes
    ----------
    id : str
        Canonical name.
    title : str
        Name inside the framework.
    points : tuple of 5 int
        Points of the levels 0 to 4; the first is 0, none is lower than the one before.
    unknown_points : int
        Points while the level is unknown, from 0 to the points of level 4.
    documented_points : tuple of 5 numbers
        What the document gives instead.
    """

    id: str
    title: str
    points: tuple[int, ...]
    unknown_points: int
    documented_points: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class CardTotal:
    """What one total of points means.

    Attributes
    ----------
    points : int
        The total.
    probability : float
        Chance of winning, 0 to 1.
    low, high : float
        Its 95% interval.
    """

    points: int
    probability: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class CardBand:
    """A run of totals that ask for the same action.

    Attributes
    ----------
    id, title : str
        Its name, for a column and for a reader.
    from_ : int
        The first total in it.
    action : str
        What to do with such a lead.
    decision : str
        ``ready``, ``wait`` or ``no-match``.
    """

    id: str
    title: str
    from_: int
    action: str
    decision: str


@dataclasses.dataclass(frozen=True)
class CardGate:
    """A level that disqualifies, whatever the points.

    Attributes
    ----------
    criterion : str
        One of the card's criteria.
    below : int
        A known level below this one fails the gate.
    text : str
        Why.
    """

    criterion: str
    below: int
    text: str


@dataclasses.dataclass(frozen=True)
class CardCaveat:
    """A documented limit of the framework.

    Attributes
    ----------
    id, text : str
        Its name and what it says.
    when : mapping of str to tuple of str
        Facts and the values that call for it, all of them; empty for a caveat that always holds.
    """

    id: str
    text: str
    when: Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Card:
    """A scorecard that can be read, compared, stored and applied. Make one by `build_card` or `load_card`.

    Attributes
    ----------
    name : str
        Name of the model.
    version : int or None
        Version in the store; None until it is stored.
    framework : str or None
        Framework that it belongs to.
    kind : str
        ``documented`` (points from a document, no probability) or ``learned``.
    created_at : str
        ISO date or time.
    criteria : tuple of CardCriterion
        In the order that `score` reads an array's columns.
    met_level : int
        The level from which a criterion counts as met.
    base, slope : float or None
        ``logit P(won) = base + slope * points``; None for a documented card.
    total_max : int
        The highest total.
    table : tuple of CardTotal
        Every total from 0 to `total_max`; empty for a documented card.
    bands : tuple of CardBand
        In rising order, the first from 0.
    cutoff : int
        The total from which a lead is followed up: the first total of a band, or ``total_max + 1`` for never.
    gates : tuple of CardGate
        Levels that disqualify.
    decision_labels : mapping of str to str
        What ``ready``, ``wait`` and ``no-match`` are called.
    caveats : tuple of CardCaveat
        Limits of the framework.
    provenance : mapping
        Where it comes from: digests, numbers of deals, dates, run.
    """

    name: str
    version: int | None
    framework: str | None
    kind: str
    created_at: str
    criteria: tuple[CardCriterion, ...]
    met_level: int
    base: float | None
    slope: float | None
    total_max: int
    table: tuple[CardTotal, ...]
    bands: tuple[CardBand, ...]
    cutoff: int
    gates: tuple[CardGate, ...]
    decision_labels: Mapping[str, str]
    caveats: tuple[CardCaveat, ...]
    provenance: Mapping[str, Any]

    @property
    def model(self) -> str:
        """``NAME@VERSION``, or the name of a card that is not stored."""
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @property
    def sha256(self) -> str:
        """Digest of everything on the card."""
        return digest(self._document())

    @functools.cached_property
    def lookup(self) -> Lookup:
        """The tables that `score` reads, made once."""
        return Lookup(self)

    def score(self, levels: Any, facts: Mapping[str, Any] | None = None) -> Scores:
        """Score leads by look-up.

        Parameters
        ----------
        levels : array of shape (n, k), DataFrame, or mapping of columns
            Levels 0 to 4 and NaN for unknown; or uint8 codes with 5 for unknown. The columns of an array are
            the card's criteria in its order; of a frame or mapping, those named like the criteria (others
            are not read, absent ones are unknown). A mapping of single values is one lead.
        facts : DataFrame or mapping of columns of text, optional
            Facts that the framework's caveats ask for.

        Returns
        -------
        Scores
            n rows.

        Raises
        ------
        InputError
            When a level is none of 0 to 4 or unknown, when the shape is wrong, or when no criterion is there.
        """
        return self.lookup.score(levels, facts)

    def score_one(
        self, lead: Mapping[str, Any], facts: Mapping[str, str | None] | None = None
    ) -> dict[str, Any]:
        """Score one lead, in microseconds once the card is warm.

        Parameters
        ----------
        lead : mapping of str to level
            Level 0 to 4 by criterion; None, NaN or absent for unknown.
        facts : mapping of str to str, optional
            Facts that the framework's caveats ask for.

        Returns
        -------
        dict
            The columns of `predict`, without the lead's identity.

        Raises
        ------
        InputError
            When a level is none of 0 to 4 or unknown.
        """
        return self.lookup.score_one(lead, facts)

    def band_of(self, points: int | npt.NDArray[np.int32]) -> Any:
        """Find the band of a total.

        Parameters
        ----------
        points : int or array of int
            Totals.

        Returns
        -------
        int or array of int
            Position in `bands`.
        """
        return self.lookup.band_of(points)

    def to_dict(self) -> dict[str, Any]:
        """Give the card as plain JSON values, sealed by its digest.

        Returns
        -------
        dict
            What `card.json` holds.
        """
        document = self._document()
        document["sha256"] = digest(document)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "card", *, verify: bool = True) -> Card:
        """Make a card of plain JSON values, checking every one of them.

        Parameters
        ----------
        document : mapping
            What `to_dict` gave.
        where : str
            The place that messages name.
        verify : bool
            Whether the seal must match.

        Returns
        -------
        Card
            The card.

        Raises
        ------
        StoreError
            Naming every fault, or saying that the card was changed and how to seal it again on purpose.
        """
        plain = dict(document)
        check_document(plain, where)
        if verify and plain.get("sha256") != digest(plain):
            raise StoreError(
                f"{where}: sha256: the card was changed after it was sealed (it says "
                f"{str(plain.get('sha256'))[:12]}…, its content gives {digest(plain)[:12]}…). Take the "
                "original back; or, when the change is meant, seal it again: "
                "leadml.load_card(path, verify=False).save(path)"
            )
        return cls(
            name=plain["name"],
            version=plain["version"],
            framework=plain["framework"],
            kind=plain["kind"],
            created_at=plain["created_at"],
            criteria=tuple(
                CardCriterion(
                    each["id"],
                    each["title"],
                    tuple(each["points"]),
                    each["unknown_points"],
                    tuple(each["documented_points"]),
                )
                for each in plain["criteria"]
            ),
            met_level=plain["met_level"],
            base=plain["base"],
            slope=plain["slope"],
            total_max=plain["total_max"],
            table=tuple(
                CardTotal(row["points"], row["probability"], row["low"], row["high"])
                for row in plain["table"]
            ),
            bands=tuple(
                CardBand(band["id"], band["title"], band["from"], band["action"], band["decision"])
                for band in plain["bands"]
            ),
            cutoff=plain["cutoff"],
            gates=tuple(CardGate(gate["criterion"], gate["below"], gate["text"]) for gate in plain["gates"]),
            decision_labels=dict(plain["decision_labels"]),
            caveats=tuple(
                CardCaveat(
                    each["id"], each["text"], {fact: tuple(values) for fact, values in each["when"].items()}
                )
                for each in plain["caveats"]
            ),
            provenance=dict(plain["provenance"]),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the card as JSON, whole or not at all.

        Parameters
        ----------
        path : str or path
            The file.
        """
        write_text(path, pretty(self.to_dict()))

    def _document(self) -> dict[str, Any]:
        """Give the card as plain JSON values, not sealed."""
        return {
            "schema_version": 1,
            "name": self.name,
            "version": self.version,
            "framework": self.framework,
            "kind": self.kind,
            "created_at": self.created_at,
            "criteria": [
                {
                    "id": each.id,
                    "title": each.title,
                    "points": list(each.points),
                    "unknown_points": each.unknown_points,
                    "documented_points": list(each.documented_points),
                }
                for each in self.criteria
            ],
            "met_level": self.met_level,
            "base": self.base,
            "slope": self.slope,
            "total_max": self.total_max,
            "table": [dataclasses.asdict(row) for row in self.table],
            "bands": [
                {
                    "id": band.id,
                    "title": band.title,
                    "from": band.from_,
                    "action": band.action,
                    "decision": band.decision,
                }
                for band in self.bands
            ],
            "cutoff": self.cutoff,
            "gates": [dataclasses.asdict(gate) for gate in self.gates],
            "decision_labels": dict(self.decision_labels),
            "caveats": [
                {
                    "id": each.id,
                    "text": each.text,
                    "when": {fact: list(values) for fact, values in each.when.items()},
                }
                for each in self.caveats
            ],
            "provenance": dict(self.provenance),
        }


def load_card(path: str | os.PathLike[str], *, verify: bool = True) -> Card:
    """Load a card, checking its seal and every value on it. No code is ever run.

    Parameters
    ----------
    path : str or path
        A card file, or a folder that holds ``card.json``.
    verify : bool
        False to accept a card that was changed by hand, so as to seal it again by `Card.save`.

    Returns
    -------
    Card
        The card.

    Raises
    ------
    ModelRefError
        When there is no such file.
    StoreError
        When it is no valid card, or was changed after it was sealed.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "card.json"
    return Card.from_dict(read_json(path), str(path), verify=verify)
