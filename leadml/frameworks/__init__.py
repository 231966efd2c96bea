"""What the documents say: six frameworks and their rules, and frameworks of a firm's own."""

from importlib import import_module

_HOME = {
    "catalog": (
        "FRAMEWORK_IDS", "list_frameworks", "list_policies", "load_common", "load_framework", "load_policy",
    ),
    "model": (
        "Band", "Basis", "Caveat", "Common", "Criterion", "Decision", "Framework", "Gate", "Note",
        "OrderClaim", "Policy", "Rubric", "Source",
    ),
    "own": ("check_framework", "diff_frameworks", "new_framework"),
}  # fmt: skip
__all__ = sorted(name for names in _HOME.values() for name in names)


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"leadml.frameworks.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
