"""Runs, models and the registry in MLflow. Nothing else imports it, and this only when used."""

from leadml.tracking.calibration import TrackedRun, track_calibration
from leadml.tracking.connection import OpenRun, open_run
from leadml.tracking.models import RegisteredCard, register, resolve_model_uri
from leadml.tracking.monitoring import track_monitoring

__all__ = [
    "OpenRun",
    "RegisteredCard",
    "TrackedRun",
    "open_run",
    "register",
    "resolve_model_uri",
    "track_calibration",
    "track_monitoring",
]
