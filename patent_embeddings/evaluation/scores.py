"""TODO."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.evaluation.systems import HEADLINE, RETRIEVAL, pick

if TYPE_CHECKING:
    import pandas as pd


def scores_csv(scores: pd.DataFrame) -> str:
    """`reports/scores.csv`: rows of `SCORES`, sorted by key, four decimals."""

    rows = scores.sort_values(list(SCORES.key))
    return _csv(list(SCORES.columns), records(rows))


def read_scores() -> pd.DataFrame:
    """Rows of `reports/scores.csv`. Raises UserError where there is none yet."""

    try:
        return parse_scores(layout.SCORES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{layout.SCORES}: no such file; run `dvc repro` first") from None


def parse_scores(text: str) -> pd.DataFrame:
    """Rows of the text of `reports/scores.csv`. Raises UserError where it is damaged."""

    try:
        none = {bound: [""] for bound in SCORES.around["value"]}
        found = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=none)
        return found[list(SCORES.columns)]
    except (ValueError, KeyError):
        raise UserError(f"{layout.SCORES}: damaged; `dvc repro report` writes it again") from None


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """A dict of plain Python values for each row."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def table(scores: pd.DataFrame) -> str:
    """The short table that ends a run: a line a landscape, fixed width; `scores` as in `scores_csv`."""
    heads = ["bm25", "dense", "rrf", "interp.", "in", "out", "micro-F1", "AMI"]
    wanted: list[tuple[str, str, str | None, str]] = [
        *(("retrieval", system, "all", "nDCG@10") for system in RETRIEVAL[:4]),
        ("retrieval", "dense", "in-paired", "nDCG@10"),
        ("retrieval", "dense", "out-paired", "nDCG@10"),
        HEADLINE["f1"],
        HEADLINE["ami"],
    ]
    width = max([len(name) for name in scores["landscape"]] + [9])
    lines = [
        f"{'':{width}}  {'nDCG@10':^31}  {'dense, paired':^15}  {'classif.':>8}  {'cluster':>7}",
        f"{'landscape':{width}}  " + "  ".join(f"{head:>{_width(head)}}" for head in heads),
    ]
    for landscape in sorted(scores["landscape"].unique()):
        ours = scores[scores["landscape"] == landscape]
        cells = [pick(ours, *key) for key in wanted]
        shown = [
            f"{'-' if value is None else f'{value:.4f}':>{_width(head)}}"
            for head, value in zip(heads, cells, strict=True)
        ]
        lines.append(f"{landscape:{width}}  " + "  ".join(shown))
    simulated = sorted(scores.loc[scores["simulated"].astype(bool), "landscape"].unique())
    if simulated:
        lines.append(f"simulated: {', '.join(simulated)}; these scores say nothing about real patents")
    return "\n".join(lines)


def _width(head: str) -> int:
    return max(len(head), 6)


def _csv(columns: list[str], rows: list[dict[str, Any]]) -> str:
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
