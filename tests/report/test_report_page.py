"""The page: complete, in order, on its own, and deaf to whatever a data set puts into names."""

import html
import json
import re
from html.parser import HTMLParser

import pytest

from leadml.report import render_html, summarise

ORDER = [
    "answer",
    "card",
    "rules",
    "comparison",
    "reliability",
    "disagreement",
    "findings",
    "gaps",
    "method",
    "glossary",
]
HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>&{{7*7}}"


class Page(HTMLParser):
    """What a page holds: elements, ids, links and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def test_sections_come_in_the_order_of_their_reader(page: str) -> None:
    assert [each["id"] for each in Page(page).all("section")] == ORDER


def test_every_link_leads_somewhere_on_the_page(page: str) -> None:
    parsed = Page(page)
    ids = [
        attributes["id"]
        for _, attributes in parsed.tags
        if "id" in attributes and not attributes["id"].startswith("p")
    ]
    assert len(ids) == len(set(ids))
    links = [each["href"] for each in parsed.all("a")]
    assert links
    assert [link for link in links if not (link.startswith("#") and link[1:] in ids)] == []


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    parsed = Page(page)
    assert parsed.all("script", "iframe", "object", "embed", "form") == []
    assert [link["href"] for link in parsed.all("link")] == ["data:,"]
    assert [each for each in parsed.all("img") if not each["src"].startswith("data:")] == []
    assert re.findall(r"@import|url\((?!#)", page) == []
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, never fetched


def test_headers_have_a_scope_and_pictures_a_description(page: str) -> None:
    parsed = Page(page)
    assert all(each.get("scope") in ("row", "col") for each in parsed.all("th"))
    pictures = [each for each in parsed.all("div") if each.get("role") == "img"]
    assert len(pictures) == 7  # the card, three rules, the gains, two reliabilities
    assert all(each["aria-label"] for each in pictures)
    assert [each["lang"] for each in parsed.all("html")] == ["en"]


def test_learned_points_stand_next_to_documented_ones(page: str) -> None:
    row = re.search(r'<th scope="row">authority</th>(.*?)</tr>', page, re.DOTALL)[1]
    assert re.findall(r"(\d+)</span><span class=\"was\">(\d+)", row) == [
        ("0", "0"),
        ("2", "1"),
        ("4", "2"),
        ("6", "3"),
        ("7", "4"),
    ]


def test_the_champion_is_named_though_only_cards_are_recommended(page: str) -> None:
    champion = re.search(r"The champion is <b>(.*?)</b>", page)[1]
    assert champion == "Logistic regression with further columns"


def test_what_whole_points_lose_is_told(page: str) -> None:
    assert "Whole points lose 0.0002 of the log loss that the real-valued fit expects, 0.5110." in page


def test_bands_have_points_actions_chances_and_edges(make_result, make_card) -> None:
    bands = summarise(make_result(), make_card())["card"]["bands"]
    # Chance is 5% + 4% a point: 11 points give 49%, 16 give 69%.
    assert bands[0] == {
        "points": "11 to 16",
        "title": "highly qualified",
        "action": "follow up immediately",
        "edge": "10 to 13",
        "chance": "49% to 69%",
    }
    assert (bands[-1]["points"], bands[-1]["edge"]) == ("0 to 3", "")


@pytest.mark.parametrize(
    ("verdict", "headline"),
    [
        ("keep", "Keep the rule"),
        ("change", "Change the rule"),
        ("undecided", "Undecided: stay with the rule for now"),
        ("cannot-judge", "These deals cannot judge the rule"),
    ],
)
def test_every_verdict_is_an_answer(make_result, verdict: str, headline: str) -> None:
    result = make_result(verdict)
    answer = summarise(result)["answer"]
    assert answer["verdict"]["headline"] == headline
    assert answer["sentence"] == result["recommended"]["sentence"]
    assert "2,300" in answer["more_deals"] or verdict != "undecided"


def test_a_documented_rule_has_no_probability(make_result) -> None:
    ranking, probability, decision = summarise(make_result())["comparison"]
    assert {row["kind"] for row in probability["rows"]} == {"learned", "context", "prior"}
    assert len(ranking["rows"]) == len(decision["rows"]) == 9


def test_contenders_of_other_frameworks_step_back(make_result) -> None:
    result = make_result()
    other = {
        **result["contenders"][0],
        "id": "faint-half",
        "framework": "faint",
        "title": "At least half met (3 of 5)",
    }
    result["contenders"].append(other)
    ranking = summarise(result)["comparison"][0]
    assert [row["title"] for row in ranking["more_rows"]] == ["FAINT: At least half met (3 of 5)"]


def test_findings_of_one_kind_stand_together_the_gravest_first(make_result) -> None:
    result = make_result()
    result["findings"] += [
        {
            "code": "LML102",
            "severity": "warn",
            "title": "need differs",
            "explanation": "more",
            "where": "need",
        },
        {
            "code": "LML001",
            "severity": "stop",
            "title": "a leak",
            "explanation": "Known after the close.",
            "where": ["Won at"],
        },
    ]
    shown = summarise(result)["findings"]
    assert [(each["code"], len(each["members"])) for each in shown] == [
        ("LML001", 1),
        ("LML102", 2),
        ("LML210", 1),
    ]


def test_whatever_a_data_set_holds_is_text(make_result, make_card) -> None:
    def poison(value, key=""):
        if isinstance(value, dict):
            return {name: poison(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [poison(inner, key) for inner in value]
        kept = (
            "id kind family framework unit severity contender versus policy baseline learned_contender card"
        )
        return (
            HOSTILE if isinstance(value, str) and key not in kept.split() and "verdict" not in key else value
        )

    result, card = poison(make_result()), poison(make_card())
    for criterion in (*result["data"]["criteria"], *card["criteria"], *result["contenders"]):
        criterion["id"] += HOSTILE
    page = render_html(result, card)
    parsed = Page(page)
    assert parsed.all("script", "img") == []
    assert not [attributes for _, attributes in parsed.tags if "onerror" in attributes]
    assert HOSTILE in parsed.text
    assert "49" not in re.findall(r"&amp;(\{\{7\*7\}\}|49)", page)
    assert html.escape("<script>alert", quote=False) in page


def test_a_result_full_of_nulls_still_renders(make_result) -> None:
    def empty(value):
        if isinstance(value, dict):
            if "value" in value and "low" in value:
                return dict.fromkeys(value)
            return {name: empty(inner) for name, inner in value.items()}
        return [empty(inner) for inner in value] if isinstance(value, list) else value

    result = empty(make_result("cannot-judge"))
    for policy in result["policies"]:
        policy |= dict.fromkeys(
            (
                "implied_value",
                "weights",
                "learned_contender",
                "more_deals_needed",
                "gain_weights",
                "gain_cutoff",
            )
        )
        policy["rates"] = []
    result["recommended"] |= {"card": None, "cutoff": None, "bands": []}
    result |= {"disagreement": [], "findings": []}
    page = render_html(result)
    assert "No card was learned" in page or "Weight of each criterion" in page
    assert "None" not in Page(page).text
    assert "nan" not in page.lower().replace("unanimous", "")


def test_the_same_result_gives_the_same_page(page: str, make_result, make_card) -> None:
    again = json.loads(json.dumps(make_result()))
    assert render_html(again, make_card()) == page


def test_the_summary_is_plain(make_result, make_card) -> None:
    summary = summarise(make_result(), make_card())
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
