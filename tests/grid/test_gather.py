"""What many experiments come to, read at their commits."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from planted import Planted

from patent_embeddings.grid import gather
from patent_embeddings.grid.units import changed


def test_a_landscape_under_a_second_id_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    plant = Planted(6)
    for place in ("a", "c"):
        plant.cell(0.4, place).cell(0.5, place, recipe="r1", trained_on="a")
    frame = plant.frame()
    double = frame[frame["landscape"] == "a"].replace({"landscape": {"a": "b"}})
    double = changed(double, lambda one: replace(one, trained_on=("b",) if one.trained_on else ()))
    both = pd.concat([frame, double], ignore_index=True)
    titles = {name: pd.DataFrame({"query_id": sorted(set(frame["query_id"])), "title": "one"}) for name in "ab"}
    once = gather.once(both, titles)
    pd.testing.assert_frame_equal(once, frame)
    assert "left out: b, as most of its queries" in capsys.readouterr().err
    # Two landscapes that number their families alike hold other patents.
    assert len(gather.once(both, {**titles, "b": titles["b"].assign(title="other")})) == len(both)
