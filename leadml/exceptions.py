"""What can go wrong, as one tree. Every message names the place, what came, what is valid and what to do.

::

    LeadmlError            exit 1   an internal error, and the root of the tree
    ├── UsageError         exit 2   a command, mapping, experiment or model reference is wrong
    │   ├── RecordError             a YAML record breaks its schema
    │   ├── ModelRefError           a model reference names nothing that can be loaded
    │   └── StoreError              the models store refuses, and says what to do
    ├── InputError         exit 3   the input could not be used
    ├── TooFewDealsError   exit 4   too few closed deals to learn from
    └── TrackingError      exit 1   MLflow could not be reached or refused
"""

from typing import ClassVar


class LeadmlError(Exception):
    """Root of every error that leadml raises on purpose; `remedy` is what to do on the command line."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.message = message


class UsageError(LeadmlError, ValueError):
    """A command, mapping, experiment or model reference is wrong."""

    exit_code: ClassVar[int] = 2


class RecordError(UsageError):
    """A YAML record breaks its schema; the message lists every fault with its path."""


class ModelRefError(UsageError):
    """A model reference names nothing that can be loaded."""


class StoreError(UsageError):
    """The models store refuses, and the message says what to do."""


class InputError(LeadmlError, ValueError):
    """The input could not be used."""

    exit_code: ClassVar[int] = 3


class TooFewDealsError(LeadmlError, ValueError):
    """Too few closed deals to learn from."""

    exit_code: ClassVar[int] = 4


class TrackingError(LeadmlError):
    """MLflow could not be reached, or refused."""
