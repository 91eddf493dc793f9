"""Compare the scores at hand with the expected ones that are committed; recomputes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages import layout
from stages.errors import UserError, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from stages.params import Params

app = typer.Typer(add_completion=False)

# By metric: difference up to which a score is OK, and up to which it is close. Vectors differ in their last bits
# between processors, which swaps near ties; k-means and thresholds turn such swaps into more.
TOLERANCE = {"nDCG@10": (0.0005, 0.005), "R@100": (0.0005, 0.005), "micro-F1": (0.001, 0.01), "V-measure": (0.002, 0.03)}  # fmt: skip
KEYS = ["parameters", "cell", "landscape", "task", "system", "scope", "metric"]


@app.command()
def main(
    grid: Annotated[bool, typer.Option("--grid", help="Verify every experiment of this code version.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Make the scores at hand the expected ones.")] = False,
) -> None:
    """Print OK, close or FAIL for each expected score of the cell at hand, and where each stage's output comes from."""
    from stages.summary import records

    found = _grid() if grid else _workspace()
    if accept:
        _accept(found)
        return
    expected = _expected()
    if not set(found["parameters"]) & set(expected["parameters"]):
        raise UserError(f"{layout.EXPECTED}: no expected scores for {', '.join(sorted(set(found['cell'])))}; `python -m stages.verify --accept` writes them")  # fmt: skip
    lines = compare(found, expected)
    for line in records(lines):
        at_hand = "missing" if math.isnan(line["value_at_hand"]) else f"{line['value_at_hand']:.4f}"
        ok, close = TOLERANCE[line["metric"]]
        where = "  ".join(line[key] for key in KEYS[1:])
        print(f"{line['verdict']:<5} {where}  {at_hand}, expected {line['value']:.4f} (OK within {ok:g}, close within {close:g})")  # fmt: skip
    for name in sorted(set(found["cell"]) - set(lines["cell"])):
        print(f"-     {name}: no expected scores")
    if not grid:
        print("\n".join(origins()))
    counts = lines["verdict"].value_counts()
    print(", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in ("OK", "close", "FAIL")))
    if counts.get("FAIL", 0):
        raise typer.Exit(1)


def compare(found: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Expected scores of the cells at hand beside those at hand.

    Args:
        found: `KEYS` and `value`.
        expected: the same.

    Returns:
        `KEYS`, `value` (expected), `value_at_hand` (NaN where missing), `verdict`.
    """
    import numpy as np

    ours = expected[expected["parameters"].isin(found["parameters"])]
    keys = [key for key in KEYS if key != "cell"]
    both = ours.merge(found[[*keys, "value"]], on=keys, how="left", suffixes=("", "_at_hand"))
    # Both are printed to four decimals: half of the last one must not decide.
    difference = (both["value"] - both["value_at_hand"]).abs().round(4)
    ok, close = (both["metric"].map({name: bound[place] for name, bound in TOLERANCE.items()}) for place in (0, 1))
    return both.assign(verdict=np.select([difference <= ok, difference <= close], ["OK", "close"], "FAIL"))


def origins() -> list[str]:
    """For each stage on each landscape, whether its output was computed here or restored."""
    from stages import costs
    from stages.files import read_json

    lines, hashes = [], _locked()
    for path in sorted((layout.DATA / "costs").rglob("*.json")):
        _read(path, hashes)
        maker = read_json(path).get("computed_by", "")
        said = "computed here" if maker and maker == costs.account() else "from the cache, computed elsewhere" if maker else "not recorded"  # fmt: skip
        where = "" if path.parent.name == layout.CELL else f"@{path.parent.name}"
        lines.append(f"stage {path.stem}{where}: {said}")
    return lines


def _workspace() -> pd.DataFrame:
    from stages import params

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
    from stages import records

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
    from stages.files import read_yaml

    stages = read_yaml(layout.LOCK)["stages"].values() if layout.LOCK.exists() else []
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", []) if "md5" in out}


def _grid() -> pd.DataFrame:
    import pandas as pd

    from stages.grid.experiments import show
    from stages.grid.gather import current

    return pd.concat([_scores(show(one.commit, layout.SCORES.as_posix()), one.params) for one in current()])


def _scores(text: str, params: Params) -> pd.DataFrame:
    """The scores of a cell that have a tolerance, with the cell's name and the digest of its parameters."""

    from stages import registry
    from stages.grid.experiments import digest
    from stages.summary import parse_scores

    sources = params.trained_on(registry.recipe(params.recipe))
    scores = parse_scores(text)
    scores = scores[scores["metric"].isin(list(TOLERANCE)) & ~scores["system"].str.startswith("oracle-")]
    views = params.query_view if params.query_view == params.document_view else f"{params.query_view}-to-{params.document_view}"  # fmt: skip
    words: list[Any] = [params.model, params.recipe, *(["+".join(sources)] if sources else []), views, f"fold{params.tasks.fold}"]  # fmt: skip
    named = scores.assign(cell="-".join(words), parameters=digest(params))
    return named[[*KEYS, "value"]]


def _expected() -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(layout.EXPECTED, keep_default_na=False, dtype={"parameters": "str"})
    except FileNotFoundError:
        return pd.DataFrame(columns=[*KEYS, "value"])


def _accept(found: pd.DataFrame) -> None:
    import pandas as pd

    from stages.files import write_text

    before = _expected()
    kept = before[~before["parameters"].isin(found["parameters"])]
    rows = pd.concat([part for part in (kept, found) if len(part)]).drop_duplicates(KEYS).sort_values(KEYS)
    write_text(layout.EXPECTED, rows.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    print(f"{layout.EXPECTED}: {len(set(found['parameters']))} cells, {len(found)} scores; commit it")


if __name__ == "__main__":
    run(app)
