"""Tables of a cell's texts, training, costs and licences."""

from __future__ import annotations

from typing import Any

import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.core.command import STAGES
from patent_embeddings.core.params import Finetune
from patent_embeddings.evaluation.scores import records
from patent_embeddings.grid.wording import listed
from patent_embeddings.handover.sheets import Sheet, Shown
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults

COINCIDE = 0.05  # share of families with the same text from which two views are named as coinciding


def lengths(cell: CellResults, landscape: LandscapeResults) -> Sheet:
    """Lengths of each view's texts, how many are cut or incomplete, and which views coincide after the cut."""
    rows: list[list[Shown]] = []
    used = {cell.params.query_view, cell.params.document_view}
    sampled = 0.0
    for name in sorted(set(landscape.lengths["view"]), key=lambda view: (view not in used, view)):
        of = landscape.lengths[landscape.lengths["view"] == name]
        value = dict(zip(of["statistic"], of["value"], strict=True))
        families, sampled = value["families"], value["sampled"]
        same = {
            key.removeprefix("same-as:"): count / max(sampled, 1)
            for key, count in value.items()
            if key.startswith("same-as:")
        }
        nearest = sorted(same.items(), key=lambda item: (-item[1], item[0]))
        alike = [f"{other} ({share:.0%})" for other, share in nearest if share >= COINCIDE]
        counts = [int(value[key]) for key in ("median-tokens", "p90-tokens", "length")]
        lacking = [_share(value[key], families) for key in ("incomplete", "empty")]
        named = f"{name} *" if name in used else name
        rows.append([named, *counts, _share(value["truncated"], sampled), *lacking, ", ".join(alike) or None])
    measured = f", tokens counted on a sample of {sampled:,.0f}" if sampled < len(landscape.families) else ""
    caption = f"{landscape.name}, {len(landscape.families):,} families{measured}; * marks the views of this cell"
    tokens = ["median tokens", "90th percentile", "cut at"]
    head = ["view", *tokens, "texts cut", "lacking a section", "no text", "same text after the cut as"]
    return Sheet(head, rows, caption, source=cell.source(layout.lengths(landscape.name)))


def _share(count: float, total: float) -> str:
    return f"{count:,.0f} ({count / max(total, 1):.0%})"


def training(cell: CellResults) -> dict[str, Any] | None:
    """What the adapter was trained on: pairs of each signal, negatives, families seen; None for zero-shot."""
    if not cell.recipe.signals:
        return None
    train = cell.pairs[cell.pairs["split"] == "train"]
    distinct = train.drop_duplicates(["signal", "anchor_id", "positive_id"])["signal"].value_counts()
    options = cell.params.finetune
    # A recipe that merges adapters trains each on its landscape's part of a batch, where the part's pairs are together.
    batches = train.groupby(["landscape", "step"] if cell.recipe.merge else ["step"])["position"]
    first, size = batches.transform("min"), batches.transform("size")
    conflicts = [
        sum(start <= int(other) < start + count for other in others)
        for others, start, count in zip(train["conflicts"], first, size, strict=True)
    ]
    kept = None if cell.recipe.merge else _kept(cell)
    seen = set(cell.seen["family_id"])
    drawn = {signal: int((train["signal"] == signal).sum()) for signal in cell.recipe.signals}
    pairs: list[list[Shown]] = [[signal, int(distinct.get(signal, 0)), count] for signal, count in drawn.items()]
    caption, files = f"Training pairs from {listed(cell.trained_on)}", cell.source(layout.PAIRS)
    return {
        "pairs": Sheet(["signal", "distinct pairs", "drawn in training"], pairs, caption, source=files),
        "used": int(distinct.sum()),
        "fewer": fewer(int(distinct.sum()), options, cell.trained_on),
        "steps": options.steps,
        "batch": options.batch,
        "negatives": float((size - 1 - np.array(conflicts)).mean()),
        "kept": None if kept is None else (kept["step"], kept["loss"]),
        "seen": [
            (landscape.name, len(seen & set(ranked)), len(ranked))
            for landscape in cell.landscapes
            for ranked in [landscape.pool.loc[landscape.pool["ranked"], "family_id"]]
        ],
    }


