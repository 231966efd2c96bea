"""Versions, champion, history: nothing half-written, nothing changed unseen, no hostile name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leadml.card.record import Card
from leadml.exceptions import ModelRefError, StoreError
from leadml.registry import versions
from leadml.registry.promote import note_registered, promote, retire
from leadml.registry.resolve import waiting_of
from leadml.registry.versions import champion_of, list_versions, load_stored, read_history, save_version, show_version

from .conftest import AT, make_card


def test_the_first_version_is_the_champion_and_a_later_one_is_not(tmp_path: Path, card: Card) -> None:
    assert save_version("bant", card, at=AT, store_root=tmp_path).ref == "bant@1"
    assert save_version("bant", card, at=AT, store_root=tmp_path).status == "version"
    assert [(v.ref, v.status) for v in list_versions(None, tmp_path)] == [("bant@1", "champion"), ("bant@2", "version")]
    assert load_stored(show_version("bant", tmp_path)).model == "bant@1"
    told = [(event.action, event.version) for event in read_history("bant", tmp_path)]
    assert told == [("saved", 1), ("promoted", 1), ("saved", 2)]
    assert champion_of("other", tmp_path) is None


@pytest.mark.parametrize("has_rule", [True, False])
def test_what_something_stands_against_leaves_the_documented_rule_in_use(
    tmp_path: Path, card: Card, has_rule: bool
) -> None:
    rule, files = make_card(3) if has_rule else None, {"mapping.yaml": b"name: ours", "log.parquet": b""}
    told = {"against": "the verdict is keep", "documented": rule, "files": files}
    saved = save_version("bant", card, at=AT, store_root=tmp_path, **told)
    now = champion_of("bant", tmp_path)
    assert (saved.ref, saved.status, len(list_versions("bant", tmp_path))) == ("bant@1", "version", 1 + has_rule)
    assert (now and (now.ref, load_stored(now).cutoff)) == (("bant@2", 3) if has_rule else None)
    if has_rule:
        why = read_history("bant", tmp_path)[-1].because
        assert why == "the verdict is keep, so the documented rule stays in use"
        assert list(now.saved.files) == ["card.json", "mapping.yaml"]


@pytest.mark.parametrize(
    ("first", "policy", "then", "is_free"),
    [("It holds X", "a", None, True), ("It holds X", "a", "It holds Y", False), ("It holds X", "b", None, False),
     ("the verdict is keep", "a", None, False)],
)  # fmt: skip
def test_a_sound_card_takes_the_place_of_the_rule_that_a_doubt_put_in_use(
    tmp_path: Path, first: str, policy: str, then: str | None, is_free: bool
) -> None:
    learned, rules = make_card(5, table=True), {each: make_card(3, policy=each) for each in "ab"}
    for against, rule in ((first, rules["a"]), (then, rules[policy])):
        saved = save_version("bant", learned, at=AT, store_root=tmp_path, against=against, documented=rule)
    now = champion_of("bant", tmp_path)
    assert now is not None
    assert (saved.ref, now.ref) == ("bant@3", "bant@3" if is_free else "bant@2")
    assert waiting_of("bant", tmp_path).startswith("bant@1" if is_free else "bant@3")
    assert f"bant@2 is in use because: {first}, so the documented" in waiting_of("bant", tmp_path) or is_free
    hand = {"by": "Ann", "because": "as agreed", "at": AT, "changed_from": "bant@1"}
    save_version("bant", make_card(6, table=True, published=hand), at=AT, store_root=tmp_path)
    told = waiting_of("bant", tmp_path)
    assert told.startswith("bant@1" if is_free else "bant@3")
    assert "; bant@4 was changed by hand by Ann, with no held-out evidence); to use it" in told
    retire("bant@1", because="leaks", at=AT, store_root=tmp_path)
    assert (waiting_of("bant", tmp_path) == "") == is_free
    assert waiting_of("bant@2", tmp_path) == waiting_of("nobody", tmp_path) == ""


def test_a_card_that_says_nothing_is_refused_by_name(tmp_path: Path, card: Card) -> None:
    flat = [{**c.model_dump(), "points": (1,) * 5, "unknown_points": 1} for c in card.criteria]
    dull = make_card(criteria=flat, total_max=2, bands=[card.bands[0].model_dump(by_alias=True)], cutoff=3)
    with pytest.raises(StoreError, match=r"bant: this card ranks no lead .* need, budget earn the same points"):
        save_version("bant", dull, at=AT, store_root=tmp_path)
    assert not list_versions(None, tmp_path)


def test_retire_and_return(tmp_path: Path, card: Card) -> None:
    for _ in range(2):
        save_version("bant", card, at=AT, store_root=tmp_path)
    assert retire("bant@2", because="old", at=AT, store_root=tmp_path).status == "retired"
    assert retire("bant", because="no longer sold", at=AT, store_root=tmp_path).status == "retired"
    with pytest.raises(ModelRefError, match=r"'bant' has no champion; .*leadml models promote bant@2"):
        show_version("bant", tmp_path)
    assert promote("bant@2", because="again", at=AT, store_root=tmp_path)[0].status == "champion"


def test_what_mlflow_calls_a_version_is_kept(tmp_path: Path, card: Card) -> None:
    version = save_version("bant", card, at=AT, store_root=tmp_path)
    note_registered(version, "bant@1 as models:/bant/5 (champion)", at=AT, store_root=tmp_path)
    found = show_version("bant", tmp_path)
    assert (found.status, found.mlflow, found.saved.action) == ("champion", "models:/bant/5", "saved")
    note_registered(found, "bant@1 as models:/bant/5 (champion)", at=AT, store_root=tmp_path)
    assert [each.action for each in read_history("bant", tmp_path)] == ["saved", "promoted", "registered"]


HOSTILE = ["", ".", "..", "../x", "a/b", "/etc/x", "a\\b", ".hidden", "-x", "a" * 65, "bánt", "bant\n", "x\x00", "a@1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(tmp_path: Path, card: Card, name: str) -> None:
    root = tmp_path / "store"
    with pytest.raises(ModelRefError, match="no name of a model"):
        save_version(name, card, at=AT, store_root=root)
    with pytest.raises(ModelRefError):
        show_version(name if name != "a@1" else "../a@1", root)
    with pytest.raises(ModelRefError, match="no name of a model"):
        save_version("bant", card, at=AT, files={name: b""}, store_root=root)
    assert not list_versions(None, root)


@pytest.mark.parametrize("version", ["9", "0", "", "latest", "١", "1@1"])
def test_a_version_that_is_not_there_is_refused(tmp_path: Path, card: Card, version: str) -> None:
    save_version("bant", card, at=AT, store_root=tmp_path)
    with pytest.raises(ModelRefError, match=rf"no version|{version!r} is no version"):
        show_version(f"bant@{version}", tmp_path)


def test_an_unknown_name_says_what_there_is(tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADML_STORE", str(tmp_path))
    with pytest.raises(ModelRefError, match="it is empty; `leadml calibrate --name NAME` fills it"):
        show_version("bant")
    save_version("bant", card, at=AT)
    with pytest.raises(ModelRefError, match=r"no model 'none' in the store at .*; it has bant"):
        show_version("none")


def test_what_was_changed_is_refused(tmp_path: Path, card: Card) -> None:
    version = save_version("bant", card, at=AT, store_root=tmp_path)
    kept = (version.folder / "card.json").read_bytes()
    card.save(version.folder / "card.json")  # another card, sealed properly
    with pytest.raises(StoreError, match=r"card\.json: is not the file that was stored"):
        load_stored(version)
    (version.folder / "card.json").unlink()
    (tmp_path / "elsewhere.json").write_bytes(kept)
    (version.folder / "card.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(StoreError, match="is not the file that was stored"):
        load_stored(version)
    (tmp_path / "linked").symlink_to(tmp_path / "bant")
    assert [each.ref for each in list_versions(None, tmp_path)] == ["bant@1"]


def test_a_history_that_is_none_names_its_line_and_half_a_line_is_cut(tmp_path: Path, card: Card) -> None:
    version = save_version("bant", card, at=AT, ratio=16.0, store_root=tmp_path)
    assert version.saved.ratio == 16.0
    path = version.folder.parent / "history.jsonl"
    whole = path.read_text()
    path.write_text(re.sub(r'"files":{.*?},', "", whole))
    assert load_stored(show_version("bant@1", tmp_path)).model == "bant@1"  # leadml 0.1 kept no digests there
    path.write_text(whole + '{"at": "half')
    assert len(read_history("bant", tmp_path)) == 2
    save_version("bant", card, at=AT, store_root=tmp_path)
    assert [json.loads(line)["action"] for line in path.read_text().splitlines()] == ["saved", "promoted", "saved"]
    path.write_text(whole + '{"x": 1}\n')
    with pytest.raises(StoreError, match=r"history\.jsonl: line 3 is no event"):
        read_history("bant", tmp_path)


def test_a_second_writer_waits_and_then_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "WAIT_SECONDS", 0.05)
    busy = pytest.raises(StoreError, match="another process has been writing for 0 s")
    with versions.writing(tmp_path), busy, versions.writing(tmp_path):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written to"), versions.writing(tmp_path / "file"):
        pass


WRITER = """
import sys
from tests.registry.conftest import AT, make_card
from leadml.registry import versions
card = make_card()
"""
KILLS: Mapping[str, str] = {
    "while filling": "versions.sha256_of = lambda *_: os._exit(9)",
    "before the history": "versions.add_events = lambda *_: os._exit(9)",
}


def run(code: str, root: Path) -> subprocess.CompletedProcess[str]:
    folder = Path(__file__).parents[2]
    program = f"import os\n{WRITER}{code}"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", program, str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_eight_writers_of_twenty_versions_lose_nothing(tmp_path: Path) -> None:
    save = "versions.save_version('shared', card, at=AT, store_root=sys.argv[1]).ref"
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: run(f"print(*[{save} for _ in range(20)])", tmp_path), range(8)))
    assert [each.stderr for each in done] == [""] * 8
    refs = [ref for each in done for ref in each.stdout.split()]
    found = list_versions("shared", tmp_path)
    assert sorted(refs) == sorted(v.ref for v in found)
    assert [v.version for v in found] == list(range(1, 161))
    assert [v.ref for v in found if v.status == "champion"] == ["shared@1"]
    assert sorted(e.version for e in read_history("shared", tmp_path) if e.action == "saved") == list(range(1, 161))
    assert all(load_stored(v).model == v.ref for v in found)


@pytest.mark.slow
@pytest.mark.parametrize("how", KILLS)
@pytest.mark.parametrize("n_before", [0, 1])
def test_a_killed_writer_leaves_nothing_half_visible(tmp_path: Path, card: Card, how: str, n_before: int) -> None:
    for _ in range(n_before):
        save_version("bant", card, at=AT, store_root=tmp_path)
    done = run(f"{KILLS[how]}\nversions.save_version('bant', card, at=AT, store_root=sys.argv[1])", tmp_path)
    assert done.returncode == 9, done.stderr
    assert all(load_stored(v).model == v.ref for v in list_versions("bant", tmp_path))
    ref = save_version("bant", card, at=AT, store_root=tmp_path).ref
    numbers = [v.version for v in list_versions("bant", tmp_path)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert ref == f"bant@{numbers[-1]}"
    assert champion_of("bant", tmp_path) is not None
