"""A documented rule on a batch of leads: score, range, band and decision, in numpy alone.

A level is a code: 0 to 4, and 5 where it is unknown. An unknown earns nothing, and the lead keeps the
range of scores that its answers could still bring.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leadml.frameworks.model import LEVEL_MAX, MET_LEVEL, Decision, Framework, Policy

UNKNOWN = 5
"""The code of an unknown level."""

DECISIONS: tuple[Decision, ...] = ("no-match", "wait", "ready")
"""The three outcomes, from worst to best; arrays of decisions hold positions in this tuple."""

Codes = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.int16]


@dataclass(frozen=True)
class DocumentedScore:
    """What a documented rule gives each lead.

    Attributes
    ----------
    score : (n,) int16
        Criteria met or points, unknowns at nothing.
    low : (n,) int16
        The lowest score that the answers still open can bring; equal to `score`.
    high : (n,) int16
        The highest score that the answers still open can bring.
    """

    score: Scores
    low: Scores
    high: Scores


def points_of_codes(policy: Policy, met_level: int = MET_LEVEL) -> tuple[Scores, Scores]:
    """Give the points that each code of one criterion earns.

    Parameters
    ----------
    policy : Policy
        A policy that counts met criteria or points.
    met_level : int
        The level, 1 to 4, from which a criterion is met; without effect on points.

    Returns
    -------
    low, high : (6,) int16
        Points of the codes 0 to 5; they differ at the last, the unknown.

    Raises
    ------
    ValueError
        `met_level` is not 1 to 4, or the policy counts no criteria.

    Examples
    --------
    >>> from leadml.frameworks import load_policy
    >>> [points.tolist() for points in points_of_codes(load_policy("bant-ibm"))]
    [[0, 0, 1, 1, 1, 0], [0, 0, 1, 1, 1, 1]]
    """
    if not 1 <= met_level <= LEVEL_MAX:
        raise ValueError(
            f"got met_level={met_level}; valid: 1 to {LEVEL_MAX}; choose the level that counts as met"
        )
    if policy.unit == "contactable":
        raise ValueError(f"the policy {policy.id} counts no criteria; use contactable_score")
    levels = np.arange(LEVEL_MAX + 1)
    earned = levels if policy.unit == "points" else levels >= met_level
    low, high = np.append(earned, 0), np.append(earned, earned.max())
    return low.astype(np.int16), high.astype(np.int16)


def documented_score(
    codes: Codes, policy: Policy, criteria: Sequence[str], met_level: int = MET_LEVEL
) -> DocumentedScore:
    """Score leads by a documented rule: criteria met, or the sum of levels.

    Parameters
    ----------
    codes : (n, k) uint8
        Level codes: 0 to 4, or 5 for unknown.
    policy : Policy
        The rule.
    criteria : sequence of str
        Canonical names of the k columns. A criterion of the policy that is not among them is always
        unknown; others are left out.
    met_level : int
        The level, 1 to 4, from which a criterion is met.

    Returns
    -------
    DocumentedScore
        Score and range of each lead.

    Raises
    ------
    ValueError
        The columns and their names do not match, a code is above 5, or `met_level` is not 1 to 4.

    Examples
    --------
    >>> from leadml.frameworks import load_policy
    >>> points = load_policy("bant-points")
    >>> owner = np.array([[3, 4, 2, 5]], dtype=np.uint8)
    >>> found = documented_score(owner, points, ["budget", "authority", "need", "timeline"])
    >>> found.low.tolist(), found.high.tolist()
    ([9], [13])
    >>> documented_score(owner, points, ["budget"])
    Traceback (most recent call last):
    ValueError: got codes of shape (1, 4) and 1 names; valid: one column a name; pass both in the same order
    """
    if codes.ndim != 2 or codes.shape[1] != len(criteria):
        raise ValueError(
            f"got codes of shape {codes.shape} and {len(criteria)} names; valid: one column a name; "
            "pass both in the same order"
        )
    if codes.size and codes.max() > UNKNOWN:
        raise ValueError(
            f"got the code {codes.max()}; valid: 0 to 4, or 5 for unknown; encode the levels first"
        )
    low_of, high_of = points_of_codes(policy, met_level)
    column_of = {name: j for j, name in enumerate(criteria)}
    low = np.zeros(len(codes), dtype=np.int16)
    high = np.zeros(len(codes), dtype=np.int16)
    for name in policy.criteria:
        if name in column_of:
            column = codes[:, column_of[name]]
            low += low_of[column]
            high += high_of[column]
        else:
            high += high_of[UNKNOWN]
    return DocumentedScore(score=low, low=low, high=high)


def contactable_score(contactable: npt.NDArray[np.bool_]) -> DocumentedScore:
    """Score leads by whether they can be contacted.

    Parameters
    ----------
    contactable : (n,) bool
        Whether a phone number is known.

    Returns
    -------
    DocumentedScore
        1 or 0 for each lead, without a range.
    """
    score = contactable.astype(np.int16)
    return DocumentedScore(score=score, low=score, high=score)


def band_of(score: Scores, policy: Policy) -> npt.NDArray[np.intp]:
    """Find the band of each score.

    Parameters
    ----------
    score : (n,) int
        Scores in the policy's unit.
    policy : Policy
        The rule.

    Returns
    -------
    (n,) intp
        Positions in ``policy.bands``.
    """
    return np.searchsorted(np.asarray(policy.band_starts), score, side="right") - 1


def is_qualified(score: Scores, policy: Policy) -> npt.NDArray[np.bool_]:
    """Say which scores reach the documented cut-off.

    Parameters
    ----------
    score : (n,) int
        Scores in the policy's unit.
    policy : Policy
        The rule.

    Returns
    -------
    (n,) bool
        True from the cut-off up.
    """
    return np.asarray(score >= policy.cutoff)


def is_settled(found: DocumentedScore, policy: Policy) -> npt.NDArray[np.bool_]:
    """Say which leads stay in their band whatever the open answers turn out to be.

    Parameters
    ----------
    found : DocumentedScore
        What `documented_score` returned.
    policy : Policy
        The rule.

    Returns
    -------
    (n,) bool
        True where nothing more need be asked.
    """
    return np.asarray(band_of(found.low, policy) == band_of(found.high, policy))


def fails_gate(codes: Codes, framework: Framework, criteria: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Say which leads a gate of the framework disqualifies.

    Parameters
    ----------
    codes : (n, k) uint8
        Level codes: 0 to 4, or 5 for unknown.
    framework : Framework
        Whose gates count.
    criteria : sequence of str
        Canonical names of the k columns.

    Returns
    -------
    (n,) bool
        True where a gate's criterion is known and lies below its level; an unknown fails no gate.
    """
    failed = np.zeros(len(codes), dtype=bool)
    for gate in framework.gates:
        if gate.criterion in criteria:
            failed |= codes[:, list(criteria).index(gate.criterion)] < gate.below
    return failed


def decide(
    found: DocumentedScore, policy: Policy, gate_failed: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.intp]:
    """Give each lead one of the three outcomes.

    A lead that fails a gate is no match. Otherwise its band decides, and a lead that its band would drop
    waits while the open answers could still make it ready.

    Parameters
    ----------
    found : DocumentedScore
        What `documented_score` returned.
    policy : Policy
        The rule.
    gate_failed : (n,) bool, optional
        What `fails_gate` returned; absent, no gate is looked at.

    Returns
    -------
    (n,) intp
        Positions in `DECISIONS`, so that a greater number is a better outcome.
    """
    of_band = np.array([DECISIONS.index(band.decision) for band in policy.bands])
    now, best = of_band[band_of(found.score, policy)], of_band[band_of(found.high, policy)]
    could_be_ready = (now == DECISIONS.index("no-match")) & (best == DECISIONS.index("ready"))
    decision = np.where(could_be_ready, DECISIONS.index("wait"), now)
    return decision if gate_failed is None else np.where(gate_failed, DECISIONS.index("no-match"), decision)
