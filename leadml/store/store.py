"""Versions on disk: ``ROOT/NAME/VERSION/{card.json, model.joblib, manifest.json}``, a champion and a history.

Everything is written beside its place and renamed, under one lock, so a reader never sees half of anything.
The history is written first: a pointer that a killed writer left behind is set right by the next one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leadml.card import Card, load_card
from leadml.card.files import sync_folder, write_text
from leadml.exceptions import StoreError
from leadml.store.history import Event, add_event, cut_half_line, event_line
from leadml.store.locking import locked
from leadml.store.manifest import load_manifest
from leadml.store.reading import Reader, Version
from leadml.store.refs import check_name, parse_ref
from leadml.store.writing import write_version

__all__ = ["Store"]

TEMPORARY = ".writing-"


class Store(Reader):
    """A folder of models, to be read and written; it is made by the first writer."""

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

    # -------------------------------------------------------------- inside

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
