"""Mappings that were checked before: read again in a millisecond, without the machinery that checks them.

What a mapping says depends on its text alone, so the checked form is kept under the digest of that text, in
the user's folder for caches (``LEADML_CACHE`` names another). Whatever is wrong with that folder, the mapping
is read and checked as if it were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from leadml import __version__

if TYPE_CHECKING:
    from leadml.leads.mapping import Mapping

__all__ = ["Known", "as_known", "open_mapping"]

FORM = 1
"""To be raised when what is kept changes."""


class Known(SimpleNamespace):
    """The part of a `Mapping` that scoring reads, under the same names."""

    mapped: tuple[str, ...]

    def uses(self) -> tuple[tuple[str, str], ...]:
        """List what reads which column, as `Mapping.uses` does.

        Returns
        -------
        tuple of (str, str)
            YAML path and column.
        """
        return cast("tuple[tuple[str, str], ...]", self.uses_)


def open_mapping(path: str | os.PathLike[str]) -> Mapping:
    """Read a mapping for scoring; one that was read before is not checked again.

    Parameters
    ----------
    path : str or path
        A YAML file.

    Returns
    -------
    Mapping
        The mapping, or an object that has the same ``name``, ``read``, ``optional``, ``lead_id``,
        ``criteria``, ``stand_in``, ``contactable``, ``facts``, ``mapped`` and ``uses``.

    Raises
    ------
    RecordError
        The file is missing or breaks the schema.
    """
    kept = _place(path)
    if kept is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return cast("Mapping", _known(json.loads(kept.read_bytes())))
    from leadml.leads.mapping import load_mapping

    mapping = load_mapping(path)
    if kept is not None:
        with contextlib.suppress(OSError):
            _keep(mapping, kept)
    return mapping


def _place(path: str | os.PathLike[str]) -> Path | None:
    """Name the file that keeps the checked form; None when there is no place for it."""
    try:
        content = Path(path).read_bytes()
        folder = os.environ.get("LEADML_CACHE")
        if folder is None:
            variable, inside = (
                ("LOCALAPPDATA", ".") if sys.platform == "win32" else ("XDG_CACHE_HOME", ".cache")
            )
            folder = str(Path(os.environ.get(variable) or Path.home() / inside) / "leadml")
    except (OSError, RuntimeError):
        return None
    # An empty LEADML_CACHE keeps nothing.
    head = f"{FORM} {__version__}\n".encode()
    return Path(folder) / f"{hashlib.sha256(head + content).hexdigest()}.json" if folder else None


def as_known(mapping: Mapping) -> Mapping:
    """Take of a mapping what scoring reads; that can be sent to a machine where nothing checks records.

    Parameters
    ----------
    mapping : Mapping
        The mapping, or what `open_mapping` gave.

    Returns
    -------
    Mapping
        As `open_mapping` gives it for a mapping known already.
    """
    known = mapping if isinstance(cast("object", mapping), Known) else _known(_plain(mapping))
    return cast("Mapping", known)


def _plain(mapping: Mapping) -> dict[str, Any]:
    plain = mapping.model_dump(
        mode="json",
        include={"name", "read", "optional", "lead_id", "criteria", "stand_in", "contactable", "facts"},
    )
    return {**plain, "mapped": mapping.mapped, "uses_": mapping.uses()}


def _keep(mapping: Mapping, where: Path) -> None:
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = where.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(_plain(mapping)), "utf-8")
    temporary.replace(where)


def _known(plain: dict[str, Any]) -> Known:
    """Give the plain form the shape of the record."""
    return Known(
        name=plain["name"],
        read=SimpleNamespace(**plain["read"]),
        optional=plain["optional"],
        lead_id=plain["lead_id"],
        criteria={name: SimpleNamespace(**each) for name, each in plain["criteria"].items()},
        stand_in=plain["stand_in"],
        contactable=SimpleNamespace(**plain["contactable"]) if plain["contactable"] else None,
        facts={name: SimpleNamespace(**each) for name, each in plain["facts"].items()},
        mapped=tuple(plain["mapped"]),
        uses_=tuple((place, column) for place, column in plain["uses_"]),
    )
