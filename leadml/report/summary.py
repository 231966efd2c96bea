"""From a result to what the report says, as a plain dict of texts and of figures for the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from leadml.report.rules import gain_text, p_text, rule_summary, verdict_words
from leadml.report.wording import figure_text, joined, number, percent

KINDS: Final = {
    "documented": "documented rule",
    "learned": "learned from your deals",
    "context": "learned, with further columns",
    "prior": "no information",
}
"""What each kind of contender is called."""

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
            ("wins_captured", "Wins captured", "percent"),
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
    "Wins captured": "wins-captured",
    "Net value per lead": "net-value",
}
"""Where the glossary explains a column."""


def summarise(result: Mapping[str, Any], card: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Summarise a calibration for its reader.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds, schema version 1.
    card : mapping or None
        What ``card.json`` holds; without it the card section shows weights in place of points per level.

    Returns
    -------
    dict
        Plain values only (str, numbers, lists, dicts, None): texts ready to be shown, and the figures that
        the pictures draw. Keys in the order of the report: ``title``, ``answer``, ``card``, ``rules``,
        ``comparison``, ``forest``, ``reliability``, ``disagreement``, ``findings``, ``gaps``, ``method``.
    """
    data, currency = result["data"], result["data"].get("currency")
    titles = {c["id"]: c.get("title") or c["id"] for c in result["contenders"]}
    baseline = (result.get("settings") or {}).get("baseline") or result["recommended"].get("versus")
    rules = [rule_summary(policy, titles, currency) for policy in result["policies"]]
    rules.sort(key=lambda rule: rule["id"] != baseline)
    return {
        "title": data.get("name") or data.get("source") or "Calibration",
        "subtitle": f"What {number(data['n_won'] + data['n_lost'])} closed deals say about "
        "documented lead qualification rules",
        "answer": _answer(result, titles, rules),
        "card": _card(result, card),
        "rules": rules,
        "comparison": _comparison(result, baseline, currency),
        "forest": _forest(result, baseline),
        "baseline": titles.get(baseline or "", baseline or ""),
        "reliability": _reliability(result),
        "disagreement": [_disagreement(table, titles) for table in result.get("disagreement") or []],
        "findings": [_finding(finding) for finding in result.get("findings") or []],
        "gaps": _gaps(result),
        "method": _method(result),
    }


