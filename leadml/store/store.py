"""Versions on disk: ``ROOT/NAME/VERSION/{card.json, model.joblib, manifest.json}``, a champion and a history.

Everything is written beside its place and renamed, under one lock, so a reader never sees half of anything.
The history is written first: a pointer that a killed writer left behind is set right by the next one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leadml.card import Card, load_card
from leadml.card.files import sync_folder, write_text
from leadml.card.sealed import is_name
from leadml.exceptions import ModelRefError, StoreError
from leadml.store.history import (
    Event,
    Reign,
    add_event,
    cut_half_line,
    event_line,
    follow,
    read_events,
)
from leadml.store.locking import locked
from leadml.store.manifest import check_file, load_manifest
from leadml.store.refs import VALID, check_name, is_path, is_tracked, parse_ref
from leadml.store.writing import write_version

__all__ = ["Event", "Store", "Version", "default_root"]

TEMPORARY = ".writing-"


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


class Store:
    """A folder of models.

    Parameters
    ----------
    root : str or path, optional
        The folder; `default_root` when not given. It is made by the first writer.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = default_root() if root is None else Path(root)

    # -------------------------------------------------------------- writing

    def save_model(
        self,
        name: str,
        card: Card,
        *,
        estimator: object | None = None,
        metrics: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        beside: Mapping[str, bytes] | None = None,
        at: str | None = None,
    ) -> str:
        """Store a new version. The first of a name becomes its champion; a later one does not by itself.

        Parameters
        ----------
        name : str
            Name of the model.
        card : Card
            Its card; it is stored under this name and the new version.
        estimator : estimator, optional
            The scikit-learn estimator, kept by joblib beside the card.
        metrics : mapping, optional
            Plain JSON values.
        run_id : str, optional
            The MLflow run that made it.
        beside : mapping of str to bytes, optional
            Further files of the version, by name.
        at : str, optional
            ISO time; now when not given.

        Returns
        -------
        str
            ``NAME@VERSION``.

        Raises
        ------
        ModelRefError
            When the name is none.
        StoreError
            When the store cannot be written to.
        """
        check_name(name)
        at = at or _now()
        with self._writing(name):
            folder = self.root / name
            version = max(self._versions(name), default=0) + 1
            first = version == 1
            temporary = self.root / f"{TEMPORARY}{secrets.token_hex(6)}"
            target = temporary / "1" if first else temporary
            target.mkdir(parents=True)
            stored = dataclasses.replace(card, name=name, version=version)
            write_version(target, stored, estimator, dict(metrics or {}), run_id, at, beside or {})
            if first:
                # The whole name appears at once, so that it has its champion from the first moment.
                events = [Event(at, "saved", 1), Event(at, "promoted", 1, "the first version")]
                write_text(temporary / "history.jsonl", "".join(map(event_line, events)))
                write_text(temporary / "champion", "1\n")
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
                temporary.rename(folder)
                sync_folder(self.root)
            else:
                temporary.rename(folder / str(version))
                sync_folder(folder)
                self._append(name, Event(at, "saved", version))
        return f"{name}@{version}"

    def promote(
        self,
        ref: str,
        because: str | None = None,
        at: str | None = None,
        *,
        evidence: str | None = None,
        forced: bool = False,
        instead_of: int | None = None,
    ) -> Version:
        """Make a version the champion of its name, without a look at how it compares.

        Parameters
        ----------
        ref : str
            ``NAME@VERSION``, or ``NAME`` for its newest version.
        because : str, optional
            Why.
        at : str, optional
            ISO time; now when not given.
        evidence : str, optional
            What a comparison with the champion said.
        forced : bool
            Whether this goes against that comparison.
        instead_of : int, optional
            The champion that it was compared with; any when not given.

        Returns
        -------
        Version
            The champion.

        Raises
        ------
        ModelRefError
            When there is no such version.
        StoreError
            When another version became champion since the comparison.
        """
        name, version = parse_ref(ref)
        with self._writing(name):
            found = self._known(name)
            version = version if version is not None else max(found)
            self._check_version(name, version)
            load_card(self.root / name / str(version))
            now = self.champion(name)
            if instead_of is not None and now != instead_of:
                raise StoreError(
                    f"{name}: {name}@{now} became the champion while {name}@{version} was compared with "
                    f"{name}@{instead_of}; promote again to compare with it"
                )
            event = Event(at or _now(), "promoted", version, because, evidence, forced)
            self._append(name, event)
            self._point(name)
        return self.show(f"{name}@{version}")

    def roll_back(self, name: str, because: str | None = None, at: str | None = None) -> Version:
        """Return to the champion before this one; again, to the one before that.

        Parameters
        ----------
        name : str
            Name of the model.
        because : str, optional
            Why.
        at : str, optional
            ISO time; now when not given.

        Returns
        -------
        Version
            The champion.

        Raises
        ------
        ModelRefError
            When there is no such name.
        StoreError
            When no other version was champion before, or each was retired.
        """
        check_name(name)
        with self._writing(name):
            reign = self.reign(name)
            if not reign.before:
                versions = ", ".join(f"{name}@{each}" for each in self._versions(name))
                raise StoreError(
                    f"{name}: there is no champion before this one to return to, or it was retired; "
                    f"the name has {versions}; promote one of them"
                )
            version = reign.before[-1]
            load_card(self.root / name / str(version))
            self._append(name, Event(at or _now(), "rolled-back", version, because))
            self._point(name)
        return self.show(f"{name}@{version}")

    def retire(self, ref: str, because: str | None = None, at: str | None = None) -> Version:
        """Take a version out of use. It stays on disk and can be promoted again.

        A champion that is retired leaves its name without one.

        Parameters
        ----------
        ref : str
            ``NAME@VERSION``, or ``NAME`` for its champion.
        because : str, optional
            Why.
        at : str, optional
            ISO time; now when not given.

        Returns
        -------
        Version
            The version.

        Raises
        ------
        ModelRefError
            When there is no such version.
        """
        with self._writing(parse_ref(ref).name):
            name, version = self._named(ref)
            self._append(name, Event(at or _now(), "retired", version, because))
            self._point(name)
        return self.show(f"{name}@{version}")

    # -------------------------------------------------------------- reading

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

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """Hold the store's lock, with whatever a killed writer left behind set right."""
        with locked(self.root / ".lock"):
            for entry in self.root.glob(f"{TEMPORARY}*"):
                shutil.rmtree(entry)
            if self._versions(name):
                self._mend(self.root / name)
            yield

    def _append(self, name: str, event: Event) -> None:
        add_event(self.root / name / "history.jsonl", event)

    def _point(self, name: str) -> None:
        """Set the champion pointer to what the history says."""
        champion = self.reign(name).champion
        if champion == self.champion(name):
            return
        if champion is None:
            (self.root / name / "champion").unlink(missing_ok=True)
        else:
            write_text(self.root / name / "champion", f"{champion}\n")

    def _mend(self, folder: Path) -> None:
        """Cut half a line off a history, tell it of every version, and follow it with the pointer."""
        cut_half_line(folder / "history.jsonl")
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        told = {event.version for event in self.history(folder.name)}
        for version in self._versions(folder.name):
            if version not in told:
                self._append(
                    folder.name, Event(load_manifest(folder / str(version))["created_at"], "saved", version)
                )
        self._point(folder.name)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
