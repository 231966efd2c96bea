"""The gate of promotion, champion against challenger: which decisions move, and what that is worth; and retiring.

Compared on given leads; else on the held-out log that both share; else on the deals that one of them learned
from; else over all possible answers.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from leadml.card.codes import codes_of
from leadml.card.record import Card
from leadml.card.score import READY
from leadml.data.deals import why_none_closed
from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import HeldOut
from leadml.evaluation.verdict import MIN_DIFFERENT, gain_at_workload, paired_gain
from leadml.exceptions import StoreError, UsageError
from leadml.levels import Codes, unpack
from leadml.registry import versions
from leadml.registry.evidence import HELD_OUT, codes_for, day_of, read_counts
from leadml.registry.versions import Event, Root, Version, load_stored

if TYPE_CHECKING:
    from leadml.data.deals import Leads

Outcome = Literal["better", "worse", "loses", "alike", "moved"]
MOST_DEALS, MOST_PATTERNS = 100_000, 50_000
"""Of more deals, or more possible answers, a fixed sample is compared."""
LOSS = 0.01
"""Share of all won; who loses more on the deals compared, be it within noise, is promoted by force only, where no
calibration was given the smallest gain worth having."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """better, worse: beyond noise. loses: more than the smallest gain, within noise. alike: all leads are judged alike.
    moved: which is better is not known."""

    outcome: Outcome
    sentence: str  # of short lines

    @property
    def needs_force(self) -> bool:
        """Whether the deals speak against it, so that a reason alone does not do."""
        return self.outcome in ("worse", "loses")


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """Leads (outcome -1: not known) with what champion (old) and challenger (new) said, and asked for in words.

    seen : whether old and new learned from these deals, which favours them.
    """

    where: str
    log: Log
    actions: list[npt.NDArray[Any]]
    seen: tuple[bool, bool] = (False, False)


def promote(
    ref: str, *, because: str | None, at: str, leads: Leads | None = None, ratio: float | None = None,
    force: bool = False, store_root: Root = None,
) -> tuple[Version, Comparison | None]:  # fmt: skip
    """Make NAME@VERSION (NAME: its newest) the champion, and say how it compares with the one before; going back to an
    earlier one is the same.

    `leads` to compare decisions on, `ratio` the value of a won deal in follow-ups (else what calibration was
    given); `because` is always asked for, and kept in the history with what the comparison said.
    """
    because = check_reason(because, f"leadml models promote {ref}")
    name, number = versions.parse_ref(ref)
    # under the lock, so that nothing else becomes the champion meanwhile
    with versions.writing(versions.store_folder(store_root)) as root:
        if number is None and (found := versions.list_versions(name, root)):
            ref = found[-1].ref
        candidate, before = versions.show_version(ref, root), versions.champion_of(name, root)
        if before is not None and before.version == candidate.version:
            return candidate, Comparison("alike", f"{before.ref} is in use already; nothing was changed")
        load_stored(candidate)  # only what is as it was stored
        comparison = compare(candidate, before, leads, ratio) if before else None
        evidence = " ".join(comparison.sentence.split()) if comparison else None
        forced = bool(comparison and comparison.needs_force)
        if before and comparison and forced and not force:
            how = f"or promote it all the same: leadml models promote {candidate.ref} --force --because TEXT"
            raise StoreError(f"{candidate.ref} is not promoted.\n{comparison.sentence}\nKeep {before.ref}", how)
        event = Event(
            at=at, action="promoted", version=candidate.version, because=because, evidence=evidence, forced=forced
        )
        versions.add_events(root, name, event)
        return versions.show_version(candidate.ref, root), comparison


def retire(ref: str, *, because: str | None, at: str, store_root: Root = None) -> Version:
    """Take a version out of use; it stays on disk. A champion that is retired leaves its name without one."""
    because = check_reason(because, f"leadml models retire {ref}")
    with versions.writing(versions.store_folder(store_root)) as root:
        found = versions.show_version(ref, root)
        versions.add_events(root, found.name, Event(at=at, action="retired", version=found.version, because=because))
        return versions.show_version(found.ref, root)


def note_registered(version: Version, said: str, *, at: str, store_root: Root = None) -> None:
    """Keep what MLflow, which counts on its own, calls a version: the models:/NAME/NUMBER of what registering said."""
    name = re.search(r"models:/\S+", said)
    if name is not None and name[0] != version.mlflow:
        event = Event(at=at, action="registered", version=version.version, mlflow=name[0])
        with versions.writing(versions.store_folder(store_root)) as root:
            versions.add_events(root, version.name, event)


def check_reason(because: str | None, command: str) -> str:
    """Ask for a reason, always."""
    if reason := " ".join((because or "").split()):
        return reason[:1000]
    raise UsageError(f'--because: no reason was given, and it is kept in the history: {command} --because "..."')


def compare(
    candidate: Version, champion: Version, leads: Leads | None = None, ratio: float | None = None
) -> Comparison:
    """Compare a candidate with the champion; `ratio` (value of a won deal in follow-ups) is else the one that either
    calibration was given."""
    new, old = candidate.ref, champion.ref
    found = gather(candidate, champion, leads)
    said, said_new = found.log.entries.values()
    away = np.abs(said_new.decision - said.decision)
    moves = pd.DataFrame(dict(zip(("before", "after"), found.actions, strict=True)))
    moves["n"] = np.where(away > 0, away, moves["before"] != moves["after"])
    if not moves["n"].any():
        return Comparison("alike", f"On {found.where}, {new} decides exactly as {old} does.")
    ratio = ratio or candidate.saved.ratio or champion.saved.ratio
    outcome, worth = weigh(found, ratio, smallest_gain(candidate, champion))
    moves = moves[(moves["n"] > 0) & (moves["before"] != moves["after"])]  # else moved in some repeats only
    moves = moves.groupby(["before", "after"], as_index=False).sum().sort_values("n", ascending=False, kind="stable")
    told = [f"{m.n:,.0f} of {len(away):,} leads move from {m.before} to {m.after}" for m in moves[:3].itertuples()]
    told += [f"and {len(moves) - 3} smaller move{'s' if len(moves) > 4 else ''}"] if len(moves) > 3 else []
    told = told or ["no lead moves to another action in most repeats"]
    verdict = f"{new} is {outcome} than {old} beyond noise."
    if outcome in ("moved", "loses"):
        verdict = f"These leads cannot tell which of {new} and {old} is better"
        verdict += ", but it loses on them." if outcome == "loses" else "."
    lines = [f"On {found.where}:", *(f"  {each}." for each in told), *(f"{each}." for each in worth)]
    if any(found.seen):
        who = f"{old} and {new} have" if all(found.seen) else f"{old if found.seen[0] else new} has"
        lines.append(f"{who} seen these deals, which favours {'them' if all(found.seen) else 'it'}.")
    return Comparison(outcome, "\n".join([*lines, verdict]))


def smallest_gain(*versions: Version) -> float:
    """The smallest gain worth having, as the first of these was calibrated that kept it."""
    kept = (file for each in versions if (file := each.folder / "result.json").is_file())
    given = (json.loads(file.read_bytes()).get("settings", {}).get("smallest_gain") for file in kept)
    return float(next(filter(None, given), LOSS))


def gather(candidate: Version, champion: Version, leads: Leads | None) -> Evidence:
    """Find leads that both judge."""
    both = (champion, candidate)
    cards = [load_stored(each) for each in both]
    learned = [card.kind != "documented" for card in cards]
    if leads is not None:
        unclosed = why_none_closed(leads)
        outcome = np.full(len(leads), -1, np.int8) if leads.outcome is None else leads.outcome
        days = [day_of(card.provenance.get("as_of")) for card in cards if card.kind != "documented"]
        last, is_new = max((day for day in days if day is not None), default=None), True
        n_known = int((outcome >= 0).sum())
        if last is not None and leads.closed is not None:  # what no card can have learned from, if there is any
            new = (outcome < 0) | (leads.closed > last)
            is_new = bool(new.any())
            leads, outcome = (leads.take(new), outcome[new]) if is_new else (leads, outcome)
        n_closed = int((outcome >= 0).sum())
        if not unclosed and not n_closed:
            unclosed = f"all {n_known:,} closed deals are ones that a card knew; give an export of a later day"
        where = f"{leads.source} ({unclosed or f'{n_closed:,} closed'})"
        seen = (learned[0] and not is_new, learned[1] and not is_new)
        return _judged(where, cards, [codes_of(card, leads) for card in cards], outcome, leads.unit, seen)
    if not any(card.published for card in cards) and (shared := shared_log(candidate, champion)) is not None:
        return shared
    digests = [card.provenance.get("data_digest") for card in cards]
    for k in sorted((0, 1), key=lambda k: not learned[k]):  # its deals first who learned from them
        if (counts := read_counts(both[k].folder)) is not None:
            columns, won, lost = counts
            at = np.repeat(np.arange(2 * len(won)), np.round(np.concatenate([won, lost])).astype(np.int64))
            if len(at) > MOST_DEALS:
                at = np.random.default_rng(0).choice(at, MOST_DEALS, replace=False)
            codes = [codes_for(card, columns, cards[k])[at % len(won)] for card in cards]
            where = f"the deals {'that' if learned[k] else 'beside'} {both[k].ref}{' learned from' * learned[k]}"
            same = digests[0] == digests[1] is not None
            seen = (learned[0] and (k == 0 or same), learned[1] and (k == 1 or same))
            return _judged(where, cards, codes, (at < len(won)).astype(np.int8), seen=seen)
    sizes = cards[0].lookup.sizes
    patterns: Codes = np.random.default_rng(0).integers(0, sizes, (MOST_PATTERNS, len(sizes)), dtype=np.uint8)
    if math.prod(sizes) <= MOST_PATTERNS:
        patterns = unpack(np.arange(math.prod(sizes)), len(sizes), sizes)
    columns = dict(zip(cards[0].lookup.code_columns, patterns.T, strict=True))
    codes = [codes_for(card, columns, cards[0]) for card in cards]
    return _judged("all possible answers, each as likely", cards, codes, np.full(len(patterns), -1, np.int8))


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
    said = [(both[f"score{at}"].to_numpy(), both[f"decision{at}"].to_numpy()) for at in ("", "_new")]
    log = log_of(both["outcome"].to_numpy(np.int8), said, both["unit"].to_numpy(np.int64))
    actions = [np.where(decision > 0.5, "follow up", "leave") for _, decision in said]
    return Evidence(f"{len(both):,} deals that both calibrations held out", log, actions)


def _judged(
    where: str, cards: list[Card], codes: list[Codes], outcome: npt.NDArray[np.int8], unit: Any = None,
    seen: tuple[bool, bool] = (False, False),
) -> Evidence:  # fmt: skip
    scores = [card.score(own) for card, own in zip(cards, codes, strict=True)]
    said = [(each.points, (each.answers.decision == READY)[each.index]) for each in scores]
    before, after = (each.action for each in scores)
    same = other_words(*cards)
    after = np.where([each in same for each in zip(before, after, strict=True)], before, after)
    return Evidence(where, log_of(outcome, said, unit), [before, after], seen)


def other_words(old: Card, new: Card) -> set[tuple[str, str]]:
    """Actions of one decision that differ between two cards, but that neither tells apart: the same by other words."""
    before, after = ({band.action: band.decision for band in card.bands} for card in (old, new))
    return {(a, b) for a in before for b in after if before[a] == after[b] and a not in after and b not in before}


def log_of(outcome: npt.NDArray[np.int8], said: list[tuple[Any, Any]], unit: Any = None) -> Log:
    """A log of one block of the scores and decisions of champion and challenger; each lead a unit where none is."""
    at, zeros = np.arange(len(outcome)), np.zeros(len(outcome), np.int32)
    entries = {
        name: Entries(score.astype(np.float64), np.full(len(at), np.nan), decision.astype(np.float64))
        for name, (score, decision) in zip(("old", "new"), said, strict=True)
    }
    return Log(at, zeros, zeros, outcome, at if unit is None else unit, np.ones(len(at)), entries=entries)


def weigh(found: Evidence, ratio: float | None, smallest: float = LOSS) -> tuple[Outcome, list[str]]:
    """What the moves are worth: at the costs in force, else at equal workload, and where they pay."""
    old, new = found.log.entries.values()
    if new.decision.min() == 1.0 > old.decision.min():
        return "worse", ["It follows up every lead, so it qualifies none"]
    if new.decision.max() == 0.0 < old.decision.max():
        return "worse", ["It follows up no lead at all"]
    log = found.log.subset(found.log.outcome >= 0)
    won = log.outcome == 1
    if won.all() or not won.any():
        why = f"of {len(log):,} closed deals {'all' if won.all() else 'none'} were won" if len(log) else ""
        return "moved", [f"What that is worth is not known, as {why or 'none of these is closed'}"]
    held, (old, new) = HeldOut(log), log.entries.values()
    if ratio is None:
        gain, worth = gain_at_workload(held, old, new), "At the champion's workload it wins"
    else:
        gain = paired_gain(held, old.decision, new.decision, ratio)
        worth = f"A won deal being worth {ratio:,.3g} follow-ups, it wins net"
    value, low, high = dict(gain.gain.figure).values()
    worth += f" {value:+.1%} ({low:+.1%} to {high:+.1%}) of all won"
    told = [worth if gain.n_different else "It ranks them alike"]
    away = new.decision - old.decision
    extra, extra_won = float(away.sum()), float(away @ won)
    if extra or extra_won:
        told.append(f"{_change(extra, 'follow-up')}, {_change(extra_won, 'win')}")
        if extra * extra_won > 0 and round(extra):
            side = "more" if extra > 0 else "less"
            told[-1] += f", the better trade where a won deal is worth {side} than {extra / extra_won:,.1f} follow-ups"
    is_clear = gain.n_different >= MIN_DIFFERENT and low * high > 0
    if is_clear and high < 0 and not found.seen[0]:
        return "worse", told
    if value < -smallest or not is_clear or high < 0:
        return ("loses" if value < -smallest else "moved"), told
    if ratio is None and (extra > 0 or extra_won < 0):
        return "moved", [*told, "Which is better depends on what a won deal is worth in follow-ups"]
    return ("moved" if found.seen[1] else "better"), told


def _change(n: float, what: str) -> str:
    """How many more or fewer, with the sign told in words: 4 wins fewer."""
    size, many = round(abs(n)), f"{what}{'' if round(abs(n)) == 1 else 's'}"
    return f"{size:,} {many} {'fewer' if n < 0 else 'more'}" if size else f"as many {many}"
