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

__version__ = "0.1.0"

_HOMES = {
    "Calibration": "leadml.workflows.calibrate",
    "Card": "leadml.card",
    "Experiment": "leadml.workflows.experiment",
    "Framework": "leadml.frameworks",
    "InputError": "leadml.exceptions",
    "LeadmlError": "leadml.exceptions",
    "Leads": "leadml.leads.model",
    "Policy": "leadml.frameworks",
    "PolicyClassifier": "leadml.estimators",
    "RubricEncoder": "leadml.estimators",
    "ScorecardClassifier": "leadml.estimators",
    "TooFewDealsError": "leadml.exceptions",
    "UsageError": "leadml.exceptions",
    "calibrate": "leadml.workflows.calibrate",
    "list_frameworks": "leadml.frameworks",
    "list_policies": "leadml.frameworks",
    "load_card": "leadml.card",
    "load_framework": "leadml.frameworks",
    "load_mapping": "leadml.leads.mapping",
    "load_model": "leadml.workflows.score",
    "load_policy": "leadml.frameworks",
    "make_leads": "leadml.leads.sample",
    "read_leads": "leadml.leads.read",
}

__all__ = [
    "Calibration",
    "Card",
    "Experiment",
    "Framework",
    "InputError",
    "LeadmlError",
    "Leads",
    "Policy",
    "PolicyClassifier",
    "RubricEncoder",
    "ScorecardClassifier",
    "TooFewDealsError",
    "UsageError",
    "calibrate",
    "list_frameworks",
    "list_policies",
    "load_card",
    "load_framework",
    "load_mapping",
    "load_model",
    "load_policy",
    "make_leads",
    "read_leads",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
