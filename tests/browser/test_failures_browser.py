"""The query browser in Chromium: queries are sorted, filtered, searched and opened, by mouse and by keyboard.

What the page should show is computed here from the data that it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import BROWSER, SCHEMES, WIDTHS, faults, opened, sideways, violations
from failures_sample import HOSTILE, sample
from markupsafe import Markup

from patent_embeddings.handover.sheets import Sheet
from patent_embeddings.pages import shell
from patent_embeddings.pages.charts import script
from patent_embeddings.pages.shell import packed

pytestmark = BROWSER
Data = dict[str, Any]
Query = dict[str, Any]
PAGE = 50  # queries of a page of the list
# Milliseconds to the first paint of 5,000 queries: 60 to 370 on two busy cores. Many tests at once take longer.
PAINT, SLACK = 1000, 2
ONLY = """
{% extends "shell.html.j2" %}
{% block title %}Failures{% endblock %}
{% block content %}<h1>Failures</h1><h2>Query by query</h2>{% include "failures.html.j2" %}{% endblock %}
"""


@pytest.fixture(scope="module")
def data() -> Data:
    """Queries for more than one page of the list. One link would run a script, were it followed."""
    made = sample(PAGE + 20)
    made["families"][made["queries"][2]["relevant"][0]["family"]]["url"] = "javascript:document.title='owned'"
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, data: Data) -> Path:
    return written(tmp_path_factory.mktemp("failures") / "page.html", data)


def written(path: Path, data: Data, bundle: str = "") -> Path:
    """A page that has the browser of failures and nothing else, but for the script that draws pictures."""
    template = shell._environment().from_string(ONLY)
    path.write_text(template.render(charts={}, bundle=Markup(bundle), failures=packed(data)), encoding="utf-8")
    return path


def ids(driver: Any) -> list[str]:
    """The queries on the shown page of the list."""
    script = "return [...document.querySelectorAll('.failures tbody a')].map((link) => link.hash.split('/')[2])"
    found: list[str] = driver.execute_script(script)
    return found


def choose(driver: Any, name: str, value: str) -> None:
    """Choose or type what a filter should be, as an input of the user's, and wait until the list follows."""
    driver.execute_async_script(
        "const [name, value, done] = arguments;"
        "const field = document.querySelector('.failures form').elements[name];"
        "field.value = value;"
        "field.dispatchEvent(new Event('input', { bubbles: true }));"
        "setTimeout(done, 200);",
        name,
        value,
    )


def text(driver: Any, selector: str) -> str:
    found: str = driver.execute_script("return document.querySelector(arguments[0]).textContent", selector)
    return found


def difference(query: Query) -> float:
    return float(query["outcome"]["dense"] - query["outcome"]["bm25"])


COLUMNS: dict[str, Callable[[Query], Any]] = {
    "bm25": lambda query: query["outcome"]["bm25"],
    "interpolation": lambda query: query["outcome"]["interpolation"],
    "Difference": difference,
    "Relevant": lambda query: len(query["relevant"]) + query["left_out"],
    "Words": lambda query: query["words"],
}


def head(driver: Any, name: str) -> Any:
    found = driver.find_elements("css selector", ".failures thead th")
    return next(one for one in found if one.text.split("\u00a0")[0].strip("↑↓ ") == name)


def test_page_is_sound_wide_and_narrow_light_and_dark(made: Path, chromium: Any) -> None:
    found = faults(chromium, made)
    assert not found, "\n".join(found)


def test_what_was_lost_most_stands_first_and_queries_are_counted(made: Path, data: Data, chromium: Any) -> None:
    opened(chromium, made)
    order = sorted(difference(query) for query in data["queries"])
    value = {query["id"]: difference(query) for query in data["queries"]}
    assert [value[one] for one in ids(chromium)] == order[:PAGE]
    assert text(chromium, "[data-counted]") == f"{len(order)} queries"
    assert text(chromium, "[data-sampled]") == ""
    chromium.find_element("css selector", "[data-turn='1']").click()
    assert [value[one] for one in ids(chromium)] == order[PAGE:]
    chromium.find_element("css selector", "[data-turn='1']").click()  # there is no third page
    assert text(chromium, "[data-page]") == f"{PAGE + 1} to {len(order)} of {len(order)}"


