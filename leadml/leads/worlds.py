"""The worlds that synthetic leads are drawn from: what is true in each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from leadml.leads.truth import LEVEL_MAX, Floats, Truth, tilted
from leadml.records import CANONICAL, nearest

WORLDS: tuple[str, ...] = (
    "rule_right",
    "tilted",
    "dud",
    "steps",
    "null",
    "drifting",
    "grouped",
    "immature",
    "selected",
)
"""What `make_leads` can draw from."""

FRAMEWORK_CRITERIA: dict[str, tuple[str, ...]] = {
    "bant": ("budget", "authority", "need", "timeline"),
    "anum": ("authority", "need", "urgency", "budget"),
    "champ": ("challenges", "authority", "budget", "prioritization"),
    "gpct": ("goals", "plans", "challenges", "timeline"),
    "faint": ("funds", "authority", "interest", "need", "timeline"),
    "madr": ("budget", "authority", "desire", "response"),
}
"""Criteria of the documented frameworks; leads know no framework, so a test holds this to the library."""

_PROFILES = (
    (0.20, 0.20, 0.20, 0.20, 0.20),
    (0.10, 0.20, 0.40, 0.20, 0.10),
    (0.30, 0.15, 0.10, 0.15, 0.30),
    (0.15, 0.25, 0.25, 0.20, 0.15),
)
"""Shares of the known levels before they are tilted; the criteria take them in turn."""


def make_truth(
    world: str = "rule_right",
    *,
    framework: str = "bant",
    form: str = "points",
    base_rate: float = 0.3,
    strength: float = 6.0,
    cutoff: int | None = None,
    weights: Sequence[float] | None = None,
    dud: str | None = None,
    unknown_share: float = 0.1,
    unknown_level: float = 0.0,
    group_sd: float = 1.0,
) -> Truth:
    """Make the truth of a world.

    Parameters
    ----------
    world : str
        One of `WORLDS`; see `make_leads`.
    framework : str
        Whose criteria the outcome depends on.
    form : "points" or "met"
        Whether the even rise is in the sum of the levels, or in the number of criteria met.
    base_rate : float
        Share of leads won, between 0 and 1; on average over time where it drifts.
    strength : float
        Log-odds between a lead at 4 throughout and one at 0 throughout, above 0.
    cutoff : int, optional
        The documented cut-off, from which leads are worth following up at break-even. By default 3 met or 9
        points for BANT, and for the others half of the criteria met, or the same share of points (ours).
    weights : sequence of k numbers, optional
        How the criteria weigh in the world "tilted"; only their proportions count.
    dud : str, optional
        The worthless criterion of the world "dud"; the last by default.
    unknown_share : float
        Share of unknown levels, from 0 up to but not including 1; at random.
    unknown_level : float
        An unknown counts as this level, 0 to 4. The documented rule is exactly right only at 0.
    group_sd : float
        Standard deviation of the accounts' effect on the log-odds, in the world "grouped".

    Returns
    -------
    Truth
        What is true of the world.

    Raises
    ------
    ValueError
        There is no such world, or an option is out of its range.
    """
    _check_choice("world", world, WORLDS)
    _check_choice("framework", framework, tuple(FRAMEWORK_CRITERIA))
    _check_choice("form", form, ("points", "met"))
    criteria = FRAMEWORK_CRITERIA[framework]
    highest = len(criteria) * (LEVEL_MAX if form == "points" else 1)
    cutoff = _documented_cutoff(framework, form) if cutoff is None else cutoff
    for name, value, low, high in (
        ("base_rate", base_rate, 0.01, 0.99),
        ("strength", strength, 0.1, 50),
        ("cutoff", cutoff, 1, highest),
        ("unknown_share", unknown_share, 0, 0.9),
        ("unknown_level", unknown_level, 0, LEVEL_MAX),
        ("group_sd", group_sd, 0, 10),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}; valid: {low} to {high}")

    even = np.arange(LEVEL_MAX + 1) / LEVEL_MAX if form == "points" else np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    shapes = [even] * len(criteria)
    share_of = np.ones(len(criteria))
    as_documented = _truth(world, framework, form, cutoff, shapes, share_of, strength, unknown_share, 0.0)
    # At break-even the base rate lies midway between the cut-off and the score below it.
    step = strength / highest
    truth = _with_tilt(as_documented, np.log(base_rate / (1 - base_rate)) - step * (cutoff - 0.5), base_rate)
    tilt = truth.level_shares

    if world == "tilted":
        share_of = _checked_weights(weights, len(criteria))
    elif world == "dud":
        name = criteria[-1] if dud is None else dud
        _check_choice("dud", name, criteria)
        share_of = np.array([0.0 if c == name else len(criteria) / (len(criteria) - 1) for c in criteria])
    elif world == "steps":
        early, late = np.array([0, 0.85, 0.9, 0.95, 1]), np.array([0, 0.05, 0.1, 0.9, 1])
        shapes = [(early, late)[j % 2] for j in range(len(criteria))]
    elif world == "null":
        share_of = np.zeros(len(criteria))
    made = _truth(world, framework, form, cutoff, shapes, share_of, strength, unknown_share, unknown_level)
    made = dataclasses.replace(made, level_shares=tilt, group_sd=group_sd if world == "grouped" else 0.0)
    made = _with_intercept(made, base_rate)
    if world == "drifting":
        drift, shift = 1.0, 0.3
        late_shares = {name: tuple(tilted(shares, shift / 2).tolist()) for name, shares in tilt.items()}
        made = dataclasses.replace(
            made,
            intercept=made.intercept + drift / 2,
            intercept_change=drift,
            level_shares=late_shares,
            tilt_change=shift,
        )
    return made


def _documented_cutoff(framework: str, form: str) -> int:
    n_criteria = len(FRAMEWORK_CRITERIA[framework])
    if form == "met":
        return 3 if framework == "bant" else (n_criteria + 1) // 2
    return 2 * n_criteria + 1


def _truth(
    world: str,
    framework: str,
    form: str,
    cutoff: int,
    shapes: Sequence[Floats],
    share_of: Floats,
    strength: float,
    unknown_share: float,
    unknown_level: float,
) -> Truth:
    """Put points together; levels not yet tilted, intercept not yet found."""
    criteria = FRAMEWORK_CRITERIA[framework]
    points = {
        name: tuple((shape * share * strength / len(criteria)).tolist())
        for name, shape, share in zip(criteria, shapes, share_of, strict=True)
    }
    shares = {
        name: (*(np.array(_PROFILES[j % len(_PROFILES)]) * (1 - unknown_share)).tolist(), unknown_share)
        for j, name in enumerate(CANONICAL)
    }
    return Truth(
        world=world,
        framework=framework,
        criteria=criteria,
        unit=form,
        cutoff=cutoff,
        intercept=0.0,
        points=points,
        unknown_points={
            name: float(np.interp(unknown_level, np.arange(LEVEL_MAX + 1), points[name])) for name in criteria
        },
        level_shares=shares,
    )


def _with_tilt(truth: Truth, intercept: float, base_rate: float) -> Truth:
    """Tilt the levels of all criteria alike until the base rate is as wanted."""

    def made(tilt: float) -> Truth:
        shares = {name: tuple(tilted(s, tilt).tolist()) for name, s in truth.level_shares.items()}
        return dataclasses.replace(truth, intercept=intercept, level_shares=shares)

    return made(_solve(lambda tilt: made(tilt).base_rate - base_rate, 8.0, "base_rate with this cutoff"))


def _with_intercept(truth: Truth, base_rate: float) -> Truth:
    """Move the intercept until the base rate is as wanted."""

    def made(intercept: float) -> Truth:
        return dataclasses.replace(truth, intercept=intercept)

    return made(_solve(lambda b: made(b).base_rate - base_rate, 80.0, "base_rate"))


def _solve(rises: Callable[[float], float], bound: float, what: str) -> float:
    """Find the zero of a rising function between -bound and bound, by halving."""
    low, high = -bound, bound
    if not rises(low) < 0 < rises(high):
        raise ValueError(f"no world has this {what}; choose a base_rate nearer to 0.3, or fewer unknowns")
    while high - low > 1e-12 * bound:
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) < 0 else (low, middle)
    return (low + high) / 2


def _checked_weights(weights: Sequence[float] | None, n_criteria: int) -> Floats:
    """Scale the weights so that they sum to the number of criteria."""
    given = np.array([0.4, 2.2, 1.0, 0.4, 1.0][:n_criteria] if weights is None else weights, dtype=np.float64)
    if (
        given.shape != (n_criteria,)
        or not (given >= 0).all()
        or not np.isfinite(given.sum())
        or not given.sum() > 0
    ):
        raise ValueError(f"weights is {weights}; valid: {n_criteria} numbers from 0 up, not all 0")
    return np.asarray(given * n_criteria / given.sum())


def _check_choice(name: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        near = nearest(str(value), valid) or "; choose one of these"
        raise ValueError(f"{name} is {value!r}; valid: {', '.join(valid)}{near}")
