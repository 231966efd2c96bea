"""`leadml calibrate` of a file: read, calibrate, write the folder, store the card; and `leadml reproduce`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.calibration.experiment import load_experiment
from leadml.calibration.outcomes import check_enough
from leadml.calibration.run import Calibration, calibrate, name_of
from leadml.calibration.save import log_aside
from leadml.card.files import check_folder
from leadml.result import load_result
from leadml.terminal import progress

if TYPE_CHECKING:
    from leadml.data.deals import Leads
    from leadml.registry.versions import Version

MAPPING, RULE_CARD = "mapping.yaml", "rule.json"
MAY_DIFFER = ("leadml_version", "data.source", "command")
"""What a calibration that is reproduced may say otherwise: where the deals lie, who calibrates, and how."""
SHOWN = 20


@dataclasses.dataclass(frozen=True)
class CalibratedFile:
    """What was found, the folder that holds it, and its version in the store (None: no card)."""

    found: Calibration
    directory: Path
    version: Version | None

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self.found.leads.n_rows

    @property
    def n_rejected(self) -> int:
        """Rows that could not be used."""
        return self.n_rows - n_leads(self.found.leads)

    @property
    def rejected_share(self) -> float:
        """Share of the rows that could not be used."""
        return self.n_rejected / max(self.n_rows, 1)


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
    """Calibrate on what `read` reads; `at` is ISO time, kept in the history of the store.

    A card is stored, but not in use, where more than `max_rejected` of the rows could not be used. command : what to
    run for the same result.
    """
    settings = load_experiment(experiment)
    given: dict[str, Any] = {"as_of": as_of} if as_of is not None else {}
    if without:
        given["without"] = tuple(dict.fromkeys((*settings.without, *without)))
    if given:
        settings = type(settings).model_validate(settings.model_dump(exclude_unset=True) | given)
    leads = read()
    say(f"{leads.n_rows} rows: {n_leads(leads)} leads, {leads.n_rows - n_leads(leads)} rejected")
    check_enough(leads)
    directory = out_dir or Path(f"{name or name_of(leads)}-calibration")
    check_folder(directory)
    aside = log_aside(directory, leads, settings)
    if aside is not None:
        say(f"other mapping, settings or version than those of {directory}: its log is kept as {aside.name}, its card,")
        say("page and report are replaced; -o DIR writes beside them")
    say("learning and comparing")
    found = calibrate(leads, settings, name=name, progress=lambda what, done, of: progress(what, done, of, "blocks"))
    found = dataclasses.replace(found, result=found.result.model_copy(update={"command": command}))
    found.save(directory)
    done = CalibratedFile(found, directory, None)
    if found.card is None:
        return done
    fault = None
    if done.rejected_share > max_rejected:
        fault = f"{done.n_rejected} of {done.n_rows} rows could not be used"
    version = store_card(found, directory, name or name_of(leads), at=at, store_root=store_root, fault=fault, say=say)
    return dataclasses.replace(done, version=version)


def n_leads(leads: Leads) -> int:
    """How many leads there are, also where they are counted."""
    return len(leads) if leads.weight is None else round(float(leads.weight.sum()))


def store_card(
    found: Calibration, directory: Path, name: str, *, at: str, store_root: Path | None,
    say: Callable[[str], None], fault: str | None = None,
) -> Version:  # fmt: skip
    """Store the recommended card with its log, counts of its deals, the mapping, and the result for the page.

    It is not in use where a fault, a doubt about its columns or the verdict on the baseline stands against it; where no
    rule can be judged, it has to be shown to rank better than chance.
    """
    from leadml.registry.evidence import DEAL_COUNTS, HELD_OUT, held_out_file
    from leadml.registry.versions import champion_of, save_version

    card, contender = found.card, found.result.recommended.contender
    if card is None or contender is None:
        raise ValueError("these deals give no card")
    rule = found.result.policies[0] if found.result.policies else None
    verdict = "cannot-judge" if rule is None else rule.verdict
    auc = next(each.auc for each in found.result.contenders if each.id == contender)
    ranks = auc is not None and auc.low is not None and auc.low > 0.5
    stands = verdict == "change" or (verdict == "cannot-judge" and ranks)
    doubt = found.result.recommended.doubt
    against = fault or doubt.rstrip(".") or (None if stands else f"the verdict is {verdict}")
    files = {HELD_OUT: held_out_file(found.held_out, contender)}
    beside = {each: each for each in (MAPPING, DEAL_COUNTS, "result.json")}
    for title, file in (beside if rule is None else beside | {RULE_CARD: f"cards/{rule.id}.json"}).items():
        if (directory / file).is_file():
            files[title] = (directory / file).read_bytes()
    money = found.settings.economics
    ratio = money.won_value / money.follow_up_cost if money is not None and money.won_value else None
    documented = None if rule is None else found.cards.get(rule.id)
    if documented is not None:  # what a monitor asks of the card in use
        documented = documented.model_copy(update={"provenance": {**card.provenance, **documented.provenance}})
    version = save_version(
        name, card, at=at, against=against, documented=documented, files=files, ratio=ratio, store_root=store_root
    )
    champion, how = champion_of(name, store_root), f"leadml models promote {version.ref} --because TEXT"
    if version.version == 1 and against is not None:
        uses = f"{champion.ref}, the documented rule, stays in use" if champion else "nothing is in use"
        say(f"{against}: {uses}; to use the learned card: {how}")
    return version


def reproduce(directory: Path, source: Any) -> list[str]:
    """Calibrate again on the same deals; what came out otherwise, a line a value, empty for the same."""
    from leadml.data.read import read_leads

    before = load_result(directory)
    leads = read_leads(source, directory / "mapping.yaml")
    if leads.digest != before.data.digest:
        return [f"data: other deals than those of {before.data.source} (their digests differ)"]
    after = calibrate(leads, directory / "experiment.yaml", name=before.data.name).result
    old, new = (dict(_leaves(each.model_dump(mode="json"), "")) for each in (before, after))
    pairs = {path: (old.get(path), new.get(path)) for path in {**old, **new} if path not in MAY_DIFFER}
    lines = [f"{path}: {was!r} before, {now!r} now" for path, (was, now) in pairs.items() if not _same(was, now)]
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-9)
    return bool(old == new)
