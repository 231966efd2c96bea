"""Lead qualification rules as documented, measured on your closed deals and learned from them.

Every name below is imported from where it lives when it is first asked for: ``import leadml`` costs next to
nothing, and scoring leads with a card never loads what only learning needs.

Examples
--------
>>> import leadml
>>> leadml.load_framework("bant").title
'BANT'
>>> leadml.load_framework("bang")
Traceback (most recent call last):
leadml.exceptions.UsageError: ...
"""

from importlib import import_module

__version__ = "0.2.0"

_HOMES = {
    "Calibration": "leadml.calibration.output",
    "Card": "leadml.card.record",
    "Experiment": "leadml.calibration.experiment",
    "Framework": "leadml.frameworks.model",
    "InputError": "leadml.exceptions",
    "LeadmlError": "leadml.exceptions",
    "Leads": "leadml.data.deals",
    "MappingEncoder": "leadml.estimators.encoders",
    "Policy": "leadml.frameworks.model",
    "PolicyClassifier": "leadml.estimators.policy",
    "Result": "leadml.result",
    "RubricEncoder": "leadml.estimators.encoders",
    "ScorecardClassifier": "leadml.estimators.scorecard",
    "TooFewDealsError": "leadml.exceptions",
    "UsageError": "leadml.exceptions",
    "WideCardClassifier": "leadml.estimators.wide",
    "calibrate": "leadml.calibration.run",
    "explain": "leadml.scoring.explaining",
    "list_frameworks": "leadml.frameworks.catalog",
    "list_policies": "leadml.frameworks.catalog",
    "load_card": "leadml.card.record",
    "load_framework": "leadml.frameworks.catalog",
    "load_mapping": "leadml.data.mapping",
    "load_model": "leadml.scoring.face",
    "load_policy": "leadml.frameworks.catalog",
    "make_leads": "leadml.datasets.sample",
    "predict": "leadml.scoring.face",
    "read_leads": "leadml.data.read",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
