"""``python -m leadml`` and the command ``leadml``.

Scoring is what other programs call, a lead at a time, so it has a door of its own: a plain ``leadml predict``
is understood here, without loading the machinery of the command line. Whatever is not understood here, a
mistake or a call for help among it, goes to `leadml.cli`, which knows every option.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Sequence

VALUES = {"--mapping": "mapping", "-m": "mapping", "--model": "model", "--out": "out", "-o": "out",
          "--store": "store", "--columns": "columns", "--query": "query", "--table": "table",
          "--engine": "engine"}  # fmt: skip
FLAGS = {"--keep-columns": "keep_columns"}


def read_words(words: Sequence[str]) -> dict[str, str | bool] | None:
    """Understand a plain call of ``leadml predict``.

    Parameters
    ----------
    words : sequence of str
        The words after ``leadml``.

    Returns
    -------
    dict or None
        Values by option, ``file`` among them; None when anything is not plain.

    Examples
    --------
    >>> read_words(["predict", "a.csv", "-m", "m.yaml", "--model=bant", "-o", "-"])
    {'file': 'a.csv', 'mapping': 'm.yaml', 'model': 'bant', 'out': '-'}
    >>> read_words(["predict", "a.csv", "--help"])
    """
    if not words or words[0] != "predict":
        return None
    found: dict[str, str | bool] = {}
    left = list(words[:0:-1])
    while left:
        word, equals, value = left.pop().partition("=")
        if word in FLAGS and not equals:
            found[FLAGS[word]] = True
        elif word in VALUES and (word.startswith("--") or not equals):
            if not equals and not left:
                return None
            name, value = VALUES[word], value if equals else left.pop()
            if name in found or (value.startswith("-") and value != "-") or not value:
                return None
            found[name] = value
        elif "file" in found or (word.startswith("-") and word != "-") or not word:
            return None
        else:
            found["file"] = word + equals + value
    return found if {"file", "mapping", "model", "out"} <= {*found} else None


def main() -> None:
    """Run the command line."""
    plain = read_words(sys.argv[1:])
    if plain is None:
        from leadml.cli import main as run_any

        run_any()
        return
    # Nothing here multiplies matrices, so numpy need not start threads for it; and what is loaded stays.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(100_000)
    from leadml.console import end_well, say

    def predict() -> None:
        from leadml.workflows.score import predict_file

        predict_file(
            str(plain["file"]),
            str(plain["mapping"]),
            str(plain["model"]),
            str(plain["out"]),
            store_root=plain.get("store") or None,  # type: ignore[arg-type]
            columns=plain.get("columns"),  # type: ignore[arg-type]
            query=plain.get("query"),  # type: ignore[arg-type]
            table=plain.get("table"),  # type: ignore[arg-type]
            engine=str(plain.get("engine", "local")),
            keep_columns=bool(plain.get("keep_columns")),
            say=say,
        )

    end_well(predict)


def program() -> None:
    """Run the command line as a program of its own.

    When all is done, the process ends at once: taking its modules down one by one would take as long as
    scoring a lead.
    """
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    if not isinstance(code, int):
        sys.exit(str(code))
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read it has gone
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    program()
