from leadml.estimators.policy import PolicyClassifier as PolicyClassifier
from leadml.estimators.rubric import RubricEncoder as RubricEncoder
from leadml.estimators.scorecard import ScorecardClassifier as ScorecardClassifier

__all__ = ["PolicyClassifier", "RubricEncoder", "ScorecardClassifier"]
