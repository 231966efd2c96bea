"""What must hold of a card's JSON, every fault at once with its place."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from leadml.card.sealed import is_name
from leadml.exceptions import StoreError

__all__ = ["DECISIONS", "check_document"]

DECISIONS = ("ready", "wait", "no-match")
"""The three outcomes that a lead can have, in falling order."""

MAX_CRITERIA = 20
MAX_TOTAL = 10_000
KINDS = ("documented", "learned")
KEYS = (
    "schema_version",
    "name",
    "version",
    "framework",
    "kind",
    "created_at",
    "criteria",
    "met_level",
    "base",
    "slope",
    "total_max",
    "table",
    "bands",
    "cutoff",
    "gates",
    "decision_labels",
    "caveats",
    "provenance",
)


def check_document(document: dict[str, Any], where: str) -> None:
    """Refuse a document that is no card.

    Parameters
    ----------
    document : dict
        Plain JSON values.
    where : str
        The place that messages name.

    Raises
    ------
    StoreError
        Naming every fault: its place, what came and what is valid.
    """
    faults = list(_shape_faults(document))
    if not faults:
        faults = list(_sense_faults(document))
    if faults:
        shown = "".join(f"\n  {fault}" for fault in faults[:20])
        more = f"\n  and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise StoreError(
            f"{where} is no valid card; take the original back or make it again by `calibrate`:{shown}{more}"
        )


def _is_whole(value: object, lowest: int, highest: int) -> bool:
    return type(value) is int and lowest <= value <= highest


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 2000 and all(letter.isprintable() for letter in value)


def _is_cell(value: object) -> bool:
    """Tell whether a text may stand in a cell of a spreadsheet, where a first = + - @ makes a formula."""
    return _is_text(value) and str(value)[0] not in "=+-@"


def _is_plain(value: object) -> bool:
    return value is None or type(value) is bool or _is_number(value) or value == "" or _is_text(value)


def _is_five(value: object, good: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and len(value) == 5 and all(map(good, value))


def _is_points(value: object) -> bool:
    return _is_whole(value, 0, MAX_TOTAL)


Field = tuple[str, Callable[[object], bool], str]

CELL = "a line of text that begins with none of = + - @"
TEXT = "a line of text of 1 to 2,000 characters"
FIELDS: tuple[Field, ...] = (
    ("schema_version", lambda value: _is_whole(value, 1, 1), "1 (a later one needs a later leadml)"),
    ("name", is_name, "1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"),
    ("version", lambda value: value is None or _is_whole(value, 1, 10**9), "a whole number from 1, or null"),
    ("framework", lambda value: value is None or is_name(value), "the id of a framework, or null"),
    ("kind", lambda value: isinstance(value, str) and value in KINDS, f"one of {', '.join(KINDS)}"),
    ("created_at", _is_text, "an ISO date or time"),
    ("met_level", lambda value: _is_whole(value, 1, 4), "a level from 1 to 4"),
    ("base", lambda value: value is None or _is_number(value), "a number or null"),
    ("slope", lambda value: value is None or (_is_number(value) and value >= 0), "a number from 0, or null"),  # type: ignore[operator]
    ("total_max", _is_points, f"a whole number from 0 to {MAX_TOTAL:,}"),
    ("cutoff", lambda value: _is_whole(value, 0, MAX_TOTAL + 1), "a whole number from 0"),
)
ENTRIES: dict[str, tuple[Field, ...]] = {
    "criteria": (
        ("id", is_name, "the name of a criterion"),
        ("title", _is_text, TEXT),
        ("points", lambda value: _is_five(value, _is_points), "5 whole numbers from 0"),
        ("unknown_points", _is_points, "a whole number from 0"),
        ("documented_points", lambda value: _is_five(value, _is_number), "5 numbers"),
    ),
    "table": (
        ("points", _is_points, "a whole number from 0"),
        ("probability", _is_share, "a number from 0 to 1"),
        ("low", _is_share, "a number from 0 to 1"),
        ("high", _is_share, "a number from 0 to 1"),
    ),
    "bands": (
        ("id", _is_cell, CELL),
        ("title", _is_text, TEXT),
        ("from", lambda value: _is_whole(value, 0, MAX_TOTAL + 1), "a whole number from 0"),
        ("action", _is_cell, CELL),
        ("decision", lambda value: value in DECISIONS, f"one of {', '.join(DECISIONS)}"),
    ),
    "gates": (
        ("criterion", is_name, "the name of a criterion"),
        ("below", lambda value: _is_whole(value, 1, 4), "a level from 1 to 4"),
        ("text", _is_text, TEXT),
    ),
    "caveats": (
        ("id", _is_cell, CELL),
        ("text", _is_text, TEXT),
        ("when", lambda value: _is_when(value), "facts, each with a list of texts"),
    ),
}


def _is_when(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(fact) and isinstance(texts, list) and texts and all(map(_is_text, texts))
        for fact, texts in value.items()
    )


def _say(value: object) -> str:
    """Show what came, shortened."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _key_faults(entry: dict[str, Any], keys: tuple[str, ...], place: str) -> Iterator[str]:
    missing = [key for key in keys if key not in entry]
    unknown = [key for key in entry if key not in keys]
    if missing:
        yield f"{place}: misses {', '.join(missing)}"
    if unknown:
        yield f"{place}: has {_say(unknown)}, valid are {', '.join(keys)}"


