"""Cards changed by hand: a reason, who and what from; what follows from points and cut-off is set right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import leadml
from leadml.card.record import Card
from leadml.exceptions import StoreError, UsageError
from leadml.frameworks.own import new_framework
from leadml.registry.evidence import DEAL_COUNTS, read_counts
from leadml.registry.publish import Published, publish
from leadml.registry.versions import load_stored, read_history, save_version, show_version

from .conftest import AT, make_card
from .test_promote import counts_of, make_deals


def changed(card: Card, folder: Path, **changes: Any) -> Path:
    path = folder / "draft.json"
    path.write_text(json.dumps({**card.to_dict(), **changes}))
    return path


def send(path: Path, root: Path, **more: Any) -> Published:
    return publish(path, because="as agreed", by="ann", at=AT, store_root=root, **more)


def changed_from(done: Published) -> str:
    card: Card = load_stored(done.version)
    assert card.published is not None
    return card.published.changed_from


@pytest.fixture
def stored(tmp_path: Path) -> Card:
    root = tmp_path / "store"
    beside = {DEAL_COUNTS: counts_of(make_deals()), "mapping.yaml": b"name: ours"}
    found: Card = load_stored(save_version("bant", make_card(5, table=True), at=AT, files=beside, store_root=root))
    return found


def test_a_cutoff_changed_by_hand_becomes_a_version(tmp_path: Path, stored: Card) -> None:
    root = tmp_path / "store"
    done = send(changed(stored, tmp_path, cutoff=3), root)
    card: Card = load_stored(done.version)
    assert (done.version.ref, done.version.status) == ("bant@2", "version")
    assert card.published is not None
    assert card.published.model_dump() == {"by": "ann", "because": "as agreed", "at": AT, "changed_from": "bant@1"}
    assert [(b.id, b.from_) for b in card.bands] == [("drop", 0), ("now", 3)]
    event = read_history("bant", root)[-1]
    assert (event.action, event.by, event.because) == ("published", "ann", "as agreed")
    assert "the bands begin elsewhere" in done.messages[0]
    assert card.table == stored.table  # points are as they were
    assert done.comparison is not None
    assert "leads move from nurture to follow up" in done.comparison.sentence
    assert read_counts(done.version.folder) is not None
    assert (done.version.folder / "mapping.yaml").read_bytes() == b"name: ours"
    with pytest.raises(UsageError, match="is stored already, as bant@2; promote that"):
        send(changed(stored, tmp_path, cutoff=3), root)
    again = send(changed(card, tmp_path, cutoff=3, decision_labels={"ready": "call"}), root)
    assert load_stored(again.version).published.changed_from == "bant@2"


def test_points_changed_by_hand_are_counted_anew(tmp_path: Path, stored: Card) -> None:
    criteria = stored.to_dict()["criteria"]
    criteria[0]["points"] = [0, 2, 4, 6, 8]
    done = send(changed(stored, tmp_path, criteria=criteria), tmp_path / "store")
    card: Card = load_stored(done.version)
    assert (card.total_max, len(card.table), card.kind) == (12, 13, "learned")
    assert card.table[12].probability > card.table[2].probability
    assert "counted anew" in done.messages[0]


def test_points_without_counts_tell_no_probability(tmp_path: Path) -> None:
    card = make_card(5, table=True)
    root = tmp_path / "store"
    save_version("bant", card, at=AT, store_root=root)
    criteria = card.to_dict()["criteria"]
    criteria[0]["points"] = [0, 2, 4, 6, 8]
    done = send(changed(card, tmp_path, criteria=criteria), root, name="bant")
    made: Card = load_stored(done.version)
    assert (made.kind, made.table, changed_from(done)) == ("documented", (), "bant@1")
    assert "no counts of deals" in done.messages[0]


def test_a_draft_of_nowhere_and_a_framework_begin_a_name(tmp_path: Path) -> None:
    root = tmp_path / "store"
    draft = changed(make_card(5), tmp_path, published=None)
    with pytest.raises(UsageError, match=r"draft.json is called 'made', and no model .* is empty; give --name NAME"):
        send(draft, root)
    done = send(draft, root, name="made")
    assert (done.version.ref, done.version.status, done.comparison) == ("made@1", "champion", None)
    with pytest.raises(UsageError, match=r"which has made; give --name NAME \(the store is .*store\)"):
        send(changed(make_card(4, name="other"), tmp_path), root)
    assert changed_from(done) == "draft.json"
    path = tmp_path / "ours.yaml"
    path.write_text(new_framework("ours"))
    assert send(path, root).version.name == "ours"


def test_what_is_no_change_or_no_card_is_refused(tmp_path: Path, stored: Card) -> None:
    root = tmp_path / "store"
    with pytest.raises(UsageError, match=r"nothing on it differs from bant@1"):
        send(changed(stored, tmp_path), root)
    with pytest.raises(UsageError, match="--because"):
        publish(changed(stored, tmp_path, cutoff=3), because=" ", by="ann", at=AT, store_root=root)
    for broken in ({"cutoff": "x"}, {"criteria": None}, {"bands": [1]}):
        with pytest.raises(StoreError, match="is no card"):
            send(changed(stored, tmp_path, **broken), root)
    with pytest.raises(StoreError, match="is no valid card"):
        send(changed(stored, tmp_path, met_level=9), root)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `leadml calibrate --name ours` leaves, beside a store."""
    from leadml.calibration.file import calibrate_file

    folder = tmp_path_factory.mktemp("calibrated")
    deals = leadml.make_leads(400, world="tilted", random_state=1)
    calibrate_file(
        lambda: deals, {"contenders": ["integer"], "frameworks": ["bant"], "bootstrap": 100}, name="ours",
        out_dir=folder / "results", store_root=folder / "store", at=AT, say=lambda _: None,
    )  # fmt: skip
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("file", ["card.json", "cards/bant-ibm.json"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_card_of_a_calibration_goes_to_its_model_with_its_counts(
    results: Path, tmp_path: Path, file: str, is_known: bool
) -> None:
    folder = shutil.copytree(results, tmp_path / "copy")
    if not is_known:
        shutil.rmtree(folder / "store")
    draft = folder / "results" / file
    document = json.loads(draft.read_text())
    assert document["version"] == (1 if file == "card.json" else None)  # which knows that it is ours@1
    document["bands"][0]["action"] = "leave"
    draft.write_text(json.dumps(document))
    done = send(draft, folder / "store")
    card: Card = load_stored(done.version)
    assert (done.version.name, card.bands[0].action, card.kind) == ("ours", "leave", document["kind"])
    assert read_counts(done.version.folder) is not None
    if is_known:
        origin = load_stored(show_version(changed_from(done), folder / "store"))
        assert (origin.kind, origin.table, done.messages) == (card.kind, card.table, [])
    else:
        assert (done.version.ref, done.version.status) == ("ours@1", "champion")
        assert (done.version.folder / "result.json").is_file()
