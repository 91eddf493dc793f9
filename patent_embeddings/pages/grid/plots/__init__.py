"""Every picture of the grid, in the order of its page: a picture is a module here and a name in the table."""

from importlib import import_module

from patent_embeddings.pages.grid.picture import Material, Picture

PICTURES = ("recipes", "transfer", "inout", "views", "scaling", "dimensions", "jurisdictions", "matched", "cost")


def pictures(material: Material) -> dict[str, Picture]:
    """Every picture of a grid by name."""
    return {name: import_module(f"{__name__}.{name}").PICTURE.of(material) for name in PICTURES}
