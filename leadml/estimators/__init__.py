"""Scoring estimators for scikit-learn: a rubric that bins, points that are given, points that are learned."""

from importlib import import_module

_HOMES = {
    "PolicyClassifier": "leadml.estimators.policy",
    "RubricEncoder": "leadml.estimators.rubric",
    "ScorecardClassifier": "leadml.estimators.scorecard",
}

__all__ = ["PolicyClassifier", "RubricEncoder", "ScorecardClassifier"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
