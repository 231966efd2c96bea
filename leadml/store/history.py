"""What became of a model's versions: one line an event, only ever added to."""

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path

from leadml.card.files import write_text
from leadml.exceptions import StoreError

__all__ = ["Event", "add_event", "champion_after", "cut_half_line", "event_line", "read_events"]


@dataclasses.dataclass(frozen=True)
class Event:
    """One line of a model's history.

    Attributes
    ----------
    at : str
        When, ISO time in UTC.
    action : str
        ``saved``, ``promoted`` or ``retired``.
    version : int
        Which version.
    because : str or None
        Why, in the words of whoever did it.
    """

    at: str
    action: str
    version: int
    because: str | None = None


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


def champion_after(events: Iterable[Event]) -> int | None:
    """Work out which version is in use.

    Parameters
    ----------
    events : iterable of Event
        The oldest first.

    Returns
    -------
    int or None
        The version that was promoted last, unless it was retired since.
    """
    champion = None
    for event in events:
        if event.action == "promoted":
            champion = event.version
        elif event.action == "retired" and event.version == champion:
            champion = None
    return champion
