"""What `calibrate` tells before it learns."""

import os

import pytest

import leadml
from leadml.calibration import file
from leadml.exceptions import UsageError


def test_a_folder_that_cannot_be_written_is_told_before_learning(tmp_path, monkeypatch):
    deals, there = leadml.make_leads(100), tmp_path / "results"
    there.touch()
    monkeypatch.setattr(file, "calibrate", lambda *_, **__: pytest.fail("it learns"))
    for folder, words in ((there, "is a file"), (there / "in", "is a file"), (tmp_path, "cannot be written to")):
        monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
        with pytest.raises(UsageError, match=f"--out: .*{words}; valid: a folder"):
            file.calibrate_file(lambda: deals, out_dir=folder, at="2026-01-01", say=print)
    monkeypatch.undo()
    file.check_folder(tmp_path / "new" / "er")
