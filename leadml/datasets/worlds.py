"""The worlds that synthetic leads are drawn from: which criteria matter in each of them, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from leadml.datasets.truth import Truth
from leadml.exceptions import UsageError
from leadml.frameworks.catalog import FRAMEWORK_IDS, load_framework
from leadml.levels import LEVEL_MAX, MET_LEVEL, Floats

WORLDS: dict[str, str] = {
    "rule_right": "the log-odds of winning rise evenly with the documented score, as `form` says",
    "met_right": "the same with the number of criteria met",
    "tilted": "the criteria weigh unequally; the total is the same",
    "dud": "one criterion is worth nothing; the others share its weight",
    "steps": "levels are unevenly far apart: half of the criteria matter from level 1, half from 3",
    "gate": "the first two criteria count only where both are met (AND)",
    "inverted_u": "one criterion is best in the middle",
    "reversed": "one criterion runs backwards",
    "null": "no criterion matters",
    "null_rule": "qualified leads are won at one rate, all others at another: no card can beat the rule",
    "null_rule_pairs": "the same, with rates that vary among the qualified as no sum of points can follow",
    "drifting": "the base rate rises over time, and the levels shift upwards",
    "weights_drifting": "half-way, the weights of the world tilted take the place of equal ones",
    "grouped": "leads belong to accounts, about five each, which share a random effect",
    "immature": "deals still open on the last day have no outcome; losses come sooner than wins",
    "selected_random": "of the leads below the documented cut-off few were worked, at random",
    "selected_hunch": "of the leads below the documented cut-off few were worked, by a hunch",
    "unknown_random": "3 levels of 10 are unknown, at random",
    "unknown_junk": "3 levels of 10 are unknown, and those leads are at level 0",
    "late_answers": "levels of won deals were filled in after the close",
}
"""What `make_leads` can draw from."""

PROFILES = np.array([[20, 20, 20, 20, 20], [10, 20, 40, 20, 10], [30, 15, 10, 15, 30], [15, 25, 25, 20, 15]]) / 100
"""Shares of the levels before they are tilted; criteria take them in turn."""
LEVELS = np.array([0.0, 1, 2, 3, 4, 0])
"""Level of each true state; the last state is junk: at level 0, and never known."""
EVEN, MET = LEVELS / LEVEL_MAX, (LEVELS >= MET_LEVEL).astype(float)
EARLY, LATE = np.array([0, 0.85, 0.9, 0.95, 1, 0]), np.array([0, 0.05, 0.1, 0.9, 1, 0])
TILTED = (0.4, 2.2, 1.0, 0.4, 1.0)
STRENGTH = 6.0
"""Log-odds between level 4 throughout and 0 throughout."""
IN_THE_MIDDLE = np.array([0, 0.8, 1, 0.5, -0.2, 0])


def make_truth(
    world: str = "rule_right", *, framework: str = "bant", form: str = "points", base_rate: float = 0.3,
    weights: Sequence[float] = TILTED, unknown: str | None = None, unknown_share: float | None = None,
) -> Truth:  # fmt: skip
    """Make the truth of a world; the options are those of `make_leads`."""
    form = "met" if world in ("met_right", "null_rule", "null_rule_pairs") else form
    unknown = unknown or ("random" if world in ("unknown_random", "late_answers") else "junk")
    if unknown_share is None:
        unknown_share = 0.3 if world.startswith("unknown") else 0.1
    words = (world, WORLDS), (framework, FRAMEWORK_IDS), (form, ("points", "met")), (unknown, ("junk", "random"))
    for name, (value, valid) in zip(("world", "framework", "form", "unknown"), words, strict=True):
        if value not in valid:
            raise UsageError(f"{name} is {value!r}; valid: {', '.join(valid)}; choose one of these")
    for name, number, low, high in (("base_rate", base_rate, 0.01, 0.99), ("unknown_share", unknown_share, 0.0, 0.9)):
        if not low <= number <= high:
            raise UsageError(f"{name} is {number}; valid: {low:g} to {high:g}")
    criteria = load_framework(framework).criterion_ids
    k = len(criteria)
    cutoff = 2 * k + 1 if form == "points" else 3 if framework == "bant" else (k + 1) // 2
    documented = np.tile((EVEN if form == "points" else MET) * STRENGTH / k, (k, 1))
    junk = unknown_share if unknown == "junk" else 0.0
    hide = np.eye(6)
    if unknown == "random":
        hide = hide * (1 - unknown_share)
        hide[5] = unknown_share
    # At break-even the base rate lies midway between the cut-off and the score below it.
    step = STRENGTH / (k * (LEVEL_MAX if form == "points" else 1))
    log_odds = _sum(documented) + np.log(base_rate / (1 - base_rate)) - step * (cutoff - 0.5)
    truth = Truth(world, framework, criteria, form, cutoff, log_odds, _joint(k, 0.0, junk), hide)

    def tilted(tilt: float) -> Truth:
        return dataclasses.replace(truth, shares=_joint(k, tilt, junk))

    tilt = _solve(lambda t: tilted(t).base_rate - base_rate, 8.0, "base_rate with this cut-off")
    even = tilted(tilt)
    truth = _with_base_rate(_world(even, documented, np.array(weights[:k])), base_rate)
    if world == "drifting":
        first = (truth.log_odds - 0.5, _joint(k, tilt - 0.15, junk))
        late = _joint(k, tilt + 0.15, junk)
        truth = dataclasses.replace(truth, log_odds=truth.log_odds + 0.5, shares=late, first=first)
    elif world == "weights_drifting":
        first = (_with_base_rate(even, base_rate).log_odds, truth.shares)
        truth = dataclasses.replace(truth, first=first, abrupt=True)
    return truth


def _world(truth: Truth, documented: Floats, weights: Floats) -> Truth:
    """Put the log-odds of the world in the place of the documented ones; the intercept comes later."""
    k, points = len(documented), documented.copy()
    world, each = truth.world, STRENGTH / len(documented)
    if world in ("tilted", "weights_drifting"):
        points *= (weights * k / weights.sum())[:, None]
    elif world == "dud":
        points[:-1] *= k / (k - 1)
        points[-1] = 0.0
    elif world == "steps":
        points = np.array([(EARLY, LATE)[j % 2] * each for j in range(k)])
    elif world == "inverted_u":
        points[1] = IN_THE_MIDDLE * each * 1.5
    elif world == "reversed":
        points[-1] *= -1.0
    elif world == "null":
        points[:] = 0.0
    elif world == "gate":
        points[:2] = 0.0
        both = np.multiply.outer(MET, MET).reshape(6, 6, *(1,) * (k - 2))
        return dataclasses.replace(truth, log_odds=_sum(points) + 2 * each * both)
    elif world.startswith("null_rule"):
        is_ready = _sum(np.tile(MET, (k, 1))) >= truth.cutoff
        log_odds = np.where(is_ready, 0.5 * STRENGTH, 0.0)
        if world == "null_rule_pairs":
            parity = _sum(np.tile(LEVELS, (k, 1))) % 2
            log_odds += np.where(is_ready, 0.5, 0.25) * (2 * parity - 1)
        return dataclasses.replace(truth, log_odds=log_odds)
    return dataclasses.replace(truth, log_odds=_sum(points), points=points, group_sd=float(world == "grouped"))


def _sum(points: Floats) -> Floats:
    """(6,) * k: sums of points by true states."""
    return reduce(np.add.outer, points)


def _joint(k: int, tilt: float, junk: float) -> Floats:
    """Shares by true states: criteria independent, their profiles tilted alike."""
    return reduce(np.multiply.outer, [tilted_profile(j, tilt, junk) for j in range(k)])


def tilted_profile(j: int, tilt: float, junk: float) -> Floats:
    """Shares of the true states of criterion j."""
    shares = PROFILES[j % len(PROFILES)] * np.exp(tilt * np.arange(5))
    return np.append((1 - junk) * shares / shares.sum(), junk)


def _with_base_rate(truth: Truth, base_rate: float) -> Truth:
    def moved(by: float) -> Truth:
        return dataclasses.replace(truth, log_odds=truth.log_odds + by)

    return moved(_solve(lambda by: moved(by).base_rate - base_rate, 80.0, "base_rate"))


def _solve(rises: Callable[[float], float], bound: float, what: str) -> float:
    """Zero of a rising function between -bound and bound."""
    from scipy.optimize import brentq

    if not rises(-bound) < 0 < rises(bound):
        raise UsageError(f"no world has this {what}; choose a base_rate nearer to 0.3, or fewer unknowns")
    return float(brentq(rises, -bound, bound, xtol=1e-12))
