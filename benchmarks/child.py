"""Runs one function of this package in a timed process; arguments and result are JSON.

`python -m benchmarks.child MODULE:FUNCTION ARGUMENTS FILE`
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from patent_embeddings.core.errors import UserError


def main(target: str, arguments: str, file: str) -> None:
    """Call the function and write its result to the file."""
    module, name = target.split(":")
    values = getattr(import_module(module), name)(**json.loads(arguments))
    Path(file).write_text(json.dumps(values or {}), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
