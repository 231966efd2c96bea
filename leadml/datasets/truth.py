"""What is true of a synthetic world, computed exactly by enumerating every pattern of its criteria."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial.hermite import hermgauss
from numpy.typing import NDArray

from leadml.levels import LEVEL_MAX, MET_LEVEL, N_CODES, UNKNOWN, Codes, Floats, Ints, logistic, pack, unpack


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
    """How leads of a synthetic world are drawn, and what follows for rules, rankings and cut-offs.

    A lead has true states, drawn with `shares`; it is won with log-odds `log_odds` of its states (plus
    the effect of its account); `hide` makes some levels unknown. What is asked of a codes pattern is the mean
    over all true states behind it: E[P(won) | what is seen]. In a drifting world this is the truth of the
    last lead, which is what a rule learned now will meet.

    True states of a criterion are the levels 0 to 4, and junk (at level 0, and never known).
    """

    world: str
    framework: str
    criteria: tuple[str, ...]
    unit: str  # "met" or "points": what the documented rule that the world is made around counts
    cutoff: int
    log_odds: Floats  # (6,) * k: of winning, by true states
    shares: Floats  # (6,) * k: of leads, by true states, summing to 1
    hide: Floats  # (6, 6): P(code | true state), of every criterion alike
    points: Floats | None = None  # (k, 6): what each state adds to the log-odds; None where criteria work together
    first: tuple[Floats, Floats] | None = None  # log_odds and shares of the first lead, where the world drifts
    abrupt: bool = False  # whether a drift happens half-way at once, rather than evenly
    group_sd: float = 0.0  # standard deviation of the effect of the account on the log-odds

    def __repr__(self) -> str:
        return f"<Truth of the world {self.world!r}: {self.framework}, {self.cutoff} {self.unit}>"

    @property
    def now(self) -> tuple[Floats, Floats]:
        """`log_odds` and `shares` of the last lead."""
        return self.log_odds, self.shares

    @cached_property
    def patterns(self) -> Codes:
        """(6^k, k): every pattern of codes; other tables by pattern are in this order."""
        return unpack(np.arange(N_CODES ** len(self.criteria)), len(self.criteria))

    @cached_property
    def share(self) -> Floats:
        """(6^k,): share of leads with each pattern."""
        return self._seen(self.shares)

    @cached_property
    def rate(self) -> Floats:
        """(6^k,): E[P(won) | pattern], NaN where there is no such lead."""
        return rate_of(self._seen(self.shares * self._won), self.share)

    @property
    def base_rate(self) -> float:
        """Share of leads won."""
        return float((self.shares * self._won).sum())

    @property
    def weights(self) -> dict[str, float]:
        """Points of level 4 scaled to the documented total of 4 a criterion; empty where not additive."""
        if self.points is None:
            return {}
        top = self.points[:, LEVEL_MAX]
        scale = LEVEL_MAX * len(top) / top.sum() if top.sum() else 0.0
        return dict(zip(self.criteria, (top * scale).tolist(), strict=True))

    def probability(self, codes: Codes) -> Floats:
        """E[P(won) | codes] of leads, columns in the order of `criteria`: the best ranking there is."""
        return self.rate[pack(codes)]

    def score(self, unit: str | None = None, met_level: int = MET_LEVEL) -> Ints:
        """(6^k,): documented score of each pattern, unknown earning nothing."""
        return documented_score(self.patterns, unit or self.unit, met_level)

    def captured(self, score: Floats | Ints, workload: float) -> float:
        """Share of all wins among the highest-scored leads up to a workload (share of leads).

        `score` has one value a pattern. Of ties at the end of the workload the part that fits counts, at their rate.
        """
        _, at = np.unique(-np.round(score, 12), return_inverse=True)
        share, won = np.bincount(at, self.share), np.bincount(at, self.share * np.nan_to_num(self.rate))
        room = np.clip(workload - (np.cumsum(share) - share), 0, share)
        return float((room * np.nan_to_num(rate_of(won, share))).sum() / won.sum())

    def workload(self, unit: str | None = None, cutoff: int | None = None) -> float:
        """Share of leads that a documented rule follows up; the world's own rule by default."""
        return float(self.share[self.score(unit) >= (self.cutoff if cutoff is None else cutoff)].sum())

    def attainable(self, score: Floats, unit: str = "met", cutoff: int = 3) -> float:
        """Share of the attainable gain that a ranking of the patterns earns, at a documented rule's workload.

        (wins captured by the ranking - by the rule) / (by the best ranking - by the rule); 1 at best, below 0
        where the ranking does worse than the rule.
        """
        workload = self.workload(unit, cutoff)
        rule = self.captured((self.score(unit) >= cutoff).astype(np.int64), workload)
        best = self.captured(np.nan_to_num(self.rate, nan=-1.0), workload)
        return (self.captured(score, workload) - rule) / (best - rule) if best - rule > 1e-9 else np.nan

    def best_cutoff(self, unit: str | None = None, ratio: float | None = None) -> int:
        """Lowest cut-off on the documented score that earns most at a ratio of cost to value (None: base rate)."""
        earned = self.share * (np.nan_to_num(self.rate) - (self.base_rate if ratio is None else ratio))
        net = np.append(np.cumsum(np.bincount(self.score(unit), earned)[::-1])[::-1], 0.0)
        return int(np.argmax(np.round(net, 12)))

    @cached_property
    def _won(self) -> Floats:
        """P(won | true states), over all accounts (Gauss-Hermite with 64 nodes)."""
        if not self.group_sd:
            return logistic(self.log_odds)
        nodes, weights = hermgauss(64)
        each = logistic(self.log_odds[..., None] + np.sqrt(2) * self.group_sd * nodes)
        return np.asarray(each @ weights / np.sqrt(np.pi))

    def _seen(self, mass: Floats) -> Floats:
        """Carry a table by true states over to patterns of codes, one criterion after the other."""
        for _ in self.criteria:
            # the first axis goes, and its codes come last: after k turns the order is as it was
            mass = np.tensordot(mass, self.hide, axes=(0, 1))
        return np.asarray(mass.ravel())


def rate_of(won: NDArray[Any], share: NDArray[Any]) -> Floats:
    """Won of each share, NaN where there is none."""
    return np.asarray(np.divide(won, share, out=np.full(len(won), np.nan), where=share > 0))


def documented_score(codes: Codes, unit: str, met_level: int = MET_LEVEL) -> Ints:
    """Criteria met, or sum of the levels; unknown earns nothing."""
    known = codes != UNKNOWN
    earned = (codes >= met_level) & known if unit == "met" else np.where(known, codes, 0)
    return np.asarray(earned.sum(axis=1), dtype=np.int64)
