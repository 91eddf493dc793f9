"""Prompts of a model, and texts cut to what it keeps."""

from __future__ import annotations

from patent_embeddings.encoders.values import Embedder, Prompts, Side


def prompt(prompts: Prompts, side: Side) -> str:
    """Prompt of a side; classification and clustering fall back to the document's."""
    own = getattr(prompts, side)
    return str(prompts.document if own is None else own)


def own(model: Embedder) -> list[Side]:
    """Tasks for which documents are embedded again, as the model has a prompt or an adapter for them."""
    tasks: tuple[Side, ...] = ("classification", "clustering")
    apart = {side for side in tasks if model.tasks and getattr(model.tasks, side) != model.tasks.document}
    return [side for side in tasks if side in apart or getattr(model.prompts, side) is not None]


def head(text: str, tokens: int) -> str:
    """The beginning of a text that has its first `tokens` tokens, so that the rest need not be tokenized.

    Nearly every word has at least one token. Twice as many words as tokens are kept, for words of characters that
    tokenizers drop. A text without blanks is returned whole.
    """
    words = text.split(None, 2 * tokens)
    return text[: -len(words[-1])] if len(words) > 2 * tokens else text
