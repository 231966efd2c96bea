"""References: names, versions, paths, digests; what MLflow keeps is fetched by tracking."""

from __future__ import annotations

import os
from pathlib import Path

import joblib
import pytest

from leadml.card.record import Card
from leadml.exceptions import ModelRefError, StoreError
from leadml.registry.promote import retire
from leadml.registry.resolve import resolve
from leadml.registry.versions import save_version, sha256_of

from .conftest import AT


def test_names_versions_and_paths(tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    version = save_version("bant", card, at=AT, store_root=tmp_path)
    for ref in ("bant", "bant@1", version.folder, version.folder / "card.json"):
        found, folder = resolve(ref, tmp_path)
        assert (found.model, folder) == ("bant@1", version.folder)
    monkeypatch.chdir(version.folder.parent)
    assert resolve("1").folder == Path("1")  # a folder of results, where the store knows no such name
    with pytest.raises(ModelRefError, match="no model '2' in the store"):
        resolve("2")
    version.folder.with_name("bant").mkdir()
    card.save(version.folder.with_name("bant") / "card.json")
    assert resolve("bant", tmp_path).model.model == "bant@1"
    card.save(tmp_path / "mine.json")
    assert resolve(tmp_path / "mine.json").model.name == "made"
    for ref in ("x/none.json", "none.joblib", str(tmp_path / "nothing")):
        with pytest.raises(ModelRefError, match="there is no such file; valid are NAME"):
            resolve(ref)


def test_a_retired_version_says_so(tmp_path: Path, card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        save_version("bant", card, at=AT, store_root=tmp_path)
    resolve("bant@1", tmp_path)
    assert capsys.readouterr().err == ""
    retire("bant@2", because="no longer sold", at=AT, store_root=tmp_path)
    assert resolve("bant@2", tmp_path).model.model == "bant@2"
    told = "bant@2 is retired since 2026-01-01 (no longer sold); in use: "
    assert capsys.readouterr().err == f"{told}bant@1\n"
    retire("bant@1", because="gone", at=AT, store_root=tmp_path)
    resolve("bant@2", tmp_path)
    assert capsys.readouterr().err == f"{told}no version of that name\n"


def test_a_pipe_is_told_to_be_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "card.json")
    with pytest.raises(ModelRefError, match="is a pipe, and a model cannot be read from one; save it"):
        resolve(tmp_path / "card.json")


def test_a_joblib_needs_its_digest(tmp_path: Path) -> None:
    path, digest = tmp_path / "model.joblib", tmp_path / "model.joblib.sha256"
    joblib.dump({"a": 1}, path)
    digest.write_text(f"{sha256_of(path)}  model.joblib\n")
    assert resolve(path).model == {"a": 1}
    joblib.dump({"a": 2}, path)
    with pytest.raises(StoreError, match="is not the file whose digest"):
        resolve(path)
    digest.unlink()
    with pytest.raises(StoreError, match="loading it would run code"):
        resolve(path)