def _answer(
    result: Mapping[str, Any], titles: Mapping[str, str], rules: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Say the answer in one sentence, with the four figures that carry it."""
    chosen, data = result["recommended"], result["data"]
    contender: dict[str, Any] = next(
        (c for c in result["contenders"] if c["id"] == chosen.get("contender")), {}
    )
    rule = next((r for r in rules if r["id"] == chosen.get("versus")), None)
    gain = gain_text({**((contender.get("gain") or {}).get("wins_captured") or {}), "unit": "share of wins"})
    cutoff = figure_text(chosen.get("cutoff"), "whole")
    facts = [
        {
            "label": "Closed deals",
            "value": number(data["n_won"] + data["n_lost"]),
            "note": f"{number(data['n_won'])} won, {number(data['n_lost'])} lost",
        },
        _fact("An average lead is won in", figure_text(data.get("base_rate"), "percent"), "of cases"),
    ]
    if (contender.get("gain") or {}).get("wins_captured"):
        facts.append(_fact("More of the wins, at the same workload", gain, "no gain shown"))
    if chosen.get("cutoff") and chosen["cutoff"].get("value") is not None:
        facts.append(_fact("Follow up from", {**cutoff, "value": cutoff["value"] + " points"}, ""))
    return {
        "verdict": verdict_words(chosen.get("verdict")),
        "sentence": chosen.get("sentence") or "",
        "more_deals": rule["more_deals"] if rule and chosen.get("verdict") == "undecided" else "",
        "recommended": titles.get(chosen.get("contender"), chosen.get("contender") or ""),
        "versus": titles.get(chosen.get("versus"), chosen.get("versus") or ""),
        "facts": facts,
    }


def _fact(label: str, text: Mapping[str, str], note: str) -> dict[str, str]:
    """Make one headline figure."""
    return {"label": label, "value": text["value"], "note": text["interval"] or note}


def _card(result: Mapping[str, Any], card: Mapping[str, Any] | None) -> dict[str, Any]:
    """Lay out the card: points per criterion and level, bands, cut-off."""
    chosen = result["recommended"]
    contender: dict[str, Any] = next(
        (c for c in result["contenders"] if c["id"] == chosen.get("contender")), {}
    )
    table = [
        {**row, "text": figure_text({**row, "value": row.get("probability")}, "percent")}
        for row in (card or {}).get("table") or []
    ]
    rows = [
        {
            "criterion": criterion.get("title") or criterion["id"],
            "points": [
                {"learned": number(new), "documented": number(old)}
                for new, old in zip(
                    criterion["points"], criterion.get("documented_points") or [None] * 5, strict=False
                )
            ],
            "unknown": number(criterion.get("unknown_points")),
        }
        for criterion in (card or {}).get("criteria") or []
    ]
    weights = contender.get("weights") or {}
    return {
        "rows": rows,
        "learned": (card or {}).get("kind", chosen.get("kind")) == "learned",
        "weights": []
        if rows
        else [
            {
                "criterion": name,
                "documented": number(w.get("documented"), 1),
                "learned": figure_text({**w, "value": w.get("learned")}, "decimal"),
            }
            for name, w in weights.items()
        ],
        "total": number((card or {}).get("total_max")) if card else "",
        "cutoff": figure_text(chosen.get("cutoff"), "whole"),
        "threshold": percent(chosen.get("threshold_probability")),
        "bands": _bands(chosen.get("bands") or [], table, (card or {}).get("total_max")),
        "table": table,
        "framework": str(chosen.get("framework") or ""),
        "file": str(chosen.get("card") or ""),
    }


def _bands(
    bands: Sequence[Mapping[str, Any]], table: Sequence[Mapping[str, Any]], top: float | None
) -> list[dict[str, str]]:
    """Write each band with its points, its edge's interval and the chances inside it; the best first."""
    chance = {row["points"]: row.get("probability") for row in table}
    ordered = sorted(bands, key=lambda band: float(band["from"]))
    rows = []
    for band, after in zip(ordered, [*ordered[1:], None], strict=True):
        start, end = band["from"], (after["from"] - 1 if after else top)
        inside = [
            chance[p]
            for p in sorted(chance)
            if start <= p and (end is None or p <= end) and chance[p] is not None
        ]
        ends = [percent(p) for p in (inside[0], inside[-1])] if inside else []
        rows.append(
            {
                "points": f"{number(start)} or more"
                if end is None
                else number(start)
                if start == end
                else f"{number(start)} to {number(end)}",
                "title": str(band.get("title") or band.get("id")),
                "action": str(band.get("action") or ""),
                "edge": ""
                if band.get("low") is None
                else f"from {number(band['low'])} to {number(band['high'])}",
                "chance": "" if not ends else ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}",
            }
        )
    return rows[::-1]


def _comparison(
    result: Mapping[str, Any], baseline: str | None, currency: str | None
) -> list[dict[str, Any]]:
    """Lay out ranking, probability and decision, each as a table of its own."""
    tables = []
    for title, question, columns in _TABLES:
        shown = [
            c
            for c in columns
            if any((row.get(c[0]) or {}).get("value") is not None for row in result["contenders"])
        ]
        rows = [
            {
                **_who(c, baseline),
                "figures": [figure_text(c.get(key), style, currency) for key, _, style in shown],
            }
            for c in result["contenders"]
            if any((c.get(key) or {}).get("value") is not None for key, _, _ in shown)
        ]
        if rows:
            tables.append(
                {
                    "title": title,
                    "question": question,
                    "columns": [label for _, label, _ in shown],
                    "rows": rows,
                }
            )
    return tables


def _who(contender: Mapping[str, Any], baseline: str | None) -> dict[str, Any]:
    """Name a contender and what it is."""
    return {
        "id": contender["id"],
        "title": contender.get("title") or contender["id"],
        "kind": contender["kind"],
        "kind_title": KINDS.get(contender["kind"], contender["kind"]),
        "recommended": bool(contender.get("recommended")),
        "baseline": contender["id"] == baseline,
    }


def _forest(result: Mapping[str, Any], baseline: str | None) -> list[dict[str, Any]]:
    """List the gains in share of wins captured over the baseline rule, for the picture and its table."""
    rows = []
    for contender in result["contenders"]:
        gains = contender.get("gain") or {}
        gain = gains.get("wins_captured") or {}
        if gain.get("value") is None or contender["id"] == baseline:
            continue
        rows.append(
            {
                **_who(contender, baseline),
                **{key: gain.get(key) for key in ("value", "low", "high")},
                "text": figure_text(gain, "percentage-points"),
                "p": p_text(gain.get("p_adjusted")),
                "net_value": figure_text(
                    gains.get("net_value_per_lead"), "signed-money", result["data"].get("currency")
                ),
                "auc": figure_text(gains.get("auc"), "signed"),
            }
        )
    return rows


