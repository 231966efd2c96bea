"""Champion against challenger: which decisions move from one version to another, and what that is worth.

Compared on given leads; else on the held-out log that both share; else on the deals that one of them learned from;
else over all possible answers.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leadml.card.inputs import codes_of
from leadml.card.record import Card
from leadml.levels import Codes
from leadml.registry.evidence import possible_patterns, read_held_out, read_patterns, recode
from leadml.registry.versions import Version

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.evaluation.log import Log

Floats = npt.NDArray[np.float64]
Outcome = Literal["better", "worse", "alike", "moved"]

MOST_DEALS = 100_000
"""Of more deals a fixed sample is compared."""
MIN_DIFFERENT = 10
"""Deals judged differently from which better or worse is said."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A version that is compared, or a card that is not stored yet."""

    ref: str
    card: Card | None
    version: Version | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Said:
    """What one model said of n leads: what to do in words, followed up or not (0 to 1), and the score."""

    action: npt.NDArray[Any]
    decision: Floats
    score: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """Leads that both judged. outcome : 1 won, 0 lost, -1 not known."""

    where: str
    old: Said
    new: Said
    outcome: npt.NDArray[np.int8]
    unit: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Move:
    """So many leads go from one action to another; of those whose outcome is known, so many won."""

    before: str
    after: str
    n: float
    n_closed: float
    n_won: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """better and worse: beyond noise. alike: no lead is judged otherwise. moved: the deals cannot tell which is better."""

    outcome: Outcome
    n: int
    n_moved: float
    moves: tuple[Move, ...]
    sentence: str


def compare(
    candidate: Model, champion: Model, leads: Leads | None = None, ratio: float | None = None
) -> Comparison:
    """Compare a candidate with the champion. ratio: value of a won deal in follow-ups, where it is known."""
    found = gather(candidate, champion, leads)
    if found is None:
        sentence = f"{candidate.ref} and {champion.ref} were not compared: no leads were judged by both; give --on FILE."
        return Comparison("moved", 0, 0.0, (), sentence)
    moves = find_moves(found)
    n, n_moved = len(found.outcome), sum(move.n for move in moves)
    if not n_moved:
        same = f"On {found.where}, {candidate.ref} decides exactly as {champion.ref} does."
        return Comparison("alike", n, 0.0, (), same)
    outcome, worth = weigh(found, moves, ratio)
    told = "; ".join(
        f"{move.n:,.0f} of {n:,} leads move from {move.before} to {move.after}" for move in moves[:3]
    )
    more = f" (and {len(moves) - 3} smaller moves)" if len(moves) > 3 else ""
    verdict = {
        "better": f"{candidate.ref} is better than {champion.ref} beyond noise",
        "worse": f"{candidate.ref} is worse than {champion.ref} beyond noise",
        "moved": f"these leads cannot tell which of {candidate.ref} and {champion.ref} is better",
    }[outcome]
    return Comparison(outcome, n, n_moved, moves, f"On {found.where}: {told}{more}. {worth}: {verdict}.")


def gather(candidate: Model, champion: Model, leads: Leads | None) -> Evidence | None:
    """Find leads that both judge."""
    if leads is not None and candidate.card is not None and champion.card is not None:
        known = np.full(len(leads), -1, np.int8) if leads.outcome is None else leads.outcome
        unit = np.arange(len(leads)) if leads.unit is None else leads.unit.astype(np.int64)
        said = [_said(card, codes_of(card, leads)) for card in (champion.card, candidate.card)]
        return Evidence(f"{leads.source} ({int((known >= 0).sum()):,} closed)", *said, known, unit)
    shared = _shared_log(candidate, champion)
    if shared is not None or candidate.card is None or champion.card is None:
        return shared
    for model in (candidate, champion):
        kept = None if model.version is None else read_patterns(model.version)
        if kept is not None and model.card is not None:
            names, counts = kept
            codes = np.concatenate([counts.codes, counts.codes])
            outcome = np.repeat(np.array([1, 0], np.int8), len(counts.codes))
            at = np.repeat(
                np.arange(len(codes)), np.round(np.concatenate([counts.won, counts.lost])).astype(np.int64)
            )
            if len(at) > MOST_DEALS:
                at = np.random.default_rng(0).choice(at, MOST_DEALS, replace=False)
            said = [
                _said(c, recode(codes, names, model.card, c)[at]) for c in (champion.card, candidate.card)
            ]
            return Evidence(
                f"the deals that {model.ref} learned from", *said, outcome[at], np.arange(len(at))
            )
    codes = possible_patterns(champion.card, MOST_DEALS)
    names = champion.card.lookup.code_columns
    said = [
        _said(card, recode(codes, names, champion.card, card)) for card in (champion.card, candidate.card)
    ]
    outcome = np.full(len(codes), -1, np.int8)
    return Evidence("all possible answers, each as likely", *said, outcome, np.arange(len(codes)))


