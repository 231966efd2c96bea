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
    """One line: saved, published (by hand), promoted or retired; when, why, what a comparison said, by whom."""

    at: str
    action: str
    version: int
    because: str | None = None
    evidence: str | None = None
    forced: bool = False
    by: str | None = None


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


def append_events(path: Path, *events: Event) -> None:
    """Add lines in place of what a killed writer left of one, and wait until the disk holds them."""
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        for event in events:
            file.write(json.dumps(dataclasses.asdict(event), ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def status_after(events: Iterable[Event]) -> dict[int, str]:
    """Status of each version: champion (promoted last, unless it was retired since), retired, or version."""
    status: dict[int, str] = {}
    for event in events:
        if event.action in ("promoted", "rolled-back"):  # "rolled-back" was written by leadml 0.1
            status = {each: "version" if said == "champion" else said for each, said in status.items()}
            status[event.version] = "champion"
        else:
            status[event.version] = "retired" if event.action == "retired" else "version"
    return status


def champion_after(events: Iterable[Event]) -> int | None:
    """Version in use, if any."""
    return next((each for each, said in status_after(events).items() if said == "champion"), None)
