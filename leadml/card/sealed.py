"""JSON that cannot change unseen: strict reading, one canonical form, and a digest inside the document."""

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

from leadml.exceptions import ModelRefError, StoreError

__all__ = ["canonical", "digest", "is_name", "pretty", "read_json"]

MAX_BYTES = 2_000_000
"""A card is a table that a person can read; anything larger is no card."""

NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def is_name(text: object) -> bool:
    """Tell whether a text can name a model: 1 to 64 of ``A-Z a-z 0-9 . _ -``, a letter or digit first.

    Parameters
    ----------
    text : object
        What is to be a name.

    Returns
    -------
    bool
        Whether it is one.

    Examples
    --------
    >>> is_name("bant-b2b"), is_name("../bant"), is_name("")
    (True, False, False)
    """
    return (
        isinstance(text, str)
        and 0 < len(text) <= 64
        and NAME_CHARACTERS.issuperset(text)
        and text[0] not in "._-"
        and text[-1] != "."
    )


def canonical(document: dict[str, Any]) -> bytes:
    """Write a document in the form that its digest is taken of: sorted keys, no spaces, no ``sha256``.

    Parameters
    ----------
    document : dict
        Plain JSON values.

    Returns
    -------
    bytes
        UTF-8.
    """
    unsealed = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(unsealed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def digest(document: dict[str, Any]) -> str:
    """Take the SHA-256 of a document without its own ``sha256`` key.

    Parameters
    ----------
    document : dict
        Plain JSON values.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1, "sha256": "anything"})
    True
    """
    return hashlib.sha256(canonical(document)).hexdigest()


def pretty(document: dict[str, Any]) -> str:
    """Lay a document out to be read and compared: one line a key, and one line an entry of a list.

    Parameters
    ----------
    document : dict
        Plain JSON values.

    Returns
    -------
    str
        JSON, ending in a line break.
    """

    def flat(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    lines = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = ",\n".join(f"    {flat(entry)}" for entry in value)
            lines.append(f"  {flat(key)}: [\n{inner}\n  ]")
        elif isinstance(value, dict) and value:
            inner = ",\n".join(f"    {flat(name)}: {flat(entry)}" for name, entry in value.items())
            lines.append(f"  {flat(key)}: {{\n{inner}\n  }}")
        else:
            lines.append(f"  {flat(key)}: {flat(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON object strictly: no key twice, no NaN or infinity, nothing huge or nested without end.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    dict
        What it holds.

    Raises
    ------
    ModelRefError
        When there is no such file.
    StoreError
        When it is no such JSON; the message says where.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ModelRefError(
                f"{path}: there is no such file; give a card.json, or NAME or NAME@VERSION of the store"
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelRefError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error
    if len(content) > MAX_BYTES:
        raise StoreError(
            f"{path}: larger than {MAX_BYTES:,} bytes, so it is not one of ours; give a card.json"
        )
    try:
        document = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: byte {error.start} is not UTF-8; JSON is UTF-8, write it again") from error
    except json.JSONDecodeError as error:
        raise StoreError(
            f"{path}: line {error.lineno} column {error.colno}: no JSON ({error.msg})"
        ) from error
    except RecursionError as error:
        raise StoreError(f"{path}: nested too deeply to be one of ours; give a card.json") from error
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise StoreError(
            f"{path}: holds a {type(document).__name__}, valid is one JSON object; give a card.json"
        )
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of pairs, and refuse a key that comes twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} is given twice; keep one of the two")
    return made


def _refuse_constant(text: str) -> float:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(f"{text} is not a JSON number; give a finite number or null")


def _finite(text: str) -> float:
    """Read a number, and refuse one that overflows."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number; give a finite number")
    return number
