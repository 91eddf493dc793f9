"""Share what this clone has computed, and restore what others have: workspace, experiments and past runs."""

from __future__ import annotations

from typing import Annotated

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)


@app.command()
def push() -> None:
    """Push results, experiments and past runs, with everything that they name, to the default remote."""
    from patent_embeddings.sharing import share

    share.push()


@app.command()
def pull(experiment: Annotated[str | None, typer.Argument(help="Pull only this experiment.")] = None) -> None:
    """Pull what others computed: past runs, experiments, and the workspace's files; nothing is run again."""
    from patent_embeddings.sharing import share

    share.pull(experiment)


@app.command()
def check() -> None:
    """Hash every file of DVC's cache; remove damaged ones and links to them, so that they are restored or computed."""
    from patent_embeddings.sharing import share

    share.check()


if __name__ == "__main__":
    run(app)
