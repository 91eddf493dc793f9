"""Options of params.yaml in words, for pages and recommendations; one row for each option.

Different values have different words. Files keep `key=value` (`cell.said`), and nothing is parsed out of words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_PARTS = {0: "none", 0.25: "a quarter", 0.5: "half", 0.75: "three quarters", 1: "all"}
_DTYPES = {"auto": "bfloat16 where the device has it"}
_POOLS = {"all": "whole landscape ranked", "earlier": "only earlier families ranked"}
_PASSAGES = {"best": "scored by the best passage", "top3": "scored by the best three passages"}


def listed(words: Iterable[str]) -> str:
    """Words in a sentence: `a, b and c`."""
    *rest, last = words
    return f"{', '.join(rest)} and {last}" if rest else last


def _listed(values: Any) -> str:
    return ", ".join(map(str, values))


WORDS: dict[str, Callable[[Any], str]] = {
    "tasks.seed": lambda seed: f"splits of seed {seed}",
    "tasks.pool": lambda pool: _POOLS.get(pool, f"pool {pool}"),
    "finetune.pairs": lambda pairs: f"{pairs} training pairs",
    "finetune.steps": lambda steps: f"{steps} training steps",
    "finetune.batch": lambda batch: f"training batches of {batch} pairs",
    "finetune.length": lambda length: f"trained on texts of {length} tokens",
    "finetune.rate": lambda rate: f"learning rate {rate}",
    "finetune.rank": lambda rank: f"adapter of rank {rank}",
    "finetune.evaluations": lambda count: f"best of {count} checkpoints",
    "embed.dtype": lambda dtype: f"embedded in {_DTYPES.get(dtype, dtype)}" if dtype else "embedded as its entry says",
    "embed.length": lambda length: f"texts of {length} tokens" if length else "texts of the model's own length",
    "embed.adapter_scale": lambda scale: f"{_PARTS.get(scale, scale)} of the adapter",
    "embed.passages.tokens": lambda tokens: f"passages of {tokens} tokens" if tokens else "whole documents",
    "embed.passages.stride": lambda stride: f"a passage every {stride} tokens",
    "bm25.k1": lambda k1: f"BM25 with k1 {k1}",
    "bm25.b": lambda b: f"BM25 with b {b}",
    "bm25.query_side": lambda weighed: f"BM25 {'weighs' if weighed else 'counts'} query terms",
    "bm25.depth": lambda depth: f"best {depth} of BM25",
    "search.centre": lambda centre: {"none": "not centred", "landscape": "centred"}.get(centre, f"centred on {centre}"),
    "search.passages": lambda scored: _PASSAGES.get(scored, f"scored by passages, {scored}"),
    "search.depth": lambda depth: f"best {depth} of the dense run",
    "fuse.metric": lambda metric: f"fused for {metric}",
    "fuse.rrf_k": lambda values: f"k of RRF among {_listed(values)}",
    "fuse.weights": lambda values: f"dense weight among {_listed(values)}",
    "fuse.depth": lambda depth: f"best {depth} of fusions",
    "rerank.model": lambda model: f"reranked by {model}" if model else "not reranked",
    "rerank.system": lambda system: f"reranks {system}",
    "rerank.dtype": lambda dtype: f"reranked in {_DTYPES.get(dtype, dtype)}",
    "rerank.depth": lambda depth: f"reranks the best {depth}",
    "metrics.seed": lambda seed: f"k-means of seed {seed}",
    "metrics.clusterings": lambda count: f"{count} runs of k-means",
}
