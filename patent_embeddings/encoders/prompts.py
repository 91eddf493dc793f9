"""What a model is given of a text: its prompt before it, and no more of it than the model keeps."""

from __future__ import annotations

from patent_embeddings.encoders.values import Prompts, Side


def prompt(prompts: Prompts, side: Side) -> str:
    """Prompt of a side; classification and clustering fall back to the document's."""
    own = getattr(prompts, side)
    return str(prompts.document if own is None else own)


def own(prompts: Prompts) -> list[Side]:
    """The tasks that documents are embedded for once more, as the model has a prompt for them."""
    tasks: tuple[Side, ...] = ("classification", "clustering")
    return [side for side in tasks if getattr(prompts, side) is not None]


def head(text: str, tokens: int) -> str:
    """The beginning of a text that holds its first `tokens` tokens, so that the rest is never tokenized.

    A word has at least one token, but for rare words of characters that tokenizers drop: twice as many words as
    tokens leave room for those. A text without blanks is left whole.
    """
    words = text.split(None, 2 * tokens)
    return text[: -len(words[-1])] if len(words) > 2 * tokens else text
