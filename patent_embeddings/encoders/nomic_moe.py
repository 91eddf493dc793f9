"""nomic-embed-text-v2-moe: an encoder with rotary positions whose every second layer has a mixture of experts.

But for the experts it is the network of transformers' Jina embeddings v3: two layers of GELU with biases behind
attention in both directions, norms after the sums. `NomicMoELayer` of nomic-ai/nomic-bert-2048 is the experts' source.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModel
from transformers.activations import ACT2FN
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import Chunk, WeightConverter, WeightRenaming
from transformers.models.jina_embeddings_v3.modeling_jina_embeddings_v3 import JinaEmbeddingsV3Model

from patent_embeddings.encoders.native import MoeConfig


class Experts(torch.nn.Module):
    """Experts of two layers each, of which the router weighs the best for each token.

    The weights are the router's probabilities as they are, so that those of one token sum to less than one.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.count, self.best = config.num_experts, config.moe_top_k
        shape = config.num_experts, config.intermediate_size, config.hidden_size
        self.router = torch.nn.Linear(config.hidden_size, config.num_experts, bias=False)
        # As the hub has them: the experts one below the other.
        self.w1 = torch.nn.Parameter(torch.zeros(shape[0] * shape[1], shape[2]))
        self.w2 = torch.nn.Parameter(torch.zeros(shape[0] * shape[1], shape[2]))
        self.bias = torch.nn.Parameter(torch.zeros(config.hidden_size))
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[texts, tokens, hidden] to the same."""
        tokens = hidden.flatten(0, -2)
        probabilities = self.router(tokens).softmax(dim=-1, dtype=torch.float32)
        shares, chosen = probabilities.topk(self.best, dim=-1)
        out = torch.zeros_like(tokens)
        for number, (into, back) in enumerate(zip(self.w1.chunk(self.count), self.w2.chunk(self.count), strict=True)):
            rows, place = (chosen == number).nonzero(as_tuple=True)
            made = self.activation(tokens[rows] @ into.T) @ back
            out = out.index_add(0, rows, made * shares[rows, place, None].to(made.dtype))
        return (out + self.bias).view_as(hidden)


class NomicMoeModel(JinaEmbeddingsV3Model):
    """The encoder, without a pooler."""

    config_class = MoeConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config, add_pooling_layer=False)
        for number, layer in enumerate(self.layers):
            if number % config.moe_every_n_layers == 1:
                layer.mlp = Experts(config)


AutoModel.register(MoeConfig, NomicMoeModel)
register_checkpoint_conversion_mapping(
    MoeConfig.model_type,
    [
        WeightRenaming("emb_ln", "embeddings.LayerNorm"),
        WeightRenaming("encoder.layers", "layers"),
        WeightRenaming("attn.out_proj", "self_attn.o_proj"),
        WeightRenaming("norm1", "post_attention_layernorm"),
        WeightRenaming("norm2", "post_mlp_layernorm"),
        WeightRenaming("router.layer", "router"),
        WeightRenaming("experts.mlp.w1", "w1"),
        WeightRenaming("experts.mlp.w2", "w2"),
        WeightRenaming("experts.bias", "bias"),
        WeightConverter(
            source_patterns="attn.Wqkv",
            target_patterns=["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            operations=[Chunk(dim=0)],
        ),
    ],
)
