"""Promote (a version becomes the champion, unless the deals speak against it) and retire, each for a reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from leadml.exceptions import StoreError, UsageError
from leadml.registry import versions
from leadml.registry.champion_challenger import Comparison, compare
from leadml.registry.versions import Event, Root, Version

if TYPE_CHECKING:
    from leadml.data.deals import Leads


class Promoted(NamedTuple):
    """The champion, and how it compares with the one before."""

    version: Version
    comparison: Comparison | None


def promote(
    ref: str, *, because: str | None, at: str, leads: Leads | None = None, ratio: float | None = None,
    force: bool = False, store_root: Root = None,
) -> Promoted:  # fmt: skip
    """Make NAME@VERSION (NAME: its newest) the champion; going back to an earlier one is the same.

    `leads` to compare decisions on, `ratio` the value of a won deal in follow-ups (else what calibration was
    given); `because` is always asked for, and kept in the history with what the comparison said.
    """
    because = check_reason(because, f"leadml models promote {ref}")
    name, number = versions.parse_ref(ref)
    # under the lock, so that nothing else becomes the champion meanwhile
    with versions.writing(versions.store_folder(store_root)) as root:
        if number is None and (found := versions.list_versions(name, root)):
            ref = found[-1].ref
        candidate, before = versions.show_version(ref, root), versions.champion_of(name, root)
        if before is not None and before.version == candidate.version:
            return Promoted(candidate, Comparison("alike", f"{before.ref} is in use already; nothing was changed"))
        versions.load_stored(candidate)  # only what is as it was stored
        comparison = None if before is None else compare(candidate, before, leads, ratio)
        evidence = " ".join(comparison.sentence.split()) if comparison else None
        forced = comparison is not None and comparison.needs_force
        if before is not None and comparison is not None and forced and not force:
            how = f"or promote it all the same: leadml models promote {candidate.ref} --force --because TEXT"
            raise StoreError(f"{candidate.ref} is not promoted.\n{comparison.sentence}\nKeep {before.ref}", how)
        event = Event(
            at=at, action="promoted", version=candidate.version, because=because, evidence=evidence, forced=forced
        )
        versions.add_events(root, name, event)
        return Promoted(versions.show_version(candidate.ref, root), comparison)


def retire(ref: str, *, because: str | None, at: str, store_root: Root = None) -> Version:
    """Take a version out of use; it stays on disk. A champion that is retired leaves its name without one."""
    because = check_reason(because, f"leadml models retire {ref}")
    with versions.writing(versions.store_folder(store_root)) as root:
        found = versions.show_version(ref, root)
        versions.add_events(root, found.name, Event(at=at, action="retired", version=found.version, because=because))
        return versions.show_version(found.ref, root)


def note_registered(version: Version, said: str, *, at: str, store_root: Root = None) -> None:
    """Keep what MLflow, which counts on its own, calls a version: the models:/NAME/NUMBER of what registering said."""
    name = re.search(r"models:/\S+", said)
    if name is not None and name[0] != version.mlflow:
        event = Event(at=at, action="registered", version=version.version, mlflow=name[0])
        with versions.writing(versions.store_folder(store_root)) as root:
            versions.add_events(root, version.name, event)


def check_reason(because: str | None, command: str) -> str:
    """Ask for a reason, always."""
    if reason := " ".join((because or "").split()):
        return reason[:1000]
    raise UsageError(f'--because: no reason was given, and it is kept in the history: {command} --because "..."')
