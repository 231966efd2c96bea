"""Versions on disk: models_store/NAME/VERSION/card.json, with what lies beside it, and NAME/history.jsonl.

A version is there once the history names it, and the history is replaced whole: readers need no lock, and never
see half a version. Writers hold one lock. The history alone tells the champion, so there is never more than one, and
which version of MLflow's registry, whose numbers are its own, shows which of ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

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
OF_THE_VERSION = {"name", "version", "created_at", "published", "provenance", "sha256"}
"""What two versions of one card may differ in."""
WAIT_SECONDS = 60.0
STAYS, VERDICT = ", so the documented rule stays in use", "the verdict is "
"""What the history says of a rule that nobody promoted, and how it begins where the deals, not a doubt, decided so."""


class Event(BaseModel):
    """A line of the history: saved, published (by hand), promoted, retired, or registered in MLflow; when and why.

    evidence : what a comparison said. files : SHA-256 of each file of a version that was saved. ratio : value of a won
    deal in follow-ups, if known. mlflow : what MLflow calls it, such as models:/bant/5.
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
    mlflow: str | None = None


@dataclasses.dataclass
class Version:
    """One version of a model: where it lies, how it was saved, what gave it its status, and what MLflow calls it."""

    name: str
    version: int
    folder: Path
    saved: Event
    since: Event
    status: str = "version"  # or champion, retired
    mlflow: str | None = None

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


def model_names(store_root: Root = None) -> list[str]:
    """Names of all models."""
    folders = sorted(each.parent for each in store_folder(store_root).glob(f"*/{HISTORY}"))
    return [each.name for each in folders if is_name(each.name) and not each.is_symlink()]


def read_history(name: str, store_root: Root = None) -> list[Event]:
    """What became of a name's versions, oldest first; nothing where there is no such name."""
    path, events = store_folder(store_root) / check_name(name) / HISTORY, []
    whole = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    for number, line in enumerate(whole, start=1):
        try:
            events.append(Event.model_validate_json(line))
        except ValidationError as error:
            raise StoreError(f"{path}: line {number} is no event; take the file back from a copy") from error
    return events


def list_versions(name: str | None = None, store_root: Root = None) -> list[Version]:
    """Every version of one name or of all, by name and version; the champion is the one promoted last, unless it was
    retired since."""
    if name is None:
        return [version for each in model_names(store_root) for version in list_versions(each, store_root)]
    found: dict[int, Version] = {}
    for event in read_history(name, store_root):
        folder = store_folder(store_root) / name / str(event.version)
        version = found.setdefault(event.version, Version(name, event.version, folder, event, event))
        if event.action == "registered":
            version.mlflow = event.mlflow
            continue
        version.since, version.status = event, "retired" if event.action == "retired" else "version"
        if event.action in ("promoted", "rolled-back"):  # "rolled-back" was written by leadml 0.1
            for each in found.values():
                each.status = "version" if each.status == "champion" else each.status
            version.status = "champion"
    return [found[number] for number in sorted(found) if found[number].folder.is_dir()]


def champion_of(name: str, store_root: Root = None) -> Version | None:
    """The version in use; None where there is none."""
    return next((each for each in list_versions(name, store_root) if each.status == "champion"), None)


def in_use_as(card: Card, name: str, store_root: Root = None) -> str:
    """NAME@VERSION of the champion of a name, where it is this card; else ""."""
    champion = champion_of(name, store_root) if is_name(name) else None
    plain, other = (c and c.model_dump(exclude=OF_THE_VERSION) for c in (card, champion and load_stored(champion)))
    return champion.ref if champion and plain == other else ""


def check_known(name: str, store_root: Root = None) -> list[Version]:
    """Every version of a name; a name that has none is refused, with those that there are."""
    if found := list_versions(name, store_root):
        return found
    names = ", ".join(model_names(store_root)[:20])
    has = f"it has {names}" if names else "it is empty; `leadml calibrate --name NAME` fills it"
    raise ModelRefError(f"no model {name!r} in the store at {store_folder(store_root)}; {has}")


