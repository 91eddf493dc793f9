"""A stage started by hand in a workspace: what `check` resolves for it is written first."""

from __future__ import annotations

from importlib import import_module

from patent_embeddings.core import layout, params
from patent_embeddings.core.files import write_json
from patent_embeddings.grid import keys

OF_A_CELL = ("check", "pairs", "finetune", "report")  # stages without a landscape


def stages(landscape: str, *names: str) -> None:
    """Run stages in the current folder, in this process, each after those that it needs."""
    for name in names:
        import_module(f"stages.{name}").main(*([] if name in OF_A_CELL else [landscape]))


def start(stage: str, *landscape: str) -> None:
    """Run a stage, on a landscape where it has one, under the workspace's params.yaml and registry."""
    resolve(stage, *landscape)
    import_module(f"stages.{stage}").main(*landscape)


def resolve(stage: str, *landscape: str) -> None:
    """Write what a stage reads."""
    write_json(layout.values(stage, *landscape), keys.resolved(params.load(), stage, *landscape))
