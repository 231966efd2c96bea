"""Share of the attainable gain, and coverage: weights, probabilities, gains, cut-offs."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from leadml.datasets.sample import make_leads, write_csv
from leadml.evaluation.metrics import HeldOut, at_workload
from tests.truth.firms import RULES, calibrate, draw, fresh, leadml, mapping_of, truth_of
from tests.truth.rows import mean, share

OLD = {"rule_right": ".50", "tilted": ".41", "dud": ".57", "steps": ".16"}
GAIN_WORLDS = ("rule_right", "tilted", "dud", "steps")


def score_of(found, truth):
    """Points that the recommended card gives to every pattern, by the table that predict uses."""
    return found.card.lookup.answers(leadml.card.codes.codes_of(found.card, fresh(truth))).points.astype(float)


def attainable_of(world, seed):
    """Share of the attainable gain of the recommended card and of plain logistic regression."""
    truth = truth_of(world, unknown="random", unknown_share=0.1)
    out = {}
    for n in (300, 1000):
        found = calibrate(draw(n, truth, seed), "met")
        plain = found.fitted["logistic"].predict(fresh(truth))
        out[n] = (truth.attainable(score_of(found, truth)), truth.attainable(plain.score))
    return out


def attainable(found):
    """Rows by world and number of deals, and the least lead over plain logistic regression."""
    rows, ahead = [], []
    for n in (300, 1000):
        for world in GAIN_WORLDS:
            firms = [each[n] for each in found[world]]
            low = {300: 0.80, 1000: 0.90}[n] - {300: 0.10, 1000: 0.05}[n] * (world == "steps")
            plain = float(np.mean([b for _, b in firms]))
            old = OLD[world] if n == 1000 else ""
            what = f"attainable gain, {world}, n = {n:,}"
            rows.append(mean(what, [a for a, _ in firms], low=low, plain=plain, old=old))
            ahead.append(mean(f"card - plain logistic, {world}, n = {n:,}", [a - b for a, b in firms], low=-0.03))
    return [*rows, *ahead]


BESIDE = ("gate", "inverted_u", "reversed", "drifting", "grouped", "unknown_random", "unknown_junk")


def beside_plain(world, seed):
    """Wins captured by the recommended card more than by plain logistic regression, as attainable gain."""
    truth = truth_of(world)
    found = calibrate(draw(1000, truth, seed), "met")
    plain = found.fitted["logistic"].predict(fresh(truth)).score
    return truth.attainable(score_of(found, truth)) - truth.attainable(plain)


def never_below(found):
    """Rows of the other worlds."""
    return [mean(f"card - plain logistic, {world}, n = 1,000", found[world], low=-0.03) for world in BESIDE]


def among_thirteen(world, seed):
    """The same where the file holds all 13 criteria and six frameworks compete."""
    truth = truth_of(world, unknown="random", unknown_share=0.1)
    leads = make_leads(600, truth.world, seed, truth=truth)
    leads = dataclasses.replace(leads, context={}, contactable=None, amount=None)
    found = leadml.calibrate(leads, {"contenders": (), "wide": False, "policies": ("bant-ibm",)})
    card = found.card
    codes = np.full((len(truth.patterns), len(card.criteria)), 5, np.uint8)
    for at, criterion in enumerate(card.criteria):
        if criterion.id in truth.criteria:
            codes[:, at] = truth.patterns[:, truth.criteria.index(criterion.id)]
    score = card.lookup.answers(codes).points.astype(float)
    plain = found.fitted["logistic"].predict(fresh(truth)).score
    return truth.attainable(score), truth.attainable(plain), card.framework == "bant"


def chosen(found):
    """Rows."""
    rows = []
    for world, firms in found.items():
        plain = float(np.mean([b for _, b, _ in firms]))
        what = f"attainable gain, {world}, n = 600 with dates, 13 criteria, six frameworks"
        rows.append(mean(what, [a for a, _, _ in firms], low=0.8 - 0.1 * (world == "steps"), plain=plain))
    own = [each for firms in found.values() for _, _, each in firms]
    return [*rows, share("the framework that matters is recommended", own, low=0.95)]


def predicted(world, seed):
    """100,000 fresh leads through CSV and `predict` earn what the sum over patterns says."""
    truth = truth_of(world, unknown="random", unknown_share=0.1)
    found = calibrate(draw(300, truth, seed), "met")
    leads = make_leads(100_000, truth.world, seed + 10**6, truth=truth, all_criteria=False)
    with tempfile.TemporaryDirectory() as folder:
        path = write_csv(leads, Path(folder) / "fresh.csv")
        mapping = {k: v for k, v in mapping_of(leads).items() if k not in ("outcome", "context")}
        points = leadml.predict(path, mapping, found.card)["points"].to_numpy()
    own = found.card.lookup.answers(leadml.card.codes.codes_of(found.card, leads)).points
    unit, cutoff = "met", RULES["met"][1]
    codes = leads.codes[:, [leads.criteria.index(name) for name in truth.criteria]]
    known = codes < 5
    rule = (((codes >= 2) & known).sum(axis=1) >= cutoff).astype(float)
    best, p = truth.probability(codes), truth.probability(codes)
    top = int(rule.sum())
    jitter = np.random.default_rng(seed).random(len(p))

    def captured(score):
        return p[np.lexsort((jitter, -score))[:top]].sum()

    earned = (captured(points) - captured(rule)) / (captured(best) - captured(rule))
    return {
        "same": bool((points == own).all()),
        "off": abs(earned - truth.attainable(score_of(found, truth), unit, cutoff)),
    }


def predicts(found):
    """Rows: predict gives the card's points, and 100,000 leads say what the patterns say."""
    firms = [each for world in found for each in found[world]]
    return [
        share("`predict` of a CSV gives the points of the card", [f["same"] for f in firms], low=1.0),
        mean("|100,000 predicted leads - sum over patterns|, attainable gain", [f["off"] for f in firms], high=0.03),
    ]


