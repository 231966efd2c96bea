"""Locales: words of a work list, and Dutch words for decisions, actions and explanations of columns."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from leadml.exceptions import UsageError

_EN = {
    "lead_id": "Which lead this is.",
    "policy": "The documented rule that this row is by.",
    "probability": "Chance that the lead is won, as observed on closed deals; empty for a documented rule.",
    "points": "Points earned, unknown answers included at what the card gives for them.",
    "points_max": "The highest total that the card can give.",
    "low": "Points if every unknown answer turned out worst.",
    "high": "Points if every unknown answer turned out best.",
    "band": "The band that the points fall in.",
    "action": "What to do with leads in this band.",
    "decision": "ready: follow up; wait: ask first, or nurture; no-match: spend the time elsewhere.",
    "settled": "Whether no answer can change the band any more.",
    "ask_next": "The unknown answer worth asking for first.",
    "unknown": "What is not known of the lead.",
    "reasons": "Where the points come from, largest first; they add up to the points.",
    "caveats": "Documented limits that apply to this lead.",
    "model": "The card and its version.",
    "question": "The next question to ask.",
    "if_answered": "What each answer would make of the lead.",
}
_NL = {
    "lead_id": "Welke lead dit is.",
    "policy": "De gedocumenteerde regel waarnaar deze rij oordeelt.",
    "probability": "Kans dat de lead gewonnen wordt, zoals waargenomen; leeg bij een gedocumenteerde regel.",
    "points": "Behaalde punten, met voor elk onbekend antwoord wat de kaart daarvoor geeft.",
    "points_max": "Het hoogste totaal dat de kaart kan geven.",
    "low": "Punten als elk onbekend antwoord het slechtste blijkt.",
    "high": "Punten als elk onbekend antwoord het beste blijkt.",
    "band": "De klasse waarin de punten vallen.",
    "action": "Wat te doen met leads in deze klasse.",
    "decision": "opvolgen; wachten: eerst vragen, of warm houden; geen match: besteed de tijd elders.",
    "settled": "Of geen enkel antwoord de klasse nog kan veranderen.",
    "ask_next": "Het onbekende antwoord dat het eerst gevraagd moet worden.",
    "unknown": "Wat van de lead niet bekend is.",
    "reasons": "Waar de punten vandaan komen, de meeste eerst; samen zijn ze het puntental.",
    "caveats": "Gedocumenteerde beperkingen die voor deze lead gelden.",
    "model": "De kaart en haar versie.",
    "question": "De volgende vraag om te stellen.",
    "if_answered": "Wat elk antwoord van de lead zou maken.",
}
_NL_DECISIONS = {"ready": "opvolgen", "wait": "wachten", "no-match": "geen match"}
_NL_PHRASES = {
    "follow up at once": "meteen opvolgen",
    "follow up immediately": "onmiddellijk opvolgen",
    "follow up": "opvolgen",
    "nurture": "warm houden",
    "drop": "laten vallen",
    "call": "bellen",
    "disqualify": "diskwalificeren",
    "find a phone number": "telefoonnummer zoeken",
    "decide by another rule": "beslissen naar een andere regel",
    "spend no time on it": "geen tijd aan besteden",
    "spend the time elsewhere": "tijd elders besteden",
}
_NL_PATTERNS = (
    (re.compile(r"^ask about (.*) first$"), r"vraag eerst naar \1"),
    (re.compile(r"\bany answer: "), "elk antwoord: "),
    (re.compile(r"\bany other: "), "elk ander: "),
)


@dataclasses.dataclass(frozen=True)
class Words:
    """Words of one locale; what has no translation stays as the card has it."""

    explanations: Mapping[str, str]
    other_column: str  # what a kept column of the input is said to hold
    leads_sheet: str
    columns_sheet: str
    decisions: Mapping[str, str]
    phrases: Mapping[str, str]

    def translate(self, text: str) -> str:
        """An action, or what answers would make of a lead."""
        for pattern, said in _NL_PATTERNS:
            text = pattern.sub(said, text)
        return self.phrases.get(text, text)


_WORDS = {
    "en": Words(_EN, "From the input, as it was.", "leads", "columns", {}, {}),
    "nl": Words(_NL, "Uit de invoer, ongewijzigd.", "leads", "kolommen", _NL_DECISIONS, _NL_PHRASES),
}


def words_of(locale: str) -> Words:
    """Words of a locale."""
    if locale not in _WORDS:
        raise UsageError(f"--locale: got {locale!r}, valid are {', '.join(_WORDS)}")
    return _WORDS[locale]
