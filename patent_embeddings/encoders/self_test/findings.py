"""One result of a model's self-test, and the texts that it uses."""

from __future__ import annotations

from dataclasses import dataclass

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
