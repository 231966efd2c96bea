"""One lead, worked out without arrays: a pattern not met before costs microseconds too."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from leadml.card.check import DECISIONS
from leadml.card.levels import UNKNOWN

if TYPE_CHECKING:
    from leadml.card.model import Card

__all__ = ["Answer", "Single"]

DISQUALIFY = "disqualify"
"""The action for a lead that fails a gate, whatever its points."""

WAIT, NO_MATCH = DECISIONS.index("wait"), DECISIONS.index("no-match")


class Answer(NamedTuple):
    """What one pattern of level codes comes to; the fields of `leadml.card.lookup.Patterns`.

    Attributes
    ----------
    points, low, high : int
        Total, and the totals with every unknown at its lowest and at its highest.
    band, decision : int
        Positions of the band and of the decision.
    settled : bool
        Whether no answer to an unknown can change the band.
    ask_next : int
        Position of the criterion to ask about next; -1 for none.
    gates_failed, gates_open : int
        One bit a gate.
    """

    points: int
    low: int
    high: int
    band: int
    decision: int
    settled: bool
    ask_next: int
    gates_failed: int
    gates_open: int


class Single:
    """The tables of one card as plain Python numbers.

    Parameters
    ----------
    card : Card
        The card.
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self.ids = tuple(each.id for each in card.criteria)
        self.points = [(*each.points, each.unknown_points) for each in card.criteria]
        self.edges = [band.from_ for band in card.bands]
        self.decisions = [DECISIONS.index(band.decision) for band in card.bands]
        self.gates = [(self.ids.index(gate.criterion), gate.below) for gate in card.gates]
        self.most = sum(row[4] for row in self.points)

    def explain(self, codes: tuple[int, ...]) -> Answer:
        """Work one pattern out, as `Lookup.explain` does many.

        Parameters
        ----------
        codes : tuple of k int
            Level codes, 5 for unknown.

        Returns
        -------
        Answer
            What it comes to.
        """
        edges = self.edges
        earned = [row[code] for row, code in zip(self.points, codes, strict=True)]
        total = sum(earned)
        unknown = [position for position, code in enumerate(codes) if code == UNKNOWN]
        low = total - sum([earned[position] for position in unknown])
        high = low + sum([self.points[position][4] for position in unknown])
        failed = unanswered = 0
        for bit, (position, below) in enumerate(self.gates):
            failed |= (codes[position] < below) << bit
            unanswered |= (codes[position] == UNKNOWN) << bit
        band = bisect_right(edges, total) - 1
        decision = self.decisions[band]
        if failed:
            decision = NO_MATCH
        elif decision == NO_MATCH and high >= self.card.cutoff:
            decision = WAIT
        settled = bisect_right(edges, low) == bisect_right(edges, high)
        ask, heaviest = -1, 0
        if not settled and not failed:
            for position in unknown:
                most, rest = self.points[position][4], total - earned[position]
                alone = bisect_right(edges, rest) != bisect_right(edges, rest + most)
                weight = most + 1 + (self.most + 1 if alone else 0)
                if weight > heaviest:
                    ask, heaviest = position, weight
        return Answer(total, low, high, band, decision, settled, ask, failed, unanswered)

    def row(self, codes: tuple[int, ...]) -> dict[str, Any]:
        """Give one lead in plain values, without facts.

        Parameters
        ----------
        codes : tuple of k int
            Level codes, 5 for unknown.

        Returns
        -------
        dict
            One value a column of `predict`.
        """
        card, found = self.card, self.explain(codes)
        band = card.bands[found.band]
        return {
            "probability": card.table[found.points].probability if card.table else None,
            "points": found.points,
            "points_max": card.total_max,
            "low": found.low,
            "high": found.high,
            "band": band.id,
            "action": DISQUALIFY if found.gates_failed else band.action,
            "decision": card.decision_labels[DECISIONS[found.decision]],
            "settled": found.settled,
            "ask_next": self.ids[found.ask_next] if found.ask_next >= 0 else "",
            "unknown": self.unknown(codes),
            "reasons": self.reasons(codes),
            "caveats": self.caveats(found, None),
            "model": card.model,
        }

    def reasons(self, codes: tuple[int, ...]) -> str:
        """Say what one pattern earned, largest first.

        Parameters
        ----------
        codes : tuple of k int
            Level codes, 5 for unknown.

        Returns
        -------
        str
            ``criterion +points`` joined by ``; ``, which sum to the total.
        """
        earned = [
            (-points, f"{name} (unknown) +{points}" if code == UNKNOWN else f"{name} +{points}")
            for name, code, row in zip(self.ids, codes, self.points, strict=True)
            if (points := row[code]) > 0
        ]
        earned.sort(key=lambda pair: pair[0])
        return "; ".join([text for _, text in earned])

    def unknown(self, codes: tuple[int, ...]) -> str:
        """List the criteria of one pattern that are not known.

        Parameters
        ----------
        codes : tuple of k int
            Level codes, 5 for unknown.

        Returns
        -------
        str
            Joined by ``; ``.
        """
        return "; ".join([name for name, code in zip(self.ids, codes, strict=True) if code == UNKNOWN])

    def caveats(self, found: Answer, facts: Mapping[str, Any] | None) -> str:
        """List the caveats that apply, and the gates failed or not yet answered.

        Parameters
        ----------
        found : Answer
            What the pattern comes to.
        facts : mapping of str to str or None
            What is known of the lead.

        Returns
        -------
        str
            Joined by ``; ``.
        """
        names = [
            caveat.id
            for caveat in self.card.caveats
            if all(facts is not None and facts.get(fact) in values for fact, values in caveat.when.items())
        ]
        for what, bits in (("failed", found.gates_failed), ("open", found.gates_open)):
            if bits:
                names += [
                    f"gate {what}: {gate.criterion}"
                    for bit, gate in enumerate(self.card.gates)
                    if bits >> bit & 1
                ]
        return "; ".join(names)