def _field_faults(entry: dict[str, Any], fields: tuple[Field, ...], place: str) -> Iterator[str]:
    for key, good, valid in fields:
        if key in entry and not good(entry[key]):
            yield f"{place}{key}: got {_say(entry[key])}, valid is {valid}"


def _shape_faults(document: dict[str, Any]) -> Iterator[str]:
    """Find missing and unknown keys, and values of a wrong type, length or range."""
    yield from _key_faults({key: value for key, value in document.items() if key != "sha256"}, KEYS, "card")
    yield from _field_faults(document, FIELDS, "")
    for name, fields in ENTRIES.items():
        entries = document.get(name, [])
        if not isinstance(entries, list) or len(entries) > MAX_TOTAL + 1:
            yield f"{name}: got {_say(entries)}, valid is a list"
            continue
        for position, entry in enumerate(entries):
            place = f"{name}[{position}]"
            if not isinstance(entry, dict):
                yield f"{place}: got {_say(entry)}, valid is an object"
                continue
            yield from _key_faults(entry, tuple(key for key, _, _ in fields), place)
            yield from _field_faults(entry, fields, f"{place}.")
    labels = document.get("decision_labels")
    if (
        not isinstance(labels, dict)
        or set(labels) != set(DECISIONS)
        or not all(map(_is_cell, labels.values()))
    ):
        yield f"decision_labels: got {_say(labels)}, valid is a text for each of {', '.join(DECISIONS)}"
    provenance = document.get("provenance")
    if not isinstance(provenance, dict) or not all(map(_is_plain, provenance.values())):
        yield f"provenance: got {_say(provenance)}, valid is an object of texts, numbers and nulls"


def _sense_faults(document: dict[str, Any]) -> Iterator[str]:
    """Find values that are well formed but contradict one another."""
    criteria = document["criteria"]
    names = [each["id"] for each in criteria]
    if not 1 <= len(names) <= MAX_CRITERIA:
        yield f"criteria: got {len(names)}, valid are 1 to {MAX_CRITERIA}"
    if len(set(names)) != len(names):
        yield f"criteria: the same id twice among {', '.join(names)}"
    for position, each in enumerate(criteria):
        points = each["points"]
        if points[0] != 0 or any(later < earlier for earlier, later in itertools.pairwise(points)):
            yield f"criteria[{position}].points: got {points}, valid is 0 first and never falling"
        if each["unknown_points"] > points[4]:
            found = each["unknown_points"]
            yield f"criteria[{position}].unknown_points: got {found}, valid is 0 to {points[4]}"
    total = sum(each["points"][4] for each in criteria)
    if document["total_max"] != total:
        yield f"total_max: got {document['total_max']}, valid is {total}, the sum of the highest points"
    yield from _table_faults(document)
    yield from _band_faults(document)
    for position, gate in enumerate(document["gates"]):
        if gate["criterion"] not in names:
            yield f"gates[{position}].criterion: got {gate['criterion']!r}, valid are {', '.join(names)}"


def _table_faults(document: dict[str, Any]) -> Iterator[str]:
    table, total = document["table"], document["total_max"]
    if (document["base"] is None) != (not table) or (document["slope"] is None) != (not table):
        yield "base, slope, table: valid is all three (a learned card) or null, null and an empty table"
    if document["kind"] == "learned" and not table:
        yield "table: got nothing, valid is one entry for each total of a learned card"
    if table and [row["points"] for row in table] != list(range(total + 1)):
        yield f"table: got {len(table)} entries, valid is one for each total from 0 to {total}, in order"
    for position, row in enumerate(table):
        if not row["low"] <= row["probability"] <= row["high"]:
            yield f"table[{position}]: got {_say(row)}, valid is low <= probability <= high"
        if position and row["probability"] < table[position - 1]["probability"]:
            found = row["probability"]
            yield f"table[{position}].probability: got {found}, valid is no less than at the total before"


def _band_faults(document: dict[str, Any]) -> Iterator[str]:
    bands, total, cutoff = document["bands"], document["total_max"], document["cutoff"]
    edges = [band["from"] for band in bands]
    if not edges or edges[0] != 0 or any(later <= earlier for earlier, later in itertools.pairwise(edges)):
        yield f"bands: begin at {_say(edges)}, valid is 0 first and rising"
    elif edges[-1] > total + 1:
        yield f"bands: begin at {_say(edges)}, valid is up to {total + 1}"
    if cutoff not in edges and cutoff != total + 1:
        yield f"cutoff: got {cutoff}, valid is where a band begins ({_say(edges)}), or {total + 1} for never"
    for position, band in enumerate(bands):
        if (band["decision"] == "ready") != (band["from"] >= cutoff):
            yield f"bands[{position}].decision: got {band['decision']!r} from {band['from']}, " + (
                f"valid is 'ready' from the cut-off {cutoff} up and nowhere else"
            )
        elif position and DECISIONS.index(band["decision"]) > DECISIONS.index(
            bands[position - 1]["decision"]
        ):
            yield f"bands[{position}].decision: got {band['decision']!r}, valid is no worse than a band below"
    if len({band["id"] for band in bands}) != len(bands):
        yield "bands: the same id twice"
