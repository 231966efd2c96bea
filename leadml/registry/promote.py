"""Promotion: a version becomes the champion, for a reason, unless it decides worse beyond noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from leadml.card.record import Card
from leadml.exceptions import StoreError, UsageError
from leadml.registry.champion_challenger import Comparison, Model, compare
from leadml.registry.evidence import day_of
from leadml.registry.history import Event
from leadml.registry.versions import (
    Root,
    Version,
    champion_of,
    list_versions,
    load_stored,
    parse_ref,
    record_event,
    show_version,
)

if TYPE_CHECKING:
    from leadml.data.deals import Leads


@dataclasses.dataclass(frozen=True)
class Promoted:
    """The champion, how it compares with the one before, and whether anything changed."""

    version: Version
    comparison: Comparison | None
    forced: bool
    changed: bool


def promote(
    ref: str, *, because: str | None, at: str, leads: Leads | None = None, ratio: float | None = None,
    force: bool = False, store_root: Root = None,
) -> Promoted:  # fmt: skip
    """Make NAME@VERSION (NAME: its newest) the champion; going back to an earlier one is the same.

    `leads` to compare decisions on, `ratio` the value of a won deal in follow-ups (else what calibration was
    given); `because` is always asked for, and kept in the history with what the comparison said.
    """
    because = check_reason(because, f"leadml models promote {ref}")
    name, number = parse_ref(ref)
    if number is None:
        found = list_versions(name, store_root)
        number = found[-1].version if found else None
    candidate = show_version(name if number is None else f"{name}@{number}", store_root)
    before = champion_of(name, store_root)
    if before is not None and before.version == candidate.version:
        return Promoted(candidate, None, forced=False, changed=False)
    comparison = None if before is None else compare_versions(candidate, before, leads, ratio)
    instead_of, evidence, worse = None, None, False
    if before is not None and comparison is not None:
        instead_of, evidence, worse = before.version, comparison.sentence, comparison.outcome == "worse"
        if worse and not force:
            how = f"promote it all the same: leadml models promote {candidate.ref} --force --because TEXT"
            raise StoreError(f"{candidate.ref} is not promoted.\n{evidence}\nKeep {before.ref}, or {how}")
    event = Event(at, "promoted", candidate.version, because, evidence and " ".join(evidence.split()), worse)
    version = record_event(candidate.ref, event, instead_of=instead_of, store_root=store_root)
    return Promoted(version, comparison, forced=worse, changed=True)


def compare_versions(
    candidate: Version, champion: Version, leads: Leads | None = None, ratio: float | None = None
) -> Comparison:
    """Compare two stored versions at a ratio, else at the one that calibration was given (metrics.ratio)."""
    models = [model_of(each) for each in (candidate, champion)]
    leads = None if leads is None else new_to(leads, models)
    known = [each.manifest.metrics.get("ratio") for each in (candidate, champion)]
    told = next((float(each) for each in (ratio, *known) if isinstance(each, int | float) and each > 0), None)
    return compare(models[0], models[1], leads, told)


def new_to(leads: Leads, models: list[Model]) -> Leads:
    """Leads that neither card can have learned from: open, or closed after its deals; all where none is."""
    learned = [m.card for m in models if m.card and m.card.kind != "documented"]
    days = [day for card in learned if (day := day_of(card.provenance.get("as_of"))) is not None]
    if leads.closed is None or leads.outcome is None or not days:
        return leads
    new = (leads.outcome < 0) | (leads.closed > max(days))
    return leads.take(new) if new.any() else leads


def model_of(version: Version) -> Model:
    """A stored version as it is compared."""
    loaded = load_stored(version)
    return Model(version.ref, loaded if isinstance(loaded, Card) else None, version)


def check_reason(because: str | None, command: str) -> str:
    """Ask for a reason, always."""
    reason = " ".join((because or "").split())
    if not reason:
        why = "no reason was given, and it is kept in the history"
        raise UsageError(f'--because: {why}: {command} --because "..."')
    return reason[:1000]
