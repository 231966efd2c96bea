"""95% intervals hold the truth: weights, probabilities, cut-offs."""

import numpy as np
import pytest

from leadml.decisions.cutoff import cutoff_at_probability
from leadml.estimators.integer_points import count_by_total, fit_lines
from leadml.evaluation.bootstrap import draw_clusters
from leadml.evaluation.line import probability_figures
from leadml.frameworks import load_policy
from leadml.leads.truth import every_pattern
from leadml.workflows.cards import learn_all
from leadml.workflows.contenders import INNER_FOLDS
from leadml.workflows.judge import resample

pytestmark = pytest.mark.slow

REPLICATES = 200
DRAWS = 400
MANY = 5_000  # from so many deals on a calibration draws by the counts of patterns


@pytest.mark.parametrize(
    ("world", "n"),
    [("rule_right", 300), ("rule_right", 1000), ("rule_right", 10_000), ("tilted", 1000), ("dud", 1000)],
)
def test_intervals_hold_the_truth(world, n, draw_frame, figure):
    policy = load_policy("bant-points")
    weights, probabilities, cutoffs = [], [], []
    for seed in range(REPLICATES):
        frame, truth = draw_frame(world, n, seed)
        if n > MANY:
            drawn = resample(frame, *frame.table.draw(DRAWS, seed))
        else:
            drawn = resample(frame, *frame.table.weigh(draw_clusters(n, DRAWS, seed)))
        for at, name in enumerate(frame.framework.criterion_ids):
            interval = drawn.weight_figure(at, truth.total_max)
            weights.append(interval.low - 1e-9 <= truth.weights[name] <= interval.high + 1e-9)

        totals = frame.documented_totals(policy, 2)
        line, _ = fit_lines(totals, drawn.won, drawn.total, policy.total_max)
        counts = count_by_total(totals, drawn.won[:1], drawn.total[:1], policy.total_max)
        rates = truth.win_rate_by_score("points")
        told = probability_figures(line, *(each[0] for each in counts))
        probabilities.append([f.low <= rate <= f.high for f, rate in zip(told, rates, strict=True)])

        cutoff = cutoff_at_probability(line[1:, 0], line[1:, 1], drawn.base_rate[1:], policy.total_max)
        low, high = np.percentile(cutoff, [2.5, 97.5])
        cutoffs.append(low <= truth.best_cutoff("points") <= high)
    shares = {"weights": weights, "probabilities": probabilities, "cut-offs": cutoffs}
    covered = {name: float(np.mean(each)) for name, each in shares.items()}
    figure(
        f"{world}, n={n}: intervals hold the truth: " + ", ".join(f"{k} {v:.1%}" for k, v in covered.items())
    )
    assert 0.92 <= covered["weights"] <= 0.98
    assert 0.92 <= covered["probabilities"] <= 0.98
    assert covered["cut-offs"] >= 0.92


def test_a_learned_card_tells_its_own_chances(draw_frame, figure):
    # Its points come from the same deals, and a line in them is near the truth, not the truth.
    covered = []
    for seed in range(REPLICATES):
        frame, truth = draw_frame("tilted", 1000, seed)
        inner = np.random.default_rng(seed).permutation(1000) % INNER_FOLDS
        card = learn_all(frame, inner).integer
        drawn = resample(frame, *frame.table.weigh(draw_clusters(1000, DRAWS, seed)))
        totals = card.totals(frame.table.levels)
        line, _ = fit_lines(totals, drawn.won, drawn.total, truth.total_max)
        counts = count_by_total(totals, drawn.won[:1], drawn.total[:1], truth.total_max)
        told = probability_figures(line, *(each[0] for each in counts))
        codes = every_pattern(len(truth.criteria))
        share = np.prod(
            [np.take(truth.level_shares[c], codes[:, j]) for j, c in enumerate(truth.criteria)], axis=0
        )
        of_lead = card.totals(np.where(codes == 5, np.nan, codes))
        met = np.bincount(of_lead, share, minlength=len(told))
        won = np.bincount(of_lead, share * truth.probability(codes), minlength=len(told))
        covered += [f.low <= w / n <= f.high for f, w, n in zip(told, won, met, strict=True) if n > 1e-6]
    figure(f"tilted, n=1000: chances of the learned card hold the truth: {np.mean(covered):.1%}")
    assert 0.92 <= np.mean(covered) <= 0.98
