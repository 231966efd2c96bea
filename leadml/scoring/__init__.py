"""Scoring new leads: a file, a frame or one lead, by a card, a documented rule or another estimator."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadml.scoring.face import Model, explain, load_model, predict

__all__ = ["Model", "explain", "load_model", "predict"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module("leadml.scoring.face"), name)
