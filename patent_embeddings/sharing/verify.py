"""Compare the scores at hand with the expected ones that are committed; recomputes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from patent_embeddings.core import costs, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, read_yaml, write_text
from patent_embeddings.evaluation.scores import parse_scores
from patent_embeddings.grid.experiments import digest, show
from patent_embeddings.grid.gather import current
from patent_embeddings.pairs.entries import recipe_entry
from patent_embeddings.sharing import records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from patent_embeddings.core.params import Params

# By metric: difference up to which a score is OK, and up to which it is close. Vectors differ in their last bits
# between processors, which swaps near ties; k-means and thresholds turn such swaps into more.
TOLERANCE = {"nDCG@10": (0.0005, 0.005), "R@100": (0.0005, 0.005), "micro-F1": (0.001, 0.01), "V-measure": (0.002, 0.03)}  # fmt: skip
KEYS = ["parameters", "cell", "landscape", "task", "system", "scope", "metric"]


def compare(found: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Expected scores of the cells at hand beside those at hand.

    Args:
        found: `KEYS` and `value`.
        expected: the same.

    Returns:
        `KEYS`, `value` (expected), `value_at_hand` (NaN where missing), `verdict`.
    """

    ours = expected[expected["parameters"].isin(found["parameters"])]
    keys = [key for key in KEYS if key != "cell"]
    both = ours.merge(found[[*keys, "value"]], on=keys, how="left", suffixes=("", "_at_hand"))
    # Both are printed to four decimals: half of the last one must not decide.
    difference = (both["value"] - both["value_at_hand"]).abs().round(4)
    ok, close = (both["metric"].map({name: bound[place] for name, bound in TOLERANCE.items()}) for place in (0, 1))
    return both.assign(verdict=np.select([difference <= ok, difference <= close], ["OK", "close"], "FAIL"))


def origins() -> list[str]:
    """For each stage on each landscape, whether its output was computed here or restored."""

    lines, hashes = [], _locked()
    for path in sorted((layout.DATA / "costs").rglob("*.json")):
        _read(path, hashes)
        maker = read_json(path).get("computed_by", "")
        said = "computed here" if maker and maker == costs.account() else "from the cache, computed elsewhere" if maker else "not recorded"  # fmt: skip
        where = "" if path.parent.name == layout.CELL else f"@{path.parent.name}"
        lines.append(f"stage {path.stem}{where}: {said}")
    return lines


def _workspace() -> pd.DataFrame:
    from patent_embeddings.core import params

    cell = params.load()
    return _scores(_read(layout.SCORES, _locked()), cell)


def _read(path: Path, hashes: Mapping[str, str]) -> str:
    """Text of an output; outputs are links into DVC's cache, which DVC believes.

    Args:
        path: of the output.
        hashes: of dvc.lock; an output that has none there is taken as it is.

    Raises:
        UserError: there is no such file, or not with this hash.
    """

    try:
        content = path.read_bytes()
        if oid := hashes.get(path.as_posix()):
            records.whole(content, oid)
        return content.decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except (records.Unfit, UnicodeDecodeError):
        raise UserError(f"{path}: not the file that {layout.LOCK} names: changed since, or damaged in DVC's cache; run `python -m stages.share check`, then `dvc repro`") from None  # fmt: skip


def _locked() -> dict[str, str]:
    """Path -> hash of every output in dvc.lock; nothing where nothing was computed."""

    stages = read_yaml(layout.LOCK)["stages"].values() if layout.LOCK.exists() else []
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", []) if "md5" in out}


def _grid() -> pd.DataFrame:

    return pd.concat([_scores(show(one.commit, layout.SCORES.as_posix()), one.params) for one in current()])


def _scores(text: str, params: Params) -> pd.DataFrame:
    """The scores of a cell that have a tolerance, with the cell's name and the digest of its parameters."""

    sources = params.trained_on(recipe_entry(params.recipe))
    scores = parse_scores(text)
    scores = scores[scores["metric"].isin(list(TOLERANCE)) & ~scores["system"].str.startswith("oracle-")]
    views = params.query_view if params.query_view == params.document_view else f"{params.query_view}-to-{params.document_view}"  # fmt: skip
    words: list[Any] = [params.model, params.recipe, *(["+".join(sources)] if sources else []), views, f"fold{params.tasks.fold}"]  # fmt: skip
    named = scores.assign(cell="-".join(words), parameters=digest(params))
    return named[[*KEYS, "value"]]


def _expected() -> pd.DataFrame:

    try:
        return pd.read_csv(layout.EXPECTED, keep_default_na=False, dtype={"parameters": "str"})
    except FileNotFoundError:
        return pd.DataFrame(columns=[*KEYS, "value"])


def _accept(found: pd.DataFrame) -> None:

    before = _expected()
    kept = before[~before["parameters"].isin(found["parameters"])]
    rows = pd.concat([part for part in (kept, found) if len(part)]).drop_duplicates(KEYS).sort_values(KEYS)
    write_text(layout.EXPECTED, rows.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    print(f"{layout.EXPECTED}: {len(set(found['parameters']))} cells, {len(found)} scores; commit it")
