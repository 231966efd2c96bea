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
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from leadml.exceptions import RecordError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MAX_NODES, MAX_DEPTH = 200_000, 100  # a record is written by a person
Where = tuple[str | int, ...]
Faults = list[tuple[int, str]]  # line (0: unknown) and message


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
        fault = f"no such file{_beside(source)}"
    except IsADirectoryError:
        fault = "got a folder; valid: a YAML file; name the file itself"
    except UnicodeDecodeError as error:
        fault = f"byte {error.start} is not UTF-8; valid: UTF-8 text; save the file as UTF-8"
    except OSError as error:
        fault = f"cannot be read ({error.strerror}); check its permissions"
    raise RecordError(f"{source}: {fault}")


def parse_record(text: str, cls: type[R], name: str = "record") -> R:
    """Read one record from YAML text; messages call it `name`."""
    root = _compose(text, name)
    if root is None:
        raise RecordError(f"{name}: is empty; valid: {_keys_text(cls)}; write at least the required keys")
    tree = _Tree(name)
    return _validate(tree.plain(root, ()), cls, name, tree.lines, tree.faults)


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


def digest_record(record: Record) -> str:
    """SHA-256 of what a record says, whatever its layout, comments or order of keys."""
    plain = record.model_dump(mode="json", by_alias=True)
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


