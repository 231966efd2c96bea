"""A calibration in a terminal."""

from leadml.workflows.words import format_calibration


def figure(
    value: float | None, low: float | None = None, high: float | None = None
) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def test_both_tables_and_the_recommendation_are_told() -> None:
    result = {
        "data": {"name": "deals", "n_leads": 90, "n_won": 40, "n_lost": 50, "n_open": 0},
        "split": {"n_test": 90, "kind": "grouped-kfold"},
        "contenders": [
            {"id": "bant-ibm", "kind": "documented", "auc": figure(0.5381, 0.486, 0.592), "log_loss": None},
            {"id": "prior", "kind": "prior", "auc": figure(0.5), "log_loss": figure(0.6931, None, None)},
        ],
        "policies": [
            {
                "id": "bant-ibm",
                "documented_cutoff": 3,
                "learned_cutoff": figure(2, 2, 3),
                "verdict": "undecided",
                "verdict_weights": "keep",
                "verdict_cutoff": "undecided",
            }
        ],
        "findings": [
            {"code": "LML1", "severity": "note", "title": "quiet", "explanation": "x"},
            {"code": "LML2", "severity": "warn", "title": "loud", "explanation": "Look."},
        ],
        "recommended": {"contender": "bant-steps", "sentence": "Keep it.", "cutoff": figure(7, 6, 8)},
    }
    text = format_calibration(result)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "bant-ibm documented 0.538 (0.486 to 0.592) -" in lines
    assert "prior prior 0.500 0.693" in lines
    assert "bant-ibm 3 2 (2 to 3) keep undecided undecided" in lines
    assert "warn LML2: loud. Look." in lines
    assert "quiet" not in text
    assert lines[-2:] == ["Keep it.", "The card is bant-steps, followed up from 7 (6 to 8)."]
