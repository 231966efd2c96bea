"""The wide card: attributes that tell nothing, small data, attributes that matter."""

import dataclasses

import numpy as np
import pyarrow as pa

from leadml.calibration.contenders import View, learn_wide, scorecard_learners
from leadml.frameworks.catalog import load_framework
from leadml.levels import logistic
from tests.truth.firms import draw, truth_of
from tests.truth.rows import mean, share

N_FRESH = 20_000
# name -> (deals, columns of noise, categories, columns that matter, world)
CASES = {
    "noise, outcome by chance": (1000, 40, 20, 0, "null"),
    "noise, outcome by the criteria": (1000, 40, 20, 0, "tilted"),
    "120 deals, 15 columns": (120, 12, 5, 3, "tilted"),
    "1,000 deals, 3 of 15 columns matter": (1000, 12, 5, 3, "tilted"),
}


def auc(score, won):
    """Area under the curve, ties half."""
    from scipy.stats import rankdata

    rank, n1 = rankdata(score), won.sum()
    return (rank[won].sum() - n1 * (n1 + 1) / 2) / (n1 * (len(won) - n1))


def deals(name, seed, n):
    """Leads with columns of categories; those that matter move the log-odds."""
    _, noise, size, matter, world = CASES[name]
    truth = truth_of(world)
    leads = draw(n, truth, seed)
    rng = np.random.default_rng([seed, n, 9])
    effects = np.random.default_rng(3).normal(0, 0.8, (matter, size))
    context, moved = {}, np.zeros(n)
    for at in range(noise + matter):
        codes = rng.integers(0, size, n)
        if at < matter:
            moved += effects[at][codes]
        words = pa.array([f"{chr(97 + at % 26)}{each}" for each in range(size)])
        context[f"column{at}"] = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), words)
    if matter:
        codes = leads.codes[:, [leads.criteria.index(c) for c in truth.criteria]]
        p = np.clip(truth.probability(codes), 1e-6, 1 - 1e-6)
        won = rng.uniform(size=n) < logistic(np.log(p / (1 - p)) + moved)
        leads = dataclasses.replace(leads, outcome=won.astype(np.int8))
    return dataclasses.replace(leads, context=context)


def widened(name, seed):
    """Attributes chosen, and the wide card's AUC on fresh leads beside that of the criteria card."""
    train, fresh = deals(name, seed, CASES[name][0]), deals(name, seed + 10**6, N_FRESH)
    framework = load_framework("bant")
    view = View(framework, framework.criterion_ids)
    card = scorecard_learners(view, 0)[0](train, None).predict(fresh)
    wide = learn_wide(view, train, columns=tuple(train.context), attributes=8)
    won = np.asarray(fresh.outcome) == 1
    ahead = auc(wide.predict(fresh).score, won) - auc(card.score, won)
    return {"none": not wide.card.attributes, "ahead": ahead}


def wide(found):
    """Rows."""
    rows = []
    for name in list(CASES)[:2]:
        rows.append(share(f"wide card, no attribute, {name}", [f["none"] for f in found[name]], low=0.9))
        rows.append(
            share(
                f"wide card, not .01 below the criteria card, {name}",
                [f["ahead"] > -0.01 for f in found[name]],
                low=1.0,
            )
        )
    small, large = list(CASES)[2:]
    rows.append(mean(f"wide - criteria card, AUC, {small}", [f["ahead"] for f in found[small]], low=-0.01))
    rows.append(mean(f"wide - criteria card, AUC, {large}", [f["ahead"] for f in found[large]], low=0.03))
    return rows
