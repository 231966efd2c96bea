"""A card in numbers, over patterns: sum, range, band, gate, decision, settled, the next question.

A lead is a row of codes: of each criterion 0 to 4 or 5 (unknown), of each attribute a bin, other or unknown.
The table gives the points of every code, and what the code may still become: `low` and `high` differ from
`points` where it is unknown, and `reach` is `high` without the answers that would fail a gate.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.levels import UNKNOWN, Codes

if TYPE_CHECKING:
    from leadml.card.record import Card

DECISIONS = ("ready", "wait", "no-match")
READY, WAIT, NO_MATCH = range(3)

Ints = npt.NDArray[np.int32]
Bits = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What n rows of codes come to; row i of every field is the same row.

    decision : 0 ready, 1 wait, 2 no-match. band : position among the card's bands. ask_next : position among
    the rows of the card, -1 for none. gates_failed, gates_open : one bit a gate.
    """

    table: PatternTable
    codes: Codes
    points: Ints
    low: Ints
    high: Ints
    band: Ints
    decision: npt.NDArray[np.int8]
    settled: npt.NDArray[np.bool_]
    ask_next: npt.NDArray[np.int8]
    gates_failed: Bits
    gates_open: Bits
    texts: dict[str, tuple[Any, Ints]] = dataclasses.field(default_factory=dict)  # those made so far

    def __len__(self) -> int:
        return len(self.points)

    @property
    def gate_failed(self) -> npt.NDArray[np.bool_]:
        """Whether any gate is failed."""
        return self.gates_failed > 0

    @property
    def probability(self) -> npt.NDArray[np.float64]:
        """P(won) of the total; NaN for a card that tells none."""
        return np.asarray(self.table.probabilities[self.points])


class PatternTable:
    """The numbers of one card, by code."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.code_columns = (*(c.id for c in card.criteria), *(a.id for a in card.attributes))
        self.names = (*(c.id for c in card.criteria), *(a.column for a in card.attributes))
        points = [[*c.points, c.unknown_points] for c in card.criteria]
        points += [[*(b.points for b in a.bins), a.other_points, a.unknown_points] for a in card.attributes]
        self.points = [np.array(row, np.int32) for row in points]
        self.sizes = tuple(map(len, points))
        self.unknown = tuple(size - 1 for size in self.sizes)
        # What an unknown may still become: levels; bins that are not blank, and for words one never seen.
        self.answer_codes = [tuple(range(UNKNOWN)) for _ in card.criteria] + [
            (*(at for at, b in enumerate(a.bins) if not b.blank), *([len(a.bins)] if a.kind == "categories" else []))
            for a in card.attributes
        ]
        self.gates = [(self.code_columns.index(gate.criterion), gate.below) for gate in card.gates]
        self.low, self.high, self.reach = (self._extremes(which) for which in ("low", "high", "reach"))
        starts = np.array([band.from_ for band in card.bands], np.int32)
        self.band_at = (np.searchsorted(starts, np.arange(card.total_max + 1), "right") - 1).astype(np.int32)
        self.band_decisions = np.array([DECISIONS.index(band.decision) for band in card.bands], np.int8)
        nothing = [np.nan] * (card.total_max + 1)
        self.probabilities = np.array([total.probability for total in card.table] or nothing)
        # Totals are below 2**15 (10,000 at most), so that four of them add up side by side in one integer.
        self._packed: list[Bits] = [
            np.sum([part.astype(np.int64) << (16 * at) for at, part in enumerate(same)], axis=0)
            for same in zip(self.points, self.low, self.high, self.reach, strict=True)
        ]

    def _extremes(self, which: str) -> list[Ints]:
        """Points of every code, that of unknown replaced by its extreme over what it may become (or stay)."""
        rows = []
        for j, row in enumerate(self.points):
            answers = list(self.answer_codes[j])
            if which == "reach":
                answers = [c for c in answers if not any(at == j and c < below for at, below in self.gates)]
            found = [int(row[c]) for c in (*answers, self.unknown[j])]
            rows.append(np.append(row[:-1], np.int32(min(found) if which == "low" else max(found))))
        return rows

    def answers(self, codes: Codes) -> Answers:
        """Work out (n, r) codes row by row; the caller gives distinct patterns where it has them."""
        total = np.zeros(len(codes), "<i8")
        for j, packed in enumerate(self._packed):
            total += packed[codes[:, j]]
        points, low, high, reach = total.view("<u2").reshape(-1, 4).astype(np.int32).T
        failed, unanswered = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
        for bit, (j, below) in enumerate(self.gates):
            failed |= (codes[:, j] < below).astype(np.int64) << bit
            unanswered |= (codes[:, j] == UNKNOWN).astype(np.int64) << bit
        settled = self.band_at[low] == self.band_at[high]
        decision = self._decide(points, reach, failed > 0)
        asked = ~settled & (decision != NO_MATCH)
        return Answers(
            self, codes, points, low, high, self.band_at[points], decision, settled,
            self._ask_next(codes, points, asked), failed, unanswered,
        )  # fmt: skip

    def _decide(self, points: Ints, reach: Ints, failed: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
        """The band decides; what it drops waits while answers could make it ready; gates overrule."""
        decision = self.band_decisions[self.band_at[points]]
        decision[(decision == NO_MATCH) & (reach >= self.card.cutoff)] = WAIT
        decision[failed] = NO_MATCH
        return decision

    def _ask_next(self, codes: Codes, points: Ints, asked: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
        """The unknown that could change the band by itself goes first, then the one worth most points.

        Where only several together can change it, the one worth most is always among them.
        """
        best, heaviest = np.full(len(codes), -1, np.int8), np.zeros(len(codes), np.int32)
        spreads = [int(self.high[j][u] - self.low[j][u]) for j, u in enumerate(self.unknown)]
        for j, u in enumerate(self.unknown):
            if not spreads[j]:
                continue
            row = np.flatnonzero((codes[:, j] == u) & asked)
            rest = points[row] - self.points[j][u]
            alone = self.band_at[rest + self.low[j][u]] != self.band_at[rest + self.high[j][u]]
            weight = spreads[j] + 1 + alone * (sum(spreads) + 1)
            heavier = weight > heaviest[row]
            heaviest[row[heavier]] = weight[heavier]
            best[row[heavier]] = j
        return best

    def outcomes(self, answers: Answers) -> tuple[list[tuple[int, tuple[int, ...]]], Ints]:
        """Distinct (row asked about, decision for each of its answers), and which each row has; -1: none."""
        distinct: list[tuple[int, tuple[int, ...]]] = []
        found = np.full(len(answers), -1, np.int32)
        for j in range(len(self.sizes)):
            rows = np.flatnonzero(answers.ask_next == j)
            if not len(rows):
                continue
            asked = answers.codes[rows].copy()
            made = np.empty((len(rows), len(self.answer_codes[j])), np.uint8)
            reach = sum((self.reach[i][asked[:, i]] for i in range(len(self.sizes)) if i != j), np.int32(0))
            points = answers.points[rows] - self.points[j][self.unknown[j]]
            for at, code in enumerate(self.answer_codes[j]):
                failed = any(gate == j and code < below for gate, below in self.gates)
                earned = self.points[j][code]
                made[:, at] = self._decide(points + earned, reach + earned, np.full(len(rows), failed))
            as_bytes = np.ascontiguousarray(made).view(f"V{made.shape[1]}").ravel()
            _, first, index = np.unique(as_bytes, return_index=True, return_inverse=True)
            found[rows] = index + len(distinct)
            distinct += [(j, tuple(made[at].tolist())) for at in first]
        return distinct, found
