"""Scoring by look-up: a lead is a pattern of level codes, and every answer is worked out once a pattern."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.card.check import DECISIONS
from leadml.card.levels import UNKNOWN, code_of, read_columns, read_one
from leadml.card.scores import Scores
from leadml.card.single import Single
from leadml.exceptions import InputError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from leadml.card.model import Card

__all__ = ["Lookup", "Patterns"]

SMALL = 6**6
"""Up to so many possible patterns are all worked out; of more, only those that occur."""

MEMORY = 100_000
"""So many single leads are remembered."""

FEW = 64
"""Up to so many leads are put into words one by one: that needs no machinery to be loaded."""

WAIT, NO_MATCH = DECISIONS.index("wait"), DECISIONS.index("no-match")
ONE = np.zeros(1, np.int32)


@dataclasses.dataclass(frozen=True)
class Patterns:
    """What p patterns of level codes come to; row i of every field is the same pattern.

    Attributes
    ----------
    codes : ndarray of shape (p, k), uint8
        Levels 0 to 4, 5 for unknown.
    key : ndarray of shape (p,), int64
        The codes packed into one number, base 6.
    points, low, high : ndarray of shape (p,), int32
        Total, and the totals with every unknown at its lowest and at its highest.
    band : ndarray of shape (p,), int32
        Position of the band.
    decision : ndarray of shape (p,), int8
        0 ready, 1 wait, 2 no match.
    settled : ndarray of shape (p,), bool
        Whether no answer to an unknown can change the band.
    ask_next : ndarray of shape (p,), int8
        Position of the criterion to ask about next; -1 for none.
    gates_failed, gates_open : ndarray of shape (p,), int64
        One bit a gate: failed, and not known yet.
    words : dict of str to (StringArray, ndarray of shape (p,), int32)
        What was put into words so far: texts, and the position of each pattern's among them.
    """

    codes: npt.NDArray[np.uint8]
    key: npt.NDArray[np.int64]
    points: npt.NDArray[np.int32]
    low: npt.NDArray[np.int32]
    high: npt.NDArray[np.int32]
    band: npt.NDArray[np.int32]
    decision: npt.NDArray[np.int8]
    settled: npt.NDArray[np.bool_]
    ask_next: npt.NDArray[np.int8]
    gates_failed: npt.NDArray[np.int64]
    gates_open: npt.NDArray[np.int64]
    words: dict[str, tuple[pa.StringArray, npt.NDArray[np.int32]]] = dataclasses.field(default_factory=dict)


KINDS = (np.int32, np.int32, np.int32, np.int32, np.int8, np.bool_, np.int8, np.int64, np.int64)
"""Types of the fields of `Patterns` from `points` on."""


class Lookup:
    """The tables of one card.

    Parameters
    ----------
    card : Card
        The card.
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self.ids = tuple(each.id for each in card.criteria)
        self.points = np.array([[*each.points, each.unknown_points] for each in card.criteria], np.int32)
        self.low = np.array([[*each.points, 0] for each in card.criteria], np.int32)
        self.high = np.array([[*each.points, each.points[4]] for each in card.criteria], np.int32)
        self.edges = np.array([band.from_ for band in card.bands], np.int32)
        self.bands = self.band_of(np.arange(card.total_max + 1)).astype(np.int32)
        self.powers = 6 ** np.arange(len(self.ids), dtype=np.int64)
        self.decisions = np.array([DECISIONS.index(band.decision) for band in card.bands], np.int8)
        self.probability = np.array(
            [row.probability for row in card.table] or [np.nan] * (card.total_max + 1)
        )
        self.is_small = 6 ** len(self.ids) <= SMALL
        self.single = Single(card)
        self._rows: dict[tuple[int, ...], dict[str, Any]] = {}
        self._ones: dict[tuple[int, ...], Patterns] = {}
        self._always = self._caveat_bits(None, 1)

    @functools.cached_property
    def everything(self) -> Patterns:
        """All patterns that there can be, each at the position that its key says."""
        key = np.arange(6 ** len(self.ids), dtype=np.int64)
        return self.explain((key[:, None] // self.powers % 6).astype(np.uint8), key)

    def band_of(self, points: Any) -> Any:
        """Find the band of totals.

        Parameters
        ----------
        points : int or array of int
            Totals.

        Returns
        -------
        int or array of int
            Position among the card's bands.
        """
        return np.searchsorted(self.edges, points, side="right") - 1

    def score(self, levels: Any, facts: Mapping[str, Any] | None) -> Scores:
        """Score leads; see `Card.score`.

        Parameters
        ----------
        levels : array, DataFrame or mapping
            Levels.
        facts : mapping of columns, optional
            Facts for the caveats.

        Returns
        -------
        Scores
            One row a lead.
        """
        if (codes := read_one(levels, self.ids)) is not None:
            return Scores(self, self._one(codes), ONE, self._caveat_bits(facts, 1) if facts else self._always)
        columns = read_columns(levels, self.ids)
        n, n_possible = len(columns[0]), 6 ** len(columns)
        key: npt.NDArray[Any] = np.zeros(n, np.int32 if n_possible < 2**31 else np.int64)
        for column in reversed(columns):
            key *= 6
            key += column
        bits = self._caveat_bits(facts, n)
        if n_possible <= min(SMALL, 4 * n):
            return Scores(self, self.everything, key, bits)
        present, first, index = np.unique(key, return_index=True, return_inverse=True)
        matrix = np.stack([column[first] for column in columns]).T
        return Scores(self, self.explain(matrix, present.astype(np.int64)), index.astype(np.int32), bits)

    def _one(self, codes: tuple[int, ...]) -> Patterns:
        """Give a single pattern, remembered."""
        known = self._ones.get(codes)
        if known is None:
            if len(self._ones) > MEMORY:
                self._ones.clear()
            found = self.single.explain(codes)
            key = sum([code * 6**position for position, code in enumerate(codes)])
            known = self._ones[codes] = Patterns(
                np.array([codes], np.uint8),
                np.array([key], np.int64),
                *(np.array([value], kind) for value, kind in zip(found, KINDS, strict=True)),  # type: ignore[arg-type]
            )
        return known

    def explain(self, codes: npt.NDArray[np.uint8], key: npt.NDArray[np.int64]) -> Patterns:
        """Work patterns out.

        Parameters
        ----------
        codes : ndarray of shape (p, k), uint8
            Level codes.
        key : ndarray of shape (p,), int64
            The same packed.

        Returns
        -------
        Patterns
            What they come to.
        """
        points, low, high = (np.zeros(len(key), np.int32) for _ in range(3))
        for position in range(len(self.ids)):
            column = codes[:, position]
            points += self.points[position][column]
            low += self.low[position][column]
            high += self.high[position][column]
        band = self.bands[points]
        failed = np.zeros(len(key), np.int64)
        unanswered = np.zeros(len(key), np.int64)
        for position, gate in enumerate(self.card.gates):
            column = codes[:, self.ids.index(gate.criterion)]
            failed |= (column < gate.below).astype(np.int64) << position
            unanswered |= (column == UNKNOWN).astype(np.int64) << position
        decision = self.decisions[band]
        decision[(decision == NO_MATCH) & (high >= self.card.cutoff)] = WAIT
        decision[failed > 0] = NO_MATCH
        settled = self.bands[low] == self.bands[high]
        return Patterns(
            codes, key, points, low, high, band, decision, settled,
            self._ask_next(codes, points, settled | (failed > 0)), failed, unanswered,
        )  # fmt: skip

    def _ask_next(
        self, codes: npt.NDArray[np.uint8], points: npt.NDArray[np.int32], done: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int8]:
        """Find the unknown with the most points among those whose answer could change the band.

        An answer that changes it alone goes first; where only answers together can, the one with the most
        points is always among them.
        """
        best = np.full(len(codes), -1, np.int8)
        heaviest = np.zeros(len(codes), np.int32)
        most = self.high[:, UNKNOWN]
        for position in range(len(self.ids)):
            row = np.flatnonzero((codes[:, position] == UNKNOWN) & ~done)
            rest = points[row] - self.points[position, UNKNOWN]
            alone = self.bands[rest] != self.bands[rest + most[position]]
            weight = most[position] + 1 + alone * (most.sum() + 1)
            heavier = weight > heaviest[row]
            heaviest[row[heavier]] = weight[heavier]
            best[row[heavier]] = position
        return best

    def words(self, name: str, patterns: Patterns) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
        """Put patterns into words, once.

        Parameters
        ----------
        name : str
            ``reasons`` (``criterion +points`` joined by ``; ``, largest first) or ``unknown``.
        patterns : Patterns
            p patterns, at least one.

        Returns
        -------
        words : StringArray
            Texts.
        index : ndarray of shape (p,), int32
            Position of each pattern's text among them.
        """
        found = patterns.words.get(name)
        if found is None:
            put = self._reasons if name == "reasons" else self._unknown
            found = patterns.words[name] = put(patterns.codes)
        return found

    def _reasons(self, codes: npt.NDArray[np.uint8]) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
        """Say what patterns earned."""
        from leadml.card.arrow import compose, text_array

        index = np.arange(len(codes), dtype=np.int32)
        if len(codes) <= FEW:
            return text_array([self.single.reasons(tuple(row)) for row in codes.tolist()]), index
        earned = [
            (-points, position, code)
            for position, row in enumerate(self.points.tolist())
            for code, points in enumerate(row)
        ]
        # Words in the order in which they stand in any text, so that sorting their numbers orders the text.
        order = sorted([each for each in earned if each[0]])
        rank = np.full(self.points.shape, len(order), np.int32)
        words = []
        for at, (points, position, code) in enumerate(order):
            rank[position, code] = at
            words.append(f"{self.ids[position]}{' (unknown)' if code == UNKNOWN else ''} +{-points}")
        pieces = np.empty(codes.shape, np.int32)
        for position in range(len(self.ids)):
            pieces[:, position] = rank[position][codes[:, position]]
        pieces.sort(axis=1)
        pieces[:, 1:] += len(words) + 1
        return compose(text_array([*words, "", *(f"; {word}" for word in words), ""]), pieces), index

    def _unknown(self, codes: npt.NDArray[np.uint8]) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
        """List the unknown criteria of patterns."""
        from leadml.card.arrow import text_array

        bits = np.zeros(len(codes), np.int32)
        for position in range(len(self.ids)):
            bits |= (codes[:, position] == UNKNOWN).astype(np.int32) << position
        occurs = np.zeros(1 << len(self.ids), bool)
        occurs[bits] = True
        words = [
            "; ".join([name for position, name in enumerate(self.ids) if each >> position & 1])
            for each in np.flatnonzero(occurs).tolist()
        ]
        return text_array(words), (np.cumsum(occurs, dtype=np.int32) - 1)[bits]

    def score_one(self, lead: Mapping[str, Any], facts: Mapping[str, str | None] | None) -> dict[str, Any]:
        """Score one lead; see `Card.score_one`.

        Parameters
        ----------
        lead : mapping of str to level
            Levels by criterion.
        facts : mapping of str to str, optional
            Facts for the caveats.

        Returns
        -------
        dict
            One value a column.
        """
        codes = tuple([code_of(lead.get(name), name) for name in self.ids])
        known = self._rows.get(codes)
        if known is None:
            if not any(name in lead for name in self.ids):
                names = ", ".join(self.ids)
                raise InputError(f"lead: none of the criteria {names} is there; give at least one")
            if len(self._rows) > MEMORY:
                self._rows.clear()
            known = self._rows[codes] = self.single.row(codes)
        made = dict(known)
        if facts and any(caveat.when for caveat in self.card.caveats):
            made["caveats"] = self.single.caveats(self.single.explain(codes), facts)
        return made

    def _caveat_bits(self, facts: Mapping[str, Any] | None, n: int) -> npt.NDArray[np.int64]:
        """Give one bit a caveat that applies, for each lead."""
        always = sum(1 << position for position, each in enumerate(self.card.caveats) if not each.when)
        bits = np.full(n, always, np.int64)
        for position, caveat in enumerate(self.card.caveats):
            if not caveat.when:
                continue
            applies = np.ones(n, bool)
            for fact, values in caveat.when.items():
                applies &= _holds(facts, fact, values, n)
            bits |= applies.astype(np.int64) << position
        return bits


def _holds(
    facts: Mapping[str, Any] | None, fact: str, values: tuple[str, ...], n: int
) -> npt.NDArray[np.bool_]:
    """Tell for each lead whether a fact is known and has one of the values."""
    if facts is None or fact not in facts:
        return np.zeros(n, bool)
    column = facts[fact]
    if hasattr(column, "dictionary"):
        at = np.frombuffer(column.indices.buffers()[1], np.int32, count=n)
        return np.array([value in values for value in column.dictionary.to_pylist()], bool)[at]
    found: list[Any] = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
    if len(found) != n:
        raise InputError(f"facts.{fact}: has {len(found)} values for {n} leads; give one a lead")
    return np.fromiter((value in values for value in found), bool, n)
