"""Closed deals in, verdicts and a card out."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml.card import Card
from leadml.card.files import write_text
from leadml.exceptions import TrackingError, UsageError
from leadml.leads.counted import Counted, as_counted
from leadml.leads.mapping import Mapping
from leadml.leads.model import Leads
from leadml.leads.outcomes import check_data, check_enough
from leadml.leads.sql import is_url, shown_url
from leadml.workflows.about import name_of
from leadml.workflows.experiment import Experiment, load_experiment
from leadml.workflows.outcomes import add_outcomes, choose_deals

if TYPE_CHECKING:
    import pandas as pd

    from leadml.estimators.fitted import FittedContender
    from leadml.leads.rejections import Rejections
    from leadml.tracking import OpenRun, TrackedRun
    from leadml.tracking.aside import Aside


@dataclasses.dataclass
class Calibration:
    """What a calibration found.

    Attributes
    ----------
    result : dict
        Everything, as in result.json.
    card : Card or None
        The recommended card; None where no criterion of a framework is mapped.
    cards : dict of str to Card
        Every card by contender.
    predictions : DataFrame
        Held-out predictions: one row a deal, fold and contender.
    rejected : DataFrame
        Rows that could not be used: row, column, value, reason.
    estimator : ScorecardClassifier or None
        The scikit-learn twin of the recommended framework's learned card.
    rejections : Rejections or None
        Every rejected row, where `rejected` may hold the first ones only.
    fitted : dict of str to FittedContender
        Every contender that tells a probability and is no card, fitted to all closed deals.
    """

    result: dict[str, Any]
    card: Card | None
    cards: dict[str, Card]
    predictions: pd.DataFrame
    rejected: pd.DataFrame
    estimator: Any
    rejections: Rejections | None = None
    fitted: dict[str, FittedContender] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the result as plain data.

        Returns
        -------
        dict
            As in result.json.
        """
        return self.result

    def to_html(self) -> str:
        """Render the report.

        Returns
        -------
        str
            A page that needs nothing else.
        """
        from leadml.report import render_html

        return render_html(self.result, None if self.card is None else self.card.to_dict())

    def save(self, directory: str | Path) -> Path:
        """Write report.html and everything that `save_figures` writes.

        Parameters
        ----------
        directory : str or Path
            Folder, made where it is absent.

        Returns
        -------
        Path
            The folder.
        """
        out = self.save_figures(directory)
        self.save_report(out)
        return out

    def save_figures(self, directory: str | Path) -> Path:
        """Write result.json, card.json, cards/, models/, predictions.parquet and rejected.csv.

        Parameters
        ----------
        directory : str or Path
            Folder, made where it is absent.

        Returns
        -------
        Path
            The folder.
        """
        from leadml.workflows.deposit import save_fitted

        out = Path(directory)
        (out / "cards").mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.result, indent=2, ensure_ascii=False, allow_nan=False)
        write_text(out / "result.json", text + "\n")
        self.save_cards(out)
        save_fitted(self.fitted.values(), out / "models")
        self.predictions.to_parquet(out / "predictions.parquet", index=False)
        if self.rejections is None:
            self.rejected.to_csv(out / "rejected.csv", index=False)
        else:
            self.rejections.save(out / "rejected.csv")
        return out

    def save_report(self, directory: Path) -> None:
        """Write report.html.

        Parameters
        ----------
        directory : Path
            Folder that is there.
        """
        write_text(directory / "report.html", self.to_html())

    def save_cards(self, directory: Path) -> None:
        """Write card.json and cards/.

        Parameters
        ----------
        directory : Path
            Folder that `save` made.
        """
        for name, card in self.cards.items():
            card.save(directory / "cards" / f"{name}.json")
        if self.card is not None:
            self.card.save(directory / "card.json")

    def with_run(self, run_id: str) -> Calibration:
        """Name the MLflow run on every card.

        Parameters
        ----------
        run_id : str
            The run.

        Returns
        -------
        Calibration
            The same, with the run on its cards.
        """

        def named(card: Card) -> Card:
            return dataclasses.replace(card, provenance={**card.provenance, "mlflow_run_id": run_id})

        cards = {name: named(card) for name, card in self.cards.items()}
        card = None if self.card is None else named(self.card)
        return dataclasses.replace(self, card=card, cards=cards)


