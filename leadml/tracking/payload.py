"""From a result to what MLflow keeps of it: parameters, metrics, tags and tables; no rows."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final, NamedTuple

FIGURES: Final = (
    "auc",
    "log_loss",
    "brier",
    "calibration_slope",
    "calibration_intercept",
    "workload",
    "precision",
    "recall",
    "wins_captured",
    "net_value_per_lead",
)
"""Figures of a contender that become metrics, each with its interval."""

_PARTS: Final = (("value", ""), ("low", "_low"), ("high", "_high"), ("p_adjusted", "_p"))
_DIGEST_LENGTH: Final = 36  # what MLflow accepts


class Payload(NamedTuple):
    """What one run is given.

    Attributes
    ----------
    params, tags : dict of str to str
        As MLflow keeps them.
    metrics : dict of str to float
        Finite numbers only.
    """

    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


def contender_payload(contender: Mapping[str, Any], policy: Mapping[str, Any] | None) -> Payload:
    """Say what the nested run of a contender holds.

    Parameters
    ----------
    contender : mapping
        One of the result's ``contenders``.
    policy : mapping or None
        The documented rule of the same id, when it is one.

    Returns
    -------
    Payload
        Documented and learned weights, cut-offs, strengths; every figure with its interval; kind, family.
    """
    params = {"contender": str(contender["id"])}
    params |= {
        key: str(contender[key])
        for key in ("shrink", "smooth", "n_points_steps")
        if contender.get(key) is not None
    }
    for criterion, weight in (contender.get("weights") or {}).items():
        params |= {
            f"weight_{which}.{criterion}": _text(weight.get(which)) for which in ("documented", "learned")
        }
    metrics = figure_metrics(contender)
    for criterion, weight in (contender.get("weights") or {}).items():
        learned = {"value": weight.get("learned"), "low": weight.get("low"), "high": weight.get("high")}
        metrics |= figure_parts(f"weight/{criterion}", learned)
    tags = {
        "kind": str(contender["kind"]),
        "family": str(contender.get("family") or ""),
        "framework": str(contender.get("framework") or ""),
        "title": str(contender.get("title") or contender["id"]),
        "recommended": str(bool(contender.get("recommended"))).lower(),
        "mlflow.note.content": str((policy or {}).get("sentence") or contender.get("title") or ""),
    }
    if policy:
        cutoff = policy.get("learned_cutoff") or {}
        params |= {
            "documented_cutoff": _text(policy.get("documented_cutoff")),
            "learned_cutoff": _text(cutoff.get("value")),
        }
        metrics |= figure_parts("cutoff/documented", {"value": policy.get("documented_cutoff")})
        metrics |= figure_parts("cutoff/learned", cutoff)
        tags |= {
            key: str(policy[key])
            for key in ("verdict", "verdict_weights", "verdict_cutoff")
            if policy.get(key)
        }
    return Payload(params, metrics, tags)


def framework_payload(framework: Mapping[str, Any], result: Mapping[str, Any]) -> Payload:
    """Say what the nested run of a framework holds.

    Parameters
    ----------
    framework : mapping
        One of the result's ``frameworks``.
    result : mapping
        What ``result.json`` holds.

    Returns
    -------
    Payload
        Its criteria, the verdict on each of its documented rules, and how far its best card ranks.
    """
    own = [c for c in result["contenders"] if c.get("framework") == framework["id"]]
    rules = [p for p in result["policies"] if p.get("framework") == framework["id"]]
    told = [c for c in own if (c.get("log_loss") or {}).get("value") is not None]
    best: Mapping[str, Any] = min(told, key=lambda c: float(c["log_loss"]["value"]), default={})
    params = {
        "criteria": _text(framework.get("mapped")),
        "criteria_not_in_the_data": _text(framework.get("unmapped")),
        "best_contender": str(best.get("id") or ""),
    }
    metrics = figure_metrics(best) | {"data/n_criteria": float(len(framework.get("mapped") or []))}
    tags = {
        "kind": "framework",
        "framework": str(framework["id"]),
        "title": str(framework.get("title") or framework["id"]),
        "mlflow.note.content": "\n\n".join(str(p.get("sentence") or p["id"]) for p in rules),
    }
    tags |= {f"verdict.{p['id']}": str(p.get("verdict")) for p in rules}
    return Payload(params, metrics, tags)


def calibration_payload(result: Mapping[str, Any], git_commit: str | None = None) -> Payload:
    """Say what the parent run holds: settings, what was recommended and its figures.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.
    git_commit : str or None
        Of the working directory.

    Returns
    -------
    Payload
    """
    data, chosen, settings = result["data"], result["recommended"], result.get("settings") or {}
    contender: Mapping[str, Any] = next(
        (c for c in result["contenders"] if c["id"] == chosen.get("contender")), {}
    )
    params = {key: _text(value) for key, value in flat(settings)}
    params |= {
        f"split.{key}": _text(value)
        for key, value in (result.get("split") or {}).items()
        if not isinstance(value, dict | list)
    }
    params["recommended"] = str(chosen.get("contender"))
    metrics = figure_metrics(contender)
    metrics |= {
        f"data/{key}": float(data[key])
        for key in ("n_leads", "n_won", "n_lost", "n_open", "n_rejected")
        if data.get(key) is not None
    }
    metrics |= figure_parts("data/base_rate", data.get("base_rate")) | figure_parts(
        "cutoff/card", chosen.get("cutoff")
    )
    tags = {
        "leadml.version": str(result.get("leadml_version") or ""),
        "kind": "calibration",
        "framework": str(chosen.get("framework") or ""),
        "verdict": str(chosen.get("verdict") or ""),
        "recommended": str(chosen.get("contender") or ""),
        "data_digest": str(data.get("digest") or ""),
        "mapping": str(data.get("mapping_name") or ""),
        "mapping_digest": str(data.get("mapping_digest") or ""),
        "experiment_digest": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        "seed": _text(settings.get("random_state")),
        "mlflow.note.content": str(chosen.get("sentence") or ""),
    }
    if git_commit:
        tags |= {"git_commit": git_commit, "mlflow.source.git.commit": git_commit}
    return Payload(params, metrics, tags)


def figure_metrics(contender: Mapping[str, Any]) -> dict[str, float]:
    """Give every figure and gain of a contender as metrics with their intervals.

    Parameters
    ----------
    contender : mapping
        One of the result's ``contenders``.

    Returns
    -------
    dict of str to float
        ``auc``, ``interval/auc_low``, ..., ``gain/auc``, ``gain/auc_p``; what is not known is left out.

    Examples
    --------
    >>> figure_metrics({"auc": {"value": 0.6, "low": 0.5, "high": None}})
    {'auc': 0.6, 'interval/auc_low': 0.5}
    """
    metrics: dict[str, float] = {}
    for name in FIGURES:
        metrics |= figure_parts(name, contender.get(name))
    for name, gain in (contender.get("gain") or {}).items():
        metrics |= figure_parts(f"gain/{name}", gain)
    return metrics


def comparison_table(result: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the contenders side by side, as MLflow reads a table.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.

    Returns
    -------
    dict
        ``columns`` and ``data``, a row a contender.
    """
    rows = []
    for contender in result["contenders"]:
        gain = (contender.get("gain") or {}).get("wins_captured")
        # MLflow's pages compare runs by the second column of a table.
        row = {"contender": contender["id"]}
        row |= {f"gain_wins_captured{suffix}": (gain or {}).get(part) for part, suffix in _PARTS}
        for name in FIGURES:
            row |= {f"{name}{suffix}": (contender.get(name) or {}).get(part) for part, suffix in _PARTS[:3]}
        row |= {key: contender.get(key) for key in ("kind", "framework", "title")}
        rows.append(row)
    return _table(rows)


