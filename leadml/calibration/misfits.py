"""Misfits of the learned cards: criteria that run backwards, turn, or only work together, with their
price."""

from __future__ import annotations

from leadml.calibration.study import Note, Study


def find_misfits(study: Study) -> list[Note]:
    """Notes on each framework whose card cannot follow the deals."""
    return []
