"""Consequences of following up a lead: economics (cost, value), else capacity, else the rule's own workload.

From them follows the decision of every contender, by one function, within each block.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from leadml.calibration.experiment import Capacity, Economics, Experiment
from leadml.calibration.views import Floats, Note, weight_of, won_of
from leadml.data.deals import NO_DAY, Leads
from leadml.evaluation.metrics import highest
from leadml.exceptions import UsageError
from leadml.levels import N_CODES
from leadml.result import Basis

DAYS_A_WEEK = 7.0
SHRINK_AMOUNTS = 20.0  # won deals that a level's effect on the amount is shrunk by


@dataclasses.dataclass(frozen=True, eq=False)
class Consequences:
    """What decides a cut-off.

    margin : value is this share of the amount, which varies with levels.
    threshold : P(won) from which a follow-up pays (c / v), where one is known. values : (1 + 6k,) coefficients of the
    value of a lead if won, in follow-ups.
    """

    basis: Basis
    cost: float = 1.0
    value: float | None = None
    margin: float | None = None
    share: float | None = None
    threshold: float | None = None
    values: Floats | None = None
    notes: tuple[Note, ...] = ()

    def learned_from(self, train: Leads) -> Consequences:
        """The same, with what the deals of a training set tell."""
        if self.margin is not None:
            return dataclasses.replace(self, values=fit_values(train, self.margin / self.cost))
        if self.basis == "break-even":
            rate = float(np.average(won_of(train), weights=weight_of(train)))
            return dataclasses.replace(self, threshold=rate)
        return self

    def value_of(self, leads: Leads) -> Floats:
        """Value of each lead if won, in follow-ups (v / c)."""
        if self.values is None:
            return np.full(len(leads), 1.0 / self.threshold if self.threshold else np.nan)
        at = N_CODES * np.arange(leads.codes.shape[1]) + leads.codes
        return np.asarray(np.exp(self.values[0] + self.values[1:][at].sum(axis=1)))

    def decide(self, score: Floats, probability: Floats, leads: Leads, workload: float) -> Floats:
        """Follow up by P(won) * value >= cost, or the highest scores up to the capacity or `workload`."""
        if self.share is None and (self.values is not None or self.threshold is not None):
            pays = probability * self.value_of(leads) >= 1.0 - 1e-12
            return np.where(np.isnan(probability), np.nan, pays.astype(np.float64))
        return highest(score, workload if self.share is None else self.share, leads.weight)


def fit_values(train: Leads, scale: float) -> Floats:
    """(1 + 6k,) log of scale * E[amount | levels, won]: a ridge on log amounts of won deals, smeared to their mean.

    Duan (1983), Smearing estimate, JASA 78.
    """
    known = (train.outcome == 1) & np.isfinite(train.amount) & (train.amount > 0)  # type: ignore[arg-type,operator]
    design = (train.codes[known][:, :, None] == np.arange(N_CODES)).reshape(int(known.sum()), -1).astype(np.float64)
    if not known.any():
        return np.asarray([-np.inf, *np.zeros(design.shape[1])])
    amount = np.asarray(train.amount)[known]
    log, mean = np.log(amount), design.mean(axis=0)
    centred = design - mean
    gram = centred.T @ centred + SHRINK_AMOUNTS * np.eye(design.shape[1])
    effects = np.linalg.solve(gram, centred.T @ (log - log.mean()))
    smear = amount.mean() / np.exp(log.mean() + centred @ effects).mean()
    return np.asarray([log.mean() - mean @ effects + np.log(scale * smear), *effects])


def find_consequences(settings: Experiment, leads: Leads, deals: Leads) -> Consequences:
    """What decides: economics, else capacity, bands by probability, break-even (asked), or the workload."""
    if settings.economics is not None:
        return _economics(settings.economics, deals)
    if settings.capacity is not None:
        return _capacity(settings.capacity, leads)
    if settings.bands.by == "probability":
        return Consequences("economics", threshold=settings.bands.follow_up_from)
    if settings.cutoff_basis == "break-even":
        rate = float(np.mean(deals.outcome == 1)) if len(deals) else 0.0
        return Consequences("break-even", notes=(("LML504", {"rate": rate, "where": "experiment"}),))
    return Consequences("workload", notes=(("LML501", {"where": "experiment"}),))


def _economics(given: Economics, deals: Leads) -> Consequences:
    cost = given.follow_up_cost
    if given.won_value is not None:
        return Consequences("economics", cost, given.won_value, threshold=cost / given.won_value)
    if deals.amount is None:
        raise UsageError(
            f"{deals.source}: economics.margin needs the amounts of won deals, and the mapping names no amount;"
            " valid: amount: {column: ..., currency: ...} in the mapping, or economics.won_value; add one"
        )
    theirs = getattr(getattr(deals.mapping, "amount", None), "currency", None) or ""
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
    value = margin * mean
    told = {"value": value, "currency": given.currency or theirs, "margin": margin, "mean": mean, "cost": cost}
    notes = (("LML503", {**told, "n": int(known.sum()), "where": "economics"}),)
    return Consequences("economics", cost, value, margin, threshold=cost / value, notes=notes)


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
