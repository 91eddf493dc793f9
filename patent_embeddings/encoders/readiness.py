"""What models lack to be used on this machine: files, a commit, consent, an account or memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import aligned
from patent_embeddings.encoders import devices, weights
from patent_embeddings.encoders.devices import Device
from patent_embeddings.encoders.entries import Terms
from patent_embeddings.encoders.precision import resolve

_GB = 10**9
HEAVIEST = ("float32", "auto", "bfloat16")  # types of number, the most memory first
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


Kind = Literal["files", "commit", "account", "consent", "memory", "other"]


@dataclass(frozen=True)
class Readiness:
    """What one model lacks, in words by kind; empty where it can be used."""

    name: str
    millions: float
    lacks: dict[Kind, str]

    @property
    def fetched(self) -> bool:
        """Whether the model lacks nothing but a download."""
        return set(self.lacks) == {"files"}


def readiness(entries: Mapping[str, Terms], dtypes: Mapping[str, str]) -> list[Readiness]:
    """What each model or reranker lacks; `entries` and the `dtypes` to load them in are by id. Asks no network."""
    device = devices.planned()
    return [Readiness(name, one.parameters, dict(_lacks(one, dtypes[name], device))) for name, one in entries.items()]


def table(found: list[Readiness]) -> str:
    """One line a model, then the commands that provide what is lacking."""
    rows = [(one.name, f"{one.millions:,.0f}", "; ".join(one.lacks.values()) or "ready") for one in found]
    lines = aligned([("model", "millions", "here"), *rows], right=(1,))
    for kind, mend in _MENDS.items():
        if names := [one.name for one in found if kind in one.lacks]:
            lines += ["", f"{mend.format(' '.join(names))}"]
    return "\n".join(lines)


_MENDS: dict[Kind, str] = {
    "commit": "pin a commit:      python -m stages.model pin {0}",
    "account": "accept the terms on the page of {0}, then `hf auth login`",
    "files": "download:          python -m stages.model fetch {0}",
    "consent": f"read the code that comes with {{0}}; to agree to run it, set {weights.CONSENT}=1",
    "memory": "halve the memory:  -S embed.dtype=bfloat16, or compute {0} on a larger machine",
}


def _lacks(entry: Terms, dtype: str, device: Device) -> Iterator[tuple[Kind, str]]:
    size = entry.parameters * 1e6 * _BYTES[getattr(entry, "precision", "float32")] / _GB
    if not weights.available(entry):
        try:
            if entry.source != "hub":
                weights.locate(entry)
            elif entry.revision:
                yield "files", f"not here, about {size:.2g} GB"
            else:
                yield "commit", f"no commit pinned, about {size:.2g} GB"
            if entry.gated and not _logged_in():
                yield "account", "needs an account"
        except UserError as error:
            yield "other", str(error)
    if entry.remote_code and (fault := weights.unlike(entry)):
        yield "other", f"its code {fault}"
    else:
        try:
            weights.consented(entry)
        except UserError:
            yield "consent", "runs code of its own"
    needs = entry.parameters * 1e6 * _BYTES[resolve(dtype, device)]
    if device.memory is not None and needs > device.memory:
        where = "the GPU" if device.kind == "cuda" else "this machine"
        yield "memory", f"weights of {needs / _GB:,.0f} GB in memory, {where} has {device.memory / _GB:,.0f}"


def _logged_in() -> bool:
    """Whether the hub's client has an account's token; only the hub knows whether that has accepted a model's terms."""
    from huggingface_hub import get_token  # a seventh of a second, for gated models that are not here

    return get_token() is not None
