"""Champion against challenger: which decisions move from one version to another, and what that is worth.

Compared on given leads; else on the held-out log that both share; else on the deals that one of them learned
from; else over all possible answers.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from leadml.card.codes import codes_of
from leadml.card.points import READY
from leadml.card.record import Card
from leadml.data.deals import why_none_closed
from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.verdict import gain_at_workload, paired_gain
from leadml.levels import Codes, unpack
from leadml.registry.evidence import HELD_OUT, codes_for, day_of, read_counts
from leadml.registry.versions import Version, load_stored

if TYPE_CHECKING:
    from leadml.data.deals import Leads

Outcome = Literal["better", "worse", "alike", "moved"]
Said = tuple[Entries, npt.NDArray[Any]]
"""What a version said of each lead, and the action in words."""

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
    """Leads that champion (old) and challenger (new) judged.

    outcome : 1 won, 0 lost, -1 not known. unit : each lead by itself where None. seen : whether old and new learned
    from these deals, which favours them.
    """

    where: str
    old: Said
    new: Said
    outcome: npt.NDArray[np.int8]
    unit: npt.NDArray[Any] | None = None
    seen: tuple[bool, bool] = (False, False)


def compare(
    candidate: Version, champion: Version, leads: Leads | None = None, ratio: float | None = None
) -> Comparison:
    """Compare a candidate with the champion; `ratio` (value of a won deal in follow-ups) is else the one that either
    calibration was given."""
    new, old = candidate.ref, champion.ref
    found = gather(candidate, champion, leads)
    (said, action), (said_new, action_new) = found.old, found.new
    away = np.abs(said_new.decision - said.decision)
    away = np.where(away > 0, away, action_new != action)
    if not away.any():
        return Comparison("alike", f"On {found.where}, {new} decides exactly as {old} does.")
    known = [ratio, *(each.saved.ratio for each in (candidate, champion))]
    outcome, worth = weigh(found, next((each for each in known if each), None))
    moves = pd.DataFrame({"before": action, "after": action_new, "n": away})
    moves = moves[(moves["n"] > 0) & (moves["before"] != moves["after"])]  # else moved in some repeats only
    moves = moves.groupby(["before", "after"], as_index=False).sum().sort_values("n", ascending=False, kind="stable")
    told = [f"{m.n:,.0f} of {len(away):,} leads move from {m.before} to {m.after}" for m in moves[:3].itertuples()]
    told += [f"and {len(moves) - 3} smaller move{'s' if len(moves) > 4 else ''}"] if len(moves) > 3 else []
    told = told or ["no lead moves to another action in most repeats"]
    verdict = f"{new} is {outcome} than {old} beyond noise."
    if outcome == "moved":
        verdict = f"These leads cannot tell which of {new} and {old} is better."
    if any(found.seen):
        who = f"{old} and {new} have" if all(found.seen) else f"{old if found.seen[0] else new} has"
        verdict = f"{who} seen these deals, which favours {'them' if all(found.seen) else 'it'}. {verdict}"
    lines = [f"On {found.where}:", *(f"  {each}." for each in told), *(f"{each}." for each in worth), verdict]
    return Comparison(outcome, "\n".join(lines))


def gather(candidate: Version, champion: Version, leads: Leads | None) -> Evidence:
    """Find leads that both judge."""
    both = (champion, candidate)
    cards = [load_stored(each) for each in both]
    learned = [card.kind != "documented" for card in cards]
    if leads is not None:
        unclosed, n_known = why_none_closed(leads), 0 if leads.outcome is None else int((leads.outcome >= 0).sum())
        leads, is_new = unseen(leads, cards)
        outcome = np.full(len(leads), -1, np.int8) if leads.outcome is None else leads.outcome
        old, new = (_said(card, codes_of(card, leads)) for card in cards)
        if not unclosed and not (outcome >= 0).any():
            unclosed = f"all {n_known:,} closed deals are ones that a card knew; give an export of a later day"
        where = f"{leads.source} ({unclosed or f'{int((outcome >= 0).sum()):,} closed'})"
        seen = (learned[0] and not is_new, learned[1] and not is_new)
        return Evidence(where, old, new, outcome, leads.unit, seen)
    if not any(card.published for card in cards) and (shared := shared_log(candidate, champion)) is not None:
        return shared
    digests = [card.provenance.get("data_digest") for card in cards]
    for k in sorted((0, 1), key=lambda k: not learned[k]):  # its deals first who learned from them
        version, own = both[k], cards[k]
        if (counts := read_counts(version.folder)) is not None:
            columns, won, lost = counts
            at = np.repeat(np.arange(2 * len(won)), np.round(np.concatenate([won, lost])).astype(np.int64))
            if len(at) > MOST_DEALS:
                at = np.random.default_rng(0).choice(at, MOST_DEALS, replace=False)
            old, new = (_said(card, codes_for(card, columns, own)[at % len(won)]) for card in cards)
            where = f"the deals that {version.ref} learned from" if learned[k] else f"the deals beside {version.ref}"
            same = digests[0] == digests[1] is not None
            seen = (learned[0] and (k == 0 or same), learned[1] and (k == 1 or same))
            return Evidence(where, old, new, (at < len(won)).astype(np.int8), seen=seen)
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


def shared_log(candidate: Version, champion: Version) -> Evidence | None:
    """Deals that both calibrations held out, each once, with what was said of it on average over repeats."""
    files = [each.folder / HELD_OUT for each in (champion, candidate)]
    if not all(file.is_file() for file in files):
        return None
    columns = ["outcome", "unit", "score", "decision"]
    old, new = (pd.read_parquet(file).fillna({"score": 0, "decision": 0}).groupby("lead_id")[columns] for file in files)
    both = old.mean().merge(new.mean(), left_index=True, right_index=True, suffixes=("", "_new"))
    if both.empty or (both["outcome"] != both["outcome_new"]).any():
        return None  # other deals, whose row numbers happen to be the same
    nothing = np.full(len(both), np.nan)
    said = [Entries(both[f"score{at}"].to_numpy(), nothing, both[f"decision{at}"].to_numpy()) for at in ("", "_new")]
    first, second = ((each, np.where(each.decision > 0.5, "follow up", "leave")) for each in said)
    outcome, unit = both["outcome"].to_numpy(np.int8), both["unit"].to_numpy(np.int64)
    return Evidence(f"{len(both):,} deals that both calibrations held out", first, second, outcome, unit)


def _said(card: Card, codes: Codes) -> Said:
    scores = card.score(codes)
    ready = (scores.answers.decision == READY).astype(np.float64)[scores.index]
    return Entries(scores.points.astype(np.float64), np.full(len(codes), np.nan), ready), scores.action


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
        why = f"of {len(log):,} closed deals {which} were won" if len(log) else "none of these is closed"
        return "moved", [f"What that is worth is not known, as {why}"]
    held, old, new = HeldOut(log), log.entries["old"], log.entries["new"]
    if ratio is None:
        gain, worth = gain_at_workload(held, old, new), "At the champion's workload it wins"
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
            told[-1] += f", the better trade where a won deal is worth {side} than {extra / extra_won:,.1f} follow-ups"
    if gain.n_different < MIN_DIFFERENT or not low * high > 0:
        return "moved", told
    if high < 0:
        return ("moved" if found.seen[0] else "worse"), told
    if ratio is None and (extra > 0 or extra_won < 0):
        return "moved", [*told, "Which is better depends on what a won deal is worth in follow-ups"]
    return ("moved" if found.seen[1] else "better"), told


def _change(n: float, what: str) -> str:
    """How many more or fewer, with the sign told in words: 4 wins fewer."""
    size, many = round(abs(n)), f"{what}{'' if round(abs(n)) == 1 else 's'}"
    return f"{size:,} {many} {'fewer' if n < 0 else 'more'}" if size else f"as many {many}"
