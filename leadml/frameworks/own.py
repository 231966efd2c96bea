"""A firm's own framework in YAML: begin one from a documented framework, check it, and compare two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from leadml.exceptions import UsageError
from leadml.frameworks.catalog import FRAMEWORK_IDS, load_common, load_framework
from leadml.frameworks.model import Framework
from leadml.records import check_record, dump_record

HEAD = """\
# {title}: a framework of your own, begun from {base}. Check it: leadml frameworks check FILE
# Criteria are among the 13 canonical ones; rename, drop or add (id, title, question; rubric: 5 meanings).
# unit: met counts criteria from level 2 up, points adds levels; weights: {{need: 2}} counts one twice.
# Bands ascend from 0; one begins at the cut-off; decision: ready from there up, wait or no-match below.
"""
_OF_THE_DOCUMENT = {"source", "basis", "attributed_to", "reading", "framework", "criteria", "when_from"}


def new_framework(framework_id: str, *, base: str = "bant", title: str = "") -> str:
    """YAML text to be edited: the criteria, rules, gates and caveats of `base` under new ids."""
    if framework_id in FRAMEWORK_IDS:
        raise UsageError(f"got the id {framework_id!r}, a documented framework; valid: one of your own; choose another")
    model = load_framework(base)
    rubrics = {rubric.id: list(rubric.levels) for rubric in load_common().rubrics}
    draft: dict[str, Any] = {"id": framework_id, "title": title or framework_id, "summary": model.summary}
    draft |= {name: _undocumented(model.to_dict()[name]) for name in ("criteria", "policies", "gates", "caveats")}
    for criterion in draft["criteria"]:
        if criterion["rubric"] == rubrics[criterion["id"]]:
            del criterion["rubric"]
    for policy in draft["policies"]:
        policy["id"] = f"{framework_id}-{policy['id'].removeprefix(model.id + '-')}"
    record = check_record(draft, Framework, framework_id)
    return HEAD.format(title=record.title, base=base) + dump_record(record)


def _undocumented(value: Any) -> Any:
    """Leave out what only holds of the document."""
    if isinstance(value, Mapping):
        kept = {key: each for key, each in value.items() if not key.endswith("_from")}
        return {key: _undocumented(each) for key, each in kept.items() if key not in _OF_THE_DOCUMENT}
    return [_undocumented(each) for each in value] if isinstance(value, list) else value


def diff_frameworks(old: Framework, new: Framework) -> list[str]:
    """What changed from one framework to the other, a line a change; sources are not compared."""
    before, after = (framework.to_dict() for framework in (old, new))
    keys = [key for key in before if key != "source" and not key.endswith("_from")]
    return [line for key in keys for line in _changes(key, _undocumented(before[key]), _undocumented(after[key]))]


def _changes(path: str, was: Any, now: Any) -> Iterator[str]:
    """Entries of a list go by their id, so that moving one changes nothing but the order."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*was, *now]):
            yield from _changes(f"{path}.{key}", was.get(key), now.get(key))
        return
    was, now = (None if each in ([], "") else each for each in (was, now))
    before, after = _by_id(was), _by_id(now)
    for key in dict.fromkeys([*before, *after]):
        if key in before and key in after:
            yield from _changes(f"{path}[{key}]", before[key], after[key])
        else:
            yield f"{path}[{key}]: {'added' if key in after else 'removed'}"
    if [*before] != [*after] and {*before} == {*after}:
        yield f"{path}: order {', '.join(before)} -> {', '.join(after)}"
    if not before and not after and was != now:
        old, new = (json.dumps(each, ensure_ascii=False) for each in (was, now))
        yield f"{path}: {f'added {new}' if was is None else f'removed {old}' if now is None else f'{old} -> {new}'}"


def _by_id(value: Any) -> dict[str, Any]:
    entries = value if isinstance(value, list) and isinstance(value[0], Mapping) else []
    return {str(each.get("id") or each.get("criterion") or at): each for at, each in enumerate(entries)}
