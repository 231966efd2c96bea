"""Simulated firms: a world, its closed deals as a CRM exports them, and what calibrate says of them."""

import dataclasses
import functools
import tempfile
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import leadml
from leadml.calibration.drift import find_drift
from leadml.calibration.experiment import Experiment
from leadml.calibration.figures import Facts
from leadml.calibration.hold_out import hold_out
from leadml.calibration.rules import judge_rules
from leadml.calibration.study import make_blocks, make_study
from leadml.data.deals import Leads
from leadml.datasets.sample import make_leads, write_csv
from leadml.datasets.worlds import make_truth

RULES = {"met": ("bant-ibm", 3), "points": ("bant-points", 9)}
"""The documented rule that a world is made around, and its cut-off, by what it counts."""
CARD = "bant-integer"
truth_of = functools.cache(make_truth)


def settings_of(form, **more):
    """One rule, its framework's card, plain logistic regression and the prior."""
    rule = RULES[form][0]
    given = {"policies": (rule,), "baseline": rule, "frameworks": ("bant",), "contenders": (), "wide": False}
    return Experiment(**{**given, **more})


def draw(n, truth, seed, dated=False, **options):
    """Deals of a firm, BANT's four criteria and nothing else; without dates they are in the order of the file."""
    leads = make_leads(n, truth.world, seed, truth=truth, all_criteria=False, **options)
    leads = dataclasses.replace(leads, context={}, contactable=None, amount=None)
    return leads if dated else dataclasses.replace(leads, created=None, closed=None)


def mapping_of(leads):
    """The mapping of what `write_csv` writes."""
    criteria = {name: {"column": name.capitalize()} for name in leads.criteria}
    out = {"name": "firm", "lead_id": "Deal ID", "criteria": criteria, "order": "rows"}
    out["outcome"] = {"column": "Status", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]}
    if leads.created is not None:
        out["dates"] = {"created": "Created on", "closed": "Closed on"}
        del out["order"]
    if leads.unit is not None:
        out["group"] = ["Account"]
    if leads.followed_up is not None:
        out["followed_up"] = {"column": "Worked", "values": ["yes"]}
    if leads.propensity is not None:
        out["propensity"] = {"column": "Chance of being picked"}
    if leads.context:
        out["context"] = [name.capitalize() for name in leads.context]
    return out


def through_csv(leads):
    """The same leads, exported to a CSV file and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_csv(leads, Path(folder) / "deals.csv")
        return leadml.read_leads(path, leadml.load_mapping(mapping_of(leads)))


def calibrate(leads, form, **more):
    """What `leadml calibrate` says of the CSV file."""
    return leadml.calibrate(through_csv(leads), settings_of(form, **more))


def fresh(truth, last=True):
    """Every pattern of codes that a fresh lead can have: figures over them are those of endlessly many."""
    return Leads(criteria=truth.criteria, codes=np.asfortranarray(truth.patterns))


def true_gain(truth, score, form):
    """Share of all wins that a ranking gains over the documented rule, at its workload, on fresh leads."""
    unit, cutoff = form, RULES[form][1]
    rule = (truth.score(unit) >= cutoff).astype(float)
    workload = truth.workload(unit, cutoff)
    return truth.captured(score, workload) - truth.captured(rule, workload)


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """What is said of the first n deals: the rule as judged, and the card learned from them."""

    policy: object
    fitted: object

    def score(self, truth):
        """Points of every pattern."""
        return self.fitted.predict(fresh(truth)).score


class Stream:
    """A firm whose deals come in one after the other; what was held out once is only appended to."""

    def __init__(self, leads, form):
        settings = settings_of(form)
        study = make_study(leads, settings)
        own = {name: study.contenders[name] for name in (settings.baseline, CARD)}
        self.study = dataclasses.replace(study, contenders=own)
        with threadpool_limits(1):
            self.log = hold_out(self.study)[0]

    def first(self, n):
        """The study of the first n deals."""
        deals, settings = self.study.deals.take(np.arange(n)), self.study.settings
        blocks = make_blocks(deals, settings.evaluation, self.study.dated, settings.random_state)
        return dataclasses.replace(self.study, deals=deals, compared=deals, blocks=blocks)

    def look(self, n):
        """What `leadml calibrate` would say of the first n deals."""
        study = self.first(n)
        with threadpool_limits(1):
            log = self.log.subset(self.log.row < n) if study.timed else hold_out(study)[0]
            drifted = find_drift(study.deals, study.learnable.values())[1] if study.timed else False
            fitted = study.contenders[CARD].fit(study.deals)
            return Look(judge_rules(Facts(study, log, {CARD: fitted}, drifted))[0], fitted)

    def change(self, n):
        """Whether `change` is said of the weights after n deals."""
        return self.look(n).policy.verdict_weights == "change"