@pytest.mark.parametrize("name", list(COLUMNS))
def test_list_is_sorted_by_each_column_either_way(name: str, made: Path, data: Data, chromium: Any) -> None:
    opened(chromium, made)
    of = {query["id"]: COLUMNS[name](query) for query in data["queries"]}
    ways = []
    for _ in range(2):
        head(chromium, name).find_element("css selector", "button").click()
        way = head(chromium, name).get_attribute("aria-sort")
        every = sorted(of.values(), reverse=way == "descending")
        assert [of[one] for one in ids(chromium)] == every[:PAGE]
        ways.append(way)
    assert sorted(ways) == ["ascending", "descending"]
    others = {one.get_attribute("aria-sort") for one in chromium.find_elements("css selector", ".failures thead th")}
    assert others == {"none", ways[1]}


FILTERS: dict[tuple[str, str], Callable[[Query], bool]] = {
    ("outcome", "failed"): lambda query: query["outcome"][("interpolation", "bm25")[query["landscape"]]] == 0,
    ("outcome", "lost"): lambda query: difference(query) < 0,
    ("outcome", "won"): lambda query: difference(query) > 0,
    ("outcome", "even"): lambda query: difference(query) == 0,
    ("scope", "out"): lambda query: any(hit["scope"] == "out" for hit in query["relevant"]),
    ("class", "A61"): lambda query: "A61" in query["ipc"],
    ("class", "none"): lambda query: not query["ipc"],
    ("jurisdiction", "JP"): lambda query: query["jurisdiction"] == "JP",
    ("jurisdiction", "unknown"): lambda query: not query["jurisdiction"],
    ("landscape", "mine"): lambda query: query["landscape"] == 1,
    ("fewest", "400"): lambda query: query["words"] >= 400,
    ("most", "400"): lambda query: query["words"] <= 400,
}


@pytest.mark.parametrize(("name", "value"), list(FILTERS))
def test_filter_keeps_what_it_says(name: str, value: str, made: Path, data: Data, chromium: Any) -> None:
    opened(chromium, made)
    kept = {query["id"] for query in data["queries"] if FILTERS[name, value](query)}
    choose(chromium, name, value)
    assert 0 < len(kept) < len(data["queries"])
    assert set(ids(chromium)) <= kept and len(ids(chromium)) == min(PAGE, len(kept))
    assert text(chromium, "[data-counted]") == f"{len(kept)} of {len(data['queries'])} queries"
    chromium.find_element("css selector", "button[type=reset]").click()
    choose(chromium, "words", "")
    assert text(chromium, "[data-counted]") == f"{len(data['queries'])} queries"


def test_search_looks_into_every_text_and_wants_every_word(made: Path, data: Data, chromium: Any) -> None:
    opened(chromium, made)
    families = data["families"]

    def all_texts(query: Query) -> str:
        beside = [families[hit["family"]] for hit in (*query["relevant"], *query["wrong"])]
        found = [query["id"], query["title"], query["text"], *query["codes"]]
        found += [one[name] for one in beside for name in ("id", "title", "text", "publication")]
        return "\n".join(found).lower()

    one = families[data["queries"][7]["relevant"][0]["family"]]
    for words in (f"{one['id']} VALVE", "Donaudampf", "<script>", "клапан sensor", "q000012", "valve nowhere"):
        choose(chromium, "words", words)
        kept = {q["id"] for q in data["queries"] if all(word in all_texts(q) for word in words.lower().split())}
        assert set(ids(chromium)) == kept
    assert text(chromium, "[data-page]") == "no query passes these filters"


def test_other_systems_can_be_compared(made: Path, data: Data, chromium: Any) -> None:
    opened(chromium, made)
    choose(chromium, "first", "rrf")
    choose(chromium, "second", "interpolation")
    choose(chromium, "outcome", "won")
    gain = {q["id"]: q["outcome"]["interpolation"] - q["outcome"]["rrf"] for q in data["queries"]}
    assert [gain[one] for one in ids(chromium)] == sorted(value for value in gain.values() if value > 0)
    assert "interpolation less rrf" in text(chromium, "[data-explained]")


