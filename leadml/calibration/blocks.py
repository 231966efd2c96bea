"""Blocks of held-out deals: rolling origin where there is time, else k-fold by unit, twice."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from leadml.calibration.comparison import Held
from leadml.calibration.study import Study
from leadml.calibration.views import Note
from leadml.data.split import k_folds, rolling_blocks, times_of

LEAST = 5
"""Won and lost deals that a block needs to learn from."""


def make_blocks(study: Study) -> tuple[Study, list[Held], list[Note]]:
    """Blocks, and the study with `timed` as it turned out: too few dated deals are held out by k-fold."""
    held = _rolling(study) if study.timed else []
    notes: list[Note] = []
    if held:
        embargoed = sum(each.n_embargoed for each in held)
        if embargoed:
            notes.append(("LML403", {"n": embargoed, "where": "evaluation"}))
    else:
        study = dataclasses.replace(study, timed=False)
        held = _folds(study)
    if study.settings.split is not None:
        how = "in rolling blocks" if study.timed else "by k-fold"
        notes.append(("LML701", {"kind": study.settings.split.kind, "how": how, "where": "experiment"}))
    return study, held, notes


def _rolling(study: Study) -> list[Held]:
    deals, settings = study.compared, study.settings.evaluation
    times = times_of(deals)
    known = np.arange(len(deals)) if times is None else times.known
    came_in = None if times is None else times.came_in
    blocks = rolling_blocks(
        known, came_in, deals.unit, first=settings.first, growth=settings.growth, embargo=settings.embargo
    )
    held = [
        Held(each.train, each.test, at, 0, each.n_embargoed)
        for at, each in enumerate(blocks)
        if _enough(study, each.train)
    ]
    won = sum(int((np.asarray(deals.outcome)[h.test] == 1).sum()) for h in held)
    return held if won >= LEAST else []


def _enough(study: Study, train: Any) -> bool:
    outcome = np.asarray(study.compared.outcome)[train]
    return bool(min((outcome == 1).sum(), (outcome == 0).sum()) >= LEAST)


def _folds(study: Study) -> list[Held]:
    deals, settings = study.compared, study.settings
    n_folds, repeats = settings.evaluation.folds, settings.evaluation.repeats
    folds = k_folds(
        deals.unit, np.asarray(deals.outcome), n_folds=n_folds, repeats=repeats, random_state=settings.random_state
    )
    per_repeat = len(folds) // repeats
    return [
        Held(each.train, each.test, at, at // per_repeat, each.n_straddling)
        for at, each in enumerate(folds)
        if len(each.test)
    ]
