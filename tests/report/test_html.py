"""Laws of the pages: whole, escaped, alone, quiet, and inside their window on a laptop and on a phone."""

import json
import lzma
import re
from pathlib import Path

import pytest
from report_worlds import CASES

from leadml.exceptions import UsageError
from leadml.monitoring.result import MonitorResult
from leadml.report.first_screen import format_result
from leadml.report.html import render_folder, render_html, render_monitor, render_old
from leadml.report.summary import summarise

GOLDEN = json.loads(lzma.decompress((Path(__file__).parents[1] / "golden" / "results.json.xz").read_bytes()))
MONITORED = {
    "leadml_version": "0.2.0", "model": "bant@2", "card_sha256": "ab" * 32, "state": "watch",
    "reasons": [{"state": "watch", "text": "Need is <answered> differently."}],
    "data": {"source": "new.csv", "digest": "d", "n_rows": 90, "n_leads": 90, "n_rejected": 0, "n_open": 50,
             "n_closed": 40, "n_won": 12, "n_lost": 28, "n_seen": 0, "since": "2025-01-31", "n_needed": 300},
    "e": 3.2,
    "drift": [{"id": "need", "title": "Need", "psi": 0.31, "e": 40, "n": 90, "unknown_before": 0.1,
               "unknown_now": 0.4, "shifted": True}],
    "weights": [{"id": "need", "title": "Need", "e": 1.1, "share": {"value": 0.9, "low": 0.2, "high": 1.6}}],
    "bands": [{"id": "drop", "title": "Drop", "share_before": 0.4, "share_now": 0.5, "n_closed": 20,
               "n_won": 2, "rate": {"value": 0.1, "low": 0.03, "high": 0.3}, "predicted": 0.12}],
    "rule": {"policy": "bant-ibm", "title": "BANT: at least 3 of 4 met", "rule_wins_more": True,
             "gain": {"value": -0.04, "low": -0.1, "high": 0.02}},
}  # fmt: skip


CUT = """[...document.querySelectorAll(".charts figure")].flatMap(figure => {
    const edge = figure.querySelector("svg").getBoundingClientRect();
    const texts = [...figure.querySelectorAll("text")].filter(text => text.textContent.trim());
    const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
    const cut = boxes.filter(([, b]) => b.left < edge.left || b.right > edge.right || b.bottom > edge.bottom);
    const touching = boxes.filter(([text, a], i) => boxes.slice(i + 1).some(([other, b]) => text !== other
        && a.left < b.right + 1 && b.left < a.right + 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2));
    return [...cut, ...touching].map(([text]) => `${figure.id}: ${text}`);
})"""
"""Texts of charts that are cut, or touch others."""


def words(page):
    """What a page says, without its style and pictures."""
    text = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&gt;", ">").replace("&lt;", "<").split())


@pytest.fixture(scope="session")
def pages(found):
    def page(case):
        calibration = found(case)
        return render_html(calibration.result, calibration.card, calibration.held_out)

    return page


@pytest.mark.parametrize("case", CASES)
def test_a_page_says_what_the_terminal_says(found, pages, case):
    page, result = pages(case), found(case).result
    said = words(page)
    told = summarise(result)
    terminal = " ".join(format_result(result, terminal=False).split())
    for text in (told.answer.headline, *told.answer.sentences):
        assert " ".join(text.split()) in said
        assert " ".join(text.split()) in terminal
    for each in result.findings:  # plain words, the code in brackets
        assert f"({each.code})" in said
    for caveat in found(case).card.caveats:
        assert f"{caveat.text} ({caveat.id})" in said
    assert len(said.split()) < 3000
    assert "<script" not in page
    assert "default-src &#39;none&#39;" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert not re.search(r"\b(?:None|nan|Undefined)\b", said)
    identities = re.findall(r'\bid="([^"]+)"', page)
    assert len(identities) == len(set(identities))


def test_charts_are_there_and_named(pages):
    page = pages("wide")
    for name in ("gain", "decision_curve", "cutoffs", "weights", "bands", "reliability"):
        assert f'id="chart-{name}"><svg' in page


def test_what_came_from_a_file_is_escaped(found):
    calibration = found("right-120")
    data = calibration.result.data.model_copy(update={"name": "<b>x</b>\u202e", "source": "a&b.csv"})
    page = render_html(calibration.result.model_copy(update={"data": data}), calibration.card)
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>x" not in page
    assert "\u202e" not in page
    assert "a&amp;b.csv" in page


