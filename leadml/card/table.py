"""A card in numbers and words, over patterns: each is worked out once, and put into words once.

A lead is a row of codes: of each criterion 0 to 4 or 5 (unknown), of each attribute a bin, other or unknown; behind
them, where facts are known, 1 or 0 for each caveat that depends on facts. The table gives the points of every code,
and what it may still become: `low` and `high` differ from `points` where it is unknown, and `reach` is `high` without
the answers that would fail a gate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.card.questions import answer_text
from leadml.exceptions import InputError
from leadml.levels import UNKNOWN, Codes, pack, unpack

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from leadml.card.record import Card

COLUMNS = (
    "probability", "points", "points_max", "low", "high", "band", "action", "decision", "settled",
    "ask_next", "unknown", "reasons", "caveats", "model", "question", "if_answered",
)  # fmt: skip
"""The columns that `predict` writes after the lead's identity: those of version 0.1, then what came since."""
DECISIONS = ("ready", "wait", "no-match")
READY, WAIT, NO_MATCH = range(3)
DISQUALIFY = "disqualify"
ASK_FIRST = "ask about {name} first"
"""Actions that are no band's: of a lead that fails a gate, and of one that an answer could lift."""
ENUMERATED = 6**6
"""Up to so many possible patterns are all worked out; of more, only those that occur."""
REMEMBERED = 100_000
"""So many single leads are remembered."""
FEW = 64
"""Up to so many texts are made one by one, without Arrow."""

Ints = npt.NDArray[np.int32]
Bits = npt.NDArray[np.int64]


