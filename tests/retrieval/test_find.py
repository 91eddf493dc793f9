"""Search by a cell: its own runs, query by query; filters against brute force; what a question may be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import queried
import tiny
import workspaces
import yaml
from started import start

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, write_json
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES, VIEW
from patent_embeddings.corpus.splits import fold_of
from patent_embeddings.retrieval import find
from patent_embeddings.retrieval.landscape import Landscape
from patent_embeddings.retrieval.schemas import FUSION, RUN
from patent_embeddings.training import adapters

pytestmark = pytest.mark.pipeline

L = "sim-alpha"
SIZE, ASKING, DEPTH = 60, 24, 12
WORDS = ("pump", "valve", "rope", "wheel", "seal", "lamp", "drum", "hinge", "spring", "blade", "duct", "gear")
SYSTEMS = ("bm25", "dense", "rrf", "interpolation")
IDS = [f"F{(i * 7) % SIZE:02d}" for i in range(SIZE)]  # of an order that is not that of their texts
OWN = {f"q{i:02d}": f"how does a {WORDS[i]} turn a {WORDS[-i - 1]} and a {WORDS[i // 2]}" for i in range(10)}

SETTINGS: dict[str, dict[str, object]] = {
    "plain": {},
    "centred, of few dimensions, earlier": {"centre": "landscape", "dimensions": 8, "pool": "earlier"},
    "inner product": {"similarity": "dot"},
    "passages": {"tokens": 8},
    "centred passages, best three, other view": {"tokens": 8, "passages": "top3", "centre": "landscape", "view": "ta"},
    "late interaction": {"late": True, "similarity": "maxsim"},
    "reranked": {"reranker": True},
    "judged": {"judged": True},
    "judged, earlier": {"judged": True, "pool": "earlier"},
}

Cell = Callable[..., list[str]]


@pytest.fixture
def cell(workspace: Path) -> Cell:
    """Compute a cell of a tiny model on a landscape that is written by hand; returns its systems."""

    def make(
        similarity: str = "cosine", late: bool = False, tokens: int | None = None, reranker: bool = False,
        judged: bool = False, pool: str = "all", view: str = "tac", query_side: bool = False, **search: object,
    ) -> list[str]:  # fmt: skip
        bert = tiny.bert(workspace / "bert")
        model = {"similarity": similarity}
        if late:
            folder = tiny.late(workspace / "model", bert)
            model |= {"encoder": "late", "pooling": "tokens", "dimension": 8}
        else:
            folder = tiny.dense(workspace / "model", bert, "mean")
        block = tiny.entry(folder, **model).model_dump(exclude_defaults=True)
        workspaces.register(workspace, "models", "tiny", block | {"similarity": similarity})
        if reranker:
            cross = tiny.bert(workspace / "cross", "classifier")
            weights = {"source": "folder", "path": str(cross), "hub": "tiny/cross", "parameters": 0.01}
            weights |= {"max_length": 64, "length": 40, "licence": "CC0-1.0", "digest": tiny.pinned(cross)}
            path = workspace / "registry/rerankers.yaml"
            path.write_text(yaml.safe_dump({"cross": weights}))
        workspaces.change(
            workspace, model="tiny", recipe="zero-shot", landscape=L, evaluate_on=[L], query_view=view,
            tasks__pool=pool, embed__passages={"tokens": tokens, "stride": 4}, bm25__depth=DEPTH,
            bm25__query_side=query_side, search={"dimensions": None, "depth": DEPTH, **search},
            fuse__depth=DEPTH + 5, rerank={"model": "cross" if reranker else None, "system": "rrf", "depth": 7},
        )  # fmt: skip
        written(judged)
        adapters.leave_out(layout.ADAPTER)
        for stage in ("embed", "bm25", "search"):
            start(stage, L)
        if judged:
            fold_wise()
        else:
            start("fuse", L)
        start("rerank", L)
        return [*SYSTEMS, *(["reranked"] if reranker else [])]

    return make


def written(judged: bool) -> None:
    """Views and tasks: families of a few words each, of which the first ask, or questions that are no families."""
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, rng.integers(4, 20))) for _ in range(SIZE)]
    texts[40] = texts[3]
    view = pd.DataFrame({"family_id": IDS, "text": texts, "complete": True})
    tables.write(view, layout.view(L, "tac"), VIEW)
    short = [" ".join(text.split()[:4]) + f" number {number}" for number, text in enumerate(texts)]
    tables.write(view.assign(text=short), layout.view(L, "ta"), VIEW)
    dates = [("", "2001-05-05", "2003-01-01", "2002-01-01")[i % 4] for i in range(SIZE)]
    pool = pd.DataFrame({"family_id": IDS, "date": dates, "before": dates, "split": "train", "ranked": True})
    pool.loc[SIZE - 4 :, "ranked"] = False
    asking = sorted(OWN) if judged else sorted(IDS[:ASKING])
    queries = queried.table(pd.DataFrame({"query_id": asking, "split": "test" if judged else "dev"}))
    if judged:
        queries = queries.assign(text=[OWN[query] for query in asking], date="2002-06-06")
        more = {"family_id": asking, "date": "", "before": "2002-06-06", "split": "test", "ranked": False}
        pool = pd.concat([pool, pd.DataFrame(more)], ignore_index=True)
    tables.write(pool, layout.task(L, "pool"), POOL)
    tables.write(queries, layout.task(L, "queries"), QUERIES)
    relevant = [(query, IDS[(i * 5 + j) % (SIZE - 4)], 1, "in") for i, query in enumerate(asking) for j in (30, 31)]
    qrels = pd.DataFrame(relevant, columns=["query_id", "family_id", "relevance", "scope"])
    tables.write(qrels[qrels["query_id"] != qrels["family_id"]], layout.task(L, "qrels"), QRELS)


def fold_wise() -> None:
    """Fuse as a judged landscape: cross-fitted over folds."""
    from started import resolve

    from patent_embeddings.core import params
    from patent_embeddings.retrieval import fusion, fusion_settings
    from patent_embeddings.retrieval.values import FuseValues

    resolve("fuse", L)
    write_json(layout.values("fuse", L), read_json(layout.values("fuse", L)) | {"cross_fitted": 0})
    values = params.read("fuse", FuseValues, L)
    queries, qrels = tables.read(layout.task(L, "queries"), QUERIES), tables.read(layout.task(L, "qrels"), QRELS)
    families = tables.read(layout.task(L, "pool"), POOL)["family_id"].tolist()
    runs = (tables.parts(layout.run(L, leg), RUN) for leg in ("bm25", "dense"))
    legs = fusion.legs(runs, sorted(OWN), families, values.fuse.depth)
    tuned = fusion_settings.tune(legs, qrels, queries, values.fuse, label="tune", folds=fold_of(sorted(OWN), 0))
    for part in fusion.fused(legs, tuned.chosen, values.fuse.depth):  # one, as there are few queries
        for method, rows in part.items():
            tables.write(rows, layout.run(L, method), RUN)
    tables.write(tuned.table, layout.fusion(L), FUSION)
    assert len(set(tuned.chosen["rrf"].tolist()) | set(tuned.chosen["interpolation"].tolist())) > 2


@pytest.mark.parametrize("name", SETTINGS)
def test_every_query_has_the_run_of_every_system(cell: Cell, name: str) -> None:
    """By its text and by its number, with the runs there and with the runs moved away."""
    systems = cell(**SETTINGS[name])
    runs = {system: by_query(system) for system in systems}
    asking = sorted({query for run in runs.values() for query in run})
    assert len(asking) >= 8
    for away in (False, True):
        if away:
            shutil.move("data/runs", "elsewhere")
        with find.opened(L) as finder:
            assert finder.systems == tuple(systems)
            for query in asking:
                text = finder.like(query).text if query not in OWN else OWN[query]
                asked = [finder.question(text, query)] + ([finder.like(query)] if query not in OWN else [])
                assert all(question.own == (query if query not in OWN else None) for question in asked)
                for question in asked:
                    hits = finder.rank([question], systems, SIZE)
                    for system, run in runs.items():
                        mine, theirs = hits[hits["system"] == system], run[query]
                        assert mine["family_id"].tolist()[: len(theirs)] == theirs["family_id"].tolist(), (
                            query,
                            system,
                        )
                        assert mine["score"].tolist()[: len(theirs)] == theirs["score"].tolist(), (query, system)
                        assert mine["rank"].tolist() == mine["rank_of_all"].tolist() == list(range(1, len(mine) + 1))
                        assert question.own not in set(mine["family_id"])
            assert finder.took["model"] == 0 or "reranked" in systems  # every vector was on the disk


def by_query(system: str) -> dict[str, pd.DataFrame]:
    run = tables.read(layout.run(L, system), RUN).astype({"query_id": "str", "family_id": "str"})
    return dict(list(run.groupby("query_id")))


def test_behind_its_run_a_system_ranks_the_rest_of_the_landscape(cell: Cell) -> None:
    cell(centre="landscape")
    rows = np.load(layout.vectors(L, "documents"))
    ids = tables.read(layout.vector_ids(L, "documents"), find_ids())["family_id"].tolist()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ranked = tables.read(layout.task(L, "pool"), POOL).query("ranked")["family_id"].tolist()
    unit = unit - unit[[ids.index(family) for family in ranked]].mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    tuned = tables.read(layout.fusion(L), FUSION).query("method == 'rrf' and chosen")["value"].iloc[0]
    with find.opened(L) as finder:
        for query in sorted(IDS[:ASKING])[:6]:
            hits = finder.rank([finder.like(query)], SYSTEMS, SIZE)
            leg = {system: hits[hits["system"] == system].set_index("family_id") for system in SYSTEMS}
            others = [family for family in ranked if family != query]
            similar = {family: float(unit[ids.index(query)] @ unit[ids.index(family)]) for family in others}
            assert leg["dense"].index.tolist() == sorted(others, key=lambda one: (-np.float32(similar[one]), one))
            assert leg["dense"]["score"].to_dict() == pytest.approx(similar, abs=1e-6)
            bm25, dense = ({one: leg[name]["rank"].get(one, 0) for one in others} for name in ("bm25", "dense"))
            assert 0 in bm25.values() or len(leg["bm25"]) == len(others)
            near = {one: sum(1 / rank for rank in (bm25[one], dense[one]) if rank) for one in others}
            score = {
                one: sum(1 / (tuned + rank) for rank in (bm25[one], dense[one]) if 0 < rank <= DEPTH) for one in others
            }
            order = sorted(others, key=lambda one: (-np.float32(score[one]), 0 if score[one] else -near[one], one))
            assert leg["rrf"].index.tolist() == order
            assert leg["rrf"]["score"].to_dict() == pytest.approx(score, abs=1e-7)
            for name, ranks in (("bm25_rank", bm25), ("dense_rank", dense)):
                assert leg["rrf"][name].fillna(0).to_dict() == ranks


def find_ids() -> tables.Table:
    from patent_embeddings.core.vectors import ROWS

    return ROWS


@pytest.mark.parametrize("name", ["plain", "reranked"])
def test_a_filter_chooses_among_all_and_leaves_scores_and_ranks_as_they_are(cell: Cell, name: str) -> None:
    systems = cell(**SETTINGS[name])
    rng = np.random.default_rng(2)
    with find.opened(L) as finder:
        among = rng.random(len(finder.families)) < 0.3
        passing = {family for family, passes in zip(finder.families, among, strict=True) if passes}
        for question in (finder.like(IDS[0]), finder.question("a seal that turns a wheel")):
            every = finder.rank([question], systems, SIZE)
            some = finder.rank([question], systems, 9, among)
            for system in systems:
                whole, hits = (frame[frame["system"] == system] for frame in (every, some))
                assert set(hits["family_id"]) <= passing and hits["rank"].tolist() == list(range(1, len(hits) + 1))
                if system == "reranked":
                    first = every[(every["system"] == "rrf") & every["family_id"].isin(passing)][:7]
                    assert set(hits["family_id"]) == set(first["family_id"]) and len(whole) == 7
                    both = whole.merge(hits, on="family_id")
                    assert both["score_x"].tolist() == both["score_y"].tolist()
                    assert both["rank_of_all_x"].tolist() == both["rank_of_all_y"].tolist()
                    beyond = hits[~hits["family_id"].isin(whole["family_id"])].merge(first, on="family_id")
                    assert beyond["rank_of_all_x"].tolist() == beyond["rank_of_all_y"].tolist()
                    continue
                expected = whole[whole["family_id"].isin(passing)][:9]
                for column in ("family_id", "rank_of_all", "score", "bm25_rank", "dense_rank"):
                    assert hits[column].tolist() == expected[column].tolist(), (system, column)


def test_a_new_question_is_encoded_as_a_query_and_ranked_against_all(
    cell: Cell, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the cell's model alone gives, in a cell of what was earlier too: a question has no date."""
    from sentence_transformers import SentenceTransformer

    cell(pool="earlier")
    undated = IDS[0]  # as every fourth is
    with find.opened(L) as finder:
        assert finder.rank([finder.like(undated)], ["dense"], 3).empty
    assert f"no family is known to be earlier than {undated!r}" in capsys.readouterr().err
    text = "a rope that lifts a drum by a gear"
    rows = np.load(layout.vectors(L, "documents"))
    vector = SentenceTransformer("model", device="cpu").encode([text])[0]
    ids = tables.read(layout.vector_ids(L, "documents"), find_ids())["family_id"].tolist()
    similar = dict(zip(ids, rows @ vector / np.linalg.norm(rows, axis=1) / np.linalg.norm(vector), strict=True))
    with find.opened(L) as finder:
        hits = finder.rank([finder.question(text, "mine"), finder.question(text, "again")], ["dense"], 100)
        assert finder.took["model"] > 0 and finder.took["encode"] > 0
    first, second = (hits[hits["query_id"] == name].drop(columns="query_id") for name in ("mine", "again"))
    assert first.reset_index(drop=True).equals(second.reset_index(drop=True))
    assert set(first["family_id"]) == set(finder.families)
    assert first.set_index("family_id")["score"].to_dict() == pytest.approx(
        {family: similar[family] for family in finder.families}, abs=1e-5
    )


