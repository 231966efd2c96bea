"""A logged card under `mlflow.pyfunc.spark_udf` says what the card says, as SPARK.md promises."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from leadml.card import build_card
from leadml.card.scores import COLUMNS
from leadml.tracking import TrackedRun, open_run, register
from leadml.tracking.connection import explained, make_client
from leadml.tracking.model_files import card_model
from leadml.tracking.models import log_model

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CRITERIA = ["authority", "budget", "need", "timeline"]
N = 200


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_a_logged_card_scores_a_spark_frame_as_it_scores_levels(
    spark: "SparkSession", store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from pyspark.sql import functions as sf

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    # Another environment, other workers: these load MLflow, and other tests see that theirs do not.
    monkeypatch.setitem(spark.sparkContext.environment, "WORKERS", "of this test")
    card = build_card(
        name="ours",
        criteria=CRITERIA,
        points=[[0, 1, 2, 3, 5], [0, 2, 2, 3, 4], [0, 0, 1, 1, 3], [0, 1, 1, 2, 2]],
        unknown_points=[1, 0, 1, 0],
        documented_points=[[0, 1, 2, 3, 4]] * 4,
        bands=[
            {"id": "drop", "title": "Drop", "from": 0, "action": "drop"},
            {"id": "now", "title": "Now", "from": 6, "action": "follow up"},
        ],
        cutoff=6,
        created_at="2026-01-01",
        base=-2.0,
        slope=0.3,
        table=[(total, (total + 1) / 17, total / 30, 1.0) for total in range(15)],
        caveats=[{"id": "repeat", "text": "Less fit.", "when": {"purchase": ["repeat"]}}],
    )
    card.save(tmp_path / "card.json")
    run = open_run("calibrate ours")
    with explained("logging a card", store_uri):
        model_id = log_model(make_client(store_uri), run, card_model(tmp_path / "card.json"))
    register(TrackedRun(run.run_id, run.tracking_uri, run.experiment_id, 0, "", model_id), "ours")

    rng = np.random.default_rng(0)
    levels = pd.DataFrame(rng.integers(0, 5, (N, 4)).astype(float), columns=CRITERIA)
    unknown = rng.random((N, 4)) < 0.3
    unknown[0], unknown[1] = True, False
    facts = {"purchase": rng.choice(["repeat", "new", ""], N).tolist()}
    # An unknown level is null in one half of the leads, NaN in the other.
    masks = {name: unknown[:, at] & (np.arange(N) % 2 == 0) for at, name in enumerate(CRITERIA)}
    levels = levels.mask(unknown)
    columns = {name: pa.array(levels[name].to_numpy(), mask=masks[name]) for name in CRITERIA}
    leads = spark.createDataFrame(pa.table({"lead_id": np.arange(N), **columns, **facts})).repartition(3)

    score = mlflow.pyfunc.spark_udf(spark, "models:/ours@champion", env_manager="local")
    scored = leads.withColumn("score", score(sf.struct(*CRITERIA, "purchase"))).select("lead_id", "score.*")
    found = scored.orderBy("lead_id").toArrow()
    assert found.column_names == ["lead_id", *COLUMNS]
    told = card.score(levels, facts)
    assert found.drop_columns("lead_id").to_pylist() == told.to_arrow().to_pylist()
    assert 0 < sum(bool(each) for each in found["unknown"].to_pylist()) < N
    assert 0 < sum(bool(each) for each in found["caveats"].to_pylist()) < N
