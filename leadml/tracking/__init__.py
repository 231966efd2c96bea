"""Everything that knows MLflow: runs, models, the registry as a view of the store.

Results are on disk before any of this runs: a server that is down, slow or refuses costs only the tracking.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Tracked": "runs",
    "drop_champion": "models",
    "fetch_model": "models",
    "has_store": "connection",
    "mirror_version": "models",
    "note_stored": "runs",
    "track_calibration": "runs",
    "track_folder": "runs",
    "without_autologging": "connection",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"leadml.tracking has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"leadml.tracking.{_HOMES[name]}"), name)
