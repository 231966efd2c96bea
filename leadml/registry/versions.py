"""Versions on disk: models_store/NAME/VERSION/{card.json or model.joblib, manifest.json}, each written whole.

Readers need no lock. Writers hold one lock, write beside the place and rename; the history alone says which
version is the champion, so there is never more than one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import platform
import re
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from leadml.card.files import digest, pretty, read_json, write_text
from leadml.card.record import Card, is_name, load_card
from leadml.exceptions import ModelRefError, StoreError
from leadml.registry.history import Event, append_events, champion_after, read_events, status_after

Root = str | os.PathLike[str] | None
"""Folder of the store as an argument: None is LEADML_STORE, or models_store in the working folder."""

VALID_REF = (
    "valid are NAME (its champion), NAME@VERSION, the path of a card, models:/NAME@ALIAS or runs:/ID/...; "
    "`leadml models list` shows the names"
)
CARD, ESTIMATOR, MANIFEST, HISTORY = "card.json", "model.joblib", "manifest.json", "history.jsonl"
LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy")
"""A pickled estimator is sure to come back as it was only under the same releases of these."""
WAIT_SECONDS = 60.0
_TEMPORARY = ".writing-"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class FileEntry(BaseModel):
    """Digest and size of one file of a version."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    n_bytes: int


class Manifest(BaseModel):
    """What a version consists of; where it comes from is told by its card."""

    model_config = ConfigDict(frozen=True)  # 0.1 wrote more

    schema_version: int = 1
    name: str
    version: int
    created_at: str
    files: Mapping[str, FileEntry]
    libraries: Mapping[str, str]
    metrics: Mapping[str, Any] = {}
    sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a model, and where it lies."""

    name: str
    version: int
    status: str  # champion, version or retired
    folder: Path
    manifest: Manifest

    @property
    def ref(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"


@dataclasses.dataclass(frozen=True)
class Standing:
    """How a new card stands against the documented rule: what calibration says, and that rule as a card.

    ranks : whether the card is shown to rank better than chance, which decides where no rule can be judged.
    varied : criteria with at least two known levels among the deals; None: not known.
    fault : why no card learned from these deals may be the champion, whatever the verdict.
    """

    verdict: str
    documented: Card | None = None
    ranks: bool = False
    varied: Collection[str] | None = None
    fault: str | None = None

    @property
    def against(self) -> str | None:
        """Why the card is not to be in use; None where it is."""
        if self.fault is not None:
            return self.fault
        if self.verdict == "change" or (self.verdict == "cannot-judge" and self.ranks):
            return None
        return f"the verdict is {self.verdict}"


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
    if at and not _NUMBER.fullmatch(version):
        raise ModelRefError(f"{ref[:80]!r}: {version[:40]!r} is no version; valid is a whole number from 1")
    return name, int(version) if at else None


def list_versions(name: str | None = None, store_root: Root = None) -> list[Version]:
    """Every version of one name or of all, by name and version."""
    root = store_folder(store_root)
    names = _names(root) if name is None else [check_name(name)]
    return [_version(root, each, number) for each in names for number in _numbers(root / each)]


def show_version(ref: str, store_root: Root = None) -> Version:
    """The version that NAME (its champion) or NAME@VERSION names."""
    root = store_folder(store_root)
    name, number = parse_ref(ref)
    found = _known(root, name)
    if number is None:
        number = champion_after(read_events(root / name / HISTORY))
        if number is None:
            how = f"promote one: leadml models promote {name}@{found[-1]} --because TEXT"
            raise ModelRefError(f"{name!r} has no champion; give {name}@VERSION, or {how}")
    if number not in found:
        raise ModelRefError(f"{name!r} has no version {number}; it has {', '.join(map(str, found))}")
    return _version(root, name, number)


def champion_of(name: str, store_root: Root = None) -> Version | None:
    """The version in use; None where there is none."""
    root = store_folder(store_root)
    number = champion_after(read_events(root / check_name(name) / HISTORY))
    return None if number is None else _version(root, name, number)


def read_history(name: str, store_root: Root = None) -> list[Event]:
    """What became of a name's versions, oldest first."""
    root = store_folder(store_root)
    _known(root, check_name(name))
    return read_events(root / name / HISTORY)


