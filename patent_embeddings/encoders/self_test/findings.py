"""What the test of a model says of it, and the texts that it is tested on."""

from __future__ import annotations

from dataclasses import dataclass

SHORT = "A pump."
TEXT = "A valve with a spring closes a duct when the pressure falls."
AGAIN = "A valve with a spring closes a duct when its pressure falls."
OTHER = "Seeds of maize are coated before sowing so that no fungus grows on them."
LONG = f"{TEXT} {OTHER} " * 4


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what it came to, whether it fits the entry, and where not the likely cause."""

    what: str
    detail: str
    fits: bool
    cause: str = ""
