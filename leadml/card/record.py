"""The card: a table of points that can be read, compared, stored and applied. Plain JSON, never code."""

from __future__ import annotations

import functools
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from leadml.card.codes import attribute_codes, code_of, codes_of
from leadml.card.files import digest, pretty, read_json, write_text
from leadml.card.table import DECISIONS, CardTable, Scores
from leadml.exceptions import InputError, ModelRefError, RecordError, StoreError
from leadml.records import Record, check_record, value_text

Decision = Literal["ready", "wait", "no-match"]
MAX_TOTAL = 10_000
MAX_ROWS = 60


def is_name(text: object) -> bool:
    """Whether a text can name a model or a row of one, and so a file.

    >>> is_name("bant-b2b"), is_name("../bant"), is_name("")
    (True, False, False)
    """
    good = isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text)
    return bool(good) and not str(text).endswith(".")


def _check(is_good: Any, valid: str) -> AfterValidator:
    def check(value: Any) -> Any:
        if not is_good(value):
            raise ValueError(f"got {value_text(value)}, valid is {valid}")
        return value

    return AfterValidator(check)


def _is_text(value: str) -> bool:
    return 0 < len(value) <= 2000 and value.isprintable()


Name = Annotated[str, _check(is_name, "1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit")]
Text = Annotated[str, _check(_is_text, "a line of text of 1 to 2,000 characters")]
# A cell of a spreadsheet, where a first = + - @ would make a formula.
Cell = Annotated[Text, _check(lambda v: v[0] not in "=+-@", "a line of text that begins with none of = + - @")]
Points = Annotated[int, Field(ge=0, le=MAX_TOTAL)]
Share = Annotated[float, Field(ge=0, le=1)]


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
    # Level ("0" to "4") -> the CRM's words, or a threshold; see `leadml.card.questions`.
    words: Mapping[str, tuple[Text, ...]] = Field(default_factory=dict)


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
    decision_labels: Mapping[str, Cell] = Field(default_factory=dict)
    caveats: tuple[CardCaveat, ...] = ()
    published: CardPublished | None = None
    provenance: Mapping[str, Any] = Field(default_factory=dict)
    sha256: str | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        faults = [*_row_faults(self), *_table_faults(self), *_band_faults(self)]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def __repr__(self) -> str:
        of = f"{self.cutoff} of {self.total_max} {self.unit}; reads {', '.join(self.lookup.code_columns)}"
        return f"<Card {self.model} ({self.kind}): ready from {of}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """A line, and the points of each level as a table."""
        from html import escape

        head = [("", 0, 1, 2, 3, 4, "unknown")]
        rows = [*head, *((escape(row.title), *row.points, row.unknown_points) for row in self.criteria)]
        cells = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>" for row in rows)
        return f"<p>{escape(repr(self)[1:-1])}</p><table>{cells}</table>"

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

    @property
    def questions(self) -> tuple[str, ...]:
        """The question for each row."""
        return (
            *(each.question or f"What is known of {each.title.lower()}?" for each in self.criteria),
            *(f"What is {each.column}?" for each in self.attributes),
        )

    def row_text(self, row: int, code: int) -> str:
        """What a code of a row is called in reasons: ``need``, ``need (unknown)``, ``Product = Alpha``."""
        if row < len(self.criteria):
            return self.criteria[row].id + (" (unknown)" if code == len(self.criteria[row].points) else "")
        attribute = self.attributes[row - len(self.criteria)]
        if code < len(attribute.bins):
            return f"{attribute.column} = {attribute.bins[code].label}"
        return f"{attribute.column} ({'other' if code == len(attribute.bins) else 'unknown'})"

    def score(self, levels: Any, facts: Mapping[str, Any] | None = None) -> Scores:
        """Score leads by look-up.

        Parameters
        ----------
        levels : array of shape (n, k), DataFrame, mapping of columns, or Leads
            Levels 0 to 4 and NaN for unknown; or uint8 codes with 5 for unknown. The columns of an array are
            the card's criteria in its order; of a frame or mapping, those named like the criteria and like
            the columns of attributes (others are not read, absent ones are unknown).
        facts : DataFrame or mapping of columns of text, optional
            Facts that the framework's caveats ask for; those of `Leads` are known.

        Returns
        -------
        Scores
            n rows; a column each is an attribute; ``to_pandas``, ``to_arrow`` and ``rows`` give them all.

        Raises
        ------
        InputError
            When a level is none of 0 to 4 or unknown, the shape is wrong, or no criterion is there.
        """
        from leadml.data.deals import Leads

        known = levels.facts if facts is None and isinstance(levels, Leads) else facts
        return self.lookup.score(codes_of(self, levels), known)

    def score_one(self, lead: Mapping[str, Any], facts: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        """Score one lead, in microseconds once the card is warm.

        Parameters
        ----------
        lead : mapping
            Level 0 to 4 by criterion and value by attribute's column; None, NaN or absent for unknown.
        facts : mapping of str to str, optional
            Facts that the framework's caveats ask for.

        Returns
        -------
        dict
            The columns of `predict`, without the lead's identity.

        Raises
        ------
        InputError
            When a level is none of 0 to 4 or unknown, or nothing that the card asks for is there.
        """
        codes = bytes([code_of(lead.get(each.id), each.id) for each in self.criteria])
        for each in self.attributes:
            codes += attribute_codes(each, [lead.get(each.column)]).tobytes()
        names = [*(each.id for each in self.criteria), *(each.column for each in self.attributes)]
        if not any(name in lead for name in names):
            raise InputError(f"lead: none of the criteria {', '.join(names)} is there; give at least one")
        return dict(self.lookup.row(codes, facts))

    def to_dict(self) -> dict[str, Any]:
        """Give the card as plain JSON values, sealed by its digest: what ``card.json`` holds."""
        document = self.model_dump(mode="json", by_alias=True)
        document["sha256"] = digest(document)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "card", *, verify: bool = True) -> Card:
        """Make a card of plain JSON values (of any version), checking each; see `load_card`."""
        try:
            card = check_record(_upgraded(document), cls, where)
        except RecordError as error:
            faults = str(error).replace(f"{where}: ", "").replace("the file: ", "").split("\n")
            more = [f"and {len(faults) - 20} more"] if len(faults) > 20 else []
            told = f"{where} is no valid card; take the original back or make it again by `calibrate`:"
            raise StoreError("\n  ".join([told, *faults[:20], *more])) from None
        found = digest(document)
        if verify and document.get("sha256") != found:
            raise StoreError(
                f"{where}: sha256: the card was changed after it was sealed (it says "
                f"{str(document.get('sha256'))[:12]}…, its content gives {found[:12]}…). Take the original "
                "back; or, when the change is meant, seal it again: "
                "leadml.load_card(path, verify=False).save(path)"
            )
        return card.model_copy(update={"sha256": found})

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


def _upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document of version 1 is in version 2; the latter as it is."""
    made = dict(document)
    provenance, criteria = made.get("provenance"), made.get("criteria")
    is_rule = made.get("schema_version") == 1 and made.get("kind") == "documented"
    if is_rule and isinstance(provenance, Mapping) and isinstance(criteria, list):
        rows = [each for each in criteria if isinstance(each, Mapping)]
        steps = [[int(level >= met) for level in range(5)] for met in range(1, 5)]
        is_met = all(each.get("points") in steps for each in rows)
        is_contactable = [each.get("id") for each in rows] == ["contactable"]
        made["policy"] = provenance.get("policy")
        made["unit"] = "contactable" if is_contactable else "met" if is_met else "points"
    return made


