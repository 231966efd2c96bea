"""A result as `leadml calibrate` writes it, in code, for the tests of the report and of tracking.

The figures are invented but agree with each other: 1,240 closed deals, 310 won (25%), BANT, all mapped.
"""

from __future__ import annotations

from typing import Any

from leadml.card import Card

CRITERIA = ("budget", "authority", "need", "timeline")
LEARNED = {"budget": 0.55, "authority": 1.9, "need": 1.25, "timeline": 0.3}


def figure(value: float | None, half: float = 0.0) -> dict[str, float | None]:
    """Make a figure with a symmetric interval."""
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - half, "high": value + half}


def gain(value: float | None, half: float, p: float | None) -> dict[str, float | None]:
    """Make a paired gain with its adjusted p."""
    return {**figure(value, half), "p_adjusted": p}


def contender(id_: str, title: str, kind: str, family: str, auc: float, **more: Any) -> dict[str, Any]:
    """Make one contender; a documented policy has no probability."""
    knows = kind != "documented"
    weights = None
    if kind == "learned" and family != "cutoff":
        weights = {
            c: {"documented": 1.0, "learned": w, "low": max(0.0, w - 0.35), "high": w + 0.35}
            for c, w in LEARNED.items()
        }
    base = {
        "id": id_,
        "title": title,
        "kind": kind,
        "family": family,
        "framework": None if kind in ("context", "prior") else "bant",
        "auc": figure(auc, 0.024),
        "log_loss": figure(0.51 if knows else None, 0.02),
        "brier": figure(0.166 if knows else None, 0.008),
        "calibration_slope": figure(0.97 if knows and kind != "prior" else None, 0.15),
        "calibration_intercept": figure(-0.03 if knows else None, 0.12),
        "workload": figure(0.34, 0.02),
        "precision": figure(0.41, 0.04),
        "recall": figure(0.56, 0.05),
        "wins_captured": figure(0.56, 0.05),
        "net_value_per_lead": figure(88.0, 31.0),
        "gain": {
            "wins_captured": gain(0.06, 0.04, 0.01),
            "net_value_per_lead": gain(14.0, 11.0, 0.03),
            "auc": gain(0.03, 0.02, 0.02),
        },
        "shrink": 3.0 if weights else None,
        "smooth": 1.0 if weights else None,
        "n_points_steps": 16 if weights else None,
        "rounding": {"whole": 0.5112, "real": 0.511, "lost": 0.0002} if id_ == "bant-integer" else None,
        "weights": weights,
        "path": [
            {"shrink": s, "smooth": 1.0, "log_loss": 0.51, "weights": dict(LEARNED)} for s in (0.1, 1.0, 10.0)
        ]
        if weights
        else None,
        "reliability": [
            {"p_mean": p, "rate": figure(r, 0.07), "n": n}
            for p, r, n in ((0.08, 0.07, 180), (0.18, 0.2, 140), (0.3, 0.27, 110), (0.52, 0.56, 90))
        ]
        if knows and kind != "prior"
        else None,
        "recommended": id_ == "bant-integer",
    }
    return {**base, **more}


def policy(id_: str, title: str, unit: str, cutoff: int, verdict: str, **more: Any) -> dict[str, Any]:
    """Make one documented rule with its verdicts."""
    top = 4 if unit == "met" else 16
    rates = [
        {
            "score": s,
            "n": 40 + 5 * min(s, top - s),
            "won": round((40 + 5 * min(s, top - s)) * (0.05 + 0.5 * s / top)),
            "rate": figure(0.05 + 0.5 * s / top, 0.04),
        }
        for s in range(top + 1)
    ]
    learned = cutoff - 1
    base = {
        "id": id_,
        "title": title,
        "framework": "bant",
        "source": "000",
        "unit": unit,
        "documented_cutoff": cutoff,
        "learned_cutoff": {
            "value": learned,
            "low": learned - 1,
            "high": learned + 1,
            "not_distinguishable": [learned, cutoff],
        },
        "implied_value": {"low": 2.4, "high": 3.4, "low_interval": [2.0, 2.8], "high_interval": [2.9, 4.2]},
        "verdict": verdict,
        "verdict_weights": verdict,
        "verdict_cutoff": "undecided",
        "gain_weights": {**gain(0.06, 0.04, 0.01), "unit": "share of wins captured"},
        "gain_cutoff": {**gain(6.0, 12.0, 0.3), "unit": "EUR per lead"},
        "more_deals_needed": 2300 if verdict == "undecided" else None,
        "weights": {
            c: {"documented": 1.0, "learned": w, "low": max(0.0, w - 0.35), "high": w + 0.35}
            for c, w in LEARNED.items()
        },
        "order_claim": None,
        "learned_contender": "bant-weights",
        "sentence": "With as many leads followed up, the learned weights win 6 of 100 more of the won deals.",
        "threshold": {"probability": 0.25, "basis": "break-even"},
        "rates": rates,
    }
    return {**base, **more}


