"""The symmetric in-batch contrastive loss, without forbidden negatives."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim
from sentence_transformers.util.distributed import all_gather, get_rank, get_world_size


def forbidden(pairs: pd.DataFrame) -> dict[int, list[int]]:
    """Row number of a pair -> row numbers of the pairs of its batch that must not be its negatives.

    `pairs` are rows of `PAIRS`, whose `conflicts` are positions in the batch.
    """
    at = {tuple(place): row for row, *place in pairs[["split", "step", "position"]].itertuples()}
    keys = zip(pairs.index, pairs["split"], pairs["step"], pairs["conflicts"], strict=True)
    return {row: [at[split, step, int(other)] for other in others] for row, split, step, others in keys}


def barred(pairs: pd.DataFrame) -> dict[int, list[tuple[int, int]]]:
    """Row number of a pair -> hard negatives of its batch that must not be its negatives.

    A hard negative is given as the row number of its pair and its number among that pair's. `pairs` are from
    `mining.mined`.
    """
    at = {tuple(place): row for row, *place in pairs[["split", "step", "position"]].itertuples()}
    keys = zip(pairs.index, pairs["split"], pairs["step"], pairs["negatives"], pairs["barred"], strict=True)
    found = {}
    for row, split, step, own, places in keys:
        found[row] = [(at[split, step, place // len(own)], place % len(own)) for place in places]
    return found


class AllowedNegatives(CachedLossMixin, MultipleNegativesRankingLoss):
    """The library's loss in both directions, each with its own softmax, over the allowed negatives.

    The similarities of forbidden pairs (see `forbidden`) are set to minus infinity before the softmax. The documents
    after the positives are hard negatives; they are negatives of every pair of the batch that they are not `barred`
    from.

    A batch of more than `kept` tokens, padding included, is embedded twice in chunks of at most as many tokens, as in
    GradCache (Gao et al., 2021): first without activations, for the loss and its gradients at the vectors, then chunk
    by chunk with activations. The gradients are those of the whole batch, the memory is that of a chunk. The library
    has this machinery, but its own cached loss masks no negatives.
    """

    def __init__(
        self,
        model: Any,
        forbidden: dict[int, list[int]],
        kept: int,
        barred: dict[int, list[tuple[int, int]]] | None = None,
    ) -> None:
        options = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
        several = get_world_size() > 1
        super().__init__(model, similarity_fct=self._allowed, gather_across_devices=several, **options)
        self.forbidden, self.kept, self.barred = forbidden, kept, barred or {}
        self.mask = torch.empty(0, 0, dtype=torch.bool)  # of the current batch, pairs by documents of all processes

    def forward(self, sentence_features: Any, labels: torch.Tensor) -> torch.Tensor:
        """Loss of one batch; `labels` are the row numbers of its pairs in the table of pairs, int64 [pairs]."""
        features = list(sentence_features)
        # With one process, the library would warn.
        rows = all_gather(labels) if get_world_size() > 1 else labels
        self.mask = self._masked(rows, len(features) - 2)
        masks = [feature["attention_mask"] for feature in features]
        if sum(mask.numel() for mask in masks) <= self.kept:
            return self.compute_loss_from_embeddings(embed_columns(self.model, features), labels)
        self.mini_batch_size = max(1, self.kept // max(mask.shape[1] for mask in masks))
        return self.forward_cached(features, labels)

    def calculate_loss(
        self, reps: list[list[torch.Tensor]], labels: torch.Tensor | None = None, *, with_backward: bool = False
    ) -> torch.Tensor:
        """Loss of a batch from its vectors in chunks; `with_backward` computes the gradients at the vectors."""
        loss = self.compute_loss_from_embeddings([torch.cat(chunks) for chunks in reps], labels)
        if with_backward:
            loss.backward()
        return loss.detach()

    def _masked(self, rows: torch.Tensor, each: int) -> torch.Tensor:
        """Documents that must not be negatives of each pair, bool [pairs, pairs * (1 + each)].

        The documents are the positives, then the first hard negative of every pair, the second, ...; a pair has `each`.
        """
        # A last dev batch that does not divide by the number of processes contains some pairs twice.
        where: dict[int, list[int]] = {}
        for position, row in enumerate(rows.tolist()):
            where.setdefault(row, []).append(position)
        count = len(rows)
        mask = torch.zeros(count, count * (1 + each), dtype=torch.bool)
        for row, positions in where.items():
            apart = [at for other in (row, *self.forbidden[row]) for at in where.get(other, ())]
            hard = self.barred.get(row, ())
            apart += [count * (1 + number) + at for other, number in hard for at in where.get(other, ())]
            for position in positions:
                mask[position, apart] = True
        mask.diagonal().fill_(False)
        return mask.to(rows.device)

    def _allowed(self, queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        """Cosine similarities, minus infinity where forbidden; a side has the texts of this process, or of all."""
        size = len(self.mask)
        own = size // get_world_size()
        here = slice(get_rank() * own, (get_rank() + 1) * own)
        rows, columns = (here if len(side) < size else slice(len(side)) for side in (queries, documents))
        return cos_sim(queries, documents).masked_fill(self.mask[rows, columns], -torch.inf)
