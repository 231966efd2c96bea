"""Draw synthetic leads from a world whose truth is known, and write them as a CRM exports them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from leadml.data.deals import NO_DAY, OPEN, Leads
from leadml.datasets.truth import Truth, documented_score
from leadml.datasets.worlds import make_truth, tilted_profile
from leadml.exceptions import UsageError
from leadml.levels import CANONICAL, UNKNOWN, Codes, Flags, Floats, logistic, unpack

FIRST_DAY = 19_358
"""2023-01-01, in days since 1970-01-01."""
N_DAYS = 730
"""Leads are created evenly over this time."""
PER_ACCOUNT = 5
RNG = np.random.Generator


def make_leads(
    n: int, world: str = "rule_right", random_state: int = 0, *, all_criteria: bool = True,
    truth: Truth | None = None, **truth_options: Any,
) -> Leads:  # fmt: skip
    """Draw leads from a world whose truth is known.

    The outcome depends on the criteria of one framework. `leadml.datasets.worlds.WORLDS` says in what each world
    differs from ``rule_right``.

    Parameters
    ----------
    n : int
        Number of leads, at least 1.
    world : str
        One of `leadml.datasets.worlds.WORLDS`.
    random_state : int
        Seed.
    all_criteria : bool
        Whether all 13 canonical criteria are there, or only those of the framework.
    truth : Truth, optional
        Draw from this truth instead of making one.
    **truth_options
        framework ("bant"); form, "points" or "met" (what the documented rule counts); base_rate (0.3); weights of the
        criteria in the world ``tilted``;
        unknown, "junk" (a lead whose level is unknown is at level 0: only then is the documented 0 points
        for unknown right) or "random"; unknown_share (0.1).

    Returns
    -------
    Leads
        In order of creation; `truth` holds what is true of them.

    Raises
    ------
    UsageError
        There is no such world, or an option is out of its range.

    Examples
    --------
    >>> leads = make_leads(500, world="tilted", random_state=1)
    >>> leads.codes.shape, leads.truth.criteria
    ((500, 13), ('budget', 'authority', 'need', 'timeline'))
    >>> round(leads.truth.base_rate, 3)
    0.3
    """
    import pyarrow as pa

    if n < 1:
        raise UsageError(f"n is {n}; valid: at least 1")
    truth = truth or make_truth(world, **truth_options)
    rng = np.random.default_rng(random_state)
    time = np.sort(rng.uniform(size=n))
    states, log_odds = _draw_states(truth, time, rng)
    unit = rng.integers(0, max(n // PER_ACCOUNT, 1), n, dtype=np.int32) if truth.group_sd else None
    if unit is not None:
        log_odds = log_odds + rng.normal(0, truth.group_sd, unit.max() + 1)[unit]
    won = rng.uniform(size=n) < logistic(log_odds)
    chance = truth.hide[UNKNOWN][states]
    if truth.world == "late_answers":  # far more of a lost deal stays unknown
        chance = np.where(won[:, None], 0.02, 0.45) * np.ones_like(chance)
    own = np.where(rng.uniform(size=states.shape) < chance, UNKNOWN, states).astype(np.uint8)
    created = (FIRST_DAY + time * N_DAYS).astype(np.int32)
    days = np.ceil(np.where(won, 60, 25) * rng.lognormal(0, 0.6, n)).astype(np.int32)
    worked, propensity = _draw_worked(truth, own, won, rng)
    open_ = ~worked if worked is not None else np.zeros(n, dtype=bool)
    if truth.world == "immature":
        open_ = created + days > FIRST_DAY + N_DAYS
    columns = dict(zip(truth.criteria, own.T, strict=True))
    if all_criteria:
        others = [each for each in CANONICAL if each not in columns]  # which have no bearing on the outcome
        shares = [tilted_profile(CANONICAL.index(each), 0.0, 0.1) for each in others]
        columns |= {each: rng.choice(6, n, p=p).astype(np.uint8) for each, p in zip(others, shares, strict=True)}
    names = tuple(sorted(columns, key=CANONICAL.index))
    codes = np.stack([columns[name] for name in names], axis=1)
    outcome = np.where(open_, OPEN, won).astype(np.int8)
    return Leads(
        criteria=names, codes=np.asfortranarray(codes), outcome=outcome, created=created,
        closed=np.where(open_, NO_DAY, created + days).astype(np.int32),
        unit=unit, followed_up=worked, propensity=propensity,
        lead_id=pa.array([f"L{i:07d}" for i in range(1, n + 1)]), row=np.arange(2, n + 2), in_time_order=True,
        source=f"synthetic leads of the world {truth.world}", n_rows=n, truth=truth,
        digest=hashlib.sha256(codes.tobytes() + outcome.tobytes()).hexdigest(), **_draw_beside(n, rng),
    )  # fmt: skip


def _draw_states(truth: Truth, time: Floats, rng: RNG) -> tuple[Codes, Floats]:
    """True states of the framework's criteria, lead by lead at its own moment, and their log-odds."""
    first_log_odds, first_shares = truth.first or truth.now
    cells = []
    for shares in (first_shares, truth.shares):
        edges = np.cumsum(shares)
        cells.append(np.searchsorted(edges, rng.uniform(size=len(time)) * edges[-1], side="right"))
    mixing = (time >= 0.5).astype(np.float64) if truth.abrupt else time  # 0 = the first lead, 1 = the last
    cell = np.where(rng.uniform(size=len(time)) < mixing, cells[1], cells[0])
    log_odds = mixing * truth.log_odds.ravel()[cell] + (1 - mixing) * first_log_odds.ravel()[cell]
    return unpack(cell, len(truth.criteria)), log_odds


