"""False alarms of the monitor: firms in which nothing changed, twelve monthly looks, through the commands."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from leadml.calibration.file import calibrate_file
from leadml.data.deals import NO_DAY, OPEN
from leadml.datasets.sample import FIRST_DAY, write_csv
from leadml.monitoring.backtest import load_before, logged
from leadml.monitoring.monitor import monitor_leads
from leadml.registry.resolve import resolve
from tests.truth.firms import draw, leadml, mapping_of, settings_of, truth_of
from tests.truth.rows import share

MONTH = 30
WORLDS = ("rule_right", "tilted", "steps", "null")


def known_on(leads, day):
    """The export of a day: leads created by then; those that closed later are open."""
    seen = leads.take(leads.created <= day)
    late = seen.closed > day
    outcome = np.where(late, OPEN, seen.outcome).astype(np.int8)
    return dataclasses.replace(seen, outcome=outcome, closed=np.where(late, NO_DAY, seen.closed).astype(np.int32))


def watched(world, seed):
    """State at each look of a stationary firm; and at the last one where the win rate fell by half."""
    leads = draw(1400, truth_of(world, form="met"), seed, dated=True)
    start = FIRST_DAY + 365
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = write_csv(known_on(leads, start), folder / "deals.csv")
        mapping = leadml.load_mapping(mapping_of(leads))
        calibrate_file(
            lambda: leadml.read_leads(path, mapping), settings_of("met"), name="firm", out_dir=folder / "out",
            store_root=folder / "store", at="2024-01-01T00:00:00Z", say=lambda text: None,
        )  # fmt: skip
        card, beside = resolve("firm@1", folder / "store")
        before = load_before(card, beside)
        states, log = [], folder / "log.parquet"
        for month in range(1, 13):
            told = logged(log, card.model)
            result, since = monitor_leads(card, known_on(leads, start + month * MONTH), before, told=told)
            states.append(result.state)
            log.unlink(missing_ok=True)
            since.append(log)
        return {"alarm": "recalibrate" in states, "watch": "watch" in states}


def alarms(found):
    """Rows by world."""
    every = [each for world in WORLDS for each in found[world]]
    rows = [share("monitor: false `recalibrate` in 12 looks", [f["alarm"] for f in every], high=0.05, old="25%")]
    what = "monitor: false `recalibrate` in 12 looks, "
    return rows + [share(what + world, [f["alarm"] for f in found[world]], high=0.05) for world in WORLDS]
