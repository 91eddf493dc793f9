"""The configuration of nomic-embed-text-v2-moe, which its tokenizer needs too; the network is in `nomic_moe`."""

from __future__ import annotations

from transformers import AutoConfig
from transformers.models.jina_embeddings_v3.configuration_jina_embeddings_v3 import JinaEmbeddingsV3Config

MODEL_TYPE = "nomic_bert_moe"


class MoeConfig(JinaEmbeddingsV3Config):
    """The encoder's sizes, and those of its experts."""

    model_type = MODEL_TYPE
    num_experts: int = 8
    moe_top_k: int = 2
    moe_every_n_layers: int = 2


AutoConfig.register(MODEL_TYPE, MoeConfig)