def _row_faults(card: Card) -> Iterator[str]:
    names = [*(each.id for each in card.criteria), *(each.id for each in card.attributes)]
    if not 1 <= len(names) <= MAX_ROWS:
        yield f"criteria, attributes: got {len(names)}, valid are 1 to {MAX_ROWS}"
    if len(set(names)) != len(names):
        yield f"criteria, attributes: the same id twice among {', '.join(names)}"
    tops = []
    for at, each in enumerate(card.criteria):
        tops.append(top := max(each.points))
        if card.schema_version == 1 and (each.points[0] or list(each.points) != sorted(each.points)):
            yield f"criteria[{at}].points: got {list(each.points)}, valid is 0 first and never falling"
        if each.unknown_points > top:
            yield f"criteria[{at}].unknown_points: got {each.unknown_points}, valid is 0 to {top}"
        if strangers := set(each.words) - set("01234"):
            yield f"criteria[{at}].words: got {sorted(strangers)}, valid are levels 0 to 4"
    for at, attribute in enumerate(card.attributes):
        tops.append(max(attribute.unknown_points, attribute.other_points, *(b.points for b in attribute.bins)))
        for j, one in enumerate(attribute.bins):
            if not one.blank and (one.values is None) == (attribute.kind == "categories"):
                yield f"attributes[{at}].bins[{j}]: valid is values for categories, from and to for edges"
        ranges = [(b.from_, b.to) for b in attribute.bins if b.values is None and not b.blank]
        if any(earlier[1] is None or later[0] != earlier[1] for earlier, later in itertools.pairwise(ranges)):
            yield f"attributes[{at}].bins: valid are ranges that rise, each from where the one before ends"
    if card.total_max != sum(tops):
        yield f"total_max: got {card.total_max}, valid is {sum(tops)}, the sum of the highest points"
    for at, gate in enumerate(card.gates):
        if gate.criterion not in names[: len(card.criteria)]:
            yield f"gates[{at}].criterion: got {gate.criterion!r}, valid are {', '.join(names)}"
    if strangers := set(card.decision_labels) - set(DECISIONS):
        yield f"decision_labels: got {sorted(strangers)}, valid are {', '.join(DECISIONS)}"
    for key, value in card.provenance.items():
        is_number = isinstance(value, int | float) and math.isfinite(value)
        if not (value is None or value == "" or is_number or (isinstance(value, str) and _is_text(value))):
            yield f"provenance.{key}: got {value!r:.60}, valid is a text, a number or null"


