"""What calibrating costs: bootstraps of the whole pipeline, a wide card, whole points, a sweep of cut-offs.

Run ``python benchmarks/calibrating.py``; with ``--peers PYTHON`` the peers (glum, FasterRisk) run in that
interpreter's environment. Every figure is a ratio against its peer or limit, measured in the same run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import TunedThresholdClassifierCV

from leadml.decisions.cutoff import cutoff_at_probability, sweep_cutoffs
from leadml.estimators import ScorecardClassifier
from leadml.estimators.design import points_of, step_columns
from leadml.estimators.integer_points import fit_lines, round_points, total_points
from leadml.estimators.wide_bootstrap import bootstrap_bounded_logistic
from leadml.frameworks import Framework, list_frameworks
from leadml.leads.patterns import PatternTable
from leadml.workflows.contenders import Frame
from leadml.workflows.judge import resample

PEER = Path(__file__).with_name("calibrating_peer.py")
N_REPLICATES = 1000


def seconds(work: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def simulate(framework: Framework, n_deals: int, rng: np.random.Generator) -> Frame:
    """Count n deals by pattern without drawing them one by one."""
    k = len(framework.criteria)
    levels = np.array(list(itertools.product([0, 1, 2, 3, 4, np.nan], repeat=k)))
    shares = rng.dirichlet(np.full(6, 5.0), k)
    codes = np.where(np.isnan(levels), 5, levels).astype(int)
    chance = np.prod([shares[j][codes[:, j]] for j in range(k)], axis=0)
    total = rng.multinomial(n_deals, chance / chance.sum())
    log_odds = np.nansum(levels * rng.uniform(0, 0.5, k), axis=1) - 2
    won = rng.binomial(total, 1 / (1 + np.exp(-log_odds)))
    seen = total > 0
    n = int(seen.sum())
    key = np.arange(n)
    counts = (won[seen].astype(float), (total - won)[seen].astype(float))
    table = PatternTable(levels[seen], key, key, *counts, n, key[:0])
    points = np.tile(np.arange(5.0), (k, 1))
    return Frame(framework, framework.criterion_ids, levels[:0], table, points, np.zeros(n, dtype=bool))


def bootstrap_pipeline(frames: list[Frame]) -> None:
    """Draw, re-weight, round to whole points and find the cut-off, 1,000 times for every framework."""
    for frame in frames:
        drawn = resample(frame, *frame.table.draw(N_REPLICATES, 0))
        points = round_points(*points_of(drawn.full), frame.documented_points)
        totals = total_points(frame.table.levels, *points)
        line, _ = fit_lines(totals, drawn.won, drawn.total, frame.total_max)
        cutoff_at_probability(line[:, 0], line[:, 1], drawn.base_rate, frame.total_max)


def time_pipeline(repeats: int) -> dict[str, Any]:
    """Six frameworks at 1,000, 1,000,000 and 100,000,000 deals."""
    rng = np.random.default_rng(0)
    sizes = (1_000, 1_000_000, 100_000_000)
    frames = {n: [simulate(framework, n, rng) for framework in list_frameworks()] for n in sizes}
    took: dict[int, list[float]] = {n: [] for n in sizes}
    for _ in range(repeats):
        for n in sizes:
            took[n].append(seconds(lambda n=n: bootstrap_pipeline(frames[n])))
    base = took[sizes[0]]
    return {
        "seconds": {f"{n:,}": round(median(took[n]), 2) for n in sizes},
        "ratio to 1,000 deals": {
            f"{n:,}": round(median(a / b for a, b in zip(took[n], base, strict=True)), 2) for n in sizes
        },
    }


def wide_deals(n: int, seed: int, noise: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """13 criteria whose patterns hardly repeat."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, (n, 13)).astype(float)
    weights = np.linspace(0.02, 0.4, 13)
    won = rng.uniform(size=n) < 1 / (1 + np.exp(noise - levels @ weights))
    return levels, won.astype(float)


def thermometer(levels: np.ndarray) -> np.ndarray:
    """Intercept and 52 steps; nothing is unknown here."""
    return np.delete(step_columns(levels), np.arange(5, 66, 5), axis=1)


