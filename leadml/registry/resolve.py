"""Model references: NAME, NAME@VERSION, a path, models:/... or runs:/... to a card or a classifier."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from leadml.card.record import load_card
from leadml.exceptions import ModelRefError, StoreError
from leadml.registry import versions
from leadml.terminal import say


class Found(NamedTuple):
    """A `Card`, or a classifier; and the folder where the rest lies beside it: mapping, log, counts of deals."""

    model: Any
    folder: Path


def resolve(ref: str | os.PathLike[str], store_root: versions.Root = None) -> Found:
    """Load what a reference names."""
    ref = os.fspath(ref)
    if ref.startswith(("models:/", "runs:/")):
        from leadml.tracking import fetch_model

        path = fetch_model(ref)
    elif not ("/" in ref or "\\" in ref or ref.endswith((".json", ".joblib")) or ref in (".", "..")) and not (
        # a folder of results, where the store knows no such name
        0 < len(os.fsencode(ref)) < 256
        and Path(ref, versions.CARD).exists()
        and ref not in versions.model_names(store_root)
    ):
        version = versions.show_version(ref, store_root)
        if version.status == "retired":
            champion = versions.champion_of(version.name, store_root)
            now = champion.ref if champion else "no version of that name"
            say(f"{version.ref} is retired since {version.since.at[:10]} ({version.since.because}); in use: {now}")
        return Found(versions.load_stored(version), version.folder)
    else:
        path = Path(ref)
        path = path / versions.CARD if path.is_dir() else path
    if path.is_fifo():
        raise ModelRefError(f"{ref!r}: is a pipe, and a model cannot be read from one; save it as a file first")
    if not path.is_file():
        raise ModelRefError(f"{ref!r}: there is no such file; {versions.VALID_REF}")
    return Found(_load_joblib(path) if path.suffix == ".joblib" else load_card(path), path.parent)


def waiting_of(name: str, store_root: versions.Root = None) -> str:
    """The newest learned version, as it was compared, where a documented rule is the champion of a name."""
    found = versions.list_versions(name, store_root) if name in versions.model_names(store_root) else []
    free = [v for v in found if v.status == "version" and versions.load_stored(v).kind != "documented"]
    learned = [v for v in free if v.saved.action != "published"]
    if not learned:
        return ""
    why = [f"{v.ref} is in use because: {v.since.because}" for v in found if v.status == "champion"]
    hand = [v for v in free[-1:] if v is not learned[-1]]
    why += [f"{v.ref} was changed by hand by {v.saved.by}, with no held-out evidence" for v in hand]
    how = versions.how_to_promote(learned[-1].ref, store_root)
    return f"{learned[-1].ref}, a learned card, waits ({'; '.join(why)}); to use it: {how}"


def _load_joblib(path: Path) -> Any:
    """Load a classifier; loading runs code, so its digest must lie beside it."""
    beside = path.with_name(path.name + ".sha256")
    if not beside.is_file():
        raise StoreError(
            f"{path}: loading it would run code that it holds, and no digest lies beside it; if you trust "
            f"who made it, write its SHA-256 to {beside.name} (sha256sum {path.name} > {beside.name})"
        )
    said = re.match(r"[0-9a-f]{64}", beside.read_text(encoding="ascii", errors="replace"))
    if said is None or versions.sha256_of(path) != said[0]:
        raise StoreError(f"{path}: is not the file whose digest {beside.name} holds; take both from who made it")
    import joblib

    return joblib.load(path)
