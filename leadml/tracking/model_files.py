"""The files of a model in MLflow: code that MLflow runs, what it reads, signature, example and pins."""

from __future__ import annotations

import copy
import functools
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadml.card.sealed import pretty
from leadml.frameworks.model import MET_LEVEL

if TYPE_CHECKING:
    import mlflow.models

    from leadml.card import Card

_TYPES: Final = {
    "probability": "double",
    "settled": "boolean",
    **dict.fromkeys(("points", "points_max", "low", "high"), "integer"),
}


@dataclass(frozen=True)
class Kind:
    """What models have in common that differ in what they learned.

    Attributes
    ----------
    artifacts : tuple of str
        Names of the files that `logged_model` reads.
    inputs, outputs : tuple of (str, str)
        Columns and MLflow's names of their types; every one is optional.
    parts : tuple of str
        Parts of leadml that the code imports. They travel with the model, so that nothing of leadml need be
        installed where it runs.
    requirements : tuple of str
        Libraries that it needs; pinned to the releases that are installed.
    """

    artifacts: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    parts: tuple[str, ...]
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A contender as a model.

    Attributes
    ----------
    kind : Kind
        What it shares with others.
    files : dict of str to Path or bytes
        What its code reads, by name.
    type : str
        What MLflow's pages call it.
    tags, params : dict of str to str
        What MLflow's pages show of it.
    """

    kind: Kind
    files: Mapping[str, Path | bytes]
    type: str
    tags: Mapping[str, str]
    params: Mapping[str, str]

    def save(self, folder: Path, **own: str) -> None:
        """Write its folder.

        Parameters
        ----------
        folder : Path
            A folder that is not there.
        **own
            What MLflow knows of this model alone: ``model_id``, ``run_id`` and the like.
        """
        known, shared = _pattern(self.kind)
        (folder / "artifacts").mkdir(parents=True)
        for name, content in shared.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        for name, file in self.files.items():
            (folder / "artifacts" / name).write_bytes(file if isinstance(file, bytes) else file.read_bytes())
        model = copy.copy(known)
        model.__dict__ |= own
        model.utc_time_created = str(datetime.now(UTC).replace(tzinfo=None))
        model.model_size_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        model.save(str(folder / "MLmodel"))


def card_model(path: Path) -> Model:
    """Make a model of a card: code and JSON.

    Parameters
    ----------
    path : Path
        The card; a reference that lies beside it comes along.

    Returns
    -------
    Model
        It reads levels, and facts that caveats ask for, and gives what ``leadml predict`` gives.
    """
    from leadml.card import load_card

    beside = path.with_name("reference.json")
    return _model_of(load_card(path), path, {"reference.json": beside} if beside.is_file() else {})


def policy_model(policy_id: str, met_level: int) -> Model:
    """Make a model of a documented rule as it stands.

    Parameters
    ----------
    policy_id : str
        The rule.
    met_level : int
        Level from which a criterion is met.

    Returns
    -------
    Model
        As of a card; it tells no probability.
    """
    from leadml.card import card_from_policy
    from leadml.frameworks import load_framework, load_policy

    policy = load_policy(policy_id)
    framework = load_framework(policy.framework) if policy.framework else None
    card = card_from_policy(policy, framework, met_level=met_level)
    return _model_of(card, pretty(card.to_dict()).encode(), {})


def fitted_model(path: Path) -> Model:
    """Make a model of a contender that is no card: a scikit-learn classifier, kept by joblib.

    Parameters
    ----------
    path : Path
        ``models/ID.json``, with ``ID.joblib`` beside it; nothing of it is run here.

    Returns
    -------
    Model
        It reads levels and context columns, and gives probability and decision.
    """
    about = json.loads(path.read_text(encoding="utf-8"))
    files = {"contender.json": path, "contender.joblib": path.with_suffix(".joblib")}
    tags = {"kind": "fitted", "joblib_sha256": str(about["estimator"]["sha256"])}
    params = {"threshold": str(about["threshold"])}
    return Model(_fitted_kind(about["columns"]), files, "leadml contender", tags, params)


def rehearse() -> None:
    """Make a model of every documented framework, so that a calibration's own are copies of these."""
    from leadml.frameworks import list_frameworks

    for framework in list_frameworks():
        _pattern(policy_model(framework.policies[0].id, MET_LEVEL).kind)
        _pattern(_fitted_kind(dict.fromkeys(framework.criterion_ids, "double")))


