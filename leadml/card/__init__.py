"""Cards: tables of points that can be read, compared, stored and applied."""

from importlib import import_module

_HOME = {
    "build": ("LearnedPoints", "bands_at", "documented_card", "learned_card"),
    "files": ("card_digest", "card_from_dict", "load_card", "save_card"),
    "patterns": ("DECISIONS", "Answers"),
    "questions": ("words_of_mapping",),
    "record": (
        "Card", "CardAttribute", "CardBand", "CardBin", "CardCaveat", "CardCriterion", "CardGate",
        "CardPublished", "CardTotal",
    ),
    "table": ("COLUMNS", "CardTable", "Scores"),
}  # fmt: skip
__all__ = sorted(name for names in _HOME.values() for name in names)


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"leadml.card.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
