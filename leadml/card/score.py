"""Where a card's points are summed: totals, what unknowns may make of them, bands, decisions, the next question.

A lead is a row of codes: of each criterion 0 to 4 or 5 (unknown), of each attribute a bin, other or unknown; behind
them, where facts are known, 1 or 0 for each caveat that depends on facts. Points are looked up by code. `low` and
`high` are the totals that answers to what is unknown may still give, and `reach` is `high` without the answers that
would fail a gate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from leadml.data.cells import categories_of
from leadml.levels import UNKNOWN, Codes, Flags, Floats, Ints32, pack, unpack

if TYPE_CHECKING:
    from leadml.card.record import Card

Decision = Literal["ready", "wait", "no-match"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
READY, WAIT, NO_MATCH = range(3)
ENUMERATED = 6**6
"""Up to so many possible patterns are all worked out; of more, only those that occur."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What n rows of codes come to; row i of every field is the same row.

    band : position among the card's bands. decision : 0 ready, 1 wait, 2 no-match. ask_next : position among the rows
    of the card, -1 for none. probability : NaN for a card that tells none.
    """

    table: CardTable
    codes: Codes
    points: Ints32
    low: Ints32
    high: Ints32
    reach: Ints32
    gate_failed: Flags
    band: Ints32
    decision: npt.NDArray[np.int8]
    settled: Flags
    ask_next: npt.NDArray[np.int8]
    probability: Floats


def points_by_code(card: Card) -> list[Ints32]:
    """Points of every code of every row of a card: of levels or bins, of other (attributes), and of unknown."""
    rows = [[*each.points, each.unknown_points] for each in card.criteria]
    rows += [[*(b.points for b in each.bins), each.other_points, each.unknown_points] for each in card.attributes]
    return [np.array(row, np.int32) for row in rows]


class CardTable:
    """The numbers of one card by code; `Card.lookup` makes it once."""

    def __init__(self, card: Card) -> None:
        self.card, self.points = card, points_by_code(card)
        self.code_columns = (*(c.id for c in card.criteria), *(a.id for a in card.attributes))
        self.row_names = (*(c.id for c in card.criteria), *(a.column for a in card.attributes))
        self.sizes = tuple(map(len, self.points))
        self.unknown = tuple(size - 1 for size in self.sizes)
        # What an unknown may still become: levels; bins that are not blank, and for words one never seen.
        self.answer_codes = [[*range(UNKNOWN)] for _ in card.criteria] + [
            [at for at, b in enumerate(a.bins) if not b.blank] + [len(a.bins)] * (a.kind == "categories")
            for a in card.attributes
        ]
        self.gates = {self.code_columns.index(gate.criterion): gate.below for gate in card.gates}
        self.by_facts = [caveat for caveat in card.caveats if caveat.when]
        self.ends = [np.tile(row, (4, 1)).T for row in self.points]  # points, low, high, reach by code
        for j, row in enumerate(self.points):
            becomes = [*self.answer_codes[j], self.unknown[j]]
            passes = [code for code in becomes if code >= self.gates.get(j, 0)]
            self.ends[j][-1, 1:] = row[becomes].min(), row[becomes].max(), row[passes].max()
        starts, totals = [band.from_ for band in card.bands], np.arange(card.total_max + 1)
        self.band_at = (np.searchsorted(starts, totals, "right") - 1).astype(np.int32)
        self.band_decisions = np.array([DECISIONS.index(band.decision) for band in card.bands], np.int8)
        self.probabilities = np.array([total.probability for total in card.table] or np.full(len(totals), np.nan))
        self.remembered: dict[str, dict[str, Any]] = {}  # rows of single leads by what is said of them
        self._every: dict[tuple[int, ...], Answers] = {}

    def answers(self, codes: Codes) -> Answers:
        """Sum up (n, r) codes row by row; the caller gives distinct patterns where it has them."""
        total = np.zeros((len(codes), 4), np.int32)
        for j, ends in enumerate(self.ends):
            total += ends.take(codes[:, j], axis=0)  # ten times as fast as by []
        points, low, high, reach = np.ascontiguousarray(total.T)
        failed = self.failed(codes)
        band, settled = self.band_at[points], self.band_at[low] == self.band_at[high]
        decision = self._decide(points, reach, failed)
        # The unknown that could change the band by itself is asked first, then the one worth most points: where only
        # several together can change it, that one is always among them.
        gives, least, most, _ = np.array([ends[-1] for ends in self.ends]).T
        at, spread = np.flatnonzero(~settled & (decision != NO_MATCH)), most - least
        lead, row = np.nonzero(codes[at, : len(spread)] == self.unknown)
        rest, weight = points[at[lead]] - gives[row], np.zeros((len(at), len(spread)), np.int32)
        alone = self.band_at[rest + least[row]] != self.band_at[rest + most[row]]
        weight[lead, row] = spread[row] + spread.sum() * alone
        asked = np.full(len(codes), -1, np.int8)
        asked[at] = np.where(weight.any(axis=1), weight.argmax(axis=1), -1)
        chance = self.probabilities[points]
        return Answers(self, codes, points, low, high, reach, failed, band, decision, settled, asked, chance)

    def totals(self, codes: Codes) -> Ints32:
        """Points of (n, r) codes alone."""
        total = np.zeros(len(codes), np.int32)
        for row, column in zip(self.points, codes.T, strict=True):
            total += row.take(column)
        return total

    def failed(self, codes: Codes) -> Flags:
        """Whether a gate disqualifies."""
        failed = np.zeros(len(codes), bool)
        for j, below in self.gates.items():
            failed |= codes[:, j] < below
        return failed

    def _decide(self, points: Ints32, reach: Ints32, failed: Flags) -> npt.NDArray[np.int8]:
        """The band decides; what it drops waits while answers could make it ready; gates overrule."""
        decision = self.band_decisions[self.band_at[points]]
        decision[(decision == NO_MATCH) & (reach >= self.card.cutoff)] = WAIT
        return np.where(failed, np.int8(NO_MATCH), decision)

    def outcomes(self, answers: Answers) -> tuple[list[tuple[int, list[list[int]]]], Ints32]:
        """Distinct (row asked about, decision and band for each of its answers), and which each row has; -1: none."""
        distinct: list[tuple[int, list[list[int]]]] = []
        found = np.full(len(answers.points), -1, np.int32)
        for j, choices in enumerate(self.answer_codes):
            if not len(rows := np.flatnonzero(answers.ask_next == j)):
                continue
            earned, u = self.points[j][choices], self.unknown[j]
            points, reach = answers.points[rows] - self.points[j][u], answers.reach[rows] - self.ends[j][u, 3]
            failed = np.array(choices) < self.gates.get(j, 0)
            totals = points[:, None] + earned
            decided = self._decide(totals, reach[:, None] + earned, failed)
            made = np.stack([decided, self.band_at[totals]], axis=2).astype(np.int8)
            keys = made.reshape(len(rows), -1).view(f"V{2 * len(choices)}")[:, 0]
            _, first, index = np.unique(keys, return_index=True, return_inverse=True)
            found[rows] = index + len(distinct)
            distinct += [(j, made[at].tolist()) for at in first]
        return distinct, found

    def patterns(self, codes: Codes) -> tuple[Answers, Ints32]:
        """Answers of each distinct row of (n, r) codes (or of every one that is possible), and which each row has."""
        n, sizes = len(codes), (*self.sizes, *[2] * (codes.shape[1] - len(self.sizes)))
        n_possible = math.prod(sizes)
        if n_possible <= min(ENUMERATED, 4 * n) or (n > 1 and sizes in self._every):
            if sizes not in self._every:
                self._every[sizes] = self.answers(unpack(np.arange(n_possible), len(sizes), sizes))
            return self._every[sizes], pack(codes, sizes).astype(np.int32)
        if n_possible >= 2**62:
            return self.answers(codes), np.arange(n, dtype=np.int32)
        _, first, index = np.unique(pack(codes, sizes), return_index=True, return_inverse=True)
        return self.answers(codes[first]), index.astype(np.int32)

    def with_facts(self, codes: Codes, facts: Mapping[str, Any]) -> Codes:
        """Codes, and beside them whether each lead has what each caveat depends on."""
        holds = np.ones((len(codes), len(self.by_facts)), np.uint8)
        for at, caveat in enumerate(self.by_facts):
            for fact, values in caveat.when.items():
                index, texts = categories_of(facts[fact]) if fact in facts else (np.zeros(len(codes), int), [""])
                holds[:, at] &= np.array([text in values for text in texts], bool)[index]
        return np.column_stack([codes, holds])
