"""Consequences of following up a lead: economics (cost, value), else capacity, else the rule's own workload.

From them follows the decision of every contender, by one function, within each block.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from leadml.calibration.experiment import Capacity, Economics, Experiment
from leadml.calibration.views import Floats, Note, weight_of, won_of
from leadml.data.deals import NO_DAY, Leads
from leadml.exceptions import UsageError
from leadml.levels import N_CODES
from leadml.result import Basis

DAYS_A_WEEK = 7.0
SHRINK_AMOUNTS = 20.0  # won deals that a level's effect on the amount is shrunk by


@dataclasses.dataclass(frozen=True, eq=False)
class ValueModel:
    """Expected value of a lead if won, from its levels: exp(base + effects), times what keeps the mean."""

    base: float
    effects: Floats  # (k, 6) log effects
    smear: float

    def of(self, codes: npt.NDArray[np.uint8]) -> Floats:
        """Expected value of each lead if won."""
        at = np.arange(codes.shape[1])
        return np.asarray(self.smear * np.exp(self.base + self.effects[at, codes].sum(axis=1)))


@dataclasses.dataclass(frozen=True, eq=False)
class Consequences:
    """What decides a cut-off, over all deals.

    cost and value are in `currency`. margin : value is this share of the amount, which varies with levels.
    """

    basis: Basis
    cost: float = 1.0
    value: float | None = None
    margin: float | None = None
    share: float | None = None
    currency: str = ""
    probability: float | None = None  # bands by probability: followed up from here
    notes: tuple[Note, ...] = ()

    def learned_from(self, train: Leads) -> Costs:
        """Costs as the deals of a training set tell them."""
        if self.margin is not None:
            return Costs(self, values=fit_values(train, self.margin))
        if self.basis == "break-even":
            return Costs(self, threshold=float(np.average(won_of(train), weights=weight_of(train))))
        return Costs(self, threshold=self.ratio)

    @property
    def ratio(self) -> float | None:
        """c / v: P(won) from which a follow-up pays; None where it is not known beforehand."""
        if self.probability is not None:
            return self.probability
        return self.cost / self.value if self.basis == "economics" and self.value else None


@dataclasses.dataclass(frozen=True, eq=False)
class Costs:
    """Consequences, learned from one training set."""

    given: Consequences
    threshold: float | None = None
    values: ValueModel | None = None

    def value_of(self, leads: Leads) -> Floats:
        """Value of each lead if won, in follow-ups (v / c)."""
        if self.values is not None:
            return self.values.of(leads.codes) / self.given.cost
        return np.full(len(leads), np.nan if not self.threshold else 1.0 / self.threshold)

    def decide(self, score: Floats, probability: Floats, leads: Leads, workload: float) -> Floats:
        """Follow up by P(won) * value >= cost, or the highest scores up to the capacity or `workload`."""
        if self.given.share is None and (self.values is not None or self.threshold is not None):
            pays = probability * self.value_of(leads) >= 1.0 - 1e-12
            return np.where(np.isnan(probability), np.nan, pays.astype(np.float64))
        share = workload if self.given.share is None else self.given.share
        return highest(score, share, leads.weight)


def highest(score: Floats, share: float, weight: Floats | None = None) -> Floats:
    """Follow up the highest scores up to `share` of all; equal scores at the edge share what is left."""
    weight = np.ones(len(score)) if weight is None else weight
    levels, at = np.unique(np.where(np.isnan(score), -np.inf, score), return_inverse=True)
    mass = np.bincount(at, weight, minlength=len(levels))
    above = mass[::-1].cumsum()[::-1] - mass
    room = np.clip(share * mass.sum() - above, 0.0, mass)
    return np.asarray(np.divide(room, mass, out=np.zeros(len(mass)), where=mass > 0)[at])


def fit_values(train: Leads, margin: float) -> ValueModel:
    """E[amount | levels, won]: a ridge on log amounts of won deals, smeared to their mean (Duan 1983)."""
    known = (train.outcome == 1) & np.isfinite(train.amount) & (train.amount > 0)  # type: ignore[arg-type,operator]
    k = train.codes.shape[1]
    if not known.any():
        return ValueModel(0.0, np.zeros((k, N_CODES)), 0.0)
    amount = np.asarray(train.amount)[known]
    log, codes = np.log(amount), train.codes[known]
    design = (codes[:, :, None] == np.arange(N_CODES)).reshape(len(log), -1).astype(np.float64)
    centred = design - design.mean(axis=0)
    gram = centred.T @ centred + SHRINK_AMOUNTS * np.eye(design.shape[1])
    effects = np.linalg.solve(gram, centred.T @ (log - log.mean()))
    fitted = log.mean() + centred @ effects
    smear = amount.mean() / np.exp(fitted).mean()
    base = float(log.mean() - design.mean(axis=0) @ effects)
    return ValueModel(base, effects.reshape(k, N_CODES), float(margin * smear))


def find_consequences(settings: Experiment, leads: Leads, deals: Leads) -> Consequences:
    """What decides: economics, else capacity, bands by probability, break-even (asked), or the workload."""
    if settings.economics is not None:
        return _economics(settings.economics, deals)
    if settings.capacity is not None:
        return _capacity(settings.capacity, leads)
    if settings.bands.by == "probability":
        return Consequences("economics", probability=settings.bands.follow_up_from)
    if settings.cutoff_basis == "break-even":
        rate = float(np.mean(deals.outcome == 1)) if len(deals) else 0.0
        return Consequences("break-even", notes=(("LML504", {"rate": rate, "where": "experiment"}),))
    return Consequences("workload", notes=(("LML501", {"where": "experiment"}),))


def _economics(given: Economics, deals: Leads) -> Consequences:
    cost = given.follow_up_cost
    if given.won_value is not None:
        return Consequences("economics", cost, given.won_value, currency=given.currency)
    if deals.amount is None:
        raise UsageError(
            f"{deals.source}: economics.margin needs the amounts of won deals, and the mapping names no amount;"
            " valid: amount: {column: ..., currency: ...} in the mapping, or economics.won_value; add one"
        )
    mapped = getattr(deals.mapping, "amount", None)
    theirs = getattr(mapped, "currency", None) or ""
    if given.currency and theirs and given.currency != theirs:
        raise UsageError(
            f"{deals.source}: economics are in {given.currency} and the mapping's amount is in {theirs};"
            f" valid: one currency; give follow_up_cost in {theirs}"
        )
    known = (deals.outcome == 1) & np.isfinite(deals.amount)
    margin = float(given.margin or 0.0)
    mean = float(deals.amount[known].mean()) if known.any() else float("nan")
    if not margin * mean > cost:
        raise UsageError(
            f"{deals.source}: got a follow_up_cost of {cost:g} and, from {int(known.sum())} won deals with an"
            f" amount, a won deal worth {margin * mean:,.2f} (margin {margin:g} of the mean); valid: a won"
            " deal is worth more than one follow-up; correct the cost, the margin or the mapping's amount"
        )
    value, currency = margin * mean, given.currency or theirs
    told = {"value": value, "currency": currency, "margin": margin, "mean": mean, "cost": cost}
    notes = (("LML503", {**told, "n": int(known.sum()), "where": "economics"}),)
    return Consequences("economics", cost, value, margin, currency=currency, notes=notes)


def _capacity(given: Capacity, leads: Leads) -> Consequences:
    if given.per_week is None:
        return Consequences("capacity", share=given.share)
    created = np.array([NO_DAY]) if leads.created is None else leads.created
    created = created[created != NO_DAY]
    days = float(np.ptp(created)) if len(created) else 0.0
    if days < DAYS_A_WEEK:
        seen = "no dates of creation" if days == 0 else f"leads created within {days:.0f} days"
        raise UsageError(
            f"{leads.source}: capacity.per_week needs to know how many leads come a week, got {seen}; valid:"
            " dates: {created: ...} in the mapping over a week or more, or capacity.share; add one of them"
        )
    inflow = len(created) / (days / DAYS_A_WEEK)
    share = min(1.0, given.per_week / inflow)
    note = {"per_week": given.per_week, "share": share, "inflow": inflow, "where": "capacity"}
    return Consequences("capacity", share=share, notes=(("LML502", note),))
