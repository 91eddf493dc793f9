"""Score by the jurisdiction of the query."""

from __future__ import annotations

from typing import Any

from patent_embeddings.grid.scores import scored
from patent_embeddings.grid.units import at_home, described, units, usual
from patent_embeddings.pages.grid.picture import Material, Picture, counted, dots, labels, landscapes

FEWEST = 10  # test queries of a jurisdiction


def _draw(material: Material) -> Any:
    rows = usual(at_home(units(material.grid.outcomes, "retrieval")))
    rows = rows.merge(material.grid.jurisdictions, on=["landscape", "query_id"])
    rows = rows[rows["jurisdiction"] != ""]
    keys = ["landscape", "simulated", "jurisdiction", "config"]
    rows = rows[rows.groupby(keys, observed=True)["query_id"].transform("size") >= FEWEST]
    several = rows.groupby("landscape")["jurisdiction"].nunique()
    rows = rows[rows["landscape"].isin(several[several > 1].index)]
    if rows.empty:
        return None
    found = described(scored(rows, keys))
    # A recipe has one colour in every panel, whichever landscape it is at home on.
    elsewhere = found["trained_on"].where(found["trained_on"] != found["landscape"].astype(str), "")
    found = found.assign(cell=labels(found.assign(trained_on=elsewhere)), landscape=counted(found, landscapes(found)))
    return dots(found, "nDCG@10 (95 % interval)", "jurisdiction", "cell", zero=False)


PICTURE = Picture(
    "Jurisdictions",
    "nDCG@10 of the dense run by jurisdiction of the query, with 95 % intervals; n test queries of a jurisdiction, at "
    f"least {FEWEST}.",
    "a landscape whose families come from several jurisdictions",
    _draw,
)
