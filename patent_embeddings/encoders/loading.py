"""Load a model of sentence-transformers: without the network, with all its weights, every failure in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from huggingface_hub import constants
from safetensors import SafetensorError, safe_open
from transformers.utils import logging

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import native, weights
from patent_embeddings.encoders.values import Weights

OFFLINE = "HF_HUB_OFFLINE"
# Tokenizers that add an end token as `tokenizer_config.json` says in transformers 4, and not in 5, which reads only
# `tokenizer.json`.
_TOLD = ("CodeLlamaTokenizer", "GemmaTokenizer", "LlamaTokenizer")


@contextmanager
def offline() -> Iterator[None]:
    """Keep every library from asking the hub, so that a stage computes with the files on this machine or fails."""
    # peft reads the environment each time, the other libraries read it once when they are imported.
    with patch.dict(os.environ, {OFFLINE: "1"}), patch.object(constants, OFFLINE, True):
        yield


@contextmanager
def refusing(entry: Weights, folder: Path) -> Iterator[None]:
    """Turn any failure while a model is loaded from a folder into a UserError of one line.

    It names the damaged file where there is one, else it has the library's own message.
    """
    try:
        with offline():
            yield
    except UserError:
        raise
    except Exception as error:
        cause = _cause(entry, folder, error)
        raise UserError(f"{entry.hub}: the model in {folder} cannot be loaded: {cause}") from error


@contextmanager
def whole(entry: Weights, folder: Path) -> Iterator[list[torch.Tensor]]:
    """Refuse a model that is loaded with a tensor missing, left over or of another shape.

    transformers fills missing tensors with random numbers and only warns.

    Yields a list that holds, once the model is loaded, the missing tensors that the entry's `left_out` allows; see
    `finite`. Raises UserError: the loader reports any other tensor, or as `refusing` does.
    """
    reports: list[dict[str, Any]] = []
    absent: list[torch.Tensor] = []
    # Patched where transformers would print its report, as sentence-transformers does not return it.
    instead = patch("transformers.modeling_utils.log_state_dict_report", lambda **report: reports.append(report))
    with refusing(entry, folder), instead:
        yield absent
    for report in reports:
        info = report["loading_info"]
        faults = [
            *(f"{one} is missing" for one in _others(entry, info.missing_keys)),
            *(f"{one} is of no layer" for one in _others(entry, info.unexpected_keys)),
            *(f"{one} is {list(has)} instead of {list(asked)}" for one, has, asked in sorted(info.mismatched_keys)),
            *info.error_msgs,
            *(f"{one} cannot be converted" for one in sorted(info.conversion_errors)),
        ]
        if faults:
            more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
            what = f"the weights in {folder} are not those of its architecture: {faults[0]}{more}"
            or_name = "or name what a model leaves out on purpose in `left_out` of its entry"
            raise UserError(f"{entry.hub}: {what}; {weights.mend(entry)}, {or_name}")
        absent += [report["model"].get_parameter_or_buffer(name) for name in info.missing_keys]


def opened(
    entry: Weights, folder: Path, kinds: tuple[str, ...], make: Callable[..., Any], dtype: str, kwargs: dict[str, Any]
) -> Any:
    """Load a model by its class of sentence-transformers, `make`; `kwargs` are passed on to transformers."""
    logging.disable_progress_bar()
    kind(entry, folder, kinds)
    kwargs = {"dtype": getattr(torch, dtype), "use_safetensors": not weights.pickles(folder) or None, **kwargs}
    with whole(entry, folder) as absent, native.readable(entry, folder) as shown:
        trusted = weights.consented(entry)
        model = make(str(shown), local_files_only=True, trust_remote_code=trusted, model_kwargs=kwargs)
    if entry.native:
        model.transformers_model.name_or_path = str(folder)  # where peft looks for the base of an adapter
    if model.tokenizer is not None:
        model.tokenizer.truncation_side = "right"  # a long text loses its end, never its prompt
        ended(entry, folder, model.tokenizer)
        worded(entry, folder, model.tokenizer, rows(model))
    placed(entry, model)
    finite(entry, folder, model, absent)
    return model


def kind(entry: Weights, folder: Path, own: tuple[str, ...]) -> None:
    """Raise UserError where a folder holds a model of another kind than `own`.

    sentence-transformers would convert it without a word, and give a late-interaction model a random projection.
    """
    saved = weights.read(folder / "config_sentence_transformers.json").get("model_type")
    if saved and saved not in own:
        raise UserError(f"{entry.hub}: {folder} holds a {saved}, and its entry is for a {own[0]}; mend the entry")
    if own[0] == "MultiVectorEncoder" and not saved:
        made = [str(name) for name in weights.read(folder / "config.json").get("architectures") or []]
        late = any(name == "HF_ColBERT" or name.endswith("ForRetrieval") for name in made)
        if not late and not weights.lists(folder, "Dense"):
            what = f"{folder} holds no projection of tokens, so that it is no late-interaction model"
            raise UserError(f"{entry.hub}: {what}; mend `encoder` of its entry")


def placed(entry: Weights, model: torch.nn.Module) -> None:
    """Raise UserError where an entry's `max_length` is more than the positions that the weights have vectors for."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa counts from behind the position of padding.
            room = module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
            if entry.max_length > room:
                what = f"its entry says `max_length: {entry.max_length}`, but the weights have {room} positions"
                raise UserError(f"{entry.hub}: {what}; mend the entry")


