"""A model's own adapters, one for each of its tasks, of which one is active at a time.

They are folders of the model's repository in peft's format, such as those of `jinaai/jina-embeddings-v3-hf`, each
named after its task with `_` for `.`. Models that run code of their repository switch by that code instead.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

from peft.tuners.lora import LoraLayer
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import loading, weights
from patent_embeddings.encoders.values import Embedder, Side

OURS = "default"  # peft's name for an adapter without one: the recipe's


def switches(entry: Embedder) -> bool:
    """Whether a model has adapters by task that this module switches."""
    return entry.tasks is not None and not entry.remote_code


def put(entry: Embedder, folder: Path, network: Any) -> None:
    """Add the adapters of all tasks to a network of transformers, frozen and not yet active.

    Raises UserError: the repository lacks one, or it is incomplete, has a NaN or infinity, or is of another network.
    """
    for task in sorted({_name(str(task)) for task in dict(entry.tasks or {}).values()}):
        for file in (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME):
            if not (folder / task / file).is_file():
                raise UserError(f"{entry.hub}: {folder} lacks {task}/{file}, of its task; {weights.mend(entry)}")
        # Patched where transformers prints which adapters this file does not hold: those of the other tasks.
        quiet = patch("transformers.integrations.peft.log_state_dict_report")
        with loading.refusing(entry, folder / task), quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft warns of the second adapter of a network
            report = network.load_adapter(str(folder / task), adapter_name=task)
        # Those of other tasks are reported too.
        missing = [key for key in report.missing_keys if task in key.split(".")]
        fault = next(iter(sorted([*missing, *report.unexpected_keys])), None)
        layers = [module for module in network.modules() if isinstance(module, LoraLayer)]
        if fault or not any(task in (*layer.lora_A, *layer.lora_embedding_A) for layer in layers):
            what = f"the adapter in {folder / task} is of another network ({fault or 'it fits no layer'})"
            raise UserError(f"{entry.hub}: {what}; {weights.mend(entry)}")
    for name, parameter in network.named_parameters():
        if ".lora_" in name and not parameter.isfinite().all():
            what = f"an adapter of its tasks in {folder} is not all numbers: {name} holds NaN or infinity"
            raise UserError(f"{entry.hub}: {what}; {weights.mend(entry)}")


def switch(entry: Embedder, network: Any, side: Side) -> None:
    """Activate the adapter of a side's task, and the recipe's where that is not merged."""
    active = [_name(getattr(entry.tasks, side)), OURS]
    for module in network.modules():
        if isinstance(module, LoraLayer):
            module.set_adapter(active, inference_mode=True)


def _name(task: str) -> str:
    """Name of a task's folder and of its module in torch."""
    return task.replace(".", "_")
