"""Making cards from points that deals taught and from documented policies; both are applied by one code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leadml.card.check import DECISIONS
from leadml.card.model import Card

if TYPE_CHECKING:
    from leadml.frameworks import Framework, Policy

__all__ = ["build_card", "card_from_policy"]


def build_card(
    *,
    name: str,
    criteria: Sequence[Any],
    points: Any,
    unknown_points: Sequence[int] | Mapping[str, int],
    documented_points: Any,
    bands: Sequence[Any],
    cutoff: int,
    created_at: str,
    framework: Framework | str | None = None,
    kind: str = "learned",
    base: float | None = None,
    slope: float | None = None,
    table: Sequence[Any] = (),
    met_level: int = 2,
    gates: Sequence[Any] | None = None,
    caveats: Sequence[Any] | None = None,
    decision_labels: Mapping[str, str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Card:
    """Make a card and check that it holds together.

    Parameters
    ----------
    name : str
        Name of the model.
    criteria : sequence of str, or of records with ``id`` and ``title``
        The k criteria in the order of the card.
    points : array of shape (k, 5), or mapping of criterion to 5 int
        Whole points of the levels 0 to 4; 0 first, never falling.
    unknown_points : sequence of k int, or mapping of criterion to int
        Points while a level is unknown.
    documented_points : array of shape (k, 5), or mapping of criterion to 5 numbers
        What the document gives.
    bands : sequence of records with ``id``, ``title``, ``from`` (or ``from_``), ``action`` and ``decision``
        In rising order, the first from 0. A band without a decision is ``ready`` from the cut-off up, and
        below it ``wait`` when its action begins with "nurture" or "wait", ``no-match`` otherwise.
    cutoff : int
        The total from which a lead is followed up: where a band begins, or one above the highest total for
        never.
    created_at : str
        ISO date or time; no clock is read here.
    framework : Framework, str or None
        A Framework also gives the titles, gates and caveats that are not given here.
    kind : str
        ``learned`` or ``documented``.
    base, slope : float, optional
        ``logit P(won) = base + slope * points``.
    table : sequence of records, or of rows (points, probability, low, high), optional
        Every total from 0 to the highest.
    met_level : int
        The level from which a criterion counts as met.
    gates, caveats : sequence of records, optional
        Levels that disqualify (``criterion``, ``below``, ``text``), and limits (``id``, ``text``, ``when``).
    decision_labels : mapping of str to str, optional
        What ``ready``, ``wait`` and ``no-match`` are called.
    provenance : mapping, optional
        Where it comes from.

    Returns
    -------
    Card
        The card, not yet stored.

    Raises
    ------
    StoreError
        Naming everything that does not hold together.

    Examples
    --------
    >>> card = build_card(
    ...     name="small", criteria=["need"], points=[[0, 1, 2, 3, 4]], unknown_points=[0],
    ...     documented_points=[[0, 1, 2, 3, 4]], kind="documented", created_at="2026-01-01", cutoff=3,
    ...     bands=[{"id": "no", "title": "No", "from": 0, "action": "drop"},
    ...            {"id": "yes", "title": "Yes", "from": 3, "action": "follow up"}])
    >>> card.score_one({"need": 4})["decision"]
    'ready'
    """
    model = framework if framework is not None and not isinstance(framework, str) else None
    titles = {each.id: each.title for each in model.criteria} if model else {}
    ids = [each if isinstance(each, str) else _get(each, "id") for each in criteria]
    labels = {decision: decision for decision in DECISIONS} | dict(decision_labels or {})
    if gates is None:
        gates = [gate for gate in model.gates if gate.criterion in ids] if model else ()
    if caveats is None:
        caveats = model.caveats if model else ()
    found_points = _rows(points, ids)
    document = {
        "schema_version": 1,
        "name": name,
        "version": None,
        "framework": model.id if model else framework,
        "kind": kind,
        "created_at": created_at,
        "criteria": [
            {
                "id": identity,
                "title": titles.get(identity, identity) if isinstance(each, str) else _get(each, "title"),
                "points": [_plain(value) for value in earned],
                "unknown_points": _plain(unknown),
                "documented_points": [_plain(value) for value in documented],
            }
            for each, identity, earned, unknown, documented in zip(
                criteria,
                ids,
                found_points,
                _rows(unknown_points, ids),
                _rows(documented_points, ids),
                strict=True,
            )
        ],
        "met_level": met_level,
        "base": _plain(base),
        "slope": _plain(slope),
        "total_max": sum(int(earned[-1]) for earned in found_points),
        "table": [_total(row) for row in table],
        "bands": [_band(band, cutoff) for band in bands],
        "cutoff": _plain(cutoff),
        "gates": [{name: _get(gate, name) for name in ("criterion", "below", "text")} for gate in gates],
        "decision_labels": labels,
        "caveats": [
            {
                "id": _get(caveat, "id"),
                "text": _get(caveat, "text"),
                "when": {fact: list(values) for fact, values in dict(_get(caveat, "when")).items()},
            }
            for caveat in caveats
        ],
        "provenance": {key: _plain(value) for key, value in (provenance or {}).items()},
    }
    return Card.from_dict(document, f"card {name!r}", verify=False)


def card_from_policy(
    policy: Policy,
    framework: Framework | None = None,
    *,
    met_level: int = 2,
    created_at: str = "documented",
    decision_labels: Mapping[str, str] | None = None,
) -> Card:
    """Make the card of a documented policy: points given by the document, no probability.

    Parameters
    ----------
    policy : Policy
        The documented rule.
    framework : Framework, optional
        The framework that it belongs to; none for ``contactable``.
    met_level : int
        The level from which a criterion counts as met.
    created_at : str
        ISO date, or the word that stands for one.
    decision_labels : mapping of str to str, optional
        What ``ready``, ``wait`` and ``no-match`` are called.

    Returns
    -------
    Card
        The card: 1 point for a criterion that is met (unit ``met``), or its level as points (``points``).
        The card of ``contactable`` has one criterion of that name: level 4 when there is a number, else 0.
    """
    if framework is None:
        criteria: Sequence[Any] = [{"id": policy.unit, "title": policy.unit}]
        steps = [0, 0, 0, 0, 1]
    else:
        criteria = framework.criteria
        steps = (
            [0, 1, 2, 3, 4] if policy.unit == "points" else [int(level >= met_level) for level in range(5)]
        )
    return build_card(
        name=policy.id,
        framework=framework,
        kind="documented",
        created_at=created_at,
        criteria=criteria,
        points=[steps] * len(criteria),
        unknown_points=[0] * len(criteria),
        documented_points=[steps] * len(criteria),
        bands=policy.bands,
        cutoff=policy.cutoff,
        met_level=met_level,
        decision_labels=decision_labels,
        provenance={"policy": policy.id, "source": policy.source, "attributed_to": policy.attributed_to},
    )


def _get(record: Any, *names: str) -> Any:
    """Read a field of a mapping or of an object, by the first name that it has."""
    for name in names:
        if isinstance(record, Mapping):
            if name in record:
                return record[name]
        elif hasattr(record, name):
            return getattr(record, name)
    raise KeyError(f"{record!r} has no {' or '.join(names)}")


def _rows(values: Any, ids: list[str]) -> list[Any]:
    """Give one entry a criterion, of a mapping by name or of a sequence in order."""
    return [values[name] for name in ids] if isinstance(values, Mapping) else list(values)


def _plain(value: Any) -> Any:
    """Make a plain Python number of a numpy one, and a whole one of a real one that is whole."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _band(band: Any, cutoff: int) -> dict[str, Any]:
    """Read one band, and work its decision out where it has none."""
    begins, action = _plain(_get(band, "from_", "from")), _get(band, "action")
    try:
        decision = _get(band, "decision")
    except KeyError:
        nurtures = str(action).casefold().startswith(("nurture", "wait"))
        decision = "ready" if begins >= cutoff else "wait" if nurtures else "no-match"
    return {
        "id": _get(band, "id"),
        "title": _get(band, "title"),
        "from": begins,
        "action": action,
        "decision": decision,
    }


def _total(row: Any) -> dict[str, Any]:
    """Read one entry of the table."""
    names = ("points", "probability", "low", "high")
    if isinstance(row, Mapping) or hasattr(row, "points"):
        return {name: _plain(_get(row, name)) for name in names}
    return {name: _plain(value) for name, value in zip(names, row, strict=True)}
