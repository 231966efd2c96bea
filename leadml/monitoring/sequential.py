"""Sequential tests (e-values) of whether anything changed since a card was learned, valid at every look.

Deals closed since are compared with the deals learned from in the directions x = (1, contribution of each row
of the card in log-odds): scores s = sum x (y - p), information H = sum p (1 - p) x x'. The deals learned from
give the card's own uncertainty: while nothing changed, the error of its log-odds is N(m, V), V = inv(H0) and
m = V s0. The likelihood with a further change of one coefficient, N(0, tau^2), in ratio to that without, is
a martingale, and so is any mean of such ratios over coefficients and first days: its chance of ever
exceeding 1 / alpha is at most alpha, at any number of looks (Ville 1939; Robbins 1970, Ann. Math. Stat.).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from leadml.levels import Floats

ALPHA = 0.05
TAU = 0.5
"""Size of the changes looked for: 0.5 in log-odds (30% won going to 21% or 41%), half of a row's weight."""
RIDGE = 1e-3
"""Information (deals) added to what was learned from, so that a row that never varied tells nothing."""
LEAST = 1e-9
"""Information below which it is rounding: the row earns the same points for every answer that occurs."""
FIRST, GROWTH = 20.0, 1.25
"""Looks are taken at the 20th deal and each a quarter further on, whatever the days of the monitoring."""


class Change(NamedTuple):
    """E-value (d,) of a change of each coefficient (1 / E bounds its p), and its size with standard error."""

    e: Floats
    size: Floats
    error: Floats


class Alarm(NamedTuple):
    """The highest mean e-value so far over all coefficients and starts: an alarm from 1 / ALPHA, which stays given."""

    e: float
    by_row: Floats  # the same for each coefficient alone
    since: Change  # over all deals since


def information_of(x: Floats, y: Floats, p: Floats, weight: Floats | None = None) -> Floats:
    """(d, d + 1) information and, last, score of deals, which add up: x (n, d), outcomes y, predicted p, weights."""
    w = np.ones(len(y)) if weight is None else weight
    return np.asarray(x.T @ np.column_stack([x * (w * p * (1.0 - p))[:, None], w * (y - p)]))


def find_change(before: Floats, since: Floats) -> Change:
    """Compare deals since with those before, one coefficient at a time."""
    h0, h = before[:, :-1] + RIDGE * np.eye(len(before)), since[:, :-1]
    pooled = h @ np.linalg.inv(h0 + h)
    residual = since[:, -1] - h @ np.linalg.solve(h0, before[:, -1])
    w = np.diag(h - pooled @ h)  # information of the difference between since and before
    r = residual - pooled @ residual
    e = np.exp(np.minimum(0.5 * ((TAU * r) ** 2 / (1.0 + TAU**2 * w) - np.log1p(TAU**2 * w)), 500.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Change(e, np.where(w > LEAST, r / w, 0.0), np.where(w > LEAST, w**-0.5, np.inf))


def shift_evidence(then: Floats, now: Floats) -> float:
    """E-value of a shift: the counts now by shares of their own, against the shares that those before tell.

    Both are Dirichlet-multinomial, so their ratio is a martingale while nothing shifts, whatever the looks.
    """
    from scipy.special import gammaln

    counts = 0.5 + np.array([now, then, then + now, np.zeros(len(then))])
    log_e = np.array([1, 1, -1, -1]) @ (gammaln(counts).sum(axis=1) - gammaln(counts.sum(axis=1)))
    return float(np.exp(np.clip(log_e, -500.0, 500.0)))


def looks_at(n: int) -> list[int]:
    """Numbers of deals at which one looks: fixed, so that a growing file only adds to them, and all deals."""
    looks = (int(FIRST * GROWTH**i) for i in itertools.count())
    return [*itertools.takewhile(lambda at: at < n, looks), n] if n else []


def watch(before: Floats, x: Floats, y: Floats, p: Floats, weight: Floats | None = None) -> Alarm:
    """Follow deals in the order in which they closed; before: `information_of` those that the card learned from."""
    n, d = x.shape
    looks, w = looks_at(n), np.ones(n) if weight is None else weight
    rows = [slice(a, b) for a, b in zip([0, *looks], looks, strict=False)]
    parts = [information_of(x[at], y[at], p[at], w[at]) for at in rows]
    weights = np.r_[0.5, np.full(d - 1, 0.5 / (d - 1))] if d > 1 else np.ones(1)
    mean, known = np.ones((len(looks), d)), before
    for start, part in enumerate(parts):
        # Half the weight on a change from the first day, the rest on one that begins at a later look.
        share = 1.0 / ((start + 1) * (start + 2))
        for at, since in enumerate(np.cumsum(parts[start:], axis=0), start):
            mean[at] += share * (find_change(known, since).e - 1.0)
        known = known + part
    now = find_change(before, sum(parts, np.zeros((d, d + 1))))
    return Alarm(float((mean @ weights).max(initial=1.0)), mean.max(axis=0, initial=1.0), now)
