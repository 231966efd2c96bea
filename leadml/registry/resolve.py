"""Model references: NAME, NAME@VERSION, a path, models:/... or runs:/... to a card or a classifier."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from leadml.card.record import load_card
from leadml.exceptions import ModelRefError, StoreError
from leadml.registry.versions import CARD, VALID_REF, Root, Version, load_stored, sha256_of, show_version


def resolve(ref: str | os.PathLike[str], store_root: Root = None) -> Any:
    """Load what a reference names: a `Card`, or the classifier where the model is no card."""
    ref = os.fspath(ref)
    if is_tracked(ref):
        from leadml.tracking.models import fetch_model

        path = fetch_model(ref)
        return _load_joblib(path) if path.suffix == ".joblib" else load_card(path)
    if not is_path(ref):
        return load_stored(show_version(ref, store_root))
    path = Path(ref)
    path = path / CARD if path.is_dir() else path
    if path.is_fifo():
        raise ModelRefError(f"{ref!r}: is a pipe, and a model cannot be read from one; save it as a file first")
    if not path.is_file():
        raise ModelRefError(f"{ref!r}: there is no such file; {VALID_REF}")
    return _load_joblib(path) if path.suffix == ".joblib" else load_card(path)


def find_version(ref: str | os.PathLike[str], store_root: Root = None) -> Version | None:
    """The stored version behind a reference; None where it is a path or kept by MLflow."""
    ref = os.fspath(ref)
    return None if is_tracked(ref) or is_path(ref) else show_version(ref, store_root)


def is_tracked(ref: str) -> bool:
    """Whether a reference names something that MLflow keeps."""
    return ref.startswith(("models:/", "runs:/"))


def is_path(ref: str) -> bool:
    """Whether a reference is written as a path: it has a slash, or ends in .json or .joblib."""
    looks_like_one = "/" in ref or "\\" in ref or ref.endswith((".json", ".joblib")) or ref in (".", "..")
    return looks_like_one and not is_tracked(ref)


def _load_joblib(path: Path) -> Any:
    """Load a classifier; loading runs code, so its digest must lie beside it."""
    beside = path.with_name(path.name + ".sha256")
    if not beside.is_file():
        raise StoreError(
            f"{path}: loading it would run code that it holds, and no digest lies beside it; if you trust "
            f"who made it, write its SHA-256 to {beside.name} (sha256sum {path.name} > {beside.name})"
        )
    said = re.match(r"[0-9a-f]{64}", beside.read_text(encoding="ascii", errors="replace"))
    if said is None or sha256_of(path) != said[0]:
        raise StoreError(f"{path}: is not the file whose digest {beside.name} holds; take both from who made it")
    import joblib

    return joblib.load(path)
