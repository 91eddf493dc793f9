"""The data of what failed, on a landscape of eight families whose tables are written by hand."""

from __future__ import annotations

import hashlib
import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import frame
from patent_embeddings.corpus.schemas import FAMILIES, LENGTHS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.pages.cell.binned import borders
from patent_embeddings.pages.cell.queries import won
from patent_embeddings.pages.failures import data
from patent_embeddings.pages.failures.data import Subject, as_data
from patent_embeddings.pages.failures.hits import Words, ranks, shared_codes, wrong
from patent_embeddings.pages.failures.queries import best, outcomes, profile, wide
from patent_embeddings.pages.failures.source import WORKSPACE
from patent_embeddings.retrieval.schemas import RUN

L = "sim-alpha"
TEXTS = {
    "a": "A piston pump with a rotor and its 12a seals",
    "b": "The gearbox of a pump",
    "c": "pump piston rotor",
    "d": "pump and rotor, and nothing else of note",
    "e": "a lamp",
    "f": "x" * 600,
    "g": "gearbox pump",
    "h": "pump",
}
CODES = {"a": ["F04B1/00", "H02K7/14"], "c": ["F04B1/00"], "d": ["F04B9/00", "H02J3/00"], "b": ["F16H1/00"]}
DATES = {"a": "2010-01-01", "c": "2000-01-01", "d": "2014-01-01", "g": "2009-12-31"}
# By query: what each system found, best first.
FOUND = {
    "bm25": {"a": "bcdfe", "b": "hac", "why": "e"},
    "dense": {"a": "cbfde", "b": "acdehg", "why": "hgf"},
}
RELEVANT = {"a": {"c": 1, "d": 2, "b": 0, "h": 1}, "b": {"g": 1}, "why": {"e": 1}, "z": {"a": 1}}
OUT = {("a", "d"), ("a", "h")}
SCORES = {"bm25": {"a": 0.4, "b": 0.0, "why": 1.0}, "dense": {"a": 0.8, "b": 0.5, "why": 0.5}}


def write(rows: list[Any], path: Path, table: tables.Table) -> None:
    tables.write(tables.typed(pd.DataFrame(rows, columns=list(table.columns)), table), path, table)


def counted(truncated: int) -> list[tuple[str, str, float]]:
    """Rows of `LENGTHS`: of eight texts so many are cut; the median one has 20 letters and 5 tokens."""
    found = {"sampled": 8, "truncated": truncated, "length": 10, "median-tokens": 5}
    return [("tac", name, value) for name, value in found.items()]


@pytest.fixture
def planted(workspace: Path, set_params: Any) -> Path:
    held = [{"family_id": one, "title": f"Title {one}", "ipc": CODES.get(one, []), "cpc": ["Y02T1/00"] * (one == "a"),
             "jurisdiction": "EP", "date": DATES.get(one, ""), "publication": f"EP{one}"} for one in TEXTS]  # fmt: skip
    tables.write(tables.typed(frame(held), FAMILIES), layout.families(L), FAMILIES)
    write([(one, text, True) for one, text in TEXTS.items()], layout.view(L, "tac"), VIEW)
    asked = [("a", "test", "", [], ""), ("b", "test", "", [], ""), ("z", "dev", "", [], "")]
    asked += [("why", "test", "why do lamps fail", ["F21V1/00"], "2020-01-01")]
    write(asked, layout.task(L, "queries"), QUERIES)
    qrels = [(query, family, grade, "out" if (query, family) in OUT else "in")
             for query, ours in RELEVANT.items() for family, grade in ours.items()]  # fmt: skip
    write(qrels, layout.task(L, "qrels"), QRELS)
    pool = [(one, DATES.get(one, ""), DATES.get(one, ""), "test", True) for one in TEXTS]
    write([*pool, ("why", "", "2020-01-01", "test", False)], layout.task(L, "pool"), POOL)
    # Two of eight texts were cut: the longest by letters are f (600) and then a or d.
    write(counted(2), layout.lengths(L), LENGTHS)
    for system, by_query in FOUND.items():
        run = [(query, family, rank, -float(rank))
               for query, found in by_query.items() for rank, family in enumerate(found, 1)]  # fmt: skip
        write(run, layout.run(L, system), RUN)
    rows = [(system, "retrieval", scope, "nDCG@10", query, "test", value * (0.5 if scope == "out" else 1))
            for system, ours in SCORES.items() for query, value in ours.items()
            for scope in ("all", "in", "out", "in-paired") if scope in ("all", "in") or query == "a"]  # fmt: skip
    rows += [("dense", "retrieval", "all", "R@100", "a", "test", 0.1)]
    rows += [("dense", "retrieval", "all", "nDCG@10", "z", "dev", 0.2)]
    rows += [("oracle-rrf", "retrieval", "all", "nDCG@10", "a", "test", 0.9)]
    write(rows, layout.outcomes(L), OUTCOMES)
    return workspace


