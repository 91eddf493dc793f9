"""Compare scores with the expected ones that are committed, and tell which outputs were computed here.

Nothing is recomputed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from patent_embeddings.core import costs, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, read_yaml, write_text
from patent_embeddings.core.tables import MEND
from patent_embeddings.evaluation import scores
from patent_embeddings.evaluation.systems import METRICS
from patent_embeddings.sharing import records

TOLERANCE = {one.name: one.tolerance for one in METRICS if one.tolerance}
KEYS = ["parameters", "cell", "landscape", "task", "system", "scope", "metric"]


def scored(text: str, cell: str, parameters: str) -> pd.DataFrame:
    """Scores of the text of reports/scores.csv that have a tolerance: `KEYS` and `value`.

    `cell` is the name and `parameters` the digest of the cell; expected scores are looked up by the digest.
    """
    found = scores.parse_scores(text)
    found = found[found["metric"].isin(list(TOLERANCE)) & ~found["system"].str.startswith("oracle-")]
    return found.assign(cell=cell, parameters=parameters)[[*KEYS, "value"]]


def at_hand() -> str:
    """Text of reports/scores.csv. Raises UserError where it does not exist, or does not have its hash of dvc.lock."""
    return _read(layout.SCORES, _locked())


def verified(found: pd.DataFrame) -> tuple[list[str], dict[str, int]]:
    """A line for each expected score of some cells, and the number of each verdict.

    `found` has `KEYS` and `value`. Raises UserError where there is no expected score of any of these cells.
    """
    expected = _expected()
    if not set(found["parameters"]) & set(expected["parameters"]):
        cells = ", ".join(sorted(set(found["cell"])))
        mend = "`python -m stages.verify --accept` writes them"
        raise UserError(f"{layout.EXPECTED}: no expected scores for {cells}; {mend}")
    compared = compare(found, expected)
    lines = []
    for line in scores.records(compared):
        value = "missing" if math.isnan(line["value_at_hand"]) else f"{line['value_at_hand']:.4f}"
        ok, close = TOLERANCE[line["metric"]]
        where = "  ".join(line[key] for key in KEYS[1:])
        bounds = f"OK within {ok:g}, close within {close:g}"
        lines.append(f"{line['verdict']:<5} {where}  {value}, expected {line['value']:.4f} ({bounds})")
    others = found.loc[~found["parameters"].isin(expected["parameters"]), "cell"]
    lines += [f"-     {name}: no expected scores" for name in sorted(set(others))]
    counts = compared["verdict"].value_counts()
    return lines, {verdict: int(counts.get(verdict, 0)) for verdict in ("OK", "close", "FAIL")}


def compare(found: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Match the expected scores with those found, both `KEYS` and `value`.

    Returns `KEYS`, `value` (expected), `value_at_hand` (NaN where missing), `verdict`.
    """
    ours = expected[expected["parameters"].isin(found["parameters"])]
    keys = [key for key in KEYS if key != "cell"]
    both = ours.merge(found[[*keys, "value"]], on=keys, how="left", suffixes=("", "_at_hand"))
    # Both have four decimals, so floating-point error must not decide.
    difference = (both["value"] - both["value_at_hand"]).abs().round(4)
    ok, close = (both["metric"].map({name: bound[place] for name, bound in TOLERANCE.items()}) for place in (0, 1))
    return both.assign(verdict=np.select([difference <= ok, difference <= close], ["OK", "close"], "FAIL"))


def accept(found: pd.DataFrame) -> None:
    """Make scores (`KEYS` and `value`) the expected ones; those of other cells stay."""
    before = _expected()
    kept = before[~before["parameters"].isin(found["parameters"])]
    rows = pd.concat([part for part in (kept, found) if len(part)]).drop_duplicates(KEYS).sort_values(KEYS)
    write_text(layout.EXPECTED, rows.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


def origins() -> list[str]:
    """For each stage on each landscape, whether its output was computed here or restored."""
    lines, hashes = [], _locked()
    for path in sorted((layout.DATA / "costs").rglob("*.json")):
        _read(path, hashes)
        maker = read_json(path).get("computed_by", "")
        said = "not recorded"
        if maker:
            said = "computed here" if maker == costs.account() else "from the cache, computed elsewhere"
        where = "" if path.parent.name == layout.CELL else f"@{path.parent.name}"
        lines.append(f"stage {path.stem}{where}: {said}")
    return lines


def _expected() -> pd.DataFrame:
    try:
        kinds = dict.fromkeys(KEYS, "str") | {"value": "float64"}
        rows = pd.read_csv(layout.EXPECTED, keep_default_na=False, dtype=kinds)[list(kinds)]
    except FileNotFoundError:
        return pd.DataFrame(columns=[*KEYS, "value"])
    except (ValueError, KeyError):
        rows = None
    if rows is None or not rows["parameters"].str.fullmatch("[0-9a-f]{12}").all():
        raise UserError(f"{layout.EXPECTED}: no table of scores; merge both sides' lines, or take the file from git")
    return rows


def _read(path: Path, hashes: Mapping[str, str]) -> str:
    """Text of an output, checked against its hash in dvc.lock, if any; DVC itself trusts such links into its cache.

    Raises UserError where there is no such file, or it does not have this hash.
    """
    try:
        content = path.read_bytes()
        if oid := hashes.get(path.as_posix()):
            records.whole(content, oid)
        return content.decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except (records.Unfit, UnicodeDecodeError):
        why = f"changed since, or damaged in DVC's cache; {MEND}"
        raise UserError(f"{path}: not the file that {layout.LOCK} names: {why}") from None


def _locked() -> dict[str, str]:
    """Hash of every output in dvc.lock, by path; empty where nothing was computed."""
    return records.locked(read_yaml(layout.LOCK)) if layout.LOCK.exists() else {}
