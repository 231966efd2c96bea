"""Making cards: a documented rule is a card, and so are points that deals taught."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from leadml.card.bands import bands_at
from leadml.card.in_words import OPPOSITE
from leadml.card.record import Card, CardAttribute
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import FRAMEWORK_IDS, load_framework
from leadml.frameworks.model import Framework, Policy
from leadml.levels import LEVEL_MAX, MET_LEVEL, Floats
from leadml.terminal import clean

ALL = {"id": "all", "title": "All", "from": 0, "action": "rank", "decision": "ready"}
"""The band of a card that has no cut-off yet."""
Words = Mapping[str, Mapping[str, Sequence[str]]]


def documented_card(
    policy: Policy, framework: Framework | None = None, *, mapped: Sequence[str] | None = None,
    met_level: int = MET_LEVEL, name: str | None = None, created_at: str = "documented", words: Words | None = None,
) -> Card:  # fmt: skip
    """Make the card of a documented rule: points as the document gives them, no probability, 0 for unknown.

    Criteria that are not `mapped` stay on it as always unknown, since the document counts them. The card of
    ``contactable`` has one criterion of that name: level 4 when there is a number, 0 when there is none.
    """
    if not 1 <= met_level <= LEVEL_MAX:
        raise UsageError(f"got met_level={met_level}; valid: 1 to {LEVEL_MAX}; choose the level that counts as met")
    asked, criteria = {"contactable": (policy.title, "Is a phone number known?")}, policy.criteria
    least = {"points": [1, 2, 3, 4], "met": [met_level], "contactable": [LEVEL_MAX]}[policy.unit]  # of each point
    if policy.unit == "contactable":
        framework, criteria = None, ("contactable",)
    elif framework is None:
        if policy.framework not in FRAMEWORK_IDS:
            raise UsageError(f"policy {policy.id}: give the framework {policy.framework!r} that it belongs to")
        framework = load_framework(str(policy.framework))
    step = [sum(level >= each for each in least) for level in range(LEVEL_MAX + 1)]
    points = np.outer([policy.weights.get(name, 1) for name in criteria], step)
    unmapped = [] if mapped is None else [each for each in criteria if each not in mapped]
    provenance = {"policy": policy.id, "source": policy.source, "attributed_to": policy.attributed_to}
    return _make_card(
        framework, criteria, np.hstack([points, np.zeros((len(points), 1), np.int64)]), points, words, asked,
        name=name or policy.id, kind="documented", policy=policy.id, unit=policy.unit, created_at=created_at,
        met_level=met_level, total_max=policy.total_max, cutoff=policy.cutoff,
        bands=bands_at(policy.bands, policy.band_starts, policy.cutoff, policy.total_max),
        provenance=provenance | ({"unmapped": ", ".join(unmapped)} if unmapped else {}),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedPoints:
    """What deals taught: whole points by code, and what each total from 0 means.

    criteria : k canonical names. points : (k, 6) whole points by code, unknown last. documented : (k, 5); None: a level
    is a point.
    probability, low, high : (total_max + 1,) P(won) and its 95% interval. attributes : rows of a wide card.
    """

    criteria: Sequence[str]
    points: npt.NDArray[Any]
    documented: npt.NDArray[Any] | None
    probability: Floats
    low: Floats
    high: Floats
    base: float | None = None
    slope: float | None = None
    attributes: Sequence[CardAttribute] = ()


def learned_card(
    name: str, framework: Framework | None, learned: LearnedPoints, *, cutoff: int = 0, bands: Sequence[Any] = (ALL,),
    created_at: str = "learned", words: Words | None = None, provenance: Mapping[str, Any] | None = None,
) -> Card:  # fmt: skip
    """Make a learned card; `bands` (see `bands_at`) begin at 0 and at the cut-off (without one: to rank by), gates and
    caveats are the framework's."""
    # An interval contains its estimate and chances rise with points, whatever rounding did.
    probability = np.maximum.accumulate(np.clip(learned.probability, 0.0, 1.0))
    low, high = np.clip(learned.low, 0.0, probability), np.clip(learned.high, probability, 1.0)
    given = learned.documented
    given = np.tile(np.arange(LEVEL_MAX + 1.0), (len(learned.criteria), 1)) if given is None else given
    return _make_card(
        framework, learned.criteria, learned.points, given, words,
        name=name, kind="wide" if learned.attributes else "learned", created_at=created_at,
        attributes=learned.attributes, base=learned.base, slope=learned.slope, total_max=len(probability) - 1,
        table=table_rows(probability, low, high), bands=bands, cutoff=cutoff, provenance=provenance or {},
    )  # fmt: skip


def table_rows(probability: Floats, low: Floats, high: Floats) -> list[dict[str, float]]:
    """The table of a card's document: what each total from 0 means."""
    chances = zip(probability.tolist(), low.tolist(), high.tolist(), strict=True)
    return [{"points": at, "probability": p, "low": lo, "high": hi} for at, (p, lo, hi) in enumerate(chances)]


def _make_card(
    framework: Framework | None, criteria: Sequence[str], points: npt.NDArray[Any], documented: npt.NDArray[Any],
    words: Words | None, asked: Mapping[str, tuple[str, str]] | None = None, **fields: Any,
) -> Card:  # fmt: skip
    """A checked and sealed card; titles, questions, gates and caveats are the framework's, else `asked`."""
    document: dict[str, Any] = {"schema_version": 2, "framework": None, **fields}
    known = dict(asked or {})
    if framework is not None:
        known |= {each.id: (each.title, each.question) for each in framework.criteria}
        gates = [gate for gate in framework.gates if gate.criterion in criteria]
        document |= {
            "framework": framework.id,
            "gates": [gate.model_dump(include={"criterion", "below", "text"}) for gate in gates],
            "caveats": [each.model_dump(include={"id", "text", "when"}) for each in framework.caveats],
        }
    document["criteria"] = [
        {"id": name, "title": title, "question": question, "points": earned[:-1], "unknown_points": earned[-1],
         "documented_points": given, "words": (words or {}).get(name, {})}
        for name, earned, given in zip(criteria, np.asarray(points, int).tolist(), documented.tolist(), strict=True)
        for title, question in [known.get(name, (name.title(), ""))]
    ]  # fmt: skip
    return Card.from_dict(document, str(fields["name"]), verify=False)


def words_of_mapping(mapping: Any) -> dict[str, dict[str, list[str]]]:
    """Words of every criterion of a `leadml.data.mapping.Mapping` (None: no words), for `CardCriterion.words`."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, criterion in ({} if mapping is None else mapping.criteria).items():
        words: dict[int, list[str]] = {}
        for word, level in (criterion.levels or {}).items():
            if text := clean(str(word)).strip()[:200]:
                words.setdefault(int(level), []).append(text)
        if criterion.edges:
            edges = [f"{edge:.15g}" for edge in criterion.edges]
            edges, op = (edges[::-1], "<=") if criterion.descending else (edges, ">=")
            for level, word in enumerate([f"{OPPOSITE[op]} {edges[0]}", *(f"{op} {edge}" for edge in edges)]):
                words.setdefault(level, []).append(word)
        if words:
            found[name] = {str(level): words[level] for level in sorted(words)}
    return found
