"""What a version consists of: the digest of each file and the libraries that its estimator needs."""

import hashlib
import platform
from pathlib import Path
from typing import Any

from leadml import __version__
from leadml.card.sealed import digest, read_json
from leadml.exceptions import StoreError

__all__ = ["check_file", "check_libraries", "describe_file", "installed_libraries", "load_manifest"]

LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy")
"""A pickled estimator is sure to come back as it was only under the same releases of these."""

KEYS = {
    "schema_version": int,
    "name": str,
    "version": int,
    "created_at": str,
    "files": dict,
    "libraries": dict,
    "metrics": dict,
}


def installed_libraries() -> dict[str, str]:
    """Name the releases that are installed here.

    Returns
    -------
    dict of str to str
        Release by library, Python among them.
    """
    from importlib.metadata import PackageNotFoundError, version

    found = {"leadml": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_file(path: Path) -> dict[str, Any]:
    """Give the size and digest of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        ``sha256`` and ``n_bytes``.
    """
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "n_bytes": path.stat().st_size}


def load_manifest(folder: Path) -> dict[str, Any]:
    """Read and check the manifest of a version.

    Parameters
    ----------
    folder : Path
        Folder of the version.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    ModelRefError
        When there is none.
    StoreError
        When it was changed or is none of ours.
    """
    path = folder / "manifest.json"
    manifest = read_json(path)
    if manifest.get("sha256") != digest(manifest):
        raise StoreError(f"{path}: was changed after it was written; take the version back from a copy")
    wrong = [key for key, kind in KEYS.items() if type(manifest.get(key)) is not kind]
    if wrong:
        raise StoreError(
            f"{path}: {', '.join(wrong)} missing or of a wrong type; take the version from a copy"
        )
    return manifest


def check_file(folder: Path, name: str, manifest: dict[str, Any]) -> Path:
    """Refuse a file that is not the one that was stored.

    Parameters
    ----------
    folder : Path
        Folder of the version.
    name : str
        Name of the file.
    manifest : dict
        The version's manifest.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StoreError
        When it is missing or its digest differs.
    """
    path = folder / name
    expected = manifest["files"].get(name)
    if not isinstance(expected, dict) or not path.is_file():
        raise StoreError(f"{path}: the version has no such file; valid are {', '.join(manifest['files'])}")
    if describe_file(path)["sha256"] != expected.get("sha256"):
        raise StoreError(
            f"{path}: is not the file that was stored (its digest differs from manifest.json); "
            "take it back from a copy, or calibrate again"
        )
    return path


def check_libraries(folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse to load an estimator under other releases than it was stored under.

    Parameters
    ----------
    folder : Path
        Folder of the version.
    manifest : dict
        The version's manifest.

    Raises
    ------
    StoreError
        Naming each library that differs.
    """
    here = installed_libraries()
    differ = [
        f"{name} {there} (here {here.get(name, 'not installed')})"
        for name, there in sorted(manifest["libraries"].items())
        if here.get(name) != there
    ]
    if differ:
        raise StoreError(
            f"{folder / 'model.joblib'}: was stored under {', '.join(differ)}; install those releases, "
            "or calibrate again here. The card beside it needs no estimator: `leadml predict` works with it"
        )
