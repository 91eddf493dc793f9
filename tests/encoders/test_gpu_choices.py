"""What is chosen where torch says that there is a GPU: torch is played, as none is needed for a choice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.training import memory

# Model: of a step in training, then of a batch in encoding; see the plans of docs/models.md.
TOKENS = {"minilm": (131072 // 4, 131072), "qwen3-0-6b": (65536 // 2, 65536), "qwen3-8b": (16384 // 2, 16384)}


@pytest.mark.parametrize("name", TOKENS)
def test_activations_are_kept_by_the_plan_on_a_gpu_and_alike_on_a_processor(name: str) -> None:
    plan, (step, batch) = model_entry(name).memory, TOKENS[name]
    assert (memory.kept(plan, on_gpu=True), plan.tokens) == (step, batch)
    assert memory.kept(plan, on_gpu=False) == 8192


@pytest.mark.pipeline
def test_a_gpu_that_only_emulates_bfloat16_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from patent_embeddings.encoders import devices
    from patent_embeddings.encoders.precision import resolve

    def played(native: bool) -> Any:
        return lambda including_emulation=True: native or including_emulation

    monkeypatch.setattr(devices, "_driven", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    told = SimpleNamespace(name="Tesla T4", total_memory=1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: told)
    for native, found in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", played(native))
        assert resolve("auto", devices.loaded()) == found
        assert resolve("bfloat16", devices.loaded()) == "bfloat16"


@pytest.mark.pipeline
def test_a_batch_on_a_gpu_is_that_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    from patent_embeddings.encoders.specification import Specification

    entry = model_entry("qwen3-8b")
    budgets = {
        device: Specification.budget.fget(SimpleNamespace(entry=entry, device=device))  # type: ignore[attr-defined]
        for device in ("cuda", "cpu")
    }
    assert budgets == {"cuda": 16384, "cpu": 3072}


@pytest.mark.pipeline
def test_weights_in_four_bits_go_to_the_gpu_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from patent_embeddings.core.errors import UserError
    from patent_embeddings.encoders import base

    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install bitsandbytes"):
        base.quantised("cuda")
    monkeypatch.setattr(base, "find_spec", lambda name: name)
    found = base.quantised("cuda")
    # Without a number: torch's own choice, which torchrun's processes have set.
    assert found["device_map"] == {"": "cuda"}
    config = found["quantization_config"]
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == ("nf4", True)
    assert config.bnb_4bit_compute_dtype == torch.bfloat16
