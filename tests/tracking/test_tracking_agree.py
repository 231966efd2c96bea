"""The local store and the registry: candidates that only MLflow knows are judged, differences are told."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest

from leadml import cli
from leadml.card import Card
from leadml.exceptions import ModelRefError, StoreError
from leadml.store import Store
from leadml.tracking import RegisteredCard, TrackedRun, open_run, register
from leadml.tracking.connection import explained, make_client
from leadml.tracking.model_files import card_model
from leadml.tracking.models import log_model
from leadml.workflows.agree import compare_with_registry, content_of, name_in_store
from leadml.workflows.promote import promote_model

GATE = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "workflows" / "test_workflows_promote.py"))
)
deals = GATE.deals


def put(card: Card, uri: str, folder: Path) -> RegisteredCard:
    """Register a card that was made elsewhere: MLflow has it, no store does."""
    run = open_run("calibrate bant", uri)
    client = make_client(uri)
    card.save(folder / "card.json")
    client.log_artifact(run.run_id, str(folder / "card.json"))
    client.log_metric(run.run_id, "log_loss", 0.5)
    with explained("logging a card", uri):
        model_id = log_model(client, run, card_model(folder / "card.json"))
    tracked = TrackedRun(run.run_id, uri, run.experiment_id, 0, "", model_id)
    return register(tracked, "bant", content=content_of(card))


def in_use(uri: str) -> dict[str, int]:
    found = mlflow.MlflowClient(uri).get_registered_model("bant").aliases
    return {alias: int(version) for alias, version in found.items()}


def test_store_and_registry_come_to_one_champion(
    store_uri: str, tmp_path: Path, deals: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    store = Store(tmp_path / "models_store")
    put(GATE.make_card(GATE.EVEN), store_uri, tmp_path)
    better = put(GATE.make_card(GATE.RIGHT), store_uri, tmp_path)
    assert in_use(store_uri) == {"champion": 1, "challenger": 2}
    told = compare_with_registry(store)[0]
    assert (told.stored, told.registered) == (None, 1)
    assert "version 2 of the registry: not in the store; `leadml models promote models:/bant/2`" in "".join(
        told.differences
    )
    with pytest.raises(ModelRefError, match="not hold this card; `leadml models promote models:/bant/2`"):
        name_in_store("models:/bant/2", store)

    # The registry's champion comes in first, and the candidate has to beat it.
    done = promote_model("models:/bant@challenger", *deals, store_root=store.root)
    assert done.match is not None
    assert done.match.outcome == "better"
    assert "bant@2 is better than bant@1" in done.match.sentence
    assert done.registry == "registry: bant version 2 is the champion too"
    assert store.champion("bant") == 2
    assert in_use(store_uri) == {"champion": 2}
    assert store.show("bant@2").manifest["metrics"] == {"log_loss": 0.5}
    assert compare_with_registry(store)[0].differences == ()
    assert name_in_store(f"runs:/{better.run_id}", store) == "bant@2"

    # A worse one is refused by the run that made it, and neither side changes; nor is it stored twice.
    worse = put(GATE.make_card(GATE.WRONG), store_uri, tmp_path)
    for ref in (f"runs:/{worse.run_id}", "models:/bant/3"):
        with pytest.raises(StoreError, match=r"bant@3 is not promoted.*worse than bant@2"):
            promote_model(ref, *deals, store_root=store.root)
    assert (store.champion("bant"), in_use(store_uri)["champion"]) == (2, 2)
    assert compare_with_registry(store)[0].differences == ()


def test_what_differs_is_told_and_how_to_mend_it(
    store_uri: str,
    tmp_path: Path,
    deals: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import sys

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    store = Store(tmp_path / "models_store")
    store.save_model("bant", GATE.make_card(GATE.RIGHT))
    store.save_model("bant", GATE.make_card(GATE.EVEN))
    # Elsewhere others were made, under the same names.
    put(GATE.make_card(GATE.EVEN), store_uri, tmp_path)
    put(GATE.make_card((0, 2, 1, 0)), store_uri, tmp_path)
    told = compare_with_registry(store, "bant")[0]
    assert told.differences == (
        "champion: bant@1 in the store, version 1, which is bant@2 in the registry",
        "bant@1: not in the registry (it was made without tracking)",
        "version 2 of the registry: not in the store; `leadml models promote models:/bant/2` brings it in "
        "and compares it",
    )
    monkeypatch.setattr(sys, "argv", ["leadml", "models", "check", "--store", str(store.root)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 10
    assert capsys.readouterr().out.startswith("bant: differ\n  champion: bant@1 in the store")
    # It is compared with the champions of both: it is better than the one, and worse than the other.
    put(GATE.make_card(GATE.WRONG), store_uri, tmp_path)
    mlflow.MlflowClient(store_uri).set_registered_model_alias("bant", "champion", "3")
    with pytest.raises(StoreError, match=r"bant@2 is not promoted.*worse than bant@1"):
        promote_model("models:/bant/1", *deals, store_root=store.root)
    done = promote_model("models:/bant/1", *deals, store_root=store.root, force=True, because="the law")
    assert done.forced
    assert "bant@2 is better than bant@3" in (store.history("bant")[-1].evidence or "")
    assert in_use(store_uri)["champion"] == 1
