"""Results on disk that MLflow does not have yet: send them, once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadml.card import load_card
from leadml.exceptions import ModelRefError, UsageError
from leadml.store import Store
from leadml.tracking import (
    OpenRun,
    TrackedRun,
    chosen_uri,
    read_receipt,
    register,
    run_exists,
    track_calibration,
    track_monitoring,
    without_password,
)
from leadml.workflows.agree import content_of

PATIENCE = 3600.0
"""Seconds that sending may take when nothing else waits for it."""


@dataclass(frozen=True)
class Sent:
    """What became of a folder of results.

    Attributes
    ----------
    run_id : str
        Its run.
    look : str
        How to look at it; empty for a monitoring.
    registered : str
        NAME and version in the registry, and its alias; empty where there is no card.
    sent : bool
        Whether anything had to be sent.
    """

    run_id: str
    look: str
    registered: str
    sent: bool


def track_folder(
    directory: str | os.PathLike[str],
    *,
    tracking_uri: str | None = None,
    store_root: str | os.PathLike[str] | None = None,
) -> Sent:
    """Send the results of a folder to MLflow, unless they are there.

    What was sent by half is completed in its own run; a run that is gone is made anew.

    Parameters
    ----------
    directory : str or path
        What `leadml calibrate -o DIR` or `leadml monitor -o DIR` wrote.
    tracking_uri : str, optional
        Where MLflow keeps runs.
    store_root : str or path, optional
        Folder of the store, which says whether the card is the champion.

    Returns
    -------
    Sent
        The run.

    Raises
    ------
    UsageError
        When the folder holds no results.
    TrackingError
        When MLflow could not be reached or refused; the results stay as they are.
    """
    folder = Path(directory)
    is_calibration = (folder / "result.json").is_file()
    if not is_calibration and not (folder / "monitor.json").is_file():
        raise UsageError(
            f"{folder}: holds neither result.json nor monitor.json; give a folder that `leadml calibrate -o` "
            "or `leadml monitor -o` wrote"
        )
    uri = chosen_uri(tracking_uri)
    receipt = read_receipt(folder)
    known = receipt is not None and receipt.tracking_uri == without_password(uri)
    if receipt is not None and known and run_exists(receipt.run_id, uri):
        if receipt.status == "complete":
            return Sent(receipt.run_id, "", "", sent=False)
        run = OpenRun(receipt.run_id, receipt.experiment_id, uri)
    else:
        run = None
    if not is_calibration:
        return Sent(track_monitoring(folder, uri), "", "", sent=True)
    tracked = track_calibration(folder, run, uri, longest=PATIENCE)
    registered = register_card(folder, tracked, store_root)
    return Sent(tracked.run_id, tracked.look, registered, sent=True)


def register_card(
    directory: str | os.PathLike[str], tracked: TrackedRun, store_root: str | os.PathLike[str] | None
) -> str:
    """Register the card of a tracked calibration, with the alias that the local store calls for.

    Parameters
    ----------
    directory : str or path
        Holds the card.
    tracked : TrackedRun
        Its run.
    store_root : str or path, optional
        Folder of the store.

    Returns
    -------
    str
        For a reader; empty where there is no card.

    Raises
    ------
    TrackingError
        When MLflow could not be reached or refused.
    """
    if tracked.model_id is None:
        return ""
    card = load_card(Path(directory) / "card.json")
    champion: bool | None = None
    stored_as: str | None = None
    try:
        store = Store(store_root)
        if card.version is not None and store.load(card.model).sha256 == card.sha256:
            stored_as = card.model
            champion = store.champion(card.name) == card.version
    except ModelRefError:
        pass  # the folder came from elsewhere
    said = read_result(Path(directory))["recommended"].get("sentence")
    made = register(
        tracked,
        card.name,
        stored_as=stored_as,
        content=content_of(card),
        champion=champion,
        description=said,
    )
    return f"{made.name} version {made.version} ({'champion' if made.champion else 'challenger'})"


def read_result(directory: Path) -> dict[str, Any]:
    """Read what a calibration found.

    Parameters
    ----------
    directory : Path
        Its folder.

    Returns
    -------
    dict
        As in result.json.

    Raises
    ------
    UsageError
        When there is none.
    """
    try:
        found = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{directory}: holds no result.json; give a folder that `leadml calibrate -o` wrote")
    return found
