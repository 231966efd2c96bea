"""Consequences of a follow-up (cost and value, else capacity, else workload), from which every decision follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from leadml.calibration.deals import n_of
from leadml.calibration.experiment import Economics, Experiment
from leadml.data.deals import NO_DAY, Leads, Note
from leadml.evaluation.log import Entries
from leadml.evaluation.metrics import highest
from leadml.exceptions import UsageError
from leadml.levels import N_CODES, Codes, Floats
from leadml.result import Basis

DAYS_A_WEEK = 7.0
SHRINK_AMOUNTS = 20.0  # won deals that a level's effect on the amount is shrunk by


Worth = Callable[[Leads], Floats]
"""Value of each lead if won, in follow-ups (v / c)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Consequences:
    """What decides a cut-off.

    margin : value is this share of the amount, which varies with levels. threshold : P(won) from which a follow-up pays
    (c / v), where one is known.
    """

    basis: Basis
    cost: float = 1.0
    value: float | None = None
    margin: float | None = None
    share: float | None = None
    threshold: float | None = None
    notes: tuple[Note, ...] = ()

    def pays_from(self, deals: Leads) -> float | None:
        """P(won) from which a follow-up pays: at break-even, the share that is won."""
        return n_of(deals, 1) / n_of(deals) if self.basis == "break-even" else self.threshold

    def worth_in(self, train: Leads) -> Worth | None:
        """What a lead brings if won, as the deals of a training set tell; None where that is not known."""
        if self.margin is not None:
            amounts, of_amount = learn_amounts(train), self.margin / self.cost
            return lambda leads: amounts(leads) * of_amount
        threshold = self.pays_from(train)
        return (lambda leads: np.full(len(leads), 1.0 / threshold)) if threshold else None

    def decide(self, said: Entries, leads: Leads, worth: Worth | None, workload: float) -> Floats:
        """Follow up by P(won) * value >= cost, or the highest scores up to the capacity or `workload`; what a
        documented rule, or a gate, decides by itself stands."""
        if worth is not None:
            pays = said.probability * worth(leads) >= 1.0 - 1e-12
            decision = np.where(np.isnan(said.probability), np.nan, pays)
        else:
            decision = highest(said.score, workload if self.share is None else self.share, leads.weight)
        return np.where(np.isnan(said.decision), decision, said.decision)


def learn_amounts(train: Leads) -> Worth:
    """E[amount | levels, won]: a ridge on log amounts of won deals, smeared to their mean (Duan 1983, JASA 78)."""
    from sklearn.linear_model import Ridge

    def design(codes: Codes) -> Floats:
        return np.asarray(codes[:, :, None] == np.arange(N_CODES), np.float64).reshape(len(codes), -1)

    amount = np.asarray(train.amount)
    known = (train.outcome == 1) & (amount > 0) & np.isfinite(amount)
    if not known.any():
        return lambda leads: np.zeros(len(leads))
    model = Ridge(alpha=SHRINK_AMOUNTS).fit(design(train.codes[known]), np.log(amount[known]))
    smear = amount[known].mean() / np.exp(model.predict(design(train.codes[known]))).mean()
    return lambda leads: np.asarray(smear * np.exp(model.predict(design(leads.codes))))


def find_consequences(settings: Experiment, leads: Leads, deals: Leads) -> Consequences:
    """What decides: economics, else capacity, bands by probability, break-even (asked), or the workload."""
    if settings.economics is not None:
        return _economics(settings.economics, deals)
    if settings.capacity is not None and settings.capacity.per_week is None:
        return Consequences("capacity", share=settings.capacity.share)
    if settings.capacity is not None:
        created = np.array([]) if leads.created is None else leads.created[leads.created != NO_DAY]
        days = float(np.ptp(created)) if len(created) else 0.0
        if days < DAYS_A_WEEK:
            seen = "no dates of creation" if days == 0 else f"leads created within {days:.0f} days"
            raise UsageError(
                f"{leads.source}: capacity.per_week needs to know how many leads come a week, got {seen}; valid:"
                " dates: {created: ...} in the mapping over a week or more, or capacity.share; add one of them"
            )
        per_week, inflow = float(settings.capacity.per_week or 0.0), len(created) / (days / DAYS_A_WEEK)
        share = min(1.0, per_week / inflow)
        note = {"per_week": per_week, "share": share, "inflow": inflow, "where": "capacity"}
        return Consequences("capacity", share=share, notes=(("LML502", note),))
    if settings.bands.by == "probability":
        return Consequences("economics", threshold=settings.bands.follow_up_from)
    if settings.cutoff_basis == "break-even":
        rate = n_of(deals, 1) / n_of(deals)
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
    amounts, margin = deals.amount[(deals.outcome == 1) & np.isfinite(deals.amount)], float(given.margin or 0.0)
    n, mean = len(amounts), float(amounts.mean()) if len(amounts) else float("nan")
    value = margin * mean
    if not value > cost:
        raise UsageError(
            f"{deals.source}: got a follow_up_cost of {cost:g} and, from {n} won deals with an amount, a won deal worth"
            f" {value:,.2f} (margin {margin:g} of the mean); valid: a won deal is worth more than one follow-up;"
            " correct the cost, the margin or the mapping's amount"
        )
    note = {"value": value, "currency": given.currency or theirs, "margin": margin, "mean": mean, "cost": cost, "n": n}
    notes: tuple[Note, ...] = (("LML503", {**note, "where": "economics"}),)
    return Consequences("economics", cost, value, margin, threshold=cost / value, notes=notes)
