"""The wide fit: documented criteria as on a learned card, then attributes chosen along a path, all fitted together.

log-odds = b + sum_j f_j(level) + sum_c z_c(bin): f_j monotone around the document with the spreads that the criteria
have most evidence for, z_c shrunk to 0 with a spread of its own, found by MacKay's fixed point (1992, Neural
Computation 4) while the coefficients are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from leadml.estimators.attributes import Bins, Column, fine_bins, kernel, merge, score_test
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import CardFit, code_basis, design, fit_spreads, steps_priors, unknown_priors
from leadml.estimators.solver import Coded, fit_logistic
from leadml.levels import LEVEL_MAX, N_CODES, Codes, Flags, Floats, Ints, logistic

FIRST_P = 0.03
"""Chance that a card gets any attribute where none tells anything (Bonferroni)."""
FURTHER_P, FALSE_SHARE = 0.1, 0.5
"""p-value at most of further columns (about where they begin to predict better than they cost), and the share of
them that may be noise (Benjamini, Hochberg 1995)."""
FIRST_SPREAD = 0.3
LEAST_SPREAD, MOST_SPREAD = 0.02, 2.0
POOLED = 10.0
N_FOLDS = 5
MANY_DEALS = 5_000
LEAST_SLOPE = 0.2
N_UPDATES = 3
"""Updates of the spreads after each column, each after one Newton step from where the last one ended."""


@dataclasses.dataclass(frozen=True, eq=False)
class Attribute:
    """A chosen column: its bins, their effects in log-odds (bins, other, unknown), weights of deals and of won ones."""

    bins: Bins
    effects: Floats
    n: Floats
    won: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class WideFit(CardFit):
    """Card of criteria and attributes.

    slope : of outcomes on its log-odds among deals that it did not learn from, at most 1 (found in folds by unit, up to
        `MANY_DEALS`): less where these are too sure.
    """

    attributes: tuple[Attribute, ...]
    slope: float

    @property
    def rows(self) -> list[Floats]:
        """Log-odds of the codes of each row."""
        return [*self.values, *(each.effects for each in self.attributes)]

    def codes(self, codes: Codes, columns: Iterable[Column]) -> Codes:
        """(n, rows) codes of a card, of (n, k) codes of criteria and columns by name; an absent one is unknown."""
        by_name, blank = {column.name: column for column in columns}, Column("", np.full(len(codes), np.nan), ())
        bins = [each.bins for each in self.attributes]
        return np.column_stack([codes, *(each.codes(by_name.get(each.name, blank)) for each in bins)])


@dataclasses.dataclass(frozen=True, eq=False)
class WideDeals:
    """Closed deals to learn from: (n, k) codes, columns, (n,) outcome and weight."""

    codes: Codes
    columns: Sequence[Column]
    outcome: Floats
    weight: Floats
    unit: npt.NDArray[np.generic] | None = None

    def take(self, rows: Flags) -> WideDeals:
        """Pick rows."""
        own: dict[str, Any] = {name: each[rows] for name, each in vars(self).items() if isinstance(each, np.ndarray)}
        return dataclasses.replace(self, **own, columns=[column.take(rows) for column in self.columns])


class _Part(NamedTuple):
    """A column in a model: its bins, its codes, the inverse of its kernel, where its coefficients are."""

    bins: Bins
    codes: Codes
    inverse: Floats
    at: slice


class _Model:
    """Criteria and any number of binned columns, refitted as columns come."""

    def __init__(self, deals: WideDeals, as_score: bool) -> None:
        self.won, self.weight, k = deals.outcome * deals.weight, deals.weight, deals.codes.shape[1]
        self.prior, basis = np.full((1, 1), 1e-3), np.ones((1, 1))
        if k:
            counts = PatternCounts.from_codes(deals.codes, deals.outcome, deals.weight)
            basis = code_basis(counts.codes, counts.total)
            self.prior = steps_priors(k)[0][0] + unknown_priors(basis)[0][0]
            if not as_score:  # the spreads with most evidence, attributes left out
                columns = design(counts.codes, basis)
                _, precision, evidence, _ = fit_spreads(columns, counts.won[None], counts.total[None], basis)
                self.prior = precision[np.argmax(evidence)]
        self.codes, self.columns = deals.codes, Coded(deals.codes, [N_CODES] * k, basis)
        self.parts: list[_Part] = []
        self.spreads, self.theta = np.empty(0), np.zeros(1 + 5 * k)
        self.fit()

    def add(self, bins: Bins, codes: Codes) -> None:
        """Let a column in and refit."""
        start, size = len(self.theta), bins.n_bins + 2
        self.codes, basis = np.column_stack([self.codes, codes]), block_diag(self.columns.basis, np.eye(size))
        self.columns = Coded(self.codes, [*self.columns.sizes[1:], size], basis)
        inverse = np.asarray(np.linalg.inv(kernel(bins)), dtype=np.float64)
        self.parts.append(_Part(bins, codes, inverse, slice(start, start + size)))
        self.spreads = np.append(self.spreads, FIRST_SPREAD)
        self.theta = np.pad(self.theta, (0, size))
        self.fit(N_UPDATES)

    def fit(self, n_updates: int = 0, bounded: Flags | None = None) -> None:
        """Newton from where it stands; then spreads and coefficients in turn."""
        theta = self.theta if bounded is None else np.where(bounded, np.maximum(self.theta, 0.0), self.theta)
        for turn in range(n_updates, -1, -1):
            own = [part.inverse / spread**2 for part, spread in zip(self.parts, self.spreads, strict=True)]
            found = fit_logistic(
                self.columns,
                self.won[None],
                self.weight[None],
                block_diag(self.prior, *own)[None],
                bounded=bounded,
                start=theta[None],
                tolerance=1e-3 if bounded is None else 1e-5,
                max_iter=1 if turn else 25,
            )
            theta, self.hessian = found.theta[0], found.hessian[0]
            if turn:
                covariance = np.linalg.inv(self.hessian)
                size = np.array([theta[at] @ inverse @ theta[at] for _, _, inverse, at in self.parts])
                unsure = np.array([np.trace(inverse @ covariance[at, at]) for _, _, inverse, at in self.parts])
                determined = [len(part.inverse) for part in self.parts] - unsure / self.spreads**2
                # a column of two or three bins tells little of its spread: all of them lend it POOLED effects
                common = size.sum() / max(determined.sum(), 1e-3)
                new = np.sqrt((size + POOLED * common) / (determined + POOLED))
                self.spreads = np.clip(new, LEAST_SPREAD, MOST_SPREAD)
        self.theta, self.eta = theta, self.columns @ theta

    def attributes(self) -> tuple[Attribute, ...]:
        """Its columns with the bins merged that the data cannot tell apart; a column whose bins all merge goes.

        A coarse bin's effect is the mean of its fine ones: fitted anew, words brought together by their outcomes would
        lose the shrinkage that each had.
        """
        rate, made = float(self.won.sum() / self.weight.sum()), []
        for bins, codes, _, at in self.parts:
            n, won = (np.bincount(codes, w, bins.n_bins + 2).astype(np.float64) for w in (self.weight, self.won))
            # information at the overall rate: where a bin is nearly always won its own would vanish
            coarse, to = merge(bins, self.theta[at], n * rate * (1 - rate), n)
            if coarse.n_bins > 1 or n[bins.n_bins :].any():
                to = np.append(to, [coarse.n_bins, coarse.n_bins + 1])
                share = np.maximum(n, 1e-9)
                effects = np.bincount(to, share * self.theta[at]) / np.bincount(to, share)
                n, won = (np.bincount(to, each).astype(np.float64) for each in (n, won))
                made.append(Attribute(coarse, effects, n, won))
        return tuple(made)


def fit_wide(deals: WideDeals, *, attributes: int = 12, as_score: bool = False) -> WideFit:
    """Fit criteria and up to so many attributes; `as_score` keeps the proportions of the document."""
    fit, n = _fit_once(deals, attributes, as_score), len(deals.outcome)
    if n > MANY_DEALS:
        return fit
    unit = np.arange(n) if deals.unit is None else np.unique(deals.unit, return_inverse=True)[1]
    fold = np.random.default_rng(0).permutation(int(unit.max()) + 1)[unit] % N_FOLDS
    eta = np.zeros(n)
    for held in (fold == f for f in range(N_FOLDS)):
        if held.any() and 0 < deals.outcome[~held].mean() < 1:
            fit_rest, part = _fit_once(deals.take(~held), attributes, as_score), deals.take(held)
            eta[held] = fit_rest.log_odds(fit_rest.codes(part.codes, part.columns))
    # Copas 1983, Regression, prediction and shrinkage, JRSS B 45
    return dataclasses.replace(fit, slope=fit.slope * min(_slope(eta, deals.outcome * deals.weight, deals.weight), 1.0))


def _fit_once(deals: WideDeals, attributes: int, as_score: bool) -> WideFit:
    """A fit whose slope is that among the deals it was learned from."""
    units: Ints | None = None if deals.unit is None else np.unique(deals.unit, return_inverse=True)[1]
    model = _Model(deals, as_score)
    fine = {column.name: (column, fine_bins(column, deals.weight)) for column in deals.columns}
    candidates = {name: (bins, bins.codes(c), kernel(bins)) for name, (c, bins) in fine.items() if bins is not None}
    n_offered = len(candidates)
    while candidates and len(model.parts) < attributes:
        p = logistic(model.eta)
        residual, variance = model.won - model.weight * p, model.weight * p * (1 - p)
        root = np.linalg.cholesky(np.linalg.inv(model.hessian))
        n_chosen, let_in = len(model.parts), {}
        limit = min(FURTHER_P, FALSE_SHARE * (n_chosen + 1) / n_offered) if n_chosen else FIRST_P / n_offered
        for name, (_, codes, prior) in candidates.items():
            projection = model.columns.counts(codes, len(prior), variance) @ root
            log_p, evidence = score_test(codes, prior, residual, variance, projection, units)
            if log_p <= np.log(limit):
                let_in[name] = evidence
        if not let_in:
            break
        model.add(*candidates.pop(max(let_in, key=let_in.__getitem__))[:2])
    k, place = deals.codes.shape[1], np.arange(len(model.theta))
    model.fit(bounded=(place > 0) & (place <= LEVEL_MAX * k))  # the steps of criteria
    intercept, *values = (model.columns.basis @ model.theta)[: 1 + N_CODES * k]
    # outcomes rise more steeply on shrunk log-odds among the deals they were learned from than among others
    slope = 1.0 / max(_slope(model.eta, model.won, model.weight), 1.0)
    return WideFit(float(intercept), np.reshape(values, (k, N_CODES)), model.attributes(), slope)


def _slope(log_odds: Floats, won: Floats, weight: Floats) -> float:
    """Slope of outcomes on log-odds."""
    line = np.stack([np.ones(len(log_odds)), log_odds], axis=1)
    found = fit_logistic(line, won[None], weight[None], 1e-9 * np.eye(2)[None])
    return float(np.clip(found.theta[0, 1], LEAST_SLOPE, 1.0 / LEAST_SLOPE))
