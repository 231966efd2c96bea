"""A card in use: has the world moved, do its chances come true, does it still beat the documented rule?"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from leadml import __version__
from leadml.card import Card, load_card
from leadml.card.files import write_text
from leadml.exceptions import TrackingError
from leadml.leads import load_mapping, read_leads
from leadml.leads.model import Leads
from leadml.store import Store, is_tracked
from leadml.workflows.about import last_day, name_of
from leadml.workflows.backtest import backtest, check_outcomes, check_rule, read_kept
from leadml.workflows.drift import find_bands, find_drift, find_unknowns
from leadml.workflows.fresh import Fresh, find_fresh, load_reference
from leadml.workflows.health import Health, give_health

Source = str | os.PathLike[str]

EXIT_CODES: dict[Health, int] = {"healthy": 0, "watch": 10, "recalibrate": 20}
"""What `leadml monitor --exit-code` ends with."""


@dataclasses.dataclass(frozen=True)
class Monitored:
    """What monitoring found.

    Attributes
    ----------
    result : dict
        As in monitor.json.
    directory : Path
        Holds monitor.json and monitor.html.
    run_id : str or None
        The MLflow run.
    tracking_error : str or None
        Why there is none, though it was asked for.
    """

    result: dict[str, Any]
    directory: Path
    run_id: str | None
    tracking_error: str | None


def monitor_leads(
    card: Card,
    leads: Leads,
    reference: dict[str, Any] | None = None,
    predictions: Source | None = None,
) -> dict[str, Any]:
    """Watch a card on leads of today.

    Parameters
    ----------
    card : Card
        The card in use.
    leads : Leads
        Leads of today, open or closed; closed deals that the card may have learned from do not count.
    reference : dict, optional
        What lies beside the card.
    predictions : str or path, optional
        Scores as `leadml predict` wrote them earlier.

    Returns
    -------
    dict
        As in monitor.json: plain values.
    """
    beside = reference or {}
    fresh = find_fresh(leads, [(card, beside)])
    recent = leads.take(np.flatnonzero(fresh.recent))
    deals = leads.take(np.flatnonzero(fresh.closed))
    found: dict[str, Any] = {
        "schema_version": 1,
        "leadml_version": __version__,
        "model": card.model,
        "card_sha256": card.sha256,
        "data": _describe(card, leads, recent, fresh),
        "drift": find_drift(card, beside, recent) if len(recent) else [],
        "unknown": find_unknowns(card, beside, recent) if len(recent) else [],
        "bands": find_bands(card, beside, recent) if len(recent) else {"bands": [], "periods": []},
        "outcomes": check_outcomes(card, deals) if len(deals) and card.table else None,
        "rule": check_rule(card, deals, beside.get("versus")) if len(deals) else None,
        "backtest": None,
    }
    if predictions is not None:
        # Told before the outcome was known, so every closed deal counts.
        found["backtest"] = backtest(card, read_kept(predictions), Path(predictions).name, leads)
    verdict, reasons = give_health(found)
    found["verdict"] = verdict
    found["reasons"] = [reason._asdict() for reason in reasons]
    return found


def monitor_file(
    source: Source,
    mapping_path: Source,
    ref: Source,
    out_dir: Source | None = None,
    *,
    predictions: Source | None = None,
    store_root: Source | None = None,
    track: bool = True,
    tracking_uri: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Monitored:
    """Watch a card on a file, write a page and its figures, and log them as a run of their own.

    Parameters
    ----------
    source : str or path
        Leads of today.
    mapping_path : str or path
        What their columns mean; columns that are absent are unknown.
    ref : str or path
        The model.
    out_dir : str or path, optional
        Folder for monitor.json and monitor.html; NAME-monitor by default.
    predictions : str or path, optional
        Scores as `leadml predict` wrote them earlier.
    store_root : str or path, optional
        Folder of the store.
    track : bool
        Whether to log to MLflow.
    tracking_uri : str, optional
        Where MLflow keeps runs.
    say : callable, optional
        Called with a line of progress.

    Returns
    -------
    Monitored
        What was found and where it is.

    Raises
    ------
    LeadmlError
        When model, mapping or file cannot be used. MLflow that cannot be reached raises nothing.
    """
    from leadml.report import render_monitor

    tell = say or (lambda _line: None)
    card, reference = open_with_reference(ref, store_root)
    mapping = load_mapping(mapping_path).model_copy(update={"optional": True})
    leads = read_leads(source, mapping)
    tell(f"{leads.n_rows} rows = {len(leads)} leads + {leads.n_rows - len(leads)} rejected")
    result = monitor_leads(card, leads, reference, predictions)
    directory = Path(out_dir or f"{card.name or name_of(leads)}-monitor")
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(directory / "monitor.json", text + "\n")
    write_text(directory / "monitor.html", render_monitor(result))
    run_id, error = None, None
    if track:
        from leadml.tracking import track_monitoring

        try:
            run_id = track_monitoring(directory, tracking_uri)
        except TrackingError as caught:
            error = str(caught)
    return Monitored(result, directory, run_id, error)


def open_with_reference(ref: Source, store_root: Source | None = None) -> tuple[Card, dict[str, Any]]:
    """Load a card and what lies beside it, wherever it is kept.

    Parameters
    ----------
    ref : str or path
        The model.
    store_root : str or path, optional
        Folder of the store.

    Returns
    -------
    card : Card
        The card.
    reference : dict
        Empty where there is none.
    """
    ref = os.fspath(ref)
    if is_tracked(ref):
        from leadml.tracking import resolve_model_uri

        path = resolve_model_uri(ref)
        return load_card(path), load_reference(path)
    store = Store(store_root)
    return store.load(ref), load_reference(store.resolve(ref))


def format_monitor(result: dict[str, Any]) -> str:
    """Write a verdict for a terminal.

    Parameters
    ----------
    result : dict
        As in monitor.json.

    Returns
    -------
    str
        Lines without colour.
    """
    data = result["data"]
    since = data["since"] or "the calibration"
    closed = f"{data['n_closed']} of them closed ({data['n_won']} won, {data['n_lost']} lost)"
    lines = [
        f"{result['model']}: {result['verdict']}",
        f"on {data['n_recent']} leads since {since}, {closed}",
    ]
    lines += [f"  {reason['calls_for']:<11}  {reason['text']}" for reason in result["reasons"]]
    kept = result["backtest"]
    if kept is not None:
        lines.append(
            f"  scores as given: {kept['n']} closed, {kept['told_mean']:.0%} told on average,"
            f" {kept['base_rate']['value']:.0%} came"
        )
    return "\n".join(lines)


def _describe(card: Card, leads: Leads, recent: Leads, fresh: Fresh) -> dict[str, Any]:
    """Describe what was watched on."""
    learned = [card.provenance.get(key) for key in ("n_won", "n_lost")]
    counts = [n for n in learned if isinstance(n, int)]
    n_learned = sum(counts)
    won = 0 if leads.outcome is None else int(np.nansum(np.asarray(leads.outcome)[fresh.closed]))
    return {
        "source": Path(leads.source).name if leads.source else "",
        "digest": leads.digest,
        "mapping_name": None if leads.mapping is None else leads.mapping.name,
        "as_of": last_day(leads),
        "n_rows": int(leads.n_rows),
        "n_leads": len(leads),
        "n_rejected": int(leads.n_rows - len(leads)),
        "n_recent": len(recent),
        "n_seen": fresh.n_seen,
        "since": fresh.since,
        "known_new": fresh.known,
        "n_closed": int(fresh.closed.sum()),
        "n_won": won,
        "n_lost": int(fresh.closed.sum()) - won,
        "card_base_rate": counts[0] / n_learned if len(counts) == 2 and n_learned else None,
    }
