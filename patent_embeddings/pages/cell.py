"""The page of one cell: what each of its sections says, as tables, facts and sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from patent_embeddings.core import layout
from patent_embeddings.core.tables import SPLITS
from patent_embeddings.corpus.codes import prefixes
from patent_embeddings.corpus.pool import out_of_reach, reachable
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import CLASSIFICATION, CLUSTERING, LABEL_SETS, ORACLES, RETRIEVAL
from patent_embeddings.pages import charts
from patent_embeddings.pages.shell import Cell as TableCell
from patent_embeddings.pages.shell import Score, Table, render
from patent_embeddings.pages.summary import Cell, Landscape, plots

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from patent_embeddings.core.params import Params

STAGES = ("download", "views", "tasks", "lengths", "pairs", "finetune", "embed", "bm25", "search", "fuse", "metrics")
SCOPES = {"in": "IN", "out": "OUT", "in-paired": "IN, paired", "out-paired": "OUT, paired"}
TOP = 5  # results shown for each system in the worked example
COINCIDE = 0.05  # share of families with the same text from which two views are named as coinciding


def page(cell: Cell) -> str:
    """The whole page as HTML."""

    pictures = {
        name: charts.filled(charts.spec(name), [{**row, "rev": cell.name} for row in rows])
        for name, rows in plots(cell).items()
        if rows
    }
    return render(
        "cell.html.j2",
        charts=pictures,
        cell=cell,
        facts=facts(cell),
        missing=[sentence for landscape in cell.landscapes for sentence in missing(cell, landscape)],
        noted=[sentence for landscape in cell.landscapes for sentence in noted(cell, landscape)],
        retrieval=retrieval(cell),
        inout=inout(cell),
        unknown=[unknown(landscape) for landscape in cell.landscapes if len(landscape.qrels)],
        fusion=fusion(cell),
        published=published(cell),
        classification=against_floor(cell, "classification", ("micro-F1", "macro-F1", "LRAP"), CLASSIFICATION),
        clustering=against_floor(cell, "clustering", ("V-measure", "AMI", "ARI"), CLUSTERING),
        lengths=[(landscape.name, lengths(cell, landscape)) for landscape in cell.landscapes],
        stand_for=[(name, view.study) for name, view in sorted(cell.views.items()) if view.study],
        training=training(cell),
        examples=[shown for landscape in cell.landscapes if (shown := example(cell, landscape))],
        costs=costs(cell),
        licences=licences(cell),
    )


def facts(cell: Cell) -> list[tuple[str, str]]:
    """Which cell this is: everything that a reader needs to compute it again."""
    params, model = cell.params, cell.model
    tuned = params.embed.adapter_scale
    weights = (
        [f"{cell.scale:g} {'chosen on dev' if cell.recipe.scale == 'dev' else 'of the recipe'}"] if cell.scale else []
    )
    weights += [f"{tuned:g} when embedding"] if cell.recipe.signals and tuned != 1 else []
    sided = ", on the query's side too" if params.bm25.query_side else ""
    return [
        ("Model", f"{params.model}: {model.hub}, {model.parameters:g} M parameters, {model.dimension} dimensions"),
        ("Revision", model.revision or "none pinned"),
        ("Recipe", f"{params.recipe}: {cell.recipe.description}"),
        ("Trained on", ", ".join(cell.trained_on) or "nothing (zero-shot)"),
        ("Evaluated on", ", ".join(landscape.name for landscape in cell.landscapes)),
        ("Views", f"{params.query_view} for queries, {params.document_view} for documents"),
        ("Texts cut at", f"{model.kept(params.embed.length)} tokens"),
        ("Vectors", f"{params.search.dimensions or model.dimension} dimensions, {params.embed.dtype}"),
        *([("Documents", passages(params))] if params.embed.passages.tokens else []),
        *([("Centred", "on the mean of the ranked documents")] if params.search.centre != "none" else []),
        *([("Adapter weighed", " times ".join(weights))] if weights else []),
        ("Split", f"seed {params.tasks.seed}, fold {params.tasks.fold} of 0 to 4; pool: {params.tasks.pool}"),
        ("Seeds", f"training {params.finetune.seed}, metrics {params.metrics.seed}"),
        ("BM25", f"k1 {params.bm25.k1:g}, b {params.bm25.b:g}{sided}"),
    ]


def passages(params: Params) -> str:
    """How documents are cut and scored, in words."""
    cut = params.embed.passages
    scored = {"best": "their best one", "top3": "the mean of their best three"}[params.search.passages]
    return f"in passages of {cut.tokens} tokens, one every {cut.stride}, scored by {scored}"


def missing(cell: Cell, landscape: Landscape) -> list[str]:
    """What could not be measured on a landscape, and why, a sentence each."""
    ours = cell.scores[cell.scores["landscape"] == landscape.name]
    retrieved = ours[ours["task"] == "retrieval"]
    out = []
    if landscape.qrels.empty:
        out.append(f"{landscape.name} has no citations between its families: no retrieval and no fusion.")
    elif retrieved.empty:
        out.append(f"{landscape.name} has no test query with a relevant family: no retrieval scores.")
    else:
        scopes = set(retrieved["scope"])
        lacking = [name.upper() for name in ("in", "out") if name not in scopes]
        if lacking:
            out.append(f"{landscape.name} has no test query with relevant families {' or '.join(lacking)}.")
        elif "in-paired" not in scopes:
            out.append(f"{landscape.name} has no test query with relevant families both IN and OUT: nothing paired.")
    if len(landscape.fusion) and "dev" not in set(landscape.fusion["split"]):
        out.append(f"{landscape.name} has no dev query with a relevant family: its fusions are not tuned.")
    if landscape.labels.empty:
        out.append(f"{landscape.name} has neither codes nor labels: no classification and no clustering.")
    else:
        if landscape.labels.explode("labels").groupby("label_set")["labels"].nunique().max() < 2:
            out.append(f"{landscape.name} has one code or label only: its classification tells nothing apart.")
        reasons = {"classification": unclassified, "clustering": unclustered}
        out += [
            f"{landscape.name} {why(landscape.labels)}: no {task}."
            for task, why in reasons.items()
            if task not in set(ours["task"])
        ]
    return out


def unclassified(labels: pd.DataFrame) -> str:
    """Why no label set could be classified: what some split lacks."""
    lacking = [split for split in SPLITS if split not in set(labels["split"])]
    if lacking:
        return f"has no family with a code or label in its {' and '.join(lacking)} split{'s' * (len(lacking) > 1)}"
    return "has no label set with families in each of train, dev and test"


def unclustered(labels: pd.DataFrame) -> str:
    """Why no label set could be clustered: what its test families lack."""
    test = labels[labels["split"] == "test"]
    if test.empty:
        return "has no family with a code or label in its test split"
    names = test["labels"].str[0].groupby(test["label_set"]).nunique()
    if names.max() < 2:
        return f"has one code or label only among its {test['family_id'].nunique()} test families"
    return f"has {test['family_id'].nunique()} test families with codes or labels, fewer than two for each of them"


def noted(cell: Cell, landscape: Landscape) -> list[str]:
    """What was read in a way to bear in mind, and what the pool keeps out of reach, a sentence each."""
    notes = cell.costs.get(landscape.name, {}).get("download", {}).get("notes", {})
    # Counts are numbers; a text is a count with its example.
    out = [f"{landscape.name}: {key}: {value}." for key, value in notes.items() if isinstance(value, str)]
    if cell.params.tasks.pool == "earlier":
        reach = reachable(landscape.qrels, landscape.pool, earlier=True)
        lost = out_of_reach(landscape.qrels, reach, landscape.queries)
        out += [f"{landscape.name}: {lost}."] if lost else []
    return out


def retrieval(cell: Cell) -> Table | None:
    """Headline table: every system on every landscape, all relevant families."""
    rows = cell.scores[(cell.scores["task"] == "retrieval") & (cell.scores["scope"] == "all")]
    metrics = ("nDCG@10", "nDCG@100", "R@100", "AP", "RR")
    return _scored(rows, metrics, RETRIEVAL, "All relevant families, mean over n test queries")


def inout(cell: Cell) -> Table | None:
    """IN against OUT for every system: the queries of each scope, and those that have both."""
    rows = cell.scores[(cell.scores["task"] == "retrieval") & (cell.scores["metric"] == "nDCG@10")]
    rows = rows[rows["scope"].isin(list(SCOPES))]
    turned = rows.assign(metric=rows["scope"].map(SCOPES))
    return _scored(
        turned,
        tuple(SCOPES.values()),
        RETRIEVAL,
        "nDCG@10, mean over n test queries (n in the order of the columns where it differs)",
    )


def unknown(landscape: Landscape) -> str:
    """How many relevant pairs of the test queries are IN, OUT or of unknown scope."""
    tests = landscape.queries.loc[landscape.queries["split"] == "test", "query_id"]
    pairs = landscape.qrels[(landscape.qrels["relevance"] > 0) & landscape.qrels["query_id"].isin(tests)]
    count = pairs["scope"].value_counts()
    return (
        f"{landscape.name}: {len(tests)} test queries, {len(pairs)} relevant pairs: {count.get('in', 0)} IN, "
        f"{count.get('out', 0)} OUT, {count.get('unknown', 0)} of unknown scope (a side has no IPC code)."
    )


def fusion(cell: Cell) -> Table | None:
    """Both legs, both fusions as chosen on dev, and the oracles, set apart."""
    rows: list[list[TableCell]] = []
    for landscape in cell.landscapes:
        ours = cell.scores[
            (cell.scores["landscape"] == landscape.name)
            & (cell.scores["task"] == "retrieval")
            & (cell.scores["scope"] == "all")
            & (cell.scores["metric"] == cell.params.fuse.metric)
        ]
        scores = {row["system"]: row for row in records(ours)}
        for system in ("bm25", "dense", "rrf", "interpolation", *ORACLES):
            if system in scores:
                setting = _setting(landscape.fusion, system)
                name = f"{system} (tuned on test, not a score)" if system in ORACLES else system
                rows.append([landscape.name, name, setting, _score(scores[system])])
    if not rows:
        return None
    return Table(
        ["landscape", "system", "setting", cell.params.fuse.metric], rows, "Mean over the test queries", texts=3
    )


def _setting(table: pd.DataFrame, system: str) -> str:
    method, flag = system.removeprefix("oracle-"), "oracle" if system in ORACLES else "chosen"
    found = table.loc[(table["method"] == method) & table[flag], "value"]
    if found.empty:
        return ""
    return f"k = {found.iloc[0]:g}" if method == "rrf" else f"weight of dense {found.iloc[0]:g}"


def published(cell: Cell) -> Table | None:
    """Figures that others printed for this model, view and landscape, and ours over the same queries: all of them."""
    rows: list[list[TableCell]] = [
        [landscape.name, row["name"], row["scope"], row["metric"], row["source"], row["certainty"], row["note"] or None,
         row["value"] if math.isnan(row["low"]) else Score(row["value"], row["low"], row["high"]),
         None if math.isnan(row["ours"]) else row["ours"]]
        for landscape in cell.landscapes
        for row in records(landscape.published)
    ]  # fmt: skip
    if not rows:
        return None
    head = ["landscape", "system as printed", "scope", "metric", "source", "certainty", "note", "published", "ours"]
    return Table(head, rows, "Mean over all queries, dev, test and train together", texts=7)


def against_floor(cell: Cell, task: str, metrics: tuple[str, ...], systems: tuple[str, ...]) -> Table | None:
    """Scores of a label task, a row for each label set and system, floors included."""
    rows = cell.scores[cell.scores["task"] == task]
    how = " (intervals from subsamples and seeds)" if task == "clustering" else ""
    return _scored(rows, metrics, systems, f"Over n test families{how}", by_label=True)


def _scored(
    scores: pd.DataFrame, metrics: Sequence[str], systems: Sequence[str], caption: str, by_label: bool = False
) -> Table | None:
    """Scores turned into a table: landscape, label set and system down, metrics across, with 95 % intervals."""
    lines: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for row in records(scores[scores["system"].isin(systems) & scores["metric"].isin(metrics)]):
        key = (row["landscape"], row["scope"] if by_label else "", row["system"])
        lines.setdefault(key, {})[row["metric"]] = row
    if not lines:
        return None
    sets = {name: place for place, name in enumerate(LABEL_SETS)}
    ordered = sorted(lines, key=lambda key: (key[0], sets.get(key[1], len(sets)), key[1], systems.index(key[2])))
    table: list[list[TableCell]] = []
    for key in ordered:
        line = lines[key]
        sizes = [line[metric]["n"] for metric in metrics if metric in line]
        shown = sizes if len(set(sizes)) > 1 else sizes[:1]
        table.append(
            [key[0], *([key[1]] if by_label else []), key[2], " / ".join(map(str, shown)),
             *(_score(line[metric]) if metric in line else None for metric in metrics)]
        )  # fmt: skip
    keys = ["landscape", *(["label set"] if by_label else []), "system"]
    return Table([*keys, "n", *metrics], table, f"{caption}, with 95 % intervals where n suffices", texts=len(keys))


def _score(row: dict[str, Any]) -> Score:
    return Score(row["value"], row["ci_low"], row["ci_high"])


def lengths(cell: Cell, landscape: Landscape) -> Table:
    """What each view's texts lack and lose, and which views coincide after the cut."""
    rows: list[list[TableCell]] = []
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
        alike = [f"{other} ({share:.0%})" for other, share in sorted(same.items(), key=lambda item: (-item[1], item[0])) if share >= COINCIDE]  # fmt: skip
        rows.append(
            [f"{name} *" if name in used else name, int(value["median-tokens"]), int(value["p90-tokens"]), int(value["length"]),
             _share(value["truncated"], sampled), _share(value["incomplete"], families), _share(value["empty"], families),
             ", ".join(alike) or None]
        )  # fmt: skip
    measured = f", tokens of a sample of {sampled:,.0f}" if sampled < len(landscape.families) else ""
    caption = f"{landscape.name}, {len(landscape.families):,} families{measured}; * view of this cell"
    return Table(
        ["view", "median tokens", "90th percentile", "cut at", "texts cut", "lacking a section", "no text",
         "same text after the cut as"], rows, caption,
    )  # fmt: skip


