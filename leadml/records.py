"""YAML to frozen records: strict, and every fault of a file at once with its path and line.

A record is a pydantic model that cannot be changed once made. Its YAML is read as YAML 1.2, so that ``no`` and
``2026-01-01`` stay text until a field asks for something else; keys are always text, as written; a key that is
given twice is a fault. Nothing is coerced: ``"3"`` is not 3.
"""

import difflib
import hashlib
import io
import json
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from leadml.exceptions import RecordError

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

CANONICAL: tuple[str, ...] = (
    "budget",
    "funds",
    "authority",
    "need",
    "challenges",
    "desire",
    "interest",
    "urgency",
    "timeline",
    "prioritization",
    "goals",
    "plans",
    "response",
)
"""The 13 canonical criteria that a lead is described in, whatever framework reads them."""

MAX_NODES = 200_000
"""More values than this in one YAML file is a fault: a record is written by a person."""

Where = tuple[str | int, ...]


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
    tree = _Tree(name)
    try:
        documents = list(YAML(typ="safe", pure=True).compose_all(io.StringIO(text)))
    except MarkedYAMLError as error:
        raise RecordError(_syntax_fault(name, error, text)) from None
    except YAMLError as error:
        raise RecordError(f"{name}: is not YAML ({' '.join(str(error).split())})") from None
    if not documents or documents[0] is None:
        raise RecordError(f"{name}: is empty; valid: {_keys_text(cls)}; write at least the required keys")
    if len(documents) > 1:
        raise RecordError(f"{name}: got {len(documents)} YAML documents; valid: one; split the file at ---")
    data = tree.plain(documents[0], ())
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
    """Digest what a record says: the same for two files that differ only in layout, comments or order of keys.

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


def nearest(word: str, valid: Sequence[str]) -> str:
    """Say which valid word was probably meant.

    Parameters
    ----------
    word : str
        What came.
    valid : sequence of str
        What could have come.

    Returns
    -------
    str
        ``"; did you mean X?"``, or an empty string when nothing is near.
    """
    lowered = {v.lower(): v for v in valid}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f"; did you mean {lowered[found[0]]}?" if found else ""


# ---------------------------------------------------------------- YAML nodes to plain data


class _Tree:
    """Plain data of a YAML node tree, with the line of every path and the faults met on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Where, int] = {}
        self.faults: list[tuple[int, str]] = []
        self._open: set[int] = set()
        self._n_nodes = 0

    def plain(self, node: Node, where: Where) -> Any:
        self._n_nodes += 1
        line = self.lines.setdefault(where, node.start_mark.line + 1)
        if id(node) in self._open:
            raise RecordError(f"{self._at(where, line)}: the anchor contains itself; write the value out")
        if self._n_nodes > MAX_NODES:
            raise RecordError(f"{self._at(where, line)}: more than {MAX_NODES} values; valid: a file that a person wrote")
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, where)
            if isinstance(node, SequenceNode):
                return [self.plain(child, (*where, i)) for i, child in enumerate(node.value)]
            return self._scalar(typing.cast(ScalarNode, node), where, line)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.faults.append((line, f"{self._at(where, line)}: got a list or mapping as a key; valid: text"))
                continue
            key = str(key_node.value)
            at = (*where, key)
            if key in data:
                first = self.lines[at]
                self.faults.append(
                    (line, f"{self._at(at, line)}: given twice, first on line {first}; valid: once; remove one")
                )
                continue
            self.lines[at] = line
            data[key] = self.plain(value_node, at)
        return data

    def _scalar(self, node: ScalarNode, where: Where, line: int) -> Any:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if kind == "str" or node.style in ("'", '"', "|", ">"):
            return node.value
        if kind in ("null", "bool", "int", "float", "timestamp"):
            return _core_scalar(node.value)
        self.faults.append((line, f"{self._at(where, line)}: got the tag {node.tag}; valid: plain YAML; remove the tag"))
        return None

    def _at(self, where: Where, line: int) -> str:
        return f"{self.name}: {_path_text(where)} (line {line})"


