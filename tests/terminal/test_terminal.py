"""Messages, progress, exit codes, tables and numbers in words."""

import io
import logging
import signal
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadml import terminal
from leadml.exceptions import InputError, LeadmlError, TooFewDealsError, TrackingError, UsageError

from leadml.terminal import Table, clean, end_well, figure_text, format_blocks, joined, number, percent, progress, say  # isort: skip


@dataclass
class Figure:
    value: float | None
    low: float | None = None
    high: float | None = None


@given(st.text())
def test_clean_text_cannot_steer_a_terminal(text):
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned
    assert clean("".join(filter(str.isprintable, text))) == "".join(filter(str.isprintable, text))


def test_clean_takes_whole_sequences():
    assert clean("a\x1b[31;1mb\x1b]0;title\x07c\x1bPq\x1b\\d\u202ee\tf\x1b(Bg\x1b") == "abcde fg"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("m.yaml: no such key"), 2, "leadml: m.yaml: no such key"),
        (InputError("row 3"), 3, "leadml: row 3"),
        (TooFewDealsError("19 won"), 4, "leadml: 19 won"),
        (TrackingError("refused"), 1, "leadml: refused"),
        (LeadmlError("a\nb\x1b[31m"), 1, "leadml: a\nb"),
        (PermissionError(13, "denied", "x"), 1, "leadml: the system refused ([Errno 13] denied: 'x')"),
        (MemoryError(), 1, "leadml: not enough memory; close other programs or give fewer rows"),
        (KeyError("x"), 1, "leadml: internal error: KeyError: 'x'; --debug shows where, please report it"),
        (KeyboardInterrupt(), 130, "leadml: interrupted; nothing half-written is left behind"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("debug", [False, True])
def test_every_fault_is_one_message_and_a_code(error, code, said, debug, capsys):
    def command():
        raise error

    with pytest.raises(SystemExit) as ended:
        end_well(command, debug=debug)
    assert ended.value.code == code
    err = capsys.readouterr().err
    assert err.endswith(said + "\n")
    assert ("Traceback" in err) == (debug and code != 130)


@pytest.mark.parametrize(("given_", "code"), [(None, None), (0, None), (5, 5), ("text", None)])
def test_a_command_may_return_its_code(given_, code):
    if code is None:
        assert end_well(lambda: given_) is None
    else:
        with pytest.raises(SystemExit) as ended:
            end_well(lambda: given_)
        assert ended.value.code == code


PROGRAM = """
import os, pathlib, signal, sys, time
from leadml.terminal import end_well
def command():
    half = pathlib.Path("half.tmp")
    half.touch()
    try:
        print("ready", flush=True)
        time.sleep(20)
    finally:
        half.unlink()
end_well(command)
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_terminated_is_interrupted_and_cleans_up(signum, tmp_path):
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "ready\n"
    started.send_signal(signum)
    _, err = started.communicate(timeout=10)
    assert started.returncode == 130
    assert err == "leadml: interrupted; nothing half-written is left behind\n"
    assert not list(tmp_path.iterdir())


def test_a_reader_that_had_enough_is_no_fault():
    code = "from leadml.terminal import end_well\nend_well(lambda: [print('x' * 9999) for _ in range(99)])"
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started.stdout.close()
    assert started.stderr.read() == b""
    started.stderr.close()
    assert started.wait(10) == 0


def test_signals_are_left_as_they_were_and_threads_may_run_commands():
    import threading

    before = signal.getsignal(signal.SIGTERM)
    end_well(lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before
    done = []
    thread = threading.Thread(target=lambda: end_well(lambda: done.append(1)))
    thread.start()
    thread.join()
    assert done == [1]


def test_the_logger_tells_what_is_said(capsys, caplog):
    with caplog.at_level(logging.INFO, "leadml"):
        say("6 rows")
    assert capsys.readouterr() == ("", "6 rows\n")
    assert caplog.messages == ["6 rows"]


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_of_a_terminal_and_gone_after(monkeypatch):
    clock = iter([0.0, 0.05, 1.0, 1.01, 2.0, 3.0, 4.0])
    monkeypatch.setattr(terminal, "_bar", terminal._Bar())
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress("reading", 5)
    monkeypatch.setattr(sys, "stderr", Tty())
    for done in (0, 10, 500, 505, 1000):
        progress("reading", done, 1000)
    progress("fitting", 1, unit="folds")
    progress("fitting", 2, unit="folds")
    say("done")
    lines = sys.stderr.getvalue().split(terminal.ERASE)
    assert lines == [
        "",
        f"reading  [{'#' * 12}{'.' * 12}]  50%  500 rows, 500 a second",
        f"reading  [{'#' * 24}] 100%  1,000 rows, 500 a second",
        "fitting  2 folds, 1.0 a second",
        "done\n",
    ]


def test_no_progress_where_nobody_looks(capsys):
    for done in range(3):
        progress("reading", done)
    assert capsys.readouterr() == ("", "")


RULES = Table("Rules", ("rule", "verdict", "spare"), [("bant\x1b[31m", "keep", "[b]x[/b]")], "A note.", ("spare",))


def test_plain_tables_line_up():
    assert format_blocks(["Two\nlines.", RULES, Table("T", (), [("a", "b")])], terminal=False) == (
        "Two\nlines.\n\nRules\n  rule  verdict  spare\n  bant  keep     [b]x[/b]\n  A note.\n\nT\n  a  b"
    )


@pytest.mark.parametrize("width", [80, 140])
def test_drawn_tables_read_no_markup_and_drop_spare_columns(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = format_blocks(["Hello [red]you[/red].", RULES, Table("Findings", (), [("stop", "x")])], terminal=True)
    assert "Hello [red]you[/red]." in text
    assert ("[b]x[/b]" in text) == (width == 140)
    assert "A note." in text
    assert "\x1b" not in text or "\x1b[31m" not in text


def test_code_pages_without_a_true_minus(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert format_blocks(["\u22123 \u2713"]) == "-3 ?"


@given(st.floats(allow_nan=True) | st.none() | st.integers(-(10**9), 10**9), st.integers(0, 3))
def test_numbers_read_back(value, digits):
    text = number(value, digits)
    if text == "—":
        assert value is None or abs(value) == float("inf") or value != value
    else:
        assert float(text.replace(",", "").replace("\u2212", "-")) == pytest.approx(value, abs=0.51 * 10**-digits)
    assert number(value, digits, signed=True).lstrip("+") == text


@pytest.mark.parametrize(
    ("figure", "style", "text"),
    [
        (Figure(0.612, 0.54, 0.684), "percent", "61% (54 to 68%)"),
        (Figure(0.612, 0.60, 0.62), "percent", "61.2% (60.0 to 62.0%)"),
        (Figure(0.041, -0.004, 0.09), "gain", "+4.1% (−0.4 to +9.0%)"),
        (Figure(0.041, -0.1, 0.2), "gain", "+4% (−10 to +20%)"),
        (Figure(0.7123, 0.7, 0.73), "decimal", "0.71 (0.70 to 0.73)"),
        (Figure(0.7123, 0.71, 0.715), "decimal", "0.712 (0.710 to 0.715)"),
        (Figure(-0.5, -1.0, 0.0), "signed", "−0.50 (−1.00 to 0.00)"),
        (Figure(150.0, 100.0, 200.0), "money", "150 EUR (100 to 200 EUR)"),
        (Figure(2.34, 1.0, 3.0), "tenths", "2.3 (1.0 to 3.0)"),
        (Figure(0.5, 0.5, 0.5), "percent", "50%"),
        (Figure(0.5), "percent", "50.0%"),
        (Figure(0.5), "decimal", "0.50"),
        (Figure(None), "percent", "—"),
        (Figure(float("nan")), "percent", "—"),
        (None, "money", "—"),
    ],
)  # fmt: skip
def test_an_estimate_with_as_many_digits_as_its_interval_supports(figure, style, text):
    assert str(figure_text(figure, style, "EUR")) == text


def test_percents_and_lists():
    texts = [percent(0.254), percent(0.0041, 1), percent(None), percent(0.1, signed=True)]
    assert texts == ["25%", "0.4%", "—", "+10%"]
    assert [joined([]), joined(["a"]), joined(["a", "b", "c"], "or")] == ["", "a", "a, b or c"]