def cutoff_table(result: Mapping[str, Any]) -> dict[str, Any]:
    """Lay learned and documented cut-offs side by side, as MLflow reads a table.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.

    Returns
    -------
    dict
        ``columns`` and ``data``, a row a documented rule.
    """
    rows = []
    for policy in result["policies"]:
        learned, implied = policy.get("learned_cutoff") or {}, policy.get("implied_value") or {}
        rows.append(
            {
                "policy": policy["id"],
                "learned_cutoff": learned.get("value"),
                "documented_cutoff": policy.get("documented_cutoff"),
                "unit": policy.get("unit"),
                "learned_low": learned.get("low"),
                "learned_high": learned.get("high"),
                "verdict": policy.get("verdict"),
                "verdict_weights": policy.get("verdict_weights"),
                "verdict_cutoff": policy.get("verdict_cutoff"),
                "right_from_value": implied.get("low"),
                "right_to_value": implied.get("high"),
                "more_deals_needed": policy.get("more_deals_needed"),
            }
        )
    return _table(rows)


def dataset_fields(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """Describe the data by digest and schema; no row of it is kept.

    Parameters
    ----------
    result : mapping
        What ``result.json`` holds.

    Returns
    -------
    list of dict
        ``name``, ``digest``, ``source``, ``schema``, ``profile`` (JSON texts) and ``context``;
        training, then test.
    """
    data, split = result["data"], result.get("split") or {}
    names = [c["id"] for c in data.get("criteria") or [] if c.get("mapped", True)]
    columns = [{"type": "double", "name": name, "required": False} for name in names]
    columns += [
        {"type": "string", "name": str(name), "required": False} for name in data.get("context") or []
    ]
    digest = str(data.get("digest") or "").rpartition(":")[2][:_DIGEST_LENGTH]
    fields = []
    for context, size in (("training", "n_train"), ("test", "n_test")):
        profile = {"num_rows": split.get(size), "split": split.get("kind")}
        fields.append(
            {
                "name": f"{data.get('name') or 'deals'} ({context})",
                "digest": digest,
                "source": json.dumps({"uri": PurePath(str(data.get("source") or "")).name}),
                "schema": json.dumps({"mlflow_colspec": columns}),
                "profile": json.dumps(profile),
                "context": context,
            }
        )
    return fields


def flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Flatten nested settings to dotted keys.

    Parameters
    ----------
    value : object
        A mapping, or what one holds.
    prefix : str
        The key so far.

    Returns
    -------
    list of (str, object)

    Examples
    --------
    >>> flat({"split": {"folds": 10}, "baseline": "bant-ibm"})
    [('split.folds', 10), ('baseline', 'bant-ibm')]
    """
    if isinstance(value, Mapping):
        return [
            pair
            for key, inner in value.items()
            for pair in flat(inner, f"{prefix}.{key}" if prefix else str(key))
        ]
    return [(prefix, value)]


def safe_name(name: str) -> str:
    """Make a name that MLflow accepts for a metric or parameter.

    Parameters
    ----------
    name : str
        Any text.

    Returns
    -------
    str
        Letters, digits and ``_-. /``; at most 250 of them.

    Examples
    --------
    >>> safe_name("gain: wins (%)")
    'gain_ wins ___'
    """
    return re.sub(r"[^\w\-. /]", "_", name)[:250]


def figure_parts(name: str, figure: Mapping[str, Any] | None) -> dict[str, float]:
    """Give the finite parts of a figure as metrics.

    MLflow's charts put what stands before a slash into a section of its own: the ends of intervals are kept
    apart, so that the figures themselves can be overlooked.

    Parameters
    ----------
    name : str
        Its name.
    figure : mapping or None
        ``value``, ``low``, ``high``, ``p_adjusted``, any of them None or absent.

    Returns
    -------
    dict of str to float
        NAME, interval/NAME_low, interval/NAME_high; all in one section for a name that has one.

    Examples
    --------
    >>> figure_parts("gain/auc", {"value": 0.1, "low": None, "p_adjusted": 0.2})
    {'gain/auc': 0.1, 'gain/auc_p': 0.2}
    """
    metrics = {}
    for part, suffix in _PARTS:
        value = (figure or {}).get(part)
        if value is not None and math.isfinite(value):
            apart = "interval/" if suffix and "/" not in name else ""
            metrics[f"{apart}{name}{suffix}"] = float(value)
    return metrics


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Turn rows of the same keys into columns and data."""
    columns = list(rows[0]) if rows else []
    return {"columns": columns, "data": [[row[column] for column in columns] for row in rows]}


def _text(value: Any) -> str:
    """Write a parameter."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
