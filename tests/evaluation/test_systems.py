"""The table of systems, metrics and label sets: whoever must say a name of it again says the same ones."""

from __future__ import annotations

from typing import get_args

from patent_embeddings.core.params import Fuse, Rerank
from patent_embeddings.corpus.labels import CODES, DOMAIN, OWN
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
    assert (*CODES, DOMAIN, OWN) == systems.LABEL_SETS
    assert sorted(systems.HEADLINE_LABELS) == sorted(systems.LABEL_SETS)


def test_systems_of_one_task_have_colours_of_their_own_and_floors_are_grey() -> None:
    for names in (systems.RETRIEVAL, systems.CLASSIFICATION, systems.CLUSTERING):
        assert len({COLOURS[name] for name in names}) == len(names)
    assert {one.name for one in systems.SYSTEMS if COLOURS.get(one.name) == PALETTE[-1]} == {"prior", "random"}
    assert not set(systems.ORACLES) & set(COLOURS)


def test_a_level_of_own_labels_has_the_place_of_own_labels() -> None:
    names = ["own-use", "cpc-subclass", "unheard-of", "own-topic", "domain", "ipc-subclass", "ipc-section"]
    assert sorted(names, key=systems.label_place) == [
        "ipc-section", "ipc-subclass", "cpc-subclass", "domain", "own-topic", "own-use", "unheard-of",
    ]  # fmt: skip
    headline = sorted(names[:5], key=lambda name: systems.label_place(name, systems.HEADLINE_LABELS))
    assert headline == ["own-topic", "own-use", "cpc-subclass", "domain", "unheard-of"]


def test_what_was_judged_is_a_metric_of_judged_landscapes_only() -> None:
    assert systems.metrics("retrieval") == ("nDCG@10", "nDCG@100", "R@100", "AP", "RR")
    assert systems.metrics("retrieval", judged=True) == (*systems.metrics("retrieval"), "Judged@10")