def _share(count: float, total: float) -> str:
    return f"{count:,.0f} ({count / max(total, 1):.0%})"


def training(cell: Cell) -> dict[str, Any] | None:
    """What the adapter was trained on: pairs of each signal, negatives, families seen; None for zero-shot."""
    if not cell.recipe.signals:
        return None
    train = cell.pairs[cell.pairs["split"] == "train"]
    distinct = train.drop_duplicates(["signal", "anchor_id", "positive_id"])["signal"].value_counts()
    asked = cell.params.finetune.pairs
    batch = train.groupby("step")["position"].transform("size")
    negatives = batch - 1 - train["conflicts"].map(len)
    dev = cell.curve[cell.curve["split"] == "dev"]
    kept = min(records(dev), key=lambda row: (row["loss"], row["step"]), default=None)
    seen = set(cell.seen["family_id"])
    return {
        "pairs": Table(
            ["signal", "distinct pairs", "drawn in training"],
            [[signal, int(distinct.get(signal, 0)), int((train["signal"] == signal).sum())] for signal in cell.recipe.signals],
            f"Training pairs from {', '.join(cell.trained_on)}",
        ),
        "used": int(distinct.sum()),
        "asked": asked,
        "steps": cell.params.finetune.steps,
        "batch": cell.params.finetune.batch,
        "negatives": float(negatives.mean()),
        "kept": None if kept is None else (kept["step"], kept["loss"]),
        "seen": [
            (landscape.name, len(seen & set(ranked)), len(ranked))
            for landscape in cell.landscapes
            for ranked in [landscape.pool.loc[landscape.pool["ranked"], "family_id"]]
        ],
    }  # fmt: skip


