"""The sentence that a sales manager reads."""

import pytest

from leadml.workflows.judge import say

UNDECIDED = {
    "verdict": "undecided",
    "verdict_weights": "undecided",
    "verdict_cutoff": "undecided",
    "gain_weights": {"value": 0.02, "low": -0.01, "high": 0.05},
    "gain_cutoff": {"value": 0.0, "low": -0.02, "high": 0.03},
    "weights": {"need": {"learned": 4.0}},
    "documented_cutoff": 3,
    "learned_cutoff": {"value": 3.0},
    "more_deals_needed": 12_345,
}


@pytest.mark.parametrize(
    ("n_left", "end"),
    [
        (0, "About 12,000 more closed deals would decide."),
        (12_344, "About 12,000 more closed deals would decide."),
        (12_345, "About 12,000 more closed deals would decide, and the file holds them: raise single_deals."),
    ],
)
def test_deals_that_the_file_holds_already_are_not_asked_for(n_left, end):
    assert say(UNDECIDED, "3 of 4 met", n_left).endswith(end)
