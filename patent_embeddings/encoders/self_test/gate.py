"""The test that every model has to pass before its first use on a machine.

A library may load weights into another network, leave tables unfilled or pool at the wrong token without an error; the
numbers are then plausible and wrong. A passed test is remembered under everything that changes a number: weights, code,
versions, precision, and the model of the GPU or the maker of the processor; see `fingerprints`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256, write_text
from patent_embeddings.encoders.self_test.findings import Finding
from patent_embeddings.encoders.values import Weights
from patent_embeddings.encoders.weights import mend

_PROMISED = {"dimension", "padding", "pooling", "native", "encoder", "unverified"}  # fields that the test checks
ENCODER = "encoder_checks"  # the module with the test of an embedding model
_TESTS = ("findings", "gate", "rotary")  # modules that decide what passes, besides `test`


def passed(
    entry: Weights,
    key: Sequence[dict[str, Any]],
    test: str,
    findings: Callable[[], Iterable[Finding]],
    dtype: str,
    adapter: Path | None = None,
) -> None:
    """Test a model unless it has passed on this machine with the same fingerprints.

    `key`: its fingerprints; `test`: the module with its `findings`. Raises UserError: a finding does not fit its entry.
    """
    kept = note(entry, key, test)
    if kept.is_file():
        return
    faults = [one for one in findings() if not one.fits]
    if faults:
        first, more = faults[0], f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        tuned = f" with the adapter in {adapter}" if adapter else ""
        found = f"{first.what}: {first.detail}{more}; likely cause: {first.cause}"
        what = f"failed its test before first use, in {dtype}{tuned}: {found}"
        todo = f"`python -m stages.model check` with its id shows all, then mend its entry, or {mend(entry)}"
        if adapter:
            todo += "; where that shows no fault the adapter has it: tune again, `dvc repro -f finetune`"
        raise UserError(f"{entry.hub}: {what}; {todo}")
    with suppress(OSError, UserError):  # it only saves time
        write_text(kept, "")


def note(entry: Weights, key: Sequence[dict[str, Any]], test: str) -> Path:
    """Path of the note that a model has passed, by its fingerprints, the fields that are checked, and the test."""
    tests = [sha256(Path(__file__).with_name(f"{name}.py")) for name in (test, *_TESTS)]
    parts = [list(key), entry.model_dump(include=_PROMISED), tests]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return layout.scratch() / "trials" / digest[:32]
