"""YAML 1.2 text to plain data: keys are text as written, every path has its line, faults are gathered."""

import io
import re
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from leadml.exceptions import RecordError

MAX_NODES = 200_000
"""More values than this in one YAML file is a fault: a record is written by a person."""

Where = tuple[str | int, ...]
"""A path into the data: keys and positions."""


def compose(text: str, name: str) -> Node | None:
    """Parse YAML text into a node tree.

    Parameters
    ----------
    text : str
        The YAML.
    name : str
        What messages call the text.

    Returns
    -------
    Node or None
        The root; None when the text is empty.

    Raises
    ------
    RecordError
        The text is no YAML, or holds several documents.
    """
    try:
        documents = list(YAML(typ="safe", pure=True).compose_all(io.StringIO(text)))
    except MarkedYAMLError as error:
        raise RecordError(_syntax_fault(name, error, text)) from None
    except YAMLError as error:
        raise RecordError(f"{name}: is not YAML ({' '.join(str(error).split())})") from None
    if len(documents) > 1:
        raise RecordError(f"{name}: got {len(documents)} YAML documents; valid: one; split the file at ---")
    return cast("Node | None", documents[0]) if documents else None


class Tree:
    """Plain data of a YAML node tree, with the line of every path and the faults met on the way.

    Parameters
    ----------
    name : str
        What messages call the text.

    Attributes
    ----------
    lines : dict of path to int
        Where each path begins, from 1.
    faults : list of (int, str)
        Line and message of each fault.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Where, int] = {}
        self.faults: list[tuple[int, str]] = []
        self._open: set[int] = set()
        self._n_nodes = 0

    def plain(self, node: Node, where: Where) -> Any:
        """Turn a node into plain data, noting lines and faults.

        Parameters
        ----------
        node : Node
            What `compose` returned, or a part of it.
        where : tuple
            The path of `node`.

        Returns
        -------
        object
            Dicts with text keys, lists and scalars.

        Raises
        ------
        RecordError
            An anchor contains itself, or the file is beyond what a person writes.
        """
        self._n_nodes += 1
        line = self.lines.setdefault(where, node.start_mark.line + 1)
        if id(node) in self._open:
            raise RecordError(f"{self._at(where, line)}: the anchor contains itself; write the value out")
        if self._n_nodes > MAX_NODES:
            raise RecordError(
                f"{self._at(where, line)}: more than {MAX_NODES} values; valid: a file that a person wrote"
            )
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, where)
            if isinstance(node, SequenceNode):
                return [self.plain(child, (*where, i)) for i, child in enumerate(node.value)]
            return self._scalar(cast(ScalarNode, node), where, line)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.faults.append(
                    (line, f"{self._at(where, line)}: got a list or mapping as a key; valid: text")
                )
                continue
            key = str(key_node.value)
            at = (*where, key)
            if key in data:
                first = self.lines[at]
                self.faults.append(
                    (
                        line,
                        f"{self._at(at, line)}: given twice, first on line {first}; valid: once; remove one",
                    )
                )
                continue
            self.lines[at] = line
            data[key] = self.plain(value_node, at)
        return data

    def _scalar(self, node: ScalarNode, where: Where, line: int) -> Any:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if kind == "str":
            return node.value
        if kind in ("null", "bool", "int", "float", "timestamp"):
            return core_scalar(node.value)
        self.faults.append(
            (line, f"{self._at(where, line)}: got the tag {node.tag}; valid: plain YAML; remove the tag")
        )
        return None

    def _at(self, where: Where, line: int) -> str:
        return f"{self.name}: {path_text(where)} (line {line})"


def core_scalar(text: str) -> Any:
    """Resolve a plain scalar by the core schema of YAML 1.2.

    Parameters
    ----------
    text : str
        The scalar as written.

    Returns
    -------
    None, bool, int, float or str
        Its value.
    """
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


def path_text(where: Where) -> str:
    """Write a path as `criteria.budget.edges[2]`.

    Parameters
    ----------
    where : tuple
        The path.

    Returns
    -------
    str
        The path in words; ``the file`` for the root.
    """
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


def _syntax_fault(name: str, error: MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    shown = lines[line - 1] if line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in str(error.problem):
        return f"{name}: line {line}: got a tab; valid: spaces, YAML's only indentation; replace the tab"
    problem = " ".join(filter(None, [error.context, error.problem]))
    return (
        f"{name}: line {line}: is not YAML ({problem}) in {shown.strip()!r}; "
        "check quotes, colons and indentation"
    )