def test_segments_and_shrinkage_are_said(found):
    from leadml.evaluation.segments import MIN_DIFFERENT
    from leadml.result import Figure, Segment

    gain = Figure(value=0.05, low=-0.02, high=0.12)
    segment = Segment(column="Team", value="North", n=120, won=40, verdict="too-few", gain=gain)
    page = words(render_html(found("right-120").result.model_copy(update={"segments": (segment,)})))
    assert "Team = North" in page
    assert "shrunk towards the mean" in page
    assert "asks for one end of the interval alone" in page
    assert f"fewer than {MIN_DIFFERENT} deals" in page
    assert "rates are raw counts" in page


def test_columns_of_the_crm_on_the_card_are_priced_and_asked_about(found):
    from leadml.card.record import Card
    from leadml.result import Figure, Importance

    result, card = found("wide").result, found("wide").card
    row = Importance(
        column="Source", attribute="Source", loss=Figure(value=0.012, low=0.004, high=0.02),
        wins_per_100=Figure(value=2.4, low=1.0, high=3.8),
    )  # fmt: skip
    wide = [each.model_copy(update={"importance": (row,)}) for each in result.contenders if each.kind == "wide"]
    others = [each for each in result.contenders if each.kind != "wide"]
    result = result.model_copy(update={"contenders": (*wide, *others), "command": "leadml calibrate a.csv"})
    lines = format_result(result, terminal=False).split("\n")
    assert "  Source  2.4 (1.0 to 3.8)  0.012 (0.004 to 0.020)" in lines
    assert "  leadml calibrate a.csv --without Source" in lines
    bins = [{"label": "web", "values": ["web"], "points": 3, "n": 1, "won": 0}]
    attribute = {"id": "Source", "title": "Source", "column": "Source", "kind": "categories", "bins": bins}
    changes = {"attributes": [{**attribute, "unknown_points": 1, "other_points": 0}], "total_max": card.total_max + 3}
    changes |= {"kind": "documented", "table": [], "base": None, "slope": None}
    said = words(render_html(result, Card.from_dict({**card.to_dict(), **changes}, verify=False)))
    assert "Without it 2.4 1.0 to 3.8 wins of 100 are lost. Was it known when the lead came in?" in said
    assert "0.012 0.004 to 0.020 worse without it" in said


@pytest.mark.parametrize("document", GOLDEN.values(), ids=GOLDEN)
def test_a_result_of_version_0_1_is_shown_as_it_was(document, tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(document))
    page = words(render_folder(tmp_path).read_text(encoding="utf-8"))
    assert "made by leadml 0.1.0" in page
    assert document["recommended"]["sentence"] in page
    for rule in document["policies"]:
        assert rule["title"] in page
        assert rule["sentence"] in page
    assert render_old(document) == (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_is_rendered_again(found, tmp_path):
    calibration = found("right-120")
    calibration.save(tmp_path)
    first = (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").unlink()
    assert words(render_folder(tmp_path).read_text(encoding="utf-8")) == words(first)
    for name in ("card.json", "log.parquet"):
        (tmp_path / name).unlink()
    assert "chart-reliability" not in render_folder(tmp_path).read_text(encoding="utf-8")


def test_a_folder_without_result_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"got no result\.json"):
        render_folder(tmp_path)
    (tmp_path / "result.json").write_text("[]")
    with pytest.raises(UsageError, match="is no result of leadml"):
        render_folder(tmp_path)


@pytest.mark.parametrize("state", ["healthy", "watch", "recalibrate", "too early to tell"])
def test_a_look_at_a_card_in_use(state):
    page = render_monitor(MonitorResult.model_validate(MONITORED | {"state": state}))
    said = words(page)
    assert "Need is &lt;answered&gt;" in page
    assert "Need: shifted" in said
    assert "The rule wins more" in said
    assert "−4%" in said
    bare = MONITORED | {"drift": [], "weights": [], "bands": [], "rule": None, "card_sha256": None}
    assert "Weights since" not in render_monitor(MonitorResult.model_validate(bare))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("scheme", "case"), [("light", "tilted-costs"), ("dark", "tilted-costs"), ("light", "wide")])
def test_a_page_fits_its_window_and_asks_for_nothing(browser, pages, tmp_path, width, scheme, case):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    (tmp_path / "report.html").write_text(pages(case), encoding="utf-8")
    # The page's own policy would stop the checker's script.
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((tmp_path / "report.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate(CUT) == []
    faults = axe.Axe().run(tab).response["violations"]
    tab.close()
    assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == []
    assert said == []
    assert len(asked) == 1
