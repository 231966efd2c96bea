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
from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.verdict import equal_workload, paired_gain
from leadml.levels import Codes
from leadml.registry.evidence import day_of, deals_of, possible_patterns, read_counts, read_held_out, recode
from leadml.registry.versions import Version

if TYPE_CHECKING:
    from leadml.data.deals import Leads

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
    """What one model said of n leads: score and decision, and what to do in words."""

    entries: Entries
    action: npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """Leads that both judged. outcome : 1 won, 0 lost, -1 not known. unit : each lead by itself where None.

    is_seen : the champion learned from these deals, so they favour it.
    """

    where: str
    old: Said
    new: Said
    outcome: npt.NDArray[np.int8]
    unit: npt.NDArray[Any] | None = None
    is_seen: bool = False


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
    sentence: str  # of short lines


def compare(candidate: Model, champion: Model, leads: Leads | None = None, ratio: float | None = None) -> Comparison:
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
    told = [f"{m.n:,.0f} of {n:,} leads move from {m.before} to {m.after}" for m in moves[:3]]
    if len(moves) > 3:
        told.append(f"and {len(moves) - 3} smaller moves")
    verdict = {
        "better": f"{candidate.ref} is better than {champion.ref} beyond noise.",
        "worse": f"{candidate.ref} is worse than {champion.ref} beyond noise.",
        "moved": f"These leads cannot tell which of {names} is better.",
    }[outcome]
    if found.is_seen:
        verdict = f"{champion.ref} has seen these deals, which favours it. {verdict}"
    lines = [f"On {found.where}:", *(f"  {each}." for each in told), *(f"{each}." for each in worth), verdict]
    return Comparison(outcome, n, moves, "\n".join(lines))


def gather(candidate: Model, champion: Model, leads: Leads | None) -> Evidence | None:
    """Find leads that both judge."""
    if candidate.card is None or champion.card is None:
        return _shared_log(candidate, champion)
    cards = (champion.card, candidate.card)
    if leads is not None:
        known = np.full(len(leads), -1, np.int8) if leads.outcome is None else leads.outcome
        old, new = (_said(card, codes_of(card, leads)) for card in cards)
        where = f"{leads.source} ({int((known >= 0).sum()):,} closed)"
        return Evidence(where, old, new, known, leads.unit, _has_seen(cards[0], leads))
    shared = _shared_log(candidate, champion)
    if shared is not None:
        return shared
    for model in (candidate, champion):
        kept = read_counts(model.version)
        if kept is not None and model.card is not None:
            codes, outcome = deals_of(kept[1])
            old, new = (_said(card, recode(codes, kept[0], model.card, card)) for card in cards)
            # A draft carries the counts of the version that it was changed from: they are its champion's.
            is_seen = champion.card.kind != "documented" and (model is champion or bool(model.card.published))
            whose = champion.ref if is_seen else model.ref
            return Evidence(f"the deals that {whose} learned from", old, new, outcome, is_seen=is_seen)
    codes, names = possible_patterns(cards[0], MOST_PATTERNS), cards[0].lookup.code_columns
    old, new = (_said(card, recode(codes, names, cards[0], card)) for card in cards)
    return Evidence("all possible answers, each as likely", old, new, np.full(len(codes), -1, np.int8))


def find_moves(found: Evidence) -> tuple[Move, ...]:
    """Which leads get another decision or action, the largest move first."""
    away = np.abs(found.new.entries.decision - found.old.entries.decision)
    away = np.where(away > 0, away, (found.new.action != found.old.action).astype(np.float64))
    moved: dict[tuple[str, str], float] = collections.defaultdict(float)
    for at in np.flatnonzero(away > 0).tolist():
        moved[str(found.old.action[at]), str(found.new.action[at])] += float(away[at])
    return tuple(sorted((Move(*pair, n) for pair, n in moved.items()), key=lambda move: -move.n))


def weigh(found: Evidence, ratio: float | None) -> tuple[Outcome, list[str]]:
    """What the moves are worth: at the costs in force, else at equal workload, and where they pay."""
    said = {"old": found.old.entries, "new": found.new.entries}
    if said["new"].decision.min() == 1.0 > said["old"].decision.min():
        return "worse", ["It follows up every lead, so it qualifies none"]
    if said["new"].decision.max() == 0.0 < said["old"].decision.max():
        return "worse", ["It follows up no lead at all"]
    n = len(found.outcome)
    at, zeros = np.arange(n), np.zeros(n, np.int32)
    unit = at if found.unit is None else found.unit.astype(np.int64)
    log = Log(at, zeros, zeros, found.outcome, unit, np.ones(n), entries=said).subset(found.outcome >= 0)
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
        side = "more" if extra > 0 else "less"
        told.append(f"{_change(extra, 'follow-up')}, {_change(extra_won, 'win')}")
        if extra * extra_won > 0:
            told[-1] += f", which pays where a won deal is worth {side} than {extra / extra_won:,.1f} follow-ups"
    if gain.n_different < MIN_DIFFERENT or not low * high > 0:
        return "moved", told
    if high < 0:
        return ("moved" if found.is_seen else "worse"), told
    return ("moved" if ratio is None and extra else "better"), told


def _change(n: float, what: str) -> str:
    """How many more or fewer, with the sign told in words: 4 wins fewer."""
    told = f"{abs(n):,.0f}"
    return f"{told} {what}{'' if told == '1' else 's'} {'fewer' if n < 0 else 'more'}"


def _has_seen(card: Card, leads: Leads) -> bool:
    """Whether a card learned up to a day by which all these deals were closed."""
    day = None if card.kind == "documented" else day_of(card.provenance.get("as_of"))
    if day is None or leads.outcome is None or leads.closed is None:
        return False
    return not (leads.closed[leads.outcome >= 0] > day).any()


def _said(card: Card, codes: Codes) -> Said:
    scores = card.lookup.score(codes)
    ready = (scores.decision == card.labels[0]).astype(np.float64)
    entries = Entries(scores.points.astype(np.float64), np.full(len(codes), np.nan), ready)
    return Said(entries, np.asarray(scores.action))


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
    shared, *at = np.intersect1d(ids, other_ids, return_indices=True)
    old, new = old.subset(at[0]), new.subset(at[1])
    if not len(shared) or (old.outcome != new.outcome).any():
        return None  # other deals, whose row numbers happen to be the same
    where = f"{len(shared):,} deals that both calibrations held out"
    return Evidence(where, _said_in_log(old), _said_in_log(new), old.outcome, old.unit)


def _said_in_log(log: Log) -> Said:
    (entries,) = log.entries.values()
    return Said(entries, np.where(entries.decision > 0.5, "follow up", "leave"))


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