def _table_faults(card: Card) -> Iterator[str]:
    table, total = card.table, card.total_max
    if (card.base is None) != (card.slope is None) or (card.base is not None and not table):
        yield "base, slope, table: valid is all three (a learned card) or null, null and an empty table"
    if card.kind != "documented" and not table:
        yield "table: got nothing, valid is one entry for each total of a learned card"
    if table and [row.points for row in table] != list(range(total + 1)):
        yield f"table: got {len(table)} entries, valid is one for each total from 0 to {total}, in order"
    for at, row in enumerate(table):
        if not row.low <= row.probability <= row.high:
            found = f"{row.low}, {row.probability}, {row.high}"
            yield f"table[{at}]: got {found}, valid is low <= probability <= high"
        if at and row.probability < table[at - 1].probability:
            yield f"table[{at}].probability: got {row.probability}, valid is no less than at the total before"


def _band_faults(card: Card) -> Iterator[str]:
    bands, total, cutoff = card.bands, card.total_max, card.cutoff
    edges = [band.from_ for band in bands]
    if edges[0] != 0 or any(later <= earlier for earlier, later in itertools.pairwise(edges)):
        yield f"bands: begin at {edges}, valid is 0 first and rising"
    elif edges[-1] > total + 1:
        yield f"bands: begin at {edges}, valid is up to {total + 1}"
    if cutoff not in edges and cutoff != total + 1:
        yield f"cutoff: got {cutoff}, valid is where a band begins ({edges}), or {total + 1} for never"
    for at, band in enumerate(bands):
        if (band.decision == "ready") != (band.from_ >= cutoff):
            yield (
                f"bands[{at}].decision: got {band.decision!r} from {band.from_}, "
                f"valid is 'ready' from the cut-off {cutoff} up and nowhere else"
            )
        elif at and DECISIONS.index(band.decision) > DECISIONS.index(bands[at - 1].decision):
            yield f"bands[{at}].decision: got {band.decision!r}, valid is no worse than a band below"
    if len({band.id for band in bands}) != len(bands):
        yield "bands: the same id twice"
