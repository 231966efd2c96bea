"""Model references: what a person may write for a model."""

from typing import NamedTuple

from leadml.card.sealed import is_name
from leadml.exceptions import ModelRefError

__all__ = ["NameRef", "check_name", "is_path", "is_tracked", "parse_ref"]

VALID = (
    "valid are NAME (its champion), NAME@VERSION, the path to a card, models:/NAME@ALIAS or runs:/ID/...; "
    "`leadml models list` shows the names"
)


class NameRef(NamedTuple):
    """A name in the store.

    Attributes
    ----------
    name : str
        The name.
    version : int or None
        The version; None for the champion.
    """

    name: str
    version: int | None


def is_tracked(ref: str) -> bool:
    """Tell whether a reference names something that MLflow keeps.

    Parameters
    ----------
    ref : str
        A model reference.

    Returns
    -------
    bool
        Whether it begins with ``models:/`` or ``runs:/``.
    """
    return ref.startswith(("models:/", "runs:/"))


def is_path(ref: str) -> bool:
    """Tell whether a reference is written as a path: it has a slash, or ends in ``.json``.

    Parameters
    ----------
    ref : str
        A model reference.

    Returns
    -------
    bool
        Whether it is a path.
    """
    return not is_tracked(ref) and ("/" in ref or "\\" in ref or ref.endswith(".json") or ref in (".", ".."))


def check_name(name: str) -> str:
    """Refuse a name that no model can have, such as one that would leave the store.

    Parameters
    ----------
    name : str
        Name of a model.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ModelRefError
        Saying what came and what is valid.

    Examples
    --------
    >>> check_name("bant-b2b")
    'bant-b2b'
    >>> check_name("../bant")
    Traceback (most recent call last):
    leadml.exceptions.ModelRefError: '../bant' is no name of a model; valid are ...
    """
    if not is_name(name):
        raise ModelRefError(
            f"{name[:80]!r} is no name of a model; valid are 1 to 64 of A-Z a-z 0-9 . _ -, "
            "a letter or digit first"
        )
    return name


def parse_ref(ref: str) -> NameRef:
    """Read ``NAME`` or ``NAME@VERSION``.

    Parameters
    ----------
    ref : str
        The reference.

    Returns
    -------
    NameRef
        Name and version.

    Raises
    ------
    ModelRefError
        When it is neither.

    Examples
    --------
    >>> parse_ref("bant"), parse_ref("bant@3")
    (NameRef(name='bant', version=None), NameRef(name='bant', version=3))
    >>> parse_ref("bant@latest")
    Traceback (most recent call last):
    leadml.exceptions.ModelRefError: 'bant@latest': 'latest' is no version; ...
    """
    name, at, version = ref.partition("@")
    if not is_name(name):
        raise ModelRefError(f"{ref[:80]!r} is no model reference; {VALID}")
    if not at:
        return NameRef(name, None)
    if not (version.isascii() and version.isdigit() and len(version) <= 9 and version[0] != "0"):
        raise ModelRefError(f"{ref[:80]!r}: {version[:40]!r} is no version; valid is a whole number from 1")
    return NameRef(name, int(version))
