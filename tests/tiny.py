"""Tiny models with random weights, one of each make that the registry knows, saved as the hub has them."""

from pathlib import Path
from typing import Any

from patent_embeddings.core import registry
from patent_embeddings.encoders import weights
from patent_embeddings.encoders.entries import Model

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;|?!'"
TEXTS = ["a pump", "A valve with a spring, that closes a duct when the pressure falls.", "x", "seals: two. rings"]
DIMENSION = 16
LATE: dict[str, Any] = {"encoder": "late", "pooling": "tokens", "similarity": "maxsim", "dimension": 8}  # for `late`


def pinned(folder: Path) -> str:
    """The digest that the entry of a folder has to pin."""
    return weights.digest(folder)


def entry(folder: Path, **changes: Any) -> Any:
    """Registry entry of a model in a folder, as it is now."""
    block = {
        "source": "folder", "path": str(folder), "hub": "tiny/model", "family": "tiny", "parameters": 0.01,
        "dimension": DIMENSION, "max_length": 64, "length": 48, "pooling": "mean", "licence": "CC0-1.0",
        "digest": pinned(folder),
    }  # fmt: skip
    return registry.validated("models", "tiny", {**block, **changes}, Model)


def bert(folder: Path, kind: str = "model", labels: int = 1, positions: int = 64) -> Path:
    """BERT (`model`) or a BERT classifier (`classifier`), one token a letter, [CLS] text [SEP]."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]", *LETTERS]
    tokens += [f"##{letter}" for letter in LETTERS]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokens), hidden_size=DIMENSION, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=positions, initializer_range=0.5, num_labels=labels,
    )  # fmt: skip
    (BertForSequenceClassification if kind == "classifier" else BertModel)(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=positions).save_pretrained(folder)
    return folder


def decoder(folder: Path) -> Path:
    """Qwen3, one token a character, padded on the left, an end token after the text."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    characters = sorted(set(LETTERS + LETTERS.upper() + " \n"))
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<end>", "<unk>", *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 1)])
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(vocabulary), hidden_size=DIMENSION, num_hidden_layers=2, num_attention_heads=2, head_dim=8,
        num_key_value_heads=1, intermediate_size=32, max_position_embeddings=128, initializer_range=0.5,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    Qwen3Model(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>", unk_token="<unk>", padding_side="left",
        model_max_length=128,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def dense(
    folder: Path, base: Path, pooling: str, *, head: bool = False, prompts: dict[str, str] | None = None,
    dimension: int = DIMENSION,
) -> Path:  # fmt: skip
    """A sentence-transformers model over `base`; `pooling` is `mean`, `cls` or `lasttoken`."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    torch.manual_seed(1)
    modules = [Transformer(str(base)), Pooling(dimension, pooling)]
    modules += [Dense(dimension, dimension, activation_function=torch.nn.Tanh())] if head else [Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder))
    return folder


def late(
    folder: Path, base: Path, dimension: int = 8, expansion: int | None = None, skipped: tuple[str, ...] = (".",)
) -> Path:
    """A multi-vector model over `base`, whose documents lose the tokens `skipped`.

    With `expansion`, queries are padded with [MASK] to so many tokens.
    """
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    torch.manual_seed(2)
    expanded = {"strategy": "fixed", "attend": False, "length": expansion, "token": "[MASK]"} if expansion else None
    tokens = {"module_input_name": "token_embeddings"}
    modules = [
        Transformer(str(base), query_expansion=expanded),
        Dense(DIMENSION, dimension, bias=False, activation_function=torch.nn.Identity(), **tokens),
        MultiVectorMask(skiplist_words=list(skipped)),
        Normalize(**tokens),
    ]
    MultiVectorEncoder(modules=modules, device="cpu").save(str(folder))
    return folder