def find_moves(found: Evidence) -> tuple[Move, ...]:
    """Which leads get another decision or action, the largest move first."""
    away = np.abs(found.new.decision - found.old.decision)
    away = np.where(away > 0, away, (found.new.action != found.old.action).astype(np.float64))
    moved = np.flatnonzero(away > 0)
    pairs: dict[tuple[str, str], list[int]] = {}
    for at in moved.tolist():
        pairs.setdefault((str(found.old.action[at]), str(found.new.action[at])), []).append(at)
    moves = []
    for (before, after), rows in pairs.items():
        share, known = away[rows], found.outcome[rows] >= 0
        won = float(share @ (found.outcome[rows] == 1))
        moves.append(Move(before, after, float(share.sum()), float(share @ known), won))
    return tuple(sorted(moves, key=lambda move: -move.n))


def weigh(found: Evidence, moves: tuple[Move, ...], ratio: float | None) -> tuple[Outcome, str]:
    """What the moves are worth: at the costs in force, else at equal workload, with the price at which they pay."""
    from leadml.evaluation.log import Entries, Log
    from leadml.evaluation.metrics import HeldOut
    from leadml.evaluation.verdict import equal_workload, paired_gain

    if float(found.new.decision.min()) == 1.0 > float(found.old.decision.min()):
        return "worse", "It follows up every lead, so it qualifies none"
    if float(found.new.decision.max()) == 0.0 < float(found.old.decision.max()):
        return "worse", "It follows up no lead at all"
    closed = np.flatnonzero(found.outcome >= 0)
    n, nothing = len(closed), np.full(len(closed), np.nan)
    if not n or found.outcome[closed].min() == found.outcome[closed].max():
        return "moved", f"Of {n:,} closed deals none or all were won, so what that is worth is not known"
    old, new = (
        Entries(said.score[closed], nothing, said.decision[closed]) for said in (found.old, found.new)
    )
    zeros, ones = np.zeros(n, np.int32), np.ones(n)
    held = HeldOut(Log(np.arange(n), zeros, zeros, found.outcome[closed], found.unit[closed], ones))
    ranking = paired_gain(held, *equal_workload(held, old, new))
    if ratio is None:
        gain, told = ranking, "wins at the champion's workload {} of all won"
    else:
        gain = paired_gain(held, old.decision, new.decision, ratio)
        told = f"a won deal being worth {ratio:,.3g} follow-ups, net wins {{}} of all won"
    value, low, high = gain.gain.estimate()
    worth = "Worth: " + told.format(f"{value:+.1%} ({low:+.1%} to {high:+.1%})")
    extra = float((new.decision - old.decision).sum())
    if ratio is None and extra:
        won = float((new.decision - old.decision) @ (found.outcome[closed] == 1))
        pays = (
            f"which pays when a won deal is worth {extra / won:,.1f} follow-ups or "
            if extra * won > 0
            else ""
        )
        sides = ("more" if extra > 0 else "less") if pays else "and no won deal with it"
        worth += f"; {abs(extra):,.0f} follow-ups {'more' if extra > 0 else 'fewer'} and {abs(won):,.0f} won, {pays}{sides}"
    if gain.n_different < MIN_DIFFERENT:
        return "moved", worth
    if high < 0:
        return "worse", worth
    return ("better" if low > 0 and (ratio is not None or not extra) else "moved"), worth


def _said(card: Card, codes: Codes) -> Said:
    scores = card.lookup.score(codes)
    ready = scores.decision == card.labels[0]
    return Said(scores.action, ready.astype(np.float64), scores.points.astype(np.float64))


def _shared_log(candidate: Model, champion: Model) -> Evidence | None:
    """Deals that both calibrations held out, where neither card was changed by hand since."""
    if any(m.version is None or (m.card is not None and m.card.published) for m in (candidate, champion)):
        return None
    logs = [read_held_out(m.version) for m in (champion, candidate) if m.version is not None]
    if None in logs:
        return None
    old, new = (_by_lead(log) for log in logs if log is not None)
    shared, a, b = np.intersect1d(old[0], new[0], return_indices=True)
    if not len(shared) or (old[1][a] != new[1][b]).any():
        return None  # other deals, whose row numbers happen to be the same
    said = []
    for each, at in ((old, a), (new, b)):
        decision = each[2].decision[at]
        words = np.where(decision > 0.5, "follow up", "leave")
        said.append(Said(words, decision, each[2].score[at]))
    where = f"{len(shared):,} deals that both calibrations held out"
    return Evidence(where, *said, old[1][a].astype(np.int8), old[3][a])


def _by_lead(log: Log) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Any, npt.NDArray[np.int64]]:
    """Each lead once: id, outcome, what was said on average over repeats, unit."""
    from leadml.evaluation.log import Entries

    (entry,) = log.entries.values()
    ids, first, at = np.unique(np.asarray(log.lead_id.to_pylist()), return_index=True, return_inverse=True)
    n = np.bincount(at)
    said = [
        np.bincount(at, np.nan_to_num(each)) / n for each in (entry.score, entry.probability, entry.decision)
    ]
    return ids, log.outcome[first], Entries(*said), log.unit[first]