class CardTable:
    """The numbers of one card, by code; `Card.lookup` makes it once."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.code_columns = (*(c.id for c in card.criteria), *(a.id for a in card.attributes))
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
        self.by_facts = [caveat for caveat in card.caveats if caveat.when]
        self.low, self.high, self.reach = [], [], []
        for j, row in enumerate(self.points):
            becomes = [*self.answer_codes[j], self.unknown[j]]
            passes = [c for c in becomes if not any(at == j and c < below for at, below in self.gates)]
            self.low.append(np.append(row[:-1], row[becomes].min()))
            self.high.append(np.append(row[:-1], row[becomes].max()))
            self.reach.append(np.append(row[:-1], row[passes].max()))
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
        self._every: dict[tuple[int, ...], Answers] = {}
        self._rows: dict[bytes, dict[str, Any]] = {}

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
        ask_next = self._ask_next(codes, points, ~settled & (decision != NO_MATCH))
        return Answers(
            self, codes, points, low, high, self.band_at[points], decision, settled, ask_next, failed, unanswered
        )

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
        spreads = [int(high[-1] - low[-1]) for low, high in zip(self.low, self.high, strict=True)]
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
        for j, choices in enumerate(self.answer_codes):
            rows = np.flatnonzero(answers.ask_next == j)
            if not len(rows):
                continue
            asked = answers.codes[rows]
            made = np.empty((len(rows), len(choices)), np.uint8)
            reach = sum((self.reach[i][asked[:, i]] for i in range(len(self.sizes)) if i != j), np.int32(0))
            points = answers.points[rows] - self.points[j][self.unknown[j]]
            for at, code in enumerate(choices):
                failed = any(gate == j and code < below for gate, below in self.gates)
                earned = self.points[j][code]
                made[:, at] = self._decide(points + earned, reach + earned, np.full(len(rows), failed))
            as_bytes = made.view(f"V{made.shape[1]}").ravel()
            _, first, index = np.unique(as_bytes, return_index=True, return_inverse=True)
            found[rows] = index + len(distinct)
            distinct += [(j, tuple(made[at].tolist())) for at in first]
        return distinct, found

    def score(self, codes: Codes, facts: Mapping[str, Any] | None = None) -> Scores:
        """Score (n, r) codes, working out each pattern once; `facts` are columns of text for the caveats."""
        if facts and self.by_facts:
            codes = np.column_stack([codes, *(_holds(each.when, facts, len(codes)) for each in self.by_facts)])
        n, sizes = len(codes), (*self.sizes, *[2] * (codes.shape[1] - len(self.sizes)))
        n_possible = math.prod(sizes)
        if n_possible <= min(ENUMERATED, 4 * n) or (n > 1 and sizes in self._every):
            if sizes not in self._every:
                self._every[sizes] = self.answers(unpack(np.arange(n_possible), len(sizes), sizes))
            return Scores(self._every[sizes], pack(codes, sizes).astype(np.int32))
        if n > FEW and n_possible < 2**62:
            key = pack(codes, sizes)
            sample = key[:: max(1, n // 4096)]
            # Where patterns hardly repeat, sorting them would cost more than it saves.
            if len(np.unique(sample)) < 0.5 * len(sample):
                _, first, index = np.unique(key, return_index=True, return_inverse=True)
                return Scores(self.answers(codes[first]), index.astype(np.int32))
        return Scores(self.answers(codes), np.arange(n, dtype=np.int32))

    def row(self, codes: bytes, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One lead, its codes as bytes: the columns of predict; remembered, so do not change it."""
        if facts and self.by_facts:
            columns = {fact: [value] for fact, value in facts.items()}
            codes += b"".join(_holds(each.when, columns, 1).tobytes() for each in self.by_facts)
        found = self._rows.get(codes)
        if found is None:
            if len(self._rows) >= REMEMBERED:
                self._rows.clear()
            found = self._rows[codes] = self.score(np.frombuffer(codes, np.uint8)[None]).rows()[0]
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What n rows of codes come to; row i of every field is the same row.

    decision : 0 ready, 1 wait, 2 no-match. band : position among the card's bands. ask_next : position among
    the rows of the card, -1 for none. gates_failed, gates_open : one bit a gate.
    """

    table: CardTable
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
    _made: dict[str, Any] = dataclasses.field(default_factory=dict)

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

    def column(self, name: str) -> tuple[Any, npt.NDArray[Any]]:
        """A column of `COLUMNS` as its distinct values (an array; texts as a list, or as Arrow), and which each row
        has."""
        if name not in self._made:
            self._made[name] = self._column(name)
        return self._made[name]  # type: ignore[no-any-return]

    def _column(self, name: str) -> tuple[Any, npt.NDArray[Any]]:
        card, table, n = self.table.card, self.table, len(self)
        if name in ("probability", "points", "low", "high", "settled"):
            return getattr(self, name), np.arange(n, dtype=np.int32)
        if name in ("points_max", "model"):
            only = np.array([card.total_max], np.int32) if name == "points_max" else [card.model]
            return only, np.zeros(n, np.int32)
        if name == "band":
            return [band.id for band in card.bands], self.band
        if name == "decision":
            return card.labels, self.decision
        if name == "ask_next":
            return ["", *table.code_columns], self.ask_next + 1
        if name == "question":
            return ["", *card.questions], self.ask_next + 1
        if name == "action":
            n_bands = len(card.bands)
            asked = (self.decision == WAIT) & (table.band_decisions[self.band] == NO_MATCH)
            names = [*(each.id for each in card.criteria), *(each.column for each in card.attributes)]
            actions = [*(band.action for band in card.bands), DISQUALIFY, *(ASK_FIRST.format(name=a) for a in names)]
            return actions, np.where(self.gate_failed, n_bands, np.where(asked, n_bands + 1 + self.ask_next, self.band))
        if name == "unknown":
            return _named(table.code_columns, [self.codes[:, j] == code for j, code in enumerate(table.unknown)], n)
        if name == "caveats":
            known = dict(zip([each.id for each in table.by_facts], self.codes[:, len(table.sizes) :].T, strict=False))
            found = {each.id: known.get(each.id, np.full(n, not each.when)) for each in card.caveats}
            for state, bits in (("failed", self.gates_failed), ("open", self.gates_open)):
                found |= {f"gate {state}: {gate.criterion}": bits >> at & 1 for at, gate in enumerate(card.gates)}
            return _named([*found], [*found.values()], n)
        if name == "if_answered":
            distinct, at = table.outcomes(self)
            return ["", *(answer_text(card, j, made) for j, made in distinct)], at + 1
        return self._reasons()

    def _reasons(self) -> tuple[Any, Ints]:
        """``criterion +points`` joined by ``; ``, largest first, in the order of the card where equal."""
        codes, table, card = self.codes, self.table, self.table.card
        # Words in the order in which they stand in any text, so that sorting their numbers orders the text.
        order = sorted((-p, j, code) for j, row in enumerate(table.points) for code, p in enumerate(row.tolist()) if p)
        words = [f"{card.row_text(j, code)} +{-points}" for points, j, code in order]
        rank = [np.full(size, len(order), np.int32) for size in table.sizes]
        for at, (_, j, code) in enumerate(order):
            rank[j][code] = at
        pieces = np.stack([row[codes[:, j]] for j, row in enumerate(rank)], axis=1)
        pieces.sort(axis=1)
        index = np.arange(len(codes), dtype=np.int32)
        if len(codes) <= FEW:
            return ["; ".join([words[at] for at in row if at < len(words)]) for row in pieces.tolist()], index
        pieces[:, 1:] += len(words) + 1
        return _joined([*words, "", *(f"; {word}" for word in words), ""], pieces), index

    def to_arrow(self, index: Ints | None = None) -> pa.RecordBatch:
        """The columns as an Arrow batch of a row each (or of the rows that `index` names); texts that repeat as
        dictionaries."""
        import pyarrow as pa

        return pa.RecordBatch.from_arrays([self._arrow(name, index) for name in COLUMNS], names=list(COLUMNS))

    def _arrow(self, name: str, index: Ints | None) -> pa.Array:
        import pyarrow as pa

        from leadml.data.cells import mask_of, number_array, take, text_array

        values, at = self.column(name)
        at = at if index is None else at[index]
        if name == "probability" and not self.table.card.table:
            return pa.nulls(len(at), pa.float64())
        if isinstance(values, np.ndarray):
            return mask_of(values[at]) if values.dtype == bool else number_array(values[at])
        words = values if isinstance(values, pa.Array) else text_array(values)
        positions = number_array(at.astype(np.int32, copy=False))
        if name == "reasons" and math.prod(self.table.sizes) > ENUMERATED:  # texts hardly repeat
            return words if index is None else take(words, positions)
        return pa.DictionaryArray.from_arrays(positions, words)


class Scores:
    """Scores of n leads: the answers of each pattern, and which pattern (`index`) each lead has.

    Each column of `COLUMNS` is an attribute (an array of n values).
    """

    def __init__(self, answers: Answers, index: Ints) -> None:
        self.answers, self.index = answers, index

    def __len__(self) -> int:
        return len(self.index)

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        if name not in COLUMNS:
            raise AttributeError(f"Scores has no column {name!r}; it has {', '.join(COLUMNS)}")
        values, at = self.answers.column(name)
        if not isinstance(values, np.ndarray):
            values = np.array(values.to_pylist() if hasattr(values, "to_pylist") else values, object)
        return np.asarray(values[at[self.index]])

    def rows(self) -> list[dict[str, Any]]:
        """One dict of plain Python values a lead; probability is None for a card that tells none."""
        columns = {name: getattr(self, name).tolist() for name in COLUMNS}
        if not self.answers.table.card.table:
            columns["probability"] = [None] * len(self)
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def to_pandas(self) -> pd.DataFrame:
        """The columns as a DataFrame of n rows."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})

    def to_arrow(self) -> pa.RecordBatch:
        """The columns as an Arrow batch of n rows, without importing pandas."""
        return self.answers.to_arrow(self.index)