def save_version(
    name: str,
    model: Card | object,
    *,
    at: str,
    standing: Standing | None = None,
    files: Mapping[str, bytes] | None = None,
    metrics: Mapping[str, Any] | None = None,
    store_root: Root = None,
) -> Version:
    """Store a card (or a classifier, by joblib) as the next version of a name, and return it.

    The first of a name becomes its champion, unless something stands against it (`Standing.against`): then
    the documented rule is stored too, as a card, and is the champion (none where there is no rule).
    `files` lie beside it (log.parquet ...), `at` is ISO time.
    """
    check_name(name)
    if isinstance(model, Card):
        check_says_something(name, model, standing.varied if standing is not None else None)
    root = store_folder(store_root)
    with writing(root):
        folder, place = root / name, root / f"{_TEMPORARY}{secrets.token_hex(6)}"
        number = max(_numbers(folder), default=0) + 1
        _write(place, name, number, model, at, files or {}, metrics or {})
        hand = model.published if isinstance(model, Card) else None
        events = [Event(at, "saved", number)]
        if hand is not None:
            events = [Event(at, "published", number, hand.because, by=hand.by)]
        if number > 1:
            (place / str(number)).rename(folder / str(number))
            place.rmdir()
            append_events(folder / HISTORY, *events)
            return _version(root, name, number)
        # A whole name appears at once, so that it has its champion from the first moment.
        against = None if standing is None else standing.against
        if against is None:
            events.append(Event(at, "promoted", 1, "the first version"))
        elif standing is not None and standing.documented is not None:
            _write(place, name, 2, standing.documented, at, {}, {})
            why = f"{against}, so the documented rule stays in use"
            events += [Event(at, "saved", 2), Event(at, "promoted", 2, why)]
        append_events(place / HISTORY, *events)
        place.rename(folder)
        return _version(root, name, 1)


def record_event(ref: str, event: Event, *, instead_of: int | None, store_root: Root) -> Version:
    """Promote or retire a version. For a promotion `instead_of` is the champion that it was compared with."""
    root = store_folder(store_root)
    with writing(root):
        found = show_version(ref, root)
        champion = champion_after(read_events(root / found.name / HISTORY))
        if event.action == "promoted":
            check_files(found)
            if champion != instead_of:
                now = f"{found.name}@{champion} became the champion while {ref} was compared"
                raise StoreError(f"{found.name}: {now}; promote again")
        append_events(root / found.name / HISTORY, event)
    return _version(root, found.name, found.version)


def retire(ref: str, *, because: str, at: str, store_root: Root = None) -> Version:
    """Take a version out of use; it stays on disk. A champion that is retired leaves its name without one."""
    number = show_version(ref, store_root).version
    return record_event(ref, Event(at, "retired", number, because), instead_of=None, store_root=store_root)


def check_says_something(name: str, card: Card, varied: Collection[str] | None) -> None:
    """Refuse a card that ranks no lead before another, naming why."""
    points = {each.id: {*each.points, each.unknown_points} for each in card.criteria}
    still = [] if varied is None else [each for each in points if each not in varied]
    for row in card.attributes:
        points[row.id] = {*(each.points for each in row.bins), row.unknown_points, row.other_points}
    dull = [each for each, earned in points.items() if len(earned) == 1 or each in still]
    if len(dull) == len(points):
        why = "is unknown or constant in the deals" if still else "earns the same points whatever the answer"
        named = ", ".join(dull) or "no criterion"
        raise StoreError(f"{name}: this card ranks no lead before another: {named} {why}; map criteria that vary")


def check_files(version: Version) -> None:
    """Refuse a version of which a file is not the one that was stored."""
    for file, entry in version.manifest.files.items():
        path = version.folder / file
        if path.is_symlink() or not path.is_file() or sha256_of(path) != entry.sha256:
            how = "take it back from a copy, or calibrate again"
            raise StoreError(f"{path}: is not the file that was stored (its digest differs); {how}")


