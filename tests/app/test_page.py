"""The page in a browser: every number against Python, by mouse and keyboard, light and dark, wide and narrow."""

import base64
import csv
import dataclasses
import hashlib
import json
import re
import shutil

import numpy as np
import pytest
from app_sample import ROLE

import leadml
from leadml.app import page as pages
from leadml.app.words import level_label
from leadml.card.build import documented_card
from leadml.card.record import Card
from leadml.evaluation.segments import MIN_DIFFERENT
from leadml.exceptions import InputError, UsageError
from leadml.frameworks.catalog import list_policies
from leadml.registry.publish import publish

ANSWERS = ["points", "low", "high", "band", "decision", "ask_next", "action", "question", "if_answered", "reasons"]
VENDOR = "62c4ffea400078c0eda7f435b22726b4961ebdf74c8506f188e92bec41d8ac51"


def deals_of(data):
    """(m, r) codes, won and lost of page data."""
    codes = np.frombuffer(data.deals.codes, np.uint8).reshape(len(data.columns), -1).T
    return codes, np.array(data.deals.won), np.array(data.deals.lost)


def called_by(card, data):
    """Whether each pattern is called by a card."""
    codes, _, _ = deals_of(data)
    names = [each.id for each in data.columns]
    own = np.ascontiguousarray(codes[:, [names.index(name) for name in card.lookup.code_columns]])
    return card.lookup.answers(own).decision == 0


@pytest.fixture(scope="module")
def data(made):
    return pages.page_data(made / "found", leads=made / "leads.csv")


@pytest.fixture
def open_changed(open_page, data, tmp_path):
    """Open the page of other data."""

    def show(**changes):
        text = pages.render_page(dataclasses.replace(data, **changes))
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        return open_page(tmp_path / "page.html")

    return show


def earn(page, value, n=1):
    """Let a value earn n points more; its points then."""
    group = page.get_by_role("group", name=f"Points of {value}", exact=True)
    for _ in range(n):
        group.get_by_role("button", name="One point more").click()
    return int(group.locator("output").inner_text())


def saved(page, button, path):
    """A file that the page gives."""
    with page.expect_download() as file:
        page.get_by_role("button", name=button).click()
    file.value.save_as(path)
    return path


def typed(page, label, text, **options):
    page.get_by_label(label, **options).fill(text)
    page.keyboard.press("Tab")


# ---------------------------------------------------------------- the file


def test_one_small_file_whose_scripts_are_the_only_ones(made):
    text = (made / "page.html").read_text(encoding="utf-8")
    assert len(text.encode()) < 2_000_000
    policy = re.search(r'Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    for tag in ("script", 'script type="module"', "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag.split()[0]}>", text, re.DOTALL)
        assert f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}" in policy
    assert not re.search(r"<(link|img|script src|iframe)", text)


def test_the_vendored_library_is_the_one_written_down():
    content = (pages.STATIC / pages.VENDOR).read_bytes()
    assert hashlib.sha256(content).hexdigest() == VENDOR
    assert VENDOR in (pages.STATIC / "vendor" / "README.md").read_text()


