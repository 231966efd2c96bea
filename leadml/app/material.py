"""Material of the page: counts of closed deals by pattern, and new leads as codes, in the page's columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.calibration.save import distinct
from leadml.card.codes import codes_of_leads
from leadml.card.record import Card
from leadml.exceptions import InputError
from leadml.levels import UNKNOWN, Codes
from leadml.registry import evidence

if TYPE_CHECKING:
    from leadml.app.words import Column
    from leadml.data.mapping import Mapping

MOST_PATTERNS = 20_000
"""Of more patterns a fixed sample of deals stands for all."""
MOST_LEADS = 5_000


@dataclasses.dataclass(frozen=True)
class DealCounts:
    """codes: (r, m) uint8, column by column. won, lost: of each of m patterns. n_sampled: None for all deals."""

    codes: bytes
    won: list[float]
    lost: list[float]
    n: float
    n_won: float
    n_sampled: int | None = None


@dataclasses.dataclass(frozen=True)
class NewLeads:
    """codes: (r, n) uint8, column by column. names: columns that name a lead."""

    ids: list[str]
    codes: bytes
    names: dict[str, list[str | None]]
    amount: list[float | None] | None
    n_rejected: int
    n_left_out: int  # beyond MOST_LEADS


def read_counts(folder: Path, columns: Sequence[str]) -> DealCounts:
    """Counts that lie in a folder, by pattern of these columns."""
    kept = evidence.read_counts(folder)
    if kept is None:
        why = "no such file; the page needs it, and `leadml calibrate` writes it"
        raise InputError(f"{folder / evidence.DEAL_COUNTS}: {why}")
    known, won, lost = kept
    nothing = np.full(len(won), UNKNOWN, np.uint8)  # a criterion that no column is read for
    return counts_of(np.stack([known.get(each, nothing) for each in columns], axis=1), won, lost)


def counts_of(codes: Codes, won: Any, lost: Any, most: int = MOST_PATTERNS) -> DealCounts:
    """Counts by distinct pattern; a sample of `most` deals, weighted up, where there are more patterns."""
    n, n_won, n_sampled = float(won.sum() + lost.sum()), float(won.sum()), None
    patterns, at = distinct(codes)
    won, lost = np.bincount(at, won, len(patterns)), np.bincount(at, lost, len(patterns))
    if len(patterns) > most:
        n_sampled, draw = most, np.random.default_rng(0)
        won, lost = np.split(draw.multinomial(most, np.r_[won, lost] / n) * (n / most), 2)
        kept = won + lost > 0
        patterns, won, lost = patterns[kept], won[kept], lost[kept]
    won, lost = (np.round(each, 6).tolist() for each in (won, lost))
    return DealCounts(patterns.T.tobytes(), won, lost, n, n_won, n_sampled)


def read_new_leads(source: Any, mapping: Mapping, cards: Sequence[Card], columns: Sequence[Column]) -> NewLeads:
    """Read leads without an outcome, by the same code as `leadml predict`."""
    from leadml.data.cells import text_of
    from leadml.scoring.predicting import names_among
    from leadml.scoring.scorer import Options, Scorer, open_leads

    opened, n = open_leads(source, mapping), len(cards)
    first = names_among(opened.columns, mapping.lead_id)
    scorer = Scorer(opened, mapping, cards, Options(sort=True), first=first)
    criteria = [each.id for each in columns if each.kind == "criterion"]
    ids: list[str] = []
    codes: list[Codes] = []
    names: dict[str, list[str | None]] = {title: [] for title in scorer.layout.kept}
    amounts: list[float | None] = []
    for judged, _ in scorer.judged(lambda _: None):
        scored = judged.scored
        ids += judged.leads.ids()
        codes.append(codes_of_leads(judged.leads, criteria, cards[0].attributes))
        for title in names:
            names[title] += text_of(scored.own.column(title)).to_pylist()[::n]  # a row each lead and card
        if scored.amount is not None:
            amounts += [None if np.isnan(each) else each for each in scored.amount.tolist()]
    all_codes = np.concatenate(codes) if codes else np.zeros((0, len(columns)), np.uint8)
    most = slice(MOST_LEADS)
    return NewLeads(
        ids=ids[most],
        codes=np.ascontiguousarray(all_codes[most].T).tobytes(),
        names={name: values[most] for name, values in names.items()},
        amount=amounts[most] or None,
        n_rejected=opened.rejections.n_rows,
        n_left_out=max(len(ids) - MOST_LEADS, 0),
    )
