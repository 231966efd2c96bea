"""Everything that was compared: names, figures, gains, reliability, disagreement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leadml.report.rules import p_text
from leadml.report.wording import figure_text, number, percent

KINDS: Final = {
    "documented": "documented rule",
    "learned": "learned from your deals",
    "context": "learned, with further columns",
    "prior": "no information",
}
"""What each kind of contender is called."""

FAMILIES: Final = {
    "weights": "learned weights",
    "steps": "learned weights and steps",
    "integer": "learned card of whole points",
    "context-logistic": "logistic regression with further columns",
    "context-boosting": "boosted trees with further columns",
    "prior": "the base rate for every lead",
}
"""What the contenders of a family are."""

_TABLES: Final = (
    (
        "Ranking",
        "Does it put the leads that will be won above those that will be lost?",
        (("auc", "AUC", "decimal"),),
    ),
    (
        "Probability",
        "When it says 30%, are 30 of 100 won? A documented rule gives no probability.",
        (
            ("log_loss", "Log loss", "decimal"),
            ("brier", "Brier score", "decimal"),
            ("calibration_slope", "Calibration slope", "decimal"),
            ("calibration_intercept", "Calibration intercept", "signed"),
        ),
    ),
    (
        "Decision",
        "Which leads are followed up, and what comes of it?",
        (
            ("workload", "Workload", "percent"),
            ("precision", "Won among followed up", "percent"),
            ("recall", "Wins caught", "percent"),
            ("wins_captured", "Wins at equal workload", "percent"),
            ("net_value_per_lead", "Net value per lead", "money"),
        ),
    ),
)

ANCHORS: Final = {
    "AUC": "auc",
    "Log loss": "log-loss",
    "Brier score": "brier",
    "Calibration slope": "calibration",
    "Calibration intercept": "calibration",
    "Workload": "workload",
    "Won among followed up": "precision",
    "Wins caught": "recall",
    "Wins at equal workload": "wins-captured",
    "Net value per lead": "net-value",
}
"""Where the glossary explains a column."""


def name_contenders(result: Mapping[str, Any], baseline: str | None) -> dict[str, dict[str, Any]]:
    """Name every contender, and tell those that carry the answer from the others.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.
    baseline : str or None
        The rule that all are compared with.

    Returns
    -------
    dict of str to dict
        By id: ``id``, ``title``, ``what`` (the title without its framework), ``kind``, ``kind_title``,
        ``recommended``, ``baseline``, ``main`` (of the
        baseline's or the recommended framework, or of none).
    """
    frameworks = {f["id"]: str(f.get("title") or f["id"]) for f in result.get("frameworks") or []}
    of = {c["id"]: c.get("framework") for c in result["contenders"]}
    central = {of.get(baseline or ""), result["recommended"].get("framework"), None}
    names = {}
    for contender in result["contenders"]:
        id_, kind, framework = contender["id"], contender["kind"], contender.get("framework")
        prefix = frameworks.get(framework or "", "")
        what = _what(contender).removeprefix(f"{prefix}: ")
        title = f"{prefix}: {what}" if prefix and prefix.casefold() not in what.casefold() else what
        names[id_] = {
            "id": id_,
            "title": title[:1].upper() + title[1:],
            "what": what,
            "kind": kind,
            "kind_title": KINDS.get(kind, kind),
            "recommended": bool(contender.get("recommended")) and kind != "prior",
            "baseline": id_ == baseline,
            "main": framework in central,
        }
    return names


def comparison_tables(
    result: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]], currency: str | None
) -> list[dict[str, Any]]:
    """Lay out ranking, probability and decision, each as a table of its own.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.
    names : mapping
        What `name_contenders` gave.
    currency : str or None
        Of the data; without it, value is counted in won deals.

    Returns
    -------
    list of dict
        ``title``, ``question``, ``columns`` (label, anchor in the glossary, unit), ``rows``, ``more_rows``.
    """
    tables = []
    for title, question, columns in _TABLES:
        shown = [c for c in columns if any(_known(row, c[0]) for row in result["contenders"])]
        rows = [
            {
                **names[contender["id"]],
                "figures": [
                    figure_text(contender.get(key), _style(style, currency), currency)
                    for key, _, style in shown
                ],
            }
            for contender in result["contenders"]
            if any(_known(contender, key) for key, _, _ in shown)
        ]
        if rows:
            units = [", in won deals" if style == "money" and not currency else "" for _, _, style in shown]
            tables.append(
                {
                    "title": title,
                    "question": question,
                    "columns": [
                        {"label": label, "anchor": ANCHORS[label], "unit": unit}
                        for (_, label, _), unit in zip(shown, units, strict=True)
                    ],
                    "rows": [row for row in rows if row["main"]],
                    "more_rows": [row for row in rows if not row["main"]],
                }
            )
    return tables


def gain_rows(
    result: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]], currency: str | None
) -> list[dict[str, Any]]:
    """List the gains in share of wins captured over the baseline rule, for the picture and its table.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.
    names : mapping
        What `name_contenders` gave.
    currency : str or None
        Of the data.

    Returns
    -------
    list of dict
        Names, ``value``, ``low``, ``high`` as shares, and texts.
    """
    rows: list[dict[str, Any]] = []
    if any(name["baseline"] and name["kind"] == "prior" for name in names.values()):
        return rows  # it follows up everyone, so at its workload nobody gains
    for contender in result["contenders"]:
        gains = contender.get("gain") or {}
        gain = gains.get("wins_captured") or {}
        if gain.get("value") is None or names[contender["id"]]["baseline"]:
            continue
        rows.append(
            {
                **names[contender["id"]],
                **{key: gain.get(key) for key in ("value", "low", "high")},
                "text": figure_text(gain, "percentage-points"),
                "p": p_text(gain.get("p_adjusted")),
                "net_value": figure_text(
                    gains.get("net_value_per_lead"), "signed-money" if currency else "signed", currency
                ),
                "auc": figure_text(gains.get("auc"), "signed"),
            }
        )
    return rows


def reliability_rows(
    result: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Pick whose probabilities are shown: the recommended one, and the best that sees further columns.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.
    names : mapping
        What `name_contenders` gave.

    Returns
    -------
    list of dict
        Names, and ``bins``: figures and texts.
    """
    able = [c for c in result["contenders"] if c.get("reliability")]
    best = sorted(able, key=lambda c: (c.get("log_loss") or {}).get("value") or 9.0)
    picked = [c for c in able if c.get("recommended")] or [c for c in best if c["kind"] == "learned"][:1]
    picked += [c for c in best if c["kind"] == "context"][:1]
    return [
        {
            **names[contender["id"]],
            "bins": [
                {
                    "p_mean": b["p_mean"],
                    "n": b["n"],
                    **b["rate"],
                    "said": percent(b["p_mean"]),
                    "won": figure_text(b["rate"], "percent"),
                }
                for b in contender["reliability"]
            ],
        }
        for contender in picked
    ]


def disagreement_cells(table: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """Lay out the four cells of rule x model.

    Parameters
    ----------
    table : mapping
        One of the result's ``disagreement``.
    titles : mapping
        Title of each contender, by id.

    Returns
    -------
    dict
        ``policy``, ``contender``, and ``cells`` by ``yes-no`` and so on, the rule first.
    """
    cells = {}
    for cell in table["cells"]:
        ids = [str(i) for i in cell.get("ids") or []]
        cells[f"{'yes' if cell['rule'] else 'no'}-{'yes' if cell['model'] else 'no'}"] = {
            "n": number(cell["n"]),
            "won": number(cell["won"]),
            "rate": figure_text(cell.get("rate"), "percent"),
            "ids": ids,
            "n_more": max(0, cell["n"] - len(ids)),
        }
    empty = {"n": "0", "won": "0", "rate": figure_text(None, "percent"), "ids": [], "n_more": 0}
    return {
        "policy": titles.get(table["policy"], table["policy"]),
        "contender": titles.get(table["contender"], table["contender"]),
        "cells": {key: cells.get(key, empty) for key in ("yes-yes", "yes-no", "no-yes", "no-no")},
    }


def _what(contender: Mapping[str, Any]) -> str:
    """Say what a contender is, in the report's words."""
    if contender.get("family") == "cutoff":
        score = "criteria met" if contender["id"].endswith("-met-cutoff") else "documented points"
        return f"{score}, learned cut-off"
    return FAMILIES.get(str(contender.get("family")), str(contender.get("title") or contender["id"]))


def _known(contender: Mapping[str, Any], key: str) -> bool:
    """Say whether a contender has a figure."""
    return (contender.get(key) or {}).get("value") is not None


def _style(style: str, currency: str | None) -> str:
    """Count value in won deals where there is no currency."""
    return "signed" if style == "money" and not currency else style
