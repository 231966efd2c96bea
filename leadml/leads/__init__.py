"""What a CRM says: from an export to levels, by a mapping.

The names below are imported when first asked for, so that scoring does not load what only learning needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadml.leads.mapping import Mapping, load_mapping
    from leadml.leads.model import Leads
    from leadml.leads.read import read_leads
    from leadml.leads.sample import make_leads

__all__ = ["Leads", "Mapping", "load_mapping", "make_leads", "read_leads"]

_HOMES = {
    "Leads": "model",
    "Mapping": "mapping",
    "load_mapping": "mapping",
    "make_leads": "sample",
    "read_leads": "read",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"leadml.leads.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
