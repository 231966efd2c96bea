"""Scoring by look-up: a lead is a pattern of level codes, and every answer is worked out once a pattern."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leadml.card.check import DECISIONS
from leadml.card.levels import UNKNOWN, code_of, read_columns
from leadml.card.scores import Scores, Texts
from leadml.exceptions import InputError

if TYPE_CHECKING:
    from leadml.card.model import Card

__all__ = ["Lookup", "Patterns"]

SMALL = 6**6
"""Up to so many possible patterns are counted instead of sorted."""

WAIT, NO_MATCH = DECISIONS.index("wait"), DECISIONS.index("no-match")
MEMORY = 100_000
"""So many patterns are kept in words between batches."""


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
        self.powers = 6 ** np.arange(len(self.ids), dtype=np.int64)
        self.decisions = np.array([DECISIONS.index(band.decision) for band in card.bands], np.int8)
        self.probability = np.array(
            [row.probability for row in card.table] or [np.nan] * (card.total_max + 1)
        )
        self._texts: dict[int, Texts] = {}
        self._leads: dict[tuple[int, ...], dict[str, Any]] = {}

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
        columns = read_columns(levels, self.ids)
        key = np.zeros(len(columns[0]), np.int64)
        for column, power in zip(columns, self.powers, strict=True):
            key += column * power
        n_possible = 6 ** len(columns)
        if n_possible <= SMALL:
            present = np.flatnonzero(np.bincount(key, minlength=1))
            place = np.zeros(present[-1] + 1 if len(present) else 1, np.int32)
            place[present] = np.arange(len(present), dtype=np.int32)
            index = place[key]
        else:
            present, inverse = np.unique(key, return_inverse=True)
            index = inverse.astype(np.int32)
        patterns = self.explain(present.astype(np.int64))
        return Scores(self, patterns, index, self._caveat_bits(facts, len(index)))

    def explain(self, key: npt.NDArray[np.int64]) -> Patterns:
        """Work patterns out.

        Parameters
        ----------
        key : ndarray of shape (p,), int64
            Packed level codes.

        Returns
        -------
        Patterns
            What they come to.
        """
        codes = (key[:, None] // self.powers % 6).astype(np.uint8)
        each = np.arange(len(self.ids))
        earned = self.points[each, codes]
        points = earned.sum(axis=1, dtype=np.int32)
        low = self.low[each, codes].sum(axis=1, dtype=np.int32)
        high = self.high[each, codes].sum(axis=1, dtype=np.int32)
        band = self.band_of(points).astype(np.int32)
        failed = np.zeros(len(key), np.int64)
        unanswered = np.zeros(len(key), np.int64)
        for position, gate in enumerate(self.card.gates):
            column = codes[:, self.ids.index(gate.criterion)]
            failed |= (column < gate.below).astype(np.int64) << position
            unanswered |= (column == UNKNOWN).astype(np.int64) << position
        decision = self.decisions[band]
        decision[(decision == NO_MATCH) & (high >= self.card.cutoff)] = WAIT
        decision[failed > 0] = NO_MATCH
        settled = self.band_of(low) == self.band_of(high)
        return Patterns(
            codes, key, points, low, high, band, decision, settled,
            self._ask_next(codes, points[:, None] - earned, settled | (failed > 0)), failed, unanswered,
        )  # fmt: skip

    def _ask_next(
        self, codes: npt.NDArray[np.uint8], rest: npt.NDArray[np.int32], done: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int8]:
        """Find the unknown with the most points among those whose answer could change the band.

        An answer that changes it alone goes first; where only answers together can, the one with the most
        points is always among them.
        """
        most = self.high[:, UNKNOWN]
        unknown = codes == UNKNOWN
        alone = unknown & (self.band_of(rest) != self.band_of(rest + most))
        weight = np.where(unknown, most + 1, 0) + np.where(alone, most.sum() + 1, 0)
        best: npt.NDArray[np.int8] = weight.argmax(axis=1).astype(np.int8)
        best[done] = -1
        return best

    def texts(self, patterns: Patterns) -> list[Texts]:
        """Put patterns into words.

        Parameters
        ----------
        patterns : Patterns
            p patterns.

        Returns
        -------
        list of Texts
            The reasons and the unknown criteria of each.
        """
        found = []
        if len(self._texts) > MEMORY:
            self._texts.clear()
        for key, codes in zip(patterns.key.tolist(), patterns.codes.tolist(), strict=True):
            texts = self._texts.get(key)
            if texts is None:
                texts = self._texts[key] = self._put_into_words(codes)
            found.append(texts)
        return found

    def _put_into_words(self, codes: list[int]) -> Texts:
        """Say what one pattern earned, largest first, and what is not known of it."""
        earned = [
            (points, f"{name} (unknown) +{points}" if code == UNKNOWN else f"{name} +{points}")
            for name, code, row in zip(self.ids, codes, self.points.tolist(), strict=True)
            if (points := row[code]) > 0
        ]
        earned.sort(key=lambda pair: -pair[0])
        unknown = [name for name, code in zip(self.ids, codes, strict=True) if code == UNKNOWN]
        return Texts("; ".join(text for _, text in earned), "; ".join(unknown))

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
        known = self._leads.get(codes)
        if known is None:
            if not any(name in lead for name in self.ids):
                names = ", ".join(self.ids)
                raise InputError(f"lead: none of the criteria {names} is there; give at least one")
            if len(self._leads) > MEMORY:
                self._leads.clear()
            columns = [np.array([code], np.uint8) for code in codes]
            row = self.score(dict(zip(self.ids, columns, strict=True)), None).rows()[0]
            known = self._leads[codes] = row
        made = dict(known)
        if facts and any(caveat.when for caveat in self.card.caveats):
            columns = [np.array([code], np.uint8) for code in codes]
            held = {fact: [value] for fact, value in facts.items()}
            made["caveats"] = self.score(dict(zip(self.ids, columns, strict=True)), held).caveats[0]
        return made

    def _caveat_bits(self, facts: Mapping[str, Any] | None, n: int) -> npt.NDArray[np.int64]:
        """Give one bit a caveat that applies, for each lead."""
        bits = np.zeros(n, np.int64)
        for position, caveat in enumerate(self.card.caveats):
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
    found: list[Any] = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
    if len(found) != n:
        raise InputError(f"facts.{fact}: has {len(found)} values for {n} leads; give one a lead")
    return np.fromiter((value in values for value in found), bool, n)