def _model_of(card: Card, content: Path | bytes, beside: Mapping[str, Path]) -> Model:
    """Make a model of a card, whose file has the content."""
    from leadml.card.scores import COLUMNS

    criteria = [criterion.id for criterion in card.criteria]
    facts = sorted({fact for caveat in card.caveats for fact in caveat.when} - set(criteria))
    files = {"card.json": content, **beside}
    kind = Kind(
        artifacts=tuple(files),
        inputs=(*((name, "double") for name in criteria), *((fact, "string") for fact in facts)),
        outputs=tuple((name, _TYPES.get(name, "string")) for name in COLUMNS),
        parts=("__init__.py", "exceptions.py", "card"),
        requirements=("mlflow", "numpy", "pandas"),
    )
    tags = {"kind": card.kind, "framework": card.framework or "", "card_sha256": card.sha256}
    params = {"card": card.model, "cutoff": str(card.cutoff), "total_max": str(card.total_max)}
    return Model(kind, files, "leadml card", tags, params)


def _fitted_kind(columns: Mapping[str, str]) -> Kind:
    from leadml.estimators.fitted import COLUMNS

    return Kind(
        artifacts=("contender.json", "contender.joblib"),
        inputs=tuple(columns.items()),
        outputs=tuple(COLUMNS.items()),
        parts=("__init__.py", "exceptions.py", "estimators"),
        requirements=("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "joblib"),
    )


@functools.cache
def _pattern(kind: Kind) -> tuple[mlflow.models.Model, dict[str, bytes]]:
    """Let MLflow make a model of a kind, once, since that takes longest; what they share is kept."""
    import pandas as pd
    from mlflow.models import Model as Known
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model

    example = {
        name: [float(at % 5) if type_ == "double" else ""] for at, (name, type_) in enumerate(kind.inputs)
    }
    with tempfile.TemporaryDirectory(prefix="leadml-") as temporary:
        root, made = Path(temporary), Path(temporary) / "model"
        (root / "leadml.zip").write_bytes(_pack(kind.parts))
        for name in kind.artifacts:
            (root / name).touch()
        known = Known()
        save_model(
            path=str(made),
            mlflow_model=known,
            python_model=str(Path(__file__).with_name("logged_model.py")),
            artifacts={name: str(root / name) for name in kind.artifacts},
            code_paths=[str(root / "leadml.zip")],  # one file: every file is a request to a server
            signature=ModelSignature(_schema(kind.inputs), _schema(kind.outputs)),
            input_example=pd.DataFrame(example),
            pip_requirements=[f"{name}=={version(name)}" for name in kind.requirements],
        )
        kept = (file for file in made.rglob("*") if file.is_file() and file.name != "MLmodel")
        return known, {file.relative_to(made).as_posix(): file.read_bytes() for file in kept}


def _schema(columns: Iterable[tuple[str, str]]) -> Any:
    from mlflow.types import ColSpec, Schema

    return Schema([ColSpec(kind, name, required=False) for name, kind in columns])


def _pack(parts: tuple[str, ...]) -> bytes:
    """Pack parts of leadml; the same parts give the same bytes."""
    package = Path(__file__).parents[1]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        for part in parts:
            place = package / part
            for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
                entry = zipfile.ZipInfo(file.relative_to(package.parent).as_posix())  # no date
                packed.writestr(entry, file.read_bytes())
    return held.getvalue()
