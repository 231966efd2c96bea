"""Law of a folder's log: another mapping or experiment begins a new one, the same continues it."""

import leadml
from leadml.evaluation.log import Log

QUICK = {"contenders": ["cutoff"], "wide": False, "bootstrap": 100, "frameworks": ["bant"]}


def test_other_settings_begin_a_new_log_and_keep_the_old(tmp_path):
    leads = leadml.make_leads(200, world="rule_right")
    leadml.calibrate(leads, QUICK).save(tmp_path)
    first = (tmp_path / "log.parquet").read_bytes()
    leadml.calibrate(leads, QUICK).save(tmp_path)
    assert not (tmp_path / "log-1.parquet").exists()
    for number in (1, 2):
        settings = QUICK | {"evaluation": {"kind": "k-fold", "folds": 3 + number}}
        leadml.calibrate(leads, settings).save(tmp_path)
        assert (tmp_path / f"log-{number}.parquet").exists()
    assert (tmp_path / "log-1.parquet").read_bytes() == first
    assert len(Log.read(tmp_path / "log.parquet"))
    (tmp_path / "result.json").write_text('{"of": "another version"}')
    leadml.calibrate(leads, QUICK).save(tmp_path)
    assert (tmp_path / "log-3.parquet").exists()
