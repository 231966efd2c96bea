"""From a result to what the report says, as a plain dict of texts and of figures for the pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from leadml.report.contenders import (
    comparison_tables,
    disagreement_cells,
    gain_rows,
    name_contenders,
    reliability_rows,
)
from leadml.report.points import card_section
from leadml.report.rules import gain_text, rule_summary, verdict_words
from leadml.report.wording import figure_text, joined, number, percent


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
    chosen = result["recommended"]
    baseline = chosen.get("versus") or (result.get("settings") or {}).get("baseline")
    names = name_contenders(result, baseline)
    titles = {id_: name["title"] for id_, name in names.items()}
    rules = [rule_summary(policy, titles, currency) for policy in result["policies"]]
    rules.sort(key=lambda rule: rule["id"] != baseline)
    for position, rule in enumerate(rules, start=1):
        rule["number"] = position
        # What holds for several rules is said once.
        if rule["order"] in [earlier["order"] for earlier in rules[: position - 1]]:
            rule["order"] = ""
        rule["main"] = names.get(rule["id"], {}).get("main", True)
    return {
        "title": data.get("name") or data.get("source") or "Calibration",
        "subtitle": f"What {number(data['n_won'] + data['n_lost'])} closed deals say about "
        "documented lead qualification rules",
        "answer": _answer(result, titles, rules),
        "card": card_section(result, card, titles),
        "rules": rules,
        "threshold": rules[0]["threshold"] if len({rule["threshold"] for rule in rules}) == 1 else "",
        "comparison": comparison_tables(result, names, currency),
        "forest": gain_rows(result, names, currency),
        "baseline": titles.get(baseline or "", baseline or ""),
        "champion": titles.get(result.get("champion") or "", ""),
        "reliability": reliability_rows(result, names),
        "disagreement": [disagreement_cells(table, titles) for table in result.get("disagreement") or []],
        "findings": _findings(result.get("findings") or [], titles),
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
    if chosen.get("verdict") == "change":
        if (contender.get("gain") or {}).get("wins_captured"):
            facts.append(_fact("More of the wins, with the card below", gain, "no gain shown"))
        if chosen.get("cutoff") and chosen["cutoff"].get("value") is not None:
            facts.append(_fact("Follow up from", {**cutoff, "value": cutoff["value"] + " points"}, ""))
    else:  # the figures of a card would read as a reason to change
        own: dict[str, Any] = next((c for c in result["contenders"] if c["id"] == chosen.get("versus")), {})
        if own.get("kind") == "documented":
            facts += [
                _fact("The rule follows up", figure_text(own.get("workload"), "percent"), "of leads"),
                _fact("Of those it follows up, won", figure_text(own.get("precision"), "percent"), ""),
            ]
    return {
        "verdict": verdict_words(chosen.get("verdict")),
        "sentence": chosen.get("sentence") or "",
        "more_deals": rule["more_deals"] if rule and chosen.get("verdict") == "undecided" else "",
        "card_words": ""
        if contender.get("kind") == "prior"
        else "Recommended"
        if chosen.get("verdict") == "change"
        else "Best card on these deals",
        "recommended": titles.get(chosen.get("contender"), chosen.get("contender") or ""),
        "versus": titles.get(chosen.get("versus"), chosen.get("versus") or ""),
        "facts": facts,
    }


def _fact(label: str, text: Mapping[str, str], note: str) -> dict[str, str]:
    """Make one headline figure."""
    return {"label": label, "value": text["value"], "note": text["interval"] or note}


def _findings(findings: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Put findings of one kind together, the gravest first; an explanation that they share is said once."""
    findings = [{**finding, **_named(finding, titles)} for finding in findings]
    words = {"stop": "Stop", "warn": "Mind", "note": "Note"}
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for finding in findings:
        groups.setdefault((str(finding["severity"]), str(finding["code"])), []).append(finding)
    order = [*words, *sorted({severity for severity, _ in groups} - set(words))]
    shown = []
    for severity, code in sorted(groups, key=lambda key: order.index(key[0])):
        members = groups[severity, code]
        texts = [_sentence(f.get("explanation")) for f in members]
        shared = len(set(texts)) == 1
        shown.append(
            {
                "code": code,
                "severity": severity,
                "word": words.get(severity, severity),
                "explanation": texts[0] if shared else "",
                "members": [
                    {
                        "title": _title(str(f["title"]), _where(f.get("where"))),
                        "explanation": "" if shared else text,
                        "where": _elsewhere(str(f["title"]), _where(f.get("where"))),
                    }
                    for f, text in zip(members, texts, strict=True)
                ],
            }
        )
    return shown


def _named(finding: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """Put the title of a rule where a finding has its id."""

    def named(text: str) -> str:
        return re.sub(r"[a-z]+(?:-[a-z]+)+", lambda found: titles.get(found[0], found[0]), text)

    where = finding.get("where")
    return {
        "title": named(str(finding["title"])),
        "explanation": named(str(finding.get("explanation") or "")),
        "where": [named(str(w)) for w in where]
        if isinstance(where, list | tuple)
        else named(str(where or "")),
    }


def _title(title: str, where: str) -> str:
    """Begin with a capital, unless it begins with a name."""
    title = title.strip().rstrip(".")
    return title if where and title.startswith(where) else title[:1].upper() + title[1:]


def _elsewhere(title: str, where: str) -> str:
    """Leave out a place that the title names already."""
    return "" if where.casefold() in title.casefold() else where


def _where(where: Any) -> str:
    """Say where a finding lies."""
    return joined([str(w) for w in where]) if isinstance(where, list | tuple) else str(where or "")


def _sentence(text: Any) -> str:
    """Begin with a capital and end with a full stop."""
    words = str(text or "").strip()
    return words[:1].upper() + words[1:] + ("" if not words or words[-1] in ".!?" else ".")


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
            {
                "label": "Still open",
                "value": number(data.get("n_open")),
                "note": "not learned from" if data.get("n_open") else "",
            },
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
        "reason": _sentence(split.get("reason")),
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
