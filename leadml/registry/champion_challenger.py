"""Champion against challenger: which decisions move from one version to another, and what that is worth.

Compared on given leads; else on the held-out log that both share; else on the deals that one of them learned
from; else over all possible answers.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leadml.card.codes import codes_of
from leadml.card.record import Card
from leadml.data.deals import why_none_closed
from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.verdict import equal_workload, paired_gain
from leadml.levels import Codes, unpack
from leadml.registry.evidence import codes_for, day_of, read_counts, read_held_out
from leadml.registry.versions import Version, load_stored

if TYPE_CHECKING:
    from leadml.data.deals import Leads

Outcome = Literal["better", "worse", "alike", "moved"]

MOST_DEALS, MOST_PATTERNS = 100_000, 50_000
"""Of more deals, or more possible answers, a fixed sample is compared."""
MIN_DIFFERENT = 10
"""Deals judged differently from which better or worse is said."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """better, worse: beyond noise. alike: all leads are judged alike. moved: which is better is not known."""

    outcome: Outcome
    sentence: str  # of short lines


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """Leads that both judged: what the champion (old) and the challenger (new) said, and the action in words.

    outcome : 1 won, 0 lost, -1 not known. unit : each lead by itself where None. is_seen : the champion learned
    from these deals, so they favour it.
    """

    where: str
    old: tuple[Entries, npt.NDArray[Any]]
    new: tuple[Entries, npt.NDArray[Any]]
    outcome: npt.NDArray[np.int8]
    unit: npt.NDArray[Any] | None = None
    is_seen: bool = False


def compare(
    candidate: Version, champion: Version, leads: Leads | None = None, ratio: float | None = None
) -> Comparison:
    """Compare a candidate with the champion.

    ratio: value of a won deal in follow-ups; else the one that either calibration was given .
    """
    new, old = candidate.ref, champion.ref
    found = gather(candidate, champion, leads)
    moves, n = find_moves(found), len(found.outcome)
    if not moves:
        return Comparison("alike", f"On {found.where}, {new} decides exactly as {old} does.")
    known = [ratio, *(each.saved.ratio for each in (candidate, champion))]
    outcome, worth = weigh(found, next((each for each in known if each), None))
    moves = [move for move in moves if move[0][0] != move[0][1]]  # else moved in some repeats only
    told = [f"{moved:,.0f} of {n:,} leads move from {before} to {after}" for (before, after), moved in moves[:3]]
    if len(moves) > 3:
        told.append(f"and {len(moves) - 3} smaller moves")
    if not moves:
        told.append("no lead moves to another action in most repeats")
    verdict = f"{new} is {outcome} than {old} beyond noise."
    if outcome == "moved":
        verdict = f"These leads cannot tell which of {new} and {old} is better."
    if found.is_seen:
        verdict = f"{old} has seen these deals, which favours it. {verdict}"
    lines = [f"On {found.where}:", *(f"  {each}." for each in told), *(f"{each}." for each in worth), verdict]
    return Comparison(outcome, "\n".join(lines))


def gather(candidate: Version, champion: Version, leads: Leads | None) -> Evidence:
    """Find leads that both judge."""
    both = (champion, candidate)
    cards = [load_stored(each) for each in both]
    learned = cards[0].kind != "documented"
    if leads is not None:
        leads, is_new = unseen(leads, cards)
        outcome = np.full(len(leads), -1, np.int8) if leads.outcome is None else leads.outcome
        old, new = (_said(card, codes_of(card, leads)) for card in cards)
        unclosed = why_none_closed(leads)
        where = f"{leads.source} ({unclosed or f'{int((outcome >= 0).sum()):,} closed'})"
        return Evidence(where, old, new, outcome, leads.unit, learned and not is_new)
    if not any(card.published for card in cards) and (shared := shared_log(candidate, champion)) is not None:
        return shared
    for version, own in zip(both, cards, strict=True):
        if (counts := read_counts(version.folder)) is not None:
            columns, won, lost = counts
            n = np.round(np.concatenate([won, lost])).astype(np.int64)
            at = np.repeat(np.arange(len(n)), n)
            if len(at) > MOST_DEALS:
                at = np.random.default_rng(0).choice(at, MOST_DEALS, replace=False)
            old, new = (_said(card, codes_for(card, columns, own)[at % len(won)]) for card in cards)
            where = f"the deals that {(champion if learned else version).ref} learned from"
            return Evidence(where, old, new, (at < len(won)).astype(np.int8), is_seen=learned)
    sizes = cards[0].lookup.sizes
    codes: Codes = np.random.default_rng(0).integers(0, sizes, (MOST_PATTERNS, len(sizes)), dtype=np.uint8)
    if math.prod(sizes) <= MOST_PATTERNS:
        codes = unpack(np.arange(math.prod(sizes)), len(sizes), sizes)
    columns = dict(zip(cards[0].lookup.code_columns, codes.T, strict=True))
    old, new = (_said(card, codes_for(card, columns, cards[0])) for card in cards)
    return Evidence("all possible answers, each as likely", old, new, np.full(len(codes), -1, np.int8))


def unseen(leads: Leads, cards: list[Card]) -> tuple[Leads, bool]:
    """Leads that no card can have learned from: open, or closed after its deals; all of them where there is none."""
    days = [day_of(card.provenance.get("as_of")) for card in cards if card.kind != "documented"]
    known = [day for day in days if day is not None]
    if leads.closed is None or leads.outcome is None or not known:
        return leads, True
    new = (leads.outcome < 0) | (leads.closed > max(known))
    return (leads.take(new), True) if new.any() else (leads, False)


def find_moves(found: Evidence) -> list[tuple[tuple[str, str], float]]:
    """Which leads get another decision or action, the largest move first: ((before, after), how many)."""
    (old, old_action), (new, new_action) = found.old, found.new
    away = np.abs(new.decision - old.decision)
    away = np.where(away > 0, away, (new_action != old_action).astype(np.float64))
    moved: dict[tuple[str, str], float] = collections.defaultdict(float)
    for at in np.flatnonzero(away).tolist():
        moved[str(old_action[at]), str(new_action[at])] += away[at]
    return sorted(moved.items(), key=lambda move: -move[1])


def weigh(found: Evidence, ratio: float | None) -> tuple[Outcome, list[str]]:
    """What the moves are worth: at the costs in force, else at equal workload, and where they pay."""
    (old, _), (new, _) = found.old, found.new
    if new.decision.min() == 1.0 > old.decision.min():
        return "worse", ["It follows up every lead, so it qualifies none"]
    if new.decision.max() == 0.0 < old.decision.max():
        return "worse", ["It follows up no lead at all"]
    at = np.arange(len(found.outcome))
    zeros, unit = np.zeros(len(at), np.int32), at if found.unit is None else found.unit.astype(np.int64)
    entries = {"old": old, "new": new}
    log = Log(at, zeros, zeros, found.outcome, unit, np.ones(len(at)), entries=entries).subset(found.outcome >= 0)
    won = log.outcome == 1
    if won.all() or not won.any():
        which = "all" if won.all() else "none"
        why = f"of {len(log):,} closed deals {which} were won" if len(log) else "no deal is closed"
        return "moved", [f"What that is worth is not known, as {why}"]
    held, old, new = HeldOut(log), log.entries["old"], log.entries["new"]
    if ratio is None:
        gain, worth = paired_gain(held, *equal_workload(held, old, new)), "At the champion's workload it wins"
    else:
        gain = paired_gain(held, old.decision, new.decision, ratio)
        worth = f"A won deal being worth {ratio:,.3g} follow-ups, it wins net"
    value, low, high = gain.gain.estimate()
    worth += f" {value:+.1%} ({low:+.1%} to {high:+.1%}) of all won"
    told = [worth if gain.n_different else "It ranks them alike"]
    away = new.decision - old.decision
    extra, extra_won = float(away.sum()), float(away @ won)
    if extra or extra_won:
        told.append(f"{_change(extra, 'follow-up')}, {_change(extra_won, 'win')}")
        if extra * extra_won > 0 and round(extra):
            side = "more" if extra > 0 else "less"
            told[-1] += f", which pays where a won deal is worth {side} than {extra / extra_won:,.1f} follow-ups"
    if gain.n_different < MIN_DIFFERENT or not low * high > 0:
        return "moved", told
    if high < 0:
        return ("moved" if found.is_seen else "worse"), told
    return ("moved" if ratio is None and extra else "better"), told


def _change(n: float, what: str) -> str:
    """How many more or fewer, with the sign told in words: 4 wins fewer."""
    told = f"{abs(n):,.0f}"
    if told == "0":
        return f"as many {what}s"
    return f"{told} {what}{'' if told == '1' else 's'} {'fewer' if n < 0 else 'more'}"


def _said(card: Card, codes: Codes) -> tuple[Entries, npt.NDArray[Any]]:
    scores = card.score(codes)
    ready = (scores.decision == card.labels[0]).astype(np.float64)
    entries = Entries(scores.points.astype(np.float64), np.full(len(codes), np.nan), ready)
    return entries, np.asarray(scores.action)


def shared_log(candidate: Version, champion: Version) -> Evidence | None:
    """Deals that both calibrations held out."""
    logs = [_by_lead(log) for each in (champion, candidate) if (log := read_held_out(each.folder)) is not None]
    if len(logs) < 2:
        return None
    (ids, old), (other_ids, new) = logs
    shared, *at = np.intersect1d(ids, other_ids, return_indices=True)
    old, new = old.subset(at[0]), new.subset(at[1])
    if not len(shared) or (old.outcome != new.outcome).any():
        return None  # other deals, whose row numbers happen to be the same
    (first,), (second,) = (log.entries.values() for log in (old, new))
    actions = [np.where(each.decision > 0.5, "follow up", "leave") for each in (first, second)]
    where = f"{len(shared):,} deals that both calibrations held out"
    return Evidence(where, (first, actions[0]), (second, actions[1]), old.outcome, old.unit)


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