def example(cell: Cell, landscape: Landscape) -> dict[str, Any] | None:
    """The query of the worked example, and the top of every system for it."""
    query = landscape.example
    if query is None:
        return None
    ours = landscape.qrels[(landscape.qrels["relevance"] > 0) & (landscape.qrels["query_id"] == query)]
    hits = dict(zip(ours["family_id"], ours["scope"], strict=True))
    families = landscape.families
    titles = dict(zip(families["family_id"], families["title"], strict=True))
    codes = prefixes(families.loc[families["family_id"] == query, "ipc"].iloc[0], 3)
    systems = []
    for system, run in landscape.runs.items():
        ranked = run.sort_values("rank")
        top = [
            {"title": titles[family] or "(no title)", "id": family, "scope": hits.get(family)}
            for family in ranked["family_id"].head(TOP)
        ]
        first = ranked.loc[ranked["family_id"].isin(list(hits)), "rank"]
        systems.append({"name": system, "top": top, "first": int(first.min()) if len(first) else None})
    count = list(hits.values())
    return {
        "landscape": landscape.name,
        "query": query,
        "title": titles[query] or "(no title)",
        "codes": ", ".join(sorted(codes)) or "none",
        "relevant": ", ".join(f"{count.count(scope)} {scope}" for scope in ("in", "out", "unknown") if scope in count),
        "systems": systems,
    }


