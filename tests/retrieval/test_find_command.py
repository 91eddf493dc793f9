"""`python -m stages.find`, before a search engine in miniature: what is asked, filtered and judged."""

from __future__ import annotations

import csv
import io
import json
import sys
import threading
import urllib.request
from collections.abc import Callable
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
import toys
from workspaces import ROOT

from patent_embeddings.core.command import run
from patent_embeddings.corpus.families import frame
from patent_embeddings.corpus.user import judgement_files
from patent_embeddings.pages.find import search
from stages import find

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    workspace: Path,
    set_params: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Run the command on a landscape of four families: exit status, output, what is said."""
    toys.write()
    set_params(evaluate_on=[toys.L], landscape=toys.L)
    monkeypatch.setattr(search, "opened", toys.opened)
    monkeypatch.setattr(search, "require_current", lambda *_: None)

    def done(*options: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["find", *options])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            run(find.app)
        return (int(ended.value.code or 0), *capsys.readouterr())

    return done


def hits(text: str) -> dict[str, list[str]]:
    return {one["question"]["id"]: [hit["family_id"] for hit in one["hits"]] for one in json.loads(text)["answers"]}


def test_a_text_is_answered_by_the_best_system_of_the_cell(command: Command) -> None:
    status, out, said = command("greenhouse", "-k", "2", "--format", "json")
    told = json.loads(out)
    assert status == 0 and hits(out) == {"q1": ["F1", "F4"]} and told["system"] == "interpolation"
    assert told["simulated"] is True and "sim-alpha is simulated" in said
    assert told["cell"].startswith("minilm-r3-sim-alpha-tac-fold0-")
    assert "open 0.50 s, rank 0.25 s" in said
    assert hits(command("greenhouse", "--system", "dense", "--format", "json")[1]) == {"q1": ["F4", "F3", "F2", "F1"]}


@pytest.mark.parametrize("number", ["F1", "EP 2970120 A1", "us2013/0099542", "EP-2970120-A1"])
def test_a_patent_is_named_by_any_member_in_any_spelling(command: Command, number: str) -> None:
    _, out, _ = command("--like", number, "--format", "json")
    assert hits(out) == {"F1": ["F4", "F2", "F3"]}
    assert json.loads(out)["answers"][0]["question"]["own"] == "F1"


@pytest.mark.parametrize(
    "content",
    ["query_id,text\na,vent\nEP1169021,\n", "a\tvent\nEP1169021\n",
     '{"query_id": "a", "text": "vent"}\n{"query_id": "EP1169021"}\n'],
)  # fmt: skip
def test_a_file_has_texts_and_patents(command: Command, workspace: Path, content: str) -> None:
    (workspace / "questions").write_text(content)
    _, out, _ = command("--queries", "questions", "--system", "dense", "--format", "json")
    assert hits(out) == {"a": ["F4", "F3", "F2", "F1"], "EP1169021": ["F4", "F2", "F1"]}


def test_filters_choose_among_all_families_and_say_what_they_do(command: Command) -> None:
    _, out, said = command(
        "greenhouse", "-k", "1", "--before", "2012-01-02", "--class", "A01G", "--not-applicant", "acme corp",
        "--format", "json",
    )  # fmt: skip
    (hit,) = json.loads(out)["answers"][0]["hits"]
    assert (hit["family_id"], hit["rank"], hit["rank_of_all"]) == ("F4", 1, 2)
    assert "--before: 4 of 4 families pass, 1 by their priority, 3 by their publication" in said
    assert "--class: 3 of 4" in said and "--not-applicant: 3 of 4" in said and "2 of unknown applicants" in said
    assert "2 of 4 ranked families of sim-alpha pass all filters" in said
    assert json.loads(out)["filters"] == {
        "before": "2012-01-02", "class": ["A01G"], "not-applicant": ["acme corp"]
    }  # fmt: skip


def test_a_conversation_goes_on_after_a_faulty_question(command: Command) -> None:
    typed = "CO2 greenhouse\nlike EP 2970120\nlike EP9999999\nbroken\nlike a hearing protector\nF1\n\nnever asked\n"
    status, out, said = command("--interactive", "--format", "json", "-k", "1", typed=typed)
    assert status == 0
    assert [*map(hits, out.splitlines())] == [{"q1": ["F1"]}, {"q2": ["F4"]}, {"q5": ["F3"]}, {"q6": ["F4"]}]
    wrong = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(wrong) == 2 and "EP9999999" in wrong[0] and "vectors are damaged" in wrong[1]


def test_the_forms_are_written_whole(command: Command, workspace: Path) -> None:
    for form, begin in (("csv", "query_id,rank,"), ("json", "{"), ("html", "<!DOCTYPE html>"), ("table", "q1: vent")):
        status, out, said = command("vent", "--format", form, "--out", f"to/hits.{form}")
        assert (status, out) == (0, "") and f"to/hits.{form}: written" in said
        assert (workspace / f"to/hits.{form}").read_text().startswith(begin)
    status, _, said = command("broken", "--out", "to/hits.csv", "--format", "csv")
    assert status == 2 and (workspace / "to/hits.csv").read_text().startswith("query_id,rank,")


WRONG: list[tuple[tuple[str, ...], str]] = [
    ((), "no question is given; give one of TEXT, --queries, --like, --interactive"),
    (("vent", "--like", "F1"), "TEXT and --like are given"),
    (("",), "the question is empty"),
    ((" .. ",), "the question is empty"),
    (("EP 2970120 A1",), "is a family of 'sim-alpha'; search for similar families by --like"),
    (("EP 2970121 B1",), "'EP 2970121 B1': no family of the landscape has this id or number"),
    (("--like", "EP2970121"), "'EP2970121': no family of the landscape has this id or number (did you mean EP2970120"),
    (("--like", ""), "no family of the landscape has this id or number"),
    (("--like", "F9"), "did you mean F"),
    (("--queries", "gone.csv"), "--queries gone.csv: no such file"),
    (("--queries", "empty.csv"), "empty.csv: no query in it"),
    (("--queries", "wrong.csv"), "wrong.csv: line 2: query 'EP9999999A1' has no text and is no family"),
    (("vent", "--landscape", "orbit"), "the current cell has no landscape 'orbit'; name one of them by --landscape"),
    (("vent", "--system", "reranked"), "--system reranked: the cell has bm25, dense, rrf, interpolation; set rerank"),
    (("vent", "--system", "bm52"), "(did you mean bm25?)"),
    (("vent", "--before", "2012"), "--before '2012' is no date"),
    (("vent", "--class", "H04"), "no family of 'sim-alpha' passes (--class: 0 of 4 families pass)"),
    (("--interactive", "--out", "x"), "--interactive answers here"),
    (("vent", "--judge", "x.csv", "--system", "dense"), "--judge writes the hits of all systems"),
    (("vent", "--judge", "x.xlsx"), "judgements are kept as CSV"),
    (("vent", "--judge", "wrong.csv"), "has no column 'query_id', so it is no file of this command"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_what_is_wrong_is_one_line(command: Command, workspace: Path, options: tuple[str, ...], said: str) -> None:
    (workspace / "empty.csv").write_text("")
    (workspace / "wrong.csv").write_text("a first question\nEP9999999A1\n")
    before = sorted(workspace.rglob("*"))
    status, out, error = command(*options)
    *_, last = error.splitlines()
    assert (status, out) == (2, "") and last.startswith("error: ") and said in last
    assert sorted(workspace.rglob("*")) == before


def test_of_several_landscapes_one_has_to_be_named(command: Command, set_params: Callable[..., None]) -> None:
    set_params(evaluate_on=["sim-alpha", "sim-beta"])
    status, _, said = command("vent")
    assert status == 2 and said.endswith("name one of them by --landscape: sim-alpha, sim-beta\n")
    assert command("vent", "--landscape", "sim-alpha")[0] == 0


QUESTIONS = "q1\tvent of a Gewächshaus, greenhouse\nq2\t=hearing; protector\n"


def judged(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))


def pooled(command: Command, workspace: Path, k: str = "2") -> list[dict[str, str]]:
    (workspace / "questions.txt").write_text(QUESTIONS)
    status, out, said = command("--queries", "questions.txt", "--judge", "judged.csv", "-k", k)
    assert status == 0 and "judged.csv: " in out and "counts as not relevant" in said
    return judged(workspace / "judged.csv")


def test_every_family_is_judged_once_in_an_order_that_says_nothing(command: Command, workspace: Path) -> None:
    rows = pooled(command, workspace)
    by = {(row["query_id"], row["family_id"]): row for row in rows}
    assert len(by) == len(rows) and [row["query_id"] for row in rows] == sorted(row["query_id"] for row in rows)
    # BM25 finds F1 and F4, dense F4 and F3, both fusions BM25's first.
    assert {name for query, name in by if query == "q1"} == {"F1", "F3", "F4"}
    cell, _, ranks = by["q1", "F4"]["found_by"].partition(": ")
    assert cell.startswith("minilm-r3-") and ranks == "bm25 2, dense 1, rrf 2, interpolation 2"
    assert by["q2", "F3"]["question"] == "'=hearing; protector" and by["q2", "F3"]["relevance"] == ""
    assert {row["passage"] for row in rows if row["family_id"] == "F1"} == {
        "It has a Greenhouse vent that opens. It closes."
    }  # fmt: skip
    (workspace / "judged.csv").rename(workspace / "first.csv")
    assert pooled(command, workspace) == rows


SAVED: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda text: text.encode(),
    "semicolons": lambda text: _saved(text, ";").encode(),
    "semicolons of Windows": lambda text: _saved(text, ";").encode("cp1252", "replace"),
    "tabs of UTF-16": lambda text: _saved(text, "\t").encode("utf-16"),
}


def _saved(text: str, delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    return out.getvalue()


@pytest.mark.parametrize("form", SAVED)
def test_another_cell_is_added_and_what_is_filled_in_stays(
    command: Command, workspace: Path, set_params: Callable[..., None], form: str
) -> None:
    rows = pooled(command, workspace, k="1")
    assert {(row["query_id"], row["family_id"]) for row in rows} == {
        ("q1", "F1"),
        ("q1", "F4"),
        ("q2", "F3"),
        ("q2", "F4"),
    }
    filled = io.StringIO()
    writer = csv.DictWriter(filled, [*rows[0], "remark"])
    writer.writeheader()
    for row in rows:
        writer.writerow(
            row
            | {"relevance": "2" if row["family_id"] == "F1" else "", "remark": 'Öl; "a"\nb' * (row["query_id"] == "q2")}
        )
    (workspace / "judged.csv").write_bytes(SAVED[form](filled.getvalue()))
    first = rows[0]["found_by"].split(": ")[0]
    set_params(model="bge-small")
    again = pooled(command, workspace, k="2")
    assert {(row["query_id"], row["family_id"]) for row in again} > {
        (row["query_id"], row["family_id"]) for row in rows
    }
    (best,) = (row for row in again if (row["query_id"], row["family_id"]) == ("q1", "F1"))
    second, _, _ = best["found_by"].partition(": ")
    assert best["relevance"] == "2" and second.startswith("bge-small-")
    assert best["found_by"] == (
        f"{second}: bm25 1, rrf 1, interpolation 1; {first}: bm25 1, rrf 1, interpolation 1"
    )  # fmt: skip
    assert {row["remark"] for row in again if row["query_id"] == "q2"} == {'Öl; "a"\nb', ""}
    assert sum(row["relevance"] == "2" for row in again) == 1
    assert pooled(command, workspace, k="2") == again  # the same cell twice adds nothing


def test_a_file_of_other_questions_is_left_alone(
    command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled(command, workspace)
    before = (workspace / "judged.csv").read_bytes()
    for options, said in (
        (("a heater",), "query 'q1' is another text"),
        (("--like", "F1"), "query 'q1' is none of the questions that are asked now"),
    ):
        status, _, error = command(*options, "--judge", "judged.csv")
        assert status == 2 and said in error and error.count("error:") == 1
    monkeypatch.setattr(toys.Toy, "rank", None)  # what cannot be written is said before anything is ranked
    assert "name a file that ends in .csv" in command("a heater", "--judge", "judged.xlsx")[2]
    assert "is another text" in command("a heater", "--judge", "judged.csv")[2]
    cut = before[: before.rindex(b"It has")]
    (workspace / "judged.csv").write_bytes(cut)
    status, _, error = command("--queries", "questions.txt", "--judge", "judged.csv")
    assert status == 2 and "its last row is cut off" in error and (workspace / "judged.csv").read_bytes() == cut


def test_what_is_filled_in_is_read_as_judgements(command: Command, workspace: Path) -> None:
    rows = pooled(command, workspace)
    path = workspace / "judged.csv"
    text = path.read_bytes().decode("utf-8-sig")
    for form in SAVED:
        table = io.StringIO()
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        grades = {("q1", "F1"): "2", ("q1", "F3"): "0", ("q2", "F3"): "1"}
        writer.writerows(row | {"relevance": grades.get((row["query_id"], row["family_id"]), "")} for row in rows)
        path.write_bytes(SAVED[form](table.getvalue()))
        queries, relations, notes = judgement_files.read(workspace / "questions.txt", path, frame(toys.ROWS), {})
        found: dict[Any, Any] = {(row.query_id, row.family_id): row.relevance for row in relations.itertuples()}
        assert found == {key: int(grade) for key, grade in grades.items()}, form
        assert queries["query_id"].tolist() == ["q1", "q2"]
        assert str(notes["rows whose grade is empty, not judged, left out"]).startswith(f"{len(rows) - 3}, such as")
    path.write_text(text)
    with pytest.raises(Exception, match="nothing is judged yet"):
        judgement_files.read(workspace / "questions.txt", path, frame(toys.ROWS), {})


def test_the_server_of_the_documentation_answers(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is written there, but for its port; it is asked one question."""
    block = (ROOT / "docs/find.md").read_text().split("```python\n")[1].split("```")[0]
    answers: list[Any] = []

    def serve(server: HTTPServer) -> None:
        asking = threading.Thread(target=lambda: answers.append(ask(server.server_port)))
        asking.start()
        server.handle_request()
        asking.join()
        server.server_close()

    def ask(port: int) -> Any:
        with urllib.request.urlopen(f"http://localhost:{port}", b"greenhouse") as found:
            return json.load(found)

    monkeypatch.setattr(HTTPServer, "serve_forever", serve)
    monkeypatch.setattr("patent_embeddings.retrieval.find.opened", toys.opened)
    exec(block.replace("8000", "0").replace("my-field", toys.L), {})
    assert [hit["family_id"] for hit in answers[0]] == ["F1", "F4", "F2", "F3"]
