"""Parameters, metrics and tags in as few requests as MLflow's limits allow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from leadml.tracking.payload import Payload, safe_name

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_BATCH: Final = {"params": 100, "metrics": 900, "tags": 90}  # MLflow takes at most 1,000 of all together


def send_payload(client: MlflowClient, run_id: str, payload: Payload, model_id: str | None = None) -> None:
    """Write the parameters, metrics and tags of a run.

    Parameters
    ----------
    client : MlflowClient
        For the run's store.
    run_id : str
        The run.
    payload : Payload
        What it is given.
    model_id : str, optional
        The model that the figures are of: those without a section are its own as well.
    """
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    params = [Param(safe_name(key), value[:6000]) for key, value in payload.params.items()]
    metrics = [
        Metric(safe_name(key), value, now, 0, model_id=None if "/" in key else model_id)
        # The run's page keeps this order: figures first, the ends of their intervals after them.
        for key, value in sorted(payload.metrics.items(), key=lambda pair: pair[0].startswith("interval/"))
    ]
    tags = [RunTag(key, value[:5000]) for key, value in payload.tags.items()]
    while params or metrics or tags:
        batch: dict[str, list[Any]] = {"params": params, "metrics": metrics, "tags": tags}
        client.log_batch(
            run_id, **{kind: batch[kind][:limit] for kind, limit in _BATCH.items()}, synchronous=True
        )
        params, metrics, tags = (batch[kind][limit:] for kind, limit in _BATCH.items())
