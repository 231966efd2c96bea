"""Cards as MLflow models: logged with a run, registered with a champion, found again by reference."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.exceptions import ModelRefError
from leadml.tracking.connection import OpenRun, chosen_uri, explained, make_client, sqlite_file

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from leadml.card import Card

MODEL_NAME: Final = "card"
"""What the logged model of a run is called."""

_CARD_FILE: Final = "artifacts/card.json"
"""Where a logged model keeps its card."""

_REQUIREMENTS: Final = ("mlflow", "numpy", "pandas")
_SCORING: Final = ("__init__.py", "exceptions.py", "card")
"""The part of leadml that scores with a card; it travels with the model, so that nothing else is needed."""

_TYPES: Final = {
    "probability": "double",
    "settled": "boolean",
    **dict.fromkeys(("points", "points_max", "low", "high"), "integer"),
}
_fetched = contextlib.ExitStack()
"""Cards fetched from MLflow; they live as long as the process."""

atexit.register(_fetched.close)


def log_card(client: MlflowClient, run: OpenRun, path: Path, name: str = MODEL_NAME) -> str:
    """Log a card as a model from code with its run.

    Parameters
    ----------
    client : MlflowClient
        For the run's store.
    run : OpenRun
        The run it belongs to.
    path : Path
        The card; a reference that lies beside it comes along.
    name : str
        What the logged model is called.

    Returns
    -------
    str
        Id of the logged model.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    from leadml.card import load_card

    card = load_card(path)
    params = {"card": card.model, "cutoff": str(card.cutoff), "total_max": str(card.total_max)}
    tags = {"kind": card.kind, "framework": card.framework or "", "card_sha256": card.sha256}
    logged = client.create_logged_model(run.experiment_id, name, run.run_id, tags, params, "leadml card")
    model = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        run_id=run.run_id,
        model_id=logged.model_id,
    )
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        folder = Path(temporary) / "model"
        _save_model(card, path, folder, model)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def rehearse(folder: Path) -> None:
    """Make a model of a small card, so that all that this takes is imported and looked up.

    Parameters
    ----------
    folder : Path
        Where to make it.
    """
    from mlflow.models import Model

    from leadml.card import build_card

    card = build_card(
        name="rehearsal",
        criteria=["need"],
        points=[[0, 1, 2, 3, 4]],
        unknown_points=[0],
        documented_points=[[0, 1, 2, 3, 4]],
        bands=[{"id": "all", "title": "All", "from": 0, "action": "follow up"}],
        cutoff=0,
        created_at="2000-01-01",
        kind="documented",
    )
    card.save(folder / "card.json")
    _save_model(card, folder / "card.json", folder / "model", Model())


def resolve_model_uri(ref: str, tracking_uri: str | None = None) -> Path:
    """Fetch the card that an MLflow reference names.

    Parameters
    ----------
    ref : str
        ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, ``models:/MODEL_ID``, ``runs:/RUN_ID``
        or ``runs:/RUN_ID/PATH``.
    tracking_uri : str or None
        Where runs are kept; default as in `open_run`.

    Returns
    -------
    pathlib.Path
        The card; it is there until the process ends.

    Raises
    ------
    ModelRefError
        The reference has no such form, or there is no store.
    TrackingError
        MLflow could not be reached, knows no such model or run, or it holds no card.
    """
    scheme, _, rest = ref.partition(":/")
    rest = rest.strip("/")
    if scheme not in ("models", "runs") or not rest:
        raise ModelRefError(
            f"model: got {ref!r}; valid is models:/NAME@ALIAS, models:/NAME/VERSION, models:/MODEL_ID, "
            "runs:/RUN_ID or runs:/RUN_ID/PATH. Give one of these, or the name or path of a card."
        )
    uri = chosen_uri(tracking_uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise ModelRefError(
            f"model: got {ref!r}, but there is no store at {file}. "
            "Set MLFLOW_TRACKING_URI to where the model was tracked, or run where mlflow.db is."
        )
    if scheme == "runs" and "/" not in rest:
        rest += "/card.json"
    held = tempfile.mkdtemp(prefix="leadml-card-")
    _fetched.callback(shutil.rmtree, held, ignore_errors=True)
    hint = (
        "Check the name, alias, version or run id, that it holds a card, "
        "and that MLFLOW_TRACKING_URI is where it was tracked."
    )
    with explained(f"fetching {ref!r}", uri, hint):
        client = make_client(uri)
        from mlflow.artifacts import download_artifacts

        place = _locate_model(client, rest) if scheme == "models" else _locate_in_run(client, rest)
        card = Path(download_artifacts(place, dst_path=held, tracking_uri=uri))
        beside = f"{place.rpartition('/')[0]}/reference.json"
        with contextlib.suppress(Exception):  # cards of earlier releases have none
            download_artifacts(beside, dst_path=held, tracking_uri=uri)
        return card


def fetch_artifacts(run_id: str, tracking_uri: str | None = None) -> Path:
    """Fetch everything that a run keeps.

    Parameters
    ----------
    run_id : str
        The run.
    tracking_uri : str or None
        Where runs are kept; default as in `open_run`.

    Returns
    -------
    pathlib.Path
        A folder; it is there until the process ends.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or knows no such run.
    """
    uri = chosen_uri(tracking_uri)
    held = tempfile.mkdtemp(prefix="leadml-run-")
    _fetched.callback(shutil.rmtree, held, ignore_errors=True)
    hint = "Check the id, and that MLFLOW_TRACKING_URI is where it was tracked."
    with explained(f"fetching the run {run_id}", uri, hint):
        make_client(uri)
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(run_id=run_id, dst_path=held, tracking_uri=uri))