def load_stored(version: Version) -> Any:
    """The card of a version, or the classifier where it has none; only as it was stored."""
    check_files(version)
    if CARD in version.manifest.files:
        return load_card(version.folder / CARD)
    here = installed_libraries()
    differ = [
        f"{name} {there} (here {here.get(name, 'not installed')})"
        for name, there in sorted(version.manifest.libraries.items())
        if name in LIBRARIES and here.get(name) != there
    ]
    if differ:
        how = "install those releases, or calibrate again here"
        raise StoreError(f"{version.folder / ESTIMATOR}: was stored under {', '.join(differ)}; {how}")
    import joblib

    return joblib.load(version.folder / ESTIMATOR)


def installed_libraries() -> dict[str, str]:
    """Releases installed here."""
    from importlib.metadata import PackageNotFoundError, version

    from leadml import __version__

    found = {"leadml": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the store's lock, with what a killed writer left behind set right first."""
    from filelock import FileLock, Timeout

    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".lock", timeout=WAIT_SECONDS)
        lock.acquire()
    except OSError as error:
        why = f"another process has been writing for {WAIT_SECONDS:.0f} s; let it end"
        if not isinstance(error, Timeout):
            how = "give another folder by --store or LEADML_STORE"
            why = f"cannot be written to ({error.strerror or type(error).__name__}); {how}"
        raise StoreError(f"{root}: {why}") from None
    try:
        for left in root.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left)
        yield
    finally:
        lock.release()


def _write(
    place: Path, name: str, number: int, model: Card | object, at: str,
    files: Mapping[str, bytes], metrics: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write the files of a version, the manifest last."""
    target = place / str(number)
    target.mkdir(parents=True)
    if isinstance(model, Card):
        model.model_copy(update={"name": name, "version": number}).save(target / CARD)
    else:
        import joblib

        joblib.dump(model, target / ESTIMATOR, compress=3)
        write_text(target / f"{ESTIMATOR}.sha256", sha256_of(target / ESTIMATOR) + "\n")
    for file, content in files.items():
        (target / check_name(file)).write_bytes(content)
    entries = {
        each.name: FileEntry(sha256=sha256_of(each), n_bytes=each.stat().st_size) for each in sorted(target.iterdir())
    }
    manifest = Manifest(
        name=name, version=number, created_at=at, files=entries, libraries=installed_libraries(), metrics=metrics
    )
    plain = manifest.model_dump(exclude_none=True)
    try:
        plain["sha256"] = digest(plain)
    except (TypeError, ValueError) as error:
        raise StoreError(f"metrics: no plain JSON values ({error}); give numbers, texts and None") from error
    write_text(target / MANIFEST, pretty(plain))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(root: Path, name: str, number: int) -> Version:
    folder = root / name / str(number)
    plain = read_json(folder / MANIFEST)
    try:
        manifest = Manifest.model_validate(plain)
    except ValidationError:
        manifest = None
    as_stored = manifest is not None and manifest.sha256 == digest(plain)
    if manifest is None or not as_stored or (manifest.name, manifest.version) != (name, number):
        raise StoreError(f"{folder / MANIFEST}: was changed after it was written; take it back from a copy")
    status = status_after(read_events(root / name / HISTORY)).get(number, "version")
    return Version(name, number, status, folder, manifest)


def _names(root: Path) -> list[str]:
    entries = root.iterdir() if root.is_dir() else ()
    return sorted(e.name for e in entries if e.is_dir() and not e.is_symlink() and is_name(e.name))


def _numbers(folder: Path) -> list[int]:
    entries = folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ()
    return sorted(int(e.name) for e in entries if _NUMBER.fullmatch(e.name) and not e.is_symlink())


def _known(root: Path, name: str) -> list[int]:
    """Versions of a name; a name that has none is refused."""
    found = _numbers(root / name)
    if not found:
        names = [each for each in _names(root) if _numbers(root / each)]
        has = f"it has {', '.join(names[:20])}" if names else (
            "it is empty; `leadml calibrate --name NAME` fills it")  # fmt: skip
        raise ModelRefError(f"no model {name!r} in the store at {root}; {has}")
    return found