COVERED = {
    "right": ("rule_right", "met", {}),
    "tilted": ("tilted", "met", {}),
    "accounts": ("grouped", "met", {}),
    "line wrong": ("steps", "met", {}),
    "gate": ("gate", "met", {}),
    "after drift": ("drifting", "met", {}),
    "while it drifts": ("drifting", "met", {}),
    "5% won": ("tilted", "points", {"base_rate": 0.05}),
}
ECONOMICS = {"follow_up_cost": 30.0, "won_value": 100.0}


def coverage_of(name, seed):
    """Which intervals of a calibration hold the truth."""
    world, form, options = COVERED[name]
    truth = truth_of(world, form=form, **options)
    if name == "after drift":  # half-way, at once, and then no more
        truth = dataclasses.replace(truth, abrupt=True)
    leads = draw(1000, truth, seed, dated=truth.first is not None)
    found = calibrate(leads, form, economics=ECONOMICS)
    policy, card = found.result.policies[0], found.card
    out = {}
    if truth.weights:
        each = next(iter(policy.weights.values())).documented
        out["weights"] = [
            policy.weights[c].low <= w * each / 4 <= policy.weights[c].high for c, w in truth.weights.items()
        ]
    points = score_of(found, truth).astype(int)
    n = np.bincount(points, truth.share, minlength=len(card.table))
    won = np.bincount(points, truth.share * np.nan_to_num(truth.rate), minlength=len(card.table))
    rate = np.divide(won, n, out=np.full(len(n), np.nan), where=n > 0)
    inside = np.array([row.low <= p <= row.high for row, p in zip(card.table, rate, strict=True)])
    out["probabilities"] = float(inside @ n / n.sum())
    out["off"] = float(np.abs(np.array([row.probability for row in card.table]) - np.nan_to_num(rate)) @ n)
    cutoff = found.result.recommended.cutoff
    net = np.cumsum(((np.nan_to_num(rate) - 0.3) * n)[::-1])[::-1]
    out["cutoff"] = bool(cutoff.low <= int(np.append(net, 0.0).argmax()) <= cutoff.high)
    out["cutoff width"] = (cutoff.high - cutoff.low) / card.total_max
    out["gains"] = gain_covered(found, truth, form)
    return out


def gain_covered(found, truth, form):
    """Whether the interval of the held-out gain holds what the same decisions gain on endlessly many deals."""
    log, gain = found.held_out, found.result.policies[0].gain_weights
    if gain is None or truth.first is not None:
        return None
    held = HeldOut(log)
    rule = np.nan_to_num(log.entries[RULES[form][0]].decision)
    card = at_workload(held, log.entries["bant-integer"].score, rule)
    mine = found.leads
    codes = mine.codes[:, [mine.criteria.index(c) for c in truth.criteria]][log.row]
    p = truth.probability(codes)
    value = float(held.weight @ ((card - rule) * p)) / float(held.weight @ p)
    return gain.low <= value <= gain.high


def coverage(found):
    """Rows by world."""
    rows = []
    for name in COVERED:
        firms = found[name]
        if any("weights" in f for f in firms):
            hits = [np.mean(f["weights"]) for f in firms]
            rows.append(share(f"coverage, weights, {name}", hits, low=0.92, high=0.98))
        rows.append(share(f"coverage, probabilities, {name}", [f["probabilities"] for f in firms], low=0.92, high=0.98))
        rows.append(share(f"coverage, deployed cut-off, {name}", [f["cutoff"] for f in firms], low=0.92, old="46%"))
        gains = [f["gains"] for f in firms if f["gains"] is not None]
        if gains:
            rows.append(share(f"coverage, held-out gain, {name}", gains, low=0.92, high=0.98))
    return rows