def make_result(verdict: str = "change", n_more_contenders: int = 0) -> dict[str, Any]:
    """Make a whole result.

    Parameters
    ----------
    verdict : str
        The overall verdict on the baseline rule.
    n_more_contenders : int
        Further learned contenders, to reach a given number.
    """
    cells = [
        {
            "rule": rule,
            "model": model,
            "n": n,
            "won": won,
            "rate": figure(won / n, 0.05),
            "ids": [f"D-{n + i}" for i in range(20)],
        }
        for rule, model, n, won in (
            (True, True, 80, 40),
            (True, False, 30, 5),
            (False, True, 34, 13),
            (False, False, 166, 20),
        )
    ]
    more = [
        contender(f"bant-extra-{i}", f"Extra {i}", "learned", "weights", 0.6)
        for i in range(n_more_contenders)
    ]
    return {
        "schema_version": 1,
        "leadml_version": "0.1.0",
        "data": {
            "name": "closed_deals",
            "source": "closed_deals.csv",
            "n_rows": 1305,
            "n_leads": 1300,
            "n_won": 310,
            "n_lost": 930,
            "n_open": 60,
            "n_rejected": 5,
            "base_rate": figure(0.25, 0.024),
            "digest": "sha256:" + "a1" * 32,
            "mapping_name": "our_crm",
            "mapping_digest": "sha256:" + "b2" * 32,
            "context": ["Product", "Region"],
            "currency": "EUR",
            "criteria": [
                {
                    "id": c,
                    "mapped": True,
                    "unknown_share": 0.04 * i,
                    "levels": {str(v): 100 + 60 * v for v in range(5)},
                }
                for i, c in enumerate(CRITERIA)
            ]
            + [{"id": "funds", "mapped": False, "unknown_share": 1.0, "levels": {}}],
        },
        "split": {
            "kind": "out-of-time",
            "folds": 1,
            "repeats": 1,
            "test_share": 0.25,
            "n_groups": 1190,
            "n_train": 930,
            "n_test": 310,
            "test_base_rate": 0.252,
            "train_base_rate": 0.249,
            "reason": "The deals have dates, so the newest quarter was held out.",
        },
        "settings": {
            "policies": ["bant-ibm", "bant-strict", "bant-points"],
            "baseline": "bant-ibm",
            "economics": None,
            "capacity": None,
            "split": {"kind": "auto", "test_share": 0.25, "folds": 10, "repeats": 3},
            "contenders": ["cutoff", "weights", "integer"],
            "met_level": 2,
            "smallest_gain": 0.01,
            "bootstrap": 1000,
            "random_state": 0,
            "as_of": "2026-01-01",
        },
        "frameworks": [
            {"id": "bant", "title": "BANT", "mapped": list(CRITERIA), "unmapped": []},
            {
                "id": "faint",
                "title": "FAINT",
                "mapped": ["authority", "need", "timeline"],
                "unmapped": ["funds", "interest"],
            },
        ],
        "contenders": [
            contender("bant-ibm", "BANT, at least 3 of 4 met", "documented", "policy", 0.61, gain=None),
            contender(
                "bant-strict",
                "BANT, all 4 met",
                "documented",
                "policy",
                0.61,
                wins_captured=figure(0.2, 0.04),
            ),
            contender("bant-points", "BANT, 9 of 16 points", "documented", "policy", 0.63),
            contender("bant-met-cutoff", "Criteria met, learned cut-off", "learned", "cutoff", 0.61),
            contender("bant-weights", "Learned weights", "learned", "weights", 0.66),
            contender("bant-integer", "Learned card, whole points", "learned", "integer", 0.66),
            *more,
            contender(
                "context-logistic",
                "Rules and context, logistic regression",
                "context",
                "context-logistic",
                0.7,
            ),
            contender("context-boosting", "Rules and context, boosting", "context", "context-boosting", 0.71),
            contender(
                "prior",
                "Always the base rate",
                "prior",
                "prior",
                0.5,
                gain={
                    "wins_captured": gain(-0.22, 0.05, 0.0),
                    "net_value_per_lead": gain(None, 0, None),
                    "auc": gain(-0.11, 0.02, 0.0),
                },
            ),
        ],
        "policies": [
            policy("bant-ibm", "BANT, at least 3 of 4 met", "met", 3, verdict),
            policy(
                "bant-strict",
                "BANT, all 4 met",
                "met",
                4,
                "undecided",
                implied_value={"low": 3.4, "high": None, "low_interval": [2.9, 4.2], "high_interval": None},
            ),
            policy(
                "bant-points",
                "BANT, 9 of 16 points",
                "points",
                9,
                "keep",
                order_claim={"claim": "Budget weighs most, then authority, need, timeline.", "share": 0.02},
            ),
        ],
        "disagreement": [{"policy": "bant-ibm", "contender": "bant-integer", "cells": cells}],
        "findings": [
            {
                "code": "LML102",
                "severity": "warn",
                "title": "The newest deals differ from the older ones",
                "explanation": "Authority is known more often since March.",
                "where": "authority",
            },
            {
                "code": "LML210",
                "severity": "note",
                "title": "The cut-off was set at break-even",
                "explanation": "No economics and no capacity were given.",
                "where": "experiment",
            },
        ],
        "champion": "context-logistic",
        "recommended": {
            "contender": "bant-integer",
            "framework": "bant",
            "kind": "learned",
            "verdict": verdict,
            "card": "card.json",
            "versus": "bant-ibm",
            "sentence": "Change the weights: with equally many leads followed up, the learned card "
            "wins 6 of 100 more of the won deals (2 to 10).",
            "cutoff": figure(7.0, 1.0),
            "threshold_probability": 0.25,
            "bands": [
                {
                    "id": "no",
                    "title": "not qualified",
                    "from": 0,
                    "action": "spend no time on it",
                    "low": None,
                    "high": None,
                },
                {
                    "id": "light",
                    "title": "lightly qualified",
                    "from": 4,
                    "action": "nurture",
                    "low": 3,
                    "high": 5,
                },
                {"id": "yes", "title": "qualified", "from": 7, "action": "follow up", "low": 6, "high": 8},
                {
                    "id": "high",
                    "title": "highly qualified",
                    "from": 11,
                    "action": "follow up immediately",
                    "low": 10,
                    "high": 13,
                },
            ],
        },
    }