def _reliability(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pick whose probabilities are shown: the recommended one, and the best that sees further columns."""
    able = [c for c in result["contenders"] if c.get("reliability")]
    best = sorted(able, key=lambda c: (c.get("log_loss") or {}).get("value") or 9.0)
    picked = [c for c in able if c.get("recommended")] or [c for c in best if c["kind"] == "learned"][:1]
    picked += [c for c in best if c["kind"] == "context"][:1]
    return [
        {
            **_who(c, None),
            "bins": [
                {
                    "p_mean": b["p_mean"],
                    "n": b["n"],
                    **b["rate"],
                    "said": percent(b["p_mean"]),
                    "won": figure_text(b["rate"], "percent"),
                }
                for b in c["reliability"]
            ],
        }
        for c in picked
    ]


def _disagreement(table: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """Lay out the four cells of rule x model."""
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


def _finding(finding: Mapping[str, Any]) -> dict[str, str]:
    """Write one finding."""
    words = {"stop": "Stop", "warn": "Mind", "note": "Note"}
    where = finding.get("where")
    return {
        "code": str(finding["code"]),
        "severity": str(finding["severity"]),
        "word": words.get(finding["severity"], str(finding["severity"])),
        "title": str(finding["title"]),
        "explanation": str(finding.get("explanation") or ""),
        "where": joined([str(w) for w in where]) if isinstance(where, list | tuple) else str(where or ""),
    }


def _gaps(result: Mapping[str, Any]) -> dict[str, Any]:
    """Say what the data lack."""
    data = result["data"]
    return {
        "rows": [
            {"label": "Rows read", "value": number(data.get("n_rows")), "note": ""},
            {
                "label": "Could not be used",
                "value": number(data.get("n_rejected")),
                "note": "listed in rejected.csv" if data.get("n_rejected") else "",
            },
            {"label": "Still open", "value": number(data.get("n_open")), "note": "not learned from"},
        ],
        "criteria": [
            {
                "id": c["id"],
                "unknown": percent(
                    c.get("unknown_share"), 1 if 0 < (c.get("unknown_share") or 0) < 0.1 else 0
                ),
                "levels": [number((c.get("levels") or {}).get(str(level), 0)) for level in range(5)],
            }
            for c in data.get("criteria") or []
            if c.get("mapped", True)
        ],
        "frameworks": [
            {
                "title": f.get("title") or f["id"],
                "mapped": joined(list(f.get("mapped") or [])),
                "unmapped": joined(list(f.get("unmapped") or [])),
            }
            for f in result.get("frameworks") or []
        ],
    }


def _method(result: Mapping[str, Any]) -> dict[str, Any]:
    """Say how the figures came about, so that they can be made again."""
    data, split, settings = result["data"], result.get("split") or {}, result.get("settings") or {}
    seen = [
        ("Deals learned from", number(split.get("n_train"))),
        ("Deals held out to judge", number(split.get("n_test"))),
        ("Won in the part learned from", percent(split.get("train_base_rate"), 1)),
        ("Won in the held-out part", percent(split.get("test_base_rate"), 1)),
        ("Folds", number(split.get("folds"))),
        ("Repeats", number(split.get("repeats"))),
        ("Resamples (bootstrap)", number(settings.get("bootstrap"))),
        ("Random seed", str(settings.get("random_state", ""))),
        ("Data", str(data.get("source") or "")),
        ("Data digest", str(data.get("digest") or "")),
        ("Mapping", str(data.get("mapping_name") or "")),
        ("Mapping digest", str(data.get("mapping_digest") or "")),
        ("leadml", str(result.get("leadml_version") or "")),
        ("Result schema", str(result.get("schema_version") or "")),
    ]
    return {
        "reason": str(split.get("reason") or ""),
        "kind": str(split.get("kind") or ""),
        "facts": [{"label": label, "value": value} for label, value in seen if value not in ("", "—")],
        "settings": [{"key": key, "value": value} for key, value in _flat(settings)],
        "context": joined([str(name) for name in data.get("context") or []]),
    }


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Flatten settings to dotted keys."""
    if isinstance(value, Mapping):
        return [
            pair
            for key, inner in value.items()
            for pair in _flat(inner, f"{prefix}.{key}" if prefix else str(key))
        ]
    if isinstance(value, list | tuple):
        return [(prefix, ", ".join(map(str, value)))]
    return [(prefix, "not given" if value is None else str(value))]
