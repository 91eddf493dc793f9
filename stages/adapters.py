"""An adapter's folder in peft's format, for what need not import peft: that takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "adapter_config.json"  # peft's name for it


def held(folder: Path) -> Path | None:
    """A folder if it holds an adapter; None, as after the zero-shot recipe, where it does not."""
    return folder if (folder / CONFIG).exists() else None


def weigh(folder: Path, weight: float) -> None:
    """Let the adapter count by a weight times what it counts now: a LoRA adapter's change is alpha / rank x B A."""
    config = read_json(folder / CONFIG)
    write_json(folder / CONFIG, config | {"lora_alpha": config["lora_alpha"] * weight})
