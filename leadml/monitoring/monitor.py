"""Monitor a card in use: did the leads move, do its chances come true, does the documented rule win more?

One state: healthy, watch, recalibrate, or too early to tell. `recalibrate` is said of at most 5% of the firms
in which nothing changed, over all looks and all rows of the card (see `leadml.monitoring.sequential`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leadml import __version__
from leadml.card.record import Card
from leadml.data.deals import why_none_closed
from leadml.evaluation.bootstrap import Z
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import stability_index, wilson
from leadml.exceptions import LeadmlError, UsageError
from leadml.levels import Codes, Floats
from leadml.monitoring import backtest
from leadml.monitoring.backtest import RULE, Before, Since, load_before, predictions
from leadml.monitoring.result import (
    BandRow,
    LevelDrift,
    MonitorData,
    MonitorResult,
    Reason,
    RuleGain,
    State,
    WeightChange,
)
from leadml.monitoring.sequential import ALPHA, TAU, Alarm, information_of, shift_evidence, watch
from leadml.result import Figure

if TYPE_CHECKING:
    from leadml.data.deals import Leads

EXIT_CODES: dict[State, int] = {"recalibrate": 20, "watch": 10, "too early to tell": 0, "healthy": 0}
"""The states, gravest first, and what `leadml monitor --exit-code` ends with."""
WATCH_E = 10.0
SHIFTED = 0.1
"""Population stability index from which a shift counts: the customary limit."""
MANY_REJECTED = 0.05
FEWEST = 20
"""Won and lost deals from which the documented rule is compared."""


class Monitored(NamedTuple):
    """What was found, and the folder that holds it."""

    result: MonitorResult
    directory: Path


def monitor_file(
    source: Any, mapping: Any, ref: str | os.PathLike[str], out_dir: str | os.PathLike[str] | None = None, *,
    predictions: str | None = None, query: str | None = None,
    store_root: str | os.PathLike[str] | None = None,
) -> Monitored:  # fmt: skip
    """Watch a model on a file: writes monitor.json, monitor.html and continues log.parquet in the folder."""
    from leadml.card.files import check_folder, write_text
    from leadml.data.mapping import load_mapping
    from leadml.data.read import read_leads
    from leadml.registry.evidence import read_held_out
    from leadml.registry.resolve import resolve
    from leadml.report.html import render_monitor

    card, beside = resolve(ref, store_root)
    if not isinstance(card, Card):
        raise UsageError(f"--model {os.fspath(ref)}: is a classifier; valid is a card, whose points can be watched")
    directory = Path(out_dir or f"{card.name}-monitor")
    check_folder(directory)
    before, log_path = load_before(card, beside), directory / "log.parquet"
    leads = read_leads(source, load_mapping(mapping).model_copy(update={"optional": True}), query=query)
    known = backtest.logged(log_path, card.model)
    told = known if predictions is None else known | backtest.read_predictions(predictions)
    directory.mkdir(parents=True, exist_ok=True)
    held = read_held_out(beside)
    seen = frozenset(held.lead_id.to_pylist()) if held is not None and held.lead_id is not None else frozenset[str]()
    result, log = monitor_leads(card, leads, before, told=told, seen=seen)
    backtest.continue_log(log_path, log, known)
    write_text(directory / "monitor.json", result.model_dump_json(indent=2) + "\n")
    write_text(directory / "monitor.html", str(render_monitor(result)))
    return Monitored(result, directory)


def monitor_leads(
    card: Card, leads: Leads, before: Before, *, told: Mapping[str, float] | None = None,
    seen: frozenset[str] = frozenset(),
) -> tuple[MonitorResult, Log]:  # fmt: skip
    """Watch a card on leads of today; told: id -> P(won) as predicted earlier, seen: ids that it learned from."""
    rule = _rule_of(card, leads)
    since = backtest.find_since(card, rule, leads, before.base_rate or 0.5, seen, told or {})
    alarm, needed = find_alarm(card, before, since)
    n, won = len(since.won), int(since.won.sum())
    data = MonitorData(
        source=Path(str(leads.source)).name, digest=leads.digest, n_rows=leads.n_rows or len(leads),
        n_leads=len(leads), n_rejected=max(leads.n_rows - len(leads), 0), n_open=len(since.codes) - n,
        n_closed=n, n_won=won, n_lost=n - won, n_seen=since.n_seen, since=since.since,
        n_predicted=since.n_predicted, n_needed=needed,
    )  # fmt: skip
    found = MonitorResult(
        leadml_version=__version__, model=card.model, card_sha256=card.sha256, state="healthy",
        reasons=(Reason(state="healthy", text="Nothing changed."),), data=data, e=min(alarm.e, 1e9),
        base_rate_before=before.base_rate, base_rate=wilson(won, n) if n else None,
        predicted=float(since.predicted.mean()) if n and card.table else None,
        drift=find_drift(card, before, since.codes) if len(since.codes) else (),
        weights=_weights(card, alarm) if n else (), bands=_bands(card, before, since),
        rule=_gain(since.log, rule, card),
    )  # fmt: skip
    reasons = reasons_of(found, alarm, why_none_closed(leads))
    return found.model_copy(update={"state": reasons[0].state, "reasons": reasons}), since.log


def find_drift(card: Card, before: Before, codes: Codes) -> tuple[LevelDrift, ...]:
    """Compare the answers of (m, r) codes with those before, row by row."""
    titles, counts = titles_of(card), before.counts
    rows = []
    for j, (name, title) in enumerate(titles.items()):
        size, unknown, found = card.lookup.sizes[j], card.lookup.unknown[j], dict[str, Any]()
        now = np.bincount(codes[:, j], minlength=size).astype(np.float64)
        if counts is not None:
            then = np.bincount(counts.codes[:, j], counts.total, minlength=size).astype(np.float64)
            psi, e = stability_index(then, now), shift_evidence(then, now)
            found = {"psi": psi, "e": min(e, 1e9), "unknown_before": float(then[unknown] / then.sum())}
            found["shifted"] = psi >= SHIFTED and e / len(titles) >= 1 / ALPHA
        rows.append(LevelDrift(id=name, title=title, n=len(codes), unknown_now=now[unknown] / len(codes), **found))
    return tuple(rows)


def titles_of(card: Card) -> dict[str, str]:
    """Id and title of each row of the card."""
    return {each.id: each.title for part in (card.criteria, card.attributes) for each in part}


def find_alarm(card: Card, before: Before, since: Since) -> tuple[Alarm, int | None]:
    """Evidence of a change, and the number of closed deals from which a fall by a third would show."""
    effects, rate = effects_of(card, since.deal_codes), before.base_rate or 0.5
    p, weight, counts = since.predicted, since.log.weight, before.counts
    if counts is not None:
        then, told = effects_of(card, counts.codes), predictions(card, counts.codes, rate)
        centre = np.average(then, axis=0, weights=counts.total)
        z = np.insert(then - centre, 0, 1.0, axis=1)
        known = information_of(z, np.ones(len(z)), told, counts.won)
        known += information_of(z, np.zeros(len(z)), told, counts.lost)
        known[0, -1] = 0.0  # the card's chances allow for deals that close late: on average they are what is tested
        x = np.insert(effects - centre, 0, 1.0, axis=1)
    else:  # as much as its deals would tell, were they like those of today
        x = np.insert(effects - effects.sum(axis=0) / max(len(effects), 1), 0, 1.0, axis=1)
        known = information_of(x, p, p, weight) * (before.n / max(len(x), 1))
    return watch(known, x, since.won, p, weight), deals_needed(float(known[0, 0]), rate)


def effects_of(card: Card, codes: Codes) -> Floats:
    """(n, r) log-odds that each row of the card contributes; without probabilities, its share of points."""
    slope = 4.0
    if card.table:
        low, high = (np.clip(card.table[at].probability, 0.01, 0.99) for at in (0, -1))
        slope = float(np.log(high / (1 - high)) - np.log(low / (1 - low)))
    per_point = slope / max(card.total_max, 1)
    return np.stack([per_point * row[codes[:, j]] for j, row in enumerate(card.lookup.points)], axis=1)


def deals_needed(information: float, rate: float) -> int | None:
    """Closed deals until a fall of the win rate by a third is expected to give an alarm; None: never.

    information : of the deals learned from, about the log-odds of winning. rate : the win rate before.
    """
    rate = min(max(rate, 0.01), 0.99)
    fall = np.log(1.5 + 0.5 * rate / (1 - rate))  # log-odds of p and of 2p/3
    n = np.unique(np.geomspace(20, 1e6, 120).astype(int))
    both = 1.0 / (1.0 / max(information, 1e-9) + 1.0 / (n * rate * (1 - rate)))
    spread = TAU**2 * both
    e = 0.5 * (fall * both * TAU) ** 2 / (1.0 + spread) - 0.5 * np.log1p(spread) + np.log(0.25)
    enough = n[e >= np.log(1.0 / ALPHA)]
    return int(enough[0]) if len(enough) else None


def reasons_of(found: MonitorResult, alarm: Alarm, unclosed: str) -> tuple[Reason, ...]:
    """What was found, gravest first; the first tells the state. unclosed: why no deal is closed, if none is."""
    data, told = found.data, list[tuple[State, str]]()
    if alarm.e >= WATCH_E:
        told.append(("recalibrate" if alarm.e >= 1 / ALPHA else "watch", _what_changed(found, alarm)))
    for row in found.drift:
        if row.shifted:
            text = f"{row.title} has shifted: stability index {row.psi or 0.0:.2f} on {row.n:,} leads"
            if row.unknown_before is not None and abs(row.unknown_now - row.unknown_before) > 0.1:
                text += f", unknown for {row.unknown_now:.0%} of the leads, {row.unknown_before:.0%} before"
            told.append(("watch", f"{text}."))
    if data.n_rejected > MANY_REJECTED * data.n_rows:
        text = f"{data.n_rejected:,} of {data.n_rows:,} rows cannot be used; `leadml check` says why."
        told.append(("watch", text))
    if found.rule is not None and found.rule.rule_wins_more:
        gain = f"{found.rule.gain.value or 0.0:+.1%} of all won deals"
        told.append(("watch", f"The documented rule “{found.rule.title}” wins more than the card: it gains {gain}."))
    if found.drift and all(row.psi is None for row in found.drift):
        told.append(("healthy", "Nothing lies beside this card to measure drift against."))
    n_closed = f"{data.n_closed} deals closed since ({data.n_won} won)"
    if unclosed and data.n_rows:
        told.append(("too early to tell", f"No deal is closed: {unclosed}."))
    elif not data.n_closed and data.n_seen:
        when = "give an export of a later day"
        told.append(("too early to tell", f"All {data.n_seen:,} closed deals are ones that the card knew; {when}."))
    elif alarm.e < WATCH_E and data.n_needed is not None and data.n_closed >= data.n_needed:
        told.append(("healthy", f"{n_closed} came true as the card predicted."))
    elif alarm.e < WATCH_E:
        more = "the card was learned from too few deals for that to show"
        more = more if data.n_needed is None else f"that takes about {data.n_needed:,}"
        text = f"{n_closed}: too few to see a fall of the win rate by a third; {more}."
        told.append(("too early to tell", text))
    states = [*EXIT_CODES]
    return tuple(Reason(state=state, text=text) for state, text in sorted(told, key=lambda e: states.index(e[0])))


def format_monitor(found: MonitorResult) -> str:
    """Lines for a terminal."""
    data = found.data
    closed = f"{data.n_closed:,} deals closed ({data.n_won:,} won, {data.n_lost:,} lost), {data.n_open:,} open"
    lines = [f"{found.model}: {found.state}", f"since {data.since or 'the calibration'}: {closed}"]
    lines += [f"  {reason.state:<17}  {reason.text}" for reason in found.reasons]
    if data.n_predicted:
        lines.append(f"  chances are those predicted at the time for {data.n_predicted:,} of the {data.n_closed:,}")
    return "\n".join(lines)


def _what_changed(found: MonitorResult, alarm: Alarm) -> str:
    """The coefficient with the most evidence, in words."""
    at = int(np.argmax(alarm.by_row))
    sure = f"(evidence {min(alarm.e, 1e6):,.0f} to 1, an alarm from {1 / ALPHA:.0f})"
    if at == 0 and found.base_rate is not None:
        before = found.predicted if found.predicted is not None else found.base_rate_before or 0.0
        side = "high" if before > (found.base_rate.value or 0.0) else "low"
        rate = f"{found.base_rate.value or 0.0:.0%} of {found.data.n_closed:,} deals were won"
        return f"Chances are predicted too {side}: {before:.0%} on average, {rate} {sure}."
    row = found.weights[at - 1]
    value, low, high = (each or 0.0 for each in (row.share.value, row.share.low, row.share.high))
    told = f"{value:.0%} ({low:.0%} to {high:.0%}) of what the card gives"
    return f"{row.title} counts otherwise than before: {told} {sure}."


def _rule_of(card: Card, leads: Leads) -> Card | None:
    """The documented rule that the card was compared with, where it is one of the catalog's."""
    from leadml.card.build import documented_card
    from leadml.frameworks.catalog import load_policy

    if card.kind == "documented":
        return None
    try:
        policy = load_policy(str(card.provenance.get("baseline")))
        made = documented_card(policy, mapped=leads.criteria, met_level=card.met_level)
    except LeadmlError:
        return None
    return made if {each.id for each in made.criteria} & {*leads.criteria} else None


