"""Make tables, picture and README of the study from its record and its confirmation: `python -m studies.robust`."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)


@app.command()
def main() -> None:
    """Write tables/, frontier.svg and README.md of the study again; takes minutes, mostly of resampling."""
    from studies.robust import outputs

    outputs.write()


if __name__ == "__main__":
    run(app)
