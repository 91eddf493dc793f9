"""Export the adapter as a model folder of the Hugging Face hub, with a card that shows its scores.

`merged_model` exports the whole model.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import SHOWN
from patent_embeddings.handover.cards import card
from patent_embeddings.handover.exported_cell import Subject, require_ours
from patent_embeddings.training import adapters

README = "README.md"
OURS = ("is no model folder", adapters.CONFIG, "config_sentence_transformers.json")  # every one has one of these files
TAGS = ["sentence-transformers", "peft", "lora", "patents", "feature-extraction"]


def write(out: Path, subject: Subject, scores: pd.DataFrame) -> None:
    """Write the cell's adapter with the weight that was scored, and a card made of rows of reports/scores.csv.

    A folder of an earlier export is replaced. Raises UserError where the cell trains nothing, its adapter has weight 0
    or is not here, or the folder holds something else.
    """
    params = subject.params
    if not subject.recipe.signals:
        mend = "add --merged for the zero-shot model, or `dvc exp apply` a fine-tuned cell first"
        raise UserError(f"recipe {params.recipe!r} trains nothing: there is no adapter; {mend}")
    if params.embed.adapter_scale == 0:
        mend = "add --merged for that, or set another part of the adapter"
        raise UserError(f"embed.adapter_scale is 0: the zero-shot model was scored; {mend}")
    adapters.sealed(layout.ADAPTER, subject.model, trains=True)
    require_ours(out, *OURS)
    with replacing(out) as folder:
        seal = shutil.ignore_patterns(adapters.SEAL)  # no longer valid once the weight changes
        shutil.copytree(layout.ADAPTER, folder, copy_function=shutil.copyfile, ignore=seal)
        if params.embed.adapter_scale != 1:
            adapters.weigh(folder, params.embed.adapter_scale)
        (folder / README).write_text(readme(subject, scores), encoding="utf-8")


def readme(subject: Subject, scores: pd.DataFrame, whole: str | None = None) -> str:
    """Model card: training, scores in and out of domain, and licences.

    `whole` is the code that loads a folder with the whole model; None: the folder holds only the adapter.
    """
    params, model, homes = subject.params, subject.model, subject.homes
    asked = sorted({subject.landscapes[name].licence for name in homes} - {model.licence, "CC0-1.0"})
    front = {
        "base_model": model.hub,
        "library_name": "sentence-transformers",
        # The hub knows one licence; `other` names all.
        "license": "other" if asked else model.licence,
        **({"license_name": ", ".join([model.licence, *asked])} if asked else {}),
        **({"language": "en"} if homes and subject.english(homes) else {}),
        "tags": [tag for tag in TAGS if not whole or tag not in ("peft", "lora")],
        "pipeline_tag": "feature-extraction",
    }
    prompts = {"query": model.prompts.query, "document": model.prompts.document}
    loading = f"model = SentenceTransformer({model.hub!r}, revision={model.revision!r}); model.load_adapter(FOLDER)"
    return card(
        "model", front, subject=subject, cell=params, model=model, homes=homes, whole=whole is not None,
        load=whole or loading, prompts={side: text for side, text in prompts.items() if text},
        simulated=[name for name in params.evaluate_on if subject.landscapes[name].simulated],
        rows=[row for row in records(scores) if SHOWN[row["task"]] == (row["system"], row["metric"])],
    )  # fmt: skip
