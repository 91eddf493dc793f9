"""The test that every model passes before its first use on a machine.

Libraries load weights into another network, leave tables unfilled or read out at the wrong token without an error, and
give plausible wrong numbers. A passed test is kept by all that changes a number: weights, code, versions, precision,
and the model of the GPU or the make of the processor; see `fingerprints`.
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

_PROMISED = {"dimension", "padding", "pooling", "native", "encoder", "unverified"}  # fields that are held against it
_TESTS = ("findings", "gate", "rotary")  # modules that decide what passes, beside that of a kind of model


def passed(
    entry: Weights,
    key: Sequence[dict[str, Any]],
    test: str,
    findings: Callable[[], Iterable[Finding]],
    dtype: str,
    adapter: Path | None = None,
) -> None:
    """Test a model that has not passed here as it is. Raises UserError: it does not what its entry says.

    `key`: its fingerprints; `test`: the module with its `findings`.
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
    """Where it is kept that a model has passed: by what changes its numbers, what is promised of them, and the test."""
    tests = [sha256(Path(__file__).with_name(f"{name}.py")) for name in (test, *_TESTS)]
    parts = [list(key), entry.model_dump(include=_PROMISED), tests]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return layout.scratch() / "trials" / digest[:32]
