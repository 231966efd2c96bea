"""The API over HTTP, as its users call it."""

import csv
import json
import tempfile

import pytest
from app_sample import ask, serving

import leadml
from leadml.app import api
from leadml.exceptions import UsageError

LEAD = {"Role": "Director", "Need": "On fire", "Budget EUR": 25000, "Months": None}


@pytest.fixture
def scores(made):
    card = leadml.load_card(made / "store" / "crm" / "1")
    return leadml.predict(made / "leads.csv", made / "mapping.yaml", card)


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_leads_score_as_predict_scores_them(served, made, scores):
    _, call = served
    given = rows_of(made / "leads.csv")
    told = scores.to_dict("records")
    status, many = call("/score?model=crm@1", given)
    assert (status, many["rejected"], many["model"]) == (200, [], "crm@1")
    assert many["leads"] == [{key: row[key] for key in many["leads"][0]} for row in told]
    for lead, row in list(zip(given, told, strict=True))[:5]:
        assert call("/score?model=crm@1", lead) == (200, {key: row[key] for key in many["leads"][0]})


def test_a_file_scores_as_predict_does_and_is_not_kept(served, made, scores, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _, call = served
    content = (made / "leads.csv").read_bytes()
    status, found = call("/score?model=crm@1", content, "text/csv")
    assert status == 200
    assert [row["points"] for row in found["leads"]] == scores["points"].tolist()
    assert [row["reasons"] for row in found["leads"]] == scores["reasons"].tolist()
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_used_is_told(served):
    _, call = served
    status, found = call("/score?model=crm@1", [LEAD, {"Role": "Boss"}])
    assert (status, len(found["leads"])) == (200, 1)
    assert (found["rejected"][0]["row"], found["rejected"][0]["value"]) == (2, "Boss")
    for body, status, said in (
        ({"Role": "Boss"}, 422, "Role: 'Boss' is not listed"),
        ({"Role": ["Director"]}, 422, "is not listed"),
        ({"Shoe size": 44}, 422, "has no column"),
        ([1], 422, "valid is {column: value}"),
        (b"{", 422, "the body is no JSON"),
    ):
        found = call("/score?model=crm@1", body)
        assert found[0] == status
        assert said in found[1]["detail"]
    assert call("/score?model=crm@1", []) == (200, {"model": "crm@1", "leads": [], "rejected": [], "n_closed": 0})
    assert call("/score?model=nobody", LEAD)[0] == 404
    assert call("/score?model=crm@77", LEAD)[0] == 404


def test_explain_models_and_docs(served):
    _, call = served
    status, found = call("/explain?model=crm@1&Role=Director&Need=On+fire")
    assert status == 200
    assert found["lines"][0].startswith("Lead 1 by crm@1: ")
    assert call("/models")[1][0]["model"] == "crm@1"
    assert "POST /publish" in call("/docs")[1]
    assert "http" in call("/docs")[1]
    assert "/score" in call("/openapi.json")[1]["paths"]


def test_the_description_says_what_is_sent_and_by_which_version(served):
    _, call = served
    told = call("/openapi.json")[1]
    assert told["info"]["version"] == leadml.__version__
    content = told["paths"]["/score"]["post"]["requestBody"]["content"]
    assert content.keys() == {"application/json", *api.KINDS}
    assert content["application/json"]["schema"]["oneOf"][1]["type"] == "array"
    body = told["paths"]["/publish"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fields = told["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"]
    assert all(each["description"] for each in fields.values())
    assert "refused" in told["components"]["schemas"]["Published"]["properties"]
    assert "HTTPValidationError" not in json.dumps(told["paths"])  # whose detail is a list


def test_closed_leads_are_left_out_and_counted(served, made):
    _, call = served
    deals = (made / "deals.csv").read_text(encoding="utf-8").splitlines()[:4]
    opened = (made / "leads.csv").read_text(encoding="utf-8").splitlines()[1]
    text = "\n".join([*deals, opened]) + "\n"
    leads = list(csv.DictReader(text.splitlines()))
    many, file = call("/score?model=crm@1", leads)[1], call("/score?model=crm@1", text.encode(), "text/csv")[1]
    for found in (many, file):
        assert (len(found["leads"]), found["rejected"], found["n_closed"]) == (1, [], 3)
        assert found["leads"][0]["lead_id"] == "D700"


def draft_of(made, points=9):
    card = leadml.load_card(made / "store" / "crm" / "1").to_dict()
    card["criteria"][0]["points"][1] = points
    return card


def test_publishing_asks_for_a_name_and_a_reason_and_compares(served, made):
    _, call = served
    for body, said in (
        ({"draft": draft_of(made), "by": "Sam", "because": " "}, "valid is the reason"),
        ({"draft": draft_of(made), "by": " ", "because": "need"}, "valid is the name of who changed it"),
        ({"draft": draft_of(made), "because": "need"}, "by: field required"),
        ({"draft": "card", "by": "Sam", "because": "need"}, "valid is a card"),
        ([], "valid is {draft, by, because}"),
        (b"{", "valid is {draft, by, because}"),
    ):
        status, found = call("/publish", body)
        assert (status, said in found["detail"]) == (422, True)
    assert call("/publish", b"{}", "text/plain")[0] in (415, 422)  # what another site's page may send
    status, found = call("/publish", {"draft": draft_of(made), "by": "Sam", "because": "small budgets buy, too"})
    assert (status, found["model"], found["in_use"]) == (200, "crm@2", False)
    assert "leads move from" in found["comparison"]
    assert next((each["model"], each["status"]) for each in call("/models")[1]) == ("crm@1", "champion")
    assert call("/score", LEAD)[1]["model"] == "crm@1"
    status, found = call("/publish", {"draft": draft_of(made, 3), "by": "Sam", "because": "less", "in_use": True})
    assert (status, found["in_use"], found["refused"]) == (200, True, "")
    assert call("/score", LEAD)[1]["model"] == found["model"]  # at once
    everyone = {**draft_of(made), "cutoff": 0}
    status, refused = call("/publish", {"draft": everyone, "by": "Sam", "because": "all", "in_use": True})
    assert (status, refused["in_use"]) == (200, False)
    assert "follows up every lead" in refused["comparison"]
    assert "the deals speak against it" in refused["refused"]
    assert call("/score", LEAD)[1]["model"] == found["model"]


def test_the_served_page_publishes(served, open_page):
    base, call = served
    page = open_page(base)
    assert "Nothing is decided otherwise than by the champion, crm@" in page.inner_text("#publish")
    page.get_by_role("group", name="Points of Need, Some", exact=True).get_by_role(
        "button", name="One point more"
    ).click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_label("Your name").fill("Sam")
    page.get_by_label("Why (required").fill("some need is need")
    page.get_by_label("Put it in use at once").check()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.wait_for_selector("text=Published as crm@")
    assert call("/models")[1][-1]["model"] in page.inner_text("#publish [role=status]")
    said = page.inner_text("#publish [role=status]")  # deals that the champion has seen refuse no draft
    assert "in use from now on" in said


def test_nothing_said_is_of_this_machine_or_of_the_command_line(served, made):
    """Neither folders nor what a command would take."""
    _, call = served
    said = [call("/score?model=crm@1", b"a,b\n1,2\n", "text/csv")[1]["detail"]]
    said.append(call("/score?model=crm@1", b"no parquet", "application/vnd.apache.parquet")[1]["detail"])
    card = leadml.load_card(made / "store" / "crm" / "1").to_dict()
    said.append(call("/publish", {"draft": {"name": "crm"}, "by": "Sam", "because": "x"})[1]["detail"])
    said.append(call("/publish", {"draft": card, "by": "Sam", "because": "x"})[1]["detail"])
    said.append(call("/publish", {"draft": card | {"name": "stray"}, "by": "Sam", "because": "x"})[1]["detail"])
    assert said[-1] == "draft.json is called 'stray', and no model of that name is in the store, which has crm"
    everyone = {"draft": {**card, "cutoff": 0}, "by": "Sam", "because": "all", "in_use": True}
    said.append(call("/publish", everyone)[1]["refused"])
    said += [
        call(path, LEAD)[1]["detail"] for path in ("/score?model=crm@77", "/score?model=nobody", "/score?model=a/b")
    ]
    assert all(said), said
    assert "upload.csv" in said[0]
    for text in said:
        assert not any(each in text for each in (tempfile.gettempdir(), str(made), " --", "leadml models")), text


def test_only_this_machine_or_a_token(made, served):
    _, call = served
    assert call("/models", host="evil.example")[0] == 421
    assert call("/models", host="[::1]:80")[0] == 200
    app = api.make_app(made / "store", token="secret")
    with serving(app) as base:
        assert ask(base, "/models")[0] == 401
        assert ask(base, "/models", authorization="Bearer wrong")[0] == 401
        assert ask(base, "/models", authorization="Bearer secret")[0] == 200
        assert ask(base, "/?token=secret")[0] == 200
    with pytest.raises(UsageError, match="--token"):
        api.serve("0.0.0.0", 0, None, made / "store")


def test_limits_on_size_and_time(served, monkeypatch):
    _, call = served
    monkeypatch.setattr(api, "MAX_BYTES", 100)
    assert call("/score", b" " * 101) == (
        413,
        {"detail": "at most 0 MB are taken at once; use leadml predict for more"},
    )
    large = b" " * (8 << 20)  # more than a socket holds
    assert call("/score", large)[0] == call("/score", iter([large] * 2))[0] == 413
    assert call("/score", iter([b" " * 60] * 2))[0] == 413  # in chunks, which do not say how many will come
    monkeypatch.setattr(api, "MAX_BYTES", 1000)
    parts = [json.dumps(LEAD)[:5].encode(), json.dumps(LEAD)[5:].encode()]
    assert call("/score?model=crm@1", iter(parts)) == call("/score?model=crm@1", LEAD)
    assert call("/publish", iter([b" " * 600] * 2))[0] == 413
    monkeypatch.setattr(api, "MAX_SECONDS", 0.0)
    assert call("/score?model=crm@1", [LEAD])[0] == 503


def test_serve_hands_over_to_uvicorn(made, monkeypatch):
    import uvicorn

    told = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **settings: told.update(settings, app=app))
    api.serve("127.0.0.1", 8123, None, made / "store")
    assert (told["host"], told["port"], told["access_log"]) == ("127.0.0.1", 8123, False)


def test_a_store_of_several_models_and_of_a_card_alone(made, tmp_path):
    import shutil

    from leadml.registry.versions import save_version

    store = shutil.copytree(made / "store", tmp_path / "store")
    save_version("bare", leadml.load_card(made / "found"), at="2026-01-01", store_root=store)
    with serving(api.make_app(store)) as base:
        assert "?model=bare" in ask(base, "/")[1]
        assert "the rule and your deals" in ask(base, "/?model=crm")[1]
    with pytest.raises(UsageError, match="2 models are in the store, name one: bare, crm"):
        api.model_of(None, store)
    bare = api.model_of("bare", store)
    (lead,) = api._score(bare, [{"need": 4, "authority": "3"}])["leads"]
    assert lead["points"] > 0  # without a mapping, by the names of criteria
    with pytest.raises(UsageError, match="keeps no calibration"):
        api._page_of(bare.estimator, store)
