"""Synthetic leads of worlds whose truth is known."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leadml.leads.model import Leads
from leadml.leads.truth import UNKNOWN, Floats, Truth, logistic, score_of, tilted
from leadml.leads.worlds import FRAMEWORK_CRITERIA, WORLDS, make_truth
from leadml.records import CANONICAL

__all__ = ["FRAMEWORK_CRITERIA", "WORLDS", "Truth", "make_leads", "make_truth"]

FIRST_DAY = np.datetime64("2023-01-01", "s")
N_DAYS = 730
"""Leads are created evenly over this time."""


def make_leads(
    n: int,
    world: str = "rule_right",
    random_state: int = 0,
    *,
    as_if: Truth | None = None,
    unworked_share: float = 0.98,
    **truth_options: Any,
) -> Leads:
    """Draw leads from a world whose truth is known.

    All 13 criteria are drawn, independently of each other; the outcome depends on those of one framework.
    Each world differs from ``rule_right`` in one thing:

    ==============  ===================================================================================
    rule_right      the log-odds of winning rise evenly with the documented score (`form`: "points" or
                    "met"), and the documented cut-off is the best at break-even
    tilted          the criteria weigh unequally; the total is the same
    dud             one criterion is worth nothing; the others share its weight
    steps           levels are unevenly far apart: half of the criteria matter from level 1, half from 3
    null            no criterion matters
    drifting        the base rate rises over time, and the levels shift upwards
    grouped         leads belong to accounts, about five each, which share a random effect
    immature        the file was taken on the last day: a deal still open then has no outcome, and as
                    losses come sooner than wins, recent outcomes are too bad
    selected        hardly any lead below the documented cut-off was worked; the others stay open
    ==============  ===================================================================================

    Parameters
    ----------
    n : int
        Number of leads, at least 1.
    world : str
        One of the above.
    random_state : int
        Seed.
    as_if : Truth, optional
        Draw from this truth instead of making one.
    unworked_share : float
        Share of the leads below the documented cut-off that were never worked, in the world "selected".
    **truth_options
        Options of `make_truth`: framework, form, base_rate, strength, cutoff, weights, dud, unknown_share,
        unknown_level, group_sd.

    Returns
    -------
    Leads
        In order of creation, with `truth`.

    Raises
    ------
    ValueError
        There is no such world, or an option is out of its range.

    Examples
    --------
    >>> leads = make_leads(500, world="tilted", random_state=1)
    >>> leads.levels.shape, leads.truth.criteria
    ((500, 13), ('budget', 'authority', 'need', 'timeline'))
    >>> make_leads(500, world="tiltd")
    Traceback (most recent call last):
    ValueError: world is 'tiltd'; valid: rule_right, tilted, ...; did you mean tilted?
    """
    if n < 1:
        raise ValueError(f"n is {n}; valid: at least 1")
    truth = as_if or make_truth(world, **truth_options)
    rng = np.random.default_rng(random_state)
    time = np.sort(rng.uniform(size=n))
    codes = _draw_codes(truth, time, rng)
    own = codes[:, [CANONICAL.index(name) for name in truth.criteria]]
    log_odds = truth.log_odds(own) + (time - 1) * truth.intercept_change
    group = rng.integers(0, max(n // 5, 1), n) if truth.group_sd else None
    if group is not None:
        log_odds = log_odds + rng.normal(0, truth.group_sd, group.max() + 1)[group]
    won = rng.uniform(size=n) < logistic(log_odds)

    created = FIRST_DAY + (time * N_DAYS * 86_400).astype("timedelta64[s]")
    days = np.where(won, 60, 25) * rng.lognormal(0, 0.6, n)
    closed = created + (days * 86_400).astype("timedelta64[s]")
    open_ = np.zeros(n, dtype=bool)
    if truth.world == "immature":
        open_ = closed > FIRST_DAY + np.timedelta64(N_DAYS * 86_400, "s")
    elif truth.world == "selected":
        below = score_of(own, truth.unit) < truth.cutoff
        open_ = below & (rng.uniform(size=n) < unworked_share)
    outcome = np.where(open_, np.nan, won)
    levels = pd.DataFrame(np.where(codes == UNKNOWN, np.nan, codes), columns=list(CANONICAL))
    beside = _draw_beside(n, rng)
    content = [levels.to_numpy().tobytes(), outcome.tobytes(), closed.tobytes()]
    return Leads(
        levels=levels,
        lead_id=np.array([f"L{i:06d}" for i in range(1, n + 1)], dtype=object),
        outcome=outcome,
        created_at=pd.Series(created),
        closed_at=pd.Series(np.where(open_, np.datetime64("NaT", "s"), closed)),
        in_time_order=True,
        group=group,
        row_key=np.arange(n, dtype=np.int64),
        rejected=pd.DataFrame(columns=["row", "column", "value", "reason"]),
        mapping=None,
        source=f"synthetic leads of the world {truth.world}",
        digest=hashlib.sha256(b"".join(content)).hexdigest(),
        n_rows=n,
        truth=truth,
        **beside,
    )


def _draw_codes(truth: Truth, time: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the codes of all 13 criteria, lead by lead at its own moment."""
    codes = np.empty((len(time), len(CANONICAL)), dtype=np.uint8)
    for j, name in enumerate(CANONICAL):
        shares = tilted(truth.level_shares[name], (time - 1) * truth.tilt_change)
        reached = np.cumsum(shares, axis=1)[:, :-1] <= rng.uniform(size=len(time))[:, None]
        codes[:, j] = reached.sum(axis=1)
    return codes


def _draw_beside(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Draw what a CRM holds beside the criteria; none of it bears on the outcome."""
    size = np.round(rng.lognormal(4, 1.2, n))
    size[rng.uniform(size=n) < 0.1] = np.nan
    purchase = rng.choice(
        np.array(["new", "repeat", "replacement", None], dtype=object), n, p=[0.6, 0.2, 0.1, 0.1]
    )
    return {
        "amount": np.round(rng.lognormal(np.log(2400) - 0.18, 0.6, n), 2),
        "context": pd.DataFrame(
            {
                "source": rng.choice(["web", "fair", "referral", "cold call"], n, p=[0.4, 0.2, 0.2, 0.2]),
                "region": rng.choice(["north", "east", "south", "west"], n),
                "employees": size,
            }
        ).astype({"source": object, "region": object}),
        "facts": pd.DataFrame({"purchase": purchase}, dtype=object),
        "contactable": rng.uniform(size=n) < 0.9,
    }
