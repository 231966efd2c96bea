"""Cards and classifiers as MLflow models, found again by reference; the registry as a view of the store."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.exceptions import ModelRefError
from leadml.tracking.connection import Place, chosen_uri, connect, explained, make_client, sqlite_file

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
STORED_AS: Final = "leadml.stored_as"
MAPPING: Final = "mapping.yaml"
_FILES: Final = "data/files"
_NEEDED: Final = ("mlflow", "numpy", "pandas", "pyarrow", "pydantic", "ruamel.yaml")
_NEEDED_TO_CLASSIFY: Final = ("joblib", "scikit-learn", "scipy")
_LOADER: Final = '''"""Loads the model beside it. Code travels along, an installed leadml comes first."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).with_name("leadml.zip")))


def _load_pyfunc(path, model_config=None):
    from leadml.scoring.served import load_served

    return load_served(path, (model_config or {}).get("output", "frame"))
'''
_held = contextlib.ExitStack()
"""Folders of fetched models; they live as long as the process."""
atexit.register(_held.close)


def log_model(place: Place, run_id: str | None, path: Path, name: str, mapping: Path) -> str:
    """Log a card or classifier, with its mapping and the code that scores, as a model of a run; its id."""
    from importlib.metadata import version

    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    client, needed = place.client, _NEEDED if path.suffix == ".json" else (*_NEEDED, *_NEEDED_TO_CLASSIFY)
    logged = client.create_logged_model(place.experiment_id, name, run_id, model_type="leadml")
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        root = Path(temporary)
        _gather(root / "files", path, mapping)
        (root / "leadml_model.py").write_text(_LOADER, encoding="utf-8")
        (root / "leadml.zip").write_bytes(_packed_code())
        example, signature = _signature(root / "files")
        known: Any = {"model_uuid": logged.model_id, "model_id": logged.model_id}
        save_model(
            path=str(root / "model"),
            loader_module="leadml_model",
            data_path=str(root / "files"),
            code_paths=[str(root / "leadml_model.py"), str(root / "leadml.zip")],
            mlflow_model=Model(run_id=run_id, artifact_path=logged.artifact_location, **known),
            signature=signature,
            model_config={"output": "frame"},  # mlflow.models.evaluate of a classifier asks for "class"
            input_example=example,
            # Without them MLflow runs the model in another process to find out, 9 to 14 s.
            pip_requirements=[f"{each}=={version(each)}" for each in needed],
        )
        client.log_model_artifacts(logged.model_id, str(root / "model"))
    client.finalize_logged_model(logged.model_id, "READY")
    if run_id is not None:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def _gather(folder: Path, path: Path, mapping: Path) -> None:
    """What `leadml.scoring.served` reads."""
    folder.mkdir()
    if path.suffix == ".json":
        shutil.copyfile(path, folder / "card.json")
    else:
        shutil.copyfile(path, folder / "model.joblib")
        about = path.with_suffix(".json").read_text(encoding="utf-8")
        (folder / "model.json").write_text(about, encoding="utf-8")
        (folder / "model.joblib.sha256").write_text(json.loads(about)["sha256"], encoding="ascii")
    if mapping.is_file():
        shutil.copyfile(mapping, folder / "mapping.yaml")


def _signature(folder: Path) -> tuple[Any, Any]:
    """Every column is optional and of any type: levels (whole or not), or the CRM's own columns."""
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    file = folder / "card.json"
    about = json.loads((file if file.is_file() else folder / "model.json").read_text(encoding="utf-8"))
    levels = [each["id"] if isinstance(each, dict) else str(each) for each in about["criteria"]]
    names = [*levels, *(each["column"] for each in about.get("attributes") or ()), *about.get("context", ())]
    if (folder / "mapping.yaml").is_file():
        from leadml.data.mapping import load_mapping

        names += [column for _, column in load_mapping(folder / "mapping.yaml").uses()]
    any_type: Any = AnyType
    columns: list[Any] = [ColSpec(any_type(), name, required=False) for name in dict.fromkeys(names)]
    params = ParamSchema([ParamSpec("output", DataType.string, None)])
    example = pd.DataFrame({name: [2.0] for name in levels})
    return example, ModelSignature(inputs=Schema(columns), params=params)


@functools.cache
def _packed_code() -> bytes:
    """The package in one file, since every file is a request; the same code gives the same bytes."""
    package = Path(__file__).parents[1]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(each for each in package.rglob("*") if each.suffix in (".py", ".yaml")):
            entry = zipfile.ZipInfo(file.relative_to(package.parent).as_posix())  # no date
            packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return held.getvalue()


def fetch_model(ref: str) -> Path:
    """Fetch the card or classifier of models:/NAME@ALIAS, models:/NAME/VERSION, models:/ID, runs:/ID[/NAME].

    The file is there until the process ends.
    """
    scheme, _, rest = ref.partition(":/")
    rest = rest.strip("/")
    if scheme not in ("models", "runs") or not rest:
        valid = "valid is models:/NAME@ALIAS, models:/NAME/VERSION, runs:/ID or runs:/ID/NAME"
        raise ModelRefError(f"model: got {ref!r}; {valid}")
    uri = chosen_uri()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        how = "set MLFLOW_TRACKING_URI to where the model was tracked"
        raise ModelRefError(f"model: got {ref!r}, but there is no store at {file}; {how}")
    held = tempfile.mkdtemp(prefix="leadml-model-")
    _held.callback(shutil.rmtree, held, ignore_errors=True)
    with explained(f"fetching {ref!r}", uri, "Check the name, alias, version or run, and MLFLOW_TRACKING_URI."):
        client = make_client(uri)
        from mlflow.artifacts import download_artifacts

        place = _locate(client, rest) if scheme == "models" else _locate_in_run(client, rest)
        found = Path(download_artifacts(place, dst_path=held, tracking_uri=uri))
        run_id = rest.partition("/")[0]
        if found.is_file() and any(each.path == MAPPING for each in client.list_artifacts(run_id)):
            # An artifact of a run; the run's mapping is to lie beside it.
            download_artifacts(run_id=run_id, artifact_path=MAPPING, dst_path=str(found.parent), tracking_uri=uri)
    for path in (found, found / "card.json", found / "model.joblib"):
        if path.is_file():
            return path
    raise ModelRefError(f"model: {ref!r} holds no card or classifier; valid is a model that leadml logged")


def _locate(client: MlflowClient, rest: str) -> str:
    """Address of the files of a logged or registered model (MLflow's own search would need globals set)."""
    name, at, alias = rest.partition("@")
    name, slash, version = (name, "", "") if at else rest.partition("/")
    if not at and not slash:
        return f"{client.get_logged_model(rest).artifact_location}/{_FILES}"
    found = client.get_model_version_by_alias(name, alias) if at else client.get_model_version(name, version)
    if found.model_id:
        return _locate(client, found.model_id)
    return f"{client.get_model_version_download_uri(name, found.version)}/{_FILES}"


def _locate_in_run(client: MlflowClient, rest: str) -> str:
    """Address of the model that a run logged by a name (the first without one), or of an artifact."""
    run_id, _, name = rest.partition("/")
    run = client.get_run(run_id)
    for output in run.outputs.model_outputs if run.outputs else []:
        model = client.get_logged_model(output.model_id)
        if name in ("", model.name):
            return f"{model.artifact_location}/{_FILES}"
    return f"{run.info.artifact_uri}/{name or 'card.json'}"


def mirror_version(ref: str, folder: Path, *, champion: bool, because: str = "") -> str:
    """Show a stored version (NAME@VERSION, its folder) in MLflow's registry; the folders are what counts."""
    uri = chosen_uri()
    with explained(f"registering {ref}", uri, "The models on disk are as they should be; promote again to show it."):
        return register(connect(uri), ref, folder, champion=champion, because=because)


def drop_champion(name: str) -> None:
    """Leave a registered model without a champion, as its name on disk is."""
    uri = chosen_uri()
    with explained(f"retiring the champion of {name}", uri, "The models on disk are as they should be."):
        client = make_client(uri)
        if client.search_registered_models(f"name = '{name}'"):
            client.delete_registered_model_alias(name, CHAMPION)


def register(
    place: Place, ref: str, folder: Path, *, champion: bool, run_id: str | None = None, because: str = ""
) -> str:
    """Register a version where it is not there yet, and point the alias at it; says what MLflow, which counts versions
    on its own, calls it."""
    client, name = place.client, ref.partition("@")[0]
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description="Lead qualification cards, stored by leadml.")
    versions = client.search_model_versions(f"name = '{name}'")
    known = next((each for each in versions if each.tags.get(STORED_AS) == ref), None)
    if known is None:
        outputs = client.get_run(run_id).outputs if run_id is not None else None
        logged = [each.model_id for each in outputs.model_outputs] if outputs else []
        made = None if logged else log_model(place, run_id, folder / "card.json", "card", folder / "mapping.yaml")
        model_id = made or logged[0]
        source = client.get_logged_model(model_id).artifact_location
        tags, told = {STORED_AS: ref}, f"{ref} of the store of leadml"
        known = client.create_model_version(name, source, run_id, tags, description=told, model_id=model_id)
    version = str(known.version)
    aliases = {key: str(each) for key, each in client.get_registered_model(name).aliases.items()}
    alias = CHAMPION if champion or aliases.get(CHAMPION) == version else CHALLENGER
    if alias == CHAMPION and aliases.get(CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)
    client.set_registered_model_alias(name, alias, version)
    if because:
        client.set_model_version_tag(name, version, "leadml.because", because[:1000])
    return f"{ref} as models:/{name}/{version} ({alias})"