def make_card() -> dict[str, Any]:
    """Make the card of the recommended contender, as card.json holds it."""
    points = {
        "budget": [0, 1, 1, 2, 2],
        "authority": [0, 2, 4, 6, 7],
        "need": [0, 1, 3, 4, 5],
        "timeline": [0, 0, 1, 1, 2],
    }
    result = make_result()
    decisions = {"no": "no-match", "light": "wait", "yes": "ready", "high": "ready"}
    bands = [
        {**{k: b[k] for k in ("id", "title", "from", "action")}, "decision": decisions[b["id"]]}
        for b in result["recommended"]["bands"]
    ]
    card = {
        "schema_version": 1,
        "name": "closed_deals",
        "version": 1,
        "framework": "bant",
        "kind": "learned",
        "created_at": "2026-01-01",
        "criteria": [
            {
                "id": c,
                "title": c,
                "points": points[c],
                "unknown_points": 0,
                "documented_points": [0, 1, 2, 3, 4],
            }
            for c in CRITERIA
        ],
        "met_level": 2,
        "base": -2.6,
        "slope": 0.27,
        "total_max": 16,
        "table": [
            {"points": t, "probability": 0.05 + 0.04 * t, "low": 0.03 + 0.035 * t, "high": 0.07 + 0.046 * t}
            for t in range(17)
        ],
        "bands": bands,
        "cutoff": 7,
        "gates": [],
        "decision_labels": {"ready": "ready", "wait": "wait", "no-match": "no-match"},
        "caveats": [],
        "provenance": {
            "data_digest": result["data"]["digest"],
            "mapping_digest": result["data"]["mapping_digest"],
            "n_won": 310,
            "n_lost": 930,
            "as_of": "2026-01-01",
            "mlflow_run_id": None,
            "leadml_version": "0.1.0",
        },
    }
    return Card.from_dict(card, verify=False).to_dict()
