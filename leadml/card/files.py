"""Files of JSON that cannot change unseen: strict reading, a canonical form, its SHA-256, whole writing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leadml.exceptions import ModelRefError, StoreError, UsageError

HOST = re.sub(r"\W", "", platform.node())[:20] or "host"
DAY_SECONDS = 86_400
MAX_BYTES = 2_000_000  # a card is a table that a person can read; anything larger is no card


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document in its canonical form: sorted keys, no spaces, without its own ``sha256``.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1, "sha256": "anything"})
    True
    """
    unsealed = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(unsealed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def pretty(document: Mapping[str, Any]) -> str:
    """Lay a document out to be read and compared: one line a key, and one line an entry of a list."""

    def flat(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    lines = []
    for key, value in document.items():
        ends, entries = "{}", []
        if isinstance(value, dict):
            entries = [f"{flat(name)}: {flat(entry)}" for name, entry in value.items()]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            ends, entries = "[]", [flat(entry) for entry in value]
        inner = ",\n    ".join(entries)
        lines.append(f"  {flat(key)}: " + (f"{ends[0]}\n    {inner}\n  {ends[1]}" if entries else flat(value)))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON object: no key twice, nothing huge or nested without end."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        document = json.loads(path.read_bytes().decode("utf-8"), object_pairs_hook=_once)
    except FileNotFoundError:
        how = "give a card.json, or NAME or NAME@VERSION of the store"
        raise ModelRefError(f"{path}: there is no such file; {how}") from None
    except OSError as error:
        raise ModelRefError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is no JSON of ours ({error}); give a card.json, in UTF-8") from error
    if not isinstance(document, dict):
        raise StoreError(f"{path}: holds a {type(document).__name__}, valid is one JSON object; give a card.json")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"key {key!r} is given twice; keep one of the two")
        made[key] = value
    return made


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` by one rename when the block ends well, else goes.

    A device or pipe is written to directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    name = f".{target.name[:100]}.{os.urandom(4).hex()}.{HOST}-{os.getpid()}.leadml-tmp"
    temporary = target.with_name(name)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8) whole or not at all, so that it outlives a power cut; a link is followed."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def sweep(folder: Path) -> None:
    """Remove temporary files of runs that were killed: of dead processes here, elsewhere after a day."""
    for path in folder.glob(".*.leadml-tmp"):
        process = path.name.removesuffix(".leadml-tmp").rpartition(f".{HOST}-")[2]
        with contextlib.suppress(OSError):
            alive = time.time() - path.stat().st_mtime < DAY_SECONDS
            if alive and process.isdigit():
                try:
                    os.kill(int(process), 0)
                except ProcessLookupError:
                    alive = False
            if not alive:
                path.unlink()


def check_folder(folder: Path) -> None:
    """Refuse a folder for results that cannot be made or written to, before anything is read or learned."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "cannot be written to" if there.is_dir() else "is a file"
        raise UsageError(f"--out: {there} {what}; valid: a folder, made where it is absent")
