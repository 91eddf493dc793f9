"""Tokenizers of tiny stand-ins, of the kinds that the study's models have: a token is a letter or a byte."""

from __future__ import annotations

import json
import string
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

CHARACTERS = string.ascii_letters + string.digits + string.punctuation
_SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _files(tokenizer: Tokenizer, settings: dict[str, Any], **more: str) -> dict[str, bytes]:
    special = {key: value for key, value in settings.items() if key.endswith("_token") and isinstance(value, str)}
    texts = {
        "tokenizer.json": tokenizer.to_str(),
        "tokenizer_config.json": json.dumps(settings, indent=2),
        "special_tokens_map.json": json.dumps(special, indent=2),
        **more,
    }
    return {name: text.encode() for name, text in texts.items()}


def _special(*tokens: str) -> list[AddedToken]:
    return [AddedToken(token, special=True, normalized=False) for token in tokens]


def _around(tokenizer: Tokenizer, before: str = "", after: str = "") -> None:
    """Let special tokens stand before and after each text."""
    marks = [(token, tokenizer.token_to_id(token)) for token in {before, after} if token]
    single = " ".join(part for part in (before, "$A", after) if part)
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=sorted(marks))


def wordpiece(length: int) -> dict[str, bytes]:
    """BERT's, lower case: [CLS] text [SEP], with [unused0] and [unused1], which ColBERT marks texts by."""
    tokens = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return _wordpiece(tokens, "BertTokenizer", ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"), length)


def mpnet(length: int) -> dict[str, bytes]:
    """MPNet's, lower case: <s> text </s>."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
    return _wordpiece(tokens, "MPNetTokenizer", ("<s>", "</s>", "<pad>", "<mask>", "[UNK]"), length)


def _wordpiece(tokens: list[str], kind: str, marks: tuple[str, ...], length: int) -> dict[str, bytes]:
    cls, sep, pad, mask, unknown = marks
    letters = [letter for letter in CHARACTERS if not letter.isupper()]
    pieces = [*letters, *(f"##{letter}" for letter in letters if letter.isalnum())]
    vocabulary = {token: number for number, token in enumerate([*tokens, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(_special(pad, unknown, cls, sep, mask))
    _around(tokenizer, cls, sep)
    settings = {
        "tokenizer_class": kind, "do_lower_case": True, "unk_token": unknown, "sep_token": sep, "pad_token": pad,
        "cls_token": cls, "mask_token": mask, "strip_accents": None, "tokenize_chinese_chars": True,
        "model_max_length": length,
    }  # fmt: skip
    return _files(tokenizer, settings, **{"vocab.txt": "\n".join(vocabulary) + "\n"})


def unigram(length: int, *markers: str) -> dict[str, bytes]:
    """XLM-RoBERTa's: <s> text </s>, a blank before each word; `markers` are added after <mask>."""
    pieces = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces += [(letter, -2.0 - number / 100) for number, letter in enumerate("▁" + CHARACTERS)]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("<mask>", 0.0)], unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(_special("<s>", "<pad>", "</s>", "<unk>", "<mask>", *markers))
    _around(tokenizer, "<s>", "</s>")
    settings = {
        "tokenizer_class": "XLMRobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>",
        "cls_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
        "model_max_length": length,
        **({"additional_special_tokens": list(markers)} if markers else {}),
    }  # fmt: skip
    return _files(tokenizer, settings)


def _bytes() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(alphabet)}, []))
    split = pre_tokenizers.Split(Regex(_SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def qwen(length: int) -> dict[str, bytes]:
    """Qwen's bytes: text <|endoftext|>, which also pads."""
    tokenizer = _bytes()
    vocabulary = dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(_special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    _around(tokenizer, after="<|endoftext|>")
    settings = {
        "tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "add_prefix_space": False, "bos_token": None,
        "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "model_max_length": length,
    }  # fmt: skip
    return _files(tokenizer, settings, **{"vocab.json": json.dumps(vocabulary), "merges.txt": "#version: 0.2\n"})


def llama(length: int) -> dict[str, bytes]:
    """Llama 3's bytes: <|begin_of_text|> text, padded with <|end_of_text|>."""
    tokenizer = _bytes()
    tokenizer.add_special_tokens(_special("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"))
    _around(tokenizer, before="<|begin_of_text|>")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>",
        "pad_token": "<|end_of_text|>", "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": length,
    }  # fmt: skip
    return _files(tokenizer, settings)


def gemma(length: int, *, end: bool) -> dict[str, bytes]:
    """Gemma's: <bos> text, and <eos> where texts `end` in it; other letters fall back to bytes."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "\n", "▁", *CHARACTERS]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(_special(*special))
    _around(tokenizer, "<bos>", "<eos>" if end else "")
    settings = {
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": end, "bos_token": "<bos>",
        "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>",
        "model_max_length": length,
    }  # fmt: skip
    return _files(tokenizer, settings)


def size(files: dict[str, bytes]) -> int:
    """Tokens of a vocabulary, added ones included."""
    return int(Tokenizer.from_str(files["tokenizer.json"].decode()).get_vocab_size())
