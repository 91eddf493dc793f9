from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from patent_embeddings.corpus import views
from patent_embeddings.corpus.entries import view_entry

CLAIMS = "1. A pump comprising a rotor.\n2. The pump of claim 1, wherein the rotor is hollow.\n3. A method of pumping."


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (CLAIMS, "A pump comprising a rotor."),
        ("1. The pump of claim 4, hollow. 2. Nothing at a line start\n2. A valve.", "A valve."),
        ("1. (canceled)\n2. A valve of any preceding claim.", "A valve of any preceding claim."),
        ("1-20. (canceled)\n21. A valve.\n22. The valve of claim 21.", "A valve."),
        ("1. (Cancelled)", ""),
        ("What is claimed is:\n1. A pump.\n2. The pump of claim 1.", "A pump."),
        ("What is claimed is: 1. A pump of 3. 5 bar; a rotor. 2. The pump of claim 1.", "A pump of 3. 5 bar; a rotor."),
        ("Claims: 1. A pump.\n2. The pump of claim 1.", "A pump."),
        ("1.A pump, hollow;\n2.according to claim 1 the pump.", "A pump, hollow;"),
        ("1. A pump as in Fig. 2. Its rotor is hollow.", "A pump as in Fig. 2. Its rotor is hollow."),
        ("A pump.\n2. The pump of claim 1.", "A pump."),
        ("1. A pump with:\n1) a rotor,\n2) a case.\n2. The pump of claim 1.", "A pump with:\n1) a rotor,\n2) a case."),
        ("1. A pump as claimed in claim 2.", "A pump as claimed in claim 2."),
        ("A pump with 3.5 litres.", "A pump with 3.5 litres."),
        ("", ""),
    ],
)
def test_first_independent_claim(claims: str, expected: str) -> None:
    assert views.first_independent(claims) == expected


def test_sections_are_joined_by_one_newline_and_absence_is_marked(workspace: Path) -> None:
    families = pd.DataFrame(
        {
            "family_id": ["a", "b", "c"],
            "title": ["T", " T ", ""],
            "abstract": ["A", "", ""],
            "claims": [CLAIMS, "", ""],
            "description": ["D", "D", ""],
        }
    ).astype("str")
    tac = views.texts(families, view_entry("tac"))
    assert tac["text"].tolist() == [f"T\nA\n{CLAIMS}", "T", ""]
    assert tac["complete"].tolist() == [True, False, False]
    assert views.texts(families, view_entry("claim1"))["text"].tolist() == ["A pump comprising a rotor.", "", ""]
    assert views.texts(families, view_entry("full"))["text"].tolist()[1] == "T\nD"
