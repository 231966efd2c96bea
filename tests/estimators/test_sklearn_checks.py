"""scikit-learn's own checks of every public estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from leadml import PolicyClassifier, RubricEncoder, ScorecardClassifier, WideCardClassifier


@pytest.mark.filterwarnings("ignore:y holds:UserWarning")  # labels whose words nobody knows
@parametrize_with_checks(
    [
        ScorecardClassifier(clip=True),
        ScorecardClassifier(points=None, monotone=False, clip=True),
        PolicyClassifier(),
        PolicyClassifier(unit="points", cutoff=3),
        RubricEncoder(),
        WideCardClassifier(),
    ]
)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)
