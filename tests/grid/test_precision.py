"""The type of number of a cell: asked for, or of the entries of its model and reranker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from workspaces import ROOT

from patent_embeddings.core.params import Params
from patent_embeddings.grid import axes, computing, keys
from patent_embeddings.grid.cell import Config, digest
from patent_embeddings.grid.keys import flat

BASE = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
FLAT = flat(Params.model_validate(BASE).model_dump(mode="json"))
SMALL, LARGE = "minilm", "qwen3-8b"  # 23 and 7,570 million parameters


def cell(model: str, dtype: str | None, **more: Any) -> Params:
    return Params.model_validate({**BASE, "model": model, "embed": {**BASE["embed"], "dtype": dtype}, **more})


@pytest.mark.parametrize(
    ("model", "asked", "dtype"),
    [
        (SMALL, None, "float32"),
        (LARGE, None, "auto"),
        ("qwen3-0-6b", None, "auto"),
        (LARGE, "float32", "float32"),
        (SMALL, "bfloat16", "bfloat16"),
    ],
)
def test_a_stage_reads_what_is_asked_for_else_what_the_entry_says(model: str, asked: str | None, dtype: str) -> None:
    params = cell(model, asked)
    assert keys.resolved(params, "embed", params.landscape)["dtype"] == dtype
    assert keys.report(params).cell.embed.dtype == dtype  # which the page shows


@pytest.mark.parametrize(
    ("reranker", "asked", "dtype"),
    [(None, None, "float32"), ("ms-marco-minilm-l6", None, "float32"), ("bge-reranker-v2-m3", None, "auto"),
     ("bge-reranker-v2-m3", "float32", "float32")],
)  # fmt: skip
def test_a_reranker_has_its_own(reranker: str | None, asked: str | None, dtype: str) -> None:
    params = cell(LARGE, asked, rerank={**BASE["rerank"], "model": reranker})
    assert keys.resolved(params, "rerank", params.landscape)["dtype"] == dtype


def test_an_entry_may_say_otherwise(workspace: Any) -> None:
    path = workspace / "registry/models.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("  parameters: 22.7\n", "  parameters: 22.7\n  dtype: bfloat16\n", 1))
    assert keys.resolved(cell(SMALL, None), "embed", "sim-alpha")["dtype"] == "bfloat16"


@pytest.mark.parametrize(("model", "own"), [(SMALL, "float32"), (LARGE, "auto")])
def test_a_cell_recorded_with_what_its_entry_says_is_the_same_cell(model: str, own: str) -> None:
    """Experiments of before name float32 in their parameters."""
    before, now, other = cell(model, own), cell(model, None), cell(model, "bfloat16")
    assert digest(before) == digest(now) != digest(other)
    assert Config.of(before, FLAT) == Config.of(now, FLAT)
    assert Config.of(other, FLAT).options == (("embed.dtype", "bfloat16"),)
    assert {key: keys.resolved(before, key) for key in keys.CELL} == {key: keys.resolved(now, key) for key in keys.CELL}


def test_a_cell_that_asks_for_the_length_of_its_entry_is_the_same_cell() -> None:
    own, asked, other = (
        Params.model_validate({**BASE, "embed": {**BASE["embed"], "length": length}}) for length in (None, 256, 64)
    )
    assert digest(own) == digest(asked) != digest(other)
    assert Config.of(own, FLAT) == Config.of(asked, FLAT)
    assert Config.of(other, FLAT).options == (("embed.length", 64),)
    for base in (own, asked):
        assert Config.of(own, flat(base.model_dump(mode="json"))).options == ()
    assert Config.of(asked, flat(other.model_dump(mode="json"))).options == (("embed.length", None),)
    assert keys.resolved(own, "embed", own.landscape) == keys.resolved(asked, "embed", own.landscape)


def test_a_reranker_in_another_type_of_number_makes_another_cell() -> None:
    """The model embeds in float32 in both; the reranker scores in bfloat16 where the device has it, or in float32."""
    rerank = {**BASE["rerank"], "model": "bge-reranker-v2-m3"}
    own, named = (cell(SMALL, dtype, rerank=rerank) for dtype in (None, "float32"))
    assert [keys.resolved(one, "embed", one.landscape)["dtype"] for one in (own, named)] == ["float32"] * 2
    assert digest(own) != digest(named)
    both = [Config.of(one, FLAT) for one in (own, named)]
    assert [dict(one.options).get("rerank.dtype") for one in both] == [None, "float32"]
    assert both[0].read_by("reranked") != both[1].read_by("reranked")
    assert both[0].read_by("interpolation") == both[1].read_by("interpolation")
    small = [cell(SMALL, dtype, rerank={**rerank, "model": "ms-marco-minilm-l6"}) for dtype in (None, "float32")]
    assert digest(small[0]) == digest(small[1]) and Config.of(small[0], FLAT) == Config.of(small[1], FLAT)


def test_memory_is_asked_for_in_each_cells_own_type_of_number(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(computing.readiness, "readiness", lambda entries, dtypes: seen.append(dict(dtypes)) or [])
    found: Callable[..., Any] = lambda **axes_: axes.expand(BASE, {"recipe": ["zero-shot"], **axes_})  # noqa: E731
    cells = [*found(model=[SMALL, LARGE]), *found(model=[LARGE], **{"embed.dtype": ["bfloat16", "float32"]})]
    computing._ready(cells, fetch=False, only_available=False)
    assert seen == [{SMALL: "float32", LARGE: "float32"}]  # the heaviest of auto, bfloat16 and float32
    computing._ready(cells[:2], fetch=False, only_available=False)
    assert seen[1] == {SMALL: "float32", LARGE: "auto"}
