"""The answer for many leads: columns that are looked up only when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.card.check import DECISIONS
from leadml.card.single import DISQUALIFY

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    from leadml.card.lookup import Lookup, Patterns

__all__ = ["COLUMNS", "Scores"]

COLUMNS = (
    "probability",
    "points",
    "points_max",
    "low",
    "high",
    "band",
    "action",
    "decision",
    "settled",
    "ask_next",
    "unknown",
    "reasons",
    "caveats",
    "model",
)
"""The columns that `predict` writes after the lead's identity, in order."""

FEW = 64
"""Up to so many leads are spread by hand: that needs no machinery to be loaded."""


class Scores:
    """What a card says of n leads. Each column is an array of n values; text columns are arrays of str.

    Parameters
    ----------
    lookup : Lookup
        The card's tables.
    patterns : Patterns
        The p patterns that occur.
    index : ndarray of shape (n,), int32
        Pattern of each lead.
    caveat_bits : ndarray of shape (n,), int64
        One bit a caveat that applies.
    """

    def __init__(
        self,
        lookup: Lookup,
        patterns: Patterns,
        index: npt.NDArray[np.int32],
        caveat_bits: npt.NDArray[np.int64],
    ) -> None:
        self._lookup = lookup
        self._card = lookup.card
        self._patterns = patterns
        self._index = index
        self._caveat_bits = caveat_bits

    def __len__(self) -> int:
        """Count the leads."""
        return len(self._index)

    @property
    def points(self) -> npt.NDArray[np.int32]:
        """Points that each lead earned, unknowns included at what the card gives them."""
        return self._patterns.points[self._index]

    @property
    def low(self) -> npt.NDArray[np.int32]:
        """Points with every unknown at its lowest."""
        return self._patterns.low[self._index]

    @property
    def high(self) -> npt.NDArray[np.int32]:
        """Points with every unknown at its highest."""
        return self._patterns.high[self._index]

    @property
    def points_max(self) -> npt.NDArray[np.int32]:
        """The highest total that the card can give."""
        return np.full(len(self), self._card.total_max, np.int32)

    @property
    def probability(self) -> npt.NDArray[np.float64]:
        """Chance of winning, 0 to 1; NaN for a documented card, which gives none."""
        found: npt.NDArray[np.float64] = self._lookup.probability[self._patterns.points][self._index]
        return found

    @property
    def settled(self) -> npt.NDArray[np.bool_]:
        """Whether no answer to an unknown could change the band."""
        return self._patterns.settled[self._index]

    @property
    def band(self) -> npt.NDArray[np.object_]:
        """Id of the band."""
        return self._text("band")

    @property
    def action(self) -> npt.NDArray[np.object_]:
        """What to do."""
        return self._text("action")

    @property
    def decision(self) -> npt.NDArray[np.object_]:
        """``ready``, ``wait`` or ``no-match``, by the card's own labels."""
        return self._text("decision")

    @property
    def ask_next(self) -> npt.NDArray[np.object_]:
        """The unknown criterion to ask about next; empty when nothing more need be asked."""
        return self._text("ask_next")

    @property
    def unknown(self) -> npt.NDArray[np.object_]:
        """Criteria whose level is not known."""
        return self._text("unknown")

    @property
    def reasons(self) -> npt.NDArray[np.object_]:
        """Points by criterion, largest first, which sum to `points`."""
        return self._text("reasons")

    @property
    def caveats(self) -> npt.NDArray[np.object_]:
        """Ids of the framework's caveats that apply, and gates failed or not yet answered."""
        return self._text("caveats")

    @property
    def model(self) -> npt.NDArray[np.object_]:
        """Name and version of the card."""
        return self._text("model")

    @property
    def index(self) -> npt.NDArray[np.int32]:
        """Pattern of each lead: its position among the p patterns of `answers`."""
        return self._index

    @property
    def caveat_bits(self) -> npt.NDArray[np.int64]:
        """One bit a caveat that applies, for each lead."""
        return self._caveat_bits

    @property
    def is_complete(self) -> bool:
        """Whether the p patterns are all that there can be, so that they are the same for other leads."""
        return self._patterns is self._lookup.__dict__.get("everything")

    def answers(self, caveat_bits: int) -> Scores:
        """Score the patterns themselves, so that what is told often has to be worded once.

        Parameters
        ----------
        caveat_bits : int
            One bit a caveat that applies.

        Returns
        -------
        Scores
            p rows, in which each lead finds its own by `index`.
        """
        n = len(self._patterns.key)
        return Scores(
            self._lookup, self._patterns, np.arange(n, dtype=np.int32), np.full(n, caveat_bits, np.int64)
        )

    def _text(self, name: str) -> npt.NDArray[np.object_]:
        """Spread a column of words over the leads."""
        words, index = self._words(name)
        return np.array(words, dtype=object)[index]

    def _words(self, name: str) -> tuple[list[str], npt.NDArray[np.int32]]:
        """Give the distinct words of a column (at least one), and each lead's position among them."""
        patterns, card = self._patterns, self._card
        of_pattern: npt.NDArray[Any]
        if name == "model":
            return [card.model], np.zeros(len(self), np.int32)
        if name == "caveats":
            return self._caveat_words()
        if name in ("reasons", "unknown") and len(patterns.key):
            texts, at = self._lookup.words(name, patterns)
            return texts.to_pylist(), at[self._index]
        if name in ("reasons", "unknown"):
            return [""], self._index
        if name == "band":
            words, of_pattern = [band.id for band in card.bands], patterns.band
        elif name == "action":
            words = [*(band.action for band in card.bands), DISQUALIFY]
            of_pattern = np.where(patterns.gates_failed > 0, len(card.bands), patterns.band)
        elif name == "decision":
            words, of_pattern = [card.decision_labels[key] for key in DECISIONS], patterns.decision
        else:
            words, of_pattern = ["", *self._lookup.ids], patterns.ask_next + 1
        return words, of_pattern.astype(np.int32)[self._index]

    def _caveat_words(self) -> tuple[list[str], npt.NDArray[np.int32]]:
        """Put the caveats and gates of each lead into words, once a combination."""
        card, n_caveats, n_gates = self._card, len(self._card.caveats), len(self._card.gates)
        bits = self._caveat_bits
        if n_gates:
            gates = self._patterns.gates_failed | self._patterns.gates_open << n_gates
            bits = bits | gates[self._index] << n_caveats
        combinations, index = np.unique(bits, return_inverse=True)
        names = [caveat.id for caveat in card.caveats]
        names += [f"gate failed: {gate.criterion}" for gate in card.gates]
        names += [f"gate open: {gate.criterion}" for gate in card.gates]
        words = [
            "; ".join(name for position, name in enumerate(names) if combination >> position & 1)
            for combination in combinations.tolist()
        ]
        return words or [""], index.astype(np.int32)

    def rows(self) -> list[dict[str, Any]]:
        """Give one dict a lead, of plain Python values.

        Returns
        -------
        list of dict
            The columns of `predict`, without the lead's identity; probability None for a documented card.
        """
        columns = {name: getattr(self, name).tolist() for name in COLUMNS}
        if not self._card.table:
            columns["probability"] = [None] * len(self)
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def to_pandas(self) -> pd.DataFrame:
        """Give a DataFrame.

        Returns
        -------
        DataFrame of shape (n, 14)
            The columns of `predict`, without the lead's identity.
        """
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})

    def to_arrow(self, *, plain: bool = True) -> pa.RecordBatch:
        """Give an Arrow batch, without importing pandas.

        Parameters
        ----------
        plain : bool
            Whether columns of text hold the text of every lead; as dictionaries they take less room, where a
            text is told often.

        Returns
        -------
        RecordBatch of n rows
            The columns of `predict`, without the lead's identity; probability null for a documented card.
        """
        import pyarrow as pa

        arrays = [self.column(name, plain=plain) for name in COLUMNS]
        return pa.RecordBatch.from_arrays(arrays, names=list(COLUMNS))

    def column(self, name: str, *, plain: bool = True) -> pa.Array:
        """Give one column as an Arrow array.

        Parameters
        ----------
        name : str
            One of `COLUMNS`.
        plain : bool
            Whether text comes as the text of every lead, or as a dictionary where a text is told often.

        Returns
        -------
        Array of n values
            The column.
        """
        import pyarrow as pa

        from leadml.card.arrow import bool_array, dictionary_array, number_array, take, text_array

        if name == "probability" and not self._card.table:
            return pa.nulls(len(self), pa.float64())
        if name in ("probability", "points", "points_max", "low", "high"):
            return number_array(getattr(self, name))
        if name == "settled":
            return bool_array(self.settled)
        words, index = self.parts(name)
        if not plain and (name != "reasons" or self._lookup.is_small):
            return dictionary_array(words, index)
        if len(self) <= FEW:
            known = words.to_pylist()
            return text_array([known[at] for at in index.tolist()])
        return take(words, index)

    def parts(self, name: str) -> tuple[pa.Array, npt.NDArray[np.int32]]:
        """Give one column as the values that there are, and which of them each lead has.

        Parameters
        ----------
        name : str
            One of `COLUMNS`.

        Returns
        -------
        values : Array
            At least one value.
        index : ndarray of shape (n,), int32
            Position of each lead's value among them.
        """
        import pyarrow as pa

        from leadml.card.arrow import bool_array, number_array, text_array

        nothing = np.zeros(len(self), np.int32)
        if name == "probability":
            n = self._card.total_max + 1
            chances = self._lookup.probability
            return number_array(chances) if self._card.table else pa.nulls(n, pa.float64()), self.points
        if name in ("points", "low", "high"):
            return number_array(np.arange(self._card.total_max + 1, dtype=np.int32)), getattr(self, name)
        if name == "points_max":
            return number_array(np.array([self._card.total_max], np.int32)), nothing
        if name == "settled":
            return bool_array(np.array([False, True])), self.settled.astype(np.int32)
        if name in ("reasons", "unknown") and len(self._patterns.key):
            texts, at = self._lookup.words(name, self._patterns)
            return texts, at[self._index]
        words, index = self._words(name)
        return text_array(words), index
