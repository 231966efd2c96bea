"""What is at stake: money, leads a week or nothing given, as the share or the probability that decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadml.decisions.cutoff import Consequences
from leadml.evaluation.bootstrap import Figure, to_figure
from leadml.exceptions import UsageError
from leadml.leads.model import Leads
from leadml.workflows.experiment import Experiment
from leadml.workflows.findings import make_finding

Array = NDArray[Any]

DAYS_A_WEEK = 7.0


@dataclass(frozen=True)
class Stakes:
    """Consequences, and how they vary with the deals they are estimated from.

    Attributes
    ----------
    consequences : Consequences
        As all closed deals have them.
    won_amount : array of shape (n_closed,) or None
        Amount of each won deal in `currency`, NaN elsewhere; None where no amount is needed.
    margin : float
        Share of the amount that is earned.
    per_week, weekly_inflow : float or None
        Leads there is time for, and leads that came, a week.
    currency : str
        Unit of net values; empty where no money is told.
    """

    consequences: Consequences
    won_amount: Array | None = None
    margin: float = 1.0
    per_week: float | None = None
    weekly_inflow: float | None = None
    currency: str = ""

    def of_sets(self, weights: Array, key: Array) -> Consequences:
        """Consequences as sets of deals have them, the value of a won deal estimated in each.

        Parameters
        ----------
        weights : array of shape (n_sets, n_keys)
            Weight of every key in each set.
        key : int array of shape (n_closed,)
            Key of every closed deal.

        Returns
        -------
        Consequences
            The same where no amount is needed; otherwise with a value for each set. A set without a known
            amount takes that of all deals.
        """
        if self.won_amount is None:
            return self.consequences
        known, n_keys = np.isfinite(self.won_amount), weights.shape[1]
        total = weights @ np.bincount(key[known], self.won_amount[known], minlength=n_keys)
        n = weights @ np.bincount(key[known], minlength=n_keys)
        mean = np.divide(total, n, out=np.full(len(weights), np.nan), where=n > 0)
        value = np.where(np.isfinite(mean), self.margin * mean, np.asarray(self.consequences.value))
        return replace(self.consequences, value=np.asarray(value))

    def describe(self, drawn: Consequences, base_rate: Array) -> dict[str, Any]:
        """Describe what decided, as in result.json.

        Parameters
        ----------
        drawn : Consequences
            As the draws have them; entry 0 is the sample.
        base_rate : array of shape (1 + n_replicates,)
            Share of won deals of every draw.

        Returns
        -------
        dict
            basis, threshold, share, per_week, weekly_inflow, follow_up_cost, won_value, mean_won_amount,
            n_amounts, margin, currency.
        """
        own, amounts = self.consequences, self.won_amount
        value = np.broadcast_to(np.nan if drawn.value is None else drawn.value, base_rate.shape)
        none = Figure(np.nan, np.nan, np.nan)
        money = own.basis == "economics"
        return {
            "basis": own.basis,
            "threshold": (none if own.share is not None else to_figure(drawn.threshold(base_rate))).to_dict(),
            "share": own.share,
            "per_week": self.per_week,
            "weekly_inflow": self.weekly_inflow,
            "follow_up_cost": own.cost if money else None,
            "won_value": (to_figure(value) if money else none).to_dict(),
            "mean_won_amount": (none if amounts is None else to_figure(value / self.margin)).to_dict(),
            "n_amounts": None if amounts is None else int(np.isfinite(amounts).sum()),
            "margin": None if amounts is None else self.margin,
            "currency": self.currency or None,
        }

    def findings(self) -> list[dict[str, str]]:
        """Say what was worked out from the data.

        Returns
        -------
        list of dict
            LML502 on leads a week, LML503 on amounts.
        """
        own, found = self.consequences, []
        if self.per_week is not None and self.weekly_inflow is not None:
            all_of_them = " Everyone who comes can be followed up." if own.share == 1 else ""
            found.append(
                make_finding(
                    "LML502",
                    "note",
                    f"{self.per_week:g} leads a week are {own.share:.0%} of those that come",
                    f"{self.weekly_inflow:,.1f} leads were created a week, on average between the first and"
                    f" the last date of creation.{all_of_them}",
                    "capacity",
                )
            )
        if self.won_amount is not None:
            n, mean = int(np.isfinite(self.won_amount).sum()), float(np.nanmean(self.won_amount))
            found.append(
                make_finding(
                    "LML503",
                    "note",
                    f"a won deal is worth {float(np.max(own.value or 0)):,.0f} {self.currency}".rstrip(),
                    f"That is {self.margin:.0%} of the mean amount of {n:,} won deals, {mean:,.0f}. One mean"
                    " stands for every lead: what a deal will amount to is known only once it is won, and a"
                    " mean for every kind of lead would need many more of them. A follow-up costs"
                    f" {own.cost:,.0f}.",
                    "economics",
                )
            )
        return found


def find_stakes(settings: Experiment, leads: Leads, closed: Leads) -> Stakes:
    """Find what decides: economics, else capacity, else the bands' own probability, else break-even.

    Parameters
    ----------
    settings : Experiment
        What was given.
    leads : Leads
        All leads, which tell how many come a week.
    closed : Leads
        The closed deals that are learned from, of which the won ones tell what a deal amounts to.

    Returns
    -------
    Stakes
        Consequences and where they come from.

    Raises
    ------
    UsageError
        When the data lack the amounts or the dates that are needed, or another currency is meant.
    """
    if settings.economics is not None:
        return _from_economics(settings, closed)
    if settings.capacity is not None:
        if settings.capacity.per_week is not None:
            return _from_leads_a_week(settings.capacity.per_week, leads)
        return Stakes(Consequences("capacity", share=settings.capacity.share))
    if settings.bands.by == "probability":
        return Stakes(Consequences("probability", settings.bands.follow_up_from, 1.0))
    return Stakes(Consequences("break-even"))


def _from_economics(settings: Experiment, closed: Leads) -> Stakes:
    e = settings.economics
    mapped = closed.mapping.amount if closed.mapping is not None else None
    theirs = (mapped.currency or "") if mapped is not None else ""
    if e is None:
        raise UsageError("no economics were given; valid: follow_up_cost with won_value or margin; add them")
    if e.won_value is not None:
        return Stakes(
            Consequences("economics", e.follow_up_cost, e.won_value, currency=e.currency), currency=e.currency
        )
    if closed.amount is None:
        raise UsageError(
            f"{closed.source}: economics.margin needs the amounts of won deals, and the mapping names no"
            " amount; valid: amount: {column: ..., currency: ...} in the mapping, or economics.won_value;"
            " add one of them"
        )
    if e.currency and theirs and e.currency != theirs:
        raise UsageError(
            f"{closed.source}: economics are in {e.currency} and the mapping's amount is in {theirs}; valid:"
            f" one currency; give follow_up_cost in {theirs}"
        )
    won = np.asarray(closed.outcome) == 1
    amount = np.where(won, closed.amount, np.nan)
    known = np.isfinite(amount)
    margin = float(e.margin or 0.0)
    value = margin * float(amount[known].mean()) if known.any() else float("nan")
    if not value > e.follow_up_cost:
        raise UsageError(
            f"{closed.source}: got a follow_up_cost of {e.follow_up_cost:g} and, from {int(known.sum())} won"
            f" deals with an amount, a won deal worth {value:,.2f} (margin {margin:g} of the mean); valid: a"
            " won deal is worth more than one follow-up; correct the cost, the margin or the mapping's amount"
        )
    currency = e.currency or theirs
    own = Consequences("economics", e.follow_up_cost, value, currency=currency)
    return Stakes(own, won_amount=amount, margin=margin, currency=currency)


def _from_leads_a_week(per_week: float, leads: Leads) -> Stakes:
    created = None if leads.created_at is None else leads.created_at.dropna()
    days = (
        0.0 if created is None or created.empty else (created.max() - created.min()).total_seconds() / 86_400
    )
    if days < DAYS_A_WEEK:
        seen = "no dates of creation" if days == 0 else f"leads created within {days:.1f} days"
        raise UsageError(
            f"{leads.source}: capacity.per_week needs to know how many leads come a week, got {seen}; valid:"
            " dates: {created: ...} in the mapping over a week or more, or capacity.share; add one of them"
        )
    inflow = len(leads) / (days / DAYS_A_WEEK)
    share = min(1.0, per_week / inflow)
    return Stakes(Consequences("capacity", share=share), per_week=per_week, weekly_inflow=inflow)
