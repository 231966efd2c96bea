"""The columns that `predict` writes of a lead: a card's sums in words, put into words once a pattern."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadml.card.score import DECISIONS, ENUMERATED, NO_MATCH, WAIT, Answers
from leadml.data.cells import mask_of, number_array, take, text_array
from leadml.levels import LEVEL_MAX, UNKNOWN, Ints32

if TYPE_CHECKING:
    import pandas as pd

    from leadml.card.record import Card, CardBin

COLUMNS = (
    "probability", "points", "points_max", "low", "high", "band", "action", "decision", "settled",
    "ask_next", "unknown", "reasons", "caveats", "model", "question", "if_answered",
)  # fmt: skip
"""After the lead's identity: the columns of version 0.1, then what came since."""
MOST_WORDS = 4
BETWEEN = ("filled", "below {high}", "{low} or more", "{low} to below {high}")
"""How a bin of numbers is called."""
OPPOSITE = {">=": "<", "<=": ">"}


class Phrases(dict[str, str]):
    """What leadml itself says of a lead, in another language; what is not among them is somebody's own, and stays."""

    def __missing__(self, phrase: str) -> str:
        return phrase

    def label(self, part: CardBin) -> str:
        """What a bin is called: the CRM's words, and numbers between words of ours."""
        ends = {"low": f"{part.from_ or 0:g}", "high": f"{part.to or 0:g}"}
        if part.values is None:
            ours = (each for each in BETWEEN if each.format(**ends) == part.label)  # else somebody wrote others
            return next((self[each].format(**ends) for each in ours), part.label)
        return re.sub(r" \(\+(\d+) more\)$", rf" (+\1 {self['more']})", part.label)


AS_IT_IS = Phrases()
Column = tuple[Any, npt.NDArray[Any]]
"""Distinct values (an array; texts as a list, or as Arrow), and which of them each row has."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """Scores of n leads: the answers of each pattern, and which pattern (`index`) each lead has.

    Each column of `COLUMNS` is an attribute (an array of n values).
    """

    answers: Answers
    index: Ints32

    def __len__(self) -> int:
        return len(self.index)

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        if name not in COLUMNS:
            raise AttributeError(f"Scores has no column {name!r}; it has {', '.join(COLUMNS)}")
        values, at = column_of(self.answers, name)
        if not isinstance(values, np.ndarray):
            values = np.array(values.to_pylist() if isinstance(values, pa.Array) else values, object)
        return np.asarray(values[at[self.index]])

    def rows(self) -> list[dict[str, Any]]:
        """One dict of plain Python values a lead; probability is None for a card that tells none."""
        return cast(list[dict[str, Any]], self.to_arrow().to_pylist())

    def to_pandas(self) -> pd.DataFrame:
        """The columns as a DataFrame of n rows."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})

    def to_arrow(self, *, by_pattern: bool = False, phrases: Phrases = AS_IT_IS) -> pa.RecordBatch:
        """The columns as an Arrow batch of a row a lead (or a pattern), texts that repeat as dictionaries."""
        made: list[pa.Array] = []
        for name in COLUMNS:
            values, at = column_of(self.answers, name, phrases)
            at = at if by_pattern else at[self.index]
            if name == "probability" and not self.answers.table.card.table:
                made.append(pa.nulls(len(at), pa.float64()))
            elif isinstance(values, np.ndarray):
                made.append(mask_of(values[at]) if values.dtype == bool else number_array(values[at]))
            else:
                words = values if isinstance(values, pa.Array) else text_array(values)
                positions = number_array(at.astype(np.int32, copy=False))
                if name == "reasons" and math.prod(self.answers.table.sizes) > ENUMERATED:  # texts hardly repeat
                    made.append(words if by_pattern else take(words, positions))
                else:
                    made.append(pa.DictionaryArray.from_arrays(positions, words))
        return pa.RecordBatch.from_arrays(made, names=list(COLUMNS))


