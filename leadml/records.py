"""YAML to strict frozen records (pydantic): every fault of a file at once, with file, path and line.

YAML is read as version 1.2, so that ``no`` and ``2026-01-01`` stay text until a field asks for something
else; keys are text, as written; a key that is given twice is a fault. Nothing is coerced: ``"3"`` is not 3.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from leadml.exceptions import RecordError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pydantic.fields import FieldInfo

MAX_NODES, MAX_DEPTH = 200_000, 100  # a record is written by a person
Where = tuple[str | int, ...]
Lines = dict[Where, int]
Faults = list[tuple[int, Where, str]]  # line (0: unknown), place and message


class Record(BaseModel):
    """Base of everything that leadml reads from YAML: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True, defer_build=True)


R = TypeVar("R", bound=Record)


def load_record(path: str | os.PathLike[str] | Traversable, cls: type[R]) -> R:
    """Read one record from a YAML file; the message of a RecordError has one line a fault."""
    source = Path(path) if isinstance(path, str | os.PathLike) else path
    try:
        return parse_record(source.read_bytes().decode("utf-8-sig"), cls, str(source))
    except FileNotFoundError:
        there = sorted(each.name for each in Path(str(source)).parent.glob("*.y*ml"))
        known = f"; there are {', '.join(there[:12])}" if there else ""
        fault = f"no such file{known}{nearest(source.name, there)}"
    except IsADirectoryError:
        fault = "got a folder; valid: a YAML file; name the file itself"
    except UnicodeDecodeError as error:
        fault = f"byte {error.start} is not UTF-8; valid: UTF-8 text; save the file as UTF-8"
    except OSError as error:
        fault = f"cannot be read ({error.strerror}); check its permissions"
    raise RecordError(f"{source}: {fault}")


def parse_record(text: str, cls: type[R], name: str = "record") -> R:
    """Read one record from YAML text; messages call it `name`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe", pure=True).compose(io.StringIO(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark else 1
        shown = dict(enumerate(text.splitlines(), 1)).get(line, "")
        told = filter(None, (getattr(error, part, None) for part in ("context", "problem")))
        problem = " ".join(told) or " ".join(str(error).split())
        fault = f"is not YAML ({problem}) in {shown.strip()!r}; check quotes, colons and indentation"
        if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in problem:
            fault = "got a tab; valid: spaces, YAML's only indentation; replace the tab"
        raise RecordError(f"{name}: line {line}: {fault}") from None
    lines, faults = Lines(), Faults()
    data = None if document is None else _plain(document, (), lines, faults, name)
    return _validate(data, cls, name, lines, faults)


def check_record(data: object, cls: type[R], name: str = "record") -> R:
    """Make a record from plain Python data (or return the record it is), as strictly as from a file."""
    return data if isinstance(data, cls) else _validate(data, cls, name, {}, [])


def dump_record(record: Record) -> str:
    """Write a record as YAML text that `parse_record` reads back as an equal one; defaults are left out."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 110
    yaml.dump(record.model_dump(mode="json", by_alias=True, exclude_defaults=True), stream := io.StringIO())
    return stream.getvalue()


def digest_record(record: Record, **some: Any) -> str:
    """SHA-256 of what a record says, whatever its layout, comments or order of keys."""
    plain = record.model_dump(mode="json", by_alias=True, **some)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def nearest(word: str, valid: Iterable[str]) -> str:
    """``"; did you mean X?"`` for the valid word that is nearest, or "" when none is near."""
    import difflib

    lowered = {each.lower(): each for each in valid}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f"; did you mean {lowered[found[0]]}?" if found else ""


def choose(word: str, valid: Iterable[str]) -> str:
    """What to do about a word that is none of the valid ones: the nearest of them, or a choice."""
    return nearest(word, valid) or "; choose one of these"


def path_text(where: Where) -> str:
    """Write a path as `criteria.budget.edges[2]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.removeprefix(".") or "the file"


def value_text(value: object) -> str:
    """Show a value in a message, in at most some 60 characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"keys and values ({', '.join(map(str, list(value)[:5]))})" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return text if len(text := repr(value)) <= 60 else text[:57] + "..."


def _plain(node: Any, where: Where, lines: Lines, faults: Faults, name: str) -> Any:
    """Turn a node into dicts with text keys, lists and scalars, noting the line of every path."""
    line = lines.setdefault(where, node.start_mark.line + 1)
    if len(lines) > MAX_NODES or len(where) > MAX_DEPTH:
        more = f"more than {MAX_NODES} values, or {MAX_DEPTH} deep (does an anchor contain itself?)"
        raise RecordError(f"{name}: line {line}: {more}; valid: a file that a person wrote")
    if node.id == "sequence":
        return [_plain(child, (*where, i), lines, faults, name) for i, child in enumerate(node.value)]
    if node.id == "scalar":
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if kind not in ("str", "null", "bool", "int", "float", "timestamp"):
            faults.append((line, where, f"got the tag {node.tag}; valid: plain YAML; remove the tag"))
        return node.value if kind == "str" else _core_scalar(node.value)
    data: dict[str, Any] = {}
    for key, value in node.value:
        line, at = key.start_mark.line + 1, (*where, str(key.value))
        if key.id != "scalar":
            faults.append((line, where, "got a list or mapping as a key; valid: text"))
        elif key.value in data:
            faults.append((line, at, f"given twice, first on line {lines[at]}; valid: once; remove one"))
        else:
            lines[at] = line
            data[key.value] = _plain(value, at, lines, faults, name)
    return data