def _draw_worked(truth: Truth, codes: Codes, won: Flags, rng: RNG) -> tuple[Flags | None, Floats | None]:
    """Which leads were followed up (below the cut-off 10% at random, or 30% by a hunch), and its chance if known."""
    if not truth.world.startswith("selected"):
        return None, None
    below = documented_score(codes, truth.unit) < truth.cutoff
    noise = rng.uniform(size=len(codes))
    if truth.world == "selected_random":
        return ~below | (noise < 0.1), np.where(below, 0.1, 1.0)
    # a hunch sees something of the outcome that no criterion holds
    promising = rng.normal(size=len(codes)) + 1.5 * won
    line = np.quantile(promising[below], 0.7) if below.any() else 0.0
    return ~below | (promising >= line), None


def _draw_beside(n: int, rng: RNG) -> dict[str, Any]:
    """What a CRM holds beside the criteria; none of it bears on the outcome."""
    import pyarrow as pa

    def words(values: list[str | None], shares: list[float]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(
            pa.array(rng.choice(len(values), n, p=shares).astype(np.int32)), pa.array(values)
        )

    size = np.round(rng.lognormal(4, 1.2, n))
    context = {
        "source": words(["web", "fair", "referral", "cold call"], [0.4, 0.2, 0.2, 0.2]),
        "region": words(["north", "east", "south", "west"], [0.25, 0.25, 0.25, 0.25]),
        "employees": pa.array(size, mask=rng.uniform(size=n) < 0.1),
    }
    amount = np.round(rng.lognormal(np.log(2400) - 0.18, 0.6, n), 2)
    return {"amount": amount, "context": context, "contactable": rng.uniform(size=n) < 0.9}


def write_csv(leads: Leads, path: str | Path) -> Path:
    """Write leads as a CRM exports them: identity, dates, status, levels (unknown is blank), amount, context."""
    import pyarrow as pa
    import pyarrow.csv

    created, closed = (
        None if days is None else pa.array(days, mask=days == NO_DAY).cast(pa.date32())
        for days in (leads.created, leads.closed)
    )  # fmt: skip
    columns: dict[str, Any] = {
        "Deal ID": leads.lead_id,
        "Created on": created,
        "Closed on": closed,
        "Status": None if leads.outcome is None else np.array(["Open", "Lost", "Won"])[leads.outcome + 1],
        **{
            each.capitalize(): pa.array(x, mask=x == UNKNOWN)
            for each, x in zip(leads.criteria, leads.codes.T, strict=True)
        },
        "Account": None if leads.unit is None else [f"A{unit:06d}" for unit in leads.unit],
        "Amount": leads.amount,
        "Worked": None if leads.followed_up is None else np.where(leads.followed_up, "yes", "no"),
        "Chance of being picked": leads.propensity,
        **{name.capitalize(): column for name, column in leads.context.items()},
    }
    pyarrow.csv.write_csv(pa.table({name: x for name, x in columns.items() if x is not None}), path)
    return Path(path)
