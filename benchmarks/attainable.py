"""Share of the attainable gain that a learned card earns, against plain logistic regression.

A world's rule is "at least 3 met" (half of the criteria outside BANT). At its workload a ranking of fresh leads
captures a share of all wins; 0 is what the rule captures, 1 what the best ranking, E[P(won) | what is seen],
captures. All figures are exact sums over patterns; only the deals learned from are drawn.

    python benchmarks/attainable.py [--replicates 40] [--share 0.1] [--strength 6]
"""

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression

from leadml.datasets import make_leads, make_truth
from leadml.estimators.patterns import PatternCounts
from leadml.estimators.points import whole_points
from leadml.estimators.scorecard_fit import fit_scorecard
from leadml.levels import UNKNOWN


def features(codes):
    """Levels, unknown at 0, and a column that says so."""
    unknown = codes == UNKNOWN
    return np.concatenate([np.where(unknown, 0, codes), unknown], axis=1).astype(float)


def shares(truth, n, seed):
    """Share of the attainable gain of plain logistic regression, the fit, and 40 and 16 whole points."""
    leads = make_leads(n, truth=truth, random_state=seed, all_criteria=False)
    codes = leads.codes[:, [leads.criteria.index(name) for name in truth.criteria]]
    plain = LogisticRegression(C=1, max_iter=1000).fit(features(codes), leads.outcome)
    counts = PatternCounts.from_codes(codes, leads.outcome)
    fit = fit_scorecard(counts, np.tile(np.arange(5.0), (len(truth.criteria), 1)))
    scores = [plain.decision_function(features(truth.patterns)), fit.log_odds(truth.patterns)]
    scores += [whole_points(fit, counts, total).totals(truth.patterns) for total in (40, 16)]
    return [truth.attainable(score) for score in scores]


def main():
    """Print the table."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--replicates", type=int, default=40)
    ask.add_argument("--share", type=float, default=0.1)
    ask.add_argument("--strength", type=float, default=6.0)
    ask.add_argument("--unknown", default="random")
    said = ask.parse_args()
    sizes = (100, 300, 1000)
    print("plain / fit / 40 points / 16 points;", said)
    for world in ("rule_right", "tilted", "dud", "steps"):
        truth = make_truth(world, unknown=said.unknown, unknown_share=said.share, strength=said.strength)
        cells = [np.mean([shares(truth, n, seed) for seed in range(said.replicates)], axis=0) for n in sizes]
        print(f"{world:12s}", "   ".join(" ".join(f"{x:6.2f}" for x in cell) for cell in cells), flush=True)


if __name__ == "__main__":
    main()
