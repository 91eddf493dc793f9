"""Source -> families, citations, judgements and queries of one landscape."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Fetch or generate a landscape and write its families, citations, judgements and queries."""
    from patent_embeddings.core import costs, layout, params, tables
    from patent_embeddings.core.progress import say
    from patent_embeddings.corpus import sources
    from patent_embeddings.corpus.schemas import ASKED, CITATIONS, FAMILIES, RELATIONS
    from patent_embeddings.corpus.values import DownloadValues

    with costs.measured(layout.cost("download", landscape)) as cost:
        entry = params.read("download", DownloadValues, landscape).landscape
        raw = sources.load(landscape, entry)
        tables.write(raw.families, layout.families(landscape), FAMILIES)
        tables.write(raw.citations, layout.citations(landscape), CITATIONS)
        tables.write(raw.relations, layout.relations(landscape), RELATIONS)
        tables.write(raw.queries, layout.queries(landscape), ASKED)
        cost.update(texts=len(raw.families), notes=raw.notes)
    say(f"{landscape}: {len(raw.families):,} families, {len(raw.citations):,} citations; licence {entry.licence}")


if __name__ == "__main__":
    run(app)
