"""What each answer to the next question would make of a lead, in the CRM's own words: ``>= 10000: ready``.

Words of a level are the texts that the CRM has for it, or one threshold: ``>= 10000`` (``<= 6`` where less
is better), and for level 0 the opposite of the first (``< 1``). A level without words, where others have
some, is one that the CRM cannot hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leadml.levels import LEVEL_MAX

if TYPE_CHECKING:
    from leadml.card.record import Card

MOST_WORDS = 4
_OPPOSITE = {">=": "<", "<=": ">"}


def answer_text(card: Card, row: int, made: Sequence[int]) -> str:
    """``answers: decision`` joined by ``; ``, best first; `made` has the decision of each answer."""
    words: Mapping[str, Sequence[str]] = {}
    if row < len(card.criteria):
        words = card.criteria[row].words
        answers = [level for level in range(LEVEL_MAX + 1) if not words or words.get(str(level))]
        made = [made[level] for level in answers]
    else:
        bins = card.attributes[row - len(card.criteria)].bins
        labels = [*(each.label for each in bins if not each.blank), "any other"]
    if len(set(made)) == 1:
        return f"any answer: {card.labels[made[0]]}"
    parts = []
    for decision in sorted(set(made)):
        at = [i for i, each in enumerate(made) if each == decision]
        # Positions that follow one another are one run.
        grouped = itertools.groupby(enumerate(at), lambda each: each[1] - each[0])
        runs = [[i for _, i in run] for _, run in grouped]
        if row >= len(card.criteria):
            text = _some([labels[i] for i in at])
        elif words:
            text = ", ".join(_run_text(words, answers, run) for run in runs)
        else:
            text = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
        parts.append(f"{text}: {card.labels[decision]}")
    return "; ".join(parts)


def _run_text(words: Mapping[str, Sequence[str]], answers: Sequence[int], run: Sequence[int]) -> str:
    """Answers that follow one another: their words, and one range for all thresholds among them."""
    every = [word for i in run for word in words[str(answers[i])]]
    thresholds = [word for word in every if word.startswith((">= ", "<= ", "< ", "> "))]
    texts = [word for word in every if word not in thresholds]
    if thresholds:
        after = [w for level in answers[run[-1] + 1 :] for w in words[str(level)] if w[:2] in _OPPOSITE]
        upper = _OPPOSITE[after[0][:2]] + after[0][2:] if after else ""
        first = thresholds[0] if thresholds[0][:2] in _OPPOSITE else ""
        texts.append(" and ".join(filter(None, [first, upper])) or thresholds[0])
    return _some(texts)


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:MOST_WORDS]) + (", …" if len(texts) > MOST_WORDS else "")


def words_of_mapping(mapping: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    """Words of every criterion of a `leadml.data.mapping.Mapping`, for `CardCriterion.words`."""
    from leadml.terminal import clean

    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, criterion in mapping.criteria.items():
        words: dict[int, list[str]] = {}
        for word, level in (criterion.levels or {}).items():
            if text := clean(str(word)).strip()[:200]:
                words.setdefault(int(level), []).append(text)
        if criterion.edges:
            edges = [f"{edge:.15g}" for edge in criterion.edges]
            edges, op = (edges[::-1], "<=") if criterion.descending else (edges, ">=")
            words.setdefault(0, []).append(f"{_OPPOSITE[op]} {edges[0]}")
            for level, edge in enumerate(edges, 1):
                words.setdefault(level, []).append(f"{op} {edge}")
        if words:
            found[name] = {str(level): tuple(words[level]) for level in sorted(words)}
    return found