def finite(entry: Weights, folder: Path, model: torch.nn.Module, absent: Sequence[torch.Tensor]) -> None:
    """Raise UserError where a weight is NaN or infinite.

    `absent` tensors become NaN, so that a text that uses one is refused instead of getting a random vector.
    """
    for name, parameter in model.named_parameters():
        # Where the sum is finite, so is every part; it takes a fifth of the time.
        if parameter.is_floating_point() and not parameter.sum().isfinite() and not parameter.isfinite().all():
            what = f"its weights in {folder} are not all numbers: {name} holds NaN or infinity"
            raise UserError(f"{entry.hub}: {what}; {weights.mend(entry)}, or use another model")
    for tensor in absent:
        if tensor.is_floating_point():
            tensor.data.fill_(torch.nan)


def ended(entry: Weights, folder: Path, tokenizer: Any) -> None:
    """Make a tokenizer add the end token that its configuration asks for and transformers 5 no longer adds.

    A model that is pooled at that token, or over all, gives plausible wrong vectors without it. Raises UserError: the
    tokenizer cannot be made to add it.
    """
    config = weights.read(folder / native.TOKENIZER)
    own = "auto_map" in config or str(config.get("tokenizer_class")).removesuffix("Fast") in _TOLD
    ids = tokenizer("a")["input_ids"]
    if not own or config.get("add_eos_token") is not True or ids[-1] == tokenizer.eos_token_id:
        return
    tokenizer.add_bos_token = ids[0] == tokenizer.bos_token_id
    tokenizer.add_eos_token = True
    if tokenizer("a")["input_ids"] != [*ids, tokenizer.eos_token_id]:
        what = f"{folder / native.TOKENIZER} says `add_eos_token: true`, which the tokenizer does not do"
        raise UserError(f"{entry.hub}: {what}; use another model")


def worded(entry: Weights, folder: Path, tokenizer: Any, rows: int | None = None) -> None:
    """Raise UserError where a tokenizer has no vocabulary, or has tokens beyond the `rows` of the embedding matrix.

    Without the files transformers makes a tokenizer of special tokens alone, which gives every text the same vector.
    """
    names = set(getattr(tokenizer, "vocab_files_names", {}).values())
    if names and not any(file.name in names for file in folder.rglob("*")):
        lacks = f"{folder} lacks the files of its tokenizer ({' or '.join(sorted(names))})"
        raise UserError(f"{entry.hub}: {lacks}; {weights.mend(entry)}")
    if rows is None:
        return
    # Added tokens that occur in no text may be beyond the rows, such as Gemma's for pictures.
    last = max(tokenizer.vocab_size - 1, tokenizer.pad_token_id or 0, *tokenizer("")["input_ids"])
    if last >= rows:
        what = f"the tokenizer in {folder} is of another model: its tokens go up to {last}, the weights have {rows}"
        raise UserError(f"{entry.hub}: {what} of them; {weights.mend(entry)}")


def rows(model: Any) -> int | None:
    """Rows of a model's embedding matrix; None where it is not a model of transformers."""
    with suppress(AttributeError, NotImplementedError):  # code of a repository may lack the method
        return int(model.transformers_model.get_input_embeddings().num_embeddings)
    return None


def _others(entry: Weights, names: Collection[str]) -> list[str]:
    """Names of tensors outside the parts that the entry leaves out, sorted."""
    return sorted(name for name in names if not any(f".{part}." in f".{name}." for part in entry.left_out))


def _cause(entry: Weights, folder: Path, error: Exception) -> str:
    """Cause and mend: the first damaged file, code that nobody agreed to run, or else the library's message."""
    for file in sorted(file for file in folder.rglob("*") if file.suffix in {".json", ".safetensors"}):
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, framework="numpy"):
                    continue
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, SafetensorError) as fault:
            damaged = not file.is_file() or file.stat().st_size
            what = f"damaged ({str(fault).splitlines()[0]:.100})" if damaged else "empty"
            return f"{file.relative_to(folder)} is {what}; {weights.mend(entry)}"
        if not isinstance(content, dict) and "config" in file.name:
            return f"{file.relative_to(folder)} holds no JSON object; {weights.mend(entry)}"
    said = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no detail'}"
    if "trust_remote_code" in said:
        what = "it names code of its own or of another package"
        return f"{what}, which runs only where its entry says `remote_code: true` ({said:.200})"
    return f"{said:.300}; {weights.mend(entry)}, or use another model"
