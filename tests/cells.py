"""A finished cell in miniature: small consistent tables, as the stages before `report` would write them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from patent_embeddings.core import layout, tables
from patent_embeddings.core import params as params_
from patent_embeddings.core.files import write_json
from patent_embeddings.corpus.families import frame
from patent_embeddings.corpus.schemas import FAMILIES, LABELS, LENGTHS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.evaluation.schemas import COMPRESSION, FORMS, OUTCOMES, SCORES
from patent_embeddings.evaluation.schemas import ORACLES as BEST
from patent_embeddings.grid import keys
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.retrieval.schemas import FUSION, RUN
from patent_embeddings.training.schemas import CURVE, SEEN

HERE = Path(__file__).resolve().parents[1]
SYSTEMS = ("bm25", "dense", "rrf", "interpolation")
ORACLES = ("oracle-rrf", "oracle-interpolation")
_made: dict[tuple[str, str, tuple[str, ...]], tempfile.TemporaryDirectory[str]] = {}  # cells, each written once
HOSTILE = "<script>document.title='owned'</script> & <b>valve</b>\u2028 \"quoted\" 'apostrophe'"


def write_cell(
    root: Path, *, recipe: str = "r3", without: str = "", landscapes: tuple[str, ...] = ("sim-alpha", "sim-beta")
) -> None:
    """Write params, registry and every table that `report` reads under `root`, which must be the current folder.

    `without` is `citations` or `codes`: what the second landscape lacks.
    """  # fmt: skip
    key = (recipe, without, landscapes)
    if key in _made:
        shutil.copytree(_made[key].name, root, dirs_exist_ok=True)
        return
    params = yaml.safe_load((HERE / "params.yaml").read_text(encoding="utf-8"))
    params |= {"recipe": recipe, "landscape": landscapes[0], "evaluate_on": list(landscapes)}
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    shutil.copytree(HERE / "registry", root / "registry")
    for number, name in enumerate(landscapes):
        _landscape(name, np.random.default_rng(number), without if number else "")
    _training(recipe, landscapes[0])
    keys.write(params_.load())
    _made[key] = tempfile.TemporaryDirectory()
    shutil.copytree(root, _made[key].name, dirs_exist_ok=True)


def _landscape(name: str, rng: np.random.Generator, without: str) -> None:
    ids = [f"{name}-{i:03d}" for i in range(40)]
    titles = [f"Pressure regulator with adaptive seat, variant {i}" for i in range(40)]
    titles[0] = titles[5] = HOSTILE
    code = ["F16K 1/00" if i % 2 else "A61B 5/00" for i in range(40)]
    lacking_codes = without == "codes"
    texts = {"title": titles, "abstract": "A valve.", "claims": "1. A valve.", "description": ""}
    codes = {"ipc": [[] if lacking_codes else [c] for c in code], "cpc": [[] for _ in ids]}
    rest = {"jurisdiction": "US", "date": "2001-01-01", "labels": [[] for _ in ids]}
    families = frame(pd.DataFrame({"family_id": ids, **texts, **codes, **rest}).to_dict("records"))
    tables.write(families, layout.families(name), FAMILIES)
    splits = ["test" if i < 10 else "dev" if i < 15 else "train" for i in range(40)]
    pool = families[["family_id", "date"]].assign(before=families["date"], split=splits, ranked=True)
    tables.write(pool, layout.task(name, "pool"), POOL)

    asked = [] if without == "citations" else list(range(15))
    scope = ["unknown"] * 2 if lacking_codes else ["in", "out"]
    qrels = [(ids[q], ids[q + 20], 1, scope[0]) for q in asked] + [(ids[q], ids[q + 21], 1, scope[1]) for q in asked]
    tables.write(_frame(qrels, QRELS), layout.task(name, "qrels"), QRELS)
    queries = [(ids[q], splits[q], "", [], "") for q in asked]
    tables.write(_frame(queries, QUERIES), layout.task(name, "queries"), QUERIES)
    labelled = [] if lacking_codes else [(ids[i], "ipc-subclass", [code[i][:4]], splits[i]) for i in range(40)]
    tables.write(_frame(labelled, LABELS), layout.task(name, "labels"), LABELS)

    for shift, system in enumerate(SYSTEMS):
        first = 19 + shift % 3
        ranked = [
            (ids[q], ids[39 if (q + first + r) % 40 == q else (q + first + r) % 40], r + 1, 1.0 - r / 10)
            for q in asked
            for r in range(6)
        ]
        tables.write(_frame(ranked, RUN), layout.run(name, system), RUN)

    best = [(system, ids[q], ids[q + 20], 2) for system in ORACLES for q in asked]
    tables.write(_frame(best, BEST), layout.oracles(name), BEST)

    scores: list[tuple[object, ...]] = []
    if asked:
        scopes = ["all"] if lacking_codes else ["all", "in", "out", "in-paired", "out-paired"]
        scores += [("retrieval", system, s, metric) for system in (*SYSTEMS, *ORACLES) for s in scopes
                   for metric in ("nDCG@10", "nDCG@100", "R@100", "AP", "RR")]  # fmt: skip
    if labelled:
        scores += [
            ("classification", s, "ipc-subclass", m)
            for s in ("probe", "knn", "prior")
            for m in ("micro-F1", "macro-F1", "LRAP")
        ]
        scores += [
            ("clustering", s, "ipc-subclass", m) for s in ("kmeans", "random") for m in ("V-measure", "AMI", "ARI")
        ]
    rows = [(name, True, *key, v, v - 0.04, v + 0.05, 10) for key in scores for v in [float(rng.uniform(0.2, 0.8))]]
    # Too few queries for an interval.
    rows = [(*row[:7], float("nan"), float("nan"), 5) if row[4] == "out" else row for row in rows]
    tables.write(_frame(rows, SCORES), layout.scores(name), SCORES)
    # Each form a little worse than the one before, and the last two beyond chance.
    sizes = dict(zip(FORMS, (61485, 30765, 15405, 30781, 18429, 1953), strict=True))
    lost = [
        (form, metric, s, 0.5 - less, -less, -1.5 * less, 0.03 - less if less else 0.0, 10, 384, size, size / 40)
        for s in (scopes[:3] if asked else [])
        for metric in ("R@100", "nDCG@10")
        for less, (form, size) in zip((0, 0.01, 0.02, 0.03, 0.04, 0.05), sizes.items(), strict=True)
    ]
    tables.write(_frame(lost, COMPRESSION), layout.compression(name), COMPRESSION)

    luck = np.random.default_rng([len(scores), *map(ord, name)])
    outcomes = [
        (system, "retrieval", s, "nDCG@10", ids[q], splits[q], float(luck.uniform(0, 1)))
        for system in (*SYSTEMS, *ORACLES)
        for s in (scopes if asked else [])
        for q in asked
    ]
    tables.write(_frame(outcomes, OUTCOMES), layout.outcomes(name), OUTCOMES)

    fused = [
        ("interpolation", w / 10, split, "nDCG@10", 0.4 + 0.02 * w - 0.0017 * w * w, w == 6, w == 7)
        for w in range(11)
        for split in ("dev", "test")
    ]
    fused += [
        ("rrf", float(k), split, "nDCG@10", 0.44 + k / 1e4, k == 60, k == 60)
        for k in (10, 30, 60, 100)
        for split in ("dev", "test")
    ]
    tables.write(_frame(fused if asked else [], FUSION), layout.fusion(name), FUSION)

    views = sorted(yaml.safe_load(layout.registry("views").read_text(encoding="utf-8")))
    for view in views:
        read = [(one, f"{title}\nA valve.", True) for one, title in zip(ids, titles, strict=True)]
        tables.write(_frame(read, VIEW), layout.view(name, view), VIEW)
    lengths = [(view, statistic, value) for view in views for statistic, value in
               {"families": 40, "empty": 0, "incomplete": 3, "truncated": 12, "median-tokens": 180, "p90-tokens": 320,
                "length": 256, "sampled": 40} .items()]  # fmt: skip
    lengths += [(a, f"same-as:{b}", 38.0 if {a, b} == {"tac", "full"} else 0.0) for a in views for b in views if a != b]
    tables.write(_frame(lengths, LENGTHS), layout.lengths(name), LENGTHS)
    for stage in ("download", "embed", "bm25", "search"):
        write_json(
            layout.cost(stage, name),
            {"seconds": 3.25, "texts": 55, "readper_second": 16.9, "peak_mib": 410, "device": "cpu"},
        )


def _training(recipe: str, name: str) -> None:
    trained = recipe != "zero-shot"
    # Two steps of four pairs; every pair forbids one other of its batch, so that two negatives are left.
    pairs = [
        ("train", step, p, "section", "", *2 * [f"{name}-{20 + p:03d}"], "a", "b", [str((p + 1) % 4)], name)
        for step in (0, 1)
        for p in range(4)
    ]
    tables.write(_frame(pairs if trained else [], PAIRS), layout.PAIRS, PAIRS)
    seen = [(f"{name}-{20 + p:03d}",) for p in range(4)]
    tables.write(_frame(seen if trained else [], SEEN), layout.SEEN, SEEN)
    curve = [("train", s, 2.0 - 0.04 * s) for s in range(1, 41)] + [
        ("dev", 20, 1.3),
        ("dev", 30, 0.9),
        ("dev", 40, 1.0),
    ]
    tables.write(_frame(curve if trained else [], CURVE), layout.CURVE, CURVE)
    write_json(layout.cost("finetune"), {"seconds": 140.0, "device": "cpu", "peak_mib": 900})


def _frame(rows: list[tuple[object, ...]], table: tables.Table) -> pd.DataFrame:
    kinds = {
        "text": "str",
        "list": "object",
        "int": "int64",
        "bool": "bool",
        "float32": "float32",
        "float64": "float64",
    }
    frame = pd.DataFrame(rows, columns=list(table.columns))
    return frame.astype({name: kinds[kind] for name, kind in table.columns.items()})
