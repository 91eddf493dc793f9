"""What cells took, as pages show it: with what a GPU says, on a processor, and in records of before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.grid.cell import Config
from patent_embeddings.grid.gather import COSTS
from patent_embeddings.handover.sheets import Sheet
from patent_embeddings.pages.cell import provenance
from patent_embeddings.pages.grid import page

OLD = {"seconds": 3.0, "texts_per_second": 20.0, "peak_mib": 400, "device": "cpu"}
CPU = {**OLD, "tokens": 900, "tokens_per_second": 300.4, "busy": 0.87, "busy_by": "processor time"}
GPU = {**CPU, "device": "cuda", "gpu": "Toy 9000", "busy": 0.955, "busy_by": "driver", "peak_gpu_mib": 5120,
       "gpu_seconds": 3.0, "watt_hours": 0.25}  # fmt: skip


def of_a_cell(of_all: dict[str, Any] | None = None, **records: dict[str, Any]) -> Sheet:
    costs = {"sim-alpha": records, layout.CELL: of_all or {"pairs": {"seconds": 1.0}}}
    cell: Any = SimpleNamespace(costs=costs, source=lambda *_: "data/costs")
    sheet = provenance.costs(cell)
    assert sheet is not None
    return sheet


def of_a_grid(*records: dict[str, Any]) -> Sheet:
    config = Config("m", "zero-shot", (), "ta", "ta")
    keys = {"config": config, "fold": 0, "seed": 0, "where": "a", "stage": "embed"}
    rows = [{**keys, "cell": f"c{number}", **one} for number, one in enumerate(records)]
    return page.costs(pd.DataFrame(rows).reindex(columns=list(COSTS)))


def test_a_record_of_before_shows_dashes_beside_one_of_a_gpu() -> None:
    sheet = of_a_cell(embed=GPU, search=OLD)
    rows = {row[0]: dict(zip(sheet.head, row, strict=True)) for row in sheet.rows}
    assert rows["embed"] == {
        "stage": "embed", "landscape": "sim-alpha", "seconds": "3.0", "texts a second": 20, "tokens a second": 300,
        "busy": "96%", "peak MiB": 400, "peak GPU MiB": 5120, "GPU seconds": 3.0, "Wh": 0.25, "device": "Toy 9000",
    }  # fmt: skip
    unknown = ("tokens a second", "busy", "peak GPU MiB", "GPU seconds", "Wh")
    assert [rows["search"][name] for name in unknown] == [None] * 5
    assert "as its driver says" in sheet.caption and "processors" not in sheet.caption


def test_less_than_one_text_a_second_is_not_none() -> None:
    sheet = of_a_cell(embed={**GPU, "texts_per_second": 0.04321, "tokens_per_second": 22.4})
    (row,) = (dict(zip(sheet.head, row, strict=True)) for row in sheet.rows if row[0] == "embed")
    assert (row["texts a second"], row["tokens a second"]) == (0.04321, 22)


def test_without_a_gpu_there_is_no_column_of_one_and_busy_is_said_to_be_the_processors() -> None:
    sheet = of_a_cell(embed=CPU)
    head = ["stage", "landscape", "seconds", "texts a second", "tokens a second", "busy", "peak MiB", "device"]
    assert list(sheet.head) == head
    assert "of all processors' time" in sheet.caption and "without padding" in sheet.caption
    assert "tokens" not in of_a_cell(embed=OLD).caption


def test_what_the_scratch_saved_is_not_shown_as_speed() -> None:
    saved = {**OLD, "seconds": 0.1, "texts": 600, "computed": 200}
    whole = {**OLD, "texts": 600, "computed": 600}
    said = of_a_cell(embed=saved).caption
    assert "embed on sim-alpha took the results of 400 of its 600 texts from the scratch, which cost it no time" in said
    assert "scratch" not in of_a_cell(embed=whole).caption
    resumed = of_a_cell(embed=whole, of_all={"finetune": saved}).caption
    assert "finetune took the results of 400 of its 600 texts" in resumed
    both = of_a_grid(saved, whole)
    assert dict(zip(both.head, both.rows[0], strict=True))["embedding"] == 3.0 and "left out" in both.caption
    none = of_a_grid(saved)
    assert none.rows == [["m zero-shot ta"]] and "left out" in none.caption
    assert "left out" not in of_a_grid(whole).caption


def test_a_grid_takes_means_of_what_is_known() -> None:
    second = {**GPU, "seconds": 5.0, "tokens_per_second": 299.6, "gpu_seconds": 5.0, "watt_hours": 0.75, "busy": 0.905}
    sheet = of_a_grid(GPU, second)
    (row,) = sheet.rows
    found = dict(zip(sheet.head, row, strict=True))
    assert found["seconds, all stages"] == 4.0 and found["tokens a second"] == 300.0
    assert (found["GPU seconds"], found["Wh"], found["busy"]) == (4.0, 0.5, "93%")
    assert (found["peak GPU MiB"], found["device"]) == (5120, "Toy 9000")
    plain = of_a_grid(OLD, OLD)
    assert "Wh" not in plain.head and "busy" not in plain.head and plain.rows[0][-1] == "cpu"