def _core_scalar(text: str) -> Any:
    """Resolve a plain scalar by the core schema of YAML 1.2 (section 10.3)."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        return float(text.replace(".", ""))
    return text


def _validate(data: object, cls: type[R], name: str, lines: Lines, faults: Faults) -> R:
    if not isinstance(data, Mapping):
        known = {field.alias or key: field.is_required() for key, field in cls.model_fields.items()}
        keys = ", ".join([key for key, is_required in known.items() if is_required] or known)
        valid = f"keys and values (keys {keys}); write `key: value` lines"
        raise RecordError(f"{name}: got {value_text(data)}; valid: {valid}")
    try:
        plain = json.dumps(data, default=_to_json)
        record = cls.model_validate_json(plain, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        faults = [*faults, *_faults_of(error, cls, data, lines)]
    if faults:
        # By line; equal faults once. Without lines the order is the record's.
        ordered = sorted(faults, key=lambda fault: fault[0])
        said = (f"{name}: {path_text(at)}{f' (line {line})' if line else ''}: {text}" for line, at, text in ordered)
        raise RecordError("\n".join(dict.fromkeys(said)))
    return record


def _to_json(value: Any) -> Any:
    """Numpy's numbers, records, sets and dates inside plain data."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _faults_of(
    error: ValidationError, cls: type[BaseModel], data: Any, lines: Lines
) -> Iterator[tuple[int, Where, str]]:
    details: dict[Where, list[Any]] = {}
    for detail in error.errors(include_url=False):
        where, here = [], data
        for i, part in enumerate(detail["loc"]):  # the names of union members are no part of the data
            here = dict(enumerate(here)) if isinstance(here, list | tuple) else here
            if isinstance(here, Mapping) and part in here:
                here = here[part]
            elif detail["type"] != "missing" or i < len(detail["loc"]) - 1:
                continue
            where.append(part)
        details.setdefault(tuple(where), []).append(detail)
    for at, same in details.items():
        line = next((lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in lines), 0)
        yield line, at, _fault_text(_fields_at(cls, at[:-1]), str(at[-1]) if at else "", same)


def _fields_at(kind: Any, where: Where) -> dict[str, FieldInfo]:
    """Fields, by their keys, of the records that may stand at a path of a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        if not where:
            return fields
        return _fields_at(fields[str(where[0])].annotation, where[1:]) if where[0] in fields else {}
    found: dict[str, FieldInfo] = {}
    for each in get_args(kind):
        found |= _fields_at(each, where[1:] if get_origin(kind) in (dict, tuple) else where)
    return found


_VALID = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "bool_type": "true or false", "tuple_type": "a list", "list_type": "a list",
    "dict_type": "keys and values", "model_type": "keys and values",
}  # fmt: skip
_TYPES: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _fault_text(keys: Mapping[str, FieldInfo], key: str, details: Sequence[Any]) -> str:
    """Say what came, what is valid and what to do; details at one place are the members of a union."""
    kind, got = details[0]["type"], details[0]["input"]
    if kind == "extra_forbidden":
        return f"unknown key; valid: {', '.join(sorted(keys))}{nearest(key, keys) or '; remove it'}"
    if kind == "missing":
        field = keys.get(key)
        valid = field and (field.description or _TYPES.get(field.annotation))
        return f"is missing{f'; valid: {valid}' if valid else ''}; add it"
    texts = []
    for each in details:
        said = re.sub("^(Value error, |Input should be (a valid )?)", "", str(each["msg"]))
        if each["type"] in ("too_short", "too_long"):
            said = re.sub(".* (at (least|most) [0-9]+) .*", r"\1", said)
        if each["type"] == "literal_error":
            said = str(each["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
        texts.append(_VALID.get(each["type"], said))
    if kind == "value_error":
        return texts[0]
    valid, todo = ", or ".join(dict.fromkeys(texts)), "correct it"
    if kind == "literal_error":
        todo = choose(str(got), valid.split(", ")).removeprefix("; ")
    elif kind == "string_type" and isinstance(got, bool | int | float):
        todo = f'put it in quotes: "{json.dumps(got)}"'
    elif kind in ("int_type", "float_type") and isinstance(got, str) and isinstance(_core_scalar(got), int | float):
        todo = "remove the quotes"
    elif kind in ("tuple_type", "list_type") and not isinstance(got, Mapping):
        todo = f"write it as a list: [{'' if got is None else got}]"
    elif got is None:
        todo = "give a value or remove the key"
    return f"got {value_text(got)}; valid: {valid}; {todo}"
