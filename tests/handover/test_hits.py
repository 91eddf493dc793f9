"""Hits as files and lines: everything that is known is there, and no text does harm."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
import toys

from patent_embeddings.handover import hits
from patent_embeddings.pages.find.page import marked, page, words


@pytest.fixture
def found(workspace: Path) -> hits.Found:
    toys.write()
    finder = toys.Toy()
    known = hits.families(toys.L)
    asked = [finder.question("vent of a greenhouse, opened by <b>sun</b>"), finder.question("=1+1 =cmd|'/c", "q2"),
             finder.like("F4")]  # fmt: skip
    answers = hits.answers(finder, known, asked, "interpolation", 3, None)
    return hits.Found("cell-1", toys.L, True, "interpolation", {}, answers)


def test_the_title_is_not_said_twice() -> None:
    family = {"title": "Greenhouse vent", "abstract": "A vent. " * 100}
    assert hits.beside(family, "Greenhouse vent … It opens.") == "It opens."
    assert hits.beside(family, "It opens.") == hits.beside({"title": "", "abstract": ""}, "It opens.")
    for own in ("Greenhouse vents open by heat.", "Greenhouse vent opened by heat.", "… by heat"):
        assert hits.beside(family, own) == own
    for between in (" ", "  ", "\n", " … "):
        assert hits.beside(family, f"Greenhouse vent{between}A vent.") == "A vent."
    beginning = hits.beside(family, "Greenhouse vent")
    assert beginning.startswith("A vent. A vent.") and beginning.endswith(" …") and len(beginning) <= 300


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_hit_has_all_that_is_known(found: hits.Found) -> None:
    assert [answer.question.id for answer in found.answers] == ["q1", "q2", "F4"]
    assert [hit.family_id for hit in found.answers[0].hits] == ["F1", "F4", "F2"]
    assert [hit.family_id for hit in found.answers[2].hits] == ["F1", "F2", "F3"]
    best = rows(hits.as_csv(found))[0]
    assert best == {
        "query_id": "q1", "rank": "1", "rank_of_all": "1", "score": "1.0", "bm25_rank": "1", "dense_rank": "4",
        "publication": "US20130099542A1", "family_id": "F1", "publications": "US20130099542A1; EP2970120A1",
        "applicants": "Acme Corp.; Beta Ltd", "date": "2013-04-25", "priority": "2011-10-20", "jurisdiction": "US",
        "title": "Greenhouse vent", "passage": "It has a Greenhouse vent that opens.\nIt closes.",
        "url": "https://example.org/1",
    }  # fmt: skip
    third = rows(hits.as_csv(found))[2]
    assert third["bm25_rank"] == "" and third["dense_rank"] == "3" and third["score"] == "0.333333"
    assert (third["publication"], rows(hits.as_csv(found))[1]["publication"]) == ("F2", "US7000001B2")


def test_no_cell_is_a_formula_and_json_keeps_texts_as_they_are(found: hits.Found) -> None:
    for row in rows(hits.as_csv(found)):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row.values())
    assert rows(hits.as_csv(found))[2]["title"] == f"'{toys.HOSTILE}"
    told = json.loads(hits.as_json(found))
    assert told["answers"][0]["hits"][2]["title"] == toys.HOSTILE
    assert told["answers"][1]["question"] == {"id": "q2", "text": "=1+1 =cmd|'/c", "own": None}
    assert (told["cell"], told["landscape"], told["system"]) == ("cell-1", "sim-alpha", "interpolation")
    assert len(hits.as_json(found, None).splitlines()) == 1


@pytest.mark.parametrize("width", [60, 100])
def test_lines_fit_and_steer_no_terminal(found: hits.Found, width: int) -> None:
    text = hits.as_lines(found, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert re.search(r"^ +1  1\.0000 +1 +4  US20130099542A1", text, re.MULTILINE)
    assert re.search(r"^ +3  0\.3333 +– +3  F2 ", text, re.MULTILINE)
    assert "also EP2970120A1" in text and "Acme Corp.; Beta Ltd" in text and "of all" not in text


def test_the_rank_in_the_whole_landscape_is_shown_beside_filters(found: hits.Found) -> None:
    text = hits.as_lines(hits.Found("c", toys.L, True, "dense", {"before": "2010-01-01"}, found.answers), 100)
    assert re.search(r"^rank +of all +score", text, re.MULTILINE)


def test_a_question_without_a_hit_has_one_line_below_it(found: hits.Found) -> None:
    answer = hits.Answer(found.answers[0].question, [])
    lines = hits.as_lines(hits.Found("c", toys.L, True, "bm25", {}, [answer]), 100).splitlines()
    assert lines[1:] == ["  no family has a score", ""]


def test_the_page_is_escaped_and_marks_the_words_of_the_question(found: hits.Found) -> None:
    text = page(found)
    body = text[text.index("<main>") : text.index("</main>")]
    assert "<script>alert" not in body and "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert "<b>sun" not in body and 'href="javascript' not in body
    assert '<a href="https://example.org/1" rel="noreferrer">US20130099542A1</a>' in body
    assert "<mark>Greenhouse</mark> <mark>vent</mark> that <mark>opens</mark>" in body
    assert "Simulated landscape." in body


def test_words_are_marked_but_for_their_endings_and_stop_words() -> None:
    asked = words("Which is the vent of greenhouses that opens?")
    text = "The vents opened; a greenhouse’s VENT, ventilated. Which is it?"
    assert [piece for piece, is_word in marked(text, asked) if is_word] == ["vents", "opened", "greenhouse", "VENT"]
    assert "".join(piece for piece, _ in marked(text, asked)) == text
    assert marked("", asked) == []