def column_of(answers: Answers, name: str, say: Phrases = AS_IT_IS) -> Column:
    """One of `COLUMNS` over the rows of answers."""
    table, card, codes, n = answers.table, answers.table.card, answers.codes, len(answers.points)
    ids = [*(say[each.id] for each in card.criteria), *(each.id for each in card.attributes)]
    names = [*(say[each.id] for each in card.criteria), *(each.column for each in card.attributes)]
    match name:
        case "points_max":
            return np.array([card.total_max], np.int32), np.zeros(n, np.int32)
        case "model":
            return [card.model], np.zeros(n, np.int32)
        case "band":
            return [say[band.id] for band in card.bands], answers.band
        case "decision":
            return card.labels, answers.decision
        case "ask_next":
            return ["", *ids], answers.ask_next + 1
        case "question":
            questions = [
                say[each.question] if each.question else say["What is known of {}?"].format(say[each.title.lower()])
                for each in card.criteria
            ]
            questions += [say["What is {}?"].format(each.column) for each in card.attributes]
            return ["", *questions], answers.ask_next + 1
        case "action":
            n_bands, asked = len(card.bands), answers.decision == WAIT
            asked &= table.band_decisions[answers.band] == NO_MATCH
            first = [say["ask about {} first"].format(name) for name in names]
            at = np.where(asked, n_bands + 1 + answers.ask_next, answers.band)
            actions = [*(say[band.action] for band in card.bands), say["disqualify"], *first]  # which are no band's
            return actions, np.where(answers.gate_failed, n_bands, at)
        case "unknown":
            return _named({name: codes[:, j] == table.unknown[j] for j, name in enumerate(ids)}, n)
        case "caveats":
            facts = dict(zip([each.id for each in table.by_facts], codes[:, len(table.sizes) :].T, strict=False))
            found = {say[each.id]: facts.get(each.id, np.full(n, not each.when)) for each in card.caveats}
            found |= {say["gate failed: {}"].format(ids[j]): codes[:, j] < below for j, below in table.gates.items()}
            found |= {say["gate open: {}"].format(ids[j]): codes[:, j] == UNKNOWN for j in table.gates}
            return _named(found, n)
        case "reasons":
            return _reasons(answers, names, say), np.arange(n, dtype=np.int32)
        case "if_answered":
            distinct, at = table.outcomes(answers)
            texts, alike = np.unique(
                ["", *(answer_text(card, j, made, say) for j, made in distinct)], return_inverse=True
            )
            return texts.tolist(), alike[at + 1]
    return getattr(answers, name), np.arange(n, dtype=np.int32)


def _named(applies: Mapping[str, npt.NDArray[Any]], n: int) -> Column:
    """The names that apply to each of n rows, joined by ``; ``."""
    bits = sum((each.astype(np.int64) << at for at, each in enumerate(applies.values())), np.zeros(n, np.int64))
    distinct, at = np.unique(bits, return_inverse=True)
    return ["; ".join(name for j, name in enumerate(applies) if each >> j & 1) for each in distinct.tolist()], at


def _reasons(answers: Answers, names: Sequence[str], say: Phrases) -> pa.StringArray:
    """``criterion +points`` joined by ``; ``, largest first, in the order of the card where equal."""
    table, card = answers.table, answers.table.card
    # Words in the order in which they stand in any text, so that sorting their numbers orders the text.
    order = sorted((-p, j, code) for j, row in enumerate(table.points) for code, p in enumerate(row.tolist()) if p)
    other, unknown = (f" ({say[each]})" for each in ("other", "unknown"))
    told = [["", *[""] * 4, unknown]] * len(card.criteria)
    told += [[*(f" = {say.label(each)}" for each in a.bins), other, unknown] for a in card.attributes]
    words = [f"{names[j]}{told[j][code]} +{-points}" for points, j, code in order]
    rank = [np.full(size, len(order), np.int32) for size in table.sizes]
    for at, (_, j, code) in enumerate(order):
        rank[j][code] = at
    pieces = np.stack([row[answers.codes[:, j]] for j, row in enumerate(rank)], axis=1)
    pieces.sort(axis=1)
    # Taken one after another, the words of a row lie side by side: each but the first of a row brings its "; ".
    pieces[:, 1:] += len(words) + 1
    taken = take(text_array([*words, "", *(f"; {word}" for word in words), ""]), number_array(pieces.ravel()))
    ends = np.frombuffer(taken.buffers()[1], np.int32, count=pieces.size + 1)[:: pieces.shape[1]]
    return pa.StringArray.from_buffers(len(pieces), pa.py_buffer(np.ascontiguousarray(ends)), taken.buffers()[2])