def fewer(used: int, options: Finetune, sources: list[str]) -> str:
    """Why training saw fewer distinct pairs than `finetune.pairs`; "" where it did not."""
    room = options.steps * options.batch
    why = [f"the steps have room for {room:,}"] if room < options.pairs else []
    if used < min(room, options.pairs):
        one = len(sources) == 1
        why.append(
            f"{sources[0]} has no more" if one else f"{listed(sources)} give equal shares, and not all have enough"
        )
    return f"fewer than the {options.pairs:,} asked for: {'; '.join(why)}" if why else ""


def dev_losses(cell: CellResults) -> tuple[float | None, float | None]:
    """Loss on the dev pairs before training and at the checkpoint kept; None where it was not measured."""
    before = cell.curve[(cell.curve["split"] == "dev") & (cell.curve["step"] == 0)]["loss"]
    kept = _kept(cell)
    return (float(before.iloc[0]) if len(before) else None, kept["loss"] if kept else None)


def _kept(cell: CellResults) -> dict[str, Any] | None:
    """The row of the curve whose checkpoint became the adapter: the lowest dev loss after any step."""
    dev = cell.curve[(cell.curve["split"] == "dev") & (cell.curve["step"] > 0)]
    return min(records(dev), key=lambda row: (row["loss"], row["step"]), default=None)


def costs(cell: CellResults) -> Sheet | None:
    """Time, throughput, load, memory, energy and device of every stage; None without any record."""
    places = sorted(cell.costs.items())
    every = [(stage, where, stages[stage]) for stage in STAGES for where, stages in places if stage in stages]
    if not every:
        return None
    rows: list[list[Shown]] = []
    seconds = sum(record["seconds"] for *_, record in every)
    said = [
        f"{seconds:,.0f} seconds in all; each stage as measured when it first ran, also where its results were restored"
    ]
    for stage, where, record in every:
        rates = [_rounded(record.get(key)) for key in ("texts_per_second", "tokens_per_second")]
        busy = f"{record['busy']:.0%}" if "busy" in record else None
        of_gpu = [record.get(key) for key in ("peak_gpu_mib", "gpu_seconds", "watt_hours")]
        device = record.get("gpu") or record.get("device", "")
        taken = [f"{record['seconds']:.1f}", *rates, busy, record.get("peak_mib"), *of_gpu, device]
        rows.append([stage, "" if where == layout.CELL else where, *taken])
        if "computed" in record and (saved := record["texts"] - record["computed"]):
            of = stage if where == layout.CELL else f"{stage} on {where}"
            texts = f"{saved:,} of its {record['texts']:,} texts"
            said.append(f"{of} took the results of {texts} from the scratch, which cost it no time")
    if any("tokens" in record for *_, record in every):
        said.append("tokens: those that the model read, without padding, from the first batch to the last")
    said += [words for by, words in _BUSY.items() if any(record.get("busy_by") == by for *_, record in every)]
    head = ["stage", "landscape", "seconds", "texts a second", "tokens a second", "busy", "peak MiB"]
    head += ["peak GPU MiB", "GPU seconds", "Wh", "device"]
    files = cell.source(layout.cost("").parents[1])
    return Sheet(head, rows, "; ".join(said), texts=2, source=files).filled()


_BUSY = {
    "processor time": "busy: the share of all processors' time that the stage used, from the first batch to the last",
    "driver": "busy: the share of the time in which the GPU computed, from the first batch to the last, and "
    "Wh its energy, as its driver says",
}


def _rounded(rate: float | None) -> float | None:
    return round(rate) if rate is not None and rate >= 10 else rate  # a large model may be below one a second


def licences(cell: CellResults) -> Sheet:
    """Licence of the model and of every landscape."""
    rows = [["model", cell.params.model, cell.model.licence, cell.model.contamination or ""]]
    rows += [["landscape", place.name, place.entry.licence, place.entry.description] for place in cell.landscapes]
    files = cell.source(layout.registry("models"), layout.registry("landscapes"))
    return Sheet(["", "id", "licence", "note"], rows, texts=4, source=files)