def test_a_new_question_of_a_cross_fitted_cell_has_what_is_best_on_all(cell: Cell) -> None:
    cell(judged=True)
    table = tables.read(layout.fusion(L), FUSION)
    tests = table[(table["method"] == "rrf") & (table["split"] == "test")]
    best = tests.sort_values("score", ascending=False, kind="stable")["score"].iloc[0]
    values = set(tests.loc[tests["score"] == best, "value"])
    with find.opened(L) as finder:
        hits = finder.rank([finder.question("a lamp beside a hinge")], ["rrf"], 1)
    ranks = [rank for rank in (hits["bm25_rank"][0], hits["dense_rank"][0]) if not pd.isna(rank) and rank <= DEPTH]
    assert any(hits["score"][0] == np.float32(sum(1 / (value + rank) for rank in ranks)) for value in values)


def test_bytes_that_are_no_text_are_no_end(cell: Cell) -> None:
    """As Python reads them from a pipe or an argument: the index and the tokenizer take none."""
    cell()
    with find.opened(L) as finder:
        question = finder.question("\udcff\udcfe pump")
        assert question.text == "?? pump"
        assert len(finder.rank([question], finder.systems, 3)) == 3 * len(SYSTEMS)


def test_who_a_text_is(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    cell()
    with find.opened(L) as finder:
        twins = sorted([IDS[3], IDS[40]])
        text = finder.like(IDS[3]).text
        assert finder.question(text).own == twins[0]
        assert f"2 families or queries have this text; taken for {twins[0]}" in capsys.readouterr().err
        assert [finder.question(text, name).own for name in twins] == twins
        assert capsys.readouterr().err == ""
        assert finder.question(text.replace(" ", "\n ")).text == text
        assert finder.question(f"{text} and more").own is None
        assert finder.like(IDS[5], "mine") == find.Question("mine", finder.like(IDS[5]).text, IDS[5])
        with pytest.raises(UserError, match=r"^question 'q7': it has no text; ask in words$"):
            finder.question(" \n", "q7")
        with pytest.raises(UserError, match=r"^'EP1': no family of landscape 'sim-alpha'$"):
            finder.like("EP1")
        with pytest.raises(UserError, match=r"system 'reranked': this cell has bm25, dense, rrf, interpolation"):
            finder.rank([finder.question("a pump")], ["reranked"], 5)
        assert finder.rank([], ["bm25"], 5).empty


def test_of_queries_with_the_same_words_the_one_with_exactly_this_text_is_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = object.__new__(Landscape)
    here.name, here.views, here.own_words = L, {}, {"a": "a  pump turns", "b": "a pump turns", "c": "a pump\nturns"}
    for query, text in here.own_words.items():
        assert here.asks(text, "q1") == (query, text)
        assert here.known(text, None, "q1") == query  # whose vector and date the question then has
    assert capsys.readouterr().err == ""
    assert here.asks(" a pump turns", "c") == ("c", "a pump\nturns")
    assert here.known("a pump\nturns", None, "c") == "c"


def test_the_best_passage_is_the_window_that_scores_best(cell: Cell) -> None:
    from sentence_transformers import SentenceTransformer

    cell(tokens=30)
    text = "a spring that turns a blade"
    model = SentenceTransformer("model", device="cpu")
    with find.opened(L) as finder:
        question = finder.question(text)
        hits = finder.rank([question], ["dense"], 10)
        passages = finder.passages(question, hits["family_id"].tolist())
        texts = {family: finder.like(family).text for family in passages}
    for family, score in zip(hits["family_id"], hits["score"], strict=True):
        assert passages[family] in texts[family]
        first, second = model.encode([text, passages[family]])
        cosine = float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))
        assert cosine == pytest.approx(float(score), abs=1e-5)
    assert any(passages[family] != text for family, text in texts.items())


def test_what_is_not_there_is_said_in_one_line(cell: Cell) -> None:
    for landscape, said in ((L, r"^data/values: no such folder.*run `dvc repro`"),):
        with pytest.raises(UserError, match=said), find.opened(landscape):
            pass
    cell()
    with (
        pytest.raises(UserError, match=r"landscape 'sim-alfa': the current cell has sim-alpha \(did you mean sim-a"),
        find.opened("sim-alfa"),
    ):
        pass
    path = layout.vectors(L, "documents")
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    with pytest.raises(UserError, match=r"documents\.npy: damaged vectors"), find.opened(L):
        pass
    layout.fusion(L).unlink()
    with (
        pytest.raises(UserError, match=r"data/fusion/sim-alpha\.parquet: no such file; run `dvc repro`"),
        find.opened(L),
    ):
        pass
