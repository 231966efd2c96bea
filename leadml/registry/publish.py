"""Publish: a card changed by hand (points, cut-off, words), or a firm's framework, becomes a version."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadml.card.build import bands_at, documented_card
from leadml.card.files import read_json
from leadml.card.record import Card, CardBand, CardPublished
from leadml.exceptions import ModelRefError, StoreError, UsageError
from leadml.frameworks.catalog import load_framework
from leadml.registry.champion_challenger import Comparison, compare
from leadml.registry.evidence import DEAL_COUNTS, codes_for, counts_file, read_counts, rebinned
from leadml.registry.promote import check_reason
from leadml.registry.versions import Root, Version, champion_of, load_stored, save_version, show_version

if TYPE_CHECKING:
    from leadml.data.deals import Leads

MAPPING = "mapping.yaml"
_OF_THE_VERSION = {"name", "version", "created_at", "published", "provenance", "sha256"}


@dataclasses.dataclass(frozen=True)
class Published:
    """The new version, how it compares with the champion, and what is to be known of it."""

    version: Version
    comparison: Comparison | None
    messages: tuple[str, ...]


def publish(
    draft: str | os.PathLike[str], *, because: str | None, by: str, at: str, name: str | None = None,
    leads: Leads | None = None, store_root: Root = None,
) -> Published:  # fmt: skip
    """Store a draft as the next version of its name (or of `name`); promoting it is a step of its own."""
    reason, path = check_reason(because, f"leadml publish {draft}"), Path(draft)
    if path.suffix in (".yaml", ".yml"):
        framework = load_framework(path)
        document = documented_card(framework.policies[0], framework, name=framework.id).to_dict()
    else:
        document = read_json(path)
    name = name or str(document.get("name"))
    origin, champion = _find_origin(document, name, store_root), champion_of(name, store_root)
    before = None if origin is None else load_stored(origin)
    stamp = CardPublished(by=by, because=reason, at=at, changed_from=origin.ref if origin else path.name)
    document |= {"schema_version": 2, "name": name, "version": None, "created_at": at}
    document["published"] = stamp.model_dump()
    messages = _settle_totals(document, str(path))
    unsure = bool(document.get("table")) and (before is None or _points_of(document) != _points_of(before.to_dict()))
    if unsure:
        document |= {"table": [], "base": None, "slope": None, "kind": "documented"}
    card = Card.from_dict(document, str(path), verify=False)
    files = {} if origin is None or before is None else _carried(origin, before, card)
    if unsure:
        card, message = _with_probabilities(card, origin, before)
        messages.append(f"points were changed by hand{message}")
    plain = [None if each is None else each.model_dump(exclude=_OF_THE_VERSION) for each in (card, before)]
    if plain[0] == plain[1]:
        raise UsageError(f"{path}: nothing on it differs from {stamp.changed_from}; change it first")
    version = save_version(name, card, at=at, files=files, store_root=store_root)
    comparison = None if champion is None else compare(version, champion, leads)
    return Published(version, comparison, tuple(messages))


def _find_origin(document: Mapping[str, Any], name: str, store_root: Root) -> Version | None:
    """The stored version that was changed: the one that the draft names, else the champion of its name."""
    said = document.get("published")
    named = [said.get("changed_from")] if isinstance(said, dict) else []
    for ref in (f"{document.get('name')}@{document.get('version')}", *named):
        try:
            return show_version(str(ref), store_root)
        except ModelRefError:
            continue
    return champion_of(name, store_root)


def _settle_totals(document: dict[str, Any], where: str) -> list[str]:
    """Let the highest total follow from the points, and the beginnings of bands from the cut-off."""
    try:
        total, cutoff = sum(map(max, _points_of(document).values())), int(document["cutoff"])
        bands = [CardBand.model_validate(each) for each in document["bands"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        how = "take a card.json (leadml models show REF --json, or the page) and change that"
        what = f"{type(error).__name__}: {str(error)[:100]!r}"
        raise StoreError(f"{where} is no card ({what})", how) from None
    document["total_max"] = total
    moved = bands_at(bands, [band.from_ for band in bands], cutoff, total)
    if list(moved) == bands:
        return []
    document["bands"] = [band.model_dump(by_alias=True) for band in moved]
    told = ", ".join(f"{band.title} from {band.from_}" for band in moved)
    return [f"with a cut-off of {cutoff} the bands begin elsewhere: {told}"]


def _points_of(document: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Points by row of a card: of levels or bins, then of other and unknown."""
    made = {each["id"]: (*each["points"], each["unknown_points"]) for each in document["criteria"]}
    for each in document.get("attributes") or ():
        bins = [one["points"] for one in each["bins"]]
        made[each["id"]] = (*bins, each["other_points"], each["unknown_points"])
    return made


def _carried(origin: Version, before: Card, card: Card) -> dict[str, bytes]:
    """What lies beside the card that was changed, and is of use to the changed one."""
    files = {}
    if (origin.folder / MAPPING).is_file():
        files[MAPPING] = (origin.folder / MAPPING).read_bytes()
    if (counts := read_counts(origin.folder)) is not None:
        columns, won, lost = counts
        strangers = rebinned(before, card)
        files[DEAL_COUNTS] = counts_file({name: columns[name] for name in columns if name not in strangers}, won, lost)
    return files


def _with_probabilities(card: Card, origin: Version | None, before: Card | None) -> tuple[Card, str]:
    """Probabilities of the new totals from the counts beside the origin; a card without where there are none."""
    counts = None if origin is None else read_counts(origin.folder)
    if counts is None or before is None:
        return card, " and no counts of deals lie beside the card: it tells no probability"
    from leadml.estimators.probabilities import table_of_totals

    (columns, won, lost), size = counts, card.total_max + 1
    totals = card.lookup.answers(codes_for(card, columns, before)).points
    told = table_of_totals(np.arange(size), *(np.bincount(totals, each, minlength=size) for each in (won, won + lost)))
    rows = zip(told.probability.tolist(), told.low.tolist(), told.high.tolist(), strict=True)
    table = [{"points": at, "probability": p, "low": lo, "high": hi} for at, (p, lo, hi) in enumerate(rows)]
    document = {**card.to_dict(), "table": table, "kind": "wide" if card.attributes else "learned"}
    message = ": probabilities were counted anew from the deals that it was learned from"
    return Card.from_dict(document, card.name, verify=False), message