def answer_text(card: Card, row: int, made: Sequence[Sequence[int]], say: Phrases = AS_IT_IS) -> str:
    """What each answer would make of a lead, ``>= 10000: ready; geen: wait``, best first.

    `made` has the decision and the band of each answer. Where answers differ in their band alone, the bands are named
    (but for one that drops a lead which waits: there the decision). Words of a level are the CRM's texts for it, or one
    threshold (``>= 10000``, ``<= 6`` where less is better; for level 0 the opposite of the first). A level without
    words, where others have some, is one that the CRM cannot hold.
    """
    if row < len(card.criteria):
        words = card.criteria[row].words
        can_be = [level for level in range(LEVEL_MAX + 1) if not words or words.get(str(level))]
        answers = [(words.get(str(level), ()), made[level]) for level in can_be]
    else:
        bins = card.attributes[row - len(card.criteria)].bins
        labels = [*(say.label(each) for each in bins if not each.blank), say["any other"]]
        answers, can_be = [((label,), each) for label, each in zip(labels, made, strict=False)], []
    if is_one := len({decision for _, (decision, _) in answers}) == 1:
        says = [band if card.bands[band].decision == DECISIONS[decision] else -1 for _, (decision, band) in answers]
    else:
        says = [-decision for _, (decision, _) in answers]  # the highest is best
    label = card.labels[answers[0][1][0]]
    if len({*says}) == 1:
        return say["any answer: {}"].format(label)
    told: dict[int, list[str]] = {}
    # Answers that say the same and follow one another are one run; of labels all are.
    for each, run in itertools.groupby(range(len(answers)), says.__getitem__):
        at = [*run]
        texts = [word for i in at for word in answers[i][0]]
        if not texts:
            texts = [f"{can_be[at[0]]}-{can_be[at[-1]]}" if len(at) > 1 else f"{can_be[at[0]]}"]
        elif can_be:
            texts = [_some(_with_range(say, texts, [word for after, _ in answers[at[-1] + 1 :] for word in after]))]
        told.setdefault(each, []).extend(texts)
    names = {
        each: (say[card.bands[each].id] if each >= 0 else label) if is_one else card.labels[-each] for each in told
    }
    parts = ((", ".join(texts) if can_be else _some(texts), each) for each, texts in sorted(told.items(), reverse=True))
    return "; ".join(f"{text}: {names[each]}" for text, each in parts)


def _with_range(say: Phrases, every: Sequence[str], after: Sequence[str]) -> list[str]:
    """Words, and one range for all thresholds among them, up to the first of what comes after."""
    thresholds = [word for word in every if word.startswith((">= ", "<= ", "< ", "> "))]
    texts = [word for word in every if word not in thresholds]
    if thresholds:
        ends = [word for word in thresholds[:1] if word[:2] in OPPOSITE]
        ends += [OPPOSITE[word[:2]] + word[2:] for word in after if word[:2] in OPPOSITE][:1]
        texts.append(f" {say['and']} ".join(ends) or thresholds[0])
    return texts


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:MOST_WORDS]) + (", …" if len(texts) > MOST_WORDS else "")
