"""Writing the files of one version, the manifest last."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadml.card import Card
from leadml.card.files import write_text
from leadml.card.sealed import digest, pretty
from leadml.exceptions import StoreError
from leadml.store.manifest import describe_file, installed_libraries

__all__ = ["write_version"]


def write_version(
    target: Path,
    card: Card,
    estimator: object | None,
    metrics: dict[str, Any],
    run_id: str | None,
    at: str,
    beside: Mapping[str, bytes],
) -> None:
    """Write the files of a version.

    Parameters
    ----------
    target : Path
        An empty folder.
    card : Card
        With the name and version that it is stored under.
    estimator : object or None
        Kept by joblib.
    metrics : dict
        Plain JSON values.
    run_id : str or None
        The MLflow run that made it.
    at : str
        ISO time.
    beside : mapping of str to bytes
        Further files, by name.

    Raises
    ------
    StoreError
        When the metrics are no plain JSON values.
    """
    card.save(target / "card.json")
    files = {"card.json": describe_file(target / "card.json")}
    if estimator is not None:
        import joblib

        path = target / "model.joblib"
        with path.open("wb") as file:
            joblib.dump(estimator, file, compress=3)
            file.flush()
            os.fsync(file.fileno())
        files["model.joblib"] = describe_file(path)
    for name, content in beside.items():
        with (target / name).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        files[name] = describe_file(target / name)
    manifest: dict[str, Any] = {
        "schema_version": 1,
        "name": card.name,
        "version": card.version,
        "created_at": at,
        "run_id": run_id,
        "data_digest": card.provenance.get("data_digest"),
        "files": files,
        "libraries": installed_libraries(),
        "metrics": metrics,
    }
    try:
        manifest["sha256"] = digest(manifest)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"metrics: are no plain JSON values ({error}); give numbers, texts and None"
        ) from error
    write_text(target / "manifest.json", pretty(manifest))