def costs(cell: Cell) -> Table | None:
    """Seconds, texts per second, memory and device of every stage."""
    rows = []
    for stage in (*STAGES, *sorted({name for stages in cell.costs.values() for name in stages} - set(STAGES))):
        for where, stages in sorted(cell.costs.items()):
            if stage in stages:
                record = stages[stage]
                rows.append(
                    [stage, "" if where == layout.CELL else where, f"{record['seconds']:.1f}",
                     f"{record['texts_per_second']:,.0f}" if "texts_per_second" in record else None,
                     record.get("peak_mib"), record.get("device", "")]
                )  # fmt: skip
    if not rows:
        return None
    seconds = sum(record["seconds"] for stages in cell.costs.values() for record in stages.values())
    caption = f"{seconds:,.0f} seconds in all, of whoever computed each stage: a restored stage keeps the cost of its first run"
    return Table(["stage", "landscape", "seconds", "texts a second", "peak MiB", "device"], rows, caption, texts=2)


def licences(cell: Cell) -> Table:
    """Licence of the model and of every landscape."""
    rows = [["model", cell.params.model, cell.model.licence, cell.model.contamination or ""]]
    rows += [["landscape", place.name, place.entry.licence, place.entry.description] for place in cell.landscapes]
    return Table(["", "id", "licence", "note"], rows, texts=4)
