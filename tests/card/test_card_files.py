"""Cards as files: what was changed, broken or hostile is refused, and the message names the place."""

import json
from pathlib import Path
from typing import Any

import pytest

from leadml.card import Card, build_card, load_card
from leadml.card.files import replacing
from leadml.exceptions import LeadmlError, ModelRefError, StoreError


@pytest.fixture
def card() -> Card:
    table = [(total, 0.1 + total / 10, total / 10, 0.2 + total / 10) for total in range(5)]
    return build_card(
        name="kept",
        criteria=["need"],
        points=[[0, 1, 2, 3, 4]],
        unknown_points=[0],
        documented_points=[[0, 1, 2, 3, 4]],
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": 2, "action": "follow up"},
        ],
        cutoff=2,
        created_at="2026-01-01",
        base=-1.5,
        slope=0.5,
        table=table,
        provenance={"n_won": 30, "mapping_digest": None},
    )


def test_a_card_changed_by_hand_is_refused_and_can_be_sealed_again(card: Card, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    card.save(path)
    text = path.read_text()
    path.write_text(text.replace('"action": "follow up"', '"action": "call"'))
    with pytest.raises(StoreError, match=r"card\.json: sha256: the card was changed .*verify=False\)\.save"):
        load_card(path)
    load_card(path, verify=False).save(path)
    assert load_card(path).bands[1].action == "call"
    path.write_text(json.dumps(json.loads(text)))  # laid out otherwise, the same card
    assert load_card(path) == card


FAULTS: list[tuple[str, Any, str]] = [
    ("name", "../x", r"name: got '\.\./x'"),
    ("name", "", "name: got ''"),
    ("schema_version", 2, "schema_version: got 2, valid is 1"),
    ("schema_version", True, "schema_version: got True"),
    ("kind", [], r"kind: got \[\]"),
    ("met_level", 0, "met_level: got 0"),
    ("slope", -0.1, "slope: got -0.1"),
    ("base", None, "base, slope, table"),
    ("total_max", 5, "total_max: got 5, valid is 4"),
    ("total_max", 4.0, "total_max: got 4.0"),
    ("cutoff", 3, "cutoff: got 3, valid is where a band begins"),
    ("table", [], "base, slope, table"),
    ("criteria", [], "criteria: got 0"),
    ("criteria", {}, "criteria: got {}, valid is a list"),
    ("bands", [], "bands: begin at"),
    ("decision_labels", {"ready": "x"}, "decision_labels"),
    ("provenance", {"x": [1]}, "provenance"),
    ("gates", [{"criterion": "budget", "below": 1, "text": "x"}], r"gates\[0\].criterion: got 'budget'"),
    ("caveats", [{"id": "a", "text": "b\x00", "when": {}}], r"caveats\[0\].text"),
    ("extra", 1, "has \\['extra'\\]"),
]


@pytest.mark.parametrize(("key", "value", "says"), FAULTS)
def test_a_wrong_value_is_named(card: Card, key: str, value: Any, says: str) -> None:
    with pytest.raises(StoreError, match=says):
        Card.from_dict(card.to_dict() | {key: value}, verify=False)


def broken(card: Card, where: str, place: int, key: str, value: Any) -> dict[str, Any]:
    document = card.to_dict()
    document[where][place][key] = value
    return document


@pytest.mark.parametrize(
    ("where", "place", "key", "value", "says"),
    [
        ("criteria", 0, "points", [0, 1, 2, 3], r"criteria\[0\]\.points: got \[0, 1, 2, 3\], valid is 5"),
        ("criteria", 0, "points", [0, 2, 1, 3, 4], r"criteria\[0\]\.points: .*never falling"),
        ("criteria", 0, "points", [0, 1, 2, 3, 10**30], r"criteria\[0\]\.points"),
        ("criteria", 0, "points", [0, 1, 2, 3, 4.5], r"criteria\[0\]\.points"),
        ("criteria", 0, "unknown_points", 5, r"criteria\[0\]\.unknown_points: got 5, valid is 0 to 4"),
        ("table", 2, "probability", 2, r"table\[2\]\.probability: got 2"),
        ("table", 2, "probability", 0.35, r"table\[3\]"),
        ("table", 2, "points", 7, "one for each total from 0 to 4"),
        ("table", 2, "low", 0.9, r"table\[2\]: got .*low <= probability <= high"),
        ("bands", 1, "from", 0, "bands: begin at"),
        ("bands", 1, "decision", "perhaps", r"bands\[1\]\.decision: got 'perhaps'"),
        ("bands", 1, "id", "drop", "the same id twice"),
    ],
)
def test_a_wrong_entry_is_named(card: Card, where: str, place: int, key: str, value: Any, says: str) -> None:
    document = broken(card, where, place, key, value)
    if says == r"table\[3\]":
        document["table"][3]["probability"] = 0.3
        document["table"][3]["low"] = 0.2
    with pytest.raises(StoreError, match=says):
        Card.from_dict(document, verify=False)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no JSON"),
        (b"[]", "holds a list"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "not a JSON number"),
        (b'{"a": 1e999}', "too large a number"),
        (b'{"a": 1, "a": 2}', "key 'a' is given twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b"[" * 100_000, "nested too deeply|no JSON"),
        (b'{"a": "' + b"x" * 2_000_000 + b'"}', "larger than 2,000,000 bytes"),
        (b'{"a": 1}', "misses schema_version"),
    ],
    ids=["empty", "list", "bytes", "nan", "infinity", "overflow", "twice", "digits", "deep", "huge", "keys"],
)
def test_hostile_json_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=says):
        load_card(path)


def test_every_single_byte_that_changes_is_noticed(card: Card, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    card.save(path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        try:
            assert load_card(path) == card
        except LeadmlError:
            continue


def test_a_missing_card_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ModelRefError, match="there is no such file; give a card"):
        load_card(tmp_path / "none.json")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert link.is_symlink()
