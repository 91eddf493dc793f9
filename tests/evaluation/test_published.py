"""Published figures: well-formed, consistent with themselves, and tied to our registries."""

from __future__ import annotations

from pathlib import Path

import pytest

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation import published

VIEWS = ["v1", "tac", "v3", "v4", "claim1", "dwpi-ta"]


@pytest.mark.parametrize("name", published.NAMES)
def test_every_table_is_sound_and_names_models_of_the_registry(name: str) -> None:
    frame = published.figures(name)
    assert len(frame) >= 18
    assert set(frame["model"]) - {""} <= set(registry.ids("models"))
    assert sorted(path.stem for path in layout.published("x").parent.glob("*.csv")) == sorted(published.NAMES)


def test_the_study_table_has_its_22_rows_and_their_means() -> None:
    frame = published.figures("study")
    table = frame[frame["system"].isin(["dense", "bm25"]) & frame["view"].isin([*VIEWS, "mean"])]
    wide = table.pivot(index="name", columns="view", values="value")
    assert len(wide) == 22
    whole = wide.dropna()
    # One row could not be recovered whole; for the others the printed mean is the mean of the six views.
    assert set(wide.index) - set(whole.index) == {"Llama-Embed-Nemotron-8B"}
    assert (whole[VIEWS].mean(axis=1) - whole["mean"]).abs().max() <= 1e-4
    # Two of its views are the same text for nearly all documents.
    assert (wide["v1"] - wide["v4"]).abs().max() <= 3e-4 + 1e-12


def test_models_of_the_study_carry_the_name_of_their_row() -> None:
    frame = published.figures("study")
    named = frame[(frame["model"] != "") & (frame["view"] == "mean")].set_index("model")["name"].to_dict()
    assert named == {name: model_entry(name).study for name in registry.ids("models") if model_entry(name).study}


def test_fusion_figures_agree_with_the_text_of_the_study() -> None:
    frame = published.figures("study")
    octen = frame[(frame["model"] == "octen-8b") & (frame["view"] == "tac")].set_index("system")["value"]
    assert octen["interpolation"] - octen["dense"] == pytest.approx(0.015, abs=5e-4)


def test_dapfam_anchors_lie_in_their_intervals_and_out_is_below_in() -> None:
    frame = published.figures("dapfam")
    anchors = frame[frame["source"].str.contains("pateval")]
    assert anchors[anchors["scope"] == "all"][["low", "high"]].notna().all(axis=None)
    assert len(anchors[anchors["scope"] == "all"]) == 6
    wide = (
        frame[frame["dataset"] == "dapfam"]
        .pivot_table(index=["source", "name", "metric", "note"], columns="scope", values="value")
        .dropna()
    )
    assert len(wide) == 6 * 2 + 6 + 1
    assert (wide["out"] < wide["all"]).all() and (wide["all"] < wide["in"]).all()


def test_figures_are_found_for_a_cell_and_only_for_it() -> None:
    found = published.beside("dapfam", "paecter", "tac")
    assert found["value"].tolist() == [0.3424, 0.3860, 0.0598, 0.343, 0.387, 0.060]
    assert published.beside("sim-alpha", "paecter", "tac").empty
    assert published.beside("dapfam", "paecter", "title").empty


def test_a_broken_table_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = layout.published("mteb").read_text()
    path = tmp_path / layout.published("mteb")
    path.parent.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    lines = text.splitlines()
    for broken in (
        text.replace("0.4539", "45.39"),
        text.replace("0.4539", "best"),
        text.replace(",read,", ",sure,"),
        "\n".join([*lines, lines[-1]]),
        text.replace(",kmeans,", ",k-means,"),
        text.replace("value", "score"),
    ):
        assert broken != text
        path.write_text(broken)
        with pytest.raises(UserError, match=r"mteb\.csv: "):
            published.figures("mteb")
    with pytest.raises(UserError, match="no such file"):
        published.figures("study")