def test_no_lead_is_in_a_page_that_was_not_given_any(made, tmp_path):
    out = pages.write_page(made / "found", tmp_path / "page.html")
    told = re.search(r'id="data">(.*?)</script>', out.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert "Firm" not in told
    assert "D1" not in told
    assert json.loads(told)["leads"] is None
    assert "Firm" in (made / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_screen_is_short_plain_and_full(open_page, width):
    page = open_page(width=width)
    first = page.evaluate("""() => [...document.querySelectorAll('nav a, #answer h1, #answer p, #answer .bar')]
        .filter((e) => e.getBoundingClientRect().top < innerHeight).map((e) => e.innerText).join(' ')""")
    assert len(first.split()) < 120
    above, below, beside = page.evaluate("""() => {
        const box = document.getElementById('answer').getBoundingClientRect();
        const edges = { top: [], bottom: [], right: [] };
        for (const each of document.querySelectorAll('#answer > *')) {
          const own = each.getBoundingClientRect();
          for (const side in edges) edges[side].push(own[side]);
        }
        return [Math.min(...edges.top) - box.top, box.bottom - Math.max(...edges.bottom),
          box.right - Math.max(...edges.right)]; }""")
    assert max(above, below, beside) < 30  # pixels of nothing
    assert not re.search(r"AUC|[Ll]evel \d|log.loss|p-value|\bnull\b|NaN|undefined", page.inner_text("body"))


def test_the_answer_says_what_the_report_says(made, data):
    from leadml.result import load_result

    rule = load_result(made / "found").policies[0]
    keep, change = data.answer.bars
    assert keep.value == pytest.approx(rule.outlook.wins_per_100.keep.value * rule.outlook.n_followed_up / 100)
    assert change.low <= change.value <= change.high
    assert f"{keep.value:.0f}" in data.answer.lead


# ---------------------------------------------------------------- every number


def wide_card(learned):
    """The learned card with two columns of the CRM, a gate and a name for a decision."""
    bins = [
        {"label": "North", "values": ["North"], "points": 0, "n": 1, "won": 0},
        {"label": "South, East", "values": ["South", "East"], "points": 7, "n": 1, "won": 0},
    ]
    edges = [
        {"label": "to 5", "from": None, "to": 5.0, "points": 3, "n": 1, "won": 0},
        {"label": "from 5", "from": 5.0, "to": None, "points": 1, "n": 1, "won": 0},
        {"label": "blank", "blank": True, "points": 2, "n": 1, "won": 0},
    ]
    rows = [
        {"id": "Team", "title": "Team", "column": "Team", "kind": "categories", "bins": bins},
        {"id": "Size", "title": "Size", "column": "Size", "kind": "edges", "bins": edges},
    ]
    rows = [{**each, "unknown_points": 2 - at, "other_points": 3 * (1 - at)} for at, each in enumerate(rows)]
    gate = {"criterion": "authority", "below": 2, "text": "cannot decide"}
    changes = {"attributes": rows, "gates": [gate], "kind": "documented", "table": [], "base": None, "slope": None}
    document = {
        **learned.to_dict(),
        **changes,
        "total_max": learned.total_max + 10,
        "decision_labels": {"wait": "later"},
    }
    return Card.from_dict(document, verify=False)


def test_the_documented_rule_answers_in_the_words_of_the_crm(data):
    said = data.documented.score_one({"budget": 4, "need": 4, "timeline": 0, "authority": None})
    assert said["if_answered"] == "Team lead, Manager, Director: ready; Intern, User: no-match"


def test_one_lead_comes_to_the_same_in_every_column(open_page, data):
    page = open_page()
    cards = [data.learned, data.documented, wide_card(data.learned)]
    cards += [documented_card(each, created_at="2026-01-01") for each in list_policies()]
    random = np.random.default_rng(0)
    for card in cards:
        codes = np.stack([random.integers(0, size, 300) for size in card.lookup.sizes], axis=1).astype(np.uint8)
        codes[random.random(codes.shape) < 0.3] = 255
        codes = np.where(codes == 255, np.array(card.lookup.unknown, np.uint8), codes)
        columns = [{"id": name} for name in card.lookup.code_columns]
        found = page.evaluate(
            """([card, columns, rows]) => { const table = leadml.tableOf(card, columns); return rows.map((codes) => {
                const a = leadml.answerOf(table, codes), asked = table.rows[a.askNext] || { id: "", question: "" };
                return [a.points, a.low, a.high, a.band, a.decision, asked.id, a.action, asked.question,
                  leadml.ifAnswered(table, codes, a), leadml.reasonsOf(table, codes), a.settled]; }); }""",
            [card.to_dict(), columns, codes.tolist()],
        )
        unnamed = card.model_copy(update={"decision_labels": {}})
        told = [[row[name] for name in (*ANSWERS, "settled")] for row in unnamed.score(codes).rows()]
        labelled = [row["if_answered"] for row in card.score(codes).rows()]
        for row, text in zip(told, labelled, strict=True):
            row[ANSWERS.index("if_answered")] = text
        assert found == told, card.name


def shown(page):
    """(figure, rule) -> [value, low, high] as the page writes them."""
    cells = page.evaluate("[...document.querySelectorAll('[data-figure]')].map((e) => [e.dataset.figure, e.innerText])")
    plain = {name: re.findall(r"-?\d[\d,.]*", text.replace("−", "-")) for name, text in cells}
    return {name: [float(each.replace(",", "")) for each in texts] for name, texts in plain.items()}


def test_figures_are_counted_as_in_python_with_the_intervals_of_a_bootstrap(open_page, data):
    page = open_page()
    figures = shown(page)
    _, won, lost = deals_of(data)
    cells = np.r_[won, lost]
    drawn = np.random.default_rng(1).multinomial(int(cells.sum()), cells / cells.sum(), 4000)
    for k, card in enumerate((data.documented, data.learned, data.learned)):
        called = called_by(card, data)
        both = np.r_[called, called]
        calls, wins, missed = cells @ both, won @ called, won @ ~called
        draws = {"calls": drawn @ both, "wins": drawn[:, : len(won)] @ called, "missed": drawn[:, : len(won)] @ ~called}
        draws["of100"] = 100 * draws["wins"] / draws["calls"]
        draws["money"] = 600 * draws["wins"] - 150 * draws["calls"]
        values = {"calls": calls, "wins": wins, "missed": missed}
        values |= {"of100": 100 * wins / calls, "money": 600 * wins - 150 * calls}
        for name, value in values.items():
            found, low, high = figures[f"{name}-{k}"]
            assert found == pytest.approx(value, abs=0.051 if name == "of100" else 0.5)
            near = 0.15 * draws[name].std()  # four times the Monte Carlo error of a 2.5% end by four thousand draws
            assert [low, high] == pytest.approx(np.quantile(draws[name], [0.025, 0.975]), abs=near + 0.51)
    rule, card = (called_by(each, data).astype(int) for each in (data.documented, data.learned))
    more = drawn[:, : len(won)] @ (card - rule)
    told = re.search(r", ([+−]?\d+) wins \(([+−]?\d+) to ([+−]?\d+)\)", page.inner_text("#what-if .lead"))
    value, low, high = (int(each.replace("−", "-")) for each in told.groups())
    assert value == won @ (card - rule)
    assert [low, high] == pytest.approx(np.quantile(more, [0.025, 0.975]), abs=0.15 * more.std() + 0.51)


def test_values_show_the_deals_they_have(open_page, data):
    page = open_page()
    codes, won, lost = deals_of(data)
    at = [each.id for each in data.columns].index("authority")
    for level, word in enumerate(ROLE):
        own = codes[:, at] == level
        text = page.locator(f'[data-chip="authority {level}"]').inner_text()
        assert re.split(r"\s+", text)[-7:][:1] != [""]
        assert f"{word}\n{(won + lost)[own].sum():.0f} deals · {won[own].sum():.0f} won" in text


def test_many_patterns_take_no_time(open_page):
    took = open_page().evaluate("""() => {
        const m = 20000, bit = () => Uint8Array.from({length: m}, () => Math.random() < 0.5);
        const deals = { won: Array(m).fill(3), lost: Array(m).fill(9) }, called = [bit(), bit(), bit()];
        const work = () => leadml.compare(called, deals, { cost: 1, value: 5 }, 1), from = (work(), performance.now());
        work(); return performance.now() - from; }""")
    assert took < 200


# ---------------------------------------------------------------- changes by hand


def test_a_change_by_hand_is_counted_kept_and_published(open_page, made, data, tmp_path):
    page = open_page()
    earn(page, "Authority, User", 6)
    chip = page.locator('[data-chip="need 4"]')
    chip.click()
    page.get_by_role("button", name="On fire here, like Some more").click()
    page.locator('[data-chip="budget 4"]').drag_to(page.locator('[data-chip="budget 1"]'))
    assert "tried 9 settings" in page.inner_text("#what-if")
    page.get_by_label("Your name").fill("Sam")
    page.get_by_label("Why (required").fill("interns decide here")
    assert "Your last change is kept with it" in page.inner_text("#publish")
    saved(page, "Save the draft", tmp_path / "draft.json")
    assert page.locator(".pending").count() == 0
    assert "leadml publish crm-draft.json --by 'Sam' --because 'interns decide here'" in page.inner_text("#publish")
    done = publish(tmp_path / "draft.json", because="interns", by="Sam", at="2026-02-01", store_root=made / "store")
    card = leadml.load_card(done.version.folder)
    points = {each.id: each.points for each in card.criteria}
    before = {each.id: each.points for each in data.learned.criteria}
    assert points["authority"][1] == before["authority"][1] + 6
    assert points["need"][4] == before["need"][2]
    assert points["budget"][4] == before["budget"][1]
    called = called_by(card, data)
    _, won, lost = deals_of(data)
    figures = shown(page)
    assert figures["calls-2"][0] == (won + lost) @ called
    assert figures["wins-2"][0] == won @ called


def test_undo_redo_and_the_history(open_page):
    page = open_page()
    was = earn(page, "Need, Pressing", 0)
    assert earn(page, "Need, Pressing") == was + 1
    page.locator(".pending").get_by_role("button", name="Undo").click()
    assert earn(page, "Need, Pressing", 0) == was
    page.locator("#rule").get_by_role("button", name="Redo").click()
    assert earn(page, "Need, Pressing", 0) == was + 1
    assert "60 leads by the learned card, as you changed it: " in page.inner_text("#leads")
    page.get_by_role("button", name="Start from the documented rule").click()
    assert earn(page, "Need, Pressing", 0) == 1
    assert "60 leads by the documented rule: " in page.inner_text("#leads")
    page.locator("summary", has_text="History").click()
    assert "Need: Pressing earns" in page.inner_text("#rule details")


def test_cut_off_calls_a_week_and_the_rules_calls(open_page, data):
    page = open_page()
    page.get_by_role("slider").fill("0")
    assert shown(page)["calls-2"][0] == data.deals.n
    page.get_by_role("button", name="As many calls as the rule").click()
    figures = shown(page)
    calls, wanted = figures["calls-2"][0], figures["calls-0"][0]
    assert abs(calls - wanted) < 30
    told = re.search(rf"closer to the {wanted:.0f} calls of the rule: (.*)\.", page.inner_text("#what-if"))
    around = [int(each) for each in re.findall(r"points (\d+)", told[1])]
    assert around[0] < wanted < around[1]
    assert calls == min(around, key=lambda each: abs(each - wanted))
    typed(page, "Calls a week", "1")
    assert shown(page)["calls-2"][0] < 0.5 * data.deals.n
    assert "earns more than each of these" not in page.inner_text("#what-if")
    typed(page, "Value of a win", "15000")
    every = 15000 * data.deals.n_won - 150 * data.deals.n
    assert f"Calling everybody earns more than each of these: {every:,.0f} EUR." in page.inner_text("#what-if")
    assert "Thick: your figures, a win worth 100 calls." in page.inner_text(".curve")
    typed(page, "Value of a win", "15")
    assert "Calling nobody earns more than each of these: 0 EUR." in page.inner_text("#what-if")
    typed(page, "Cost of a call", "")
    assert "money-2" not in shown(page)
    assert "Yours pays more than calling nobody or everybody where a win is worth" in page.inner_text(".curve")
    assert "another cut-off may pay still more" in page.inner_text(".curve")


def test_a_doubt_stands_beside_the_answer_and_a_wide_curve_has_numbers(open_changed, data):
    doubt, command = "It holds Tags: known when the lead came in?", f"leadml calibrate {'--without A ' * 30}"
    page = open_changed(answer=dataclasses.replace(data.answer, doubt=doubt, command=command))
    for screen in ("#answer", "#what-if"):
        text = page.text_content(f"{screen} [data-doubt]")
        assert doubt in text
        assert command.strip() in text
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    typed(page, "Value of a win", "150000")
    ticks = page.locator(".curve .tick[text-anchor=middle]").all_text_contents()
    assert 4 < len(ticks) < 12
    assert any("," in each for each in ticks)
    page.get_by_role("slider").fill("1")
    assert not re.search(r"\d{3}\.\d calls", page.inner_text(".curve"))


def test_what_moves_is_said_in_decisions(open_page, made, data):
    page = open_page()
    total = page.locator("#publish .lead")
    beside = "the learned card, as no champion of this name is in the store"
    assert total.inner_text() == f"Nothing is decided otherwise than by {beside}."
    page.get_by_role("slider").fill("40")
    frame = leadml.predict(made / "leads.csv", made / "mapping.yaml", data.learned)
    n = (frame["points"] >= data.learned.cutoff).sum() - (frame["points"] >= 40).sum()
    assert "of 60 open leads would be treated otherwise" in total.inner_text()
    moved = sum(int(each) for each in re.findall(r"(\d+) move", page.inner_text("#publish")))
    assert moved >= n > 0
    page.get_by_role("button", name="Start from the documented rule").click()
    all_moved = int(re.match(r"(\d+) of 60", total.inner_text())[1])
    lines = page.locator("#publish .moves li").all_inner_texts()
    assert re.fullmatch(r"and \d+ in \d+ smaller moves?", lines[6])
    assert sum(int(re.search(r"\d+", each)[0]) for each in lines) == all_moved


def test_the_champion_of_the_store_is_what_a_change_is_compared_with(open_page, made, data, tmp_path):
    """A champion that asks for other columns is named, not compared with."""
    from leadml.registry.promote import promote

    store, at = shutil.copytree(made / "store", tmp_path / "store"), "2026-02-01"
    draft = {**data.learned.to_dict(), "cutoff": data.learned.cutoff + 8}
    (tmp_path / "draft.json").write_text(json.dumps(draft))
    ref = publish(tmp_path / "draft.json", because="b", by="Sam", at=at, name="crm", store_root=store).version.ref
    promote(ref, because="b", at=at, force=True, store_root=store)
    page = open_page(pages.write_page(made / "found", tmp_path / "p.html", leads=made / "leads.csv", store_root=store))
    assert f"Nothing is decided otherwise than by the champion, {ref}." in page.inner_text("#publish")
    assert f"60 leads by the champion, {ref}: " in page.inner_text("#leads")
    assert f"; in use now: the champion, {ref}" in page.inner_text("#answer .over")
    page.get_by_role("slider").fill(str(data.learned.cutoff))
    assert f"of 60 open leads would be treated otherwise than by the champion, {ref}." in page.inner_text("#publish")
    asked = data.columns[1:]
    found = pages.champion_for("crm", store, data.learned, asked)
    assert found == (None, f"the champion, {ref}, asks for other columns")
    assert pages.champion_for("no/name", store, None, asked)[0] is None


def test_a_documented_champion_has_learned_from_no_deal(open_changed, data):
    page = open_changed(champion=data.documented, in_use="champion", compared="the champion, crm@2")
    told = [page.inner_text(f"#what-if th.rule{k}") for k in range(3)]
    assert ["learned from" in each for each in told] == [False, True, False]
    assert shown(page)["wins-2"] == shown(page)["wins-0"]


def test_a_segment_of_too_few_deals_says_how_many_it_takes(open_changed, data):
    few = [each.model_copy(update={"verdict": "too-few"}) for each in data.segments]
    text = open_changed(segments=tuple(few)).inner_text("#segments")
    assert f"Too few: card and rule disagree on fewer than {MIN_DIFFERENT} deals" in text


def test_bands_and_actions_can_be_changed(open_changed, data):
    extra = [{"id": "now", "title": "At once", "from": 30, "action": "call at once", "decision": "ready"}]
    bands = [*(each.model_dump(by_alias=True) for each in data.learned.bands[:2]), *extra]
    card = Card.from_dict({**data.learned.to_dict(), "bands": bands}, verify=False)
    page = open_changed(learned=card)
    page.locator("summary", has_text="What is done").click()
    typed(page, "Qualified", "=phone today", exact=True)
    page.wait_for_selector("#leads >> text=phone today")
    assert "Nothing is decided otherwise" in page.inner_text("#publish .lead")  # the same by other words
    page.get_by_label("From", exact=True).nth(2).fill("25")
    page.keyboard.press("Tab")
    page.wait_for_selector("text=to call at once")
    assert page.get_by_label("From", exact=True).nth(1).is_disabled()  # the cut-off, which has its slider


def test_a_warning_where_deals_disagree(open_page):
    page = open_page()
    assert "Your deals disagree" not in page.inner_text("#rule")
    earn(page, "Authority, Intern", 12)
    assert "Your deals disagree: Intern earns more than" in page.inner_text("#rule")


# ---------------------------------------------------------------- leads


def test_leads_are_judged_as_predict_does_from_either_side(open_page, made, data, tmp_path):
    frame = leadml.predict(made / "leads.csv", made / "mapping.yaml", data.learned).set_index("lead_id")
    page = open_page()
    for dropped in (False, True):
        if dropped:
            page.locator("input[type=file]").set_input_files(made / "leads.csv")
        text = saved(page, "Save as CSV", tmp_path / "leads.csv").read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(text.splitlines()))
        assert len(rows) == len(frame)
        for row in rows:
            own = frame.loc[row["lead_id"]]
            for name in (*ANSWERS, "points_max", "unknown"):
                assert row[name] == str(own[name]), (dropped, name)
            assert float(row["probability"]) == pytest.approx(own["probability"])
        assert next(r["Company"] for r in rows if "Acme" in r["Company"]) == "'=Acme 700, Ltd"
    order = [("ready", "wait", "no-match").index(row["decision"]) for row in rows]
    assert order == sorted(order)


def test_a_saved_sheet_has_the_decimal_mark_of_the_export(open_changed, data, tmp_path):
    told = {"mapping": {**data.mapping, "read": {"decimal": ","}}}
    found = {"leads": dataclasses.replace(data.leads, decimal=",", delimiter=";")}
    for changes in (told, found):
        page = open_changed(**changes)
        text = saved(page, "Save as CSV", tmp_path / "leads.csv").read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(text.splitlines(), delimiter=";"))
        assert len(rows) == len(data.leads.ids)
        assert all(re.fullmatch(r"0,\d+", row["probability"]) for row in rows)


