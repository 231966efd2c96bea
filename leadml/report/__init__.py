"""What a calibration and a monitoring look like: first screen in the terminal, charts, pages."""

from __future__ import annotations

from typing import Any

__all__ = [
    "all_charts",
    "format_result",
    "render",
    "render_folder",
    "render_html",
    "render_monitor",
    "render_old",
    "summarise",
]

_MODULES = {
    "all_charts": "charts",
    "format_result": "first_screen",
    "render": "html",
    "render_folder": "html",
    "render_html": "html",
    "render_monitor": "html",
    "render_old": "html",
    "summarise": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
