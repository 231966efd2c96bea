"""Words of a locale for a work list and for what a card says; those of English cards are the card's own."""

from __future__ import annotations

import functools
import re
from importlib.resources import files

import pyarrow as pa
from pydantic import Field

from leadml.data.cells import text_array
from leadml.exceptions import UsageError
from leadml.records import Record, load_record


class Words(Record):
    """Words of one locale; what has no translation stays as the card has it."""

    leads_sheet: str
    columns_sheet: str
    other_column: str  # what a kept column of the input is said to hold
    columns: dict[str, tuple[str, str]]  # title and explanation
    decisions: dict[str, str] = Field(default_factory=dict)
    phrases: dict[str, str] = Field(default_factory=dict)
    patterns: dict[str, str] = Field(default_factory=dict)

    def translated(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Answers of a card with actions, and what answers would make of a lead, in words of the locale."""
        for name in ("action", "if_answered"):
            column = batch.column(name)
            texts = text_array([self._translate(text) for text in column.dictionary.to_pylist()])
            at = batch.schema.get_field_index(name)
            batch = batch.set_column(at, name, pa.DictionaryArray.from_arrays(column.indices, texts))
        return batch

    def _translate(self, text: str) -> str:
        for pattern, said in self.patterns.items():
            text = re.sub(pattern, said, text)
        return self.phrases.get(text, text)


class _Locales(Record):
    en: Words
    nl: Words


@functools.cache
def words_of(locale: str) -> Words:
    """Words of a locale."""
    locales = load_record(files("leadml.scoring") / "words.yaml", _Locales)
    if locale not in _Locales.model_fields:
        raise UsageError(f"--locale: got {locale!r}, valid are {', '.join(_Locales.model_fields)}")
    words: Words = getattr(locales, locale)
    return words
