"""Add a LoRA adapter to a network, load it from a checkpoint, and save it in peft's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, TaskType, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import cast_adapter_dtype
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, write_json
from patent_embeddings.encoders.values import Embedder
from patent_embeddings.training.folded import fold

ADAPTER = "default"  # peft's name for the adapter
AGAIN = "run `dvc repro finetune` again"


def add(model: Any, rank: int) -> None:
    """Add a new adapter to every linear layer, in float32 whatever the dtype of the frozen weights.

    Its weights are drawn from torch's seeded generator; at first it does not change the network's output.
    """
    model.requires_grad_(False)  # peft freezes the network alone: what is behind it would be trained, and not saved
    kind = TaskType.FEATURE_EXTRACTION
    config = LoraConfig(task_type=kind, r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    model.add_adapter(config, adapter_name=ADAPTER)
    cast_adapter_dtype(model[0].auto_model, ADAPTER)
    fold(model[0].auto_model)


def without_dropout(model: torch.nn.Module) -> None:
    """Set every dropout rate of a model to zero.

    BERT models have dropout, large language models do not: without it a recipe is the same for all models, and a step
    on a processor takes 40 % less time.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        # Attention has no such module; the attribute with its rate has another name in each architecture.
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)


def fill(network: torch.nn.Module, folder: Path) -> None:
    """Load the weights of a network's adapter from a checkpoint.

    Raises UserError: the checkpoint is absent, damaged, or of another adapter.
    """
    try:
        saved = load_file(folder / SAFETENSORS_WEIGHTS_NAME)
        named = {name.removeprefix("base_model.model."): tensor for name, tensor in saved.items()}
        unknown = set_peft_model_state_dict(network, named, adapter_name=ADAPTER).unexpected_keys
    except (OSError, SafetensorError, RuntimeError) as error:
        why = f"{str(error).splitlines()[0]:.120}"
        raise UserError(f"{folder}: this checkpoint of training cannot be read ({why}); {AGAIN}") from None
    layers = sum(ADAPTER in module.lora_A for module in network.modules() if isinstance(module, LoraLayer))
    if unknown or len(named) != 2 * layers:
        raise UserError(f"{folder}: this checkpoint is of another adapter; remove the folder and {AGAIN}")


def save(model: Any, entry: Embedder, folder: Path) -> None:
    """Save the adapter of a model in peft's format."""
    model[0].auto_model.save_pretrained(str(folder))
    _settle(folder, entry)


def save_mean(model: Any, entry: Embedder, adapters: Sequence[Path], weight: float, folder: Path) -> None:
    """Save the adapter whose weight change is `weight` times the mean of those of several adapters.

    peft's combination `cat` concatenates their matrices, which is exact; the rank is the sum of their ranks.

    `model` comes without an adapter, and is left with all of them; `adapters` are folders in peft's format, `folder` is
    an empty one for the result.
    """
    names = [f"part{number}" for number in range(len(adapters))]
    network = PeftModel.from_pretrained(model[0].auto_model, str(adapters[0]), adapter_name=names[0])
    for name, adapter in zip(names[1:], adapters[1:], strict=True):
        network.load_adapter(str(adapter), adapter_name=name)
    shares = [weight / len(names)] * len(names)
    network.add_weighted_adapter(names, shares, "mean", combination_type="cat")
    network.save_pretrained(str(folder), selected_adapters=["mean"], save_embedding_layers=False)
    for file in (folder / "mean").iterdir():
        file.rename(folder / file.name)
    (folder / "mean").rmdir()
    _settle(folder, entry)


def _settle(folder: Path, entry: Embedder) -> None:
    """Make a saved adapter reproducible: name the published model, not a path, and fix the order of its entries."""
    path = folder / CONFIG_NAME
    config = read_json(path) | {"base_model_name_or_path": entry.hub, "revision": entry.revision}
    config["target_modules"] = sorted(config["target_modules"])  # written from a set
    write_json(path, config)
    (folder / "README.md").unlink(missing_ok=True)
