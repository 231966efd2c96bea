"""Champion against challenger: which decisions move from one version to another, and what that is worth.

Compared on given leads; else on the held-out log that both share; else on the deals that one of them learned
from; else over all possible answers.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leadml.card.inputs import codes_of
from leadml.card.record import Card
from leadml.levels import Codes
from leadml.registry.evidence import deals_of, possible_patterns, read_counts, read_held_out, recode
from leadml.registry.versions import Version

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.evaluation.log import Log

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Outcome = Literal["better", "worse", "alike", "moved"]

MOST_PATTERNS = 50_000
"""Of more possible answers a fixed sample is compared."""
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
    unit: Ids


@dataclasses.dataclass(frozen=True)
class Move:
    """So many leads go from one action to another."""

    before: str
    after: str
    n: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """better, worse: beyond noise. alike: all leads are judged alike. moved: which is better is not known."""

    outcome: Outcome
    n: int
    moves: tuple[Move, ...]
    sentence: str


def compare(
    candidate: Model, champion: Model, leads: Leads | None = None, ratio: float | None = None
) -> Comparison:
    """Compare a candidate with the champion. ratio: value of a won deal in follow-ups, where it is known."""
    names = f"{candidate.ref} and {champion.ref}"
    found = gather(candidate, champion, leads)
    if found is None:
        how = "were not compared: no leads were judged by both; give --on FILE --mapping M."
        return Comparison("moved", 0, (), f"{names} {how}")
    moves, n = find_moves(found), len(found.outcome)
    if not moves:
        same = f"On {found.where}, {candidate.ref} decides exactly as {champion.ref} does."
        return Comparison("alike", n, (), same)
    outcome, worth = weigh(found, ratio)
    told = "; ".join(f"{m.n:,.0f} of {n:,} leads move from {m.before} to {m.after}" for m in moves[:3])
    more = f" (and {len(moves) - 3} smaller moves)" if len(moves) > 3 else ""
    verdict = {
        "better": f"{candidate.ref} is better than {champion.ref} beyond noise",
        "worse": f"{candidate.ref} is worse than {champion.ref} beyond noise",
        "moved": f"these leads cannot tell which of {names} is better",
    }[outcome]
    return Comparison(outcome, n, moves, f"On {found.where}: {told}{more}. {worth}: {verdict}.")


def gather(candidate: Model, champion: Model, leads: Leads | None) -> Evidence | None:
    """Find leads that both judge."""
    cards = None if candidate.card is None or champion.card is None else (champion.card, candidate.card)
    if leads is not None and cards is not None:
        known = np.full(len(leads), -1, np.int8) if leads.outcome is None else leads.outcome
        unit = np.arange(len(leads)) if leads.unit is None else leads.unit.astype(np.int64)
        old, new = (_said(card, codes_of(card, leads)) for card in cards)
        return Evidence(f"{leads.source} ({int((known >= 0).sum()):,} closed)", old, new, known, unit)
    shared = _shared_log(candidate, champion)
    if shared is not None or cards is None:
        return shared
    for model in (candidate, champion):
        kept = read_counts(model.version)
        if kept is not None and model.card is not None:
            codes, outcome = deals_of(kept[1])
            old, new = (_said(card, recode(codes, kept[0], model.card, card)) for card in cards)
            where = f"the deals that {model.ref} learned from"
            return Evidence(where, old, new, outcome, np.arange(len(codes)))
    codes, names = possible_patterns(cards[0], MOST_PATTERNS), cards[0].lookup.code_columns
    old, new = (_said(card, recode(codes, names, cards[0], card)) for card in cards)
    unknown = np.full(len(codes), -1, np.int8)
    return Evidence("all possible answers, each as likely", old, new, unknown, np.arange(len(codes)))


def find_moves(found: Evidence) -> tuple[Move, ...]:
    """Which leads get another decision or action, the largest move first."""
    away = np.abs(found.new.decision - found.old.decision)
    away = np.where(away > 0, away, (found.new.action != found.old.action).astype(np.float64))
    moved: dict[tuple[str, str], float] = collections.defaultdict(float)
    for at in np.flatnonzero(away > 0).tolist():
        moved[str(found.old.action[at]), str(found.new.action[at])] += float(away[at])
    return tuple(sorted((Move(*pair, n) for pair, n in moved.items()), key=lambda move: -move.n))


def weigh(found: Evidence, ratio: float | None) -> tuple[Outcome, str]:
    """What the moves are worth: at the costs in force, else at equal workload, and where they pay."""
    from leadml.evaluation.log import Entries, Log
    from leadml.evaluation.metrics import HeldOut
    from leadml.evaluation.verdict import equal_workload, paired_gain

    if found.new.decision.min() == 1.0 > found.old.decision.min():
        return "worse", "It follows up every lead, so it qualifies none"
    if found.new.decision.max() == 0.0 < found.old.decision.max():
        return "worse", "It follows up no lead at all"
    closed = np.flatnonzero(found.outcome >= 0)
    n, nothing = len(closed), np.full(len(closed), np.nan)
    won = found.outcome[closed] == 1
    if won.all() or not won.any():
        why = f"of {n:,} closed deals {'all' if won.all() else 'none'} were won" if n else "no deal is closed"
        return "moved", f"What that is worth is not known, as {why}"
    old, new = (
        Entries(said.score[closed], nothing, said.decision[closed]) for said in (found.old, found.new)
    )
    zeros = np.zeros(n, np.int32)
    held = HeldOut(Log(np.arange(n), zeros, zeros, won.astype(np.int8), found.unit[closed], np.ones(n)))
    if ratio is None:
        gain, worth = paired_gain(held, *equal_workload(held, old, new)), "At the champion's workload it wins"
    else:
        gain = paired_gain(held, old.decision, new.decision, ratio)
        worth = f"A won deal being worth {ratio:,.3g} follow-ups, it wins net"
    value, low, high = gain.gain.estimate()
    worth += f" {value:+.1%} ({low:+.1%} to {high:+.1%}) of all won"
    if not gain.n_different:
        worth = "It ranks them alike"
    away = new.decision - old.decision
    extra, extra_won = float(away.sum()), float(away @ won)
    if extra:
        kind, side = ("more", "more") if extra > 0 else ("fewer", "less")
        worth += f"; {abs(extra):,.0f} follow-ups {kind}, won among them {abs(extra_won):,.0f}"
        if extra * extra_won > 0:
            worth += f", which pays where a won deal is worth {side} than {extra / extra_won:,.1f} follow-ups"
    if gain.n_different < MIN_DIFFERENT or not low * high > 0:
        return "moved", worth
    if high < 0:
        return "worse", worth
    return ("moved" if ratio is None and extra else "better"), worth


def _said(card: Card, codes: Codes) -> Said:
    scores = card.lookup.score(codes)
    ready = scores.decision == card.labels[0]
    return Said(scores.action, ready.astype(np.float64), scores.points.astype(np.float64))


def _shared_log(candidate: Model, champion: Model) -> Evidence | None:
    """Deals that both calibrations held out, where neither card was changed by hand since."""
    logs = [
        _by_lead(log)
        for each in (champion, candidate)
        if not (each.card and each.card.published) and (log := read_held_out(each.version)) is not None
    ]
    if len(logs) < 2:
        return None
    (ids, old), (other_ids, new) = logs
    shared, a, b = np.intersect1d(ids, other_ids, return_indices=True)
    outcome, unit = old.outcome[a], old.unit[a]
    if not len(shared) or (outcome != new.outcome[b]).any():
        return None  # other deals, whose row numbers happen to be the same
    where = f"{len(shared):,} deals that both calibrations held out"
    return Evidence(where, _said_in_log(old, a), _said_in_log(new, b), outcome, unit)


def _by_lead(log: Log) -> tuple[npt.NDArray[np.str_], Log]:
    """A log of one contender, each lead once, with what was said on average over repeats; and its ids."""
    lead_id: Any = log.lead_id
    ((name, entry),) = log.entries.items()
    ids, first, at = np.unique(np.array(lead_id.to_pylist(), np.str_), return_index=True, return_inverse=True)
    n = np.bincount(at)
    score, decision = (np.bincount(at, np.nan_to_num(e)) / n for e in (entry.score, entry.decision))
    once = log.subset(first)
    once.entries[name] = dataclasses.replace(once.entries[name], score=score, decision=decision)
    return ids, once


def _said_in_log(log: Log, at: npt.NDArray[Any]) -> Said:
    (entry,) = log.entries.values()
    decision = entry.decision[at]
    return Said(np.where(decision > 0.5, "follow up", "leave"), decision, entry.score[at])
