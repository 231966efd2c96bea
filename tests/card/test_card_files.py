"""Cards in files: what version 0.1 wrote loads, nothing changes unseen, and every fault is named."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from card_samples import CARDS
from hypothesis import given, settings
from hypothesis import strategies as st

from leadml.card.files import digest, pretty, read_json
from leadml.card.record import Card, is_name, load_card
from leadml.exceptions import ModelRefError, StoreError

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "cards").glob("*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_version_1_loads_and_is_kept(path, tmp_path):
    card, document = load_card(path), json.loads(path.read_text())
    assert card.sha256 == document["sha256"] == digest(document)
    assert card.unit == {"bant-ibm": "met", "madr-immediate": "met"}.get(path.stem, "points")
    assert (card.policy is not None) == (card.kind == "documented")
    assert card.labels == tuple(document["decision_labels"][each] for each in ("ready", "wait", "no-match"))
    card.save(tmp_path / "again.json")
    again = load_card(tmp_path / "again.json")
    codes = np.random.default_rng(0).integers(0, 6, (200, len(card.criteria))).astype(np.uint8)
    assert again.score(codes).rows() == card.score(codes).rows()
    for row, levels in zip(card.score(codes).rows(), codes.tolist(), strict=True):
        earned = [[*c["points"], c["unknown_points"]][x] for c, x in zip(document["criteria"], levels, strict=True)]
        assert row["points"] == sum(earned)
        if document["table"]:
            assert row["probability"] == document["table"][row["points"]]["probability"]


@pytest.mark.parametrize("name", CARDS)
def test_what_is_saved_comes_back(name, tmp_path):
    card = CARDS[name]
    card.save(tmp_path / "card.json")
    again = load_card(tmp_path)
    assert again.to_dict() == card.to_dict()
    assert again.sha256 == digest(card.to_dict()) == read_json(tmp_path / "card.json")["sha256"]
    assert again.model == card.name
    lead = {each.id: 4 for each in card.criteria}
    assert card.score_one(lead)["model"] == card.name
    assert card.model_copy(update={"version": 3}).score_one(lead)["model"] == f"{card.name}@3"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["card.json"]


def changed(document, path, value):
    """A copy of a document with the value at a path replaced, or removed where it is None."""
    document = json.loads(json.dumps(document))
    at = document
    for part in path[:-1]:
        at = at[part]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


FAULTS = [
    (("criteria", 0, "points"), [0, 1, 2], r"criteria\[0\].points\[3\]: is missing"),
    (("criteria", 0, "points", 1), -1, r"criteria\[0\].points\[1\]: got -1; valid: greater than or equal to 0"),
    (("criteria", 0, "points", 1), 1.5, r"criteria\[0\].points\[1\]: got 1.5; valid: a whole number"),
    (("criteria", 0, "unknown_points"), 99, r"criteria: got \[.budget.\], valid is unknown_points at most"),
    (("criteria", 1, "id"), "budget", "valid is at least one, each id once"),
    (("criteria", 0, "words"), {"7": ["x"]}, r"words.7: got '7', valid is a level 0 to 4"),
    (("criteria", 0, "id"), "../x", r"got '../x', valid is 1 to 64"),
    (("criteria",), [], "total_max: got"),
    (("name",), "=cmd", "name: got '=cmd'"),
    (("total_max",), 9999, "total_max: got 9999"),
    (("table",), [], "table: got nothing"),
    (("table", 1, "points"), 7, "valid is each total from 0"),
    (("table", 1, "low"), 1.0, "valid is low <= probability <= high"),
    (("table", 1, "probability"), 1.5, r"table\[1\].probability: got 1.5; valid: less than or equal to 1"),
    (("table", 1, "probability"), "NaN", r"table\[1\].probability: got 'NaN'"),
    (("base",), None, "valid is both, with a table, or none"),
    (("slope",), float("nan"), "slope: got nan; valid: a finite number"),
    (("slope",), float("inf"), "slope: got inf; valid: a finite number"),
    (("cutoff",), 9998, "cutoff: got 9998, valid is where a band begins"),
    (("bands", 1, "from"), 0, "bands: got .*, valid is 0 first and rising"),
    (("bands", 3, "from"), 9000, "0 first and rising, up to"),
    (("bands", 0, "decision"), "maybe", r"bands\[0\].decision: got 'maybe'; valid: ready, wait, no-match"),
    (("bands", 0, "decision"), "ready", "bands: got .*, valid is none worse than one below"),
    (("bands", 1, "decision"), "ready", "valid is 'ready' from the cut-off"),
    (("bands", 1, "decision"), "no-match", None),
    (("bands", 0, "action"), "=1+1", "begins with none of"),
    (("bands", 1, "id"), "drop", r"bands: got \[.*\], valid is each id once"),
    (("gates",), [{"criterion": "x", "below": 1, "text": "t"}], r"gates: got \['x'\], valid is criteria among"),
    (("decision_labels",), {"good": "x"}, "decision_labels.good: got 'good'; valid: ready"),
    (("provenance",), {"a": [1]}, "provenance.a: got a list of 1; valid: text"),
    (("extra",), 1, "extra: unknown key"),
    (("kind",), "documented", None),
    (("schema_version",), 3, "schema_version: got 3; valid: 1, 2"),
    (("created_at",), None, "created_at: is missing"),
]


@pytest.mark.parametrize(("path", "value", "said"), FAULTS, ids=[".".join(map(str, f[0])) + f"={f[1]}" for f in FAULTS])
def test_every_fault_is_named(path, value, said):
    document = changed(CARDS["learned-1"].to_dict(), path, value)
    if said is None:
        assert Card.from_dict(document, verify=False)
        return
    with pytest.raises(StoreError, match=said) as caught:
        Card.from_dict(document, "c.json", verify=False)
    assert str(caught.value).startswith("c.json is no valid card; take the original back")


def test_faults_of_attributes_and_of_version_1():
    wide = CARDS["wide"].to_dict()
    for path, value, said in [
        (("attributes", 0, "bins", 0, "values"), None, "valid is values for categories"),
        (("attributes", 1, "bins", 1, "from"), 12.0, "for edges ranges that meet and rise"),
        (("bands", 2, "decision"), "wait", "valid is 'ready' from the cut-off"),
    ]:
        with pytest.raises(StoreError, match=said):
            Card.from_dict(changed(wide, path, value), verify=False)
    old = json.loads(GOLDEN[2].read_text())
    old["criteria"][0]["points"][1] = 40
    with pytest.raises(StoreError, match="total_max: got 16, valid is 55, the sum of the highest points"):
        Card.from_dict(old, verify=False)
    old["criteria"] = "none"
    with pytest.raises(StoreError, match="criteria: got 'none'; valid: a list"):
        Card.from_dict(old, verify=False)


def test_a_changed_card_is_refused_and_sealed_again_on_purpose(tmp_path):
    path = tmp_path / "card.json"
    CARDS["learned-0"].save(path)
    path.write_text(path.read_text().replace('"action": "nurture"', '"action": "write"'))
    with pytest.raises(StoreError, match=r"sha256: the card was changed .* seal it again"):
        load_card(path)
    load_card(path, verify=False).save(path)
    assert load_card(path).bands[1].action == "write"


def test_files_that_are_no_cards(tmp_path):
    path = tmp_path / "card.json"
    for content, said in [
        (b"\xff{}", "0xff in position 0"),
        (b"{", "line 1 column 2"),
        (b"[]", "holds a list"),
        (b'{"a": 1, "a": 2}', "key 'a' is given twice"),
        (b"[" * 200_000, "recursion depth"),
        (b" " * 2_000_001, "larger than 2,000,000 bytes"),
        (b'{"name": "x"}', "is no valid card"),
    ]:
        path.write_bytes(content)
        with pytest.raises(StoreError, match=said):
            load_card(path)
    with pytest.raises(ModelRefError, match="there is no such file"):
        load_card(tmp_path / "no.json")
    with pytest.raises(ModelRefError, match="cannot be read"):
        read_json(tmp_path / ("x" * 300))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_pretty_changes_nothing(document):
    assert json.loads(pretty(document)) == document
    document.pop("sha256", None)
    assert digest(document) == digest(dict(reversed(document.items())))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(CARDS)), st.data())
def test_no_document_breaks_the_check(name, data):
    """Whatever is put in place of a value: a card, or a StoreError."""
    document = CARDS[name].to_dict()
    key = data.draw(st.sampled_from(sorted(document)))
    document[key] = data.draw(JSON)
    with contextlib.suppress(StoreError):
        Card.from_dict(document, verify=False)


def test_names():
    assert [is_name(each) for each in ("a", "A.b-c_9", "", ".a", "a.", "a/b", "é", "x" * 65, 3)] == [True] * 2 + [
        False
    ] * 7
