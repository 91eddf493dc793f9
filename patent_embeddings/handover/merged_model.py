"""Export the model of a cell as a sentence-transformers folder that gives the same vectors without our code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from patent_embeddings.core import layout, params
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, replacing
from patent_embeddings.encoders import factory, prompts
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.loading import offline
from patent_embeddings.encoders.values import EmbedValues
from patent_embeddings.handover import model
from patent_embeddings.handover.exported_cell import Subject, require_ours
from patent_embeddings.training import adapters

_NAMED = {"classification": "Classification", "clustering": "Clustering"}  # names of these prompts in mteb


def write(out: Path, subject: Subject, scores: pd.DataFrame) -> str:
    """Write the model as it was evaluated, with a card made of rows of reports/scores.csv.

    Returns the name of the class that loads it. The adapter is merged with the weight that was scored. A folder of an
    earlier export is replaced. Raises UserError where the folder holds something else, the model needs code that a
    folder cannot hold, or the model or its adapter is not on this machine.
    """
    require_ours(out, *model.OURS)
    with offline(), replacing(out) as folder:
        return save(folder, subject, scores)


def opened(subject: Subject) -> Encoder:
    """Load the model of the current cell as it was evaluated. Raises UserError as `write`."""
    landscape = subject.params.landscape
    values = params.read("embed", EmbedValues, landscape)
    hub, own_code, ours = values.model.hub, values.model.remote_code, values.model.native == "nomic-moe"
    reasons = {
        "runs code of its own repository, which no folder can bring": own_code,
        "is read into a network of ours, which transformers lacks and no folder can bring": ours,
        "switches adapters by task, which no folder of sentence-transformers does by itself": values.model.tasks,
    }
    if what := next((what for what, holds in reasons.items() if holds), None):
        mend = f"export the adapter alone, and load {hub} with {'trust_remote_code' if own_code else 'it'}"
        raise UserError(f"{hub} {what}; {mend}")
    adapter = adapters.sealed(layout.ADAPTER, values.model, values.trained)
    dtype = values.dtype
    if dtype == "auto":  # the type that the vectors were computed in
        dtype = read_json(layout.cost("embed", landscape))["dtype"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft looks on the hub for the base model's vocabulary, which is unchanged
        return factory.encoder(values.model, dtype=dtype, adapter=adapter, scale=values.adapter_scale)


def save(folder: Path, subject: Subject, scores: pd.DataFrame) -> str:
    """Write weights, tokenizer, card and settings as evaluated: prompts, length, padding, pooling, dimensions.

    In half precision the adapter is merged in float32 and the sum is rounded. Returns and raises as `write`.
    """
    encoder = opened(subject)
    whole: Any = encoder.model
    if encoder.adapter and encoder.dtype != "float32":
        tuned = whole[0].model.float().merge_and_unload()
        whole[0].model = tuned.to(getattr(torch, encoder.dtype))
    own = {_NAMED[side]: encoder.prompt(side) for side in prompts.own(encoder.entry)}
    whole.prompts = {"query": encoder.prompt("query"), "document": encoder.prompt("document"), **own}
    whole.default_prompt_name = None
    if subject.model.similarity != "maxsim":  # late interaction sets its own, and cuts no dimensions
        whole.similarity_fn_name = subject.model.similarity
        whole.truncate_dim = subject.params.search.dimensions
    whole.save(str(folder), create_model_card=False)
    kind = type(whole).__name__
    (folder / model.README).write_text(model.readme(subject, scores, f"{kind}(FOLDER)"), encoding="utf-8")
    share(folder)
    return kind


def share(folder: Path) -> None:
    """Give the weights the permissions of the other files; safetensors makes them readable by their owner only."""
    for file in folder.rglob("*.safetensors"):
        file.chmod((folder / "config.json").stat().st_mode)
