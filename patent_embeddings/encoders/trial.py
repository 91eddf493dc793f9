"""The test that every model passes before its first use on a machine.

Libraries load weights into another network, leave tables unfilled or read out at the wrong token without an error, and
give plausible wrong numbers. A passed test is kept by all that changes a vector: weights, versions, precision, device.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256, write_text
from patent_embeddings.encoders import checking
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.weights import mend


def passed(encoder: Encoder) -> None:
    """Test a model that has not passed here as it is. Raises UserError: it does not what its entry says."""
    note = _note(encoder)
    if note.is_file():
        return
    faults = [one for one in checking.findings(encoder) if not one.fits]
    if faults:
        first, more = faults[0], f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        tuned = f" with the adapter in {encoder.adapter}" if encoder.adapter else ""
        found = f"{first.what}: {first.detail}{more}; likely cause: {first.cause}"
        what = f"failed its test before first use, in {encoder.dtype}{tuned}: {found}"
        todo = f"`python -m stages.model check` with its id shows all, then mend its entry, or {mend(encoder.entry)}"
        if encoder.adapter:
            todo += "; where that shows no fault the adapter has it: tune again, `dvc repro -f finetune`"
        raise UserError(f"{encoder.entry.hub}: {what}; {todo}")
    with suppress(OSError, UserError):  # it only saves time
        write_text(note, "")


def _note(encoder: Encoder) -> Path:
    """Where it is kept that a model has passed: by what changes its vectors, what is promised of them, and the test."""
    entry = encoder.entry
    told = entry.model_dump(include={"dimension", "padding", "pooling", "native", "encoder", "unverified"})
    tests = [sha256(Path(__file__).with_name(f"{name}.py")) for name in ("checking", "rotary", "trial")]
    parts = [encoder.fingerprint("query"), encoder.fingerprint("document"), told, tests]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return layout.scratch() / "trials" / digest[:32]