def test_a_dropped_file_that_cannot_be_used_is_told(open_page, tmp_path, made):
    page = open_page()
    for text, said in (
        ("a;b\n1;2\n", "None of the columns that the rule asks for is in this file; it has a, b."),
        ('Role;Need\n"Intern;Some\n', "A quote is left open"),
        ("Role;Need\nBoss;Some\nDirector;On fire\n", "1 row could not be read"),
        ("Role;Need\nBoss;Some\n", "No open lead could be read. row 2, Role: Boss"),
    ):
        name = tmp_path / f"{hash(text)}.csv"
        name.write_text(text, encoding="utf-8")
        page.locator("input[type=file]").set_input_files(name)
        page.wait_for_selector(f"text={said}")
        if "could not be read" not in said:
            assert "The leads below are those from before" in page.inner_text("#leads [role=alert]")
    (tmp_path / "leads.xlsx").write_bytes(b"PK\x03\x04\x00\xff")
    page.locator("input[type=file]").set_input_files(tmp_path / "leads.xlsx")
    page.wait_for_selector("text=This is an Excel file: save it as CSV")


def test_the_decimal_mark_of_a_dropped_file_is_found_and_a_wrong_one_told(open_page, open_changed, data, tmp_path):
    (tmp_path / "leads.csv").write_text("Deal;Budget EUR\nD1;0,00\nD2;25.000,00\nD3;5.000\n", encoding="utf-8")
    page = open_page()
    page.locator("input[type=file]").set_input_files(tmp_path / "leads.csv")
    page.wait_for_selector("text=3 leads by the learned card")
    budget = [each.id for each in data.columns].index("budget")
    found = page.evaluate("(text) => leadml.encodeLeads(text, leadml.data, [])", (tmp_path / "leads.csv").read_text())
    assert found["codes"][budget] == [0, 3, 1]
    page = open_changed(mapping={**data.mapping, "read": {"decimal": "."}})
    page.locator("input[type=file]").set_input_files(tmp_path / "leads.csv")
    page.wait_for_selector('text=set read: {decimal: ","} in the mapping')


