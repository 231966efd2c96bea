"""Names that every layer shares, and the nearest of them to what was written."""

from collections.abc import Sequence

__all__ = ["CANONICAL", "nearest"]

CANONICAL: tuple[str, ...] = (
    "budget",
    "funds",
    "authority",
    "need",
    "challenges",
    "desire",
    "interest",
    "urgency",
    "timeline",
    "prioritization",
    "goals",
    "plans",
    "response",
)
"""The 13 canonical criteria that a lead is described in, whatever framework reads them."""


def nearest(word: str, valid: Sequence[str]) -> str:
    """Say which valid word was probably meant.

    Parameters
    ----------
    word : str
        What came.
    valid : sequence of str
        What could have come.

    Returns
    -------
    str
        ``"; did you mean X?"``, or an empty string when nothing is near.
    """
    import difflib

    lowered = {v.lower(): v for v in valid}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f"; did you mean {lowered[found[0]]}?" if found else ""