def test_query_is_opened_by_mouse_and_says_everything(made: Path, data: Data, chromium: Any) -> None:
    opened(chromium, made)
    query = data["queries"][2]
    choose(chromium, "words", query["id"])
    chromium.find_element("css selector", ".failures tbody a").click()
    assert chromium.execute_script("return location.hash") == f"#query/sim-alpha/{query['id']}"
    shown = chromium.find_element("css selector", ".failures dialog")
    assert shown.is_displayed()
    cards = chromium.execute_script(
        "return [...document.querySelectorAll('.failures article')].map((card) => ({"
        " kind: card.className, title: card.querySelector('h5').textContent,"
        " text: card.querySelector('.text').textContent, badges: card.querySelector('.badges').textContent,"
        " marked: [...new Set([...card.querySelectorAll('mark')].map((one) => one.textContent.toLowerCase()))],"
        " links: [...card.querySelectorAll('a')].map((link) => link.href),"
        " ranks: Object.fromEntries([...card.querySelectorAll('dl div')].map((pair) =>"
        "   [pair.querySelector('dt').textContent, pair.querySelector('dd').textContent])) }))"
    )
    hits = [("right", hit) for hit in query["relevant"]] + [("wrong", hit) for hit in query["wrong"]]
    assert len(cards) == len(hits)
    said = {"in": "IN", "out": "OUT", "unknown": "scope unknown"}
    for card, (kind, hit) in zip(cards, hits, strict=True):
        family = data["families"][hit["family"]]
        assert card["kind"] == kind
        assert card["title"] == (family["title"] or f"{family['text'][:90]}…")
        assert card["text"].split() == family["text"].split()
        ranks = {name: "–" if rank is None else f"{rank:,}" for name, rank in hit["ranks"].items()}
        assert card["ranks"] == ranks
        assert ("cut" in card["badges"]) == hit["cut"]
        assert (said[hit["scope"]] if kind == "right" else "not relevant") in card["badges"]
        words = f"{card['title']} {card['text']}".lower().split()
        assert set(card["marked"]) == set(words) & set(hit["words"])
        assert card["links"] == [family["url"]] * family["url"].startswith("https:")
    assert any(hit["ranks"]["dense"] is None for _, hit in hits) and any(card["marked"] for card in cards)


def test_hostile_texts_are_shown_as_texts(made: Path, data: Data, chromium: Any) -> None:
    opened(chromium, made)
    place = next(at for at, query in enumerate(data["queries"]) if query["text"].startswith(HOSTILE[0]))
    query = data["queries"][place]
    landscape = data["landscapes"][query["landscape"]]
    opened(chromium, made, part=f"#query/{landscape}/{query['id']}")
    assert text(chromium, ".asked .text") == query["text"]
    assert chromium.title == "Failures"
    made_up = "b, script, img, template, i"
    assert (
        chromium.execute_script("return document.querySelectorAll(`.failures :is(${arguments[0]})`).length", made_up)
        == 0
    )
    assert chromium.get_log("browser") == []


