"""What is true of a synthetic world, computed exactly by going through every pattern of its criteria."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial.hermite import hermgauss
from numpy.typing import NDArray

UNKNOWN = 5
LEVEL_MAX = 4
N_CODES = 6

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Truth:
    """How leads of a synthetic world are drawn, and what follows for rules and cut-offs.

    P(won | codes) = 1 / (1 + exp(-(intercept + sum_j points_j[code_j] + effect of the account)))

    Every figure is a sum over all 6^k patterns of the k criteria, never an estimate; the effect of the
    account, where there is one, is integrated out with 64 nodes of Gauss-Hermite.

    Attributes
    ----------
    world : str
        Name of the world.
    framework : str
        Whose criteria the outcome depends on.
    criteria : tuple of k str
        Canonical names, in the framework's order.
    unit : "met" or "points"
        What the documented rule counts that the world is made around.
    cutoff : int
        The cut-off of that rule.
    intercept : float
        Log-odds of winning with level 0 throughout.
    points : mapping of str to 5 floats
        Log-odds that each level adds, 0 at level 0.
    unknown_points : mapping of str to float
        Log-odds that an unknown adds.
    level_shares : mapping of str to 6 floats
        Share of leads at levels 0 to 4 and unknown, independent between criteria.
    group_sd : float
        Standard deviation of the effect of the account on the log-odds; 0 without accounts.
    intercept_change : float
        By how much the intercept rises from the first lead to the last.
    tilt_change : float
        By how much the log of a level's share rises a level from the first lead to the last.

    Notes
    -----
    In a drifting world the truth is that of the last lead: what a rule learned now will meet. `at` gives
    any other moment.
    """

    world: str
    framework: str
    criteria: tuple[str, ...]
    unit: str
    cutoff: int
    intercept: float
    points: Mapping[str, tuple[float, ...]]
    unknown_points: Mapping[str, float]
    level_shares: Mapping[str, tuple[float, ...]]
    group_sd: float = 0.0
    intercept_change: float = 0.0
    tilt_change: float = 0.0

    @property
    def total_max(self) -> int:
        """The documented total in points: 4 for each criterion."""
        return LEVEL_MAX * len(self.criteria)

    @property
    def weights(self) -> dict[str, float]:
        """Points of level 4 scaled to the documented total; 0 throughout where nothing matters."""
        top = {name: self.points[name][LEVEL_MAX] for name in self.criteria}
        total = sum(top.values())
        return {name: value * self.total_max / total if total else 0.0 for name, value in top.items()}

    @property
    def base_rate(self) -> float:
        """Share of leads won."""
        return float(self._shares @ self._rates)

    def at(self, time: float) -> Truth:
        """Give the truth at another moment of a drifting world.

        Parameters
        ----------
        time : float
            0 at the first lead, 1 at the last.

        Returns
        -------
        Truth
            The truth at that moment; itself where nothing drifts.
        """
        back = time - 1
        return dataclasses.replace(
            self,
            intercept=self.intercept + back * self.intercept_change,
            level_shares={
                name: tuple(tilted(shares, back * self.tilt_change).tolist())
                for name, shares in self.level_shares.items()
            },
        )

    def log_odds(self, codes: NDArray[np.uint8]) -> Floats:
        """Give the log-odds of winning, without the effect of the account.

        Parameters
        ----------
        codes : (n, k) uint8
            Levels 0 to 4 or 5 for unknown, columns in the order of `criteria`.

        Returns
        -------
        (n,) float64
            Log-odds.

        Raises
        ------
        ValueError
            The columns are not k.
        """
        if codes.ndim != 2 or codes.shape[1] != len(self.criteria):
            raise ValueError(
                f"got codes of shape {codes.shape}; valid: (n, {len(self.criteria)}), {self.criteria}"
            )
        added = np.full(len(codes), self.intercept)
        for j, name in enumerate(self.criteria):
            added += np.append(self.points[name], self.unknown_points[name])[codes[:, j]]
        return added

    def probability(self, codes: NDArray[np.uint8]) -> Floats:
        """Give the chance of winning.

        Parameters
        ----------
        codes : (n, k) uint8
            Levels 0 to 4 or 5 for unknown, columns in the order of `criteria`.

        Returns
        -------
        (n,) float64
            0 to 1, over all accounts.
        """
        log_odds = self.log_odds(codes)
        if not self.group_sd:
            return logistic(log_odds)
        nodes, weights = hermgauss(64)
        each = logistic(log_odds[:, None] + np.sqrt(2) * self.group_sd * nodes)
        return np.asarray(each @ weights / np.sqrt(np.pi))

    def share_by_score(self, unit: str, met_level: int = 2) -> Floats:
        """Give the share of leads at each documented score.

        Parameters
        ----------
        unit : "met" or "points"
            What the documented score counts; unknowns earn nothing.
        met_level : int
            Level from which a criterion is met.

        Returns
        -------
        (highest score + 1,) float64
            Shares that sum to 1.
        """
        score, highest = self._score(unit, met_level)
        return np.asarray(np.bincount(score, weights=self._shares, minlength=highest + 1), dtype=np.float64)

    def win_rate_by_score(self, unit: str, met_level: int = 2) -> Floats:
        """Give the chance of winning at each documented score.

        Parameters
        ----------
        unit : "met" or "points"
            What the documented score counts; unknowns earn nothing.
        met_level : int
            Level from which a criterion is met.

        Returns
        -------
        (highest score + 1,) float64
            Rates, 0 to 1; NaN at a score that no lead has.
        """
        share = self.share_by_score(unit, met_level)
        won = self._won_by_score(unit, met_level)
        return np.asarray(np.divide(won, share, out=np.full(len(share), np.nan), where=share > 0))

    def net_value(self, unit: str, cutoff: int, cost: float, value: float, met_level: int = 2) -> float:
        """Give what a cut-off on the documented score earns a lead, followed up or not.

        Parameters
        ----------
        unit : "met" or "points"
            What the documented score counts.
        cutoff : int
            Score from which a lead is followed up.
        cost : float
            Of following up one lead.
        value : float
            Of a won deal.
        met_level : int
            Level from which a criterion is met.

        Returns
        -------
        float
            Money a lead.
        """
        earned = self._won_by_score(unit, met_level) * value - self.share_by_score(unit, met_level) * cost
        return float(earned[cutoff:].sum())

    def best_cutoff(self, unit: str, threshold: float | None = None, met_level: int = 2) -> int:
        """Find the cut-off on the documented score that earns most.

        Parameters
        ----------
        unit : "met" or "points"
            What the documented score counts.
        threshold : float, optional
            Cost of a follow-up over the value of a won deal; the base rate (break-even) by default.
        met_level : int
            Level from which a criterion is met.

        Returns
        -------
        int
            0 (follow up every lead) to the highest score + 1 (none); the lowest of equally good ones.
        """
        cost = self.base_rate if threshold is None else threshold
        highest = self._score(unit, met_level)[1]
        earned = [self.net_value(unit, cutoff, cost, 1.0, met_level) for cutoff in range(highest + 2)]
        return int(np.argmax(np.round(earned, 12)))

    def gain_at_equal_workload(self, unit: str, cutoff: int, met_level: int = 2) -> float:
        """Give how many more wins the true ranking captures than a documented rule, with as many follow-ups.

        Parameters
        ----------
        unit : "met" or "points"
            What the documented rule counts.
        cutoff : int
            Its cut-off.
        met_level : int
            Level from which a criterion is met.

        Returns
        -------
        float
            Share of all wins, 0 to 1. Leads that tie at the end of the workload count in part.
        """
        followed = self._score(unit, met_level)[0] >= cutoff
        captured = float(self._shares[followed] @ self._rates[followed])
        best_first = np.argsort(-self._rates, kind="stable")
        share, rate = self._shares[best_first], self._rates[best_first]
        left = float(self._shares[followed].sum()) - np.concatenate([[0.0], np.cumsum(share)[:-1]])
        best = float(np.clip(left, 0, share) @ rate)
        gain = (best - captured) / self.base_rate
        return gain if gain > 1e-12 else 0.0

    @cached_property
    def _patterns(self) -> NDArray[np.uint8]:
        return every_pattern(len(self.criteria))

    @cached_property
    def _shares(self) -> Floats:
        """Share of leads with each pattern."""
        columns = [
            np.asarray(self.level_shares[name])[self._patterns[:, j]] for j, name in enumerate(self.criteria)
        ]
        return np.asarray(np.prod(columns, axis=0))

    @cached_property
    def _rates(self) -> Floats:
        """Chance of winning with each pattern."""
        return self.probability(self._patterns)

    def _score(self, unit: str, met_level: int) -> tuple[NDArray[np.intp], int]:
        """Documented score of each pattern, and the highest there is."""
        score = score_of(self._patterns, unit, met_level)
        return score, len(self.criteria) if unit == "met" else self.total_max

    def _won_by_score(self, unit: str, met_level: int) -> Floats:
        score, highest = self._score(unit, met_level)
        won = np.bincount(score, weights=self._shares * self._rates, minlength=highest + 1)
        return np.asarray(won, dtype=np.float64)


def score_of(codes: NDArray[np.uint8], unit: str, met_level: int = 2) -> NDArray[np.intp]:
    """Score codes by the documented rule; unknowns earn nothing.

    Parameters
    ----------
    codes : (n, k) uint8
        Levels 0 to 4 or 5 for unknown.
    unit : "met" or "points"
        Whether criteria met are counted, or levels are added up.
    met_level : int
        Level from which a criterion is met.

    Returns
    -------
    (n,) intp
        Scores.

    Raises
    ------
    ValueError
        There is no such unit.
    """
    if unit not in ("met", "points"):
        raise ValueError(f'unit is {unit!r}; valid is "met" or "points"; choose one')
    known = codes != UNKNOWN
    earned = (codes >= met_level) & known if unit == "met" else np.where(known, codes, 0)
    return np.asarray(earned.sum(axis=1), dtype=np.intp)


@lru_cache(maxsize=4)
def every_pattern(n_criteria: int) -> NDArray[np.uint8]:
    """List every pattern of levels and unknowns.

    Parameters
    ----------
    n_criteria : int
        k.

    Returns
    -------
    (6^k, k) uint8
        Codes 0 to 5.
    """
    return np.array(list(itertools.product(range(N_CODES), repeat=n_criteria)), dtype=np.uint8)


def logistic(log_odds: Floats) -> Floats:
    """Turn log-odds into probabilities.

    Parameters
    ----------
    log_odds : ndarray
        Any numbers.

    Returns
    -------
    ndarray
        0 to 1.
    """
    return np.asarray(0.5 * (1 + np.tanh(0.5 * log_odds)))


def tilted(shares: tuple[float, ...] | Floats, tilt: float | Floats) -> Floats:
    """Shift the known levels upwards or downwards; the share of unknowns stays.

    Parameters
    ----------
    shares : (6,) floats
        Share of levels 0 to 4 and of unknowns.
    tilt : float or (n,) floats
        By how much the log of a level's share rises a level; 0 changes nothing.

    Returns
    -------
    (6,) or (n, 6) float64
        Shares that sum to 1.
    """
    base = np.asarray(shares, dtype=np.float64)
    known = base[:UNKNOWN] * np.exp(np.multiply.outer(tilt, np.arange(UNKNOWN)))
    known *= base[:UNKNOWN].sum() / known.sum(axis=-1, keepdims=True)
    unknown = np.broadcast_to(base[UNKNOWN], (*known.shape[:-1], 1))
    return np.concatenate([known, unknown], axis=-1)
