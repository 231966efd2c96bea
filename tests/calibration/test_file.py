"""What `calibrate` tells before it learns."""

import os

import pytest

import leadml
from leadml.calibration import file
from leadml.exceptions import UsageError
from leadml.registry.versions import champion_of
from leadml.scoring.predicting import predict_file
from leadml.scoring.scorer import Options
from tests.data.leaky import leads_export, leads_of


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


def test_a_card_of_doubtful_columns_is_stored_but_not_in_use(tmp_path):
    frame, mapping, late = leads_export(500, 0)
    done = file.calibrate_file(
        lambda: leads_of((frame, mapping, late)), {"contenders": []}, name="firm", out_dir=tmp_path / "out",
        store_root=tmp_path / "store", at="2026-01-01T00:00:00Z", say=print,
    )  # fmt: skip
    assert done.found.result.recommended.doubt
    champion = champion_of("firm", tmp_path / "store")
    assert champion is None or champion.ref != done.version.ref
    assert "known when the lead came in:" in done.waits
    assert done.waits.endswith(f"leadml models promote firm@1 --because TEXT --store {tmp_path / 'store'}")
    held = next(each for each in late if each in {a.column for a in done.found.card.attributes})
    context = [each for each in mapping["context"] if each != held]
    excluded = {**mapping, "context": context, "exclude": {held: "written during the deal"}}
    told = []
    predict_file(
        frame, excluded, [done.found.card], str(tmp_path / "scores.csv"), Options(with_closed=True), told.append
    )
    assert any(line.startswith("the mapping excludes ") and held in line for line in told)
