"""Promoting and rolling back: a candidate that is worse than the champion beyond noise is refused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leadml.exceptions import StoreError, TrackingError, UsageError
from leadml.leads import load_mapping, read_leads
from leadml.store import Store, Version, is_tracked, parse_ref
from leadml.store.manifest import check_file
from leadml.workflows.fresh import find_fresh, load_reference
from leadml.workflows.gate import Match, match_cards, match_held_out, match_recorded

HELD_OUT = "held_out.parquet"
"""What a version keeps of its calibration: what was said of deals that it had not seen."""


@dataclass(frozen=True)
class Promoted:
    """What a promotion did.

    Attributes
    ----------
    version : Version
        The champion.
    match : Match or None
        How it compares with the champion before; None where there was none.
    forced : bool
        Whether it was promoted although it is worse.
    changed : bool
        Whether it was not the champion already.
    registry : str
        What became of MLflow's registry, for a reader; empty where the model was never tracked.
    registry_error : str or None
        Why the registry does not follow, though it should.
    """

    version: Version
    match: Match | None
    forced: bool
    changed: bool
    registry: str = ""
    registry_error: str | None = None


def promote_model(
    ref: str,
    source: str | os.PathLike[str] | None = None,
    mapping: str | os.PathLike[str] | None = None,
    *,
    store_root: str | os.PathLike[str] | None = None,
    force: bool = False,
    because: str | None = None,
) -> Promoted:
    """Make a version the champion, unless it is worse than the champion beyond noise.

    Where the deals cannot tell which is better, or there are none that both judged, it is promoted, and that
    is said and kept in the history.

    Parameters
    ----------
    ref : str
        ``NAME@VERSION``, or ``NAME`` for its newest version; or a card of MLflow, such as ``models:/NAME/3``
        or ``models:/NAME@challenger``, which is brought into the store and compared with the champions of
        both.
    source : str or path, optional
        Deals closed since both were calibrated.
    mapping : str or path, optional
        What their columns mean.
    store_root : str or path, optional
        Folder of the store.
    force : bool
        Promote although it is worse; `because` must then say why.
    because : str, optional
        Why; kept in the history.

    Returns
    -------
    Promoted
        The champion, and how it compares with the one before.

    Raises
    ------
    UsageError
        When `force` comes without a reason, or only one of `source` and `mapping` is given.
    StoreError
        When the candidate is worse beyond noise, and is not forced.
    """
    if force and not (because or "").strip():
        raise UsageError("--force: give the reason as well, it is kept in the history: --because TEXT")
    if (source is None) != (mapping is None):
        raise UsageError("--on FILE and --mapping M belong together; give both, or neither")
    store = Store(store_root)
    rivals: set[int | None] = set()
    if is_tracked(ref):
        from leadml.tracking import list_registered
        from leadml.workflows.agree import adopt, champion_of

        ref = adopt(ref, store)
        there = champion_of(list_registered(parse_ref(ref).name))
        if there is not None:
            rivals.add(parse_ref(adopt(f"models:/{there.name}/{there.version}", store)).version)
    name, number = parse_ref(ref)
    if number is None:
        newest = [each.version for each in store.list_versions() if each.name == name]
        ref = f"{name}@{max(newest)}" if newest else ref
    candidate = store.show(ref)
    now = store.champion(name)
    if now == candidate.version:
        told, error = follow_in_registry(store, name, because)
        return Promoted(candidate, None, forced=False, changed=False, registry=told, registry_error=error)
    matches = [
        compare_versions(store, candidate, store.show(f"{name}@{rival}"), source, mapping)
        for rival in sorted({now, *rivals} - {None, candidate.version}, key=lambda each: each != now)
    ]
    found = next((each for each in matches if each.outcome == "worse"), matches[0] if matches else None)
    worse = found is not None and found.outcome == "worse"
    if worse and not force and found is not None:
        raise StoreError(
            f"{ref} is not promoted. {found.sentence} Keep {name}@{now}, or promote it all the same and say "
            f"why: leadml models promote {ref} --force --because TEXT"
        )
    evidence = " ".join(each.sentence for each in matches) or None
    version = store.promote(ref, because, evidence=evidence, forced=worse, instead_of=now)
    told, error = follow_in_registry(store, name, because)
    return Promoted(version, found, forced=worse, changed=True, registry=told, registry_error=error)


def follow_in_registry(store: Store, name: str, because: str | None = None) -> tuple[str, str | None]:
    """Let MLflow's registry have the champion that the store has.

    Parameters
    ----------
    store : Store
        The models store.
    name : str
        Name of the model.
    because : str, optional
        Why, kept as a tag.

    Returns
    -------
    told : str
        What became of it; empty where no version of the name was tracked.
    error : str or None
        Why it could not follow; the store is as it should be all the same.
    """
    versions = [each for each in store.list_versions() if each.name == name]
    if not any(each.manifest.get("run_id") for each in versions):
        return "", None
    from leadml.tracking import point_champion, unset_champion
    from leadml.workflows.agree import content_of

    champion = store.champion(name)
    try:
        if champion is None:
            unset_champion(name)
            return f"registry: {name} has no champion now", None
        ref = f"{name}@{champion}"
        found = point_champion(name, ref, because, content=content_of(store.load(ref)))
    except TrackingError as caught:
        return "", f"the registry was not changed: {caught} `leadml models promote {name}@{champion}` again"
    if found is None:
        return f"registry: holds no version that is {name}@{champion}; its champion was left as it is", None
    return f"registry: {name} version {found.version} is the champion too", None


def compare_versions(
    store: Store,
    candidate: Version,
    champion: Version,
    source: str | os.PathLike[str] | None = None,
    mapping: str | os.PathLike[str] | None = None,
) -> Match:
    """Compare two stored versions: on fresh deals, else on what both held out, else by what was recorded.

    Parameters
    ----------
    store : Store
        Holds both.
    candidate, champion : Version
        The two.
    source, mapping : str or path, optional
        Deals, and what their columns mean.

    Returns
    -------
    Match
        The comparison.

    Raises
    ------
    UsageError
        When the file holds no closed deal that is new to both.
    """
    names = (f"{candidate.name}@{candidate.version}", f"{champion.name}@{champion.version}")
    if source is not None and mapping is not None:
        leads = read_leads(source, load_mapping(mapping))
        cards = [store.load(each) for each in names]
        known = [load_reference(each.folder / "card.json") for each in (candidate, champion)]
        fresh = find_fresh(leads, list(zip(cards, known, strict=True)))
        if not fresh.closed.any():
            after = f" closed after {fresh.since}" if fresh.since else ""
            raise UsageError(
                f"{leads.source}: holds no deal{after} that is new to {names[0]} and {names[1]} "
                f"({fresh.n_seen} they may have learned from); give deals closed since, or leave --on out"
            )
        return match_cards(cards[0], cards[1], leads.take(np.flatnonzero(fresh.closed)))
    kept = [_held_out(each) for each in (candidate, champion)]
    same = candidate.manifest["data_digest"] == champion.manifest["data_digest"] is not None
    if same and all(kept):
        import pandas as pd

        frames = [pd.read_parquet(path) for path in kept if path is not None]
        found = match_held_out(frames[0], frames[1], names)
        if found is not None:
            return found
    return match_recorded(candidate.manifest["metrics"], champion.manifest["metrics"], names)


def _held_out(version: Version) -> Path | None:
    """Find what a version said of held-out deals, as it was stored."""
    if HELD_OUT not in version.manifest["files"]:
        return None
    return check_file(version.folder, HELD_OUT, version.manifest)
