"""False `change`, power, `keep`, and calibration of outlook and planner, over many firms of a known world.

python benchmarks/verdicts.py tilted points 100    # world, form of the rule, firms

Deals arrive one by one; at every block edge (100, 125, 156, ... 2,274) the card is learned anew, predicts
the next block, and the verdict on the documented rule is asked of the log so far.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np

from leadml.datasets import make_leads
from leadml.datasets.truth import documented_score
from leadml.datasets.worlds import make_truth
from leadml.estimators.judge import fit_judge
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.evaluation.log import Log
from leadml.evaluation.metrics import HeldOut, at_workload
from leadml.evaluation.outlook import outlook
from leadml.evaluation.planner import plan
from leadml.evaluation.verdict import Question, judge, paired_gain

EDGES = [round(100 * 1.25**i) for i in range(15)]
SMALLEST_GAIN = 0.01
DEALS_A_MONTH = 60.0


def held_out(n: int, block: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None) -> HeldOut:
    """Rows of a log without contenders."""
    zeros = np.zeros(n, np.int32)
    ones = np.ones(n) if weight is None else weight
    return HeldOut(Log(np.arange(n), block, zeros, outcome.astype(np.int8), np.arange(n), ones))


def firm(world: str, form: str, seed: int, *, backwards: bool = False) -> list[dict[str, object]]:
    """One row a look: the verdict, the truth behind it, and what was planned."""
    truth = make_truth(world, form=form)
    if backwards:  # half-way the rule becomes right, and the weights that were learned first are gone
        gone, truth = make_truth("tilted", form=form), make_truth("rule_right", form=form)
        truth = dataclasses.replace(truth, first=(gone.log_odds, gone.shares), abrupt=True)
    leads = make_leads(EDGES[-1], world, seed, all_criteria=False, truth=truth)
    codes = np.ascontiguousarray(leads.codes[:, [leads.criteria.index(c) for c in truth.criteria]])
    y, unit = np.asarray(leads.outcome), truth.unit
    points = np.arange(5.0) if unit == "points" else (np.arange(5) >= 2) * 4.0
    documented = np.tile(points, (codes.shape[1], 1))
    rule = (documented_score(codes, unit) >= truth.cutoff).astype(float)
    score, block, looks = np.zeros(len(y)), np.zeros(len(y), np.int32), []
    for b, edge in enumerate(EDGES):
        counts = PatternCounts.from_codes(codes[:edge], y[:edge])
        card = fit_scorecard(counts, documented)
        if b:
            seen = slice(EDGES[0], edge)
            held = held_out(edge - EDGES[0], block[seen], y[seen])
            taken = at_workload(held, score[seen], rule[seen])
            paired = paired_gain(held, rule[seen], taken)
            own = (documented_score(counts.codes, unit) >= truth.cutoff).astype(float)
            m = len(own)
            people = held_out(m, np.zeros(m, np.int32), np.zeros(m), counts.total)
            other = at_workload(people, card.log_odds(counts.codes), own)
            draws = fit_judge(counts, random_state=b).draws
            ahead = outlook(draws, counts.total, own, other, paired, SMALLEST_GAIN)
            chances = {"p_not_better": ahead.p_not_better, "p_below": ahead.p_below}
            answers = {
                name: judge(held, {"": Question(rule[seen], taken, **asked)}, SMALLEST_GAIN)[""]
                for name, asked in (
                    ("log", {}),
                    ("verdict", chances),
                    ("drift", {**chances, "drifted": True}),
                )
            }
            p = np.nan_to_num(truth.at(edge / EDGES[-1] * 0.999).probability(counts.codes))
            made = plan(ahead, paired, n_logged=len(held.y), n_deals=edge, deals_per_month=DEALS_A_MONTH)
            q = truth.probability(codes[seen])
            looks.append(
                {
                    "n": edge, "true": p @ (counts.total * (other - own)) / (p @ counts.total),
                    "held_true": (taken - rule[seen]) @ q / q.sum(), "gain": paired.gain, "ahead": ahead,
                    "confirmed": paired.confirmed_bound > 0, "promised": made.deals,
                    **{name: answer.verdict for name, answer in answers.items()},
                }
            )  # fmt: skip
        if b + 1 < len(EDGES):
            new = slice(edge, EDGES[b + 1])
            score[new], block[new] = card.log_odds(codes[new]), b
    return looks


def mean(values: object) -> float:
    """Mean in two digits."""
    found = list(values)
    return round(float(np.mean(found)), 3) if found else float("nan")


def report(firms: list[list[dict[str, object]]]) -> None:
    """Print what was found."""
    rows = [r for f in firms for r in f if r["n"] >= 200]
    at = {edge: [r for r in rows if r["n"] == edge] for edge in EDGES[4:]}
    for name in ("log", "verdict", "drift"):
        ever = mean(any(r[name] == "change" and r["true"] <= 0 and r["n"] <= 1500 for r in f) for f in firms)
        said = {n: mean(r[name] == "change" for r in each) for n, each in at.items() if n > 400}
        print(f"{name:8} false change in {ever:.3f} of firms by n = 1,500; change said at n: {said}")
    print("keep said at n:", {n: mean(r["verdict"] == "keep" for r in each) for n, each in at.items()})
    print(
        "  of a rule beaten by more:",
        mean(r["verdict"] == "keep" and r["true"] > SMALLEST_GAIN for r in rows),
    )
    print("confirmed at n:", {n: mean(r["confirmed"] for r in each) for n, each in at.items() if n > 400})
    better = np.array([r["true"] > SMALLEST_GAIN for r in rows])
    p = np.array([r["ahead"].p_better for r in rows])
    below = [float((r["ahead"].gain < r["true"]).mean()) for r in rows]
    own = mean(abs(r["gain"].value - r["held_true"]) <= 1.96 * r["gain"].error + 1e-12 for r in rows)
    covered = mean(0.025 < b < 0.975 for b in below)
    print(f"Brier {np.mean((p - better) ** 2):.3f}; covered: outlook {covered}, log {own}")
    fifths = [(p >= i / 5) & (p < i / 5 + 0.2 + (i == 4)) for i in range(5)]
    print("P(better) said, true, n:", [(mean(p[f]), mean(better[f]), int(f.sum())) for f in fifths])
    open_ = [(f, r) for f in firms for r in f if r["n"] < 700 and r["verdict"] == "undecided"]
    held = [
        any(
            x["verdict"] in ("change", "keep")
            for x in f
            if r["n"] < x["n"] <= 1.12 * (r["n"] + r["promised"])
        )
        for f, r in open_
        if r["promised"] and r["n"] + r["promised"] <= EDGES[-1]
    ]
    some = [r["promised"] for _, r in open_ if r["promised"]]
    print(
        f"planner: {len(some)} of {len(open_)} undecided looks promised, median {np.median(some or [0]):.0f};"
    )
    print(f"  decided by then: {mean(held)} of {len(held)}")


if __name__ == "__main__":
    world, form, n_firms = sys.argv[1], sys.argv[2], int(sys.argv[3])
    backwards = "backwards" in sys.argv[4:]
    report([firm(world, form, seed, backwards=backwards) for seed in range(n_firms)])
