"""Findings: what is told of deals and of a result by LML code (a note, with values), in words of findings.yaml."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from leadml.calibration.late_answers import find_late_answers
from leadml.calibration.leaks import leak_notes, sample_kinds
from leadml.data.cells import mask_of
from leadml.data.deals import Leads, Note
from leadml.data.new_mapping import KNOWN
from leadml.evaluation.bootstrap import Z
from leadml.evaluation.metrics import highest
from leadml.levels import LEVEL_MAX, UNKNOWN
from leadml.result import Finding, Result, Severity

if TYPE_CHECKING:
    from leadml.calibration.contenders import FittedCard
    from leadml.calibration.figures import Facts
    from leadml.calibration.study import Study

HARDLY_VARIES = 0.85
"""Share of known levels at one level."""
NOT_RANKED = 0.25
"""Share of filled cells whose words the mapping counts as unknown, though they say something."""
MOST_NAMED = 5
FEW_DEALS = 300
LEAST_COST = 0.5
"""Wins of 100 leads followed up that are worth telling."""
LEAST_INTERCEPT = 0.1
"""Log-odds by which predictions must be off on average, beyond their interval, to be worth telling (2% won of 30%)."""
SURE = 0.02
LEAST_UNKNOWN = 0.02
"""Share of answers that must be unknown for the price of counting them as 0 to be looked at."""


class Entry(NamedTuple):
    """Text of one finding; doubts: what it makes of a column that it names, if that may say how a deal went."""

    severity: Severity
    title: str
    explanation: str
    remedy: str = ""
    doubts: str = ""


FINDINGS: Mapping[str, Entry] = {
    code: Entry(**texts) for code, texts in YAML(typ="safe").load(files("leadml.calibration") / "findings.yaml").items()
}
ORDER: Mapping[str, int] = {"stop": 0, "warn": 1, "note": 2}


class _Lenient(string.Formatter):
    """Formats a text; a value that nobody gave is left out, and never costs a calibration."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        return kwargs.get(str(key), "")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value is None:
            value = "?"
        if isinstance(value, str):
            return value
        if not format_spec and isinstance(value, int | float):
            return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
        return str(format(value, format_spec))


def make_findings(notes: Iterable[Note]) -> tuple[Finding, ...]:
    """Turn notes into findings by the table, the gravest first, each once."""
    unique, fill = {}, _Lenient()
    for code, values in notes:
        entry, column, where = FINDINGS[code], str(values.get("column", "")), values.get("where", "")
        title, explanation, remedy = (fill.vformat(text, (), values).strip() for text in entry[1:4])
        unique[code, where or column, title] = Finding(
            code=code,
            severity=values.get("severity", entry.severity),
            title=title,
            explanation=explanation,
            remedy=remedy,
            where=where or column,
            cost=values.get("cost"),
            doubted=tuple(values.get("columns", (column,))) if entry.doubts else (),
        )
    return tuple(sorted(unique.values(), key=lambda f: (ORDER[f.severity], f.code)))


def doubt_words(findings: Iterable[Finding], held: Sequence[str]) -> str:
    """Say which columns that a card holds may tell how a deal went, and by what finding; "" for none."""
    code_of = {column: each.code for each in findings for column in held if column in each.doubted}
    told = "; ".join(
        f"{', '.join(c for c in held if code_of.get(c) == code)}, which {FINDINGS[code].doubts} ({code})"
        for code in dict.fromkeys(code_of[column] for column in held if column in code_of)
    )
    which = "this was" if len(code_of) == 1 else "these were"
    return f"It holds {told}; check that {which} known when the lead came in." if told else ""


# ---------------------------------------------------------------- on the deals


def notes_of_deals(leads: Leads, deals: Leads) -> Iterator[Note]:
    """What was met on reading, criteria that hardly vary among `deals`, and signs of leaks and late answers."""
    yield from ((code, dict(values)) for code, values in leads.notes)
    for name, codes in zip(deals.criteria, deals.codes.T, strict=True):
        counts = np.array([np.count_nonzero(codes == level) for level in range(UNKNOWN)])
        level, share = int(counts.argmax()), counts.max() / max(counts.sum(), 1)
        if share in (0, 1):
            seen = f"at level {level} wherever it is known" if share else "never known"
            yield "LML110", {"column": name, "seen": seen}
        elif share >= HARDLY_VARIES:
            yield "LML203", {"column": name, "share": share, "level": level}
    yield from _not_ranked(leads.first or leads)
    some = sample_kinds(leads)
    yield from filter(None, (find_late_answers(some), *leak_notes(some)))


def _not_ranked(leads: Leads) -> Iterator[Note]:
    """LML120: words that count as unknown by the mapping, as they have no level, and do not say so themselves."""
    rules = leads.mapping.criteria if leads.mapping else {}
    for name, codes in zip(leads.criteria, leads.codes.T, strict=True):
        cells = leads.raw.get(rules[name].column) if name in rules else None
        if cells is None or not pa.types.is_dictionary(cells.type):  # a number that is unknown stands for no answer
            continue
        met = cells.filter(mask_of(codes == UNKNOWN)).drop_null().value_counts().to_pylist()
        counts = {each["values"]: each["counts"] for each in sorted(met, key=lambda each: -each["counts"])}
        words = [word for word in counts if not re.fullmatch(KNOWN.unknown, word, re.IGNORECASE)]
        n, filled = sum(map(counts.__getitem__, words)), len(cells) - cells.null_count
        filled -= sum(counts.values()) - n
        if n > NOT_RANKED * filled:
            shown = [*words[:MOST_NAMED], *["..."] * (len(words) > MOST_NAMED)]
            levels = ", ".join(f"{word}: ?" for word in words[:MOST_NAMED])
            values = {"words": shown, "share": n / filled, "criterion": name, "levels": levels}
            yield "LML120", {"column": rules[name].column, **values}


