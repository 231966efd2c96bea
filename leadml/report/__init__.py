"""Reports of calibrations and of cards in use: summarised to a plain dict, then rendered as one page."""

from leadml.report.html import render_html
from leadml.report.monitor import render_monitor
from leadml.report.summary import summarise

__all__ = ["render_html", "render_monitor", "summarise"]
