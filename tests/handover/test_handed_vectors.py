"""Exported vectors: what lies in the folder is what the run searched, and its card's own code finds the same."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import faiss
import handed
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from handed import L
from workspaces import change

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import POOL
from patent_embeddings.grid import keys
from patent_embeddings.handover import exported_cell, vectors
from patent_embeddings.handover.exported_cell import subject
from patent_embeddings.retrieval.schemas import RUN

CELLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "centred": {"search__centre": "landscape", "search__dimensions": 12, "query_view": "ta"},
    "passages": {"passages": True, "embed__passages__tokens": 8, "search__passages": "top3"},
}


@pytest.fixture(params=list(CELLS))
def folder(request: pytest.FixtureRequest, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The export of a cell, whose table of parameters lies beside it."""
    here = workspace / "cell"
    here.mkdir()
    monkeypatch.chdir(here)
    handed.write(here, **CELLS[request.param])
    vectors.write(Path("exports/vectors") / L, L, subject(params.load()))
    return here / "exports/vectors" / L


def rows(folder: Path) -> pd.DataFrame:
    return pq.read_table(folder / "families.parquet").to_pandas()


def test_rows_are_those_of_the_ranked_families_in_every_file(folder: Path) -> None:
    table, pool = rows(folder), tables.read(layout.task(L, "pool"), POOL)
    ids = (folder / "ids.txt").read_text(encoding="utf-8").splitlines()
    assert table["family_id"].tolist() == ids == sorted(ids)
    assert set(ids) == set(pool.loc[pool["ranked"], "family_id"])
    number = dict(zip(pool["family_id"], range(len(pool)), strict=True))
    assert table["publication"].tolist() == [f"EP{number[name]}A1" for name in ids]
    kept = np.stack(table["vector"].to_list())
    assert kept.dtype == np.float32
    flat = faiss.read_index(str(folder / "float32.faiss"))
    assert np.array_equal(flat.reconstruct_n(0, flat.ntotal), kept)
    bits = faiss.read_index_binary(str(folder / "binary.faiss"))
    packed = faiss.vector_to_array(bits.xb).reshape(len(ids), -1)
    assert np.array_equal(np.unpackbits(packed, axis=1, count=kept.shape[1]) > 0, kept > 0)


def test_the_vectors_rank_as_the_run_does(folder: Path) -> None:
    """By numpy from the files alone: the best row, or the mean of the best three, of every family."""
    table, run = rows(folder), tables.read(layout.run(L, "dense"), RUN)
    settings = params.load().search
    asked = np.load(layout.vectors(L, "queries"))[:, : settings.dimensions].astype(np.float64)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    if (folder / "mean.npy").exists():
        asked = asked - np.load(folder / "mean.npy")
        asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    assert (folder / "mean.npy").exists() == (settings.centre == "landscape")
    scores = np.stack(table["vector"].to_list()).astype(np.float64) @ asked.T
    best = 3 if settings.passages == "top3" else 1
    by_family = pd.DataFrame(scores).groupby(table["family_id"].to_numpy())
    found = by_family.agg(lambda column: column.nlargest(best).mean())
    for query, (name, hits) in enumerate(run.groupby("query_id", observed=True)):
        expected = found[query].drop(name, errors="ignore").sort_values(ascending=False, kind="stable")
        assert hits["family_id"].tolist() == expected.index.tolist()


def test_losses_are_of_the_run_and_bytes_of_the_files(folder: Path) -> None:
    table = pd.read_csv(folder / "losses.csv")
    expected = handed.scored()
    exact = table[table["form"] == "float32"].set_index(["scope", "metric"])
    for (scope, metric), row in exact.iterrows():
        assert row["value"] == pytest.approx(expected.loc[(scope, metric), "mean"], abs=1e-6)
        assert row["n"] == expected.loc[(scope, metric), "size"]
    for form, lost in table.groupby("form"):
        assert (lost["bytes"] == (folder / f"{form}.faiss").stat().st_size).all()
        change = lost.set_index(["scope", "metric"])["value"] - exact["value"]
        assert lost["difference"].to_numpy() == pytest.approx(change.to_numpy(), abs=2e-6)