# ---------------------------------------------------------------- on the result


def notes_of_result(facts: Facts, result: Result) -> Iterator[Note]:
    """What a calibration has to say about its own result."""
    from leadml.calibration.study import reach

    study, by_id = facts.study, {each.id: each for each in result.contenders}
    if len(study.deals) < FEW_DEALS:
        yield "LML204", {"n": len(study.deals), "where": "data"}
    for framework, view in study.views.items():
        told: dict[str, Any] = {"framework": view.framework.title, "where": framework}
        if view.missing:
            lacks = {"n": len(view.mapped), "k": len(view.framework.criteria), "columns": view.missing}
            yield "LML201", told | lacks
        own = facts.fitted.get(f"{framework}-integer")
        if own and (silent := [each.id for each in own.card.criteria if not any(each.points)]):
            yield "LML202", told | {"columns": silent}
        for rule in result.policies:
            if rule.framework == framework and rule.reason == "unreachable":
                most = reach(study.rules[rule.id], study.deals.criteria)
                values = {"rule": rule.id, "cutoff": rule.documented_cutoff, "reach": most, "columns": view.missing}
                severity = "warn" if rule.id == study.baseline else "note"
                yield "LML307", {**values, "severity": severity, "where": rule.id}
    able = [each for each in result.contenders if each.kind != "comparison"]
    ranked = sorted(((c, c.auc, c.auc.value) for c in able if c.auc and c.auc.value), key=lambda each: -each[2])
    prior, rivals = facts.measures["prior"], [facts.measures[each.id] for each in able if each.kind != "prior"]
    p = [(prior["log_loss"] - each["log_loss"]).p_not_above() for each in rivals if "log_loss" in each]
    p += [each["auc"].p_not_above(0.5) for each in rivals if "auc" in each]
    if not p or min(p) * len(p) >= SURE:  # none predicts better than the base rate, or ranks better than lots
        words = ""
        for _, auc, value in [each for each in ranked if each[0].kind != "prior"][:1]:
            words = f": the best ranking has an AUC of {value:.2f} ({auc.low or 0.0:.2f} to {auc.high or 1.0:.2f})"
        yield "LML301", {"best": words, "where": "contenders"}
    card = next((each for each in ranked if each[0].card and each[0].kind == "learned"), None)
    rival = next((each for each in ranked if each[0].kind in ("context", "custom", "wide")), None)
    if card and rival and (rival[1].low or 0.0) > (card[1].high or 1.0):
        values = {"contender": rival[0].title, "auc": rival[2], "card_auc": card[2], "where": rival[0].id}
        yield "LML302", values
    name = str(result.recommended.contender)
    if (off := facts.measures.get(name, {}).get("calibration_intercept")) is not None:
        value, away = off.value, error_of_predictions(study) * Z * off.error
        if abs(value) - away > LEAST_INTERCEPT:
            values = {"direction": "more" if value > 0 else "less", "contender": name, "where": name}
            yield "LML405", {**values, "value": value, "low": value - away, "high": value + away}
    baseline = study.rules.get(str(study.baseline))
    if baseline is not None and baseline.card.framework in facts.known:
        yield from _price_unknown(facts, baseline)
    if (dropped := result.dropped) is not None:
        told = {"columns": dropped.columns, "contender": dropped.contender, "where": "wide"}
        for end, which in (("without", "wide"), ("with", dropped.contender)):
            for figure in ("wins_per_100", "auc"):
                told[f"{figure}_{end}"] = getattr(by_id[which], figure).value
        fall = dropped.wins_per_100
        yield "LML309", {**told, "fall": fall.value, "low": fall.low, "high": fall.high, "cost": fall.value}


def error_of_predictions(study: Study) -> float:
    """By how much the error of held-out predictions widens the interval of their level.

    While nothing changed, a deal's surprise counts once where it is held out, and against each later block that
    learned from it: with 1 - sum of n_test / n_train over these blocks, in place of 1.
    """
    learned, square, n = 0.0, 0.0, 0
    for held in reversed(study.blocks if study.timed else ()):
        square += len(held.test) * (1.0 - learned) ** 2
        learned += len(held.test) / len(held.train)
        n += len(held.test)
    return float(np.sqrt((square + len(study.blocks[0].train) * learned**2) / n)) if n else 1.0


def _price_unknown(facts: Facts, rule: FittedCard) -> Iterator[Note]:
    """LML208: what counting unknown as 0 costs, beside the same points with unknown at the average known level."""
    known = facts.known[str(rule.card.framework)]
    codes, population = known.leads.codes, known.population
    if float(population @ (codes == UNKNOWN).mean(axis=1)) < LEAST_UNKNOWN * population.sum():
        return
    points, score = {each.id: np.array(each.points) for each in rule.card.criteria}, np.zeros(len(codes))
    for column, name in zip(codes.T, known.leads.criteria, strict=True):
        seen, own = column != UNKNOWN, points[name][np.minimum(column, LEVEL_MAX)]
        score += np.where(seen, own, (population * seen) @ own / max(population @ seen, 1e-12))
    decision = rule.predict(known.leads).decision
    followed = float(population @ decision)
    if not 0.0 < followed < population.sum():
        return
    other = highest(np.round(score, 9), followed / population.sum(), population)
    won, won_other = (known.draws @ (population * each) / followed * 100 for each in (decision, other))
    cost, own_wins = float((won_other - won).mean()), float(won.mean())
    if cost >= LEAST_COST and np.quantile(won_other - won, 0.05) > 0:
        values = {"rule": rule.card.name, "own": own_wins, "other": own_wins + cost}
        yield "LML208", {**values, "cost": cost, "where": rule.card.name}
