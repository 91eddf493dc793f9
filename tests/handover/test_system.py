"""A system handed over ranks as its runs do, in a process that has none of this project."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import workspaces

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus import texts
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.handover.exported_cell import subject
from patent_embeddings.handover.system import writer
from patent_embeddings.retrieval import lucene
from patent_embeddings.retrieval.schemas import RUN

L = "mine"
THINGS = ("pump", "valve", "rope", "wheel", "seal", "lamp", "drum", "hinge", "spring", "blade")
STAGES = ("check", "download", "views", "tasks", "lengths", "pairs", "finetune", "embed", "bm25", "search", "fuse",
          "rerank", "metrics")  # fmt: skip
FAMILIES = 70
OUTSIDE = """
import json, sys
class Barred:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("patent_embeddings", "stages"):
            raise ImportError(name)
sys.meta_path.insert(0, Barred())
found = {}
for folder, questions in json.load(sys.stdin).items():
    sys.path.insert(0, folder)
    from search import System
    system = System(folder)
    found[folder] = [
        {name: [[hit["family_id"], hit["score"]] for hit in system.rank(text, own=own, system=name, k=100)]
         for name in system.settings["systems"]}
        for own, text in questions.items()
    ]
print(json.dumps(found))
"""


def registered(folder: Path) -> None:
    """What `landscape add` leaves of families that cite each other; two pairs of them have one text."""
    rng = np.random.default_rng(11)
    lines: list[dict[str, Any]] = []
    for number in range(FAMILIES):
        words = [THINGS[place] for place in rng.integers(0, 10, 9)] if number not in (9, 33) else lines[-1]["abstract"]
        cites = [f"F{other:02d}" for other in rng.integers(0, FAMILIES, 3) if other != number]
        text = words if isinstance(words, str) else f"a {' turns a '.join(words)}"
        lines.append({"family_id": f"F{number:02d}", "title": text[:7], "abstract": text, "ipc": ["A10B 1/00"],
                      "date": f"20{number % 20:02}-01-01", "publication": f"EP{number}A1", "cites": cites})  # fmt: skip
    for number in (9, 33):
        lines[number]["title"] = lines[number - 1]["title"]
    target = layout.raw(L, ".jsonl")
    target.parent.mkdir(parents=True)
    target.write_text("".join(json.dumps(line) + "\n" for line in lines))
    entry = {"source": "table", "description": "Seventy things.", "licence": "CC0-1.0", "relevance": "cited"}
    workspaces.register(folder, "landscapes", L, entry | {"file": target.as_posix(), "sha256": sha256(target)})


def computed(folder: Path, **changed: Any) -> None:
    """A workspace of a tiny model and a tiny reranker with every stage run."""
    folder.mkdir()
    workspaces.prepare(folder)
    prompts = {"query": "ask: ", "document": "say: "}
    model = tiny.entry(tiny.bert(folder / "model"), prompts=prompts).model_dump(exclude_defaults=True)
    workspaces.register(folder, "models", "tiny", model)
    second = tiny.bert(folder / "second", kind="classifier")
    reranker = {"source": "folder", "path": str(second), "hub": "tiny/second", "digest": tiny.pinned(second)}
    reranker |= {"parameters": 0.01, "max_length": 64, "length": 64, "licence": "MIT"}
    workspaces.register(folder, "rerankers", "second", reranker)
    workspaces.change(
        folder, model="tiny", landscape=L, evaluate_on=[L], query_view="ta", document_view="ta", **changed
    )
    os.chdir(folder)
    registered(folder)
    for stage in STAGES:
        import_module(f"stages.{stage}").main(*([] if stage in ("check", "pairs", "finetune") else [L]))


CELLS: dict[str, dict[str, Any]] = {
    "tuned": {
        "recipe": "r1", "finetune__pairs": 16, "finetune__steps": 4, "finetune__batch": 4, "finetune__evaluations": 1,
        "finetune__rate": 0.05, "search__centre": "landscape", "rerank__model": "second", "rerank__depth": 20,
    },
    "passages": {
        "recipe": "zero-shot", "embed__passages__tokens": 20, "embed__passages__stride": 10, "search__passages": "top3",
        "search__dimensions": 8, "search__centre": "landscape", "bm25__depth": 100,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Two cells with their systems, moved elsewhere, and what each ranks there for every query of its landscape."""
    root = tmp_path_factory.mktemp("system")
    asked = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        for name, changed in CELLS.items():
            computed(root / name, **changed)
            writer.write(Path("exports/system"), L, subject(params.load()), tables.read(layout.scores(L), SCORES))
            there = root / "elsewhere" / name
            there.parent.mkdir(exist_ok=True)
            Path("exports/system").rename(there)
            asked[str(there)] = texts.queries(L, "ta")
    environment = {"JAVA_HOME": str(lucene.java_home()), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", OUTSIDE], input=json.dumps(asked), capture_output=True, text=True, check=False,
        cwd=root / "elsewhere", env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    yield root, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.pipeline
@pytest.mark.parametrize("name", CELLS)
def test_a_system_ranks_as_its_runs_do(systems: tuple[Path, dict[str, Any]], name: str) -> None:
    root, found = systems
    ours = found[str(root / "elsewhere" / name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root / name)
        queries = list(texts.queries(L, "ta"))
        assert len(queries) == len(ours) >= 40
        wanted = {"bm25", "dense", "rrf", "interpolation", *(["reranked"] if name == "tuned" else [])}
        assert all(set(one) == wanted for one in ours)
        for system in sorted(wanted):
            run = tables.read(layout.run(L, system), RUN).astype({"query_id": "str", "family_id": "str"})
            lists = dict(iter(run[run["rank"] <= 100].groupby("query_id")))
            for query, hits in zip(queries, ours, strict=True):
                ids, scores = zip(*hits[system], strict=True)
                depth = min(len(ids), len(lists[query]))
                assert list(ids[:depth]) == lists[query]["family_id"].tolist()[:depth], (system, query)
                assert query not in ids
                np.testing.assert_allclose(scores[:depth], lists[query]["score"][:depth], atol=2e-5, rtol=0)


@pytest.mark.pipeline
def test_the_folder_says_what_it_is(systems: tuple[Path, dict[str, Any]]) -> None:
    root, _ = systems
    folder = root / "elsewhere" / "tuned"
    card = (folder / "README.md").read_text(encoding="utf-8")
    settings = json.loads((folder / "settings.json").read_text())
    assert f"`{settings['system']}` has the highest nDCG@10" in card
    assert "the prompt `ask: `" in card and "less `mean`" in card and "Reranker: MIT" in card
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root / "tuned")
        scores = tables.read(layout.scores(L), SCORES)
    best = scores[
        (scores["scope"] == "all") & (scores["metric"] == "nDCG@10") & scores["system"].isin(settings["systems"])
    ]
    assert best.set_index("system")["value"][settings["system"]] == best["value"].max()
    assert "faiss-cpu==" in (folder / "requirements.txt").read_text()
    families = json.loads((folder / "families.json").read_text())
    assert families["F01"]["publication"] == "EP1A1" and families["F01"]["text"].endswith(families["F01"]["text"][-9:])
    with np.load(folder / "arrays.npz") as arrays:
        assert np.abs(arrays["mean"]).max() > 0 and list(arrays["family"]) == sorted(families)
    passages = json.loads((root / "elsewhere/passages/settings.json").read_text())
    assert (
        passages["passages"] == 3 and passages["depth"] == {"bm25": 100, "dense": 1000} and passages["rerank"] is None
    )


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("asked", "said"), [(["a pump", "--system", "best"], "invalid choice: 'best'"), ([" "], "the text is empty")]
)
def test_a_question_that_it_cannot_rank_is_refused(
    systems: tuple[Path, dict[str, Any]], asked: list[str], said: str
) -> None:
    script = systems[0] / "elsewhere" / "tuned" / "search.py"
    done = subprocess.run([sys.executable, str(script), *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.pipeline
def test_another_folder_is_not_replaced(systems: tuple[Path, dict[str, Any]]) -> None:
    root, _ = systems
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root / "tuned")
        Path("theirs").mkdir()
        (Path("theirs") / "search.py").write_text("theirs")
        with pytest.raises(UserError, match="no system of an earlier export"):
            writer.write(Path("theirs"), L, subject(params.load()), pd.DataFrame())
        assert (Path("theirs") / "search.py").read_text() == "theirs"


@pytest.mark.parametrize(
    ("similarity", "query_side", "remote", "said"),
    [
        ("maxsim", False, False, "late interaction"),
        ("dot", False, False, "by inner product"),
        ("cosine", True, False, "bm25.query_side"),
        ("cosine", False, True, "code of its own"),
    ],
)
def test_what_the_file_cannot_rank_is_refused(similarity: str, query_side: bool, remote: bool, said: str) -> None:
    second = SimpleNamespace(remote_code=remote, hub="x/y")
    here: Any = SimpleNamespace(
        search=SimpleNamespace(similarity=similarity), rerank=SimpleNamespace(reranker=second),
        bm25=SimpleNamespace(bm25=SimpleNamespace(query_side=query_side)),
    )  # fmt: skip
    cell: Any = SimpleNamespace(params=SimpleNamespace(model="tiny"))
    with pytest.raises(UserError, match=said):
        writer.require_plain(here, cell)


def test_no_system_is_called_best_where_none_was_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A landscape without citations has no test query."""
    monkeypatch.chdir(tmp_path)
    workspaces.prepare(tmp_path)
    here: Any = SimpleNamespace(
        name="sim-alpha", families=["a"], bm25=SimpleNamespace(bm25=SimpleNamespace(k1=0.9, b=0.4)),
        search=SimpleNamespace(window=None, pool="all"), fuse=SimpleNamespace(cross_fitted=None),
        rerank=SimpleNamespace(reranker=None),
    )  # fmt: skip
    settings = {
        "system": "interpolation", "systems": ["bm25", "dense"], "passages": 1, "depth": {"bm25": 10, "dense": 10},
        "fusion": {"rrf": {"dense": 60}, "interpolation": {"dense": 0.5}}, "rerank": None,
    }  # fmt: skip
    none = pd.DataFrame(columns=list(SCORES.columns))
    text = writer.readme(here, subject(params.load()), settings, none)
    assert "No system was scored on this landscape: `interpolation` ranks" in text and "has the highest" not in text


def test_an_index_of_others_is_not_replaced_by_a_system(tmp_path: Path) -> None:
    (tmp_path / "vectors.faiss").touch()
    none: Any = None
    with pytest.raises(UserError, match="exists and is no system of an earlier export"):
        writer.write(tmp_path, "sim-alpha", none, none)
    assert (tmp_path / "vectors.faiss").exists()


def test_the_file_is_short_and_needs_three_libraries() -> None:
    text = Path(writer.__file__).with_name(writer.SCRIPT).read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 60 and max(map(len, lines)) <= 120
    nodes = list(ast.walk(ast.parse(text)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    ours = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert ours == {"faiss", "numpy", "pyserini", "jnius", "sentence_transformers"}  # jnius is how Pyserini meets Java
