"""What leadml does inside a process; each command prints the seconds that count, last.

``memory N`` · ``count`` and ``group-by`` (its peer) · ``draws N`` · ``fit-card`` · ``fit-wide`` · ``calibrate MAPPING``
"""

from __future__ import annotations

import itertools
import shutil
import sys
import time
from collections.abc import Callable

import numpy as np

N_DRAWS = 1000


def median_seconds(work: Callable[[], object], times: int) -> float:
    """Time some calls."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[times // 2]


def memory(n: str) -> float:
    """Probability, points, band and reasons of n leads in memory, warm."""
    from leadml import load_card

    card, rng, size = load_card("card.json"), np.random.default_rng(0), int(n)
    levels = rng.integers(0, 5, (size, 4)).astype(float)
    levels[rng.random((size, 4)) < 0.1] = np.nan
    if size == 1:
        lead = dict(zip(("budget", "authority", "need", "timeline"), levels[0].tolist(), strict=True))
        return median_seconds(lambda: card.score_one(lead), 2000)

    def work() -> object:
        scores = card.score(levels)
        return scores.probability, scores.points, scores.band, scores.reasons

    return median_seconds(work, 9)


def count() -> float:
    """Read closed deals and count them by pattern, for all six frameworks."""
    from leadml import list_frameworks, load_mapping, read_leads
    from leadml.estimators.patterns import PatternCounts

    begun = time.perf_counter()
    leads = read_leads("leads.parquet", load_mapping("deals.yaml"))
    for framework in list_frameworks():
        at = [leads.criteria.index(name) for name in framework.criterion_ids]
        PatternCounts.from_codes(leads.codes[:, at], leads.outcome)
    return time.perf_counter() - begun


def group_by() -> float:
    """Read the same columns with pyarrow, and group by the criteria of one framework and the outcome."""
    import pyarrow.parquet as pq

    from leadml.levels import CANONICAL

    begun = time.perf_counter()
    table = pq.read_table("leads.parquet", columns=["lead_id", *CANONICAL, "status"])
    table.group_by(["budget", "authority", "need", "timeline", "status"]).aggregate([([], "count_all")])
    return time.perf_counter() - begun


def counted(k: int, n: int, rng: np.random.Generator):
    """n deals of k criteria by pattern, without drawing them one by one."""
    from leadml.estimators.patterns import PatternCounts

    codes = np.array(list(itertools.product(range(6), repeat=k)), np.uint8)
    chance = np.prod([rng.dirichlet(np.full(6, 5.0))[codes[:, j]] for j in range(k)], axis=0)
    total = rng.multinomial(n, chance / chance.sum())
    log_odds = np.where(codes == 5, 0, codes) @ rng.uniform(0, 0.5, k) - 2
    won = rng.binomial(total, 1 / (1 + np.exp(-log_odds)))
    seen = total > 0
    return PatternCounts(codes[seen], won[seen].astype(float), (total - won)[seen].astype(float))


def learn(counts, n_draws: int) -> None:
    """A card: fit, evidence, whole points; with draws also those of weights, judge, chances and cut-off."""
    from leadml.estimators.judge import fit_judge
    from leadml.estimators.scorecard_fit import fit_scorecard
    from leadml.estimators.whole_points import whole_points
    from leadml.evaluation.cutoffs import cutoff_at_cost
    from leadml.evaluation.rates import redraw_rates

    fit = fit_scorecard(counts, n_draws=n_draws)
    whole = whole_points(fit, counts.codes, counts.total)
    if n_draws:
        fit_judge(counts, n_draws=n_draws)
        totals, size = whole.totals(counts.codes), whole.total_max + 1
        won, n = (np.bincount(totals, each, size) for each in (counts.won, counts.total))
        cutoff_at_cost(redraw_rates(won, n, n_draws), n, float(won.sum() / n.sum()))


def draws(n: str) -> float:
    """1,000 draws of everything learned from n deals, for six frameworks."""
    from leadml import list_frameworks

    rng = np.random.default_rng(0)
    frameworks = [counted(len(each.criterion_ids), int(float(n)), rng) for each in list_frameworks()]
    learn(frameworks[0], 10)
    return median_seconds(lambda: [learn(each, N_DRAWS) for each in frameworks], 3)


def fit_card() -> float:
    """Fit, evidence and whole points of one framework at a million deals."""
    counts = counted(4, 1_000_000, np.random.default_rng(0))
    return median_seconds(lambda: learn(counts, 0), 9)


def fit_wide() -> float:
    """Fit a wide card of 30 columns on 50,000 deals."""
    import pandas as pd

    from leadml import WideCardClassifier

    frame = pd.read_parquet("deals.parquet")
    won = frame.pop("won")
    return median_seconds(lambda: WideCardClassifier().fit(frame, won), 1)


def calibrate(mapping: str) -> float:
    """Calibrate a file with everything, write its folder, and print the seconds after reading."""
    import leadml

    leads = leadml.read_leads("leads.parquet", mapping)
    shutil.rmtree("calibration", ignore_errors=True)  # a log that is there would be continued
    return median_seconds(lambda: leadml.calibrate(leads).save("calibration"), 1)


if __name__ == "__main__":
    WORK = {
        "memory": memory, "count": count, "group-by": group_by, "draws": draws, "fit-card": fit_card,
        "fit-wide": fit_wide, "calibrate": calibrate,
    }  # fmt: skip
    print(WORK[sys.argv[1]](*sys.argv[2:]))
