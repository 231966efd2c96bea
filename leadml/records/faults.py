"""What pydantic found wrong, in words: what came, what is valid, what to do."""

import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from leadml.records.words import nearest
from leadml.records.yaml_text import Where, core_scalar, path_text


def faults_of(
    error: ValidationError, cls: type[BaseModel], data: Any, lines: Mapping[Where, int], name: str
) -> list[tuple[int, str]]:
    """List the faults of a validation with their lines.

    Parameters
    ----------
    error : ValidationError
        What pydantic raised.
    cls : type of BaseModel
        What the data should have been.
    data : object
        The data as read.
    lines : mapping of paths to int
        Where each path begins, from 1; may be empty.
    name : str
        What messages call the data.

    Returns
    -------
    list of (int, str)
        Line (0 when unknown) and message, one a faulty path.
    """
    details: dict[Where, list[Any]] = {}
    for detail in error.errors(include_url=False):
        where = _in_data(detail["loc"], data, keep_last=detail["type"] == "missing")
        details.setdefault(where, []).append(detail)
    found = []
    for where, here in details.items():
        line = next((lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines), 0)
        place = f"{path_text(where)} (line {line})" if line else path_text(where)
        found.append((line, f"{name}: {place}: {_fault_text(cls, where, here)}"))
    return found


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


def _fault_text(cls: type[BaseModel], where: Where, details: Sequence[Any]) -> str:
    """Say what came, what is valid and what to do; details at one place are the members of a union."""
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
    return f"got {value_text(got)}; valid: {valid}; {_todo_text(kind, got, valid)}"


def _valid_text(detail: Any) -> str:
    if detail["type"] in ("literal_error", "enum"):
        return str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
    if detail["type"] in ("value_error", "assertion_error"):
        return str(detail["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _VALID.get(detail["type"]) or str(detail["msg"]).removeprefix("Input should be ").removeprefix(
        "a valid "
    )


def _todo_text(kind: str, got: object, valid: str) -> str:
    if kind in ("literal_error", "enum"):
        return nearest(str(got), valid.split(", ")).removeprefix("; ") or "choose one of these"
    if kind == "string_type" and isinstance(got, bool | int | float):
        return f'put it in quotes: "{json.dumps(got)}"'
    if (
        kind in ("int_type", "float_type")
        and isinstance(got, str)
        and isinstance(core_scalar(got), int | float)
    ):
        return "remove the quotes"
    if kind in ("tuple_type", "list_type") and not isinstance(got, dict):
        return f"write it as a list: [{'' if got is None else got}]"
    return "give a value or remove the key" if got is None else "correct it"


def value_text(value: object) -> str:
    """Show a value in a message, shortened.

    Parameters
    ----------
    value : object
        What came.

    Returns
    -------
    str
        At most some 60 characters.
    """
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


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def keys_text(cls: type[BaseModel]) -> str:
    """List the keys that a record cannot do without.

    Parameters
    ----------
    cls : type of BaseModel
        The record type.

    Returns
    -------
    str
        ``keys a, b``; all keys when none is required.
    """
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
