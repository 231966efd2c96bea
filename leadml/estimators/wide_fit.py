"""The wide fit: documented criteria as on a learned card, then attributes chosen along a path, all fitted together.

log-odds = b + sum_j f_j(level) + sum_c z_c(bin): f_j monotone around the document with the spreads that the criteria
have most evidence for, z_c shrunk to 0 with a spread of its own, found by MacKay's fixed point (1992, Neural
Computation 4) while the coefficients are.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from leadml.estimators.attributes import Bins, Column, allowed, fine_bins, kernel, merge, score_test
from leadml.estimators.design import (
    UNKNOWN_MEANINGS,
    code_table,
    design,
    is_step,
    known_shares,
    steps_precision,
    unknown_precision,
    values_by_code,
)
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.estimators.solver import fit_logistic, solve_bounded
from leadml.levels import Codes, logistic

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FIRST_SPREAD = 0.3
LEAST_SPREAD, MOST_SPREAD = 0.02, 2.0
AS_SCORE = (0.001, 0.001, 0.0)
"""Spreads that keep the document's proportions."""
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
    p_value: float


@dataclasses.dataclass(frozen=True, eq=False)
class WideFit:
    """intercept + sum of values (k, 6) of criteria + effects of attributes; draws (D, 1 + 6k + sum of bins + 2)."""

    intercept: float
    values: Floats
    attributes: tuple[Attribute, ...]
    draws: Floats
    slope: float

    def log_odds(self, codes: Codes, columns: dict[str, Column]) -> Floats:
        """(n,) log-odds of (n, k) codes and the columns by name; an absent column is unknown."""
        out = np.full(len(codes), self.intercept)
        for j in range(codes.shape[1]):
            out += self.values[j][codes[:, j]]
        for each in self.attributes:
            column = columns.get(each.bins.name)
            out += each.effects[-1] if column is None else each.effects[each.bins.codes(column)]
        return out


def _likeliest(counts: PatternCounts, documented: Floats) -> tuple[float, float, float]:
    """Spreads of the criteria and meaning of unknown with most evidence, attributes left out."""
    fit = fit_scorecard(counts, documented)
    between, within, part = fit.spreads[int(np.argmax(fit.evidence))]
    return float(between), float(within), float(part)