def peer(python: str, what: str, arrays: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """Run a peer in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **arrays)
        done = subprocess.run(
            [python, str(PEER), what, str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        print(f"{what}: the peer could not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def time_wide(python: str | None) -> dict[str, Any]:
    """1,000 exact bootstraps of 52 bounded steps on 100,000 deals, against refits by glum."""
    levels, won = wide_deals(100_000, 0)
    columns = thermometer(levels)
    bounded = np.arange(53) > 0

    def ours() -> None:
        bootstrap_bounded_logistic(
            columns, won, penalty=np.zeros((53, 53)), bounded=bounded, n_replicates=N_REPLICATES
        )

    out: dict[str, Any] = {"seconds": round(seconds(ours), 2)}
    found = peer(python, "glum", {"steps": columns[:, 1:], "won": won}) if python else None
    if found is not None:
        out["glum, a refit"] = round(found["seconds"], 3)
        out["times faster"] = round(found["seconds"] * N_REPLICATES / out["seconds"], 1)
    return out


def time_points(python: str | None) -> dict[str, Any]:
    """A card of 13 criteria in whole points at 10,000 deals, against FasterRisk with k = 20."""
    levels, won = wide_deals(10_000, 1)
    held, held_won = wide_deals(20_000, 2)
    card = ScorecardClassifier(shrink=0.0, smooth=0.0, integer=True)
    sparse = ScorecardClassifier(shrink=0.0, smooth=0.0, integer=True, max_steps=20)
    card.fit(levels[:500], won[:500])  # warm
    out: dict[str, Any] = {}
    for name, model in (("52 steps", card), ("20 steps", sparse)):
        out[name] = {
            "seconds": round(seconds(lambda model=model: model.fit(levels, won)), 3),
            "held-out AUC": round(float(roc_auc_score(held_won, model.decision_function(held))), 4),
        }
    arrays = {"steps": thermometer(levels)[:, 1:], "won": won, "held": thermometer(held)[:, 1:]}
    found = peer(python, "fasterrisk", arrays | {"held_won": held_won}) if python else None
    if found is not None:
        out["FasterRisk, k = 20"] = found
        for name in ("52 steps", "20 steps"):
            out[name]["times faster"] = round(found["seconds"] / out[name]["seconds"], 1)
    return out


def time_sweep(repeats: int) -> dict[str, Any]:
    """Every cut-off at 100,000 deals, against scikit-learn's search of 100 with a model already fitted."""
    levels, won = wide_deals(100_000, 3)
    model = ScorecardClassifier(shrink=0.0, smooth=0.0, integer=True).fit(levels[:10_000], won[:10_000])
    threshold = 0.3

    def net(true: np.ndarray, decided: np.ndarray) -> float:
        return float((decided * (true - threshold)).mean())

    tuned = TunedThresholdClassifierCV(
        model, scoring=make_scorer(net), thresholds=100, cv="prefit", refit=False
    )
    probability = model.predict_proba(levels)[:, 1]
    points = model.integer_card_.totals(levels)
    scores = {"points": points, "probabilities": np.random.default_rng(0).permutation(probability)}
    out: dict[str, Any] = {}
    for name, score in scores.items():
        took, ratios = [], []
        for _ in range(repeats):
            took.append(seconds(lambda score=score: sweep_cutoffs(score, won, threshold)))
            ratios.append(seconds(lambda: tuned.fit(levels, won)) / took[-1])
        out[name] = {"milliseconds": round(1000 * median(took), 2), "times faster": round(median(ratios), 1)}
    best = float(sweep_cutoffs(points, won, threshold)[1].max())
    theirs = net(won, (probability >= tuned.best_threshold_).astype(float))
    out["net value of ours and theirs"] = [round(best, 6), round(theirs, 6)]
    return out


def main() -> None:
    """Print everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="python of an environment with glum and fasterrisk")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    figures = {
        "1,000 bootstraps of the pipeline, six frameworks": time_pipeline(options.repeats),
        "cut-off sweep, 100,000 deals": time_sweep(options.repeats),
        "1,000 bootstraps of a wide card, 100,000 deals": time_wide(options.peers),
        "whole points, 13 criteria, 10,000 deals": time_points(options.peers),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
