"""Engines: a card applied to a table of any size."""

from leadml.engines.local import Totals, score_table
from leadml.engines.scorer import Scorer

__all__ = ["Scorer", "Totals", "score_table"]