def subject(wrong_of: tuple[str, ...] = ("dense",), query_tokens: int | None = None) -> Subject:
    table = wide(outcomes(WORKSPACE, L))
    runs = {system: partial(WORKSPACE.run, L, system) for system in FOUND}
    return Subject(L, WORKSPACE, params.load(), query_tokens, table, runs, wrong_of)


def browsed(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data, and its queries by id."""
    made = as_data([subject(**changes)], ("bm25", "dense"), "data/outcomes of this cell")
    return made, {query["id"]: query for query in made["queries"]}


def hits(made: dict[str, Any], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Entries of a query by the id of their family."""
    return {made["families"][entry["family"]]["id"]: entry for entry in entries}


def test_the_worst_query_of_the_best_system_comes_first(planted: Path) -> None:
    made, queries = browsed()
    assert (made["landscapes"], made["systems"], made["compared"]) == ([L], ["bm25", "dense"], ["bm25", "dense"])
    assert (made["best"], made["wrong_of"], made["metric"], made["sampled"]) == (
        ["dense"],
        [["dense"]],
        "nDCG@10",
        None,
    )
    assert list(queries) == ["b", "why", "a"]  # dense is best, .6 on average against .47; of equals the first by id
    assert queries["a"]["outcome"] == {"bm25": 0.4, "dense": 0.8}


def test_relevant_families_have_the_rank_that_each_system_gave_them(planted: Path) -> None:
    made, queries = browsed()
    found = hits(made, queries["a"]["relevant"])
    assert list(found) == ["c", "d", "h"]  # by rank of the best system; b is judged, and not relevant
    assert [entry["ranks"] for entry in found.values()] == [
        {"bm25": 2, "dense": 1}, {"bm25": 3, "dense": 4}, {"bm25": None, "dense": None},
    ]  # fmt: skip
    assert [(entry["relevance"], entry["scope"]) for entry in found.values()] == [(1, "in"), (2, "out"), (1, "out")]
    assert hits(made, queries["b"]["relevant"])["g"]["ranks"] == {"bm25": None, "dense": 6}


def test_wrong_hits_are_the_three_best_that_are_not_relevant(planted: Path) -> None:
    made, queries = browsed()
    assert list(hits(made, queries["a"]["wrong"])) == ["b", "f", "e"]  # of c b f d e
    assert list(hits(made, queries["b"]["wrong"])) == ["a", "c", "d"]
    assert list(hits(made, queries["why"]["wrong"])) == ["h", "g", "f"]
    assert hits(made, queries["why"]["wrong"])["h"]["ranks"] == {"bm25": None, "dense": 1}
    made, queries = browsed(wrong_of=("bm25", "dense"))
    assert list(hits(made, queries["b"]["wrong"])) == ["h", "a", "c", "d"]  # each once


def test_a_query_is_shown_with_its_own_words_and_codes(planted: Path) -> None:
    made, queries = browsed()
    a, why = queries["a"], queries["why"]
    assert made["families"][a["family"]]["id"] == "a" and why["family"] is None
    assert (a["title"], a["text"], a["words"], a["jurisdiction"], a["date"]) == (
        "Title a", TEXTS["a"], 10, "EP", "2010-01-01",
    )  # fmt: skip
    assert (a["ipc"], a["codes"]) == (["F04", "H02"], ["F04B1/00", "H02K7/14", "Y02T1/00"])
    assert (why["title"], why["text"], why["words"], why["date"]) == ("", "why do lamps fail", 4, "2020-01-01")
    assert (why["ipc"], why["codes"]) == (["F21"], ["F21V1/00"])


def test_texts_are_excerpts_of_families_that_are_referred_to(planted: Path) -> None:
    made, _ = browsed()
    texts = {family["id"]: family["text"] for family in made["families"]}
    assert set(texts) == set("abcdefgh")  # each once, as the length of the list says
    assert len(made["families"]) == 8
    assert len(texts["f"]) == 500 and texts["f"].endswith("x…") and texts["a"] == TEXTS["a"]
    assert {family["publication"] for family in made["families"]} == {f"EP{one}" for one in TEXTS}


def test_shared_words_and_codes(planted: Path) -> None:
    made, queries = browsed()
    found = hits(made, queries["a"]["relevant"])
    # `pump` is in most texts, `rotor` in fewer, `piston` in fewest; `with`, `and` are no content, `12a` is no word.
    assert found["c"]["words"] == ["piston", "rotor", "pump"]
    assert found["d"]["words"] == ["rotor", "pump"]
    assert found["c"]["codes"] == ["F04B1/00"]
    assert found["d"]["codes"] == ["F04B", "H02"]  # neither code is shared: the subclass of one, the class of the other
    assert found["h"]["codes"] == []
    assert hits(made, queries["why"]["wrong"])["h"]["words"] == []


def test_as_many_of_the_longest_texts_are_cut_as_the_tokenizer_cut(planted: Path) -> None:
    made, queries = browsed()
    longest = sorted(TEXTS, key=lambda one: len(TEXTS[one]))[-2:]
    assert longest == ["a", "f"]
    cut = {made["families"][entry["family"]]["id"]: entry["cut"]
           for query in made["queries"] for entry in (*query["relevant"], *query["wrong"])}  # fmt: skip
    assert {family for family, is_cut in cut.items() if is_cut} == {"a", "f"}
    assert [name for name, query in queries.items() if query["cut"]] == ["a"]
    for truncated, expected in ((0, set()), (8, set("abcdefgh"))):
        write(counted(truncated), layout.lengths(L), LENGTHS)
        made, _ = browsed()
        cut = {made["families"][entry["family"]]["id"]: entry["cut"]
               for query in made["queries"] for entry in (*query["relevant"], *query["wrong"])}  # fmt: skip
        assert {family for family, is_cut in cut.items() if is_cut} == expected


def test_queries_that_are_cut_elsewhere_are_measured_by_their_own_tokens(planted: Path) -> None:
    letters = {"a": len(TEXTS["a"]), "b": len(TEXTS["b"]), "why": len("why do lamps fail")}
    assert letters == {"a": 44, "b": 21, "why": 17}  # 20.5 letters of the median text are 5 tokens
    for tokens, expected in ((3, {"a", "b", "why"}), (5, {"a", "b"}), (8, {"a"}), (32, set())):
        made, queries = browsed(query_tokens=tokens)
        assert {name for name, query in queries.items() if query["cut"]} == expected, tokens
        hit = next(entry for entry in queries["a"]["wrong"] if made["families"][entry["family"]]["id"] == "f")
        assert hit["cut"]  # a family is cut as ever


def test_a_question_is_no_text_of_a_view_and_not_cut_because_all_of_those_are(planted: Path) -> None:
    write(counted(8), layout.lengths(L), LENGTHS)
    _, queries = browsed()
    assert {name for name, query in queries.items() if query["cut"]} == {"a", "b"}
    write([(name, "test", text, [], "") for name, text in (("a", ""), ("b", ""), ("why", "why do lamps fail " * 9))],
          layout.task(L, "queries"), QUERIES)  # fmt: skip
    write(counted(0), layout.lengths(L), LENGTHS)
    _, queries = browsed()
    assert {name for name, query in queries.items() if query["cut"]} == {"why"}  # longer than any family's text


def test_passages_cut_no_document(planted: Path, set_params: Any) -> None:
    set_params(embed__passages={"tokens": 32, "stride": 16})
    made, queries = browsed()
    assert not any(entry["cut"] for query in made["queries"] for entry in (*query["relevant"], *query["wrong"]))
    assert queries["a"]["cut"]  # a query is still one vector


def test_what_is_more_than_fits_is_sampled_and_said(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST", 2)
    made, queries = browsed()
    assert len(queries) == 2 and made["sampled"].startswith(
        "A sample: 2 of the 3 test queries, in turn one by the hash"
    )
    assert "where dense is furthest behind bm25" in made["sampled"]
    assert "Counts, filters and the CSV file here cover the sample;" in made["sampled"]
    assert made["sampled"].endswith("the rest of the page covers all, as in data/outcomes of this cell.")
    assert browsed() == (made, queries)
    assert made["best"] == ["dense"]  # over all queries
    referred = {entry["family"] for query in queries.values() for entry in (*query["relevant"], *query["wrong"])}
    referred |= {query["family"] for query in queries.values() if query["family"] is not None}
    assert referred == set(range(len(made["families"])))
    monkeypatch.setattr(data, "RELEVANT", 2)
    monkeypatch.setattr(data, "MOST", 5)
    _, queries = browsed()
    assert (len(queries["a"]["relevant"]), queries["a"]["left_out"], queries["b"]["left_out"]) == (2, 1, 0)


def test_a_sample_holds_the_extremes_and_queries_by_hash() -> None:
    drawn = np.random.default_rng(3).integers(0, 1000, (500, 2)) / 1000  # differences that hardly tie
    table = pd.DataFrame(drawn, columns=["bm25", "dense"], index=[f"q{number:03}" for number in range(500)])
    order = data.sample(table, ("bm25", "dense"))
    assert sorted(order) == list(table.index)  # each once, should all fit
    change = (table["dense"] - table["bm25"]).sort_values()
    hashed = sorted(table.index, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    taken = set(order[:100])
    assert taken >= set(change.index[:24]) and taken >= set(change.index[-24:]) and taken >= set(hashed[:50])
    assert len(order[:4]) == 4 and order[:2] == [hashed[0], change.index[0]]
    # Whatever the cell, half of them are the same.
    other = data.sample(table[::-1].assign(dense=1 - table["dense"]), ("bm25", "dense"))
    assert len(taken & set(other[:100])) >= 48


def test_queries_that_one_side_lacks_are_taken_by_their_hash() -> None:
    table = pd.DataFrame({"bm25": [0.1, np.nan, 0.3], "dense": [0.3, 0.2, np.nan]}, index=list("abc"))
    assert sorted(data.sample(table, ("bm25", "dense"))) == list("abc")


def test_two_landscapes_number_their_families_apart(planted: Path) -> None:
    made = as_data([subject(), subject()], ("bm25", "dense"), "")
    assert [query["landscape"] for query in made["queries"]] == [0] * 3 + [1] * 3
    first, second = made["queries"][:3], made["queries"][3:]
    assert [hits(made, query["relevant"]).keys() for query in first] == [
        hits(made, query["relevant"]).keys() for query in second
    ]
    assert {entry["family"] for query in first for entry in query["relevant"]} == {
        entry["family"] - 8 for query in second for entry in query["relevant"]
    }


def test_won_and_lost_by_scope(planted: Path) -> None:
    rows = tables.read(layout.outcomes(L), OUTCOMES)
    place = SimpleNamespace(name=L, outcomes=rows)
    cell: Any = SimpleNamespace(landscapes=[place], source=lambda *_: "here")
    sheet = won(cell)
    assert sheet is not None and sheet.source == "here"
    found = {row[1]: row[2:] for row in sheet.rows}
    assert found["all"][:6] == ["dense", "bm25", 3, 2, 1, 0]
    assert found["all"][6:] == pytest.approx([(0.4 + 0.5 - 0.5) / 3, 1.0])  # one of three lost: any coin does that
    assert found["OUT"] == ["dense", "bm25", 1, 1, 0, 0, pytest.approx(0.2), 1.0]
    assert set(found) == {"all", "IN", "OUT"}
    place.outcomes = rows.head(0)
    assert won(cell) is None


def test_what_queries_differ_in(planted: Path) -> None:
    found = profile(WORKSPACE, L, "tac", ["a", "b", "why"]).set_index("query_id")
    assert found["words"].to_dict() == {"a": 10, "b": 5, "why": 4}
    assert found["relevant"].to_dict() == {"a": 3, "b": 1, "why": 1}
    # Ten years back to c and four ahead to d, h has no date; b and what is relevant to the other have none.
    assert found["years"]["a"] == pytest.approx(7, abs=0.01)
    assert math.isnan(found["years"]["b"]) and math.isnan(found["years"]["why"])


def test_bins_hold_about_equally_many_and_equal_values_together() -> None:
    assert borders(pd.Series(range(60))) == [0, 12, 24, 36, 48]
    assert borders(pd.Series([1.0] * 50 + [2.0] * 10)) == []  # one bin is all
    assert borders(pd.Series([1.0] * 30 + [2.0] * 30)) == [1, 2]
    assert borders(pd.Series(range(23))) == []
    assert borders(pd.Series([], dtype=float)) == []


def test_of_equal_systems_the_first_is_best() -> None:
    table = pd.DataFrame({"bm25": [0.1, 0.2, 0.3], "dense": [0.3, 0.2, 0.1], "rrf": [0.3, 0.2, 0.0]})
    assert best(table) == "bm25"
    assert best(table[["rrf", "dense"]]) == "dense"


def test_ranks_and_wrong_hits_of_a_run_with_categories() -> None:
    run = pd.DataFrame({"query_id": ["q", "q", "q", "p"], "family_id": ["x", "y", "z", "x"], "rank": [1, 2, 3, 1]})
    run = run.astype({"query_id": "category", "family_id": "category"})
    pairs = pd.DataFrame({"query_id": ["q", "p", "q", "o"], "family_id": ["z", "z", "w", "x"]}, index=[7, 8, 9, 10])
    assert ranks(run, pairs).dropna().to_dict() == {7: 3}
    assert ranks(run, pairs).index.tolist() == [7, 8, 9, 10]
    relevant = pd.DataFrame({"query_id": ["q", "q"], "family_id": ["x", "nowhere"]})
    assert wrong(run, relevant).to_numpy().tolist() == [["p", "x"], ["q", "y"], ["q", "z"]]


def test_words_of_texts_without_any() -> None:
    assert Words(["", "12 34"]).shared(0, 1) == []
    assert Words([]).shared(0, 1) == []
    many = " ".join(f"word{letter}" for letter in "abcdefghijkl")
    assert Words([many, many]).shared(0, 1) == [f"word{letter}" for letter in "abcdefgh"]


def test_codes_that_are_none_are_compared_as_they_are() -> None:
    assert shared_codes(["odd", "A01B1/00"], ["odd", "A01B2/00"]) == ["odd", "A01B"]


def test_a_damaged_or_lacking_table_is_one_line(planted: Path) -> None:
    write([("a", "b", 1, 0.5), ("a", "gone", 2, 0.4)], path := layout.run(L, "dense"), RUN)
    with pytest.raises(
        UserError, match=r"families/sim-alpha\.parquet of the workspace: family 'gone', .* is not there"
    ):
        browsed()
    write([(one, text, True) for one, text in TEXTS.items() if one != "b"], layout.view(L, "tac"), VIEW)
    with pytest.raises(UserError, match=r"views/sim-alpha/tac\.parquet of the workspace: family 'b' is not there"):
        profile(WORKSPACE, L, "tac", ["b"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"^data/runs/sim-alpha/dense\.parquet: damaged parquet .*dvc repro"):
        browsed()
    path.unlink()
    with pytest.raises(UserError, match=r"dense\.parquet: no such file; run `dvc repro` first"):
        browsed()
    table = pd.read_parquet(layout.families(L)).drop(columns="url")
    table.to_parquet(layout.families(L))
    write([("a", "b", 1, 0.5)], path, RUN)
    with pytest.raises(UserError, match=r"families/sim-alpha\.parquet of the workspace: column 'url' is missing"):
        browsed()
