"""A card applied to leads: every pattern of codes is worked out once, and put into words once."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.card.patterns import NO_MATCH, WAIT, Answers, PatternTable
from leadml.card.questions import answer_text
from leadml.exceptions import InputError
from leadml.levels import Codes, pack, unpack

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from leadml.card.record import Card

COLUMNS = (
    "probability", "points", "points_max", "low", "high", "band", "action", "decision", "settled",
    "ask_next", "question", "if_answered", "unknown", "reasons", "caveats", "model",
)  # fmt: skip
"""The columns that `predict` writes after the lead's identity, in order."""
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


class CardTable(PatternTable):
    """A card applied to leads; `Card.lookup` makes it once."""

    def __init__(self, card: Card) -> None:
        super().__init__(card)
        self._rows: dict[bytes, dict[str, Any]] = {}

    @functools.cached_property
    def everything(self) -> Answers:
        """All patterns that there can be, each at the position that `pack` gives it."""
        return self.answers(unpack(np.arange(math.prod(self.sizes)), len(self.sizes), self.sizes))

    def score(self, codes: Codes, facts: Mapping[str, Any] | None = None) -> Scores:
        """Score (n, r) codes, working out each pattern once; `facts` are columns of text for the caveats."""
        n, n_possible = len(codes), math.prod(self.sizes)
        if n_possible <= min(ENUMERATED, 4 * n) or (n > 1 and "everything" in self.__dict__):
            return Scores(self.everything, pack(codes, self.sizes).astype(np.int32), facts)
        if n > FEW and n_possible < 2**62:
            key = pack(codes, self.sizes)
            sample = key[:: max(1, n // 4096)]
            # Where patterns hardly repeat, sorting them would cost more than it saves.
            if len(np.unique(sample)) < 0.5 * len(sample):
                _, first, index = np.unique(key, return_index=True, return_inverse=True)
                return Scores(self.answers(codes[first]), index.astype(np.int32), facts)
        return Scores(self.answers(codes), np.arange(n, dtype=np.int32), facts)

    def row(self, codes: bytes) -> dict[str, Any]:
        """One lead, its codes as bytes: the columns of predict; remembered, so do not change it."""
        found = self._rows.get(codes)
        if found is None:
            if len(self._rows) >= REMEMBERED:
                self._rows.clear()
            found = self._rows[codes] = self.score(np.frombuffer(codes, np.uint8)[None]).rows()[0]
        return found

    def caveats_of(self, codes: bytes, facts: Mapping[str, str | None]) -> str:
        """Caveats of one lead of which facts are known."""
        scores = self.score(np.frombuffer(codes, np.uint8)[None], {k: [v] for k, v in facts.items()})
        return str(scores.caveats[0])


class Scores:
    """Scores of n leads; each column of `COLUMNS` is an attribute (an array of n values)."""

    def __init__(self, answers: Answers, index: Ints, facts: Mapping[str, Any] | None = None) -> None:
        self.answers, self.index = answers, index
        self.table, self.card = answers.table, answers.table.card
        self.caveat_bits = _caveat_bits(self.card.caveats, facts, len(index))

    def __len__(self) -> int:
        return len(self.index)

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        if name not in COLUMNS:
            raise AttributeError(f"Scores has no column {name!r}; it has {', '.join(COLUMNS)}")
        values, at = self.parts(name)
        if not isinstance(values, np.ndarray):
            values = np.array(values.to_pylist() if hasattr(values, "to_pylist") else values, object)
        return np.asarray(values[at])

    def parts(self, name: str) -> tuple[Any, Ints]:
        """A column as its distinct values (an array, or texts: list or Arrow), and which each lead has."""
        if name == "points_max":
            return np.array([self.card.total_max], np.int32), np.zeros(len(self), np.int32)
        if name == "model":
            return [self.card.model], np.zeros(len(self), np.int32)
        if name == "caveats":
            return self._caveats
        if name in ("probability", "points", "low", "high", "settled"):
            return getattr(self.answers, name), self.index
        words, of_pattern = self._texts(name)
        return words, of_pattern[self.index].astype(np.int32, copy=False)

    def _texts(self, name: str) -> tuple[Any, npt.NDArray[Any]]:
        """Texts of a column (a list, or an Arrow array of many), and which of them each pattern has."""
        answers, card, table = self.answers, self.card, self.table
        if name == "band":
            return [band.id for band in card.bands], answers.band
        if name == "decision":
            return card.labels, answers.decision
        if name == "ask_next":
            return ["", *table.code_columns], answers.ask_next + 1
        if name == "question":
            return ["", *card.questions], answers.ask_next + 1
        if name == "action":
            n = len(card.bands)
            asked = (answers.decision == WAIT) & (table.band_decisions[answers.band] == NO_MATCH)
            at = np.where(asked, n + 1 + answers.ask_next, answers.band)
            ask = [ASK_FIRST.format(name=each) for each in table.names]
            actions = [*(band.action for band in card.bands), DISQUALIFY, *ask]
            return actions, np.where(answers.gate_failed, n, at)
        if name not in answers.texts:
            make = {"reasons": self._reasons, "unknown": self._unknown, "if_answered": self._if_answered}
            answers.texts[name] = make[name]()
        return answers.texts[name]

    def _if_answered(self) -> tuple[list[str], Ints]:
        distinct, at = self.table.outcomes(self.answers)
        return ["", *(answer_text(self.card, j, made) for j, made in distinct)], at + 1

    def _unknown(self) -> tuple[list[str], Ints]:
        bits = np.zeros(len(self.answers), np.int64)
        for j, code in enumerate(self.table.unknown):
            bits |= (self.answers.codes[:, j] == code).astype(np.int64) << j
        distinct, at = np.unique(bits, return_inverse=True)
        return [_named(self.table.code_columns, each) for each in distinct.tolist()], at.astype(np.int32)

    def _reasons(self) -> tuple[Any, Ints]:
        """``criterion +points`` joined by ``; ``, largest first, in the order of the card where equal."""
        codes, table, card = self.answers.codes, self.table, self.card
        # Words in the order in which they stand in any text, so that sorting their numbers orders the text.
        order = sorted((-p, j, code) for j, row in enumerate(table.points) for code, p in enumerate(row.tolist()) if p)
        words = [f"{card.row_text(j, code)} +{-points}" for points, j, code in order]
        rank = [np.full(size, len(order), np.int32) for size in table.sizes]
        for at, (_, j, code) in enumerate(order):
            rank[j][code] = at
        pieces = np.stack([rank[j][codes[:, j]] for j in range(codes.shape[1])], axis=1)
        pieces.sort(axis=1)
        index = np.arange(len(codes), dtype=np.int32)
        if len(codes) <= FEW:
            return ["; ".join([words[at] for at in row if at < len(words)]) for row in pieces.tolist()], index
        pieces[:, 1:] += len(words) + 1
        return compose([*words, "", *(f"; {word}" for word in words), ""], pieces), index

    @functools.cached_property
    def _caveats(self) -> tuple[list[str], Ints]:
        """Caveats that apply and gates failed or open, in words once a combination."""
        card = self.card
        n_caveats, n_gates = len(card.caveats), len(card.gates)
        gates = self.answers.gates_failed | self.answers.gates_open << n_gates
        distinct, at = np.unique(self.caveat_bits | gates[self.index] << n_caveats, return_inverse=True)
        names = [caveat.id for caveat in card.caveats]
        names += [f"gate {state}: {gate.criterion}" for state in ("failed", "open") for gate in card.gates]
        return [_named(names, each) for each in distinct.tolist()], at.astype(np.int32)

    def rows(self) -> list[dict[str, Any]]:
        """One dict of plain Python values a lead; probability is None for a card that tells none."""
        columns = {name: getattr(self, name).tolist() for name in COLUMNS}
        if not self.card.table:
            columns["probability"] = [None] * len(self)
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def to_pandas(self) -> pd.DataFrame:
        """The columns as a DataFrame of n rows."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})

    def column(self, name: str) -> pa.Array:
        """One column as an Arrow array; text that repeats is a dictionary."""
        import pyarrow as pa

        from leadml.data.cells import mask_of, number_array, text_array

        if name == "probability" and not self.card.table:
            return pa.nulls(len(self), pa.float64())
        values, at = self.parts(name)
        if isinstance(values, np.ndarray):
            return mask_of(values[at]) if values.dtype == bool else number_array(values[at])
        words = values if isinstance(values, pa.Array) else text_array(values)
        if name == "reasons" and math.prod(self.table.sizes) > ENUMERATED:  # texts hardly repeat
            is_direct = len(at) == len(words) and bool((at[:-1] < at[1:]).all())
            return words if is_direct else words.take(number_array(at))
        return pa.DictionaryArray.from_arrays(number_array(at), words)

    def to_arrow(self) -> pa.RecordBatch:
        """The columns as an Arrow batch of n rows, without importing pandas."""
        import pyarrow as pa

        return pa.RecordBatch.from_arrays([self.column(name) for name in COLUMNS], names=list(COLUMNS))

    def patterns(self) -> tuple[Scores, Ints]:
        """Scores of what differs (patterns and caveats), and which of them each lead has: for writers."""
        distinct_bits, at = np.unique(self.caveat_bits, return_inverse=True)
        n = len(self.answers)
        made = Scores(self.answers, np.tile(np.arange(n, dtype=np.int32), len(distinct_bits)))
        made.caveat_bits = np.repeat(distinct_bits, n)
        return made, (self.index + at * n).astype(np.int32)


def compose(words: Sequence[str], pieces: Ints) -> pa.StringArray:
    """Make n texts, each of the m words that a row of `pieces` (n, m) names, in one pass."""
    import pyarrow as pa

    from leadml.data.cells import number_array, text_array

    n, m = pieces.shape
    taken = text_array(words).take(number_array(pieces.ravel()))
    ends = np.frombuffer(taken.buffers()[1], np.int32, count=n * m + 1)[::m]
    return pa.StringArray.from_buffers(n, pa.py_buffer(np.ascontiguousarray(ends)), taken.buffers()[2])


def _named(names: Sequence[str], bits: int) -> str:
    return "; ".join([name for at, name in enumerate(names) if bits >> at & 1])


def _caveat_bits(caveats: Sequence[Any], facts: Mapping[str, Any] | None, n: int) -> npt.NDArray[np.int64]:
    """One bit a caveat that applies, for each lead: always, or where each of its facts has a value named."""
    bits = np.zeros(n, np.int64)
    for position, caveat in enumerate(caveats):
        applies = np.ones(n, bool)
        for fact, values in caveat.when.items():
            applies &= _holds(facts[fact], values, n, fact) if facts and fact in facts else False
        bits |= applies.astype(np.int64) << position
    return bits


def _holds(column: Any, values: Sequence[str], n: int, fact: str) -> npt.NDArray[np.bool_]:
    if hasattr(column, "type"):  # an Arrow array
        from leadml.data.cells import categories_of

        at, texts = categories_of(column)
        found: npt.NDArray[np.bool_] = np.array([text in values for text in texts], bool)[at]
    else:
        is_one: Callable[[Any], bool] = values.__contains__
        found = np.fromiter(map(is_one, column), bool)
    if len(found) != n:
        raise InputError(f"facts.{fact}: has {len(found)} values for {n} leads; give one a lead")
    return found
