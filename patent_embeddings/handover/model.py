"""Export the adapter as a model folder of the Hugging Face hub, with a card that shows its scores.

`merged_model` exports the whole model.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import SHOWN
from patent_embeddings.handover.exported_cell import Subject
from patent_embeddings.training import adapters

README = "README.md"
_NAMES = (adapters.CONFIG, "config_sentence_transformers.json")  # every model folder has one of them
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
    require_ours(out)
    with replacing(out) as folder:
        seal = shutil.ignore_patterns(adapters.SEAL)  # no longer valid once the weight changes
        shutil.copytree(layout.ADAPTER, folder, copy_function=shutil.copyfile, ignore=seal)
        if params.embed.adapter_scale != 1:
            adapters.weigh(folder, params.embed.adapter_scale)
        (folder / README).write_text(card(subject, scores), encoding="utf-8")


def require_ours(out: Path) -> None:
    """Raise UserError where the folder exists and is not a model folder, so that nothing else is overwritten."""
    if out.exists() and not any((out / name).exists() for name in _NAMES):
        raise UserError(f"{out}: exists and is no model folder of an earlier export; name another with --out")


def card(subject: Subject, scores: pd.DataFrame, whole: str | None = None) -> str:
    """Model card: training, scores in and out of domain, and licences.

    `whole` is the code that loads a folder with the whole model; None: the folder holds only the adapter.
    """
    params, model, homes = subject.params, subject.model, subject.homes
    front = {
        "base_model": model.hub,
        "library_name": "sentence-transformers",
        **_licence(subject),
        **({"language": "en"} if homes and subject.english(homes) else {}),
        "tags": [tag for tag in TAGS if not whole or tag not in ("peft", "lora")],
        "pipeline_tag": "feature-extraction",
    }
    simulated = ", ".join(name for name in params.evaluate_on if subject.landscapes[name].simulated)
    said = f"**Simulated landscapes: {simulated}.** Their scores say nothing about real patents."
    warning = ["", said] if simulated else []
    link = f"[{model.hub}](https://huggingface.co/{model.hub}), revision `{model.revision or 'not pinned'}`"
    loading = f"model = SentenceTransformer({model.hub!r}, revision={model.revision!r}); model.load_adapter(FOLDER)"
    what = ("The whole model" if subject.tuned else "The zero-shot model") if whole else "LoRA adapter"
    lines = [
        *["---", yaml.safe_dump(front, sort_keys=False).strip(), "---", ""],
        *[f"# {params.model} {subject.made}", ""],
        *[f"{what} of {link}, for patent families. Load it with", "", f"    {whole or loading}", ""],
        *_making(subject),
        *["", "## Scores", "", f"Test split{'; the landscape of training is marked as home' if homes else ''}."],
        *[*warning, ""],
        *_scored(scores, homes),
        *["", "## Licences", "", f"- Base model: {model.licence}"],
        *[f"- {name}: {subject.landscapes[name].licence}" for name in sorted(params.evaluate_on)],
        "",
    ]
    return "\n".join(lines)


def _licence(subject: Subject) -> dict[str, str]:
    """Licence for the hub: the base model's, or `other` with all names where training texts have other licences."""
    base, homes = subject.model.licence, subject.homes if subject.tuned else []
    asked = sorted({subject.landscapes[name].licence for name in homes} - {base, "CC0-1.0"})
    return {"license": "other", "license_name": ", ".join([base, *asked])} if asked else {"license": base}


def _making(subject: Subject) -> list[str]:
    """How the model was trained and evaluated, one item a line."""
    params, model = subject.params, subject.model
    tuning = params.finetune
    prompts = {"query": model.prompts.query, "document": model.prompts.document}
    said = ", ".join(f"{side} `{text}`" for side, text in prompts.items() if text)
    kept = f"- The adapter is kept at {subject.weight:g} of what was trained"
    training = (
        f"- {tuning.pairs} pairs asked for, {tuning.steps} steps of {tuning.batch}, seed {tuning.seed}, "
        f"texts cut at {model.kept(tuning.length)} tokens"
    )
    return [
        f"- Recipe {params.recipe}: {subject.recipe.description}",
        *[f"- Training landscape {name}: {subject.landscapes[name].description}" for name in subject.homes],
        *([training] if subject.homes else []),
        f"- Evaluated with view {params.query_view} for queries and {params.document_view} for documents, "
        f"cut at {model.kept(params.embed.length)} tokens",
        f"- Prompts: {said or 'none'}",
        *([kept] if subject.homes and subject.weight != 1 else []),
    ]


def _scored(scores: pd.DataFrame, homes: list[str]) -> list[str]:
    lines = ["| landscape | task | scope | metric | score | 95 % interval | n |", "|---|---|---|---|---|---|---|"]
    for row in headline(scores):
        place = f"{row['landscape']}{' (home)' if row['landscape'] in homes else ''}"
        bounds = f"{row['ci_low']:.4f} to {row['ci_high']:.4f}" if row["ci_low"] == row["ci_low"] else "-"
        words = [place, row["task"], row["scope"], row["metric"], f"{row['value']:.4f}", bounds, str(row["n"])]
        lines.append(f"| {' | '.join(words)} |")
    return lines


def headline(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """The leading score of each task, for every scope and label set."""
    return [row for row in records(scores) if SHOWN[row["task"]] == (row["system"], row["metric"])]
