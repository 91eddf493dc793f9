"""Scores for people and for `dvc exp show`: reports/scores.csv, the headline numbers, a short table."""

from __future__ import annotations

import csv
import io
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.evaluation.systems import HEADLINE_LABELS, REQUIRED, Task, label_place

# Short name -> task, system, scope (None: the first of HEADLINE_LABELS), metric.
HEADLINE: dict[str, tuple[Task, str, str | None, str]] = {
    "ndcg": ("retrieval", "dense", "all", "nDCG@10"),
    "out": ("retrieval", "dense", "out", "nDCG@10"),
    "fused": ("retrieval", "interpolation", "all", "nDCG@10"),
    "f1": ("classification", "probe", None, "micro-F1"),
    "ami": ("clustering", "kmeans", None, "AMI"),
    "judged": ("retrieval", "dense", "all", "Judged@10"),
}


def scores_csv(scores: pd.DataFrame) -> str:
    """`reports/scores.csv`: rows of `SCORES`, sorted by key, four decimals."""
    return csv_text(list(SCORES.columns), records(scores.sort_values(list(SCORES.key))))


def read_scores() -> pd.DataFrame:
    """Rows of `reports/scores.csv`. Raises UserError: there is none yet, or it is damaged."""
    try:
        return parse_scores(layout.SCORES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{layout.SCORES}: no such file; run `dvc repro` first") from None


def parse_scores(text: str) -> pd.DataFrame:
    """Parse the text of `reports/scores.csv`. Raises UserError: it is damaged."""
    try:
        none = {bound: [""] for bound in SCORES.around["value"]}
        texts = {name: str for name, kind in SCORES.columns.items() if kind == "text"}  # a landscape may be called 1e5
        return pd.read_csv(io.StringIO(text), dtype=texts, keep_default_na=False, na_values=none)[list(SCORES.columns)]
    except (ValueError, KeyError):
        raise UserError(f"{layout.SCORES}: damaged; `dvc repro report` writes it again") from None


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts of plain Python values."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def headline(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """`reports/metrics.json`: up to six numbers a landscape, with names short enough for `dvc exp show`.

    `scores` are rows of `SCORES` of any landscapes. Returns numbers by landscape and short name, to four decimals. ndcg
    and out: nDCG@10 of the dense run, in scope `all` and `out`; fused: nDCG@10 of the interpolation; f1: micro-F1 of
    the probe; ami: AMI of k-means, both on IPC subclasses where the landscape has them; judged: Judged@10 of the dense
    run, where the judgements are the user's own. What was not measured is left out.
    """
    numbers: dict[str, dict[str, float]] = {}
    for landscape in sorted(scores["landscape"].unique()):
        ours = scores[scores["landscape"] == landscape]
        picked = {short: pick(ours, *key) for short, key in HEADLINE.items()}
        numbers[landscape] = {short: round(value, 4) for short, value in picked.items() if value is not None}
    return numbers


def pick(scores: pd.DataFrame, task: str, system: str, scope: str | None, metric: str) -> float | None:
    """One score of a landscape, None where it was not measured; scope None: its first label set of HEADLINE_LABELS."""
    rows = scores[(scores["task"] == task) & (scores["system"] == system) & (scores["metric"] == metric)]
    values = dict(zip(rows["scope"], rows["value"], strict=True))
    for name in [scope] if scope else sorted(values, key=lambda name: label_place(name, HEADLINE_LABELS)):
        if name in values:
            return float(values[name])
    return None


def short_table(scores: pd.DataFrame) -> str:
    """The fixed-width table that ends a run, a line for each landscape; `scores` are rows of `SCORES`."""
    heads = [name if len(name) < 8 else f"{name[:6]}." for name in REQUIRED]
    band = sum(map(_width, heads)) + 2 * (len(heads) - 1)
    heads += ["in", "out", "micro-F1", "AMI"]
    wanted: list[tuple[str, str, str | None, str]] = [
        *(("retrieval", system, "all", "nDCG@10") for system in REQUIRED),
        ("retrieval", "dense", "in-paired", "nDCG@10"),
        ("retrieval", "dense", "out-paired", "nDCG@10"),
        HEADLINE["f1"],
        HEADLINE["ami"],
    ]
    width = max([len(name) for name in scores["landscape"]] + [9])
    lines = [
        f"{'':{width}}  {'nDCG@10':^{band}}  {'dense, paired':^15}  {'classif.':>8}  {'cluster':>7}",
        f"{'landscape':{width}}  " + "  ".join(f"{head:>{_width(head)}}" for head in heads),
    ]
    for landscape in sorted(scores["landscape"].unique()):
        ours = scores[scores["landscape"] == landscape]
        cells = [pick(ours, *key) for key in wanted]
        shown = ["-" if value is None else f"{value:.4f}" for value in cells]
        filled = [f"{value:>{_width(head)}}" for head, value in zip(heads, shown, strict=True)]
        lines.append(f"{landscape:{width}}  " + "  ".join(filled))
    for landscape in sorted(scores["landscape"].unique()):
        ours = scores[scores["landscape"] == landscape]
        shares = {system: pick(ours, "retrieval", system, "all", "Judged@10") for system in REQUIRED}
        if judged := [f"{system} {share:.0%}" for system, share in shares.items() if share is not None]:
            lines.append(f"{landscape}: judged of the top ten: {', '.join(judged)}; unjudged counts as not relevant")
    if simulated := sorted(scores.loc[scores["simulated"].astype(bool), "landscape"].unique()):
        lines.append(f"simulated: {', '.join(simulated)}; these scores say nothing about real patents")
    return "\n".join(lines)


def _width(head: str) -> int:
    return max(len(head), 6)


def csv_text(columns: list[str], rows: list[dict[str, Any]]) -> str:
    """Rows as CSV: floats with four decimals, None and NaN as empty fields."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def _plain(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value + 0.0 if round(value, 4) else 0.0:.4f}"  # never -0.0000
    return str(value)
