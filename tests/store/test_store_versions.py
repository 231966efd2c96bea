"""The store: versions, champion, history; what was changed or has a hostile name is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from leadml.card import Card, build_card
from leadml.exceptions import ModelRefError, StoreError
from leadml.store import Model, Store, load_model
from leadml.store import manifest as manifests


@pytest.fixture
def card() -> Card:
    return build_card(
        name="made",
        criteria=["need", "budget"],
        points=[[0, 1, 2, 3, 4]] * 2,
        unknown_points=[0, 0],
        documented_points=[[0, 1, 2, 3, 4]] * 2,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": 5, "action": "follow up"},
        ],
        cutoff=5,
        created_at="2026-01-01",
        kind="documented",
        caveats=[{"id": "repeat", "text": "Less fit.", "when": {"purchase": ["repeat"]}}],
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models_store")


def test_the_first_version_is_the_champion_and_a_later_one_is_not(store: Store, card: Card) -> None:
    assert store.save_model("bant", card, at="2026-01-01T00:00:00+00:00") == "bant@1"
    assert store.save_model("bant", card) == "bant@2"
    assert store.champion("bant") == 1
    assert store.load("bant").model == "bant@1"
    assert store.load("bant@2").model == "bant@2"
    assert [(each.version, each.status) for each in store.list_versions()] == [
        (1, "champion"),
        (2, "version"),
    ]
    told = [(event.action, event.version, event.because) for event in store.history("bant")]
    assert told == [("saved", 1, None), ("promoted", 1, "the first version"), ("saved", 2, None)]


def test_promote_retire_and_roll_back(store: Store, card: Card) -> None:
    for _ in range(3):
        store.save_model("bant", card)
    assert store.promote("bant@2", because="wins more").status == "champion"
    assert store.load("bant").version == 2
    assert store.promote("bant").version == 3  # the newest
    assert store.promote("bant@1").version == 1
    assert store.retire("bant@2").status == "retired"
    assert store.champion("bant") == 1
    assert store.retire("bant", because="no longer sold").status == "retired"
    with pytest.raises(ModelRefError, match=r"'bant' has no champion; .*leadml models promote bant@3"):
        store.resolve("bant")
    assert store.promote("bant@2").status == "champion"
    assert store.history("bant")[-2].because == "no longer sold"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/x",
        "a\\b",
        ".hidden",
        "-x",
        "a" * 65,
        "bánt",
        "bant\n",
        "x\x00",
        "ban​t",
        "a@1",
    ],
)
def test_hostile_names_are_refused(store: Store, card: Card, name: str) -> None:
    with pytest.raises(ModelRefError, match="no name of a model"):
        store.save_model(name, card)
    assert not store.root.exists()
    with pytest.raises(ModelRefError):
        store.show(name if name != "a@1" else "../a@1")


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("none", r"no model 'none' in the store at .*; it has bant"),
        ("bant@9", "has no version 9; it has 1"),
        ("bant@0", "'0' is no version"),
        ("bant@", "'' is no version"),
        ("bant@latest", "'latest' is no version"),
        ("bant@١", "is no version"),
        ("bant@1@1", "'1@1' is no version"),
        ("x/none.json", "there is no such card"),
        ("models:/bant@champion", "kept by MLflow"),
        ("", "is no model reference; valid are NAME"),
    ],
)
def test_a_reference_that_names_nothing_is_refused(store: Store, card: Card, ref: str, says: str) -> None:
    store.save_model("bant", card)
    with pytest.raises(ModelRefError, match=says):
        store.resolve(ref)


def test_an_empty_store_says_how_to_fill_it(store: Store) -> None:
    assert store.list_versions() == []
    with pytest.raises(ModelRefError, match="it is empty; `leadml calibrate --name NAME` fills it"):
        store.load("bant")


def test_paths_of_cards_are_references(store: Store, card: Card, tmp_path: Path) -> None:
    card.save(tmp_path / "card.json")
    assert store.load(str(tmp_path / "card.json")) == card
    assert store.load(f"{tmp_path}/") == card


def test_a_stored_file_that_was_changed_is_refused(store: Store, card: Card) -> None:
    store.save_model("bant", card)
    folder = store.root / "bant" / "1"
    card.save(folder / "card.json")  # another card, sealed properly
    with pytest.raises(StoreError, match=r"card\.json: is not the file that was stored"):
        store.load("bant")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"name": "bant"', '"name": "bent"'))
    with pytest.raises(StoreError, match=r"manifest\.json: was changed"):
        store.load("bant")


def test_the_manifest_tells_what_made_it(store: Store, card: Card) -> None:
    store.save_model("bant", card, estimator={"a": 1}, metrics={"auc": 0.7}, run_id="run7")
    manifest = store.show("bant").manifest
    assert set(manifest["files"]) == {"card.json", "model.joblib"}
    assert (manifest["run_id"], manifest["metrics"]) == ("run7", {"auc": 0.7})
    assert manifest["libraries"]["numpy"] == np.__version__
    with pytest.raises(StoreError, match="metrics: are no plain JSON"):
        store.save_model("bant", card, metrics={"auc": np.nan})
    assert len(store.list_versions()) == 1
    assert store.save_model("bant", card) == "bant@2"
    assert sorted(entry.name for entry in store.root.iterdir()) == [".lock", "bant"]


class Bomb:
    """Unpickling it would leave a trace."""

    def __reduce__(self) -> Any:
        return (print, ("unpickled",))


def test_an_estimator_comes_back_only_as_it_was_stored(
    store: Store, card: Card, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save_model("bant", card, estimator={"weights": np.arange(3)})
    model = load_model("bant", store.root)
    assert model.load_estimator()["weights"].tolist() == [0, 1, 2]

    here = manifests.installed_libraries()
    monkeypatch.setattr(manifests, "installed_libraries", lambda: here | {"scikit-learn": "0.1"})
    with pytest.raises(StoreError, match=r"scikit-learn .* \(here 0\.1\); install those releases"):
        model.load_estimator()
    monkeypatch.undo()

    import joblib

    joblib.dump(Bomb(), store.root / "bant" / "1" / "model.joblib")
    with pytest.raises(StoreError, match=r"model\.joblib: is not the file that was stored"):
        model.load_estimator()
    assert "unpickled" not in capsys.readouterr().out

    store.save_model("plain", card)
    with pytest.raises(StoreError, match=r"has no such file; valid are card\.json"):
        load_model("plain", store.root).load_estimator()
    with pytest.raises(StoreError, match="a card outside the store has no estimator"):
        Model(card).load_estimator()


def test_a_model_predicts_a_frame(store: Store, card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save_model("bant", card)
    monkeypatch.setenv("LEADML_STORE", str(store.root))
    frame = pd.DataFrame(
        {"lead_id": [7, 8], "need": [4, np.nan], "budget": [1, 2], "purchase": ["repeat", None], "x": 1},
        index=[10, 20],
    )
    found = load_model("bant@1").predict(frame)
    assert found.index.tolist() == [10, 20]
    assert found["lead_id"].tolist() == ["7", "8"]
    assert found["points"].tolist() == [5, 2]
    assert found["decision"].tolist() == ["ready", "wait"]  # 2 + 4 would be 6
    assert found["caveats"].tolist() == ["repeat", ""]
    assert set(found["model"]) == {"bant@1"}
    assert load_model("bant").predict(frame[["need"]])["lead_id"].tolist() == ["1", "2"]


def test_a_history_that_is_none_names_its_line(store: Store, card: Card) -> None:
    store.save_model("bant", card)
    path = store.root / "bant" / "history.jsonl"
    path.write_text(path.read_text() + json.dumps({"x": 1}) + "\n")
    with pytest.raises(StoreError, match=r"history\.jsonl: line 3 is no event"):
        store.history("bant")