def test_a_dropped_lead_is_not_named_by_what_a_criterion_is_read_from(open_page, data):
    text = "Deal;Company;Contact Role;Need contact\nD1;Acme;Director;On fire\n"
    criteria = {**data.mapping["criteria"], "need": {"column": "Need contact", "levels": {"On fire": 4}}}
    read = "([text, mapping]) => leadml.encodeLeads(text, {...leadml.data, mapping}, []).names"
    found = open_page().evaluate(read, [text, {**data.mapping, "criteria": criteria}])
    assert found == {"Company": ["Acme"], "Contact Role": ["Director"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_dropped_file_is_read_in_its_encoding(open_page, tmp_path, encoding):
    page = open_page()
    (tmp_path / "leads.csv").write_text("Deal;Company;Role;Need\nD7;Müller;Director;On fire\n", encoding=encoding)
    page.locator("input[type=file]").set_input_files(tmp_path / "leads.csv")
    page.wait_for_selector("#leads li >> text=Müller")
    text = page.inner_text("#leads")
    assert "D7" in text
    assert "1 lead by the learned card: " in text


@pytest.mark.parametrize(("decimal", "text", "value"), [(",", "1.500", 1500), (".", "1,500.5", 1500.5)])
def test_numbers_are_typed_with_the_decimal_mark_of_the_export(open_changed, data, decimal, text, value):
    page = open_changed(mapping={**data.mapping, "read": {"decimal": decimal}})
    typed(page, "Value of a win", text)
    assert page.get_by_label("Value of a win").input_value() == str(value).replace(".", decimal)
    assert f"read as {value:,.2f}" in page.inner_text("#what-if")  # as every number of the page
    typed(page, "Value of a win", "much")
    assert "“much” is not a number" in page.inner_text("#what-if")


def test_a_number_that_differs_by_the_decimal_mark_is_asked_again(open_page, open_changed, data):
    page = open_page()
    for text, value in (
        ("150,50", "150.5"),
        ("2.400,00", "2400"),
        ("2,400.5", "2400.5"),
        ("€ 75", "75"),
        ("2.400", "75"),
    ):
        typed(page, "Value of a win", text)
        assert page.get_by_label("Value of a win").input_value() == value
    assert "“2.400” may be 2400 or 2.4: write it without the mark" in page.inner_text("#what-if")
    page = open_changed(leads=dataclasses.replace(data.leads, decimal=","))
    typed(page, "Value of a win", "2.400")
    assert page.get_by_label("Value of a win").input_value() == "2400"


# ---------------------------------------------------------------- for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_accessible_at_every_width_and_in_both_colours(open_page, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(width=width, scheme=scheme)
    earn(page, "Need, Some")
    page.locator("summary", has_text="What is done").click()
    found = Axe().run(page).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    overlap = page.eval_on_selector_all(
        ".tick",
        """(all) => {
        const [svg, ...boxes] = [all[0].closest('svg'), ...all].map((each) => each.getBoundingClientRect());
        return boxes.some((a, i) => a.top < svg.top - 1 || boxes.some((b, j) => i < j && a.left < b.right
          && b.left < a.right && a.top < b.bottom - 1 && b.top < a.bottom - 1)); }""",
    )
    assert not overlap  # letters of the curve


def test_by_keyboard_alone(open_page):
    page = open_page()
    met = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        met.add(
            page.evaluate("(({ dataset, type, tagName }) => dataset.chip || type || tagName)(document.activeElement)")
        )
    assert {"authority 4", "submit", "range", "file", "text", "A", "SUMMARY"} <= met
    page.locator('[data-chip="authority 4"]').focus()
    page.keyboard.press("ArrowUp")
    assert "Authority: Director counts as Manager" in page.inner_text(".pending")
    assert page.evaluate("document.activeElement.dataset.chip") == "authority 4"
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Director here, like Intern").focus()
    page.keyboard.press("Enter")
    assert "Director counts as Intern" in page.inner_text(".pending")


def test_print_leaves_the_tools_out(open_page):
    page = open_page()
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.get_by_role("button", name="Redo").is_visible()
    assert page.locator("#what-if table").is_visible()


# ---------------------------------------------------------------- material and words


def test_of_too_many_patterns_a_sample_stands_for_all(open_changed, data):
    codes, won, lost = deals_of(data)
    some = pages.counts_of(codes, won * 10, lost * 10, most=100)
    assert some.n == data.deals.n * 10
    assert sum(some.won) + sum(some.lost) == pytest.approx(some.n)
    assert len(some.won) <= 100
    page = open_changed(deals=some, spread=some.n / 100)
    text = page.inner_text("#what-if caption")
    assert text.startswith(f"Counted on the {some.n:,.0f} closed deals learned from (a sample of 100 stands for all)")
    assert "the report say what to expect of deals that no card learned from" in text
    value, low, high = shown(page)["wins-0"]
    assert high - low > 0.3 * value  # a hundred deals tell little


def test_levels_in_the_words_of_the_crm():
    up = {"0": ["< 1"], "1": [">= 1"], "2": [">= 10000", "much"]}
    assert [level_label(up, level) for level in range(4)] == ["below 1", "1 to 10,000", "10,000 or more, much", "3"]
    down = {"0": ["> 24"], "1": ["<= 24"], "2": ["<= 12"]}
    assert [level_label(down, level) for level in range(3)] == ["above 24", "12 to 24", "12 or less"]


def test_a_folder_without_what_the_page_needs_is_refused(made, tmp_path):
    folder = shutil.copytree(made / "found", tmp_path / "found")
    (folder / "deal_counts.parquet").unlink()
    with pytest.raises(InputError, match="leadml calibrate"):
        pages.write_page(folder)
    shutil.copy(made / "found" / "deal_counts.parquet", folder)
    (folder / "mapping.yaml").unlink()
    with pytest.raises(UsageError, match="--leads"):
        pages.write_page(folder, leads=made / "leads.csv")
    (folder / "card.json").unlink()
    assert "Card" not in pages.write_page(folder).read_text(encoding="utf-8").split("</style>")[1].split("<script")[0]
    shutil.rmtree(folder / "cards")
    with pytest.raises(UsageError, match="holds no card"):
        pages.write_page(folder)
