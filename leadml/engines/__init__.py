"""Engines: a card applied to a table of any size."""

from leadml.engines.local import Scorer, Totals, score_table

__all__ = ["Scorer", "Totals", "score_table"]
