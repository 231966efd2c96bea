"""Small logs of known truth: a rule with two steps of score, and a card that ranks better (or not)."""

import dataclasses

import numpy as np
import pytest

from leadml.evaluation.log import Entries, Log
from leadml.evaluation.metrics import HeldOut, at_workload
from leadml.levels import logistic


def _make_log(n=600, *, better=1.0, per_unit=1, blocks=4, seed=0, base=-0.8):
    """The card sees the log-odds of winning, times `better`, beside noise; the rule sees a third of them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.2, n)
    unit = np.arange(n) // per_unit
    shared = rng.normal(0, 0.8, n)[unit] if per_unit > 1 else 0.0
    y = (rng.uniform(size=n) < logistic(base + truth + shared)).astype(np.int8)
    rule = np.round(np.clip(truth / 3 + rng.normal(0, 1, n), -1.5, 1.5))
    card = np.round(better * truth + (1 - better) * rng.normal(0, 1, n), 1)
    block = np.sort(np.arange(n) * blocks // n).astype(np.int32)
    decision = (rule >= 1).astype(float)
    log = Log(
        np.arange(n), block, np.zeros(n, np.int32), y, unit.astype(np.int64), np.ones(n),
        entries={"rule": Entries(rule, np.full(n, np.nan), decision)},
    )  # fmt: skip
    taken = at_workload(HeldOut(log), card, decision)
    return dataclasses.replace(log, entries={**log.entries, "card": Entries(card, logistic(base + card), taken)})


@pytest.fixture
def make_log():
    """Factory of small logs."""
    return _make_log
