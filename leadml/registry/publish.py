"""Publish: a card changed by hand (points, cut-off, words), or a firm's framework, becomes a version."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leadml.card.bands import bands_at
from leadml.card.build import documented_card, table_rows
from leadml.card.files import read_json
from leadml.card.record import Card, CardBand
from leadml.exceptions import ModelRefError, StoreError, UsageError
from leadml.frameworks.catalog import load_framework
from leadml.registry import versions
from leadml.registry.evidence import DEAL_COUNTS, Counts, codes_for, counts_file, read_counts, rebinned
from leadml.registry.promote import Comparison, check_reason, compare
from leadml.registry.versions import Root, Version
from leadml.result import load_result

if TYPE_CHECKING:
    from leadml.data.deals import Leads

_WITHOUT_CHANCES: dict[str, Any] = {"table": [], "base": None, "slope": None, "kind": "documented"}


class Published(NamedTuple):
    """The new version, how it compares with the champion, and what is to be known of it."""

    version: Version
    comparison: Comparison | None
    messages: list[str]


def publish(
    draft: str | os.PathLike[str], *, because: str | None, by: str, at: str, name: str | None = None,
    leads: Leads | None = None, store_root: Root = None,
) -> Published:  # fmt: skip
    """Store a draft as the next version of its model (or of `name`); promoting it is a step of its own.

    The model is the one that the draft names, or that the calibration is of in whose folder it lies.
    """
    reason, path = check_reason(because, f"leadml publish {draft}"), Path(draft)
    folder = path.parent.parent if path.parent.name == "cards" else path.parent
    folders = [folder] if (folder / "result.json").is_file() else []  # what calibrate wrote
    if path.suffix in (".yaml", ".yml"):
        framework = load_framework(path)
        document = documented_card(framework.policies[0], framework, name=framework.id).to_dict()
        name, folders = name or framework.id, []
    else:
        document = read_json(path)
    name = name or _find_model(document, path, folders, store_root)
    stored = [(each, versions.load_stored(each)) for each in versions.list_versions(name, store_root)]
    origin = _find_origin(document, stored, store_root)
    before = None if origin is None else versions.load_stored(origin)
    changed_from = path.name if origin is None else origin.ref
    stamp = {"by": by, "because": reason, "at": at, "changed_from": changed_from}
    document |= {"schema_version": 2, "name": name, "version": None, "created_at": at, "published": stamp}
    messages = _settle_totals(document, str(path))
    card = Card.from_dict(document | _WITHOUT_CHANCES, str(path), verify=False)
    places = [*folders, *([origin.folder] if origin else [])]
    counts = next(((each, found) for each in places if (found := read_counts(each)) is not None), None)
    files, table = ({}, []) if counts is None else _carried(*counts, before, card)
    same = before is not None and before.lookup.code_columns == card.lookup.code_columns
    if before is not None and same:
        same = all(map(np.array_equal, before.lookup.points, card.lookup.points))
    if document.get("table") and not same:
        document |= _WITHOUT_CHANCES
        told = " and no counts of deals lie beside the card: it tells no probability"
        if table:
            document |= {"table": table, "kind": "wide" if card.attributes else "learned"}
            told = ": probabilities were counted anew from the deals that it was learned from"
        messages.append(f"points were changed by hand{told}")
    card = Card.from_dict(document, str(path), verify=False)
    plain = card.model_dump(exclude=versions.OF_THE_VERSION)
    if before is not None and plain == before.model_dump(exclude=versions.OF_THE_VERSION):
        raise UsageError(f"{path}: nothing on it differs from {changed_from}; change it first")
    for each, other in stored:
        if each.saved.action == "published" and plain == other.model_dump(exclude=versions.OF_THE_VERSION):
            raise UsageError(f"{path}: is stored already, as {each.ref}; promote that, or change the draft")
    champion = versions.champion_of(name, store_root)
    version = versions.save_version(name, card, at=at, files=files, store_root=store_root)
    return Published(version, None if champion is None else compare(version, champion, leads), messages)


def _find_model(document: Mapping[str, Any], path: Path, folders: list[Path], store_root: Root) -> str:
    """The model that a draft belongs to: a stored card's own, else that of the calibration beside it."""
    own, names = document.get("name"), versions.model_names(store_root)
    if folders and (document.get("version") is None or own not in names):
        return load_result(folders[0]).data.name
    if isinstance(own, str) and own in names:
        return own
    has = f"which has {', '.join(names)}" if names else "which is empty"
    told = f"{path} is called {own!r}, and no model of that name is in the store, {has}"
    raise UsageError(told, f"give --name NAME (the store is {versions.store_folder(store_root)})")


def _find_origin(document: Mapping[str, Any], stored: list[tuple[Version, Card]], store_root: Root) -> Version | None:
    """The stored version that was changed: the one that the draft names, else the newest learned from the same deals,
    of its kind if any, else the champion of its name."""
    parts = (document.get(key) for key in ("published", "provenance"))
    said, known = (each if isinstance(each, dict) else {} for each in parts)
    for ref in (f"{document.get('name')}@{document.get('version')}", str(said.get("changed_from"))):
        with contextlib.suppress(ModelRefError):
            return versions.show_version(ref, store_root)
    digest, kind = known.get("data_digest"), document.get("kind")
    same = [(c.kind == kind, v.version, v) for v, c in stored if digest and c.provenance.get("data_digest") == digest]
    return max(same)[-1] if same else next((v for v, _ in stored if v.status == "champion"), None)


def _settle_totals(document: dict[str, Any], where: str) -> list[str]:
    """Let the highest total follow from the points, and the beginnings of bands from the cut-off."""
    try:
        rows = [[*each["points"], each["unknown_points"]] for each in document["criteria"]]
        more = document.get("attributes") or ()
        rows += [[*(b["points"] for b in a["bins"]), a["other_points"], a["unknown_points"]] for a in more]
        total, cutoff = sum(map(max, rows)), int(document["cutoff"])
        bands = [CardBand.model_validate(each) for each in document["bands"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        how = "take a card.json (leadml models show REF --json, or the page) and change that"
        what = f"{type(error).__name__}: {str(error)[:100]!r}"
        raise StoreError(f"{where} is no card ({what})", how) from None
    moved = bands_at(bands, [band.from_ for band in bands], cutoff, total)
    document |= {"total_max": total, "bands": [band.model_dump(by_alias=True) for band in moved]}
    if list(moved) == bands:
        return []
    told = ", ".join(f"{band.title} from {band.from_}" for band in moved)
    return [f"with a cut-off of {cutoff} the bands begin elsewhere: {told}"]


def _carried(
    folder: Path, counts: Counts, before: Card | None, card: Card
) -> tuple[dict[str, bytes], list[dict[str, float]]]:
    """What lies beside the card that was changed and is of use to the changed one; and what its totals mean by the
    counts of deals that lie there."""
    from leadml.evaluation.rates import table_of_totals

    own, (columns, won, lost) = before or card, counts
    names = ("mapping.yaml", *(["result.json"] if before is None else []))  # what a name begins with
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    kept = {name: codes for name, codes in columns.items() if name not in rebinned(own, card)}
    files[DEAL_COUNTS] = counts_file(kept, won, lost)
    totals = card.lookup.answers(codes_for(card, columns, own)).points
    told = table_of_totals(totals, won, won + lost, card.total_max)
    return files, table_rows(told.probability, told.low, told.high)
