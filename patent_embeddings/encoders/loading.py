"""Loading a model whole or not at all: without the network, with nothing filled in, every failure in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from huggingface_hub import constants
from safetensors import SafetensorError, safe_open
from transformers import modeling_utils

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import weights
from patent_embeddings.encoders.entries import Weights

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import torch

OFFLINE = "HF_HUB_OFFLINE"


@contextmanager
def offline() -> Iterator[None]:
    """Let no library ask the hub: a stage computes with what is on this machine, or says what is not."""

    # peft asks the environment, the others what it was when they were imported.
    with patch.dict(os.environ, {OFFLINE: "1"}), patch.object(constants, OFFLINE, True):
        yield


@contextmanager
def refusing(entry: Weights, folder: Path) -> Iterator[None]:
    """Let whatever fails while a model is read from a folder be one line.

    Raises:
        UserError: with the file that is at fault where one is, else with what the library said.
    """
    try:
        with offline():
            yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{entry.hub}: the model in {folder} cannot be loaded: {_cause(entry, folder, error)}"
        ) from error


@contextmanager
def whole(entry: Weights, folder: Path) -> Iterator[list[torch.Tensor]]:
    """Let a model be loaded only with every tensor of its weights in its place, and none beside them.

    transformers fills what is missing with random numbers and says so in a warning.

    Yields:
        What the entry's `left_out` allows to be missing, listed when the model is loaded; see `finite`.

    Raises:
        UserError: the loader reports tensors as missing, as of no layer or of another shape, or `refusing`.
    """

    told: list[dict[str, Any]] = []
    absent: list[torch.Tensor] = []
    # Where transformers would print its report; sentence-transformers hands it to nobody.
    with refusing(entry, folder), patch.object(modeling_utils, "log_state_dict_report", lambda **report: told.append(report)):  # fmt: skip
        yield absent
    for report in told:
        info = report["loading_info"]
        faults = [
            *(f"{one} is missing" for one in _others(entry, info.missing_keys)),
            *(f"{one} is of no layer" for one in _others(entry, info.unexpected_keys)),
            *(f"{name} is {list(found)} instead of {list(wanted)}" for name, found, wanted in sorted(info.mismatched_keys)),
            *info.error_msgs,
            *(f"{name} cannot be converted" for name in sorted(info.conversion_errors)),
        ]  # fmt: skip
        if faults:
            more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
            raise UserError(f"{entry.hub}: the weights in {folder} are not those of its architecture: {faults[0]}{more}; {weights.mend(entry)}, or name what a model leaves out on purpose in `left_out` of its entry")  # fmt: skip
        absent += [report["model"].get_parameter_or_buffer(name) for name in info.missing_keys]


def kind(entry: Weights, folder: Path, own: tuple[str, ...]) -> None:
    """Raise UserError where a folder holds a model of another kind than its `own`, which would be converted in silence.

    A late-interaction model without its projection would get one of random numbers.
    """
    told = weights.read(folder / "config_sentence_transformers.json").get("model_type")
    if told and told not in own:
        raise UserError(f"{entry.hub}: {folder} holds a {told}, and its entry is for a {own[0]}; mend the entry")
    if own[0] == "MultiVectorEncoder" and not told:
        made = [str(name) for name in weights.read(folder / "config.json").get("architectures") or []]
        if not any(name == "HF_ColBERT" or name.endswith("ForRetrieval") for name in made) and not weights.lists(folder, "Dense"):  # fmt: skip
            raise UserError(f"{entry.hub}: {folder} holds no projection of tokens, so that it is no late-interaction model; mend `encoder` of its entry")  # fmt: skip


def finite(entry: Weights, folder: Path, model: torch.nn.Module, absent: Sequence[torch.Tensor]) -> None:
    """Raise UserError where a weight is not a number, or infinite.

    What is absent from the weights is no number from here on: a text that uses it has no vector, not a random one.
    """

    for name, parameter in model.named_parameters():
        # A sum that is finite has finite parts, and is taken in a fifth of the time.
        if parameter.is_floating_point() and not parameter.sum().isfinite() and not parameter.isfinite().all():
            raise UserError(f"{entry.hub}: its weights in {folder} are not all numbers: {name} holds NaN or infinity; {weights.mend(entry)}, or use another model")  # fmt: skip
    for tensor in absent:
        if tensor.is_floating_point():
            tensor.data.fill_(torch.nan)


def worded(entry: Weights, folder: Path, tokenizer: Any, rows: int | None = None) -> None:
    """Raise UserError where a tokenizer came without its vocabulary, or has tokens beyond the model's `rows`.

    Without its files transformers makes a tokenizer that knows its special tokens alone: every text is then one vector.
    """
    names = set(getattr(tokenizer, "vocab_files_names", {}).values())
    if names and not any(file.name in names for file in folder.rglob("*")):
        raise UserError(f"{entry.hub}: {folder} lacks the files of its tokenizer ({' or '.join(sorted(names))}); {weights.mend(entry)}")  # fmt: skip
    if rows is None:
        return
    # Added tokens that no text has may lie beyond the rows, such as Gemma's for pictures.
    last = max(tokenizer.vocab_size - 1, tokenizer.pad_token_id or 0, *tokenizer("")["input_ids"])
    if last >= rows:
        raise UserError(f"{entry.hub}: the tokenizer in {folder} is of another model: its tokens go up to {last}, the weights have {rows} of them; {weights.mend(entry)}")  # fmt: skip


def rows(model: Any) -> int | None:
    """How many tokens a sentence-transformers model has vectors of; None where it is none of transformers'."""
    with suppress(AttributeError, NotImplementedError):  # a model's own code need not have the method
        return int(model.transformers_model.get_input_embeddings().num_embeddings)
    return None


def precise(dtype: str) -> str:
    """What to do about numbers that a model computes and that are none."""
    return "use another model" if dtype == "float32" else "set embed.dtype to float32"


def _others(entry: Weights, names: Collection[str]) -> list[str]:
    """Names of tensors that are not of a part that the entry leaves out, in order."""
    return sorted(name for name in names if not _left_out(entry, name))


def _left_out(entry: Weights, name: str) -> bool:
    return any(f".{part}." in f".{name}." for part in entry.left_out)


def _cause(entry: Weights, folder: Path, error: Exception) -> str:
    """Why a model cannot be loaded, and the mend: the first damaged file, code that nobody agreed to, else what was said."""

    for file in sorted(file for file in folder.rglob("*") if file.suffix in {".json", ".safetensors"}):
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, framework="numpy"):
                    continue
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, SafetensorError) as fault:
            what = "empty" if file.is_file() and not file.stat().st_size else f"damaged ({str(fault).splitlines()[0]:.100})"  # fmt: skip
            return f"{file.relative_to(folder)} is {what}; {weights.mend(entry)}"
        if not isinstance(content, dict) and "config" in file.name:
            return f"{file.relative_to(folder)} holds no JSON object; {weights.mend(entry)}"
    said = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no detail'}"
    if "trust_remote_code" in said:
        return f"it names code of its own or of another package, which runs only where its entry says `remote_code: true` ({said:.200})"  # fmt: skip
    return f"{said:.300}; {weights.mend(entry)}, or use another model"
