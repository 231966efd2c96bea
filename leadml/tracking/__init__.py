"""Runs, models and the registry in MLflow. Nothing else imports it, and this only when used."""

from leadml.tracking.calibration import TrackedRun, track_calibration, track_contenders
from leadml.tracking.connection import OpenRun, chosen_uri, open_run, run_exists
from leadml.tracking.models import fetch_artifacts, resolve_model_uri
from leadml.tracking.monitoring import track_monitoring
from leadml.tracking.receipt import Receipt, read_receipt, without_password
from leadml.tracking.registry import (
    RegisteredCard,
    fetch_metrics,
    find_registered,
    find_same,
    list_names,
    list_registered,
    name_stored,
    point_champion,
    register,
    unset_champion,
)

__all__ = [
    "OpenRun",
    "Receipt",
    "RegisteredCard",
    "TrackedRun",
    "chosen_uri",
    "fetch_artifacts",
    "fetch_metrics",
    "find_registered",
    "find_same",
    "list_names",
    "list_registered",
    "name_stored",
    "open_run",
    "point_champion",
    "read_receipt",
    "register",
    "resolve_model_uri",
    "run_exists",
    "track_calibration",
    "track_contenders",
    "track_monitoring",
    "unset_champion",
    "without_password",
]
