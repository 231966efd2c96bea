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
    before, after = (
        {path: each for key, value in framework.to_dict().items() if key != "source" and not key.endswith("_from")
         for path, each in _leaves(_undocumented(value), key)}
        for framework in (old, new)
    )  # fmt: skip
    lines = []
    for path in dict.fromkeys([*before, *after]):
        was, now = (json.dumps(each.get(path), ensure_ascii=False) for each in (before, after))
        entry = path.rpartition("].")[0] + "]"
        if path in before and path in after:
            lines += [f"{path}: {was} -> {now}"] * (was != now)
        elif entry == "]" or (entry in before and entry in after):  # else the whole entry is told
            what = f"added {now}" if path in after else f"removed {was}"
            lines.append(f"{path}: {what.removesuffix(' null')}")
    orders = [each.criterion_ids for each in (old, new)]
    if set(orders[0]) == set(orders[1]) and orders[0] != orders[1]:
        lines.append(f"criteria: order {', '.join(orders[0])} -> {', '.join(orders[1])}")
    return lines


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value with its path; entries of a list go by their id, so that moving one changes nothing."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for at, each in enumerate(value):
            entry = f"{path}[{each.get('id') or each.get('criterion') or at}]"
            yield entry, None
            yield from _leaves(each, entry)
    elif value not in (None, [], ""):
        yield path, value
