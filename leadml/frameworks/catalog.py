"""The library of documented frameworks, and frameworks of a firm's own beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from leadml.exceptions import RecordError, UsageError
from leadml.frameworks.model import Common, Framework, Policy
from leadml.records import check_record, choose, load_record

FRAMEWORK_IDS: tuple[str, ...] = ("bant", "anum", "champ", "gpct", "faint", "madr")
"""The documented frameworks, in the order of the documents."""


@lru_cache(maxsize=1)
def load_common() -> Common:
    """What holds for every framework: sources, rubrics, policies without criteria, notes."""
    return load_record(files("leadml.frameworks") / "library" / "common.yaml", Common)


@lru_cache(maxsize=len(FRAMEWORK_IDS))
def _documented(framework_id: str) -> Framework:
    file = files("leadml.frameworks") / "library" / f"{framework_id}.yaml"
    return _completed(load_record(file, Framework), str(file))


def load_framework(framework: str | os.PathLike[str] | Mapping[str, Any] | Framework) -> Framework:
    """Load a framework: a documented one, or a firm's own.

    Parameters
    ----------
    framework : str, path, mapping or Framework
        One of `FRAMEWORK_IDS`, a YAML file, or what such a file holds.

    Returns
    -------
    Framework
        The record; its criteria have their five-level rubrics, its policies their criteria.

    Raises
    ------
    UsageError
        There is no framework of this id.
    RecordError
        The file or mapping breaks the schema, or takes an id that a documented framework has.

    Examples
    --------
    >>> bant = load_framework("bant")
    >>> [criterion.title for criterion in bant.criteria]
    ['Budget', 'Authority', 'Need', 'Timeframe']
    >>> bant.policy("bant-points").cutoff
    9
    >>> load_framework("bandt")
    Traceback (most recent call last):
    leadml.exceptions.UsageError: got framework 'bandt'; valid: bant, anum, ...; did you mean bant?
    """
    if isinstance(framework, Framework):
        return framework
    if isinstance(framework, Mapping):
        return _own(check_record(framework, Framework, "framework"), "framework")
    name = os.fspath(framework)
    if name in FRAMEWORK_IDS:
        return _documented(name)
    if not (isinstance(framework, os.PathLike) or os.path.exists(name) or name.endswith((".yaml", ".yml"))):  # noqa: PTH110
        valid = f"{', '.join(FRAMEWORK_IDS)}, or a YAML file{choose(name, FRAMEWORK_IDS)}"
        raise UsageError(f"got framework {name!r}; valid: {valid}")
    return _own(load_record(name, Framework), name)


def list_frameworks() -> tuple[Framework, ...]:
    """List the documented frameworks.

    Returns
    -------
    tuple of Framework
        In the order of the documents.

    Examples
    --------
    >>> [framework.id for framework in list_frameworks()]
    ['bant', 'anum', 'champ', 'gpct', 'faint', 'madr']
    """
    return tuple(map(_documented, FRAMEWORK_IDS))


def list_policies(frameworks: Sequence[Framework] = ()) -> tuple[Policy, ...]:
    """List all documented policies, those of further `frameworks`, and last those that need no criteria."""
    own = [framework for framework in frameworks if framework.id not in FRAMEWORK_IDS]
    return tuple(p for f in (*list_frameworks(), *own) for p in f.policies) + load_common().policies


def load_policy(policy_id: str, frameworks: Sequence[Framework] = ()) -> Policy:
    """One policy by its id, such as ``bant-ibm``, with the criteria of its framework.

    >>> load_policy("bant-ibm").cutoff, load_policy("bant-ibm").total_max
    (3, 4)
    """
    policies = {policy.id: policy for policy in list_policies(frameworks)}
    if policy_id not in policies:
        raise UsageError(f"got policy {policy_id!r}; valid: {', '.join(policies)}{choose(policy_id, policies)}")
    return policies[policy_id]


def _own(framework: Framework, name: str) -> Framework:
    """Keep a firm's own ids apart from the documented ones, in every file and log that names them."""
    taken = {policy.id for policy in list_policies()}
    faults = [f"id: got {framework.id!r}, a documented framework"] * (framework.id in FRAMEWORK_IDS)
    faults += [f"policies ({each.id}): a documented policy" for each in framework.policies if each.id in taken]
    contactable = [each.id for each in framework.policies if each.unit == "contactable"]
    faults += [f"policies ({each}): got unit contactable" for each in contactable]
    if faults:
        raise RecordError("\n".join(f"{name}: {each}; valid: one of your own; rename it" for each in faults))
    return _completed(framework, name)


def _completed(framework: Framework, name: str) -> Framework:
    """Give the criteria their rubrics, and the policies the criteria that they count."""
    rubrics = {rubric.id: rubric for rubric in load_common().rubrics}
    criteria = tuple(
        each
        if each.rubric
        else each.model_copy(update={"rubric": rubrics[each.id].levels, "rubric_from": rubrics[each.id].basis})
        for each in framework.criteria
    )
    counted = {"framework": framework.id, "criteria": framework.criterion_ids}
    policies = tuple(policy.model_copy(update=counted) for policy in framework.policies)
    for policy in policies:
        if policy.band_starts[-1] > policy.total_max:
            raise RecordError(
                f"{name}: policies ({policy.id}): got a band from {policy.band_starts[-1]}; "
                f"valid: at most {policy.total_max}, the highest score; lower it"
            )
    return framework.model_copy(update={"criteria": criteria, "policies": policies})
