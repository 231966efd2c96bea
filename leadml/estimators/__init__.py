"""Scoring estimators for scikit-learn, and the fits under them: points given, points learned, models beside cards."""

from importlib import import_module

_HOMES = {
    "MappingEncoder": "leadml.estimators.mapping_encoder",
    "PolicyClassifier": "leadml.estimators.policy",
    "RubricEncoder": "leadml.estimators.rubric",
    "ScorecardClassifier": "leadml.estimators.scorecard",
    "WideCardClassifier": "leadml.estimators.wide",
}

__all__ = ["MappingEncoder", "PolicyClassifier", "RubricEncoder", "ScorecardClassifier", "WideCardClassifier"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