def test_the_same_bytes_again_and_another_folder_is_left_alone(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    vectors.write(folder, L, subject(params.load()))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    other = folder.parent / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no vectors of an earlier export"):
        vectors.write(other, L, subject(params.load()))
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


def test_an_index_of_others_beside_the_export_stays(tmp_path: Path) -> None:
    """Such as the search system, which `--out exports` puts beside the vectors."""
    for name in ("system", "sim-gone"):
        (tmp_path / name).mkdir()
        for file in ("vectors.faiss", "README.md", *(vectors.FILES if name == "sim-gone" else ())):
            (tmp_path / name / file).touch()
    exported_cell.drop_others(tmp_path, vectors.MARKS, vectors.FILES, ["sim-alpha"])
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"system/vectors.faiss", "system/README.md", "sim-gone/vectors.faiss"}


def test_the_code_of_the_card_finds_what_the_indexes_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = np.load(layout.vectors(L, "queries"))[3:4]

    class Model:
        def __init__(self, name: str) -> None:
            assert name == "../../model"

        def encode_query(self, texts: list[str]) -> np.ndarray:
            return asked.copy()

    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = Model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    monkeypatch.chdir(folder)
    text = Path("README.md").read_text(encoding="utf-8")
    found: list[np.ndarray] = []
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {"print": found.append})
    kept = np.stack(rows(folder)["vector"].to_list())
    settings = re.search(r"cut to their first (\d+)", text)
    query = asked[:, : int(settings[1]) if settings else None]
    query = query / np.linalg.norm(query)
    if Path("mean.npy").exists():
        query = query - np.load("mean.npy")
        query = query / np.linalg.norm(query)
    ids = np.array(Path("ids.txt").read_text(encoding="utf-8").splitlines())
    by_codes, by_bits = found
    best = np.argsort(-(kept @ query[0]))[:10]
    assert len(set(by_codes[0]) & set(ids[best])) >= 9 or len(set(ids)) < len(ids)
    near = np.argsort((np.sign(kept) != np.sign(query)).sum(axis=1), kind="stable")[:40]
    again = near[np.argsort(-(np.sign(kept[near]) @ query[0]), kind="stable")][:10]
    assert set(by_bits) == set(ids[again])


def test_the_card_says_what_a_reader_needs(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    cell = params.load()
    assert "Simulated landscape" in text and "CC0-1.0" in text and "apache-2.0" in text
    assert f"A text of view {cell.query_view}, without a prompt, cut at 256 tokens" in text
    assert ("less their mean" in text) == (cell.search.centre == "landscape")
    assert ("the mean of its best 3 rows" in text) == (cell.search.passages == "top3")
    table = pd.read_csv(folder / "losses.csv").set_index(["form", "scope", "metric"])
    assert f"{table.loc[('int8', 'all', 'nDCG@10'), 'value']:.4f}" in text


def test_what_cannot_be_exported_is_one_line(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = workspace / "cell"
    here.mkdir()
    monkeypatch.chdir(here)
    handed.write(here, tasks__pool="earlier")
    vectors.write(here / "out", L, subject(params.load()))
    assert "published before the query" in (here / "out/README.md").read_text(encoding="utf-8")
    change(here, model="colbert-v2")
    keys.write(params.load())
    with pytest.raises(UserError, match="late interaction: a vector for every token"):
        vectors.write(here / "late", L, subject(params.load()))
    assert not (here / "late").exists()
    with pytest.raises(UserError, match=r"'sim-alfa' is none of the cell's.*did you mean sim-alpha"):
        subject(params.load()).chosen("sim-alfa")
