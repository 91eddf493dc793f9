"""Compare the current scores with the expected ones that are committed; recomputes nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)


@app.command()
def main(
    grid: Annotated[bool, typer.Option("--grid", help="Verify every experiment of this code version.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Make the current scores the expected ones.")] = False,
) -> None:
    """Print OK, close or FAIL for each expected score of the current cell, and where each stage's output comes from."""
    from patent_embeddings.core import layout, params
    from patent_embeddings.grid import gather
    from patent_embeddings.sharing import verify

    found = gather.scores_of_experiments() if grid else gather.scores_at_hand(params.load())
    if accept:
        verify.accept(found)
        print(f"{layout.EXPECTED}: {len(set(found['parameters']))} cells, {len(found)} scores; commit it")
        return
    lines, counts = verify.verified(found)
    print("\n".join([*lines, *([] if grid else verify.origins())]))
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if counts["FAIL"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(app)
