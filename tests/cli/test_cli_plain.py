"""The short way to `leadml predict` understands what the long way does, or leaves it alone."""

import pytest
import typer

from leadml import cli
from leadml.__main__ import FLAGS, VALUES, read_words

FULL = ["predict", "a.csv", "--mapping", "m.yaml", "--model", "bant", "-o", "s.csv"]


def test_every_option_of_predict_is_known_with_its_names() -> None:
    command = typer.main.get_command(cli.app).commands["predict"]  # type: ignore[attr-defined]
    options = {(each.name, flag) for each in command.params for flag in each.opts if flag.startswith("-")}
    options -= {("help", "--help"), ("help", "-h")}
    assert options == {(name, flag) for flag, name in {**VALUES, **FLAGS}.items()}


def test_a_plain_call_is_understood() -> None:
    found = {"file": "a.csv", "mapping": "m.yaml", "model": "bant", "out": "s.csv"}
    assert read_words(FULL) == found
    assert read_words([*FULL[:6], "--out=s.csv", "--keep-columns"]) == found | {"keep_columns": True}
    assert read_words(["predict", "-", *FULL[2:6], "-o", "-"]) == found | {"file": "-", "out": "-"}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["qualify", *FULL[1:]],
        ["predict", "--help"],
        [*FULL, "--help"],
        [*FULL, "b.csv"],
        [*FULL, "--debug"],
        [*FULL, "--model", "other"],
        [*FULL, "--keep-columns=yes"],
        ["--debug", *FULL],
        FULL[:-2],
        FULL[:-1],
        [*FULL[:-1], "--model"],
        ["predict", *FULL[2:]],
    ],
)
def test_anything_else_is_left_to_the_long_way(words: list[str]) -> None:
    assert read_words(words) is None
