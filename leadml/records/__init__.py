"""YAML to frozen records: strict, and every fault of a file at once with its path and line.

What reads them is imported when it is first asked for: scoring by a mapping known already does without.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from leadml.records.words import CANONICAL, nearest

if TYPE_CHECKING:
    from leadml.records.record import (
        Record,
        check_record,
        digest_record,
        dump_record,
        load_record,
        parse_record,
    )

__all__ = [
    "CANONICAL",
    "Record",
    "check_record",
    "digest_record",
    "dump_record",
    "load_record",
    "nearest",
    "parse_record",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module("leadml.records.record"), name)
    globals()[name] = value
    return value
