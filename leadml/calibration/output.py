"""What a calibration found: as a record, as tidy frames and charts, and as the folder that it leaves."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Mapping
from functools import partial
from html import escape
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import leadml
from leadml.calibration.experiment import Experiment
from leadml.card.files import write_text
from leadml.card.record import Card
from leadml.data.chunks import release_memory
from leadml.data.deals import Leads
from leadml.data.rejections import Rejections
from leadml.evaluation.log import Log
from leadml.exceptions import LeadmlError
from leadml.records import dump_record
from leadml.registry.evidence import DEAL_COUNTS
from leadml.result import Figure, Result, load_result

if TYPE_CHECKING:
    import pandas as pd

ANY = {"as_of": None, "contenders": None}
"""Settings that continue a log whatever they are: a later day of export, and contenders that enter later."""


VERDICTS = (
    "rule verdict because verdict_weights verdict_cutoff gain_weights gain_weights_low gain_weights_high"
    " gain_cutoff gain_cutoff_low gain_cutoff_high p_better wins_per_100_keep wins_per_100_change"
)
CUTOFFS = "rule documented learned learned_low learned_high basis value_from value_to"
NAMES = {
    "id": "rule",
    "documented_cutoff": "documented",
    **{f"learned_cutoff{end}": f"learned{end}" for end in ("", "_low", "_high")},
    "learned_cutoff_basis": "basis",
    "implied_value_low": "value_from",
    "implied_value_high": "value_to",
}
"""Columns of these frames, named by the path of their field but for these."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """What a calibration found. `calibrate` makes one.

    Attributes
    ----------
    result : Result
        Everything, as a typed record; ``result.json`` is its dump.
    card : Card or None
        The recommended card; None where no framework has two mapped criteria.
    cards : dict of str to Card
        Every card by contender.
    held_out : Log
        What each contender said of each held-out deal; `log` is the same as a frame.
    fitted : dict of str to object
        Contenders that are no card, fitted to all deals compared.
    settings : Experiment
        What was asked.
    leads : Leads
        What was read.
    deal_counts : bytes or None
        How many deals of each pattern of answers were won and lost: ``deal_counts.parquet``.

    Examples
    --------
    >>> import leadml
    >>> found = leadml.calibrate(leadml.make_leads(300, world="tilted"), {"contenders": ["cutoff"]})
    >>> found.result.recommended.contender
    'bant-integer'
    >>> list(found.verdicts.columns[:3])
    ['rule', 'verdict', 'because']
    """

    result: Result
    card: Card | None
    cards: Mapping[str, Card]
    held_out: Log
    fitted: Mapping[str, Any]
    settings: Experiment
    leads: Leads
    deal_counts: bytes | None = None

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row a documented rule: verdict, gains with intervals, outlook."""
        return _of_rules(self.result, VERDICTS)

    @property
    def contenders(self) -> pd.DataFrame:
        """One row a contender and figure: value, low, high.

        `auc` is the mean within blocks, weighted by won x lost pairs; log loss and Brier score are pooled.
        """
        import pandas as pd

        rows = [
            {"contender": each.id, "kind": each.kind, "figure": name, **dict(figure)}
            for each in self.result.contenders
            for name, figure in [*each, *((f"gain_{name}", gain) for name, gain in each.gain), *each.metrics.items()]
            if isinstance(figure, Figure)
        ]
        return pd.DataFrame(rows, columns=["contender", "kind", "figure", "value", "low", "high", "p_adjusted"])

    @property
    def cutoffs(self) -> pd.DataFrame:
        """One row a documented rule: documented and learned cut-off, implied value."""
        return _of_rules(self.result, CUTOFFS)

    @property
    def weights(self) -> pd.DataFrame:
        """One row a rule and criterion: documented and learned weight, with interval."""
        import pandas as pd

        own = [(rule.id, name, weight) for rule in self.result.policies for name, weight in rule.weights.items()]
        rows = [{"rule": rule, "criterion": name, **dict(weight)} for rule, name, weight in own]
        return pd.DataFrame(rows, columns=["rule", "criterion", "documented", "learned", "low", "high"])

    @property
    def log(self) -> pd.DataFrame:
        """One row a held-out deal and contender: the columns of ``log.parquet``."""
        frame: pd.DataFrame = self.held_out.to_arrow().to_pandas()
        return frame

    @property
    def plot(self) -> Any:
        """Altair charts: cutoffs(), weights(), gain(), reliability(), bands(), decision_curve()."""
        from leadml.report.charts import draw

        names = ("bands", "cutoffs", "decision_curve", "gain", "reliability", "weights")
        return SimpleNamespace(**{n: partial(draw, n, self.result, self.card, self.held_out) for n in names})

    def to_html(self) -> str:
        """Render the report: one page that needs nothing else."""
        from leadml.report.html import render_html

        return str(render_html(self.result, self.card, self.held_out))

    def __repr__(self) -> str:
        """What a console shows: the verdicts, not everything."""
        told = ", ".join(f"{each.id}: {each.verdict}" for each in self.result.policies)
        return f"<Calibration of {self.result.data.name}: {told}; recommended: {self.result.recommended.contender}>"

    def _repr_html_(self) -> str:
        """The verdicts, the recommended card and the gravest findings."""
        result, data = self.result, self.result.data
        rules = [(escape(each.id), each.verdict, escape(each.because)) for each in result.policies]
        rows = "".join(f"<tr><td>{rule}</td><td><b>{said}</b></td><td>{why}</td></tr>" for rule, said, why in rules)
        grave = [f"{each.code} {escape(each.title)}" for each in result.findings if each.severity != "note"]
        return (
            f"<p><b>{escape(data.name)}</b>: {data.n_won:,.0f} won and {data.n_lost:,.0f} lost deals."
            f" {escape(result.recommended.because)}</p>"
            f"<table><tr><th>rule</th><th>verdict</th><th>because</th></tr>{rows}</table>"
            f"<ul>{''.join(f'<li>{each}</li>' for each in grave)}</ul>"
        )

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write result.json, report.html, card.json, cards/, log.parquet, rejected.csv, models/ and inputs.

        Parameters
        ----------
        directory : str or path
            Folder, made where it is absent. A log.parquet of the same mapping, settings and version is
            appended to; one of others is kept aside as log-1.parquet.

        Returns
        -------
        Path
            The folder.
        """
        folder = Path(directory)
        (folder / "cards").mkdir(parents=True, exist_ok=True)
        path, aside = folder / "log.parquet", log_aside(folder, self.leads, self.settings)
        if aside is not None:
            path.rename(aside)
        looks = load_result(folder).evaluation.looks if path.exists() else 0
        looks += self.held_out.append(path)  # first of all: it alone may refuse
        evaluation = self.result.evaluation.model_copy(update={"looks": looks})
        found = dataclasses.replace(self, result=self.result.model_copy(update={"evaluation": evaluation}))
        write_text(folder / "result.json", found.result.model_dump_json(indent=2, by_alias=True) + "\n")
        for name, card in found.cards.items():
            card.save(folder / "cards" / f"{name}.json")
        if found.card is not None:
            found.card.save(folder / "card.json")
        save_models(found, folder / "models")
        if found.leads.mapping is not None:
            write_text(folder / "mapping.yaml", dump_record(found.leads.mapping.kept(found.leads.format)))
        write_text(folder / "experiment.yaml", dump_record(found.settings))
        (found.leads.rejections or Rejections()).save(folder / "rejected.csv")
        if found.deal_counts is not None:
            (folder / DEAL_COUNTS).write_bytes(found.deal_counts)
        release_memory()  # charts are drawn by another engine, which needs some of its own
        write_text(folder / "report.html", found.to_html())
        return folder

    def track(self, run: Any = None) -> Any:
        """Log to MLflow, nested in the active run if there is one.

        ``mlflow.models.evaluate(uri, frame, targets=..., model_type="classifier")`` judges a logged model: its
        decisions and, where it has them, its chances. MLflow's explainer stumbles over pandas' ``str`` columns; give
        them as ``object``, or ``evaluator_config={"log_model_explainability": False}``.

        Parameters
        ----------
        run : str or mlflow run, optional
            The run to log to; a new one by default.

        Returns
        -------
        object
            Where MLflow has it.
        """
        from leadml.tracking import track_calibration

        return track_calibration(self, run=run)


def _of_rules(result: Result, columns: str) -> pd.DataFrame:
    """One row a documented rule."""
    import pandas as pd

    flat = pd.json_normalize([each.model_dump(exclude_none=True) for each in result.policies], sep="_")
    paths = [str(path).removeprefix("outlook_").removesuffix("_value") for path in flat.columns]
    flat.columns = [NAMES.get(path, path) for path in paths]
    return flat.reindex(columns=columns.split())


def log_aside(folder: Path, leads: Leads, settings: Experiment) -> Path | None:
    """Where the log of a folder is kept, if it comes from another mapping, experiment or version; else None."""
    if not (folder / "log.parquet").exists():
        return None

    try:
        before = load_result(folder)
        same = before.leadml_version == leadml.__version__
        same &= {**before.settings, **ANY} == {**settings.model_dump(mode="json", by_alias=True), **ANY}
        same &= leads.mapping is None or before.data.mapping_digest == leads.mapping.digest()
    except LeadmlError:  # what this version cannot read is another version's
        same = False
    return None if same else next(each for n in count(1) if not (each := folder / f"log-{n}.parquet").exists())


def save_models(found: Calibration, folder: Path) -> None:
    """Write contenders that are no card: ID.joblib, and ID.json with what it is and its SHA-256."""
    import joblib

    for contender in found.result.contenders:
        name, kinds = contender.id, ("context", "custom")
        if name not in found.fitted or contender.kind not in kinds:
            continue
        folder.mkdir(exist_ok=True)
        joblib.dump(found.fitted[name], content := io.BytesIO(), compress=3)
        (folder / f"{name}.joblib").write_bytes(content.getvalue())
        about = {
            **contender.model_dump(include={"id", "title", "kind"}),
            "leadml_version": found.result.leadml_version,
            "criteria": list(found.leads.criteria),
            "context": list(found.leads.context),
            "data_digest": found.leads.digest,
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
        }
        write_text(folder / f"{name}.json", json.dumps(about, indent=2) + "\n")
        write_text(folder / f"{name}.joblib.sha256", f"{about['sha256']}\n")  # asked for before it is loaded
