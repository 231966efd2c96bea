"""scikit-learn's own checks of every public estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from leadml.estimators import PolicyClassifier, RubricEncoder, ScorecardClassifier, WideCardClassifier


@parametrize_with_checks(
    [
        ScorecardClassifier(),
        ScorecardClassifier(points=None, monotone=False),
        PolicyClassifier(),
        PolicyClassifier(unit="points", cutoff=3),
        RubricEncoder(),
        WideCardClassifier(),
    ]
)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)
