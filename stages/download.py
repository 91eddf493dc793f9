"""Raw source -> families and citations of one landscape."""

from __future__ import annotations

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Fetch or generate a landscape and write its families, citations and own judgements."""
    import pandas as pd

    from patent_embeddings.core import costs, tables
    from patent_embeddings.core.progress import say
    from patent_embeddings.corpus import sources
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, RELATIONS

    entry = landscape_entry(landscape)
    with costs.measured(layout.cost("download", landscape)) as cost:
        raw = sources.load(landscape, entry)
        if raw.families.empty:
            raise UserError(
                f"landscape {landscape!r} is empty: its source has no family; see its entry in {layout.registry('landscapes')}"
            )
        relations = pd.DataFrame(columns=list(RELATIONS.columns)).astype({"relevance": "int64"})
        tables.write(raw.families, layout.families(landscape), FAMILIES)
        tables.write(raw.citations, layout.citations(landscape), CITATIONS)
        tables.write(relations if raw.relations is None else raw.relations, layout.relations(landscape), RELATIONS)
        cost["texts"] = len(raw.families)
        cost["notes"] = raw.notes
    say(f"{landscape}: {len(raw.families):,} families, {len(raw.citations):,} citations; licence {entry.licence}")


if __name__ == "__main__":
    run(app)
