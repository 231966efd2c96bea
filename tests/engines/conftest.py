"""One Spark session for all tests that need one; without PySpark or Java they are skipped."""

import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "OFF",
    "spark.sql.files.maxPartitionBytes": "40000",  # several parts of every file
    "spark.sql.execution.arrow.maxRecordsPerBatch": "500",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """A session that is there already, so that leadml takes it, as it takes one of spark-submit."""
    pytest.importorskip("pyspark", reason="needs PySpark: the extra spark")
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=f"{home}/bin" if home else None) is None:
        pytest.skip("needs Java 17: JAVA_HOME or the PATH")
    from leadml.engines.spark_session import hush

    with pytest.MonkeyPatch.context() as patch, hush():
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]")
        for name, value in SETTINGS.items():
            builder = builder.config(name, value)
        place = tmp_path_factory.mktemp("warehouse")
        session = builder.config("spark.sql.warehouse.dir", place.as_uri()).getOrCreate()
        yield session
        session.stop()