def calibrate(
    leads: Leads, experiment: Experiment | str | Path | None = None, name: str | None = None
) -> Calibration:
    """Learn from closed deals, compare with the documented rules, and say what may be said.

    Parameters
    ----------
    leads : Leads
        Leads with outcomes. Learned from are the closed ones that were created long enough ago.
    experiment : Experiment, path or None
        Settings.
    name : str, optional
        Name of the card; the mapping's by default.

    Returns
    -------
    Calibration
        Verdicts, figures, cards and held-out predictions.

    Raises
    ------
    UsageError
        When the leads hold no outcome, or no criterion of any documented rule.
    TooFewDealsError
        When fewer than 20 deals are won or lost.

    Examples
    --------
    >>> import leadml
    >>> leadml.calibrate(leadml.make_leads(30))
    Traceback (most recent call last):
    leadml.exceptions.TooFewDealsError: ...
    """
    settings = experiment if isinstance(experiment, Experiment) else load_experiment(experiment)
    return calibrate_counted(as_counted(leads), settings, name)


def calibrate_counted(counted: Counted, settings: Experiment, name: str | None = None) -> Calibration:
    """Learn from deals all counted or all there, compare with the documented rules, and say what may be said.

    Parameters
    ----------
    counted : Counted
        Every lead, or the counts of all and a sample of single ones.
    settings : Experiment
        Settings.
    name : str, optional
        Name of the card; the mapping's by default.

    Returns
    -------
    Calibration
        Verdicts, figures, cards and held-out predictions.

    Raises
    ------
    UsageError
        When the leads hold no outcome, or no criterion of any documented rule.
    TooFewDealsError
        When fewer than 20 deals are won or lost.
    """
    from leadml.workflows.comparison import Comparison

    leads = counted.leads
    if leads.outcome is None:
        raise UsageError(
            f"{leads.source}: the mapping names no outcome; valid: outcome: {{column: ..., won: [...], lost:"
            " [...]}; add it to the mapping"
        )
    check_enough(leads)
    chosen = choose_deals(leads, settings, counted)
    findings = check_data(leads) + chosen.findings
    compared = Comparison(
        leads, chosen.closed, settings, name or name_of(leads), findings, chosen.considered, chosen.whole
    ).run()
    add_outcomes(compared.result, chosen, leads, settings)
    cards = {each: draft.card for each, draft in compared.drafts.items()}
    return Calibration(
        result=compared.result,
        card=cards.get(compared.result["recommended"]["contender"]),
        cards=cards,
        fitted=compared.fitted,
        predictions=compared.predictions,
        rejected=leads.rejected,
        estimator=compared.estimator,
        rejections=counted.rejections,
    )


def count_file(
    source: str | os.PathLike[str],
    mapping: Mapping,
    settings: Experiment,
    engine: str = "local",
    say: Callable[[str], None] = lambda _line: None,
    query: str | None = None,
) -> Counted:
    """Read closed deals: all of them, or their counts and a sample where there are more than are compared.

    Parameters
    ----------
    source : str or path
        File, folder or glob of closed deals.
    mapping : Mapping
        What its columns mean.
    settings : Experiment
        Gives `single_deals` and the seed.
    engine : str
        ``local`` or ``spark``.
    say : callable
        Takes a message for the user.
    query : str, optional
        What to ask of a database.

    Returns
    -------
    Counted
        What `calibrate_counted` takes.

    Raises
    ------
    InputError
        When the file cannot be used.
    UsageError
        When Spark is given a query.
    """
    from leadml.frameworks import list_frameworks
    from leadml.leads.gather import count_leads

    frameworks = {
        framework.id: framework.criterion_ids
        for framework in list_frameworks()
        if {*framework.criterion_ids} & {*mapping.mapped}
    }
    most, random_state = settings.single_deals, settings.random_state
    if engine == "spark":
        from leadml.engines.spark_count import count_with_spark

        if query is not None:
            raise UsageError(f"--query: got {query!r} for Spark; valid with --engine local; leave one out")
        return count_with_spark(source, mapping, frameworks, most=most, random_state=random_state, say=say)
    return count_leads(source, mapping, frameworks, most=most, random_state=random_state, query=query)


@dataclasses.dataclass(frozen=True)
class CalibratedFile:
    """Where a calibration of a file went.

    Attributes
    ----------
    calibration : Calibration
        What was found.
    directory : Path
        Folder that holds it.
    model : str or None
        NAME@VERSION in the store; None where there is no card.
    champion : bool
        Whether that version is what NAME alone stands for.
    run : TrackedRun or None
        Where MLflow has it.
    tracking_error : str or None
        Why MLflow does not have it, though it was asked to.
    """

    calibration: Calibration
    directory: Path
    model: str | None
    champion: bool
    run: TrackedRun | None
    tracking_error: str | None