def test_keyboard_alone_sorts_opens_steps_and_closes(made: Path, chromium: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(chromium, made)
    head(chromium, "Words").find_element("css selector", "button").send_keys(Keys.ENTER)
    first, second = ids(chromium)[:2]
    box = chromium.find_element("css selector", ".failures tbody a")
    box.send_keys(Keys.ENTER)
    dialog = chromium.find_element("css selector", ".failures dialog")
    assert dialog.is_displayed() and chromium.switch_to.active_element.get_attribute("id") == "failure"
    chromium.find_element("css selector", "[data-step='1']").send_keys(Keys.ENTER)
    assert chromium.execute_script("return location.hash").endswith(second)
    chromium.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert chromium.switch_to.active_element.get_attribute("href").endswith(second)  # where the reader was
    assert chromium.execute_script("return location.hash") == ""
    chromium.back()
    assert dialog.is_displayed() and first != second


def test_address_opens_a_query_and_an_unknown_one_opens_none(made: Path, data: Data, chromium: Any) -> None:
    query = data["queries"][1]
    opened(chromium, made, part=f"#query/mine/{query['id']}")
    assert chromium.find_element("css selector", ".failures dialog").is_displayed()
    assert query["id"] in chromium.find_element("css selector", ".asked").text or query["title"] in text(chromium, "h3")
    assert "–" in text(chromium, ".failures article dl")  # no system found it
    opened(chromium, made, part="#query/mine/nobody")
    assert not chromium.find_element("css selector", ".failures dialog").is_displayed()
    assert "not on this page" in text(chromium, "[data-absent]")
    assert chromium.get_log("browser") == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_opened_query_is_sound(width: int, scheme: str, made: Path, data: Data, chromium: Any) -> None:
    """The query with forty relevant families: beside each other, or one below the other where it is narrow."""
    opened(chromium, made, width, scheme, part=f"#query/sim-alpha/{data['queries'][2]['id']}")
    found = [*sideways(chromium, width), *violations(chromium)]
    assert not found, "\n".join(found)
    asked, right, dialog = chromium.execute_script(
        "const at = (selector) => document.querySelector(selector).getBoundingClientRect().toJSON();"
        "const { scrollWidth, clientWidth } = document.querySelector('.failures dialog');"
        "return [at('.asked'), at('.found'), { scrollWidth, clientWidth }]"
    )
    assert dialog["scrollWidth"] <= dialog["clientWidth"] <= width
    assert asked["bottom"] <= right["top"] if width < 800 else asked["right"] <= right["left"]


def test_five_thousand_queries_are_painted_within_a_second(tmp_path: Path, chromium: Any) -> None:
    data = many(sample(250), 20)
    opened(chromium, written(tmp_path / "many.html", data, script()))
    paint = chromium.execute_script("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < PAINT * SLACK
    assert text(chromium, "[data-counted]") == "5,000 queries" and len(ids(chromium)) == PAGE
    assert text(chromium, "[data-sampled]") == "A sample: 5,000 of all."
    # Searched, filtered and sorted without lag: a list of fifty at once, however many queries there are.
    took = chromium.execute_script(
        "const form = document.querySelector('.failures form');"
        "const before = performance.now();"
        "form.elements.scope.value = 'out';"
        "for (const button of document.querySelectorAll('.failures thead button')) button.click();"
        "return performance.now() - before"
    )
    assert took < 1000 * SLACK and len(ids(chromium)) == PAGE


def many(data: Data, times: int) -> Data:
    """The same queries and families several times, each with an id of its own."""
    count = len(data["families"])

    def moved(hit: dict[str, Any], number: int) -> dict[str, Any]:
        return {**hit, "family": hit["family"] + number * count}

    return {
        **data,
        "sampled": f"A sample: {len(data['queries']) * times:,} of all.",
        "families": [{**one, "id": f"{one['id']}-{number}"} for number in range(times) for one in data["families"]],
        "queries": [
            {
                **one,
                "id": f"{one['id']}-{number}",
                "relevant": [moved(hit, number) for hit in one["relevant"]],
                "wrong": [moved(hit, number) for hit in one["wrong"]],
            }
            for number in range(times)
            for one in data["queries"]
        ],
    }


def test_two_cells_are_compared_as_they_are_named(tmp_path: Path, chromium: Any) -> None:
    cells = ("minilm, zero-shot", "minilm, r1, sim-alpha")
    data = sample(12, systems=cells, compared=cells)
    opened(chromium, written(tmp_path / "two.html", data), 400)
    assert not chromium.find_element("css selector", "[name=first]").is_displayed()
    assert f"{cells[1]} less {cells[0]}" in text(chromium, "[data-explained]")
    assert len(ids(chromium)) == 12 and sideways(chromium, 400) == []


def test_page_of_two_cells_is_sound(tmp_path: Path, chromium: Any) -> None:
    names = ("minilm-zero-shot-ta-fold0", "e5-base-r1-sim-alpha-ta-embed.adapter_scale=0.5-fold0")
    rows = [[place, scope, 12, 7, 3, 0.0412] for place in ("sim-alpha", "mine") for scope in ("all", "in", "out")]
    text = shell.render(
        "comparison.html.j2",
        charts={},
        names=names,
        answer=[f"{names[1]} is ahead of {names[0]} on sim-alpha"],
        facts=[(name, f"{name} (commit 1234567)") for name in names],
        differ=Sheet(["parameter", *names], [["model", "minilm", "e5-base"]], texts=3),
        simulated=["sim-alpha"],
        left_out=["mine: 3 test queries of only one of the cells are left out"],
        won=Sheet(["landscape", "scope", "n", "won", "lost", "p"], rows, "Counts", 2),
        failures=packed(sample(60, systems=names, compared=names)),
    )
    path = tmp_path / "two.html"
    path.write_text(text, encoding="utf-8")
    found = faults(chromium, path)
    assert not found, "\n".join(found)
