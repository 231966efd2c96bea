"""A calibration in a terminal, and the verdict as a sentence."""

import io
from typing import Any

import pytest

from leadml.workflows.judge import say
from leadml.workflows.words import format_calibration

SPLIT = {"n_test": 90, "kind": "grouped-kfold", "folds": 10, "repeats": 3}


def figure(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def make_contender(
    id_: str, kind: str, family: str, framework: str | None, loss: float | None
) -> dict[str, Any]:
    return {
        "id": id_,
        "title": id_,
        "kind": kind,
        "family": family,
        "framework": framework,
        "auc": figure(0.5381, 0.486, 0.592),
        "log_loss": figure(loss),
        "gain": {"wins_captured": figure(0.042, -0.006, 0.089)},
    }


def make_policy(**changes: Any) -> dict[str, Any]:
    return {
        "id": "bant-ibm",
        "framework": "bant",
        "documented_cutoff": 3,
        "learned_cutoff": figure(2, 2, 3),
        "rates": [{}] * 5,
        "verdict": "undecided",
        "verdict_weights": "undecided",
        "verdict_cutoff": "undecided",
        "gain_weights": figure(0.0062, -0.0121, 0.0272),
        "gain_cutoff": figure(0.0, -0.0772, 0.0556),
        "more_deals_needed": 39935,
        "weights": {"need": {"documented": 1.0, "learned": 1.25, "low": 0.5, "high": 2.0}},
    } | changes


def make_result(**changes: Any) -> dict[str, Any]:
    chosen = {"contender": "bant-steps", "framework": "bant", "sentence": "Undecided."}
    chosen |= {"cutoff": figure(7, 6, 8), "card": "card.json", "verdict": "undecided", "versus": "bant-ibm"}
    return {
        "data": {"name": "deals", "n_leads": 90, "n_won": 40, "n_lost": 50, "n_open": 0},
        "split": SPLIT,
        "frameworks": [{"id": "bant", "title": "BANT"}],
        "contenders": [
            make_contender("bant-ibm", "documented", "policy", "bant", None),
            make_contender("bant-weights", "learned", "weights", "bant", 0.71),
            make_contender("bant-steps", "learned", "steps", "bant", 0.70),
            make_contender("prior", "prior", "prior", None, 0.6931),
        ],
        "policies": [make_policy()],
        "findings": [
            {"code": "LML2", "severity": "note", "title": "quiet", "explanation": "x"},
            {"code": "LML1", "severity": "warn", "title": "loud", "explanation": "x"},
            {"code": "LML1", "severity": "warn", "title": "louder", "explanation": "x"},
        ],
        "recommended": chosen,
    } | changes


def told(result: dict[str, Any]) -> list[str]:
    return [" ".join(line.split()) for line in format_calibration(result, terminal=False).splitlines()]


def test_the_answer_comes_first_and_the_findings_last_the_gravest_before_the_others() -> None:
    lines = told(make_result())
    assert lines[0].endswith("judged on deals held out in turn (10 folds, 3 times).")
    assert lines[2] == "Undecided."
    assert lines[-2:] == ["warn LML1 loud (and 1 more)", "note LML2 quiet"]


def test_a_rule_is_one_line_with_both_gains_and_their_verdicts() -> None:
    # 2.72% + 1.21% is 3.9 points wide: one decimal. 5.56% + 7.72% is 13 points wide: none.
    expected = (
        "bant-ibm 3 of 4 2 (2 to 3) undecided +0.6% (−1.2 to +2.7) undecided 0% (−8 to +6) undecided 40,000"
    )
    assert expected in told(make_result())


def test_a_gain_that_cannot_be_judged_is_not_printed() -> None:
    silent = make_policy(verdict_weights="cannot-judge", gain_weights=figure(0.0, 0.0, 0.0))
    lines = told(make_result(policies=[silent]))
    assert "bant-ibm 3 of 4 2 (2 to 3) cannot-judge undecided 0% (−8 to +6) undecided 40,000" in lines


def test_of_each_framework_only_the_baseline_the_recommended_and_the_best_are_shown() -> None:
    lines = told(make_result())
    first = lines.index("On the same held-out deals") + 2
    assert [line.split()[0] for line in lines[first : first + 3]] == ["bant-ibm", "prior", "bant-steps"]
    expected = "bant-steps * learned weights and steps 0.54 (0.49 to 0.59) 0.7 +4.2% (−0.6 to +8.9)"
    assert expected in [line.replace("0.70", "0.7") for line in lines]


def test_a_card_beside_a_verdict_that_is_no_change_is_no_reason_to_change() -> None:
    unsure = format_calibration(make_result(), terminal=False)
    assert "Best card: BANT: learned weights and steps. Follow up from 7 (6 to 8) points." in unsure
    assert "no reason to change" in " ".join(unsure.split())
    sure = make_result()
    sure["recommended"]["verdict"] = "change"
    assert "no reason to change" not in " ".join(told(sure))


def test_weights_stand_beside_the_documented_ones() -> None:
    assert "need 1.0 1.2 (0.5 to 2.0)" in told(make_result())


def test_nothing_is_said_of_what_is_not_there() -> None:
    chosen = {
        "contender": "prior",
        "framework": None,
        "sentence": "Cannot.",
        "cutoff": None,
        "card": None,
        "verdict": "cannot-judge",
        "versus": "prior",
    }
    text = format_calibration(make_result(policies=[], findings=[], recommended=chosen), terminal=False)
    assert "rule" not in text
    assert "*" not in text
    assert "card" not in text
    assert "Findings" not in text


def test_a_terminal_gets_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = " ".join(format_calibration(make_result(), terminal=True).split())
    assert all(
        " ".join(line.split()) in drawn for line in told(make_result()) if not line.startswith("Gains")
    )


def test_an_encoding_without_a_true_minus_gets_a_hyphen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    text = format_calibration(make_result())
    assert "+0.6% (-1.2 to +2.7)" in text
    text.encode("cp1252")


@pytest.mark.parametrize("verdict", ["keep", "change", "undecided", "cannot-judge"])
def test_every_verdict_opens_its_sentence_and_names_the_rule(verdict: str) -> None:
    policy = make_policy(verdict=verdict, verdict_weights=verdict, verdict_cutoff=verdict)
    opening = {"undecided": "Undecided on", "cannot-judge": "Nothing can be said of"}
    sentence = say(policy, "3 of 4 met")
    assert sentence.startswith(opening.get(verdict, verdict.capitalize()) + " “3 of 4 met”: ")
    assert ("would decide" in sentence) == (verdict == "undecided")


def test_weights_that_cannot_be_judged_are_told_without_a_gain() -> None:
    silent = make_policy(verdict_weights="cannot-judge", gain_weights=figure(0.0, 0.0, 0.0))
    sentence = say(silent, "all met")
    assert "weights cannot be judged, since on these deals it follows up everyone or no one" in sentence
    assert "a cut-off of 2 instead of 3" in sentence
    absent = make_policy(verdict_weights="cannot-judge", gain_weights=figure(None))
    assert "no learned card competes" in say(absent, "all met")


def test_a_change_names_only_its_reasons() -> None:
    changed = make_policy(
        verdict="change", verdict_weights="change", gain_weights=figure(0.142, 0.071, 0.229)
    )
    assert say(changed, "X") == (
        "Change “X”: with as many leads followed up, learned weights win more: +14.2% of all won deals"
        " (95% interval +7.1% to +22.9%)."
    )


def test_a_learned_cutoff_that_is_the_documented_one_is_said_to_be() -> None:
    same = make_policy(learned_cutoff=figure(3, 0, 3))
    assert "the documented cut-off of 3 seems the best, others may be worth −7.7% to +5.6%" in say(same, "X")
    sure = make_policy(verdict="keep", learned_cutoff=figure(3, 3, 3), gain_cutoff=figure(0.0, 0.0, 0.0))
    assert "seems the best. Neither is worth a change." in say(sure, "X")
