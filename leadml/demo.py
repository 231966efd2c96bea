"""`leadml demo`: everything once, on a synthetic sample whose truth is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadml.registry.versions import Version

N_CLOSED, N_NEW = 1500, 200

MAPPING = """\
# Written by `leadml demo`: how the columns of a CRM export become levels from 0 to 4.
name: demo
lead_id: Deal ID
outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}
dates: {created: Created on, closed: Closed on}
criteria:
  budget: {column: Budget}
  authority: {column: Authority}
  need: {column: Need}
  timeline: {column: Timeline}
"""


def run_demo(directory: Path, *, at: str, show: Callable[[str], None], say: Callable[[str], None]) -> Version | None:
    """Make a sample, calibrate on it, score new leads, and say what to open; gives the version that was stored."""
    from leadml.app.page import write_page
    from leadml.calibration.file import calibrate_file
    from leadml.data.read import read_leads
    from leadml.datasets.sample import make_leads, write_csv
    from leadml.report.first_screen import format_result
    from leadml.scoring.predicting import predict_file
    from leadml.scoring.scorer import Options

    say(f"making {N_CLOSED} closed deals of a known truth, and {N_NEW} new leads, in {directory}")
    directory.mkdir(parents=True, exist_ok=True)
    closed = make_leads(N_CLOSED, world="tilted", all_criteria=False)
    mapping = directory / "mapping.yaml"
    mapping.write_text(MAPPING, encoding="utf-8")
    deals = write_csv(closed, directory / "closed_deals.csv")
    new = make_leads(N_NEW, world="tilted", random_state=1, all_criteria=False)
    leads = write_csv(dataclasses.replace(new, outcome=None, closed=None), directory / "new_leads.csv")
    done = calibrate_file(
        lambda: read_leads(deals, mapping), name="demo", out_dir=directory / "calibration",
        store_root=directory / "models_store", at=at, say=say,
    )  # fmt: skip
    show(format_result(done.found.result))
    rule = next((each for each in done.found.result.policies if each.unit == "points"), None)
    if rule is not None:
        show("The truth is known here. Points of 16, where the document gives 4 to each criterion:")
        for name, weight in rule.weights.items():
            true, found = closed.truth.weights[name], f"{weight.low:.1f} to {weight.high:.1f}"
            show(f"  {name:<10} true {true:4.1f}   learned {weight.learned:4.1f}  ({found})")
    scores = directory / "scores.xlsx"
    predict_file(leads, mapping, [done.found.card], str(scores), Options(sort=True), say)
    page = write_page(done.directory, directory / "page.html", leads=leads, store_root=directory / "models_store")
    show("\nOpen")
    show(f"  {done.directory / 'report.html'}   the report, in a browser")
    show(f"  {page}   the page for sales ops: answer, rule, what if, leads")
    show(f"  {scores}   the new leads as a work list: chance, decision, reasons, next question")
    show(f"  {done.directory / 'card.json'}   the card that scored them")
    return done.version
