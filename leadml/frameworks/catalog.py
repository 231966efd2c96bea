"""The library of documented frameworks that ships with leadml."""

from functools import lru_cache
from importlib.resources import files

from leadml.exceptions import RecordError, UsageError
from leadml.frameworks.model import Common, Framework, Policy
from leadml.records import load_record, nearest

FRAMEWORK_IDS: tuple[str, ...] = ("bant", "anum", "champ", "gpct", "faint", "madr")
"""The documented frameworks, in the order of the documents."""


@lru_cache(maxsize=1)
def load_common() -> Common:
    """Load what holds for every framework: sources, rubrics, policies without criteria, notes.

    Returns
    -------
    Common
        The record.
    """
    return load_record(files("leadml.frameworks") / "library" / "common.yaml", Common)


@lru_cache(maxsize=len(FRAMEWORK_IDS))
def load_framework(framework_id: str) -> Framework:
    """Load one documented framework.

    Parameters
    ----------
    framework_id : str
        One of `FRAMEWORK_IDS`.

    Returns
    -------
    Framework
        The record; its criteria have their five-level rubrics, its policies their criteria.

    Raises
    ------
    UsageError
        There is no framework of this id.

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
    if framework_id not in FRAMEWORK_IDS:
        raise UsageError(
            f"got framework {framework_id!r}; valid: {', '.join(FRAMEWORK_IDS)}"
            + (nearest(framework_id, FRAMEWORK_IDS) or "; choose one of these")
        )
    file = files("leadml.frameworks") / "library" / f"{framework_id}.yaml"
    return _completed(load_record(file, Framework), str(file))


def list_frameworks() -> tuple[Framework, ...]:
    """List all documented frameworks.

    Returns
    -------
    tuple of Framework
        In the order of the documents.
    """
    return tuple(load_framework(framework_id) for framework_id in FRAMEWORK_IDS)


def list_policies() -> tuple[Policy, ...]:
    """List all documented policies, framework by framework, and last those that need no criteria.

    Returns
    -------
    tuple of Policy
        Every documented rule.
    """
    return tuple(p for f in list_frameworks() for p in f.policies) + load_common().policies


def load_policy(policy_id: str) -> Policy:
    """Load one documented policy.

    Parameters
    ----------
    policy_id : str
        Its id, for instance ``bant-ibm``.

    Returns
    -------
    Policy
        The policy, with the criteria of its framework.

    Raises
    ------
    UsageError
        There is no policy of this id.

    Examples
    --------
    >>> load_policy("bant-ibm").cutoff, load_policy("bant-ibm").total_max
    (3, 4)
    >>> load_policy("bant")
    Traceback (most recent call last):
    leadml.exceptions.UsageError: got policy 'bant'; valid: bant-ibm, bant-strict, ...
    """
    policies = {policy.id: policy for policy in list_policies()}
    if policy_id not in policies:
        valid = list(policies)
        raise UsageError(
            f"got policy {policy_id!r}; valid: {', '.join(valid)}"
            + (nearest(policy_id, valid) or "; choose one of these")
        )
    return policies[policy_id]


def _completed(framework: Framework, name: str) -> Framework:
    """Give the criteria their rubrics, and the policies the criteria that they count."""
    common = load_common()
    rubrics = {rubric.id: rubric for rubric in common.rubrics}
    criteria = tuple(
        criterion
        if criterion.rubric
        else criterion.model_copy(
            update={"rubric": rubrics[criterion.id].levels, "rubric_from": rubrics[criterion.id].basis}
        )
        for criterion in framework.criteria
    )
    policies = tuple(
        policy.model_copy(update={"framework": framework.id, "criteria": framework.criterion_ids})
        for policy in framework.policies
    )
    for policy in policies:
        if policy.band_starts[-1] > policy.total_max or policy.cutoff > policy.total_max:
            raise RecordError(
                f"{name}: policies ({policy.id}): got a cut-off or band above the highest score; "
                f"valid: at most {policy.total_max}; lower it"
            )
    return framework.model_copy(update={"criteria": criteria, "policies": policies})
