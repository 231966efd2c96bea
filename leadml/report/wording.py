"""Numbers as a reader wants them: with units, no more digits than the interval supports, a dash for null."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

UNKNOWN_TEXT: Final = "—"
"""Shown where a figure is null: not known, or not defined for this contender."""

_MINUS: Final = "\u2212"


def number(value: float | None, digits: int = 0, *, signed: bool = False) -> str:
    """Write a number with thousands separators and a true minus sign.

    Parameters
    ----------
    value : float or None
        What to write; None, NaN and infinities become a dash.
    digits : int
        Digits after the point.
    signed : bool
        Write a plus before a positive number.

    Returns
    -------
    str

    Examples
    --------
    >>> number(1234.5, 1), number(None), number(0.2, signed=True)
    ('1,234.5', '—', '0')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN_TEXT
    text = f"{abs(value):,.{digits}f}"
    if not text.strip("0.,"):
        return text
    sign = _MINUS if value < 0 else ("+" if signed else "")
    return sign + text


def percent(value: float | None, digits: int = 0) -> str:
    """Write a share (0 to 1) as a percentage.

    Parameters
    ----------
    value : float or None
        A share.
    digits : int
        Digits after the point.

    Returns
    -------
    str

    Examples
    --------
    >>> percent(0.254), percent(0.0041, 1)
    ('25%', '0.4%')
    """
    text = number(None if value is None else 100 * value, digits)
    return text if text == UNKNOWN_TEXT else text + "%"


def figure_text(figure: Mapping[str, Any] | None, style: str, currency: str | None = None) -> dict[str, str]:
    """Write a figure and its 95% interval with as many digits as its width supports.

    Parameters
    ----------
    figure : mapping or None
        ``value``, ``low``, ``high``; any may be None.
    style : {"percent", "percentage-points", "decimal", "signed", "money", "signed-money", "whole"}
        The unit. ``percentage-points`` is a difference of two shares.
    currency : str or None
        For the two money styles.

    Returns
    -------
    dict
        ``value`` and ``interval``; ``interval`` is empty where there is none, or where it has no width.

    Examples
    --------
    >>> figure_text({"value": 0.612, "low": 0.54, "high": 0.684}, "percent")
    {'value': '61%', 'interval': '54% to 68%'}
    >>> figure_text({"value": 0.041, "low": -0.004, "high": 0.09}, "percentage-points")
    {'value': '+4.1 pp', 'interval': '−0.4 to +9.0 pp'}
    """
    value, low, high = (None if figure is None else figure.get(key) for key in ("value", "low", "high"))
    if value is None:
        return {"value": UNKNOWN_TEXT, "interval": ""}
    width = None if low is None or high is None else high - low
    if width == 0.0 and low == value:
        width = 1.0  # what never moves needs no digits
    write, unit = _writer(style, width, currency)
    whole = write(value) + unit
    if low is None or high is None or low == high == value:
        return {"value": whole, "interval": ""}
    shared = unit.startswith(" ")
    return {"value": whole, "interval": f"{write(low)}{'' if shared else unit} to {write(high)}{unit}"}


def _writer(style: str, width: float | None, currency: str | None) -> tuple[Callable[[float], str], str]:
    """Pick how to write one number of a style, and the unit behind it."""
    if style in ("percent", "percentage-points"):
        signed = style == "percentage-points"
        digits = 0 if width is not None and width >= (0.1 if signed else 0.04) else 1
        return (lambda x: number(100 * x, digits, signed=signed)), (" pp" if signed else "%")
    if style in ("money", "signed-money"):
        digits = 0 if width is None or width >= 10 else 2
        unit = f" {currency}" if currency else ""
        return (lambda x: number(x, digits, signed=style == "signed-money")), unit
    if style == "whole":
        return (lambda x: number(x, 0 if float(x).is_integer() else 1)), ""
    digits = 2 if width is None or width >= 0.02 else 3
    return (lambda x: number(x, digits, signed=style == "signed")), ""


def joined(items: list[str], last: str = "and") -> str:
    """Join words as a sentence does.

    Parameters
    ----------
    items : list of str
        The words.
    last : str
        The word before the last item.

    Returns
    -------
    str

    Examples
    --------
    >>> joined(["budget", "need", "timeline"])
    'budget, need and timeline'
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"