def show_version(ref: str, store_root: Root = None) -> Version:
    """The version that NAME (its champion) or NAME@VERSION names."""
    name, number = parse_ref(ref)
    found = check_known(name, store_root)
    wanted = [each for each in found if (each.status == "champion" if number is None else each.version == number)]
    if wanted:
        return wanted[0]
    if number is None:
        how = f"promote one: {how_to_promote(found[-1].ref, store_root)}"
        raise ModelRefError(f"{name!r} has no champion; give {name}@VERSION, or {how}")
    raise ModelRefError(f"{name!r} has no version {number}; it has {', '.join(str(each.version) for each in found)}")


def how_to_promote(ref: str, store_root: Root = None, flags: str = "") -> str:
    """The whole command."""
    store = f" --store {shlex.quote(str(store_root))}" if store_root else ""
    return f"leadml models promote {ref}{flags} --because TEXT{store}"


def load_stored(version: Version) -> Card:
    """The card of a version, only as it was stored."""
    for file, digest in version.saved.files.items():
        path = version.folder / file
        if path.is_symlink() or not path.is_file() or sha256_of(path) != digest:
            how = "take it back from a copy, or calibrate again"
            raise StoreError(f"{path}: is not the file that was stored (its digest differs); {how}")
    return load_card(version.folder / CARD)


def save_version(
    name: str, card: Card, *, at: str, against: str | None = None, documented: Card | None = None,
    files: Mapping[str, bytes] | None = None, ratio: float | None = None, store_root: Root = None,
) -> Version:  # fmt: skip
    """Store a card as the next version of a name, and return it.

    The first of a name becomes its champion, unless something stands `against` it: then the `documented` rule
    is stored too, as a card, and is the champion (none where there is no rule). Where that was for a doubt about the
    first card, one that nothing stands against takes the place of the same rule, as a first version would. `files` lie
    beside it (log.parquet ...), `at` is ISO time, `ratio` the value of a won deal in follow-ups, if known.
    """
    files = files or {}
    for each in (name, *files):
        check_name(each)
    if all(len(set(points.tolist())) == 1 for points in card.lookup.points):
        why = f"{', '.join(card.lookup.code_columns)} earn the same points whatever the answer; map criteria that vary"
        raise StoreError(f"{name}: this card ranks no lead before another: {why}")
    with writing(store_folder(store_root)) as root:
        number = max((event.version for event in read_history(name, root)), default=0) + 1
        events = [_write(root, name, number, card, at, files, ratio)]
        rule, why, is_free = champion_of(name, root), "the first version", number == 1
        put = (rule.since.because or "") if rule else ""
        if rule and documented and put.endswith(STAYS) and not put.startswith(VERDICT):
            is_free, why = load_stored(rule).policy == documented.policy, f"{why} that nothing stands against"
        if is_free and against is None:
            events.append(Event(at=at, action="promoted", version=number, because=why))
        elif number == 1 and documented is not None:
            own = {each: content for each, content in files.items() if each in OF_THE_DEALS}
            events.append(_write(root, name, 2, documented, at, own, ratio))
            events.append(Event(at=at, action="promoted", version=2, because=f"{against}{STAYS}"))
        add_events(root, name, *events)
        return next(each for each in list_versions(name, root) if each.version == number)


def _write(
    root: Path, name: str, number: int, card: Card, at: str, files: Mapping[str, bytes], ratio: float | None
) -> Event:
    """Write the files of a version; the event that makes it one."""
    folder, hand = root / name / str(number), card.published
    shutil.rmtree(folder, ignore_errors=True)  # what a killed writer left
    folder.mkdir(parents=True)
    card.model_copy(update={"name": name, "version": number}).save(folder / CARD)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    digests = {each.name: sha256_of(each) for each in sorted(folder.iterdir())}
    saved = Event(at=at, action="saved", version=number, files=digests, ratio=ratio)
    by_hand = {"action": "published", "because": hand.because, "by": hand.by} if hand else {}
    return saved.model_copy(update=by_hand)


def add_events(root: Path, name: str, *events: Event) -> None:
    """Continue the history of a name; the caller holds the lock."""
    lines = [f"{event.model_dump_json()}\n" for event in (*read_history(name, root), *events)]
    write_text(root / name / HISTORY, "".join(lines))


@contextlib.contextmanager
def writing(root: Path) -> Iterator[Path]:
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
        yield root


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
