"""One vector a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stages.encoders import Side
from stages.encoders.base import Encoder

if TYPE_CHECKING:
    import numpy as np


class Dense(Encoder):
    """A model that gives one vector a text."""

    model_class = "SentenceTransformer"

    def encode(self, texts: Sequence[str], side: Side) -> np.ndarray:
        """Encode texts of one side by the model's own `encode_query` or `encode_document`.

        Returns:
            float32 [texts, dimension], normalised only if the model itself does.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, self.entry.dimension), np.float32)
        vectors = self._method(side)(list(texts), convert_to_tensor=True, **self._arguments(texts, side))
        return vectors.float().cpu().numpy()
