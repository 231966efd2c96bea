"""What a folder of models holds: versions, champions, history. Readers need no lock."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from leadml.card import Card, load_card
from leadml.card.sealed import is_name
from leadml.exceptions import ModelRefError
from leadml.store.history import Event, Reign, follow, read_events
from leadml.store.manifest import check_file, load_manifest
from leadml.store.refs import VALID, check_name, is_path, is_tracked, parse_ref

__all__ = ["Reader", "Version", "default_root"]


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a model.

    Attributes
    ----------
    name : str
        Name of the model.
    version : int
        From 1.
    status : str
        ``champion``, ``retired``, or ``version`` for neither.
    folder : Path
        Where it lies.
    manifest : dict
        Digests, library releases, metrics, run id, data digest.
    """

    name: str
    version: int
    status: str
    folder: Path
    manifest: dict[str, Any]


def default_root() -> Path:
    """Give the folder of the store: ``LEADML_STORE``, or ``models_store`` in the working folder.

    Returns
    -------
    Path
        The folder; it need not be there.
    """
    return Path(os.environ.get("LEADML_STORE") or "models_store")


class Reader:
    """A folder of models, to be read.

    Parameters
    ----------
    root : str or path, optional
        The folder; `default_root` when not given. It need not be there.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = default_root() if root is None else Path(root)

    def resolve(self, ref: str) -> Path:
        """Find the card that a reference names.

        Parameters
        ----------
        ref : str
            ``NAME``, ``NAME@VERSION``, or the path of a card or of a folder that holds one.

        Returns
        -------
        Path
            The card's file.

        Raises
        ------
        ModelRefError
            When it names none.
        """
        ref = os.fspath(ref)
        if is_tracked(ref):
            raise ModelRefError(f"{ref!r} is kept by MLflow, not by the store at {self.root}; {VALID}")
        if is_path(ref):
            path = Path(ref)
            path = path / "card.json" if path.is_dir() else path
            if not path.is_file():
                raise ModelRefError(f"{ref!r}: there is no such card; {VALID}")
            return path
        name, version = self._named(ref)
        return self.root / name / str(version) / "card.json"

    def load(self, ref: str) -> Card:
        """Load the card that a reference names, checked against its manifest where it has one.

        Parameters
        ----------
        ref : str
            See `resolve`.

        Returns
        -------
        Card
            The card.

        Raises
        ------
        ModelRefError
            When it names none.
        StoreError
            When the card was changed.
        """
        path = self.resolve(ref)
        if not is_path(ref):
            check_file(path.parent, path.name, load_manifest(path.parent))
        return load_card(path)

    def list_versions(self) -> list[Version]:
        """List every version of every name.

        Returns
        -------
        list of Version
            By name, then by version.
        """
        if not self.root.is_dir():
            return []
        names = sorted(entry.name for entry in self.root.iterdir() if entry.is_dir() and is_name(entry.name))
        return [self.show(f"{name}@{version}") for name in names for version in self._versions(name)]

    def show(self, ref: str) -> Version:
        """Show one version.

        Parameters
        ----------
        ref : str
            ``NAME`` or ``NAME@VERSION``.

        Returns
        -------
        Version
            The version.

        Raises
        ------
        ModelRefError
            When there is no such version.
        """
        name, version = self._named(ref)
        status = "champion" if version == self.champion(name) else "version"
        if status == "version":
            states = {event.version: event.action for event in self.history(name)}
            status = "retired" if states.get(version) == "retired" else status
        folder = self.root / name / str(version)
        return Version(name, version, status, folder, load_manifest(folder))

    def history(self, name: str) -> list[Event]:
        """Tell what became of a name's versions.

        Parameters
        ----------
        name : str
            Name of the model.

        Returns
        -------
        list of Event
            The oldest first.

        Raises
        ------
        ModelRefError
            When there is no such name.
        StoreError
            When the history cannot be read.
        """
        self._known(check_name(name))
        return read_events(self.root / name / "history.jsonl")

    def reign(self, name: str) -> Reign:
        """Tell which version was in use from when to when, and what rolling back would return to.

        Parameters
        ----------
        name : str
            Name of the model.

        Returns
        -------
        Reign
            Champion, versions before it, spells.
        """
        return follow(self.history(name))

    def champion(self, name: str) -> int | None:
        """Give the version in use.

        Parameters
        ----------
        name : str
            Name of the model.

        Returns
        -------
        int or None
            The version; None when it was retired.
        """
        try:
            text = (self.root / check_name(name) / "champion").read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return int(text) if text.isdigit() else None

    # -------------------------------------------------------------- inside

    def _named(self, ref: str) -> tuple[str, int]:
        """Find name and version of a reference, the champion when it names no version."""
        name, version = parse_ref(ref)
        self._known(name)
        if version is None:
            version = self.champion(name)
            if version is None:
                raise ModelRefError(
                    f"{name!r} has no champion; give {name}@VERSION, or promote one: "
                    f"leadml models promote {name}@{max(self._versions(name))}"
                )
        self._check_version(name, version)
        return name, version

    def _known(self, name: str) -> list[int]:
        """Give the versions of a name, and refuse a name that has none."""
        found = self._versions(name)
        if not found:
            names = sorted(
                entry.name for entry in self.root.glob("*") if entry.is_dir() and is_name(entry.name)
            )
            has = (
                f"it has {', '.join(names[:20])}"
                if names
                else "it is empty; `leadml calibrate --name NAME` fills it"
            )
            raise ModelRefError(f"no model {name!r} in the store at {self.root}; {has}")
        return found

    def _check_version(self, name: str, version: int) -> None:
        found = self._versions(name)
        if version not in found:
            raise ModelRefError(f"{name!r} has no version {version}; it has {', '.join(map(str, found))}")

    def _versions(self, name: str) -> list[int]:
        folder = self.root / name
        entries = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        return sorted(int(entry) for entry in entries if entry.isascii() and entry.isdigit())
