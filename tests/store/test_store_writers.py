"""Many writers at once, and writers that die: nothing is lost and nothing is half there."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leadml.card import build_card
from leadml.exceptions import StoreError
from leadml.store import Store
from leadml.store.locking import locked

SETUP = """
import os, sys
from leadml.card import build_card
from leadml.store import Store
import leadml.store.store as inside
from leadml.store import writing
card = build_card(name="x", criteria=["need"], points=[[0, 1, 2, 3, 4]], unknown_points=[0],
    documented_points=[[0, 1, 2, 3, 4]], created_at="2026-01-01", cutoff=2, kind="documented",
    bands=[{"id": "a", "title": "A", "from": 0, "action": "drop"},
           {"id": "b", "title": "B", "from": 2, "action": "call"}])
store = Store(sys.argv[1])
"""


def run(code: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run code that has a card and a store, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", SETUP + code, str(root)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_eight_writers_lose_nothing(tmp_path: Path) -> None:
    code = (
        'print(*[store.save_model(name, card) for _ in range(5) for name in ("shared", f"own{os.getpid()}")])'
    )
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: run(code, tmp_path), range(8)))
    assert [each.stderr for each in done] == [""] * 8
    refs = [ref for each in done for ref in each.stdout.split()]
    assert len(refs) == len(set(refs)) == 80
    store = Store(tmp_path)
    assert sorted(f"{each.name}@{each.version}" for each in store.list_versions()) == sorted(refs)
    assert [each.version for each in store.list_versions() if each.name == "shared"] == list(range(1, 41))
    assert sorted(e.version for e in store.history("shared") if e.action == "saved") == list(range(1, 41))
    assert store.champion("shared") == 1
    assert all(store.load(ref).model == ref for ref in refs)


KILLS = {
    "while filling": "writing.write_text = lambda *_: os._exit(9)",
    "before the rename": "inside.Path.rename = lambda *_: os._exit(9)",
    "before the history": "inside.Store._append = lambda *_: os._exit(9)",
    "half a line of history": (
        "inside.add_event = lambda path, event: "
        "(path.open('ab', buffering=0).write(b'{\"at\": \"half'), os._exit(9))"
    ),
    "before the pointer": "inside.Store._point = lambda self, name: os._exit(9)",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", KILLS)
@pytest.mark.parametrize("n_before", [0, 1])
def test_a_killed_writer_leaves_nothing_half_visible(tmp_path: Path, how: str, n_before: int) -> None:
    store = Store(tmp_path)
    card = build_card(
        name="x",
        criteria=["need"],
        points=[[0, 1, 2, 3, 4]],
        unknown_points=[0],
        documented_points=[[0, 1, 2, 3, 4]],
        created_at="2026-01-01",
        cutoff=0,
        kind="documented",
        bands=[{"id": "a", "title": "A", "from": 0, "action": "call"}],
    )
    for _ in range(n_before):
        store.save_model("bant", card)
    if how == "before the pointer":
        store.save_model("bant", card)
        code = f'{KILLS[how]}\nstore._mend = lambda *_: None\nstore.retire("bant@1")'
    else:
        code = f'{KILLS[how]}\nstore.save_model("bant", card)'
    done = run(code, tmp_path)
    # A first version appears with its history.
    first = n_before == 0 and how in ("before the history", "half a line of history")
    assert done.returncode == (0 if first else 9), done.stderr
    # What a reader sees is whole.
    for each in store.list_versions():
        assert store.load(f"{each.name}@{each.version}").version == each.version
    if n_before:
        assert store.champion("bant") == 1
        store.history("bant")
    # The next writer tidies up.
    ref = store.save_model("bant", card)
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".writing")]
    versions = [each.version for each in store.list_versions()]
    assert versions == list(range(1, len(versions) + 1))
    assert ref == f"bant@{versions[-1]}"
    assert sorted(e.version for e in store.history("bant") if e.action == "saved") == versions
    assert store.champion("bant") == (None if how == "before the pointer" else 1)


def test_a_second_writer_waits_and_then_says_so(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    busy = pytest.raises(StoreError, match="another process has been writing for 0 s")
    with locked(lock), busy, locked(lock, wait_seconds=0.05):
        pass
    with locked(lock):
        pass


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="needs a user whom permissions stop")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written to"), locked(tmp_path / "sub" / ".lock"):
        pass
