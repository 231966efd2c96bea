"""The page for sales ops (one offline file) and the HTTP API that serves it."""

from __future__ import annotations

from typing import Any

__all__ = ["make_app", "render_page", "serve", "write_page"]

_MODULES = {"make_app": "api", "render_page": "page", "serve": "api", "write_page": "page"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
