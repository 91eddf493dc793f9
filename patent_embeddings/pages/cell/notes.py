"""Sentences of a cell's page: what could not be measured and why, and what to bear in mind."""

from __future__ import annotations

from patent_embeddings.corpus.feasibility import unclassified, unclustered
from patent_embeddings.corpus.pool import limits, reachable
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults


def missing(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """What could not be measured on a landscape, and why, a sentence each."""
    ours = cell.scores[cell.scores["landscape"] == landscape.name]
    retrieved = ours[ours["task"] == "retrieval"]
    out = []
    if landscape.qrels.empty:
        out.append(f"{landscape.name} has no citations between its families: no retrieval and no fusion.")
    elif retrieved.empty:
        found = " that was published before it" if (landscape.queries["split"] == "test").any() else ""
        out.append(f"{landscape.name} has no test query with a relevant family{found}: no retrieval scores.")
    else:
        scopes = set(retrieved["scope"])
        lacking = [name.upper() for name in ("in", "out") if name not in scopes]
        if lacking:
            out.append(f"{landscape.name} has no test query with relevant families {' or '.join(lacking)}.")
        elif "in-paired" not in scopes:
            out.append(f"{landscape.name} has no test query with relevant families both IN and OUT: nothing paired.")
    if len(landscape.fusion) and set(landscape.fusion["split"]) == {"test"}:
        crossed = landscape.judged and not cell.recipe.signals
        lacks = "scored queries of one fold only" if crossed else "no dev query with a relevant family"
        out.append(f"{landscape.name} has {lacks}: its fusions are not tuned.")
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


def noted(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """What was read in a way to bear in mind, and what the pool keeps out of reach, a sentence each."""
    notes = cell.costs.get(landscape.name, {}).get("download", {}).get("notes", {})
    # Counts are numbers; a text is a count with its example.
    out = [f"{landscape.name}: {key}: {value}." for key, value in notes.items() if isinstance(value, str)]
    if cell.params.tasks.pool == "earlier":
        reach = reachable(landscape.qrels, landscape.pool, earlier=True)
        said = limits(landscape.qrels, reach, landscape.queries, landscape.pool)
        out += [f"{landscape.name}: {one}." for one in said]
    return out


def judged(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """How a landscape with judgements of the user's own is scored, a sentence each; none of another."""
    if not landscape.judged:
        return []
    name, least = landscape.name, landscape.entry.threshold
    tests = landscape.queries.loc[landscape.queries["split"] == "test", "query_id"]
    relevant = landscape.qrels[landscape.qrels["query_id"].isin(tests) & (landscape.qrels["relevance"] >= least)]
    without = len(tests) - relevant["query_id"].nunique()
    zero = f" ({without} of {len(tests)} test queries have none, and count 0 there)" if without else ""
    out = [
        f"{name}: relevant is what its judgements say. nDCG takes their grades as gain; R@100, AP and RR count grade "
        f"{least} and more{zero}. What nobody judged counts as not relevant: Judged@10 is the share of the ten best "
        "that somebody judged, in whatever grade."
    ]
    asked = int((landscape.queries["text"] != "").sum())
    if asked:
        which = f"{asked} of {len(landscape.queries)} queries are no families"
        out.append(f"{name}: {which}, and are asked in their own words, whatever the view for queries.")
    counted = cell.costs.get(name, {}).get("download", {}).get("notes", {})
    if "citation" in cell.recipe.signals and name in cell.trained_on and not counted.get("citations kept"):
        out.append(
            f"{name}: nothing is cited, so that training pairs of citations are judgements of its train queries."
        )
    if folds := landscape.cross_fitted:
        out.append(
            f"{name}: nothing is trained, so all {len(tests)} queries are test queries. Fusion is cross-fitted over "
            f"{len(folds)} folds: the queries of each are fused with what is best on those of the others."
        )
    return out


def unknown(landscape: LandscapeResults) -> str:
    """How many relevant pairs of the test queries are IN, OUT or of unknown scope."""
    tests = landscape.queries.loc[landscape.queries["split"] == "test", "query_id"]
    pairs = landscape.qrels[(landscape.qrels["relevance"] > 0) & landscape.qrels["query_id"].isin(tests)]
    count = pairs["scope"].value_counts()
    return (
        f"{landscape.name}: {len(tests)} test queries, {len(pairs)} relevant pairs: {count.get('in', 0)} IN, "
        f"{count.get('out', 0)} OUT, {count.get('unknown', 0)} of unknown scope (a side has no IPC code or domain)."
    )
