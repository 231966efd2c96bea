"""Everything once, on a synthetic sample whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from leadml.leads.model import Leads

N_CLOSED, N_NEW = 1500, 200

ROLES = ("Receptionist", "Assistant", "Team lead", "Board member", "Owner")
BUDGETS_EUR = (0, 5_000, 15_000, 25_000, 60_000)
MONTHS = (36, 18, 9, 5, 2)

MAPPING = """\
# Written by `leadml demo`: how the columns of a CRM export become levels from 0 to 4.
name: demo
read: {delimiter: ";", decimal: ","}
lead_id: Deal ID
outcome: {column: Status, won: [Won], lost: [Lost], open: [Open]}
dates: {created: Created on, closed: Closed on}
criteria:
  budget:    {column: Budget EUR, edges: [1, 10000, 20000, 30000]}
  authority: {column: Role, levels: {Receptionist: 0, Assistant: 1, Team lead: 2, Board member: 3, Owner: 4}}
  need:      {column: Need}
  timeline:  {column: Months to purchase, edges: [3, 6, 12, 24], descending: true}
contactable: {column: Phone}
context: [%s]
"""


def write_sample(directory: Path, random_state: int = 0) -> Leads:
    """Write closed deals, new leads and their mapping, as a CRM might export them.

    Parameters
    ----------
    directory : Path
        Folder for closed_deals.csv, new_leads.csv and mapping.yaml.
    random_state : int
        Seed.

    Returns
    -------
    Leads
        The closed deals, with the truth they were drawn from.
    """
    from leadml.leads import make_leads

    directory.mkdir(parents=True, exist_ok=True)
    closed = make_leads(N_CLOSED, world="tilted", random_state=random_state)
    new = make_leads(N_NEW, world="tilted", random_state=random_state + 1)
    rows = _as_export(closed)
    rows["Status"] = np.where(closed.outcome == 1, "Won", "Lost")
    rows["Created on"], rows["Closed on"] = _days(closed.created_at), _days(closed.closed_at)
    rows.to_csv(directory / "closed_deals.csv", sep=";", decimal=",", index=False)
    _as_export(new).to_csv(directory / "new_leads.csv", sep=";", decimal=",", index=False)
    text = MAPPING % ", ".join(str(name) for name in closed.context.columns)
    (directory / "mapping.yaml").write_text(text, encoding="utf-8")
    return closed


def _as_export(leads: Leads) -> pd.DataFrame:
    import pandas as pd

    def told(name: str, words: Any) -> list[Any]:
        levels = leads.levels[name]
        return ["" if np.isnan(level) else words[int(level)] for level in levels]

    columns: dict[str, Any] = {
        "Deal ID": leads.lead_id,
        "Budget EUR": told("budget", BUDGETS_EUR),
        "Role": told("authority", ROLES),
        "Need": told("need", range(5)),
        "Months to purchase": told("timeline", MONTHS),
    }
    if leads.contactable is not None:
        columns["Phone"] = np.where(leads.contactable, "+31 20 555 01 00", "")
    return pd.DataFrame(columns | {str(name): leads.context[name] for name in leads.context.columns})


def _days(dates: pd.Series | None) -> Any:
    return "" if dates is None else dates.dt.strftime("%Y-%m-%d")


def run_demo(directory: str | Path, say: Callable[[str], None] = print) -> Path:
    """Make a sample, calibrate on it, score new leads, and say what to open.

    Parameters
    ----------
    directory : str or Path
        Folder for everything that is written.
    say : callable
        Called with each line for the reader.

    Returns
    -------
    Path
        The folder.
    """
    from leadml.workflows.calibrate import calibrate_file
    from leadml.workflows.score import predict_file
    from leadml.workflows.words import format_calibration

    folder = Path(directory)
    say(f"Making {N_CLOSED} closed deals of a known truth, and {N_NEW} new leads, in {folder}")
    truth = write_sample(folder).truth
    mapping = str(folder / "mapping.yaml")
    done = calibrate_file(
        str(folder / "closed_deals.csv"),
        mapping,
        name="demo",
        out_dir=folder / "calibration",
        store_root=folder / "models_store",
        tracking_uri=f"sqlite:///{(folder / 'mlflow.db').absolute()}",
        say=say,
    )
    result = done.calibration.result
    say("")
    say(format_calibration(result))
    if truth is not None:
        learned = next(p for p in result["policies"] if p["unit"] == "points")["weights"]
        say("")
        say("The truth is known here. Weights in points (of 16), documented 4 each:")
        for name, weight in learned.items():
            interval = f"{weight['low']:.1f} to {weight['high']:.1f}"
            true = truth.weights[name]
            say(f"  {name:<10} true {true:4.1f}   learned {weight['learned']:4.1f}  ({interval})")
    scores = folder / "scores.csv"
    say("")
    say("Scoring the new leads")
    predict_file(
        str(folder / "new_leads.csv"),
        mapping,
        str(done.model),
        str(scores),
        store_root=folder / "models_store",
        keep_columns=False,
        say=say,
    )
    say("")
    say("Open:")
    say(f"  {done.directory / 'report.html'}   the report, in a browser")
    say(f"  {scores}   the new leads with probability, band, decision and reasons")
    say(f"  {done.directory / 'card.json'}   the card that scored them")
    if done.run is not None:
        say(f"  {done.run.look}")
    if done.tracking_error is not None:
        say(f"  not tracked: {done.tracking_error}")
    return folder