class _Model:
    """Criteria and any number of binned columns, refitted as columns come and bins merge."""

    def __init__(
        self,
        codes: Codes,
        documented: Floats,
        outcome: Floats,
        weight: Floats,
        spreads: tuple[float, float, float] | None,
    ) -> None:
        self.outcome, self.weight, self.k = outcome, weight, len(documented)
        self.design, self.prior = np.ones((len(codes), 1)), np.full((1, 1), 1e-3)
        if self.k:
            counts = PatternCounts.from_codes(codes, outcome, weight)
            self.table = code_table(known_shares(counts.codes, counts.total))
            self.design = design(codes, self.table)
            between, within, part = spreads or _likeliest(counts, documented)
            self.prior = steps_precision(documented, between, within)[0]
            sd = {part: sd for part, sd, _ in UNKNOWN_MEANINGS}[part]
            self.prior = self.prior + unknown_precision(self.table, part, sd)[0]
        self.bounded = is_step(self.k)
        self.bins: list[Bins] = []
        self.codes: list[npt.NDArray[np.uint8]] = []
        self.spreads: list[float] = []
        self.theta = np.zeros(self.design.shape[1])
        self.fit()

    def columns(self) -> csr_array:
        """(n, p) design: criteria, then an indicator of every code of every attribute."""
        n, size = self.design.shape
        starts = np.cumsum([size, *(b.n_bins + 2 for b in self.bins)])
        at = [
            np.broadcast_to(np.arange(size), (n, size)),
            *((s + c)[:, None] for s, c in zip(starts, self.codes, strict=False)),
        ]
        columns, values = (
            np.concatenate(at, axis=1),
            np.concatenate([self.design, np.ones((n, len(self.bins)))], axis=1),
        )
        rows = np.arange(0, columns.size + 1, columns.shape[1])
        return csr_array((values.ravel(), columns.ravel(), rows), shape=(n, int(starts[-1])))

    def fit(self, n_updates: int = 0, bounded: bool = False) -> None:
        """Newton from where it stands; then spreads and coefficients in turn."""
        columns, inverses = self.columns(), [np.linalg.inv(kernel(b)) for b in self.bins]
        won, total = (self.outcome * self.weight)[None], self.weight[None]
        for turn in range(n_updates + 1):
            penalty = self._penalty(inverses)
            last = turn == n_updates
            start = np.where(self.bounds, np.maximum(self.theta, 0.0), self.theta) if bounded else self.theta
            found = fit_logistic(
                columns, won, total, penalty[None], start=start[None], bounded=self.bounds if bounded else None,
                max_iter=25 if last else 1, tolerance=1e-5 if bounded else 1e-3,
            )  # fmt: skip
            self.theta, self.hessian = found.theta[0], found.hessian[0]
            if not last:
                self._update(inverses)
        self.eta = columns @ self.theta

    @property
    def bounds(self) -> npt.NDArray[np.bool_]:
        """Coefficients that may not be negative."""
        return np.concatenate([self.bounded, np.zeros(len(self.theta) - len(self.bounded), dtype=bool)])

    def slices(self) -> list[slice]:
        """Where each attribute's coefficients are."""
        ends = np.cumsum([self.design.shape[1], *(b.n_bins + 2 for b in self.bins)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    def _penalty(self, inverses: list[npt.NDArray[np.floating]]) -> Floats:
        out = np.zeros((len(self.theta),) * 2)
        size = self.design.shape[1]
        out[:size, :size] = self.prior
        for at, inverse, spread in zip(self.slices(), inverses, self.spreads, strict=True):
            out[at, at] = inverse / spread**2
        return out

    def _update(self, inverses: list[npt.NDArray[np.floating]]) -> None:
        covariance = np.linalg.inv(self.hessian)
        size, determined = np.zeros(len(self.bins)), np.zeros(len(self.bins))
        for i, (at, inverse) in enumerate(zip(self.slices(), inverses, strict=True)):
            z = self.theta[at]
            size[i] = z @ inverse @ z
            determined[i] = len(z) - np.trace(inverse @ covariance[at, at]) / self.spreads[i] ** 2
        # a column of two or three bins tells little of its spread: all of them lend it POOLED effects of theirs
        common = size.sum() / max(determined.sum(), 1e-3)
        new = np.sqrt((size + POOLED * common) / (determined + POOLED))
        self.spreads = np.clip(new, LEAST_SPREAD, MOST_SPREAD).tolist()

    def add(self, bins: Bins, codes: npt.NDArray[np.uint8]) -> None:
        """Let a column in and refit."""
        self.bins, self.codes = [*self.bins, bins], [*self.codes, codes]
        self.spreads = [*self.spreads, FIRST_SPREAD]
        self.theta = np.concatenate([self.theta, np.zeros(bins.n_bins + 2)])
        self.fit(N_UPDATES)

    def state(self) -> tuple[Floats, Floats, tuple[csr_array, Floats]]:
        """Residuals, variances, and the fit's own columns with a root of its covariance, for score tests."""
        p = logistic(self.eta)
        variance = self.weight * p * (1 - p)
        root = np.linalg.cholesky(np.linalg.inv(self.hessian))
        return self.weight * (self.outcome - p), variance, (self.columns(), root)


@dataclasses.dataclass(frozen=True, eq=False)
class WideDeals:
    """Closed deals to learn from: (n, k) codes around documented points (k, 5), columns, (n,) outcome and weight."""

    codes: Codes
    documented: Floats
    columns: Sequence[Column]
    outcome: Floats
    weight: Floats
    unit: npt.NDArray[np.generic] | None = None

    def take(self, rows: npt.NDArray[np.bool_]) -> WideDeals:
        """Pick rows."""
        return WideDeals(
            self.codes[rows],
            self.documented,
            [column.take(rows) for column in self.columns],
            self.outcome[rows],
            self.weight[rows],
            None if self.unit is None else self.unit[rows],
        )


def held_out_slope(deals: WideDeals, *, attributes: int = 12, as_score: bool = False, random_state: int = 0) -> float:
    """Slope of outcomes on log-odds learned without them, in folds by unit: below 1 where these are too sure.

    1 where deals abound. Copas 1983, Regression, prediction and shrinkage, JRSS B 45.
    """
    n = len(deals.outcome)
    if n > MANY_DEALS:
        return 1.0
    unit = np.arange(n) if deals.unit is None else np.unique(deals.unit, return_inverse=True)[1]
    fold = np.random.default_rng(random_state).permutation(int(unit.max()) + 1)[unit] % N_FOLDS
    eta = np.zeros(n)
    for f in range(N_FOLDS):
        held = fold == f
        if held.any() and 0 < deals.outcome[~held].mean() < 1:
            part = deals.take(held)
            fit = fit_wide(deals.take(~held), attributes=attributes, as_score=as_score)
            eta[held] = fit.log_odds(part.codes, {column.name: column for column in part.columns})
    return min(_slope(eta, deals.outcome, deals.weight), 1.0)


def _slope(log_odds: Floats, outcome: Floats, weight: Floats) -> float:
    """Slope of outcomes on log-odds."""
    line = np.stack([np.ones(len(log_odds)), log_odds], axis=1)
    found = fit_logistic(line, (outcome * weight)[None], weight[None], np.diag([1e-9, 1e-9])[None])
    return float(np.clip(found.theta[0, 1], LEAST_SLOPE, 1.0 / LEAST_SLOPE))


def fit_wide(
    deals: WideDeals, *, attributes: int = 12, as_score: bool = False, n_draws: int = 0, random_state: int = 0
) -> WideFit:
    """Fit criteria and up to so many attributes; `as_score` keeps the proportions of the document."""
    y, w = deals.outcome, deals.weight
    units = None if deals.unit is None else np.unique(deals.unit, return_inverse=True)[1]
    model = _Model(deals.codes, deals.documented, y, w, AS_SCORE if as_score else None)
    candidates = {}
    for column in deals.columns:
        if (bins := fine_bins(column, w)) is not None:
            candidates[column.name] = (bins, bins.codes(column), kernel(bins))
    p_values: dict[str, float] = {}
    n_offered = len(candidates)
    while candidates and len(p_values) < attributes:
        residual, variance, nuisance = model.state()
        tested = {
            name: score_test(at, c, residual, variance, nuisance, units) for name, (_, at, c) in candidates.items()
        }
        limit = np.log(allowed(len(p_values), n_offered))
        if not (let_in := [name for name, (p, _) in tested.items() if p <= limit]):
            break
        best = max(let_in, key=lambda name: tested[name][1])
        p_values[best] = float(np.exp(tested[best][0]))
        bins, at, _ = candidates.pop(best)
        model.add(bins, at)
    model.fit(0, bounded=True)
    return _result(model, p_values, n_draws, random_state)


def _coarsened(model: _Model) -> Iterator[tuple[slice, Bins, Floats, Floats, Floats]]:
    """Merge bins that the data cannot tell apart: where it was, bins, deals, won, means over effects.

    A coarse bin's effect is the mean of its fine ones: fitted anew, words brought together by their outcomes would
    lose the shrinkage that each had. A column whose bins all merge goes.
    """
    rate = float(model.weight @ model.outcome / model.weight.sum())
    for bins, codes, at in zip(model.bins, model.codes, model.slices(), strict=True):
        size = bins.n_bins + 2
        n, won = (np.bincount(codes, w, size).astype(np.float64) for w in (model.weight, model.weight * model.outcome))
        # information at the overall rate: where a bin is nearly always won its own would vanish
        coarse, table = merge(bins, model.theta[at], n * rate * (1 - rate), n)
        if coarse.n_bins > 1 or n[bins.n_bins :].any():
            joins = np.zeros((coarse.n_bins + 2, size))
            joins[[*table, coarse.n_bins, coarse.n_bins + 1], np.arange(size)] = 1.0
            means = joins * np.maximum(n, 1e-9)
            yield at, coarse, joins @ n, joins @ won, means / means.sum(axis=1, keepdims=True)


def _result(model: _Model, p_values: dict[str, float], n_draws: int, random_state: int) -> WideFit:
    size = model.design.shape[1]
    coarse = list(_coarsened(model))
    attributes = tuple(
        Attribute(bins, means @ model.theta[at], n, won, p_values[bins.name]) for at, bins, n, won, means in coarse
    )

    def values(theta: Floats) -> Floats:
        return values_by_code(theta, model.table) if model.k else np.zeros((*theta.shape[:-1], 0, 6))

    draws = np.empty((0, 0))
    if n_draws:
        noise = np.random.default_rng(random_state).standard_normal((n_draws, len(model.theta)))
        root = np.linalg.cholesky(model.hessian)
        theta = model.theta + np.linalg.solve(root.T, noise.T).T
        if (theta[:, model.bounds] < 0).any():
            h = np.broadcast_to(model.hessian, (n_draws, *model.hessian.shape))
            theta = solve_bounded(h, (h @ theta[..., None])[..., 0], model.bounds)
        criteria = values(theta[:, :size]).reshape(n_draws, -1)
        effects = [theta[:, at] @ means.T for at, _, _, _, means in coarse]
        draws = np.concatenate([theta[:, :1], criteria, *effects], axis=1)
    # outcomes rise more steeply on shrunk log-odds among the deals they were learned from than among others
    slope = 1.0 / max(_slope(model.eta, model.outcome, model.weight), 1.0)
    return WideFit(float(model.theta[0]), values(model.theta[:size]), attributes, draws, slope)
