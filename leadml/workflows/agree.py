"""The local store and MLflow's registry: the same card in both, and where they differ."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from leadml.card import Card, load_card
from leadml.exceptions import ModelRefError
from leadml.store import Store, is_tracked
from leadml.tracking import (
    RegisteredCard,
    fetch_metrics,
    find_registered,
    find_same,
    list_names,
    list_registered,
    name_stored,
    resolve_model_uri,
)
from leadml.workflows.fresh import REFERENCE

FIGURES = ("auc", "log_loss", "brier", "calibration_slope")
"""What a version's manifest keeps of a calibration."""


@dataclass(frozen=True)
class Agreement:
    """How store and registry stand on one name.

    Attributes
    ----------
    name : str
        Name of the model.
    stored : int or None
        The champion in the store.
    registered : int or None
        The champion in the registry, by the registry's own number.
    differences : tuple of str
        For a reader; empty where both agree.
    """

    name: str
    stored: int | None
    registered: int | None
    differences: tuple[str, ...]


def content_of(card: Card) -> str:
    """Give a digest of what a card holds, which storing it again does not change.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    str
        Of all but its name, version and MLflow run: the first 16 digits of their SHA-256.
    """
    plain = {key: value for key, value in card.to_dict().items() if key not in ("name", "version", "sha256")}
    plain["provenance"] = {k: v for k, v in plain["provenance"].items() if k != "mlflow_run_id"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def find_stored(store: Store, name: str, content: str, stored_as: str | None = None) -> str | None:
    """Find the stored version that holds the same as some card.

    Parameters
    ----------
    store : Store
        The models store.
    name : str
        Name of the model.
    content : str
        Digest of what the card holds.
    stored_as : str, optional
        Which one to prefer of several.

    Returns
    -------
    str or None
        ``NAME@VERSION``, the newest.
    """
    refs = [f"{each.name}@{each.version}" for each in store.list_versions() if each.name == name]
    same = [ref for ref in refs if content_of(store.load(ref)) == content]
    return stored_as if stored_as in same else same[-1] if same else None


def name_in_store(ref: str, store: Store) -> str:
    """Give the stored version that a reference names, also one of MLflow.

    Parameters
    ----------
    ref : str
        Any reference to a model but a path.
    store : Store
        The models store.

    Returns
    -------
    str
        What came, or for a reference of MLflow ``NAME@VERSION``.

    Raises
    ------
    ModelRefError
        When the store has no such card.
    """
    if not is_tracked(ref):
        return ref
    card, found = load_card(resolve_model_uri(ref)), find_registered(ref)
    name = card.name if found is None else found.name
    here = find_stored(store, name, content_of(card), None if found is None else found.stored_as)
    if here is None:
        raise ModelRefError(
            f"{ref}: the store at {store.root} does not hold this card; `leadml models promote {ref}` brings "
            "it in, and compares it with the champion"
        )
    return here


def adopt(ref: str, store: Store) -> str:
    """Bring a card of MLflow into the store, unless it is there.

    Where the store has no model of its name, the registry's champion comes first: a candidate never becomes
    the champion just by coming in.

    Parameters
    ----------
    ref : str
        ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``runs:/ID/...``.
    store : Store
        The models store.

    Returns
    -------
    str
        ``NAME@VERSION``.

    Raises
    ------
    TrackingError
        When MLflow could not be reached, or has no such card.
    """
    path, found = resolve_model_uri(ref), find_registered(ref)
    card = load_card(path)
    name, content = card.name if found is None else found.name, content_of(card)
    here = find_stored(store, name, content, None if found is None else found.stored_as)
    if here is None:
        if not any(each.name == name for each in store.list_versions()):
            first = champion_of(list_registered(name))
            if first is not None and (found is None or first.version != found.version):
                adopt(f"models:/{name}/{first.version}", store)
        run_id = found.run_id if found is not None else card.provenance.get("mlflow_run_id")
        beside = path.with_name(REFERENCE)
        here = store.save_model(
            name,
            card,
            metrics=_figures(run_id),
            run_id=run_id,
            beside={REFERENCE: beside.read_bytes()} if beside.is_file() else None,
        )
    if found is not None and (found.stored_as, found.content) != (here, content):
        name_stored(found, here, content)
    return here


def champion_of(versions: list[RegisteredCard]) -> RegisteredCard | None:
    """Find the champion among registered versions.

    Parameters
    ----------
    versions : list of RegisteredCard
        Of one model.

    Returns
    -------
    RegisteredCard or None
        None where there is none.
    """
    return next((each for each in versions if each.champion), None)


def compare_with_registry(store: Store, name: str | None = None) -> list[Agreement]:
    """Tell how the store and MLflow's registry differ.

    Parameters
    ----------
    store : Store
        The models store.
    name : str, optional
        The model; every one of either side when not given.

    Returns
    -------
    list of Agreement
        One a name.

    Raises
    ------
    TrackingError
        When MLflow could not be reached.
    """
    stored = store.list_versions()
    names = [name] if name else sorted({each.name for each in stored} | {*list_names()})
    return [_agreement(store, each) for each in names]


def format_agreements(found: list[Agreement]) -> str:
    """Write for a terminal where store and registry differ.

    Parameters
    ----------
    found : list of Agreement
        What `compare_with_registry` gave.

    Returns
    -------
    str
        Lines.
    """
    lines = []
    for each in found:
        lines.append(f"{each.name}: {'differ' if each.differences else 'store and registry agree'}")
        lines += [f"  {text}" for text in each.differences]
    return "\n".join(lines)


def _agreement(store: Store, name: str) -> Agreement:
    """Compare what both hold of one name."""
    registered = list_registered(name)
    versions = [each for each in store.list_versions() if each.name == name]
    pairs = {}
    for each in versions:
        ref = f"{name}@{each.version}"
        pairs[ref] = find_same(registered, ref, content_of(store.load(ref)))
    here = store.champion(name) if versions else None
    there = champion_of(registered)
    same = None if here is None else pairs.get(f"{name}@{here}")
    told = []
    if (there is None) != (here is None) or (there is not None and (same is None or same != there)):
        mine = f"{name}@{here}" if here is not None else "none"
        theirs = "none" if there is None else f"version {there.version}"
        known = [ref for ref, found in pairs.items() if found is not None and found == there]
        theirs += f", which is {known[-1]}" if known else ""
        then = f"; `leadml models promote {mine}` makes it so in both" if same is not None else ""
        told.append(f"champion: {mine} in the store, {theirs} in the registry{then}")
    for each in versions:
        ref = f"{name}@{each.version}"
        if pairs[ref] is None:
            why = "" if each.manifest.get("run_id") else " (it was made without tracking)"
            told.append(f"{ref}: not in the registry{why}")
    met = {found.version for found in pairs.values() if found is not None}
    told += [
        f"version {each.version} of the registry: not in the store; `leadml models promote "
        f"models:/{name}/{each.version}` brings it in and compares it"
        for each in registered
        if each.version not in met
    ]
    return Agreement(name, here, None if there is None else there.version, tuple(told))


def _figures(run_id: str | None) -> dict[str, float]:
    """Fetch what the manifest of a version keeps."""
    known = fetch_metrics(run_id) if run_id else {}
    return {name: known[name] for name in FIGURES if math.isfinite(known.get(name, math.nan))}