def _core_scalar(text: str) -> Any:
    """Resolve a plain scalar by the core schema of YAML 1.2."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in ("true", "True", "TRUE", "false", "False", "FALSE"):
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


def _syntax_fault(name: str, error: MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    shown = lines[line - 1] if line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in str(error.problem):
        return f"{name}: line {line}: got a tab where YAML wants spaces; valid: spaces; replace the tab by spaces"
    problem = " ".join(filter(None, [error.context, error.problem]))
    return f"{name}: line {line}: is not YAML ({problem}) in {shown.strip()!r}; check quotes, colons and indentation"


def _beside(source: Path | Traversable) -> str:
    """Suggest the YAML files that lie where the missing one was looked for."""
    if not isinstance(source, Path):
        return ""
    if not source.parent.is_dir():
        return f"; nor is there a folder {source.parent}"
    there = sorted(p.name for p in source.parent.iterdir() if p.suffix in (".yaml", ".yml"))
    return (f"; there are {', '.join(there[:12])}" if there else "") + nearest(source.name, there)


# ---------------------------------------------------------------- plain data to a record


def _validate(
    data: object, cls: type[R], name: str, lines: Mapping[Where, int], faults: Sequence[tuple[int, str]]
) -> R:
    if not isinstance(data, Mapping):
        raise RecordError(
            f"{name}: got {_value_text(data)}; valid: keys and values ({_keys_text(cls)}); write `key: value` lines"
        )
    found = list(faults)
    try:
        record = cls.model_validate_json(json.dumps(data, default=str), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        details: dict[Where, list[Any]] = {}
        for detail in error.errors(include_url=False):
            where = _in_data(detail["loc"], data, keep_last=detail["type"] == "missing")
            details.setdefault(where, []).append(detail)
        for where, here in details.items():
            line = next((lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines), 0)
            place = f"{_path_text(where)} (line {line})" if line else _path_text(where)
            found.append((line, f"{name}: {place}: {_fault_text(cls, where, here)}"))
    if found:
        unique = dict.fromkeys(sorted(found, key=lambda fault: fault[0]))
        raise RecordError("\n".join(text for _, text in unique))
    return record


def _in_data(loc: Where, data: Any, *, keep_last: bool) -> Where:
    """Keep the parts of a pydantic location that exist in the data; the names of union members do not."""
    where: list[str | int] = []
    for i, part in enumerate(loc):
        inside = (isinstance(data, Mapping) and part in data) or (
            isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        )
        if inside:
            data = data[part]
            where.append(part)
        elif keep_last and i == len(loc) - 1:
            where.append(part)
    return tuple(where)


_VALID = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "date_type": "a date as YYYY-MM-DD",
    "date_from_datetime_parsing": "a date as YYYY-MM-DD",
    "date_parsing": "a date as YYYY-MM-DD",
}


def _fault_text(cls: type[Record], where: Where, details: Sequence[Any]) -> str:
    """Say what came, what is valid and what to do; several details at one place are the members of a union."""
    kind, got = details[0]["type"], details[0]["input"]
    if kind == "extra_forbidden":
        keys = sorted({key for model in _models_at(cls, where[:-1]) for key in _keys(model)})
        return f"unknown key; valid: {', '.join(keys)}{nearest(str(where[-1]), keys) or '; remove it'}"
    if kind == "missing":
        takes = {_annotation_text(m, str(where[-1])) for m in _models_at(cls, where[:-1])} - {""}
        return "is missing" + "".join(f"; valid: {text}" for text in sorted(takes)) + "; add it"
    if kind in ("value_error", "assertion_error"):
        return str(details[0]["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    valid = ", or ".join(dict.fromkeys(_valid_text(detail) for detail in details))
    return f"got {_value_text(got)}; valid: {valid}; {_todo_text(kind, got, valid)}"


def _valid_text(detail: Any) -> str:
    if detail["type"] in ("literal_error", "enum"):
        return str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
    if detail["type"] in ("value_error", "assertion_error"):
        return str(detail["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _VALID.get(detail["type"]) or str(detail["msg"]).removeprefix("Input should be ").removeprefix("a valid ")


def _todo_text(kind: str, got: object, valid: str) -> str:
    if kind in ("literal_error", "enum"):
        return nearest(str(got), valid.split(", ")).removeprefix("; ") or "choose one of these"
    if kind == "string_type" and isinstance(got, bool | int | float):
        return f'put it in quotes: "{json.dumps(got)}"'
    if kind in ("int_type", "float_type") and isinstance(got, str) and isinstance(_core_scalar(got), int | float):
        return "remove the quotes"
    if kind in ("tuple_type", "list_type") and not isinstance(got, dict):
        return f"write it as a list: [{'' if got is None else got}]"
    return "give a value or remove the key" if got is None else "correct it"


def _value_text(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"keys and values ({', '.join(map(str, list(value)[:5]))})" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _path_text(where: Where) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _keys_text(cls: type[Record]) -> str:
    required = [f.alias or name for name, f in cls.model_fields.items() if f.is_required()]
    return "keys " + ", ".join(required or _keys(cls))


def _models_at(cls: type[BaseModel], where: Where) -> list[type[BaseModel]]:
    """List the record types that may stand at a path, by walking the annotations."""
    annotations: list[Any] = [cls]
    for part in where:
        step: list[Any] = []
        for model in _models_in(annotations):
            step += [f.annotation for name, f in model.model_fields.items() if part in (name, f.alias)]
        for note in _flat(annotations):
            arguments = typing.get_args(note)
            if arguments:
                step.append(arguments[-1] if typing.get_origin(note) is dict else arguments[0])
        annotations = step
    return list(_models_in(annotations))


def _models_in(annotations: Sequence[Any]) -> Iterator[type[BaseModel]]:
    return (note for note in _flat(annotations) if isinstance(note, type) and issubclass(note, BaseModel))


def _flat(annotations: Sequence[Any]) -> Iterator[Any]:
    """Take unions and Annotated apart."""
    for note in annotations:
        origin = typing.get_origin(note)
        if origin is typing.Union or origin is types.UnionType:
            yield from _flat(typing.get_args(note))
        elif origin is typing.Annotated:
            yield from _flat(typing.get_args(note)[:1])
        else:
            yield note


def _annotation_text(model: type[BaseModel], key: str) -> str:
    """Say in words what a required key takes."""
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            if field.description:
                return field.description
            simple = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
            return simple.get(field.annotation, "") if isinstance(field.annotation, type) else ""
    return ""
