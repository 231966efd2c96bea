"""YAML to frozen records: strict, and every fault of a file at once with its path and line.

A record is a pydantic model that cannot be changed once made. Its YAML is read as YAML 1.2, so that ``no``
and ``2026-01-01`` stay text until a field asks for something else; keys are always text, as written; a key
that is given twice is a fault. Nothing is coerced: ``"3"`` is not 3.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML

from leadml.exceptions import RecordError
from leadml.records.faults import faults_of, keys_text, value_text
from leadml.records.words import nearest
from leadml.records.yaml_text import Tree, Where, compose


class Record(BaseModel):
    """Base of everything that leadml reads from YAML: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


R = TypeVar("R", bound=Record)


def load_record(path: str | os.PathLike[str] | Traversable, cls: type[R]) -> R:
    """Read one record from a YAML file.

    Parameters
    ----------
    path : str, path or package resource
        The YAML file.
    cls : type of Record
        What the file must hold.

    Returns
    -------
    Record
        An instance of `cls`.

    Raises
    ------
    RecordError
        The file is missing, is no YAML, or breaks the schema. The message has one line a fault:
        ``FILE: yaml.path[2] (line 14): got ...; valid: ...; what to do``.
    """
    source = Path(path) if isinstance(path, str | os.PathLike) else path
    name = str(source)
    try:
        text = source.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise RecordError(f"{name}: no such file{_beside(source)}") from None
    except IsADirectoryError:
        raise RecordError(f"{name}: got a folder; valid: a YAML file; name the file itself") from None
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{name}: byte {error.start} is not UTF-8; valid: UTF-8 text; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise RecordError(f"{name}: cannot be read ({error.strerror}); check its permissions") from None
    return parse_record(text, cls, name)


def parse_record(text: str, cls: type[R], name: str = "record") -> R:
    """Read one record from YAML text.

    Parameters
    ----------
    text : str
        The YAML.
    cls : type of Record
        What the text must hold.
    name : str
        What messages call the text, usually the name of its file.

    Returns
    -------
    Record
        An instance of `cls`.

    Raises
    ------
    RecordError
        The text is no YAML, or breaks the schema.

    Examples
    --------
    >>> class Rule(Record):
    ...     unit: str
    ...     cutoff: int
    >>> parse_record("unit: no\\ncutoff: 3", Rule)
    Rule(unit='no', cutoff=3)
    >>> parse_record("unit: met\\ncut_off: 3", Rule, "rule.yaml")
    Traceback (most recent call last):
    leadml.exceptions.RecordError: rule.yaml: cutoff (line 1): is missing; valid: a whole number; add it
    rule.yaml: cut_off (line 2): unknown key; valid: cutoff, unit; did you mean cutoff?
    """
    root = compose(text, name)
    if root is None:
        raise RecordError(f"{name}: is empty; valid: {keys_text(cls)}; write at least the required keys")
    tree = Tree(name)
    data = tree.plain(root, ())
    return _validate(data, cls, name, tree.lines, tree.faults)


def check_record(data: object, cls: type[R], name: str = "record") -> R:
    """Make a record from plain Python data, with the same strictness and messages as a file.

    Parameters
    ----------
    data : object
        A mapping of keys to plain values, or an instance of `cls`, which is returned as it is.
    cls : type of Record
        What the data must hold.
    name : str
        What messages call the data.

    Returns
    -------
    Record
        An instance of `cls`.

    Raises
    ------
    RecordError
        The data break the schema.
    """
    return data if isinstance(data, cls) else _validate(data, cls, name, {}, [])


def dump_record(record: Record) -> str:
    """Write a record as YAML text that `parse_record` reads back as an equal record.

    Parameters
    ----------
    record : Record
        What to write; keys left at their default are left out.

    Returns
    -------
    str
        YAML, ending in a line end.
    """
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 110
    stream = io.StringIO()
    yaml.dump(record.model_dump(mode="json", by_alias=True, exclude_defaults=True), stream)
    return stream.getvalue()


def digest_record(record: Record) -> str:
    """Digest what a record says: equal for files that differ only in layout, comments or order of keys.

    Parameters
    ----------
    record : Record
        What to digest, defaults filled in.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    plain = record.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _validate(
    data: object, cls: type[R], name: str, lines: Mapping[Where, int], faults: Sequence[tuple[int, str]]
) -> R:
    if not isinstance(data, Mapping):
        raise RecordError(
            f"{name}: got {value_text(data)}; valid: keys and values ({keys_text(cls)}); "
            "write `key: value` lines"
        )
    found = list(faults)
    try:
        record = cls.model_validate_json(
            json.dumps(data, default=str), strict=True, by_alias=True, by_name=False
        )
    except ValidationError as error:
        found += faults_of(error, cls, data, lines, name)
    if found:
        unique = dict.fromkeys(sorted(found, key=lambda fault: fault[0]))
        raise RecordError("\n".join(text for _, text in unique))
    return record


def _beside(source: Path | Traversable) -> str:
    """Suggest the YAML files that lie where the missing one was looked for."""
    if not isinstance(source, Path):
        return ""
    if not source.parent.is_dir():
        return f"; nor is there a folder {source.parent}"
    there = sorted(p.name for p in source.parent.iterdir() if p.suffix in (".yaml", ".yml"))
    return (f"; there are {', '.join(there[:12])}" if there else "") + nearest(source.name, there)
