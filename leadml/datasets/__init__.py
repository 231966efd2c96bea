"""Synthetic leads of worlds whose truth is computed exactly, to test rules and methods on."""

from importlib import import_module

_HOMES = {
    "FRAMEWORK_CRITERIA": "leadml.datasets.worlds",
    "Truth": "leadml.datasets.truth",
    "WORLDS": "leadml.datasets.worlds",
    "make_leads": "leadml.datasets.sample",
    "make_truth": "leadml.datasets.worlds",
    "write_csv": "leadml.datasets.sample",
}

__all__ = ["FRAMEWORK_CRITERIA", "WORLDS", "Truth", "make_leads", "make_truth", "write_csv"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
