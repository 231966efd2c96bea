"""Findings where there is something to find and where there is nothing; null worlds; extreme files."""

import dataclasses
import functools
import itertools
import math
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from tests.truth.firms import calibrate, draw, leadml, truth_of
from tests.truth.rows import share

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MAPPINGS = Path(__file__).resolve().parents[2] / "configs" / "mappings"

# name -> (world, codes of which any names it)
NAMED = {
    "late answers": ("late_answers", {"LML112"}),
    "selection by hunch": ("selected_hunch", {"LML605"}),
    "base-rate drift": ("drifting", {"LML401"}),
    "reversed criterion": ("reversed", {"LML205"}),
    "inverted U": ("inverted_u", {"LML206"}),
    "gate": ("gate", {"LML207"}),
    "unreachable cut-off": ("rule_right", {"LML307"}),
}
WITHOUT = ("rule_right", "met_right", "tilted", "steps", "dud", "null", "unknown_junk", "unknown_random",
           "grouped", "immature", "selected_random")  # fmt: skip
TESTS = {code for _, codes in NAMED.values() for code in codes}
TESTS |= {"LML101", "LML102", "LML113", "LML402", "LML405", "LML406"}


def found_in(name, seed):
    """Codes of the findings on 1,000 dated deals, through CSV."""
    world = NAMED[name][0] if name in NAMED else name
    form = "met" if world.startswith(("met", "selected")) or name == "unreachable cut-off" else "points"
    leads = draw(1000, truth_of(world, form=form), seed, dated=True)
    if name == "unreachable cut-off":
        leads = dataclasses.replace(leads, criteria=leads.criteria[:2], codes=leads.codes[:, :2])
    result = calibrate(leads, form).result
    return {each.code for each in result.findings}, result.policies[0].verdict


def named(found):
    """Rows: found where it is, and not where it is not."""
    rows = []
    for name, (_, codes) in NAMED.items():
        old = "0 of 4" if name == "late answers" else "change in 6 of 12" if name == "selection by hunch" else ""
        rows.append(share(f"finding, {name}", [bool(codes & f) for f, _ in found[name]], low=0.9, old=old))
    for name, (_, codes) in NAMED.items():
        hits = [bool(codes & f) for world in WITHOUT for f, _ in found[world]]
        rows.append(share(f"finding without cause, {name}", hits, high=0.05))
    for code, world in itertools.product(sorted(TESTS), WITHOUT):
        hits = [code in f for f, _ in found[world]]
        if hits and binomtest(sum(hits), len(hits), 0.05, "greater").pvalue < 0.001:  # of about a hundred looked at
            rows.append(share(f"finding {code} in the world {world}", hits, high=0.05))
    hunch = [verdict == "change" for _, verdict in found["selection by hunch"]]
    return [*rows, share("`change` of a right rule, selected by hunch", hunch, high=0.05, old="6 of 12")]


CLAIMS = {"LML205", "LML206", "LML207", "LML302", "LML406"}


def says_nothing(result):
    """Whether nothing is claimed: no change, nothing better than the base rate, no misfit, no drift of weights."""
    codes = {each.code for each in result.findings}
    return "LML301" in codes and not codes & CLAIMS and all(p.verdict_weights != "change" for p in result.policies)


@functools.cache
def real(name):
    """Deals of one of the data sets, None where they are absent."""
    path = {"b2b_deals": "b2b_deals/b2b_deals.csv", "crm_pipeline": "crm_pipeline/sales_pipeline.csv"}[name]
    return (
        leadml.read_leads(DATA / path, leadml.load_mapping(MAPPINGS / f"{name}.yaml"))
        if (DATA / path).exists()
        else None
    )


NULLS = ("null world", "b2b_deals shuffled", "crm_pipeline shuffled", "crm_pipeline")


def nothing_in(name, seed):
    """Whether nothing is found where there is nothing."""
    if name == "null world":
        leads = draw(1000, truth_of("null"), seed, dated=True)
        return says_nothing(calibrate(leads, "met").result)
    leads = real(name.split()[0])
    if leads is None or (name == "crm_pipeline" and seed):
        return None
    outcome = np.array(leads.outcome)
    if name != "crm_pipeline":
        closed = np.flatnonzero(outcome >= 0)
        rng = np.random.default_rng(seed)
        outcome[closed] = rng.permutation(outcome[closed])
    small = {"contenders": ()} if name == "b2b_deals shuffled" else {"contenders": (), "single_deals": 2000}
    result = leadml.calibrate(dataclasses.replace(leads, outcome=outcome), small).result
    return says_nothing(result)


def nothing(found):
    """Rows."""
    rows = []
    for name in NULLS:
        hits = [each for each in found[name] if each is not None]
        if hits:
            rows.append(share(f"nothing found, {name}", hits, low=0.95))
    return rows


# name -> (n, world, options): where earlier versions crashed or were silly
EXTREME = {
    "n = 60": (60, "tilted", {}),
    "base rate 2%": (3000, "tilted", {"base_rate": 0.02}),
    "base rate 80%": (1000, "tilted", {"base_rate": 0.8}),
    "n = 5,000": (5000, "right", {}),
}


def extreme(name, seed):
    """Whether the answer is honest: estimates inside their intervals, a verdict that the data allow."""
    n, world, options = EXTREME[name]
    truth = truth_of("rule_right" if world == "right" else world, form="points", **options)
    try:
        result = calibrate(draw(n, truth, seed, dated=True), "points").result
    except leadml.TooFewDealsError:
        return {"honest": True, "verdict": "refused"}
    numbers = [f for p in result.policies for f in (p.gain_weights, p.gain_cutoff) if f is not None]
    numbers += [f for c in result.contenders for f in (c.auc, c.log_loss, c.calibration_slope) if f is not None]
    inside = all(f.low is None or f.high is None or f.low - 1e-9 <= f.value <= f.high + 1e-9 for f in numbers)
    more = [p.more_deals_needed for p in result.policies if p.more_deals_needed is not None]
    honest = inside and all(1 <= each <= 50 * n and math.isfinite(each) for each in more)
    return {"honest": honest, "verdict": result.policies[0].verdict_weights}


def extremes(found):
    """Rows."""
    what = "no crash, estimates in their intervals, "
    rows = [share(what + name, [f["honest"] for f in found[name]], low=1.0) for name in EXTREME]
    few = [f["verdict"] != "change" for f in found["n = 60"]]
    return [*rows, share("no `change` from 60 deals", few, low=0.9)]
