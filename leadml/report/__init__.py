"""The report of a calibration: summarised to a plain dict, then rendered as one page on its own."""

from leadml.report.html import render_html
from leadml.report.summary import summarise

__all__ = ["render_html", "summarise"]
