"""Law of a folder's log: another mapping or experiment begins a new one, the same continues it."""

import numpy as np
import pandas as pd

import leadml
from leadml.calibration.file import reproduce
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


def test_the_decimal_mark_of_the_file_is_kept_with_the_model_for_what_no_one_sniffs(tmp_path):
    rng, n = np.random.default_rng(0), 200
    amounts, need = rng.choice([2.5, 900.0, 12500.75, 25000.0], n), rng.integers(0, 5, n)
    ended = np.where(rng.random(n) < 0.2 + 0.1 * need + 0.2 * (amounts > 10000), "Won", "Lost")
    typed = pd.DataFrame({"N": [f"d{i}" for i in range(n)], "Budget": amounts, "Need": need, "Status": ended})
    text = typed.assign(
        Budget=[f"€ {a:,.2f}".translate(str.maketrans(",.", ".,")).removesuffix(",00") for a in amounts]
    )
    text.to_csv(deals := tmp_path / "deals.csv", sep=";", index=False)
    rules = {"budget": {"column": "Budget", "edges": [1, 100, 10000, 20000]}, "need": {"column": "Need"}}
    mapping = {"name": "m", "lead_id": "N", "criteria": rules, "context": ["Budget"]}
    mapping["outcome"] = {"column": "Status", "won": ["Won"], "lost": ["Lost"]}
    leads, folder = leadml.read_leads(deals, mapping), tmp_path / "out"
    found = leadml.calibrate(leads, QUICK)
    found.save(folder)
    kept = leadml.load_mapping(folder / "mapping.yaml")
    assert (kept.read.decimal, kept.read.sniffed_decimal, leads.mapping.read.sniffed_decimal) == (None, ",", None)
    assert kept.digest() == leads.mapping.digest() == found.result.data.mapping_digest
    assert kept.readings(rules).items() <= found.card.provenance.items()
    assert reproduce(folder, deals) == []
    leadml.calibrate(leadml.read_leads(deals, kept), QUICK).save(folder)  # which continues the log
    assert not (folder / "log-1.parquet").exists()

    model = leadml.load_model(folder)
    expected = leadml.predict(deals, mapping, model, with_closed=True)
    files = [tmp_path / f"{kind}.{end}" for kind in ("typed", "text") for end in ("parquet", "xlsx", "csv")]
    for frame, (parquet, xlsx, csv) in ((typed, files[:3]), (text, files[3:])):
        frame.to_parquet(parquet)
        frame.to_excel(xlsx, index=False, engine="xlsxwriter")
        frame.to_csv(csv, index=False)  # of numbers with a decimal point, which is sniffed again
        pd.testing.assert_frame_equal(model.predict(frame), expected, check_dtype=False)
    for known in (model, found, str(folder)):  # a mapping that names no decimal mark
        pd.testing.assert_frame_equal(leadml.predict(text, mapping, known, with_closed=True), expected)
    pd.testing.assert_frame_equal(model.predict(text, mapping), expected, check_dtype=False)
    for path in files:
        got = leadml.predict(path, folder / "mapping.yaml", model, with_closed=True)
        pd.testing.assert_frame_equal(got, expected, obj=path.name)
    assert expected["probability"].nunique() > 5
    other = leadml.read_leads(files[2], kept)  # a model of that file has a decimal point
    assert other.mapping.kept(other.format).read.sniffed_decimal is None
