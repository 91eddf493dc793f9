"""What pages open with: every sentence of a cell on planted outcomes, and the recommendation of a grid."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import yaml
from cells import write_cell
from planted import Planted
from toy import ROOT

from patent_embeddings.core import params, registry
from patent_embeddings.core.params import Params
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.evaluation.systems import RETRIEVAL
from patent_embeddings.grid import comparisons, keys, recommendation
from patent_embeddings.grid.cell import _NO_OPTION, Config, said, worded
from patent_embeddings.grid.entries import Hypotheses
from patent_embeddings.grid.gather import COSTS, KEYS, Grid
from patent_embeddings.grid.keys import flat
from patent_embeddings.grid.wording import WORDS
from patent_embeddings.handover.sheets import Score, Sheet
from patent_embeddings.pages.cell import report
from patent_embeddings.pages.cell.leaders import kept, leader
from patent_embeddings.pages.cell.page import page
from patent_embeddings.pages.cell.takeaways import Sentence, answer
from patent_embeddings.pages.colours import COLOURS, SHAPES
from patent_embeddings.pages.grid.page import page as grid_page
from patent_embeddings.pages.grid.page import recommended
from patent_embeddings.pages.grid.picture import PANELS, ROWS, SERIES, Material, fitted
from patent_embeddings.pages.grid.pictures import pictures

Values = Mapping[str, Sequence[float]]
AHEAD = {"bm25": [0.5] * 12, "dense": [0.6] * 12}


def outcomes(values: Values, scope: str = "all") -> pd.DataFrame:
    rows = [
        (system, "retrieval", scope, "nDCG@10", f"q{number:02d}", "test", float(value))
        for system, ours in values.items()
        for number, value in enumerate(ours)
    ]
    return pd.DataFrame(rows, columns=list(OUTCOMES.columns))


def paired(inside: Sequence[float], outside: Sequence[float], system: str = "dense") -> pd.DataFrame:
    return pd.concat([outcomes({system: inside}, "in-paired"), outcomes({system: outside}, "out-paired")])


def lengths(families: int = 100, **cut: float) -> pd.DataFrame:
    """Of a hundred texts of each view, of so many families, so many are cut."""
    counted = {"sampled": 100.0, "families": float(families)}
    rows = [row for view, count in cut.items() for row in
            ((view, "truncated", count), *((view, *one) for one in counted.items()))]  # fmt: skip
    return pd.DataFrame(rows, columns=["view", "statistic", "value"])


def landscape(name: str = "a", found: pd.DataFrame | None = None, *, own: bool = False, simulated: bool = False) -> Any:
    return SimpleNamespace(
        name=name, outcomes=outcomes(AHEAD) if found is None else found, lengths=lengths(tac=30, ta=0),
        queries=pd.DataFrame({"text": ["a pump" if own else ""]}), entry=SimpleNamespace(simulated=simulated),
    )  # fmt: skip


def cell(*landscapes: Any, trained_on: Sequence[str] = (), views: str = "tac tac", **more: Any) -> Any:
    query, document = views.split()
    places = list(landscapes or [landscape()])
    return SimpleNamespace(
        landscapes=places, trained_on=list(trained_on), simulated=[one.name for one in places if one.entry.simulated],
        scores=more.get("scores", pd.DataFrame(columns=["landscape", "task", "system", "scope", "metric", "value"])),
        recipe=SimpleNamespace(signals=list(trained_on), merge=more.get("merge", False), weight=1.0),
        model=SimpleNamespace(length=256, query_length=more.get("query_length")), curve=more.get("curve", curve()),
        params=SimpleNamespace(
            recipe="r1", query_view=query, document_view=document,
            embed=SimpleNamespace(
                adapter_scale=more.get("scale", 1.0), passages=SimpleNamespace(tokens=more.get("passages"))
            ),
        ),
    )  # fmt: skip


def curve(**dev: float) -> pd.DataFrame:
    """Losses on dev pairs by step: `s0=2.0`."""
    rows = [("dev", int(step[1:]), loss) for step, loss in dev.items()]
    return pd.DataFrame([*rows, ("train", 1, 0.1)], columns=["split", "step", "loss"])


def said_of(section: str, found: Any) -> str:
    (one,) = [one for one in answer(found) if one.section == section]
    return one.subject + one.after


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # 2 of 2 ** 12 assignments of signs reach twelve equal differences.
        (AHEAD, "dense alone on a (nDCG@10 0.600 over 12 test queries), significantly ahead of BM25 alone "
                "(+0.100, p < 0.001)"),
        # 8 queries, 7 for and 1 against, all as large: 2 * (1 + 8) of 2 ** 8.
        ({"bm25": [0.5] * 8, "dense": [0.6] * 7 + [0.4]},
         "dense alone on a (nDCG@10 0.575 over 8 test queries), not significantly ahead of BM25 alone "
         "(+0.075, p = 0.07)"),
        ({"bm25": [0.6] * 12, "dense": [0.5] * 12},
         "BM25 alone on a (nDCG@10 0.600 over 12 test queries), significantly ahead of dense alone "
         "(+0.100, p < 0.001): nothing that uses the vectors scores higher"),
        # Two systems: 2 ** (1 - 5) is above 5 %.
        ({"bm25": [0.5] * 5, "dense": [0.6] * 5},
         "dense alone on a (nDCG@10 0.600 over 5 test queries), ahead of BM25 alone (+0.100): "
         "too few queries to test that"),
        ({"bm25": [0.5], "dense": [0.6]},
         "dense alone on a (nDCG@10 0.600 over 1 test query), ahead of BM25 alone (+0.100): "
         "too few queries to test that"),
        ({"bm25": [0.5] * 12, "dense": [0.1] * 12, "rrf": [0.2, 0.8] * 6},
         "BM25 alone, tied with RRF, on a (nDCG@10 0.500 over 12 test queries), ahead of dense alone (+0.400)"),
        # A lead that would round to nothing is still one: a tenth of a thousandth.
        ({"bm25": [0.5] * 8, "dense": [0.5] * 7 + [0.5008]},
         "dense alone on a (nDCG@10 0.500 over 8 test queries), not significantly ahead of BM25 alone "
         "(by less than 0.0005, p = 1)"),
        ({"bm25": [0.0] * 12, "dense": [0.0] * 12},
         "BM25 alone, tied with dense alone, on a (nDCG@10 0.000 over 12 test queries), so no system leads"),
    ],
)  # fmt: skip
def test_the_best_system_and_how_sure_its_lead_is(values: Values, expected: str) -> None:
    assert said_of("retrieval", cell(landscape(found=outcomes(values)))) == f"Best in retrieval is {expected}"


def test_the_lead_is_tested_among_all_pairs_by_paired_randomisation() -> None:
    rng = np.random.default_rng(3)
    base = rng.uniform(0.2, 0.6, 11)
    values = {
        "bm25": base, "dense": base + rng.normal(0.02, 0.05, 11), "rrf": base + rng.normal(0.05, 0.05, 11),
        "interpolation": base + rng.normal(0.07, 0.05, 11),
    }  # fmt: skip
    names = sorted(values, key=lambda name: -values[name].mean())
    p = {}
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            test = scipy.stats.permutation_test(
                (values[one] - values[other],), np.mean, permutation_type="samples", n_resamples=np.inf
            )
            p[one, other] = test.pvalue
    holm, reached = {}, 0.0
    for place, pair in enumerate(sorted(p, key=lambda pair: p[pair])):
        reached = max(reached, min(1.0, p[pair] * (6 - place)))
        holm[pair] = reached
    found = leader(outcomes(values))
    assert found is not None
    assert (found.system, found.second) == (names[0], names[1])
    assert found.lead == pytest.approx(values[names[0]].mean() - values[names[1]].mean())
    assert found.p == pytest.approx(holm[names[0], names[1]])
    assert found.testable and not leader(outcomes({name: ours[:7] for name, ours in values.items()})).testable  # type: ignore[union-attr]


def test_dev_queries_oracles_and_other_metrics_have_no_part_in_it() -> None:
    more = [
        outcomes({"dense": [0.0] * 12}).assign(split="dev", query_id=[f"d{number}" for number in range(12)]),
        outcomes({"oracle-rrf": [1.0] * 12}), outcomes({"bm25": [1.0] * 12}).assign(metric="R@100"),
    ]  # fmt: skip
    assert leader(pd.concat([outcomes(AHEAD), *more])) == leader(outcomes(AHEAD))
    assert leader(outcomes({}).assign(value=[])) is None


def test_landscapes_are_named_one_by_one_or_grouped_where_they_are_many() -> None:
    two = [landscape("a"), landscape("b", outcomes({"bm25": [0.4] * 12, "dense": [0.3] * 12}))]
    assert said_of("retrieval", cell(*two)) == (
        "Best in retrieval is dense alone on a (nDCG@10 0.600 over 12 test queries), significantly ahead of BM25 alone "
        "(+0.100, p < 0.001); BM25 alone on b (nDCG@10 0.400 over 12 test queries), significantly ahead of dense alone "
        "(+0.100, p < 0.001): nothing that uses the vectors scores higher"
    )
    few = landscape("e", outcomes({"bm25": [0.5] * 3, "dense": [0.6] * 3}))
    weak = landscape("c", outcomes({"bm25": [0.5] * 8, "dense": [0.6] * 7 + [0.4]}))
    assert said_of("retrieval", cell(*two, weak, landscape("d"), few)) == (
        "Best in retrieval (nDCG@10) is dense alone on 4 and BM25 alone on 1 of 5 landscapes, significantly ahead on 3"
    )
    level = landscape("f", outcomes({"bm25": [0.5] * 12, "dense": [0.5] * 12}))
    assert said_of("retrieval", cell(*two, weak, level)).endswith(
        "dense alone on 2 and BM25 alone on 2 of 4 landscapes, significantly ahead on 2 and tied with another system "
        "on 1"
    )


def test_of_judged_landscapes_it_is_said_how_much_of_the_best_was_judged() -> None:
    scores = pd.DataFrame([("a", "retrieval", "dense", "all", "Judged@10", 0.434)],
                          columns=["landscape", "task", "system", "scope", "metric", "value"])  # fmt: skip
    found = said_of("retrieval", cell(scores=scores))
    assert "dense alone on a (nDCG@10 0.600 over 12 test queries, 43% of its top ten judged)" in found


@pytest.mark.parametrize(
    ("inside", "outside", "expected"),
    [
        # Every query keeps a quarter, whichever are drawn.
        ([0.8, 0.4] * 6, [0.2, 0.1] * 6,
         "dense alone reaches 25% of its in-domain score on a (95 % interval 0% to 67%, 12 queries have both)"),
        ([0.8, 0.4], [0.2, 0.1],
         "dense alone reaches 25% of its in-domain score on a (2 queries have both, too few for an interval)"),
        ([0.5], [0.6],
         "dense alone reaches 120% of its in-domain score on a (1 query has both, too few for an interval)"),
        ([0.0] * 7, [0.5] * 7,
         "dense alone cannot be compared with its in-domain score on a, which is 0 (7 queries have both)"),
    ],
)  # fmt: skip
def test_how_much_of_in_is_left_out(inside: list[float], outside: list[float], expected: str) -> None:
    found = said_of("inout", cell(landscape(found=pd.concat([outcomes(AHEAD), paired(inside, outside)]))))
    assert re.sub(r"interval \d+% to \d+%, ", "I, ", found) == re.sub(
        r"interval \d+% to \d+%, ", "I, ", f"Out of the query's domain, {expected}"
    )


def test_the_interval_of_what_is_kept_is_that_of_the_ratio_of_means() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.uniform(0.3, 1, 80), rng.uniform(0, 0.5, 80)
    found = kept(paired(list(inside), list(outside)), "dense")
    assert found is not None and found.queries == 80
    assert found.share == pytest.approx(outside.sum() / inside.sum())
    drawn = scipy.stats.bootstrap(
        (outside, inside), lambda x, y, axis: x.sum(axis=axis) / y.sum(axis=axis), paired=True, method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.01)


def test_in_and_out_that_cannot_be_compared_are_said_so_and_many_by_their_extremes() -> None:
    assert said_of("inout", cell()) == (
        "In-domain and out-of-domain retrieval cannot be compared: no test query has relevant families of both kinds"
    )
    many = [
        landscape(name, pd.concat([outcomes(AHEAD), paired([0.8] * 9, [share] * 9)]))
        for name, share in (("a", 0.2), ("b", 0.4), ("c", 0.3), ("d", 0.08))
    ]
    assert said_of("inout", cell(*many)) == (
        "Out of the query's domain, the best system reaches 10% (d) to 50% (b) of its in-domain score, over 4 "
        "landscapes"
    )
    sentence = re.sub(r"\([^)]*\)", "()", said_of("inout", cell(*many[:2])))
    assert sentence == (
        "Out of the query's domain, dense alone reaches 25% of its in-domain score on a (); "
        "dense alone reaches 50% of its in-domain score on b ()"
    )


@pytest.mark.parametrize(
    ("dev", "more", "expected"),
    [
        ({"s0": 2.0, "s20": 1.0, "s40": 1.2}, {}, "lowered the loss on dev pairs from 2.000 to 1.000"),
        ({"s0": 2.0, "s20": 1.0}, {"scale": 0.5},
         "lowered the loss on dev pairs from 2.000 to 1.000 (the adapter is then weighed by 0.5)"),
        ({"s0": 1.0, "s20": 1.5, "s40": 1.3}, {},
         "did not lower the loss on dev pairs: 1.000 before, 1.300 after"),
        ({"s0": 2.0, "s20": 1.0}, {"merge": True}, "merged one adapter"),
        ({}, {}, "was not checked on dev pairs"),
    ],
)  # fmt: skip
def test_what_tuning_did_and_what_only_another_cell_tells(
    dev: dict[str, float], more: dict[str, Any], expected: str
) -> None:
    ours = cell(landscape("a"), landscape("b"), trained_on=["a"], curve=curve(**dev), **more)
    rest = "to see its effect on the scores, compute the zero-shot cell with the same options"
    assert said_of("training", ours) == f"Fine-tuning with r1 on a {expected}; {rest}"
    (sentence,) = [one for one in answer(ours) if one.section == "training"]
    assert sentence.command == "dvc exp run -S recipe=zero-shot"


def test_of_a_zero_shot_cell_nothing_was_tuned() -> None:
    assert said_of("training", cell()) == "Nothing was fine-tuned (zero-shot)"


def test_how_much_is_cut() -> None:
    cut = "Texts longer than 256 tokens are cut:"
    assert said_of("texts", cell()) == f"{cut} 30% of the texts (view tac)"
    assert said_of("texts", cell(views="ta ta")) == "No text is cut: all texts (view ta) fit into 256 tokens"
    two = (landscape("a"), landscape("b"))
    two[1].lengths = lengths(tac=99.7, ta=0.2)
    assert said_of("texts", cell(*two)) == f"{cut} 30% (a) and over 99% (b) of the texts (view tac)"
    assert said_of("texts", cell(*two, views="ta tac")) == (
        f"{cut} 30% (a) and over 99% (b) of the documents (view tac), 0% (a) and under 1% (b) of the queries (view ta)"
    )
    passages = "documents are read to their end, in passages"
    assert said_of("texts", cell(passages=64)) == f"{cut} 30% of the queries (view tac); {passages}"
    assert said_of("texts", cell(landscape(own=True), passages=64)) == f"No text is cut: {passages}"
    assert said_of("texts", cell(landscape(own=True))) == f"{cut} 30% of the documents (view tac)"
    many = [landscape(name) for name in "abcde"]
    many[3].lengths = lengths(tac=4)
    assert said_of("texts", cell(*many)) == f"{cut} 4% (d) to 30% (a) of the texts (view tac)"
    # What no text of a sample shows may still be true of others.
    two[1].lengths = lengths(2500, ta=0)
    assert said_of("texts", cell(*two, views="ta ta")) == (
        "No text in a sample is cut: all texts (view ta) in it fit into 256 tokens"
    )
    # Late interaction may cut queries elsewhere, where nobody counted them.
    queries = "queries are cut at 32 tokens"
    assert said_of("texts", cell(query_length=32)) == f"{cut} 30% of the documents (view tac); {queries}"
    assert said_of("texts", cell(query_length=256)) == said_of("texts", cell())
    assert said_of("texts", cell(views="ta ta", query_length=32)) == (
        f"No document is cut: all documents (view ta) fit into 256 tokens; {queries}"
    )


def test_what_is_simulated() -> None:
    sections = [one.section for one in answer(cell())]
    assert sections == ["retrieval", "inout", "training", "texts"]
    both = cell(landscape("a", simulated=True), landscape("b"))
    assert said_of("licences", both).startswith("a is simulated: its families are generated")
    assert len(answer(both)) == 5


def test_without_retrieval_what_else_was_scored_is_said() -> None:
    empty = landscape(found=outcomes(AHEAD).head(0))
    rows = [
        ("a", "classification", "probe", "own", "micro-F1", 0.7),
        ("a", "classification", "prior", "own", "micro-F1", 0.1),
        ("a", "clustering", "kmeans", "own", "AMI", 0.3), ("a", "clustering", "random", "own", "AMI", 0.0),
    ]  # fmt: skip
    scores = pd.DataFrame(rows, columns=["landscape", "task", "system", "scope", "metric", "value"])
    found = answer(cell(empty, scores=scores))
    assert [one.section for one in found] == ["classification", "training", "texts"]
    assert found[0].rest == "here; micro-F1 of probe is 0.700 on a, against 0.100 of prior"
    assert (
        answer(cell(empty, scores=scores[2:]))[0].rest == "here; AMI of kmeans is 0.300 on a, against 0.000 of random"
    )
    assert answer(cell(empty))[0] == Sentence(
        "missing", "Nothing could be scored", "on any landscape, for the reasons below"
    )


@pytest.mark.parametrize("made", [{}, {"recipe": "zero-shot"}, {"without": "citations"}, {"without": "codes"}])
def test_a_page_opens_with_at_most_five_sentences_whose_links_resolve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path, **made)
    html = page(report.gather(keys.report(params.load())))
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    opening = html.split('<section class="answer"')[1].split("</section>")[0]
    sentences = re.findall(r"<p[^>]*>(.*?)</p>", opening)
    assert 1 <= len(sentences) <= 5
    assert all(one.startswith('<a href="#') and one.endswith(".") for one in sentences)
    assert html.index('class="answer"') < html.index("<h2")
    plain = re.sub(r"<[^>]+>", "", " ".join(sentences))
    assert "sim-alpha and sim-beta are simulated" in plain and "say nothing about real patents" in plain


def toy(plant: Planted) -> Grid:
    outcomes = plant.frame()
    cells = outcomes[list(KEYS)].drop_duplicates()
    costs = cells.assign(
        stage="embed", where="a", seconds=12.5, texts_per_second=80.0, peak_mib=7, device="cpu"
    ).reindex(columns=list(COSTS))
    names = [*KEYS, "landscape", "simulated", "task", "system", "scope", "metric", "value", "ci_low", "ci_high", "n"]
    places = pd.DataFrame(columns=["landscape", "query_id", "jurisdiction"])
    return Grid(outcomes, pd.DataFrame(columns=names), costs, places, {})


def test_the_page_of_a_grid_recommends_what_the_command_does() -> None:
    plant = Planted(12, folds=1)
    for place in "ab":
        plant.cell(0.4, place, tasks=("retrieval", "classification"))
        plant.cell(0.5 if place == "a" else 0.3, place, recipe="r1", trained_on="a", embed__adapter_scale=0.5)
    grid = toy(plant)
    found, lacking = recommendation.every(grid)
    assert [(one.task, one.landscape) for one in found] == [("retrieval", "a"), ("retrieval", "b")]
    assert lacking == [
        "a, b: fewer than two candidates for classification; run more cells with python -m stages.grid run"
    ]
    sheet = recommended(found)
    assert sheet is not None and list(sheet.head) == [
        "task",
        "landscape",
        "use",
        "score",
        "n",
        "lead over the next best",
        "cost",
    ]
    for one, row in zip(found, sheet.rows, strict=True):
        lines = recommendation.lines(recommendation.advise(grid, one.landscape, one.task), grid)
        task, place, use, score, units, lead, cost = row
        assert units == "12 queries" and f" over {one.units} test units" in recommendation.lines(one, grid)[1]
        assert task == "retrieval, nDCG@10" and lines[0] == f"retrieval on {place}: use {use}"
        assert isinstance(score, Score) and lines[1].startswith(
            f"  nDCG@10 {score.value:.4f} ({score.low:.4f} to {score.high:.4f}) over"
        )
        change, _, second = str(lead).partition("; next best: ")
        assert lines[2].startswith(f"  next best: {second}, ") and lines[3] == f"  lead: {change}"
        assert lines[4] == f"  cost: {cost}"
    assert "m, r1 trained on a, view tac, half of the adapter, system " in str(sheet.rows[0][2])
    assert recommended([]) is None


def test_pictures_of_a_grid_say_n_and_a_system_looks_as_on_every_page() -> None:
    plant = Planted(12, folds=2)
    for place in "ab":
        plant.cell(0.4, place, tasks=("retrieval", "classification"))
        for seed in (0, 1):
            plant.cell(0.5, place, recipe="r1", trained_on="a", tasks=("retrieval", "classification"), seed=seed)
    grid = toy(plant)
    tested = comparisons.declared(grid.outcomes, registry.every("hypotheses", Hypotheses))
    specs = {name: one.spec for name, one in pictures(Material(grid, tested, {"m": ("m", 22.0)})).items() if one.spec}
    assert {"recipes", "transfer", "matched", "inout"} <= set(specs)
    for name, spec in specs.items():
        rows = spec["data"]["values"]
        for panel, counts in pd.DataFrame(rows).groupby(spec["facet"]["field"])["n"]:
            fewest, most = counts.min(), counts.max()
            assert str(panel).endswith(f"n = {fewest}" if fewest == most else f"n = {fewest} to {most}"), name
    assert {row["n"] for row in specs["matched"]["data"]["values"]} == {24}  # of each seed, both folds
    (points,) = [layer for layer in specs["inout"]["spec"]["layer"] if "shape" in layer["encoding"]]
    for channel, looks in (("fill", COLOURS), ("shape", dict(zip(RETRIEVAL, SHAPES, strict=True)))):
        encoding = points["encoding"][channel]
        order = dict.fromkeys(row["system"] for row in specs["inout"]["data"]["values"])
        assert encoding["sort"] is None  # values have the order of the rows
        assert encoding["scale"] == {"range": [looks[name] for name in order]}  # with a domain there is no legend
        assert set(order) == {"bm25", "dense", "interpolation"}


def test_cut_vectors_are_drawn_for_few_queries_too_and_not_against_a_score_of_0() -> None:
    plant = Planted(5, folds=1).cell(0.4)
    for dimensions in (64, 128):
        plant.cell(0.3, dimensions=dimensions)
    grid = toy(plant)
    sizes = {"m": ("m", 22.0)}
    spec = pictures(Material(grid, [], sizes))["dimensions"].spec
    assert spec and {row["dimensions"] for row in spec["data"]["values"]} == {64, 128}  # five: without intervals
    whole = np.array([one.dimensions == 0 for one in grid.outcomes["config"]])
    nothing = dataclasses.replace(grid, outcomes=grid.outcomes.assign(value=grid.outcomes["value"].where(~whole, 0)))
    assert pictures(Material(nothing, [], sizes))["dimensions"].spec is None


def test_transfer_that_changes_nothing_is_drawn_in_the_colour_of_no_change() -> None:
    same = Planted(12, folds=1).cell(0.4, "a").cell(0.4, "b").frame()
    tuned = Config("m", "r1", ("a",), "tac", "tac")
    both = pd.concat([same, same.assign(config=[tuned] * len(same), cell="tuned")], ignore_index=True)
    grid = dataclasses.replace(toy(Planted(12, folds=1).cell(0.4)), outcomes=both)
    tested = comparisons.declared(both, registry.every("hypotheses", Hypotheses))
    spec = pictures(Material(grid, tested, {"m": ("m", 22.0)}))["transfer"].spec
    assert spec and {row["value"] for row in spec["data"]["values"]} == {0.0}
    assert spec["spec"]["layer"][0]["encoding"]["color"]["scale"]["domain"] == [-1.0, 0, 1.0]


def test_the_page_of_a_grid_opens_with_it_and_says_options_in_words() -> None:
    plant = Planted(12, folds=1)
    for scale in (0.5, 1.0):
        plant.cell(0.5, recipe="r1", trained_on="a", embed__adapter_scale=scale)
    grid = toy(plant.cell(0.4))
    tested = comparisons.declared(grid.outcomes, registry.every("hypotheses", Hypotheses))
    drawn = pictures(Material(grid, tested, {"m": ("m", 22.0)}))
    html = grid_page(grid, tested, [], {}, drawn)
    order = [html.index(f'<h2 id="{name}">') for name in ("recommended", "findings", "all-cells", "compared", "cost")]
    assert order == sorted(order)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids)) and set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    assert "half of the adapter" in html and "all of the adapter" in html and "adapter_scale" not in html
    (use,) = re.findall(r'data-label="use">([^<]*)<', html)
    assert use == recommendation.words(*recommendation.advise(grid, "a", "retrieval").best)
    assert '<p class="caption">n on a: 12 queries (retrieval).</p>' in html
    heads = re.findall(r'<table id="cells">.*?</thead>', html, flags=re.S)[0]
    assert "classification" not in heads and "retrieval, nDCG@10" in heads  # nothing was classified


def test_the_page_of_a_grid_names_cells_that_rank_no_other() -> None:
    grid = toy(Planted(12, folds=1).cell(0.4).cell(0.5, model="k").cell(0.9, tasks__pool="earlier"))
    html = grid_page(grid, [], [], {}, {})
    assert "retrieval on a: not compared: 1 cell of another split or pool, whose scores are of other queries" in html


VARIED = {
    "tasks.pool": ["all", "earlier"],
    "embed.dtype": [None, "float32", "bfloat16", "auto"],
    "embed.length": [None, 64], "embed.adapter_scale": [0.0, 0.25, 0.3, 0.5, 0.75, 1.0],
    "embed.passages.tokens": [None, 64],
    "bm25.query_side": [False, True], "search.centre": ["none", "landscape"], "search.passages": ["best", "top3"],
    "fuse.metric": ["nDCG@10", "AP"], "fuse.rrf_k": [(10,), (10, 60)], "fuse.weights": [(0.5,), (0.0, 0.5)],
    "rerank.model": [None, "x"], "rerank.system": ["rrf", "dense"],
}  # fmt: skip


def test_every_option_has_words_that_tell_its_values_apart() -> None:
    every = flat(
        Params.model_validate(yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))).model_dump(mode="json")
    )
    options = set(every) - _NO_OPTION
    assert options | {"rerank.dtype"} == set(WORDS)  # which follows from embed.dtype and the reranker's entry
    words = [worded(key, value) for key in sorted(options) for value in VARIED.get(key, [1, 64, 0.00015])]
    assert len(words) == len(set(words))
    assert all("=" not in word and "None" not in word and "(" not in word for word in words)
    assert worded("search.new", 3) == said("search.new", 3) == "search.new=3"


def test_files_keep_keys_and_people_read_words() -> None:
    one = Config("m", "r1", ("a",), "tac", "tac", 128, (("embed.adapter_scale", 0.5), ("search.centre", "landscape")))
    assert one.label == "m r1 a tac 128 dimensions embed.adapter_scale=0.5 search.centre=landscape"
    assert one.title == "m r1 a tac, vectors cut to 128, half of the adapter, centred"
    assert one.words[-1] == "embed.adapter_scale=0.5 search.centre=landscape"


def picture(panels: int, rows: int, colours: int) -> dict[str, Any]:
    values = [
        {"panel": f"p{panel}", "cell": f"c{row:02d}", "system": f"s{colour:02d}", "value": row + colour / 100}
        for panel in range(panels) for row in range(rows) for colour in range(colours)
    ]  # fmt: skip
    names = {"y": {"field": "cell", "type": "nominal"}, "fill": {"field": "system", "type": "nominal"}}
    return {
        "facet": {"field": "panel", "type": "nominal"}, "data": {"values": values},
        "spec": {"layer": [{"encoding": names}]},
    }  # fmt: skip


def test_a_picture_shows_what_fits() -> None:
    small = picture(PANELS, ROWS, SERIES)
    assert fitted(small) == (small, "")
    spec, told = fitted(picture(PANELS + 2, ROWS + 3, SERIES + 1))
    shown = {name: {row[name] for row in spec["data"]["values"]} for name in ("panel", "cell", "system")}
    assert shown["panel"] == set(spec["facet"]["sort"]) == {f"p{number}" for number in range(PANELS)}
    assert shown["cell"] == {f"c{number:02d}" for number in range(3, ROWS + 3)}  # the highest
    assert shown["system"] == {f"s{number:02d}" for number in range(1, SERIES + 1)}
    assert told == (
        f"{PANELS} of {PANELS + 2} panels, the {ROWS} of {ROWS + 3} rows with the highest values, "
        f"the {SERIES} of {SERIES + 1} systems with the highest values"
    )


def test_tables_leave_out_columns_in_which_nothing_stands() -> None:
    sheet = Sheet(["a", "b", "c", "d"], [["x", "", 0, None], ["y", "", None, None]], "of", texts=3, source="file")
    assert sheet.filled() == dataclasses.replace(sheet, head=["a", "c"], rows=[["x", 0], ["y", None]], texts=2)