def _locate_model(client: MlflowClient, rest: str) -> str:
    """Find the card of a logged or registered model: the address of its file."""
    name, at, alias = rest.partition("@")
    name, slash, number = (name, "", "") if at else rest.partition("/")
    if at or slash:
        found = (
            client.get_model_version_by_alias(name, alias) if at else client.get_model_version(name, number)
        )
        scheme, _, model_id = str(found.source).partition(":/")
        if scheme != "models":
            return f"{client.get_model_version_download_uri(name, found.version)}/{_CARD_FILE}"
        rest = model_id
    return f"{client.get_logged_model(rest).artifact_location}/{_CARD_FILE}"


def _locate_in_run(client: MlflowClient, rest: str) -> str:
    """Find a card among a run's artifacts, or in the model of that name which the run logged."""
    run_id, _, path = rest.partition("/")
    run = client.get_run(run_id)
    if path.endswith(".json"):
        return f"{run.info.artifact_uri}/{path}"
    for output in run.outputs.model_outputs if run.outputs else []:
        model = client.get_logged_model(output.model_id)
        if model.name == path:
            return f"{model.artifact_location}/{_CARD_FILE}"
    return f"{run.info.artifact_uri}/{path}/card.json"


def _save_model(card: Card, path: Path, folder: Path, model: Any) -> None:
    """Write the model's folder: code, card, signature, an example, pinned requirements."""
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, Schema, TensorSpec

    from leadml.card.scores import COLUMNS

    names = [criterion.id for criterion in card.criteria]
    facts = sorted({fact for caveat in card.caveats for fact in caveat.when} - set(names))
    columns: list[ColSpec | TensorSpec] = [ColSpec("double", name, required=False) for name in names]
    columns += [ColSpec("string", fact, required=False) for fact in facts]
    inputs = Schema(columns)
    outputs = Schema([ColSpec(_TYPES.get(name, "string"), name, required=False) for name in COLUMNS])
    example = pd.DataFrame([[float(level % 5) for level in range(len(names))]], columns=names)
    package = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        artifacts = {}
        for file in (path, path.with_name("reference.json")):
            if file.is_file():
                name = "card" if file == path else "reference"
                artifacts[name] = shutil.copyfile(file, Path(temporary) / f"{name}.json")
        code = Path(temporary) / "leadml.zip"  # one file: every file is a request to a server
        with zipfile.ZipFile(code, "w") as packed:
            for name in _SCORING:
                found = (
                    sorted((package / name).rglob("*.py")) if (package / name).is_dir() else [package / name]
                )
                for file in found:
                    # No date: the same card gives the same bytes.
                    entry = zipfile.ZipInfo(file.relative_to(package.parent).as_posix())
                    packed.writestr(entry, file.read_bytes())
        save_model(
            path=str(folder),
            mlflow_model=model,
            python_model=str(Path(__file__).with_name("card_model.py")),
            artifacts={name: str(file) for name, file in artifacts.items()},
            code_paths=[str(code)],
            signature=ModelSignature(inputs, outputs),
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        )
