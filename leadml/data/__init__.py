"""Deals and leads of a CRM export: mapping, reading, encoding, units, splits."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.data.mapping import Mapping, load_mapping
    from leadml.data.read import read_leads

_HOMES = {"Leads": "deals", "Mapping": "mapping", "load_mapping": "mapping", "read_leads": "read"}

__all__ = ["Leads", "Mapping", "load_mapping", "read_leads"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"leadml.data.{_HOMES[name]}"), name)
