"""The card: a table of points that can be read, compared, stored and applied. Plain JSON, never code."""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from leadml.card.codes import codes_of
from leadml.card.files import digest, pretty, read_json, write_text
from leadml.card.in_words import Scores
from leadml.card.score import DECISIONS, CardTable, Decision, points_by_code
from leadml.data.deals import Leads
from leadml.exceptions import ModelRefError, RecordError, StoreError
from leadml.records import Record, check_record, value_text

MAX_TOTAL, REMEMBERED = 10_000, 100_000
"""The highest total; so many single leads are remembered."""


def is_name(text: object) -> bool:
    """Whether a text can name a model or a row of one, and so a file."""
    return isinstance(text, str) and bool(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?", text))


def _refuse(fault: Callable[[Any], Any], valid: str) -> AfterValidator:
    """Refuse values of which `fault` says something: what came, or True for the value as it is."""

    def check(value: Any) -> Any:
        if got := fault(value):
            raise ValueError(f"got {got if isinstance(got, str) else value_text(value)}, valid is {valid}")
        return value

    return AfterValidator(check)


Name = Annotated[str, _refuse(lambda v: not is_name(v), "1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first")]
# By Python's tables: a pattern that says as much takes pydantic 4 ms to compile, for each field.
Text = Annotated[
    str, _refuse(lambda v: not (0 < len(v) <= 2000 and v.isprintable()), "a line of 1 to 2,000 characters")
]
# A cell of a spreadsheet, where a first = + - @ would make a formula.
Cell = Annotated[Text, _refuse(lambda v: v[0] in "=+-@", "a line of text that begins with none of = + - @")]
Level = Annotated[str, _refuse(lambda v: v not in ("0", "1", "2", "3", "4"), "a level 0 to 4")]
Points = Annotated[int, Field(ge=0, le=MAX_TOTAL)]
Share = Annotated[float, Field(ge=0, le=1)]
Known = Annotated[
    str | bool | int | float | None,
    _refuse(lambda v: not (len(str(v)) <= 2000 and str(v).isprintable()), "a line of text, a number or null"),
]


class _Part(Record):
    model_config = ConfigDict(allow_inf_nan=False, defer_build=True)  # parts are built with the card


class CardCriterion(_Part):
    """Points of one criterion at the levels 0 to 4, and while it is unknown."""

    id: Name
    title: Text
    question: str = ""
    points: tuple[Points, Points, Points, Points, Points]
    unknown_points: Points
    documented_points: tuple[float, float, float, float, float]
    # Level -> the CRM's words, or a threshold; see `leadml.card.in_words.answer_text`.
    words: Mapping[Level, tuple[Text, ...]] = Field(default_factory=dict)


class CardBin(_Part):
    """One bin of an attribute: listed values, or a range from <= x < to; blank is the empty cell."""

    label: Text
    values: tuple[str, ...] | None = None
    from_: float | None = Field(default=None, alias="from")
    to: float | None = None
    blank: bool = False
    points: Points
    n: float
    won: float


class CardAttribute(_Part):
    """Points for a column of the CRM. Codes: bins, then other (never seen), then unknown (blank, absent)."""

    id: Cell
    title: Text
    column: Cell
    kind: Literal["categories", "edges"]
    bins: Annotated[tuple[CardBin, ...], Field(min_length=1, max_length=250)]
    unknown_points: Points
    other_points: Points
    known_when: Literal["at creation", "unsure"] = "unsure"
    age_of: str | None = None  # the column is a date: its age in days at this date's column (creation)


class CardTotal(_Part):
    """What one total means: P(won) with its 95% interval."""

    points: Points
    probability: Share
    low: Share
    high: Share


class CardBand(_Part):
    """Totals from `from_` up to the next band ask for one action."""

    id: Cell
    title: Text
    from_: int = Field(alias="from", ge=0, le=MAX_TOTAL + 1)
    action: Cell
    decision: Decision


class CardGate(_Part):
    """A known level below `below` disqualifies, whatever the points."""

    criterion: str
    below: Annotated[int, Field(ge=1, le=4)]
    text: Text


class CardCaveat(_Part):
    """A documented limit; `when` holds facts and the values that call for it (empty: always)."""

    id: Cell
    text: Text
    when: Mapping[str, Annotated[tuple[Text, ...], Field(min_length=1)]] = Field(default_factory=dict)


class CardPublished(_Part):
    """Who changed a card by hand, and why."""

    by: str
    because: str
    at: str
    changed_from: str


def _is_whole(attribute: CardAttribute) -> bool:
    """Whether bins are values of categories, or ranges each of which begins where the one before ends."""
    bins, is_words = [each for each in attribute.bins if not each.blank], attribute.kind == "categories"
    meet = all(low.to is not None and low.to == high.from_ for low, high in itertools.pairwise(bins))
    return (is_words or meet) and all((each.values is not None) == is_words for each in bins)


class Card(_Part):
    """A scorecard: points of each criterion and attribute, what totals mean, and what to do.

    Make one by `leadml.calibrate`, `leadml.card.build` or `load_card`. `unit` says what points are: points
    (also of all learned cards), criteria met, or contactable. The lowest possible total is 0.

    Examples
    --------
    >>> from leadml.card.build import documented_card
    >>> from leadml.frameworks.catalog import load_policy
    >>> card = documented_card(load_policy("bant-points"), created_at="2026-01-01")
    >>> lead = card.score_one({"budget": 3, "authority": 4, "need": 1})
    >>> lead["points"], lead["high"], lead["decision"], lead["ask_next"], lead["if_answered"]
    (8, 12, 'wait', 'timeline', '1-4: ready; 0: wait')
    """

    schema_version: Literal[1, 2] = 2
    name: Name
    version: Annotated[int, Field(ge=1)] | None = None
    framework: Name | None = None
    kind: Literal["documented", "learned", "wide"]
    policy: str | None = None  # id of the documented rule, where the card is one
    unit: Literal["points", "met", "contactable"] = "points"
    created_at: Text
    criteria: Annotated[tuple[CardCriterion, ...], Field(max_length=20)]
    attributes: Annotated[tuple[CardAttribute, ...], Field(max_length=40)] = ()
    met_level: Annotated[int, Field(ge=1, le=4)] = 2
    base: float | None = None
    slope: float | None = None
    total_max: Points
    table: tuple[CardTotal, ...] = ()
    bands: Annotated[tuple[CardBand, ...], Field(min_length=1)]
    cutoff: Annotated[int, Field(ge=0, le=MAX_TOTAL + 1)]
    gates: tuple[CardGate, ...] = ()
    decision_labels: Mapping[Decision, Cell] = Field(default_factory=dict)
    caveats: tuple[CardCaveat, ...] = ()
    published: CardPublished | None = None
    provenance: Mapping[str, Known] = Field(default_factory=dict)
    sha256: str | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Check what no type of a single field says."""
        own, named = [each.id for each in self.criteria], [each.id for each in self.bands]
        ids = own + [each.id for each in self.attributes]
        total, highest = self.total_max, sum(int(row.max()) for row in points_by_code(self))
        told, line = [row.points for row in self.table], (self.base, self.slope)
        edges, never = [band.from_ for band in self.bands], total + 1
        ends, decisions = f"where a band begins ({edges}), or {never} (never)", [each.decision for each in self.bands]
        best_last = sorted(decisions, key=DECISIONS.index, reverse=True)
        above = [each.id for each in self.criteria if each.unknown_points > max(each.points)]
        apart = [each.id for each in self.attributes if not _is_whole(each)]
        loose = [row.points for row in self.table if not row.low <= row.probability <= row.high]
        falls = [b.points for a, b in itertools.pairwise(self.table) if b.probability < a.probability]
        wrong = [each.id for each in self.bands if (each.decision == "ready") != (each.from_ >= self.cutoff)]
        strangers = [each.criterion for each in self.gates if each.criterion not in own]
        checks = [
            (0 < len(set(ids)) == len(ids), "criteria, attributes", ids, "at least one, each id once"),
            (not above, "criteria", above, "unknown_points at most the highest points"),
            (not apart, "attributes", apart, "values for categories; for edges ranges that meet and rise"),
            (total == highest, "total_max", total, f"{highest}, the sum of the highest points"),
            (told or self.kind == "documented", "table", "nothing", "one entry for each total"),
            (told in ([], [*range(never)]), "table", f"{len(told)} entries", f"each total from 0 to {total}, in order"),
            (not loose, "table", f"the totals {loose}", "low <= probability <= high"),
            (not falls, "table", f"the totals {falls}", "chances that never fall"),
            (line == (None, None) or (told and None not in line), "base, slope", line, "both, with a table, or none"),
            (len(set(named)) == len(named), "bands", named, "each id once"),
            (edges == sorted({0, *edges}) and edges[-1] <= never, "bands", edges, f"0 first and rising, up to {never}"),
            (self.cutoff in (*edges, never), "cutoff", self.cutoff, ends),
            (not wrong, "bands", wrong, f"'ready' from the cut-off {self.cutoff} up and nowhere else"),
            (decisions == best_last, "bands", decisions, "none worse than one below"),
            (not strangers, "gates", strangers, f"criteria among {', '.join(own)}"),
        ]
        if faults := [f"{place}: got {got}, valid is {valid}" for holds, place, got, valid in checks if not holds]:
            raise ValueError("\n".join(faults))
        return self

    def __repr__(self) -> str:
        of = f"{self.cutoff} of {self.total_max} {self.unit}; reads {', '.join(self.lookup.code_columns)}"
        return f"<Card {self.model} ({self.kind}): ready from {of}>"

    __str__ = __repr__

    @property
    def model(self) -> str:
        """``NAME@VERSION``, or the name of a card that is not stored."""
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @functools.cached_property
    def lookup(self) -> CardTable:
        """The tables by which leads are scored, made once."""
        return CardTable(self)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the card with some fields replaced; the tables are made anew."""
        made = super().model_copy(update=update, deep=deep)
        made.__dict__.pop("lookup", None)
        return made

    @property
    def labels(self) -> tuple[str, ...]:
        """What ready, wait and no-match are called."""
        return tuple(self.decision_labels.get(each, each) for each in DECISIONS)

    def score(self, levels: Any) -> Scores:
        """Score leads by look-up.

        Parameters
        ----------
        levels : array of shape (n, k), DataFrame, mapping of columns, or Leads
            Levels 0 to 4 and NaN for unknown; or uint8 codes with 5 for unknown. The columns of an array are
            the card's criteria in its order; of a frame or mapping, those named like the criteria and like
            the columns of attributes (others are not read, absent ones are unknown).

        Returns
        -------
        Scores
            n rows; a column each is an attribute; ``to_pandas``, ``to_arrow`` and ``rows`` give them all.

        Raises
        ------
        InputError
            When a level is none of 0 to 4 or unknown, the shape is wrong, or no criterion is there.
        """
        codes = codes_of(self, levels)
        if isinstance(levels, Leads) and levels.facts:
            codes = self.lookup.with_facts(codes, levels.facts)
        return Scores(*self.lookup.patterns(codes))

    def score_one(self, lead: Mapping[str, Any]) -> dict[str, Any]:
        """Score one lead, in microseconds where the card has seen such a lead before.

        Parameters
        ----------
        lead : mapping
            As `score` takes it, with a value in place of each column.

        Returns
        -------
        dict
            The columns of `predict`, without the lead's identity.
        """
        known = self.lookup.remembered
        asked = {name: lead[name] for name in self.lookup.row_names if name in lead}
        if (key := repr(asked)) not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            (known[key],) = self.score(asked).rows()
        return dict(known[key])

    def to_dict(self) -> dict[str, Any]:
        """Give the card as plain JSON values, sealed by its digest: what ``card.json`` holds."""
        document = self.model_dump(mode="json", by_alias=True)
        document["sha256"] = digest(document)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "card", *, verify: bool = True) -> Card:
        """Make a card of plain JSON values (of any version), checking each; see `load_card`."""
        try:
            card = check_record(dict(document), cls, where)
        except RecordError as error:
            faults = str(error).replace(f"{where}: ", "").replace("the file: ", "").replace("\n", "\n  ")
            how = "take the original back or make it again by `calibrate`"
            raise StoreError(f"{where} is no valid card; {how}:\n  {faults}") from None
        if verify and card.sha256 != (found := digest(document)):
            raise StoreError(
                f"{where}: sha256: the card was changed after it was sealed (it says {str(card.sha256)[:12]}…, its "
                f"content gives {found[:12]}…). Take the original back; or, when the change is meant, seal it again: "
                "leadml.load_card(path, verify=False).save(path)"
            )
        if card.schema_version == 1 and card.kind == "documented":  # which said of its rule only what it gives
            unit = "met" if all({*each.points} <= {0, 1} for each in card.criteria) else "points"
            unit = "contactable" if [each.id for each in card.criteria] == ["contactable"] else unit
            card = card.model_copy(update={"policy": card.provenance.get("policy"), "unit": unit})
        return card if verify else card.model_copy(update={"sha256": digest(card.to_dict())})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the card as JSON to a path, whole or not at all."""
        write_text(path, pretty(self.to_dict()))


def load_card(path: str | os.PathLike[str], *, verify: bool = True) -> Card:
    """Load a card, checking its digest and every value on it. No code is ever run.

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

    Examples
    --------
    >>> load_card("no/card.json")
    Traceback (most recent call last):
    leadml.exceptions.ModelRefError: no/card.json: there is no such file; give a card.json, ...
    """
    try:
        path = Path(path)
    except TypeError:
        how = "give a card.json (Card.from_dict reads a dict)"
        raise ModelRefError(f"card: got {type(path).__name__}; valid: a path; {how}") from None
    path = path / "card.json" if path.is_dir() else path
    return Card.from_dict(read_json(path), str(path), verify=verify)
