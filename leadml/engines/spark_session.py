"""A Spark session: the one that is there, else this machine's cores; and its faults in plain words."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadml import exceptions
from leadml.exceptions import InputError, LeadmlError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["explained", "hush", "is_local", "open_session", "settings_kept"]

GIVEN = ("PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR", "SPARK_HOME", "SPARK_REMOTE")
"""Where one of these is set, somebody else says where Spark is: spark-submit, a notebook, a cluster."""

QUIET = Path(__file__).with_name("spark_log4j2.properties")
BATCH_ROWS = 1 << 16
"""Rows that go from Spark to Python at a time, where the session is our own."""


@contextlib.contextmanager
def open_session() -> Iterator[SparkSession]:
    """Take the session that is there; otherwise start Spark on the cores of this machine, and end it.

    Yields
    ------
    SparkSession
        The session.

    Raises
    ------
    UsageError
        PySpark or Java is not installed, or Spark does not start.
    """
    with hush():
        try:
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession
        except ImportError:
            raise UsageError(
                '--engine spark: needs PySpark 4; pip install "leadml[spark]" installs it; '
                "--engine local needs neither"
            ) from None
        session = SparkSession.getActiveSession()
        is_ours = session is None
        if session is None:
            try:
                session = _start(SparkSession.builder)
            except (PySparkException, OSError) as error:
                raise UsageError(
                    f"--engine spark: Spark does not start ({_first_line(error)}); it needs Java 17: "
                    f"install it and set JAVA_HOME to its folder (now {os.environ.get('JAVA_HOME')!r}); "
                    "--engine local needs none"
                ) from None
    try:
        yield session
    finally:
        if is_ours:
            session.stop()


def _start(builder: Any) -> SparkSession:
    """Start Spark: as the surroundings say, or on this machine, quietly."""
    if any(os.environ.get(name) for name in GIVEN):
        given: SparkSession = builder.appName("leadml").getOrCreate()
        return given
    _find_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={QUIET.as_uri()}",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
    }
    builder = builder.appName("leadml").master("local[*]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session: SparkSession = builder.getOrCreate()
    return session


def _find_java() -> None:
    """Refuse to start without Java."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=os.path.join(home, "bin") if home else None) is None:  # noqa: PTH118
        where = f"JAVA_HOME is {home!r}, which has no bin/java" if home else "there is no java on the PATH"
        raise UsageError(
            f"--engine spark: needs Java 17, and {where}; install it and set JAVA_HOME to its folder; "
            "--engine local needs none"
        )


@contextlib.contextmanager
def settings_kept(session: SparkSession, names: Sequence[str]) -> Iterator[None]:
    """Give settings of a session back as they were.

    Parameters
    ----------
    session : SparkSession
        The session.
    names : sequence of str
        Which settings.

    Yields
    ------
    None
    """
    before = {name: session.conf.get(name, None) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                session.conf.unset(name)
            else:
                session.conf.set(name, value)


def is_local(session: SparkSession) -> bool:
    """Tell whether all of Spark is this machine.

    Parameters
    ----------
    session : SparkSession
        The session.

    Returns
    -------
    bool
        False for a cluster, and for Spark Connect.
    """
    master = str(session.conf.get("spark.master", ""))
    return master == "local" or master.startswith("local[")


@contextlib.contextmanager
def hush() -> Iterator[None]:
    """Keep PySpark's word on pandas 3 to ourselves: no pandas is at work here.

    Yields
    ------
    None
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


@contextlib.contextmanager
def explained(source: str, out: str) -> Iterator[None]:
    """Turn what Spark raises into errors of ours.

    Parameters
    ----------
    source, out : str
        What is read and what is written.

    Yields
    ------
    None

    Raises
    ------
    LeadmlError
        What an executor raised, or what Spark says in its first line.
    """
    from pyspark.errors import AnalysisException

    faults = _faults()
    try:
        with hush():
            yield
    except faults as error:
        own = _own_error(str(error))
        if own is not None:
            raise own from None
        if isinstance(error, AnalysisException) and "ALREADY_EXISTS" in str(error.getCondition()):
            raise UsageError(f"--out: {out}: {_first_line(error)}") from None
        raise InputError(f"{source}: Spark cannot go on: {_first_line(error)}") from None


def _faults() -> tuple[type[Exception], ...]:
    """List what PySpark raises, and what Java does where PySpark has no word for it."""
    from pyspark.errors import PySparkException

    try:
        from py4j.protocol import Py4JJavaError
    except ImportError:  # Spark Connect alone
        return (PySparkException,)
    return (PySparkException, Py4JJavaError)


def _own_error(text: str) -> LeadmlError | None:
    """Find in a traceback of an executor what leadml itself raised there."""
    found = re.search(r"leadml\.exceptions\.(\w+): (.*?)(?=\n\s*\n|\n\s+at |\nTraceback|\Z)", text, re.DOTALL)
    kind = getattr(exceptions, found[1], None) if found else None
    return kind(found[2].strip()) if found and isinstance(kind, type) else None


def _first_line(error: Exception) -> str:
    lines = [line.strip().removeprefix(": ") for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("An error occurred while calling")]
    if any(line.startswith("Traceback") for line in lines):  # of Python in an executor: what it ends with
        lines = [line for line in lines if not line.startswith(("at ", "File "))][-1:]
    return lines[0][:500] if lines else type(error).__name__
