"""Write the folder of a system: all that is needed to rank a landscape's families for a text, and the script."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing, write_json
from patent_embeddings.corpus.schemas import FAMILIES
from patent_embeddings.encoders import rerankers
from patent_embeddings.encoders.entries import reranker_entry
from patent_embeddings.encoders.loading import offline
from patent_embeddings.evaluation.systems import REQUIRED, metrics
from patent_embeddings.handover import cards, merged_model, model
from patent_embeddings.handover.exported_cell import Subject, require_ours
from patent_embeddings.retrieval import lucene, quantised
from patent_embeddings.retrieval.fusion_settings import UNTUNED, tuned_to
from patent_embeddings.retrieval.landscape import Landscape
from patent_embeddings.retrieval.vector_space import Searched, read, searched

SCRIPT, SETTINGS, VECTORS = "search.py", "settings.json", "vectors.faiss"
NEEDS = ("sentence-transformers", "transformers", "torch", "faiss-cpu", "numpy", "pyserini")  # that can change ranks
LEADING, *_ = SHOWN = metrics("retrieval")[:3]
_SPARE = 16  # hits beyond the depth, for the question's own family and ties at the cut
_FIELDS = ["family_id", "publication", "title", "date", "url"]


def write(out: Path, landscape: str, subject: Subject, scores: pd.DataFrame) -> dict[str, Any]:
    """Write the folder of one landscape of the current cell, and return its settings; `system` there is the best one.

    The Lucene index has different bytes in every export, and ranks the same. `scores` are rows of reports/scores.csv.
    A folder of an earlier export is replaced. Raises UserError where the script cannot rank as the cell does, the model
    or reranker is not on this machine, or the folder holds something else.
    """
    require_ours(out, "is no system", SETTINGS if (out / SCRIPT).exists() else SCRIPT)
    here = Landscape(landscape)
    require_plain(here, subject)
    sides, ranked, families = read(landscape, here.pool, here.search)
    found = searched(sides, ranked, here.search)
    settings = said(here, found, best(here, scores))
    with replacing(out) as folder, offline():
        folder.mkdir()
        shutil.copyfile(Path(__file__).with_name(SCRIPT), folder / SCRIPT)
        write_json(folder / SETTINGS, settings)
        needs = "".join(f"{name}=={version(name).split('+')[0]}\n" for name in NEEDS)
        (folder / "requirements.txt").write_text(needs, encoding="ascii")
        _families(folder, here)
        _vectors(folder, families, found)
        index = folder.resolve() / "lucene"  # Java does not follow where this process moves
        lucene.build(list(here.documents.values()), index, f"bm25 {landscape}: index", here.families)
        merged_model.save(folder / "model", subject, scores)
        if here.rerank.reranker is not None:
            cross = rerankers.reranker(here.rerank.reranker, dtype=here.rerank.dtype).model
            cross.activation_fn = torch.nn.Identity()  # logits, as they were ranked by
            cross.save_pretrained(str(folder / "reranker"))
            merged_model.share(folder / "reranker")
        (folder / model.README).write_text(readme(here, subject, settings, scores), encoding="utf-8")
    return settings


def readme(here: Landscape, subject: Subject, settings: dict[str, Any], scores: pd.DataFrame) -> str:
    """README of a system; `settings` as `said` makes them, `scores` are rows of reports/scores.csv."""
    rows = scores[(scores["landscape"] == here.name) & (scores["scope"] == "all")].set_index(["system", "metric"])
    known = rows.to_dict("index")
    scored = {name: [known[name, one] for one in SHOWN if (name, one) in known] for name in settings["systems"]}
    second = subject.params.rerank.model
    return cards.card(
        "system/system", here=here, subject=subject, cell=subject.params, model=subject.model, settings=settings,
        first=" and ".join(f"{number:,}" for number in dict.fromkeys(settings["depth"].values())), metrics=SHOWN,
        rows=[(name, found) for name, found in scored.items() if found],
        second=second and reranker_entry(second).licence, texts=list(dict.fromkeys([here.name, *subject.homes])),
    )  # fmt: skip


def require_plain(here: Landscape, subject: Subject) -> None:
    """Raise UserError where the short script of a system cannot rank as the cell does."""
    similarity, name = here.search.similarity, subject.params.model
    if similarity == "maxsim":
        what = "a vector for every token, and a score that is a sum over tokens, which no faiss index ranks by"
        raise UserError(f"model {name!r} is of late interaction: {what}; export its model alone, or another cell")
    if similarity == "dot":
        what = f"model {name!r} is compared by inner product, and the file of a system by cosine"
        raise UserError(f"{what}; export its model alone, or another cell")
    if here.bm25.bm25.query_side:
        what = "bm25.query_side is true: a system ranks by Pyserini's own searcher, which weighs no query so"
        raise UserError(f"{what}; set it to false and run `dvc repro`")
    if here.rerank.reranker is not None and here.rerank.reranker.remote_code:
        what = f"{here.rerank.reranker.hub} runs code of its own repository, which no folder can bring"
        raise UserError(f"{what}; set rerank.model to null and run `dvc repro`, or use another")


def said(here: Landscape, found: Searched, system: str) -> dict[str, Any]:
    """The settings that the script of a system reads."""
    crossed = here.fuse.cross_fitted is not None
    rrf, weight = (tuned_to(here.fusion, method, None, cross_fitted=crossed) for method in UNTUNED)
    depths = {"bm25": here.bm25.bm25.depth, "dense": here.search.search.depth}
    rows = len(found.documents)
    return {
        "landscape": here.name,
        "system": system,
        "systems": systems(here),
        "bm25": here.bm25.bm25.model_dump(include={"k1", "b"}),
        "hits": depths["bm25"] + _SPARE,
        "vectors": rows if found.several else min(rows, depths["dense"] + _SPARE),
        "passages": found.best,
        "fusion": {"rrf": dict.fromkeys(depths, rrf), "interpolation": {"bm25": 1.0 - weight, "dense": weight}},
        "depth": {leg: min(depth, here.fuse.fuse.depth) for leg, depth in depths.items()},
        "rerank": {"system": here.rerank.system, "k": here.rerank.depth} if here.rerank.reranker else None,
    }


def systems(here: Landscape) -> list[str]:
    """Names of the systems of the cell."""
    return [*REQUIRED, *(["reranked"] if here.rerank.reranker else [])]


def best(here: Landscape, scores: pd.DataFrame) -> str:
    """The system with the best score on the test queries, the first of equals; `interpolation` without scores."""
    rows = scores[(scores["landscape"] == here.name) & (scores["scope"] == "all") & (scores["metric"] == LEADING)]
    values = rows.set_index("system")["value"].reindex(systems(here)).dropna()
    return str(values.idxmax()) if len(values) else "interpolation"


def _families(folder: Path, here: Landscape) -> None:
    """Write the metadata of each family, and the text that it was ranked by."""
    table = tables.read(layout.families(here.name), FAMILIES, _FIELDS).set_index("family_id", drop=False)
    rows = table.loc[here.families].to_dict("records")
    texts = here.documents
    entries = {str(row["family_id"]): row | {"text": texts[str(row["family_id"])]} for row in rows}
    (folder / "families.json").write_text(json.dumps(entries, indent=0), encoding="ascii")


def _vectors(folder: Path, families: list[str], found: Searched) -> None:
    """Write the vectors as they are searched, the family of each, and the mean that was subtracted."""
    (folder / VECTORS).write_bytes(quantised.as_bytes(quantised.built("float32", found.documents)))
    mean = np.zeros(found.documents.shape[1], np.float32) if found.mean is None else found.mean
    owners = np.repeat(np.array(families), np.diff(found.starts))
    np.savez(folder / "arrays.npz", mean=mean, family=owners)
