"""The models store: versions that cannot change unseen, one champion a name, and what became of each."""

from leadml.store.history import Event, Reign, Spell
from leadml.store.model import Model, load_model
from leadml.store.reading import Version, default_root
from leadml.store.refs import is_tracked, parse_ref
from leadml.store.store import Store

__all__ = [
    "Event",
    "Model",
    "Reign",
    "Spell",
    "Store",
    "Version",
    "default_root",
    "is_tracked",
    "load_model",
    "parse_ref",
]