def _joined(words: Sequence[str], pieces: Ints) -> pa.StringArray:
    """Make n texts, each of the m words that a row of `pieces` (n, m) names, in one pass."""
    import pyarrow as pa

    from leadml.data.cells import number_array, take, text_array

    n, m = pieces.shape
    taken = take(text_array(words), number_array(pieces.ravel()))
    ends = np.frombuffer(taken.buffers()[1], np.int32, count=n * m + 1)[::m]
    return pa.StringArray.from_buffers(n, pa.py_buffer(np.ascontiguousarray(ends)), taken.buffers()[2])


def _named(names: Sequence[str], applies: Sequence[npt.NDArray[Any]], n: int) -> tuple[list[str], Bits]:
    """The names that apply to each of n rows, joined by ``; ``: distinct texts, and which each row has."""
    bits = sum((each.astype(np.int64) << at for at, each in enumerate(applies)), np.zeros(n, np.int64))
    distinct, at = np.unique(bits, return_inverse=True)
    return ["; ".join(name for j, name in enumerate(names) if each >> j & 1) for each in distinct.tolist()], at


def _holds(when: Mapping[str, Sequence[str]], facts: Mapping[str, Any], n: int) -> Codes:
    """Whether each of n leads has one of the values named, for every fact: what a caveat depends on."""
    holds = np.ones(n, np.uint8)
    for fact, values in when.items():
        column = facts.get(fact, [None] * n)
        if hasattr(column, "type"):  # an Arrow array
            from leadml.data.cells import categories_of

            at, texts = categories_of(column)
            found = np.array([text in values for text in texts], bool)[at]
        else:
            found = np.array([each in values for each in column], bool)
        if len(found) != n:
            raise InputError(f"facts.{fact}: has {len(found)} values for {n} leads; give one a lead")
        holds &= found
    return holds
