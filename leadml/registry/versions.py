"""Versions on disk: models_store/NAME/VERSION/card.json, with what lies beside it, and NAME/history.jsonl.

A version is there once the history names it, and the history is replaced whole: readers need no lock, and never
see half a version. Writers hold one lock. The history alone tells the champion, so there is never more than one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from leadml.card.files import write_text
from leadml.card.record import Card, is_name, load_card
from leadml.exceptions import ModelRefError, StoreError

Root = str | os.PathLike[str] | None
"""Folder of the store as an argument: None is LEADML_STORE, or models_store in the working folder."""

VALID_REF = (
    "valid are NAME (its champion), NAME@VERSION, the path of a card, models:/NAME@ALIAS or runs:/ID/...; "
    "`leadml models list` shows the names"
)
CARD, HISTORY = "card.json", "history.jsonl"
OF_THE_DEALS = ("mapping.yaml", "deal_counts.parquet")
"""What lies beside a card and holds of any other for the same deals."""
WAIT_SECONDS = 60.0


class Event(BaseModel):
    """A line of the history: saved, published (by hand), promoted or retired; when, why, what a comparison said.

    files : SHA-256 of each file of a version that was saved. ratio : value of a won deal in follow-ups, if known.
    """

    model_config = ConfigDict(frozen=True)

    at: str
    action: str
    version: int
    because: str | None = None
    evidence: str | None = None
    forced: bool = False
    by: str | None = None
    files: Mapping[str, str] = {}
    ratio: float | None = None


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a model, how it was saved, and where it lies."""

    name: str
    version: int
    status: str  # champion, version or retired
    folder: Path
    saved: Event

    @property
    def ref(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"


def store_folder(store_root: Root = None) -> Path:
    """Folder of the store."""
    return Path(store_root or os.environ.get("LEADML_STORE") or "models_store")


def check_name(name: str) -> str:
    """Refuse a name that no model can have, such as one that would leave the store."""
    if not is_name(name):
        valid = "valid are 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, no dot last"
        raise ModelRefError(f"{name[:80]!r} is no name of a model; {valid}")
    return name


def parse_ref(ref: str) -> tuple[str, int | None]:
    """Read NAME or NAME@VERSION; no version means the champion."""
    name, at, version = ref.partition("@")
    if not is_name(name):
        raise ModelRefError(f"{ref[:80]!r} is no model reference; {VALID_REF}")
    if at and not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise ModelRefError(f"{ref[:80]!r}: {version[:40]!r} is no version; valid is a whole number from 1")
    return name, int(version) if at else None


def list_versions(name: str | None = None, store_root: Root = None) -> list[Version]:
    """Every version of one name or of all, by name and version."""
    root = store_folder(store_root)
    names = _names(root) if name is None else [check_name(name)]
    return [version for each in names for version in _versions(root, each).values()]


def show_version(ref: str, store_root: Root = None) -> Version:
    """The version that NAME (its champion) or NAME@VERSION names."""
    root = store_folder(store_root)
    name, number = parse_ref(ref)
    found = _versions(root, name) or _refuse_name(root, name)
    if number is None:
        number = next((each.version for each in found.values() if each.status == "champion"), None)
    if number is None:
        how = f"promote one: leadml models promote {name}@{max(found)} --because TEXT"
        raise ModelRefError(f"{name!r} has no champion; give {name}@VERSION, or {how}")
    if number not in found:
        raise ModelRefError(f"{name!r} has no version {number}; it has {', '.join(map(str, found))}")
    return found[number]


def champion_of(name: str, store_root: Root = None) -> Version | None:
    """The version in use; None where there is none."""
    versions = _versions(store_folder(store_root), check_name(name)).values()
    return next((each for each in versions if each.status == "champion"), None)


def read_history(name: str, store_root: Root = None) -> list[Event]:
    """What became of a name's versions, oldest first."""
    root = store_folder(store_root)
    return _events(root, check_name(name)) or _refuse_name(root, name)


def save_version(
    name: str, card: Card, *, at: str, against: str | None = None, documented: Card | None = None,
    files: Mapping[str, bytes] | None = None, ratio: float | None = None, store_root: Root = None,
) -> Version:  # fmt: skip
    """Store a card as the next version of a name, and return it.

    The first of a name becomes its champion, unless something stands `against` it: then the `documented` rule
    is stored too, as a card, and is the champion (none where there is no rule). `files` lie beside it
    (log.parquet ...), `at` is ISO time, `ratio` the value of a won deal in follow-ups, if known.
    """
    for each in (name, *(files or {})):
        check_name(each)
    if all(len(set(points.tolist())) == 1 for points in card.lookup.points):
        rows = ", ".join(card.lookup.code_columns)
        why = f"{rows} earn the same points whatever the answer; map criteria that vary"
        raise StoreError(f"{name}: this card ranks no lead before another: {why}")
    root = store_folder(store_root)
    with writing(root):
        number = max((event.version for event in _events(root, name)), default=0) + 1
        events = [_write(root, name, number, card, at, files or {}, ratio)]
        if number == 1 and against is None:
            events.append(Event(at=at, action="promoted", version=1, because="the first version"))
        elif number == 1 and documented is not None:
            why = f"{against}, so the documented rule stays in use"
            own = {each: content for each, content in (files or {}).items() if each in OF_THE_DEALS}
            events.append(_write(root, name, 2, documented, at, own, ratio))
            events.append(Event(at=at, action="promoted", version=2, because=why))
        add_events(root, name, *events)
    return show_version(f"{name}@{number}", root)


def add_events(root: Path, name: str, *events: Event) -> None:
    """Continue the history of a name; the caller holds the lock."""
    lines = [f"{event.model_dump_json()}\n" for event in (*_events(root, name), *events)]
    write_text(root / name / HISTORY, "".join(lines))


def load_stored(version: Version) -> Card:
    """The card of a version, only as it was stored."""
    for file, digest in version.saved.files.items():
        path = version.folder / file
        if path.is_symlink() or not path.is_file() or sha256_of(path) != digest:
            how = "take it back from a copy, or calibrate again"
            raise StoreError(f"{path}: is not the file that was stored (its digest differs); {how}")
    return load_card(version.folder / CARD)


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the store's lock."""
    from filelock import FileLock, Timeout

    try:
        root.mkdir(parents=True, exist_ok=True)
        held = FileLock(root / ".lock", timeout=WAIT_SECONDS).acquire()
    except Timeout:
        raise StoreError(f"{root}: another process has been writing for {WAIT_SECONDS:.0f} s; let it end") from None
    except OSError as error:
        how = "give another folder by --store or LEADML_STORE"
        raise StoreError(f"{root}: cannot be written to ({error.strerror}); {how}") from None
    with held:
        yield


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(
    root: Path, name: str, number: int, card: Card, at: str, files: Mapping[str, bytes], ratio: float | None
) -> Event:
    """Write the files of a version; the event that makes it one."""
    folder = root / name / str(number)
    shutil.rmtree(folder, ignore_errors=True)  # what a killed writer left
    folder.mkdir(parents=True)
    card.model_copy(update={"name": name, "version": number}).save(folder / CARD)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    hand, digests = card.published, {each.name: sha256_of(each) for each in sorted(folder.iterdir())}
    return Event(
        at=at, action="saved" if hand is None else "published", version=number, files=digests, ratio=ratio,
        because=None if hand is None else hand.because, by=None if hand is None else hand.by,
    )  # fmt: skip


def _names(root: Path) -> list[str]:
    folders = sorted(each.parent for each in root.glob(f"*/{HISTORY}"))
    return [each.name for each in folders if is_name(each.name) and not each.is_symlink()]


def _refuse_name(root: Path, name: str) -> NoReturn:
    names = ", ".join(_names(root)[:20])
    has = f"it has {names}" if names else "it is empty; `leadml calibrate --name NAME` fills it"
    raise ModelRefError(f"no model {name!r} in the store at {root}; {has}")


def _events(root: Path, name: str) -> list[Event]:
    path, events = root / name / HISTORY, []
    whole = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    for number, line in enumerate(whole, start=1):
        try:
            events.append(Event.model_validate_json(line))
        except ValidationError as error:
            raise StoreError(f"{path}: line {number} is no event; take the file back from a copy") from error
    return events


def _versions(root: Path, name: str) -> dict[int, Version]:
    """The versions that are there; the champion is the one promoted last, unless it was retired since."""
    saved: dict[int, Event] = {}
    status: dict[int, str] = {}
    for event in _events(root, name):
        saved.setdefault(event.version, event)
        status[event.version] = "retired" if event.action == "retired" else "version"
        if event.action in ("promoted", "rolled-back"):  # "rolled-back" was written by leadml 0.1
            status = {each: "version" if said == "champion" else said for each, said in status.items()}
            status[event.version] = "champion"
    folders = {each: root / name / str(each) for each in sorted(saved)}
    return {n: Version(name, n, status[n], folder, saved[n]) for n, folder in folders.items() if folder.is_dir()}
