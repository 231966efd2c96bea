"""What became of a model's versions: one line an event, only ever added to."""

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path

from leadml.card.files import write_text
from leadml.exceptions import StoreError

__all__ = [
    "Event",
    "Reign",
    "Spell",
    "add_event",
    "cut_half_line",
    "event_line",
    "follow",
    "read_events",
]


@dataclasses.dataclass(frozen=True)
class Event:
    """One line of a model's history.

    Attributes
    ----------
    at : str
        When, ISO time in UTC.
    action : str
        ``saved``, ``promoted``, ``rolled-back`` (to this version) or ``retired``.
    version : int
        Which version.
    because : str or None
        Why, in the words of whoever did it.
    evidence : str or None
        What a comparison with the champion of that time said.
    forced : bool
        Whether it was done against that comparison.
    """

    at: str
    action: str
    version: int
    because: str | None = None
    evidence: str | None = None
    forced: bool = False


@dataclasses.dataclass(frozen=True)
class Spell:
    """A stretch of time in which one version was the champion.

    Attributes
    ----------
    version : int
        Which version.
    since : str
        ISO time.
    until : str or None
        ISO time; None while it lasts.
    because : str or None
        Why it began, in the words of whoever did it.
    ended_by : str or None
        ``promoted``, ``rolled-back`` or ``retired``; None while it lasts.
    """

    version: int
    since: str
    until: str | None
    because: str | None
    ended_by: str | None


@dataclasses.dataclass(frozen=True)
class Reign:
    """What a history comes to.

    Attributes
    ----------
    champion : int or None
        The version in use.
    before : tuple of int
        Versions to roll back to, the nearest last.
    spells : tuple of Spell
        Who was champion from when to when, the oldest first.
    """

    champion: int | None
    before: tuple[int, ...]
    spells: tuple[Spell, ...]


def event_line(event: Event) -> str:
    """Write an event as a line.

    Parameters
    ----------
    event : Event
        The event.

    Returns
    -------
    str
        JSON, ending in a line break.
    """
    return json.dumps(dataclasses.asdict(event), ensure_ascii=False) + "\n"


def read_events(path: Path) -> list[Event]:
    """Read a history.

    Parameters
    ----------
    path : Path
        The file; it need not be there.

    Returns
    -------
    list of Event
        The oldest first. Half a line at the end, of a writer that was killed, is left out.

    Raises
    ------
    StoreError
        Naming the line that is no event.
    """
    events = []
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            events.append(Event(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{path}: line {number} is no event; take the file back from a copy") from error
    return events


def add_event(path: Path, event: Event) -> None:
    """Add an event to a history.

    Parameters
    ----------
    path : Path
        The file.
    event : Event
        What happened.
    """
    with path.open("ab") as file:
        file.write(event_line(event).encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def cut_half_line(path: Path) -> None:
    """Cut off what a killed writer left of a line.

    Parameters
    ----------
    path : Path
        The file; it need not be there.
    """
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_text(path, whole.decode("utf-8", "replace"))


def follow(events: Iterable[Event]) -> Reign:
    """Work out which version is in use, which were before, and from when to when.

    Rolling back returns to the version before, so twice returns to the one before that; what was retired
    is never returned to.

    Parameters
    ----------
    events : iterable of Event
        The oldest first.

    Returns
    -------
    Reign
        The champion: promoted or returned to last, unless it was retired since.
    """
    champion: int | None = None
    before: list[int] = []
    spells: list[Spell] = []
    for event in events:
        if event.action == "saved":
            continue
        version, returned = event.version, event.action == "rolled-back"
        if event.action == "retired":
            before = [each for each in before if each != version]
            if version != champion:
                continue
            champion = None
        elif version == champion:
            continue
        else:
            if champion is not None and not returned:
                before.append(champion)
            before = before[: before.index(version)] if version in before else before
            champion = version
        if spells and spells[-1].until is None:
            spells[-1] = dataclasses.replace(spells[-1], until=event.at, ended_by=event.action)
        if champion is not None:
            spells.append(Spell(version, event.at, None, event.because, None))
    return Reign(champion, tuple(before), tuple(spells))
