"""A monitoring in MLflow: one run of its own, beside the calibrations."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from leadml.exceptions import TrackingError
from leadml.tracking.connection import chosen_uri, explained, make_client, open_run
from leadml.tracking.payload import Payload, figure_parts
from leadml.tracking.receipt import Receipt, without_password, write_receipt
from leadml.tracking.sending import send_payload

_ARTIFACTS: Final = ("monitor.html", "monitor.json")


def track_monitoring(directory: str | Path, tracking_uri: str | None = None) -> str:
    """Send what a monitoring wrote to MLflow.

    Parameters
    ----------
    directory : str or pathlib.Path
        Holds ``monitor.json`` and ``monitor.html``.
    tracking_uri : str or None
        Where runs are kept.

    Returns
    -------
    str
        Id of the run, tagged ``kind=monitor`` and ``status=complete``.

    Raises
    ------
    TrackingError
        There is nothing to send, or MLflow could not be reached or refused.
    """
    folder = Path(directory)
    try:
        result = json.loads((folder / "monitor.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrackingError(
            f"tracking: {folder / 'monitor.json'} cannot be read ({type(error).__name__}); "
            "valid is a directory that `leadml monitor -o DIR` wrote. Give that directory."
        ) from None
    uri = chosen_uri(tracking_uri)
    kept = f"The result is complete in {folder}; nothing is lost. `leadml track {folder}` sends it later."
    run = open_run(f"monitor {result['model']}", uri, source="leadml monitor", then=kept)
    shown = without_password(uri)
    write_receipt(folder, Receipt(run.run_id, run.experiment_id, shown, "started"))
    with explained("tracking a monitoring", uri, kept):
        client = make_client(uri)
        try:
            send_payload(client, run.run_id, monitor_payload(result))
            with tempfile.TemporaryDirectory(prefix="leadml-") as staged:
                for name in _ARTIFACTS:
                    if (folder / name).is_file():
                        shutil.copyfile(folder / name, Path(staged) / name)
                client.log_artifacts(run.run_id, staged)
            send_payload(client, run.run_id, Payload({}, {}, {"status": "complete"}))
            client.set_terminated(run.run_id)
        except BaseException:
            with contextlib.suppress(Exception):
                client.set_terminated(run.run_id, "FAILED")
            raise
    write_receipt(folder, Receipt(run.run_id, run.experiment_id, shown, "complete"))
    return run.run_id


def monitor_payload(result: Mapping[str, Any]) -> Payload:
    """Say what the run of a monitoring holds.

    Parameters
    ----------
    result : mapping
        What ``monitor.json`` holds.

    Returns
    -------
    Payload
        Figures with their intervals, the verdict and its reasons.
    """
    data = result["data"]
    metrics = {f"psi/{row['id']}": row["psi"] for row in result["drift"] if row["psi"] is not None}
    for group, key in (("unknown", "unknown"), ("band", "bands")):
        rows = result[key] if key == "unknown" else result[key]["bands"]
        for row in rows:
            metrics |= figure_parts(f"{group}/{row['id']}", row["now"])
    for prefix, found in (("", result["outcomes"]), ("backtest/", result["backtest"])):
        for name in ("base_rate", "intercept", "slope", "auc", "log_loss") if found else ():
            title = f"calibration_{name}" if name in ("intercept", "slope") else name
            metrics |= figure_parts(prefix + title, found[name])
        if found:
            metrics[f"{prefix}told_mean"] = found["told_mean"]
    if result["rule"]:
        metrics |= figure_parts("gain/wins_captured", result["rule"]["gain"])
    metrics |= {
        f"data/{key}": float(data[key]) for key in ("n_recent", "n_closed", "n_won", "n_lost", "n_rejected")
    }
    tags = {
        "kind": "monitor",
        "model": result["model"],
        "verdict": result["verdict"],
        "card_sha256": result["card_sha256"],
        "data_digest": data["digest"],
        "mapping": data["mapping_name"] or "",
        "leadml.version": result["leadml_version"],
        "mlflow.note.content": "\n\n".join(reason["text"] for reason in result["reasons"]),
    }
    return Payload({"since": data["since"] or "", "as_of": data["as_of"]}, metrics, tags)