def _gain(log: Log, rule: Card | None, card: Card) -> RuleGain | None:
    from leadml.evaluation.metrics import HeldOut
    from leadml.evaluation.verdict import gain_at_workload

    n_won = int(log.outcome.sum())
    if rule is None or min(n_won, len(log) - n_won) < FEWEST:
        return None
    gain = gain_at_workload(HeldOut(log), log.entries[RULE], log.entries[card.model])
    more, figure = -gain.gain.value > gain.confirmed_error, gain.gain.figure
    return RuleGain(policy=rule.policy or rule.name, title=rule.name, gain=figure, rule_wins_more=more)


def _weights(card: Card, alarm: Alarm) -> tuple[WeightChange, ...]:
    rows = []
    for j, (name, title) in enumerate(titles_of(card).items(), start=1):
        value, error = 1.0 + float(alarm.since.size[j]), float(alarm.since.error[j])
        ends = (value - Z * error, value + Z * error)
        share = Figure(value=value, low=ends[0], high=ends[1]) if np.isfinite(error) else Figure(value=None)
        rows.append(WeightChange(id=name, title=title, e=min(float(alarm.by_row[j]), 1e9), share=share))
    return tuple(rows)


def _bands(card: Card, before: Before, since: Since) -> tuple[BandRow, ...]:
    n_bands, counts, answers = len(card.bands), before.counts, card.lookup.answers
    now = np.bincount(answers(since.codes).band, minlength=n_bands)
    then = None if counts is None else np.bincount(answers(counts.codes).band, counts.total, n_bands)
    band = answers(since.deal_codes).band
    n, won, predicted = (np.bincount(band, each, n_bands) for each in (None, since.won, since.predicted))
    return tuple(
        BandRow(
            id=each.id, title=each.title, n_closed=int(n[j]), n_won=int(won[j]), rate=wilson(won[j], n[j]),
            share_before=None if then is None else float(then[j] / then.sum()),
            share_now=float(now[j] / now.sum()) if now.sum() else None,
            predicted=float(predicted[j] / n[j]) if n[j] and card.table else None,
        ) for j, each in enumerate(card.bands)
    )  # fmt: skip
