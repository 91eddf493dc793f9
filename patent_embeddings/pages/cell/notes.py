"""Notes on a cell's page: what could not be measured and why, and how its landscapes were read and judged."""

from __future__ import annotations

from patent_embeddings.corpus.feasibility import unclassified, unclustered
from patent_embeddings.corpus.pool import limits, reachable
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults

RELEVANCE = {
    "cited": "the families that the query cites",
    "linked": "the families that the query cites or that cite it",
    "judged": "what the user's own judgements say",
}


def missing(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """What could not be measured on a landscape and why, one sentence each."""
    ours = cell.scores[cell.scores["landscape"] == landscape.name]
    retrieved = ours[ours["task"] == "retrieval"]
    out = []
    if landscape.qrels.empty:
        what = "judgements" if landscape.judged else "citations between its families"
        out.append(f"{landscape.name} has no {what}: no retrieval and no fusion.")
    elif retrieved.empty:
        reach = "was published before it" if cell.params.tasks.pool == "earlier" else "is ranked"
        found = f" that {reach}" if (landscape.queries["split"] == "test").any() else ""
        out.append(f"{landscape.name} has no test query with a relevant family{found}: no retrieval scores.")
    else:
        scopes = set(retrieved["scope"])
        lacking = [name.upper() for name in ("in", "out") if name not in scopes]
        if lacking:
            out.append(f"{landscape.name} has no test query with relevant families {' or '.join(lacking)}.")
        elif "in-paired" not in scopes:
            out.append(f"{landscape.name} has no test query with relevant families both IN and OUT: no paired scores.")
    if len(landscape.fusion) and set(landscape.fusion["split"]) == {"test"}:
        crossed = landscape.judged and not cell.recipe.signals
        lacks = "scored queries of one fold only" if crossed else "no dev query with a relevant family"
        out.append(f"{landscape.name} has {lacks}: its fusions are not tuned.")
    if landscape.labels.empty:
        out.append(f"{landscape.name} has neither codes nor labels: no classification and no clustering.")
    else:
        if landscape.labels.explode("labels").groupby("label_set")["labels"].nunique().max() < 2:
            out.append(f"{landscape.name} has only one code or label: its classification scores mean nothing.")
        reasons = {"classification": unclassified, "clustering": unclustered}
        out += [
            f"{landscape.name} {why(landscape.labels)}: no {task}."
            for task, why in reasons.items()
            if task not in set(ours["task"])
        ]
    return out


def noted(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """Remarks of the reader of a landscape, and what its pool makes impossible to find, one sentence each."""
    notes = cell.costs.get(landscape.name, {}).get("download", {}).get("notes", {})
    # A note that is a number is only a count; a text gives an example too.
    out = [f"{landscape.name}: {key}: {value}." for key, value in notes.items() if isinstance(value, str)]
    if cell.params.tasks.pool == "earlier":
        reach = reachable(landscape.qrels, landscape.pool, earlier=True)
        said = limits(landscape.qrels, reach, landscape.queries, landscape.pool)
        out += [f"{landscape.name}: {one}." for one in said]
    return out


def relevance(cell: CellResults) -> list[str]:
    """What is relevant to a query on each landscape without judgements of the user's own, one sentence each kind."""
    out = []
    for kind, families in RELEVANCE.items():
        names = [one.name for one in cell.landscapes if one.entry.relevance == kind and not one.judged]
        if names:
            out.append(f"{', '.join(names)}: each query is a family; relevant are {families}.")
    return out


def judged(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """How a landscape with the user's own judgements is scored, one sentence each; empty for any other."""
    if not landscape.judged:
        return []
    name, least = landscape.name, landscape.entry.threshold
    tests = landscape.queries.loc[landscape.queries["split"] == "test", "query_id"]
    relevant = landscape.qrels[landscape.qrels["query_id"].isin(tests) & (landscape.qrels["relevance"] >= least)]
    without = len(tests) - relevant["query_id"].nunique()
    zero = f" ({without} of {len(tests)} test queries have no such family and score 0)" if without else ""
    out = [
        f"{name}: relevance is what its judgements say. nDCG takes the grades as gains; for R@100, AP and RR a family "
        f"is relevant from grade {least} on{zero}. A family that nobody judged counts as not relevant; Judged@10 is "
        "the share of the top ten that somebody judged, whatever the grade."
    ]
    asked = int((landscape.queries["text"] != "").sum())
    if asked:
        which = f"{asked} of {len(landscape.queries)} queries are texts, not families"
        out.append(f"{name}: {which}; they are used as written, whatever the query view.")
    counted = cell.costs.get(name, {}).get("download", {}).get("notes", {})
    if "citation" in cell.recipe.signals and name in cell.trained_on and not counted.get("citations kept"):
        out.append(
            f"{name}: there are no citations, so the citation pairs of training are judgements of its train queries."
        )
    if folds := landscape.cross_fitted:
        out.append(
            f"{name}: nothing is trained, so all {len(tests)} queries are test queries. Fusion is cross-fitted over "
            f"{len(folds)} folds: the queries of each fold are fused with the settings that are best on the others."
        )
    return out


def unknown(landscape: LandscapeResults) -> str:
    """How many relevant pairs the test queries have IN, OUT and of unknown scope."""
    tests = landscape.queries.loc[landscape.queries["split"] == "test", "query_id"]
    pairs = landscape.qrels[(landscape.qrels["relevance"] > 0) & landscape.qrels["query_id"].isin(tests)]
    count = pairs["scope"].value_counts()
    return (
        f"{landscape.name}: {len(tests)} test queries, {len(pairs)} relevant pairs: {count.get('in', 0)} IN, "
        f"{count.get('out', 0)} OUT, {count.get('unknown', 0)} of unknown scope (query or family without an IPC "
        "code or domain)."
    )