def calibrate_file(
    source: str,
    mapping_path: str,
    experiment_path: str | None = None,
    *,
    name: str | None = None,
    out_dir: str | Path | None = None,
    track: bool = True,
    store_root: str | Path | None = None,
    tracking_uri: str | None = None,
    say: Callable[[str], None] | None = None,
    as_of: str | None = None,
    engine: str = "local",
    query: str | None = None,
) -> CalibratedFile:
    """Read closed deals, calibrate, write the results, store the card and track the run.

    Parameters
    ----------
    source : str
        File, folder or glob of closed deals.
    mapping_path : str
        Mapping (YAML).
    experiment_path : str, optional
        Experiment (YAML).
    name : str, optional
        Name of the model; the mapping's by default.
    out_dir : str or Path, optional
        Folder for the results; NAME-calibration by default.
    track : bool
        Whether to log to MLflow.
    store_root : str or Path, optional
        The models store.
    tracking_uri : str, optional
        Where MLflow keeps runs; MLFLOW_TRACKING_URI, else mlflow.db in the working directory, by default.
    say : callable, optional
        Called with a line of progress.
    as_of : str, optional
        ISO date of the result where the experiment names none; the last date in the data by default.
    engine : str
        Who reads and counts: ``local`` or ``spark``.
    query : str, optional
        What to ask of a database, where `source` is a SQLAlchemy URL.

    Returns
    -------
    CalibratedFile
        What was found and where it is.

    Raises
    ------
    LeadmlError
        When the mapping, the experiment or the file cannot be used, or too few deals are closed. A store of
        MLflow that cannot be reached raises nothing: the result is on disk, and the error is returned.
    """
    from leadml.leads import load_mapping
    from leadml.store import Store
    from leadml.tracking.aside import Aside
    from leadml.workflows.deposit import keep_inputs, store_card
    from leadml.workflows.score import check_engine

    tell = say or (lambda _line: None)
    check_engine(engine)
    settings = load_experiment(experiment_path)
    if settings.as_of is None and as_of is not None:
        settings = settings.model_copy(update={"as_of": as_of})
    mapping = load_mapping(mapping_path)
    tell(f"reading {shown_url(source) if is_url(source) else source}")
    aside = Aside() if track else None  # MLflow is imported while this process reads and learns
    counted = count_file(source, mapping, settings, engine, tell, query)
    leads = counted.leads
    sampled = f", {len(leads)} of them kept one by one" if counted.is_sampled else ""
    n_rejected = leads.n_rows - counted.n_leads
    tell(f"{leads.n_rows} rows: {counted.n_leads} leads{sampled}, {n_rejected} rejected")
    tell("learning and comparing")
    if aside is not None and leads.outcome is not None:
        check_enough(leads)
        aside.get_ready(tracking_uri)
    calibration = calibrate_counted(counted, settings, name)
    known_as = str(calibration.result["data"]["name"])
    directory = calibration.save_figures(out_dir or f"{known_as}-calibration")
    keep_inputs(calibration, leads, settings, directory)
    run, error = (None, None)
    if aside is not None:  # whatever MLflow does from here on, the results are on disk
        run, error = _open(aside, known_as, tracking_uri, directory)
        if run is not None:
            calibration = calibration.with_run(run.run_id)
            calibration.save_cards(directory)
    model, champion = None, False
    if calibration.card is not None:
        store = Store(store_root)
        model = store_card(calibration, directory, store, None if run is None else run.run_id)
        champion = store.champion(known_as) == int(model.rpartition("@")[2])
    tracked = None
    if aside is None or run is None:
        calibration.save_report(directory)
    else:
        from leadml.tracking import track_calibration, track_contenders
        from leadml.workflows.track import register_card

        tell("tracking in MLflow")
        aside.begin(track_contenders, directory, run)  # the report is drawn in the meantime
        try:
            calibration.save_report(directory)
        except BaseException:
            aside.close()  # which leaves it time to mark the run as failed
            raise
        try:
            aside.wait()
            tracked = aside.call(track_calibration, directory, run, with_contenders=False)
            aside.call(register_card, directory, tracked, store_root)
        except TrackingError as caught:
            error = str(caught)
    if aside is not None:
        aside.close()
    return CalibratedFile(calibration, directory, model, champion, tracked, error)


def _open(
    aside: Aside, name: str, tracking_uri: str | None, directory: Path
) -> tuple[OpenRun | None, str | None]:
    """Start a run, or say why it cannot be started."""
    from leadml.tracking import open_run

    later = f"The result is complete in {directory}; `leadml track {directory}` sends it later."
    try:
        return aside.call(open_run, f"calibrate {name}", tracking_uri, then=later), None
    except TrackingError as caught:
        return None, str(caught)
