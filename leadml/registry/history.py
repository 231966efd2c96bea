"""History of a model's versions (history.jsonl): a line an event, only appended to; it tells the champion."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path

from leadml.exceptions import StoreError


@dataclasses.dataclass(frozen=True)
class Event:
    """One line: saved, promoted or retired, when, why, and what the comparison with the champion said."""

    at: str
    action: str
    version: int
    because: str | None = None
    evidence: str | None = None
    forced: bool = False

    def line(self) -> str:
        """As it is written."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False) + "\n"


def read_events(path: Path) -> list[Event]:
    """Read a history, oldest first; half a line at the end, of a writer that was killed, is left out."""
    events = []
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(Event(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{path}: line {number} is no event; take the file back from a copy") from error
    return events


def append_event(path: Path, event: Event) -> None:
    """Add a line, and wait until the disk holds it."""
    with path.open("ab") as file:
        file.write(event.line().encode())
        file.flush()
        os.fsync(file.fileno())


def cut_half_line(path: Path) -> None:
    """Cut off what a killed writer left of a line."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


def champion_after(events: Iterable[Event]) -> int | None:
    """Version in use: promoted last, unless it was retired since."""
    champion: int | None = None
    for event in events:
        if event.action in ("promoted", "rolled-back"):  # "rolled-back" was written by leadml 0.1
            champion = event.version
        elif event.action == "retired" and event.version == champion:
            champion = None
    return champion


def retired_after(events: Iterable[Event]) -> set[int]:
    """Versions that were retired, and not promoted again."""
    last = {event.version: event.action for event in events if event.action != "saved"}
    return {version for version, action in last.items() if action == "retired"}
