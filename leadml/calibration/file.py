"""`leadml calibrate` of a file: read, calibrate, write the folder, store the card; and `leadml reproduce`."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leadml.calibration.deals import check_enough
from leadml.calibration.experiment import load_experiment
from leadml.calibration.output import Calibration, log_aside
from leadml.calibration.run import calibrate, name_of
from leadml.card.files import check_folder
from leadml.card.record import Card
from leadml.data.deals import Leads
from leadml.data.read import read_leads
from leadml.registry.evidence import DEAL_COUNTS, HELD_OUT, held_out_file
from leadml.registry.versions import STAYS, VERDICT, Version, champion_of, how_to_promote, save_version
from leadml.result import load_result
from leadml.terminal import progress

MAPPING, RULE_CARD = "mapping.yaml", "rule.json"
MAY_DIFFER = ("leadml_version", "data.source", "command")
"""What a calibration that is reproduced may say otherwise: where the deals lie, who calibrates, and how."""
SHOWN = 20


class CalibratedFile(NamedTuple):
    """What was found, the folder that holds it, its version in the store (None: no card), rows of the file, and why
    the version is not in use and how to use it (empty where it is)."""

    found: Calibration
    directory: Path
    version: Version | None
    n_rows: int
    n_rejected: int
    waits: str = ""


def calibrate_file(
    read: Callable[[], Leads],
    experiment: Any = None,
    *,
    name: str | None = None,
    out_dir: Path | None = None,
    store_root: Path | None = None,
    as_of: str | None = None,
    without: Sequence[str] = (),
    command: str = "",
    at: str,
    say: Callable[[str], None],
    max_rejected: float = 1.0,
) -> CalibratedFile:
    """Calibrate on what `read` reads, write the folder, store the card; `command` gives the same result again.

    The card is not in use where more than `max_rejected` of the rows could not be used. `at` is ISO time.
    """
    settings = load_experiment(experiment)
    more = {"as_of": as_of, "without": tuple(dict.fromkeys((*settings.without, *without)))}
    settings = load_experiment(settings, **{key: each for key, each in more.items() if each})
    leads = read()
    n_leads = len(leads) if leads.weight is None else round(float(leads.weight.sum()))  # also where they are counted
    n_rows, n_rejected = leads.n_rows, leads.n_rows - n_leads
    say(f"{n_rows} rows: {n_leads} leads, {n_rejected} rejected")
    check_enough(leads)
    name = name or name_of(leads)
    directory = out_dir or Path(f"{name}-calibration")
    check_folder(directory)
    aside = log_aside(directory, leads, settings)
    if aside is not None:
        say(f"other mapping, settings or version than those of {directory}: its log is kept as {aside.name}, its card,")
        say("page and report are replaced; -o DIR writes beside them")
    say("learning and comparing")
    found = calibrate(leads, settings, name=name, progress=lambda what, done, of: progress(what, done, of, "blocks"))
    found = dataclasses.replace(found, result=found.result.model_copy(update={"command": command}))
    found.save(directory)
    version, waits, fault = None, "", ""
    if n_rejected > max_rejected * max(n_rows, 1):
        fault = f"{n_rejected} of {n_rows} rows could not be used"
    if found.card is not None:
        version, waits = store_card(found, found.card, directory, name, at, store_root, fault)
    return CalibratedFile(found, directory, version, n_rows, n_rejected, waits)


def store_card(
    found: Calibration, card: Card, directory: Path, name: str, at: str, store_root: Path | None, fault: str
) -> tuple[Version, str]:
    """Store the recommended card with its log, counts, mapping and result; its version, and `CalibratedFile.waits`.

    It is not in use where a fault, a doubt about its columns or the verdict on the baseline stands against it; where no
    rule can be judged, it has to be shown to rank better than chance.
    """
    result, contender = found.result, str(found.result.recommended.contender)
    rule = result.policies[0] if result.policies else None
    verdict = "cannot-judge" if rule is None else rule.verdict
    auc = next(each.auc for each in result.contenders if each.id == contender)
    ranks = auc is not None and auc.low is not None and auc.low > 0.5
    stands = verdict == "change" or (verdict == "cannot-judge" and ranks)
    against = fault or result.recommended.doubt.rstrip(".") or (None if stands else f"{VERDICT}{verdict}")
    beside = {each: each for each in (MAPPING, DEAL_COUNTS, "result.json")}
    beside |= {} if rule is None else {RULE_CARD: f"cards/{rule.id}.json"}
    files = {title: (directory / file).read_bytes() for title, file in beside.items() if (directory / file).is_file()}
    files[HELD_OUT] = held_out_file(found.held_out, contender)
    money = found.settings.economics
    ratio = money.won_value / money.follow_up_cost if money is not None and money.won_value else None
    documented = None if rule is None else found.cards.get(rule.id)
    if documented is not None:  # what a monitor asks of the card in use
        documented = documented.model_copy(update={"provenance": {**card.provenance, **documented.provenance}})
    version = save_version(
        name, card, at=at, against=against, documented=documented, files=files, ratio=ratio, store_root=store_root
    )
    shutil.copyfile(version.folder / "card.json", directory / "card.json")  # which knows its name and version
    if version.status == "champion":
        return version, ""
    champion, why = champion_of(name, store_root), against or "a version takes the place of another when it is promoted"
    stays = ", the documented rule," if champion and (champion.since.because or "").endswith(STAYS) else ""
    uses = f"{champion.ref}{stays} stays in use" if champion else "nothing is in use"
    return version, f"{why}: {uses}; to use the learned card: {how_to_promote(version.ref, store_root)}"


def reproduce(directory: Path, source: Any) -> list[str]:
    """Calibrate again on the same deals; what came out otherwise, a line a value, empty for the same."""
    before = load_result(directory)
    leads = read_leads(source, directory / MAPPING)
    if leads.digest != before.data.digest:
        return [f"data: other deals than those of {before.data.source} (their digests differ)"]
    after = calibrate(leads, directory / "experiment.yaml", name=before.data.name).result
    old, new = (dict(_leaves(each.model_dump(mode="json"))) for each in (before, after))
    lines = []
    for path in [path for path in {**old, **new} if path not in MAY_DIFFER]:
        was, now = old.get(path), new.get(path)
        close = isinstance(was, float) and isinstance(now, float) and math.isclose(was, now, rel_tol=1e-6, abs_tol=1e-9)
        if not close and was != now:
            lines.append(f"{path}: {was!r} before, {now!r} now")
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(each, f"{path}.{key}".lstrip("."))
    else:
        yield path, value
