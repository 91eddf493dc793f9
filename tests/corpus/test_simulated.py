"""The simulated landscapes hold what was planted, measured with tools that the generator does not use."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patent_embeddings.core import tables
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES
from patent_embeddings.corpus.sources import simulated
from patent_embeddings.corpus.sources.simulated.lexicon import Lexicon, wording
from patent_embeddings.corpus.sources.simulated.text import Family, sections
from patent_embeddings.corpus.sources.simulated.words import CONCEPTS, FIELDS, GROUPS, MECHANISMS, OPTIONS, PER_GROUP
from patent_embeddings.corpus.values import Simulated

LANDSCAPES = ("sim-alpha", "sim-beta")


def entry(name: str = "sim-alpha", **knobs: Any) -> Simulated:
    block = landscape_entry(name).model_dump(include=set(Simulated.model_fields))
    return Simulated.model_validate({**block, **knobs})


@cache
def landscape(name: str = "sim-alpha", **knobs: Any) -> Raw:
    return simulated.load(name, entry(name, **knobs))


def classes(families: pd.DataFrame) -> dict[str, set[str]]:
    return {
        family: {code[:3] for code in codes}
        for family, codes in zip(families["family_id"], families["ipc"], strict=True)
    }


def scoped(raw: Raw) -> pd.DataFrame:
    """Citations with `inside`: whether both ends share an IPC class."""
    known = classes(raw.families)
    inside = [bool(known[a] & known[b]) for a, b, _ in raw.citations.itertuples(index=False)]
    return raw.citations.assign(inside=inside)


def shares(raw: Raw) -> dict[str, float]:
    counts = scoped(raw).groupby("citing_id")["inside"].agg(["sum", "count"])
    inside, outside = counts["sum"] > 0, counts["count"] > counts["sum"]
    return {
        "citing": len(counts) / len(raw.families),
        "both": float((inside & outside).mean()),
        "cited": float(counts["count"].mean()),
        "outside": 1 - float(counts["sum"].sum() / counts["count"].sum()),
    }


def ndcg(raw: Raw, similarity: np.ndarray) -> dict[str, float]:
    """Mean nDCG@10 over citing families by scope; `chance` ranks the `out` targets at random."""
    row = pd.Series(np.arange(len(raw.families)), index=raw.families["family_id"])
    citations = scoped(raw)
    discount = 1 / np.log2(np.arange(10) + 2)

    def mean(edges: pd.DataFrame, scores: np.ndarray) -> float:
        relevant = np.zeros(scores.shape, dtype=bool)
        relevant[row[edges["citing_id"]], row[edges["cited_id"]]] = True
        queries = relevant.any(axis=1)
        others = np.where(np.eye(len(scores), dtype=bool), -np.inf, scores)[queries]
        top = np.argpartition(-others, 10, axis=1)[:, :10]
        top = np.take_along_axis(top, (-np.take_along_axis(others, top, 1)).argsort(axis=1), 1)
        gains = np.take_along_axis(relevant[queries], top, 1) @ discount
        ideal = discount.cumsum()[np.minimum(relevant[queries].sum(axis=1), 10) - 1]
        return float((gains / ideal).mean())

    outside = citations[~citations["inside"]]
    chosen = {"all": citations, "in": citations[citations["inside"]], "out": outside}
    chance = np.random.default_rng(0).random(similarity.shape)
    return {**{scope: mean(edges, similarity) for scope, edges in chosen.items()}, "chance": mean(outside, chance)}


def tfidf(texts: pd.Series[str]) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform(texts)
    return (vectors @ vectors.T).toarray()


def views(families: pd.DataFrame) -> dict[str, pd.Series[str]]:
    ta = families["title"] + "\n" + families["abstract"]
    return {"ta": ta, "tac": ta + "\n" + families["claims"]}


@pytest.mark.parametrize("name", LANDSCAPES)
def test_tables_are_valid_and_the_same_twice(name: str, tmp_path: Path) -> None:
    first, second = landscape(name), simulated.load(name, entry(name))
    for table, frame, again in (
        (FAMILIES, first.families, second.families),
        (CITATIONS, first.citations, second.citations),
    ):
        tables.write(frame, tmp_path / "first.parquet", table)
        tables.write(again, tmp_path / "second.parquet", table)
        assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()
        assert len(tables.read(tmp_path / "first.parquet", table)) == len(frame)
    assert len(first.families) == landscape_entry(name).families


def test_another_seed_gives_other_families() -> None:
    again = landscape("sim-alpha", seed=99).families
    assert not again["abstract"].isin(landscape().families["abstract"]).any()


def test_ids_are_plain_and_unique_across_landscapes() -> None:
    ids = pd.concat([landscape(name).families["family_id"] for name in LANDSCAPES])
    assert ids.is_unique
    assert ids.str.fullmatch(r"[A-Za-z0-9-]+").all()


@pytest.mark.parametrize("name", LANDSCAPES)
def test_citations_point_back_to_families_of_the_landscape(name: str) -> None:
    raw = landscape(name)
    dates = raw.families.set_index("family_id")["date"]
    assert dates.str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()
    citing, cited = raw.citations["citing_id"].map(dates), raw.citations["cited_id"].map(dates)
    assert citing.notna().all() and cited.notna().all()
    assert (pd.to_datetime(cited) < pd.to_datetime(citing)).all()
    assert not raw.citations.duplicated().any()


@pytest.mark.parametrize("name", LANDSCAPES)
def test_enough_queries_of_every_scope(name: str) -> None:
    found = shares(landscape(name))
    assert 0.75 < found["citing"] < 0.95  # a fifth of them is about 100 test queries
    assert 0.25 < found["both"] < 0.45
    assert 1.5 < found["cited"] < 4
    assert 0.15 < found["outside"] < 0.4


@pytest.mark.parametrize("name", LANDSCAPES)
def test_codes_cover_sections_and_subclasses(name: str) -> None:
    families = landscape(name).families
    codes = families["ipc"].explode()
    assert codes.str.fullmatch(r"[A-H]\d{2}[A-Z]\d{1,2}/\d{2}").all()
    assert set(codes.str[0]) == set("ABCDEFGH")
    assert codes.str[:4].nunique() >= 30
    subclasses = families["ipc"].map(lambda values: len({code[:4] for code in values}))
    assert subclasses.between(1, 3).all() and subclasses.nunique() == 3
    assert all(set(ipc) <= set(cpc) for ipc, cpc in zip(families["ipc"], families["cpc"], strict=True))
    assert families["jurisdiction"].nunique() >= 5


def test_labels_are_those_of_the_mechanisms_and_sometimes_several() -> None:
    labels = landscape().families["labels"]
    assert set(labels.explode()) == set(GROUPS)
    assert 0.1 < (labels.map(len) > 1).mean() < 0.5


@pytest.mark.parametrize("name", LANDSCAPES)
def test_claims_are_numbered_and_refer_back(name: str) -> None:
    second_independent = 0
    for text in landscape(name).families["claims"]:
        claims = [re.fullmatch(r"(\d+)\. (.+\.)", line) for line in text.split("\n")]
        assert all(claims), text
        assert [int(claim[1]) for claim in claims if claim] == list(range(1, len(claims) + 1))
        references = [
            [
                int(number)
                for number in re.findall(r"\bclaims? (\d+)", claim[2]) + re.findall(r"claims \d+ to (\d+)", claim[2])
            ]
            for claim in claims
            if claim
        ]
        assert not references[0]
        assert sum(map(bool, references)) >= 3
        assert all(number < own for own, numbers in enumerate(references, 1) for number in numbers)
        second_independent += any(not numbers for numbers in references[1:])
    assert second_independent > 100


def test_text_has_the_size_of_its_section_and_no_open_slot() -> None:
    families = landscape().families
    words = families[["title", "abstract", "claims", "description"]].apply(lambda column: column.str.split().str.len())
    assert words["title"].between(2, 20).all()
    assert words["abstract"].between(30, 120).all()
    assert words["claims"].between(80, 500).all()
    assert words["description"].between(150, 600).all()
    text = families[["title", "abstract", "claims", "description"]].agg(" ".join, axis=1)
    assert not text.str.contains(r"[{}<>]").any()
    wrong = text.str.extractall(r"(\b[Aa] [aeio]\w+)")[0].str.lower()
    assert set(wrong) <= {"a one"}


def test_families_are_not_templates_of_one_another() -> None:
    families = landscape().families
    texts = families[["title", "abstract", "claims", "description"]].agg(" ".join, axis=1).str.split()
    grams = [{tuple(words[at : at + 8]) for at in range(len(words) - 7)} for words in texts]
    rng = np.random.default_rng(0)
    pairs = [rng.choice(len(grams), 2, replace=False) for _ in range(2000)]
    assert np.mean([len(grams[a] & grams[b]) / len(grams[a]) for a, b in pairs]) < 0.02


@pytest.mark.parametrize("name", LANDSCAPES)
def test_out_is_harder_than_in_and_easier_than_chance(name: str) -> None:
    raw = landscape(name)
    found = ndcg(raw, tfidf(views(raw.families)["tac"]))
    assert found["out"] < 0.6 * found["in"]
    assert found["out"] > 4 * found["chance"]
    assert 0.25 < found["all"] < 0.6


@pytest.mark.parametrize("name", LANDSCAPES)
def test_claims_add_to_title_and_abstract_within_the_first_words(name: str) -> None:
    raw = landscape(name)
    text = views(raw.families)
    # 170 words are about 256 tokens of this text.
    early = text["tac"].str.split().str[:170].str.join(" ")
    without = ndcg(raw, tfidf(text["ta"]))["all"]
    assert ndcg(raw, tfidf(early))["all"] > without + 0.03
    assert ndcg(raw, tfidf(text["tac"]))["all"] > without + 0.03


def test_abstract_detail_closes_the_gap_to_the_claims() -> None:
    gains = []
    for share in (0.0, 1.0):
        raw = landscape(abstract_detail=share)
        text = views(raw.families)
        gains.append(ndcg(raw, tfidf(text["tac"]))["all"] - ndcg(raw, tfidf(text["ta"]))["all"])
    assert gains[1] < gains[0] - 0.1


def test_in_and_out_approach_each_other_with_the_vocabulary_that_fields_share() -> None:
    ratios, likeness = [], []
    for share in (0.0, 0.45, 1.0):
        raw = landscape(cross_field_overlap=share)
        similarity = tfidf(views(raw.families)["tac"])
        found = ndcg(raw, similarity)
        ratios.append(found["out"] / found["in"])
        truth = simulated.plan(entry(cross_field_overlap=share))
        same, across = ((truth.citing[truth.kind == kind], truth.cited[truth.kind == kind]) for kind in (0, 1))
        likeness.append(similarity[across].mean() / similarity[same].mean())
    assert ratios == sorted(ratios) and ratios[2] > ratios[0] + 0.2
    assert likeness == sorted(likeness) and likeness[2] > likeness[0] + 0.1


def test_plan_and_texts_agree() -> None:
    """The kinds of citation are what the planted ideas and fields say, and codes tell the field."""
    truth, raw = simulated.plan(entry()), landscape()
    same_idea = truth.idea[truth.citing] == truth.idea[truth.cited]
    same_field = truth.field[truth.citing] == truth.field[truth.cited]
    assert np.array_equal(truth.kind, np.where(same_idea, np.where(same_field, 0, 1), 2))
    ids = raw.families["family_id"].to_numpy()
    assert np.array_equal(ids[truth.citing], raw.citations["citing_id"])
    for row, codes in enumerate(raw.families["ipc"]):
        assert {code[:4] for code in codes} <= set(FIELDS[truth.field[row]].components)
    assert len({code[:3] for field in FIELDS for code in field.components}) >= 2 * len(FIELDS) - 1


def test_classes_of_two_fields_never_meet() -> None:
    seen: set[str] = set()
    for field in FIELDS:
        own = {code[:3] for code in field.components}
        assert not own & seen
        seen |= own


def test_shares_of_wording_are_those_of_the_knobs() -> None:
    """Over all kinds of wording: alike in two landscapes as `wording_overlap` says, in all fields as the other says."""
    for between, across in ((0.0, 0.0), (0.3, 0.6), (0.75, 0.45), (1.0, 1.0)):
        knobs = {"wording_overlap": between, "cross_field_overlap": across}
        first, second = (Lexicon(entry(name, **knobs)).kinds for name in LANDSCAPES)
        alike, everywhere, own = [], [], []
        for kind in ("core", "act", "aim", "facet", "common"):
            a, b = first[kind], second[kind]
            own.append(a.source == np.arange(len(a.source))[:, None])
            alike.append((a.source == b.source) & (a.pick == b.pick))
            everywhere.append((a.pick == 0).all(axis=1))
        assert np.concatenate(own).mean() == pytest.approx(between, abs=0.07)
        assert np.concatenate(everywhere).mean() == pytest.approx(across, abs=0.1)
        # Where neither landscape keeps to the common words they still agree now and then, by chance.
        assert between - 0.07 < np.concatenate(alike).mean() < between + 0.2 * (1 - between) + 0.07


def test_the_same_family_reads_alike_where_landscapes_share_their_wording() -> None:
    family = Family((5, 5), field=3, mechanism=7, options=(1,) * len(OPTIONS), second=20, subclasses=("A47J",))
    told = {
        share: [sections(family, Lexicon(entry(name, wording_overlap=share))) for name in LANDSCAPES]
        for share in (0.0, 1.0)
    }
    assert told[1.0][0] == told[1.0][1]
    assert told[0.0][0] != told[0.0][1]


def test_words_of_a_landscape_of_its_own_mean_other_mechanisms() -> None:
    own = entry(wording_overlap=0.0)
    drawn = wording(len(MECHANISMS), 6, PER_GROUP, own, 0)
    item = np.arange(len(MECHANISMS))[:, None]
    assert (drawn.source != item).all()
    assert (drawn.source // PER_GROUP == item // PER_GROUP).all()


def test_word_material_is_complete() -> None:
    assert len(MECHANISMS) >= 40 and len(FIELDS) == 12 and len(GROUPS) == 8
    for group in GROUPS.values():
        assert len(group.mechanisms) == PER_GROUP
        assert tuple(map(len, group.facets)) == OPTIONS[: len(group.facets)]
        assert all(len(set(option)) == 3 for facet in group.facets for option in facet)
        for mechanism in group.mechanisms:
            sizes = [len(set(phrases)) for phrases in (mechanism.cores, mechanism.acts, mechanism.aims)]
            assert sizes == [6, 4, 3]
    assert all(len(set(words)) == 6 for words in CONCEPTS.values())


def test_a_larger_landscape_has_the_same_distribution() -> None:
    small, large = landscape(), landscape(families=3000)
    assert len(large.families) == 3000
    few, many = shares(small), shares(large)
    for name in few:
        assert many[name] == pytest.approx(few[name], rel=0.15), name
    for column in ("abstract", "claims", "description"):
        mean = [raw.families[column].str.split().str.len().mean() for raw in (small, large)]
        assert mean[0] == pytest.approx(mean[1], rel=0.03)


def test_no_citations_across_fields_unless_asked_for() -> None:
    raw = landscape(citations_out=0.0, citations_noise=0.0)
    assert (
        scoped(raw)["inside"].mean() > 0.9
    )  # fields of two classes may cite within the field, by the second class only
    truth = simulated.plan(entry(citations_out=0.0, citations_noise=0.0))
    assert (truth.field[truth.citing] == truth.field[truth.cited]).all()


def test_many_families_are_written_by_several_processes_as_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    few = entry(families=70)
    alone = simulated.load("sim", few)
    monkeypatch.setattr(simulated, "_MANY", 1)
    monkeypatch.setattr(simulated, "_SHARE", 30)
    pd.testing.assert_frame_equal(simulated.load("sim", few).families, alone.families)
