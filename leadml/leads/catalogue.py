"""Numbered findings about the data: dicts of ``code, severity (stop|warn|note), title, explanation, where``.

======  ========  =========================================================================================
code    severity  says
======  ========  =========================================================================================
LML101  warn      one column alone ranks the outcomes almost perfectly: known only after the close?
LML102  warn      whether a column is filled tells the outcome: filled in after the close?
LML103  warn      several rows have the same lead id
LML104  warn      rows were rejected
LML105  warn      the order of day and month in a column of dates was assumed
LML106  note      how the file is written was guessed, and the guess is worth a look
LML107  note      columns that the mapping allows to be absent are absent
LML108  note      rows that are equal in every column ended differently
LML109  stop      too few closed deals to learn from
LML110  note      a criterion has one level only, or is never known
LML111  warn      in one stretch of a column all deals ended alike: measured while they were decided?
======  ========  =========================================================================================
"""

from __future__ import annotations

_CATALOGUE = {
    "LML101": ("warn", "one column alone ranks the outcomes almost perfectly"),
    "LML102": ("warn", "whether a column is filled tells the outcome"),
    "LML103": ("warn", "lead ids occur more than once"),
    "LML104": ("warn", "rows were rejected"),
    "LML105": ("warn", "the order of day and month was assumed"),
    "LML106": ("note", "how the file is written was guessed"),
    "LML107": ("note", "columns are absent that may be"),
    "LML108": ("note", "equal rows ended differently"),
    "LML109": ("stop", "too few closed deals to learn from"),
    "LML110": ("note", "a criterion does not vary"),
    "LML111": ("warn", "in one stretch of a column all deals ended alike"),
}


def data_finding(code: str, explanation: str, where: str) -> dict[str, str]:
    """Make a finding about the data.

    Parameters
    ----------
    code : str
        One of the table above.
    explanation : str
        What was seen, with figures, and what to do.
    where : str
        The column, file or mapping key.

    Returns
    -------
    dict
        The finding.
    """
    severity, title = _CATALOGUE[code]
    return {"code": code, "severity": severity, "title": title, "explanation": explanation, "where": where}
