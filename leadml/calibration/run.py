"""Calibrate: closed deals in, verdicts on documented rules and a learned card out."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sklearn.utils  # noqa: F401  (pools are limited that are loaded by then)
from threadpoolctl import threadpool_limits

from leadml.calibration.conclude import conclude, count_answers
from leadml.calibration.deals import check_enough, set_aside
from leadml.calibration.experiment import Experiment, load_experiment
from leadml.calibration.figures import RESERVED
from leadml.calibration.hold_out import Progress, hold_out
from leadml.calibration.output import Calibration
from leadml.calibration.study import make_study
from leadml.card.record import is_name
from leadml.data.chunks import release_memory
from leadml.data.deals import Leads
from leadml.exceptions import UsageError
from leadml.tracking import without_autologging


@without_autologging()
def calibrate(
    leads: Leads,
    experiment: Experiment | Mapping[str, Any] | str | Path | None = None,
    *,
    frameworks: Sequence[Any] | None = None,
    contenders: Sequence[Any] | None = None,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    n_jobs: int | None = None,
    name: str | None = None,
) -> Calibration:
    """Learn from closed deals, compare with the documented rules, and say what may be said.

    Parameters
    ----------
    leads : Leads
        Leads with outcomes; learned from are the closed ones that were created long enough ago.
    experiment : Experiment, dict or path, optional
        Settings.
    frameworks : sequence, optional
        Ids, YAML files, dicts or Frameworks; all that have a mapped criterion by default.
    contenders : sequence, optional
        Names of contenders, and pairs (name, scikit-learn classifier): a Pipeline gets criteria, context, and what
        criteria are read from where it holds more than six values, as a frame; any other classifier gets numbers.
    metrics : sequence of callable or dict of str to callable, optional
        Further figures of every contender, ``metric(outcome, predicted, sample_weight=weights)``: `predicted` is its
        probability, or a documented rule's score, as it has none; the interval reweights deals through `sample_weight`.
    progress : callable, optional
        Called with (what, done, of how many).
    n_jobs : int, optional
        Threads; 1 by default.
    name : str, optional
        Name of the card; the mapping's by default.

    Returns
    -------
    Calibration
        Verdicts, figures, cards and the log of held-out decisions.

    Raises
    ------
    UsageError
        The leads are not read yet or hold no outcome, a setting or the name is wrong, or a metric fails on chances.
    TooFewDealsError
        Fewer than 20 deals are won or lost.
    InputError
        All criteria are constant.

    Examples
    --------
    >>> import leadml
    >>> leadml.calibrate(leadml.make_leads(30))
    Traceback (most recent call last):
    leadml.exceptions.TooFewDealsError: ...
    """
    classifiers = check_asked(leads, name, frameworks, contenders)
    named = {} if contenders is None else {"contenders": [each for each in contenders if isinstance(each, str)]}
    settings = load_experiment(experiment, **named)
    own = own_metrics(metrics)  # a wrong name is told before anything is learned
    leads = set_aside(leads, settings.without)
    check_enough(leads)
    study = make_study(leads, settings, frameworks, classifiers)
    # one thread unless more are asked for: counts of patterns are small, and threads wait for each other longer
    with threadpool_limits(n_jobs or 1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user's classifier may warn once a block
        log, lost = hold_out(study, progress)
        release_memory()
        found = conclude(study, log, lost, own, name or name_of(leads))
    release_memory()
    for metric in own:
        if lacking := [each.id for each in found.result.contenders if metric not in each.metrics]:
            of = f"of {', '.join(lacking)}" if len(lacking) < len(found.result.contenders) else "of any contender"
            warnings.warn(f"metrics: {metric} gave no finite number {of}; left out", UserWarning, stacklevel=3)
    return dataclasses.replace(found, deal_counts=count_answers(study, found.card))


def name_of(leads: Leads) -> str:
    """Name of the mapping, else of the file, written as a model can be called."""
    text = Path(leads.source).stem if leads.mapping is None else str(leads.mapping.name)
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip("._-")[:60].rstrip(".") or "calibration"


def check_asked(
    leads: object, name: object, frameworks: Sequence[Any] | None, contenders: Sequence[Any] | None
) -> list[tuple[str, Any]]:
    """Refuse before learning what would be refused after it; the user's own classifiers, named as files can be."""
    if not isinstance(leads, Leads):
        how = "read them first: leadml.read_leads(deals, mapping), or Leads.from_arrays(levels, outcome)"
        raise UsageError(f"leads: got {type(leads).__name__}; valid: Leads; {how}")
    if name and not is_name(name):
        valid = "1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"
        raise UsageError(f"name: got {name!r}; valid: {valid}; a model and its file are called so")
    if frameworks is not None and not len(frameworks):
        raise UsageError("frameworks: got none; valid: ids, YAML files or Frameworks; name some, or leave it out")
    own = [each for each in contenders or () if not isinstance(each, str)]
    for each in own:
        called, classifier = each if isinstance(each, tuple | list) and len(each) == 2 else ("", each)
        if not is_name(called) or not hasattr(classifier, "fit") or not hasattr(classifier, "predict_proba"):
            valid = "one of the names, or a pair of 1 to 64 of A-Z a-z 0-9 . _ - (a letter or digit first) and a"
            how = 'scikit-learn classifier with fit and predict_proba; write it as ("mine", classifier)'
            raise UsageError(f"contenders: got {repr(each)[:80]}; valid is {valid} {how}")
    return own


def own_metrics(metrics: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Metrics by name."""
    given = [each if isinstance(each, tuple) else (None, each) for each in metrics or ()]
    pairs = [(name or str(getattr(each, "__name__", type(each).__name__)), each) for name, each in given]
    made: dict[str, Any] = {}
    for name, metric in metrics.items() if isinstance(metrics, Mapping) else pairs:
        if name in made or name in RESERVED:
            own = f", which is leadml's own; valid is any but {', '.join(RESERVED)}"
            what = own if name in RESERVED else " twice; valid is each name once"
            raise UsageError(f"metrics: got the name {name!r}{what}; give them as metrics={{name: function}}")
        made[name] = metric
    return made