def _compose(text: str, name: str) -> Any:
    """Parse YAML text into its root node; None when it is empty."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        documents = list(YAML(typ="safe", pure=True).compose_all(io.StringIO(text)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        shown = dict(enumerate(text.splitlines(), 1)).get(line, "")
        if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in str(error.problem):
            fault = "got a tab; valid: spaces, YAML's only indentation; replace the tab"
        else:
            problem = " ".join(filter(None, [error.context, error.problem]))
            fault = f"is not YAML ({problem}) in {shown.strip()!r}; check quotes, colons and indentation"
        raise RecordError(f"{name}: line {line}: {fault}") from None
    except YAMLError as error:
        raise RecordError(f"{name}: is not YAML ({' '.join(str(error).split())})") from None
    if len(documents) > 1:
        raise RecordError(f"{name}: got {len(documents)} YAML documents; valid: one; split the file at ---")
    return documents[0] if documents else None


class _Tree:
    """Plain data of a tree of nodes, with the line of every path and the faults met on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Where, int] = {}
        self.faults: Faults = []
        self._n_nodes = 0

    def plain(self, node: Any, where: Where) -> Any:
        """Turn a node into dicts with text keys, lists and scalars."""
        self._n_nodes += 1
        line = self.lines.setdefault(where, node.start_mark.line + 1)
        if self._n_nodes > MAX_NODES or len(where) > MAX_DEPTH:
            more = f"more than {MAX_NODES} values, or {MAX_DEPTH} deep (does an anchor contain itself?)"
            raise RecordError(f"{self.name}: line {line}: {more}; valid: a file that a person wrote")
        if node.id == "mapping":
            return self._mapping(node, where)
        if node.id == "sequence":
            return [self.plain(child, (*where, i)) for i, child in enumerate(node.value)]
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if kind == "str":
            return node.value
        if kind not in ("null", "bool", "int", "float", "timestamp"):
            self._fault(where, line, f"got the tag {node.tag}; valid: plain YAML; remove the tag")
            return None
        return _core_scalar(node.value)

    def _mapping(self, node: Any, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line, at = key_node.start_mark.line + 1, (*where, str(key_node.value))
            if key_node.id != "scalar":
                self._fault(where, line, "got a list or mapping as a key; valid: text")
            elif key_node.value in data:
                self._fault(at, line, f"given twice, first on line {self.lines[at]}; valid: once; remove one")
            else:
                self.lines[at] = line
                data[key_node.value] = self.plain(value_node, at)
        return data

    def _fault(self, where: Where, line: int, text: str) -> None:
        self.faults.append((line, f"{self.name}: {path_text(where)} (line {line}): {text}"))


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


def _beside(source: Path | Traversable) -> str:
    """Suggest the YAML files that lie where the missing one was looked for."""
    if not isinstance(source, Path):
        return ""
    if not source.parent.is_dir():
        return f"; nor is there a folder {source.parent}"
    there = sorted(each.name for each in source.parent.iterdir() if each.suffix in (".yaml", ".yml"))
    return (f"; there are {', '.join(there[:12])}" if there else "") + nearest(source.name, there)


def _validate(data: object, cls: type[R], name: str, lines: Mapping[Where, int], faults: Faults) -> R:
    if not isinstance(data, Mapping):
        raise RecordError(
            f"{name}: got {value_text(data)}; valid: keys and values ({_keys_text(cls)}); write `key: value` lines"
        )
    found = list(faults)
    try:
        plain = json.dumps(data, default=_plain)
        record = cls.model_validate_json(plain, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        found += _faults_of(error, cls, data, lines, name)
    if found:
        # By line; equal faults once. Without lines the order is the record's.
        raise RecordError("\n".join(dict.fromkeys(text for _, text in sorted(found, key=lambda f: f[0]))))
    return record


def _plain(value: Any) -> Any:
    """Numpy's numbers, records, sets and dates inside plain data."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _faults_of(
    error: ValidationError, cls: type[BaseModel], data: Any, lines: Mapping[Where, int], name: str
) -> Iterator[tuple[int, str]]:
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
    schema = cls.model_json_schema()
    for at, same in details.items():
        line = next((lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in lines), 0)
        place = f"{path_text(at)} (line {line})" if line else path_text(at)
        keys: dict[str, Any] = {}
        for each in _schemas_at(schema, schema.get("$defs", {}), at[:-1]):
            keys |= each.get("properties", {})
        yield line, f"{name}: {place}: {_fault_text(keys, str(at[-1]) if at else '', same)}"


def _schemas_at(schema: Any, known: Mapping[str, Any], where: Where) -> Iterator[Mapping[str, Any]]:
    """What may stand at a path, of a JSON schema."""
    if "$ref" in schema:
        yield from _schemas_at(known[schema["$ref"].rpartition("/")[2]], known, where)
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _schemas_at(each, known, where)
    elif not where:
        yield schema
    else:
        inside = schema.get("properties", {}).get(where[0], schema.get("additionalProperties", schema.get("items")))
        if isinstance(inside, dict):
            yield from _schemas_at(inside, known, where[1:])


_VALID = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "bool_type": "true or false", "tuple_type": "a list", "list_type": "a list",
    "dict_type": "keys and values", "model_type": "keys and values", "date_type": "a date as YYYY-MM-DD",
    "date_from_datetime_parsing": "a date as YYYY-MM-DD", "date_parsing": "a date as YYYY-MM-DD",
}  # fmt: skip
_TYPES = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}


def _fault_text(keys: Mapping[str, Any], key: str, details: Sequence[Any]) -> str:
    """Say what came, what is valid and what to do; details at one place are the members of a union."""
    kind, got = details[0]["type"], details[0]["input"]
    if kind == "extra_forbidden":
        return f"unknown key; valid: {', '.join(sorted(keys))}{nearest(key, keys) or '; remove it'}"
    if kind == "missing":
        known = keys.get(key, {})
        valid = known.get("description") or _TYPES.get(known.get("type"), "")
        return f"is missing{f'; valid: {valid}' if valid else ''}; add it"
    if kind in ("value_error", "assertion_error"):
        return _valid_text(details[0])
    valid = ", or ".join(dict.fromkeys(map(_valid_text, details)))
    return f"got {value_text(got)}; valid: {valid}; {_todo_text(kind, got, valid)}"


def _valid_text(detail: Any) -> str:
    kind, message = detail["type"], str(detail["msg"])
    if kind in ("literal_error", "enum"):
        return str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
    return _VALID.get(kind) or re.sub("^(Value error, |Assertion failed, |Input should be (a valid )?)", "", message)


def _todo_text(kind: str, got: object, valid: str) -> str:
    if kind in ("literal_error", "enum"):
        return choose(str(got), valid.split(", ")).removeprefix("; ")
    if kind == "string_type" and isinstance(got, bool | int | float):
        return f'put it in quotes: "{json.dumps(got)}"'
    if kind in ("int_type", "float_type") and isinstance(got, str) and isinstance(_core_scalar(got), int | float):
        return "remove the quotes"
    if kind in ("tuple_type", "list_type") and not isinstance(got, Mapping):
        return f"write it as a list: [{'' if got is None else got}]"
    return "give a value or remove the key" if got is None else "correct it"


def _keys_text(cls: type[BaseModel]) -> str:
    keys = {field.alias or name: field.is_required() for name, field in cls.model_fields.items()}
    return "keys " + ", ".join([each for each, is_required in keys.items() if is_required] or keys)
