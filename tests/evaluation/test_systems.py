"""The table of systems, metrics and label sets: whoever must say a name of it again says the same ones."""

from __future__ import annotations

from typing import get_args

from patent_embeddings.core.params import Fuse, Rerank
from patent_embeddings.corpus.labels import CODES
from patent_embeddings.evaluation import systems
from patent_embeddings.evaluation.classification import CLASSIFIERS
from patent_embeddings.pages.colours import COLOURS, PALETTE


def test_every_task_has_one_lead_and_a_metric_that_leads() -> None:
    assert systems.LEADING == {
        "retrieval": ("dense", "nDCG@10"),
        "classification": ("probe", "micro-F1"),
        "clustering": ("kmeans", "V-measure"),
    }
    assert [one.name for one in systems.SYSTEMS if one.role == "lead"] == ["dense", "probe", "kmeans"]


def test_names_are_distinct() -> None:
    for table in (systems.SYSTEMS, systems.METRICS):
        assert len({one.name for one in table}) == len(table)
    assert len({one.mteb for one in systems.METRICS}) == len(systems.METRICS)


def test_what_params_may_name_is_in_the_table() -> None:
    assert {"nDCG@10", "RR"} <= set(get_args(Fuse.model_fields["metric"].annotation)) <= {*systems.metrics("retrieval")}
    assert {"bm25", "rrf"} <= set(get_args(Rerank.model_fields["system"].annotation)) <= {*systems.REQUIRED}


def test_classifiers_and_label_sets_are_those_that_are_computed() -> None:
    assert tuple(CLASSIFIERS) == systems.CLASSIFICATION
    assert (*CODES, "own") == systems.LABEL_SETS
    assert sorted(systems.HEADLINE_LABELS) == sorted(systems.LABEL_SETS)


def test_systems_of_one_task_have_colours_of_their_own_and_floors_are_grey() -> None:
    for names in (systems.RETRIEVAL, systems.CLASSIFICATION, systems.CLUSTERING):
        assert len({COLOURS[name] for name in names}) == len(names)
    assert {one.name for one in systems.SYSTEMS if COLOURS.get(one.name) == PALETTE[-1]} == {"prior", "random"}
    assert not set(systems.ORACLES) & set(COLOURS)
