"""The loss: symmetric in-batch contrast whose negatives leave out what is forbidden."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim
from sentence_transformers.util.distributed import all_gather, get_rank, get_world_size


def forbidden(pairs: pd.DataFrame) -> dict[int, list[int]]:
    """Row number of a pair -> row numbers of its batch that must not be its negatives.

    `pairs`: rows of the table of pairs, whose `conflicts` are places within the batch.
    """
    at = {tuple(place): row for row, *place in pairs[["split", "step", "position"]].itertuples()}
    keys = zip(pairs.index, pairs["split"], pairs["step"], pairs["conflicts"], strict=True)
    return {row: [at[split, step, int(other)] for other in others] for row, split, step, others in keys}


class AllowedNegatives(MultipleNegativesRankingLoss):
    """The library's loss, both directions, each with its own softmax, over what is allowed.

    The similarities of a forbidden pair, see `forbidden`, are set to minus infinity before the softmax.
    """

    def __init__(self, model: Any, forbidden: dict[int, list[int]]) -> None:
        options = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
        several = get_world_size() > 1
        super().__init__(model, similarity_fct=self._allowed, gather_across_devices=several, **options)
        self.forbidden = forbidden
        self.mask = torch.empty(0, 0, dtype=torch.bool)  # of the batch at hand, all processes' pairs by all

    def forward(self, sentence_features: Any, labels: torch.Tensor) -> torch.Tensor:
        """Loss of one batch; `labels` are the rows of its pairs in the table of pairs, int64 [pairs]."""
        # Of one process the library would give its own back, with a warning.
        self.mask = self._forbidden_among(all_gather(labels) if get_world_size() > 1 else labels)
        return self.compute_loss_from_embeddings(embed_columns(self.model, list(sentence_features)), labels)

    def _forbidden_among(self, rows: torch.Tensor) -> torch.Tensor:
        """Whether a pair must not be a negative of another, bool [pairs, pairs]."""
        # Where the last dev batch does not divide among the processes, pairs stand in it twice.
        mask = (rows[:, None] == rows[None, :]).fill_diagonal_(False)
        where: dict[int, list[int]] = {}
        for position, row in enumerate(rows.tolist()):
            where.setdefault(row, []).append(position)
        for row, positions in where.items():
            for other in self.forbidden[row]:
                for position in positions:
                    mask[position, where.get(other, [])] = True
        return mask

    def _allowed(self, queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        """Cosine similarities, minus infinity where forbidden; a side has this process's texts, or those of all."""
        whole, size = slice(None), len(self.mask)
        own = size // get_world_size()
        here = slice(get_rank() * own, (get_rank() + 1) * own)
        rows, columns = (here if len(side) < size else whole for side in (queries, documents))
        return cos_sim(queries, documents).masked_fill(self.mask[rows, columns], -torch.inf)
