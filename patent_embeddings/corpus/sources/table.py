"""The user's own file, in any of the forms that are read."""

from __future__ import annotations

from pathlib import Path

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus import formats
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.values import OwnFile


def load(name: str, entry: OwnFile) -> Raw:
    """Load the file that `python -m stages.landscape add` took in.

    Raises UserError where it is absent, is not the one that was added, or breaks the format.
    """
    path = Path(entry.file)
    if not path.is_file():
        raise UserError(f"{path}: the file of landscape {name!r} is missing; run `dvc pull {path}.dvc`")
    if sha256(path) != entry.sha256:
        mend = f"run `dvc checkout {path}.dvc`, or add the new file under an id of its own"
        raise UserError(f"{path}: its sha256 is not the one in {layout.registry('landscapes')} under {name!r}; {mend}")
    return formats.parse(path)
