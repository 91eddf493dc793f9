"""The test that every model has to pass before its first use on a machine.

A library may load weights into another network, leave tables unfilled or pool at the wrong token without an error; the
numbers are then plausible and wrong. A passed test is remembered under everything that changes a number: weights, code,
versions, precision, and the model of the GPU or the maker of the processor; see `fingerprints`.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256, write_text
from patent_embeddings.encoders.weights import mend

if TYPE_CHECKING:
    from patent_embeddings.encoders.base import Encoder
    from patent_embeddings.encoders.cross import Cross
    from patent_embeddings.encoders.specification import Specification

_PROMISED = {"dimension", "padding", "pooling", "native", "encoder", "unverified"}  # fields that the test checks
ENCODER = "encoder_checks"  # the module with the test of an embedding model
_TESTS = ("gate", "rotary")  # modules that decide what passes, besides `test`

# Texts of the tests
SHORT = "A pump."
TEXT = "A valve with a spring closes a duct when the pressure falls."
AGAIN = "A valve with a spring closes a duct when its pressure falls."
OTHER = "Seeds of maize are coated before sowing so that no fungus grows on them."
LONG = f"{TEXT} {OTHER} " * 4


@dataclass(frozen=True)
class Finding:
    """Result of one check: its name, what was found, whether it fits the entry, and the likely cause if not."""

    what: str
    detail: str
    fits: bool
    cause: str = ""


def passed(model: Encoder | Cross, test: Any) -> None:
    """Test a loaded model unless it has passed on this machine with the same fingerprints.

    `test`: the module with its `findings`. Raises UserError: a finding does not fit its entry.
    """
    kept = note(model, test.__name__.rpartition(".")[2])
    if kept.is_file():
        return
    faults = [one for one in test.findings(model) if not one.fits]
    if faults:
        first, more = faults[0], f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        tuned = f" with the adapter in {model.adapter}" if model.adapter else ""
        found = f"{first.what}: {first.detail}{more}; likely cause: {first.cause}"
        what = f"failed its test before first use, in {model.dtype}{tuned}: {found}"
        todo = f"`python -m stages.model check` with its id shows all, then mend its entry, or {mend(model.entry)}"
        if model.adapter:
            todo += "; where that shows no fault the adapter has it: tune again, `dvc repro -f finetune`"
        raise UserError(f"{model.entry.hub}: {what}; {todo}")
    with suppress(OSError, UserError):  # it only saves time
        write_text(kept, "")


def note(model: Specification | Cross, test: str) -> Path:
    """Path of the note that a model has passed, by its fingerprints, the fields that are checked, and the test."""
    tests = [sha256(Path(__file__).with_name(f"{name}.py")) for name in (test, *_TESTS)]
    parts = [model.fingerprints(), model.entry.model_dump(include=_PROMISED), tests]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return layout.scratch() / "trials" / digest[:32]
