"""The table of tiny text encoders that the golden arrays and the live parity tests are made of, and what transformers
says about them.

Every row is one thing that a BERT or RoBERTa folder may do: a class, a head that is tied or not, an activation, token
types, the tensor names of old releases. `random_encoder` turns a row and a seed into a real folder; `write_expected`
and `write_training` put beside it, in float32 with plain ("eager") attention and no dropout:

expected.safetensors
  ids (N,T) int32, lengths (N) int32       texts of different lengths, padded at their ends with pad_token_id
  first, mean (N,D) float32                the last hidden state of the first token, and their mean over each text
  logits (N,T,V) or (N,C) float32          of a masked-LM head, zero at padding, or of a classifier
training.safetensors
  ids, labels (10,B,T) int32               a batch per step: some tokens hidden, labels -100 where none is
  losses, grad_norms, lr (10), clip (1), grad.<parameter>    as in decoder_expected.py
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, PreTrainedModel

import decoder_measure as measure
from decoder_expected import LEARNING_RATES, STEPS, save


@dataclass(frozen=True)
class Case:
    """One row: `config` is laid over BASE; `without` are the keys that switch the row's feature off again."""

    hub_class: str
    config: dict[str, Any] = field(default_factory=dict)
    without: dict[str, Any] = field(default_factory=dict)
    stored: torch.dtype = torch.float32
    max_shard_size: str | None = None
    legacy: bool = False  # tensors as releases before transformers 3 wrote them, those of the other tasks among them
    training: bool = False  # gradients and ten AdamW steps too


BASE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 40,
    "layer_norm_eps": 1e-2,  # large, so that a reader who drops it shows it
    "type_vocab_size": 2,
}
UNTIED = {"tie_word_embeddings": False}
SMALL = {"vocab_size": 48, "hidden_size": 24, "intermediate_size": 18}  # leaves room for the gradients beside the weights

CASES: dict[str, Case] = {
    "bert": Case("BertForMaskedLM", SMALL, {"layer_norm_eps": 1e-12}, training=True),
    "bert_untied": Case("BertForMaskedLM", UNTIED),
    "bert_gelu_new": Case("BertForMaskedLM", {"hidden_act": "gelu_new", "type_vocab_size": 1}, {"hidden_act": "relu"}),
    "bert_relu": Case("BertForMaskedLM", {"hidden_act": "relu"}, {"hidden_act": "gelu"}),
    "bert_legacy": Case("BertForMaskedLM", legacy=True),
    "bert_pretraining": Case("BertForPreTraining"),
    "bert_bare": Case("BertModel"),
    "bert_classifier": Case("BertForSequenceClassification", {"num_labels": 3}),
    "bert_regression": Case("BertForSequenceClassification", {"num_labels": 1, "problem_type": "regression"}),
    "bert_bfloat16": Case("BertForMaskedLM", stored=torch.bfloat16),
    "bert_sharded": Case("BertForMaskedLM", max_shard_size="30KB"),
    "roberta": Case("RobertaForMaskedLM", {**SMALL, "type_vocab_size": 1}, {"layer_norm_eps": 1e-12}, training=True),
    # its head keeps the exact gelu, whatever its blocks do
    "roberta_gelu_new": Case("RobertaForMaskedLM", {**UNTIED, "hidden_act": "gelu_new"}, {"hidden_act": "relu"}),
    "roberta_bare": Case("RobertaModel", {"pad_token_id": 5}),
    "roberta_classifier": Case("RobertaForSequenceClassification", {"num_labels": 4}),
}  # fmt: skip

TEXTS, TIME, BATCH = 3, 18, 2
FIRST_WORD = 6  # ids below it are special somewhere in the table
MASK, MASKED_SHARE = 4, 0.3


def random_encoder(name: str, seed: int, folder: Path) -> None:
    """Writes the row `name`, its weights drawn from `seed`, to `folder` as transformers saves it."""
    case = CASES[name]
    family = "roberta" if case.hub_class.startswith("Roberta") else "bert"
    config = AutoConfig.for_model(family, **{**BASE, **case.config})
    model = getattr(transformers, case.hub_class)(config).float()
    fill(model, seed)
    shards = {"max_shard_size": case.max_shard_size} if case.max_shard_size else {}
    model.to(case.stored).save_pretrained(folder, **shards)
    if case.legacy:
        write_legacy_names(folder / "model.safetensors", seed)


@torch.no_grad()
def fill(model: PreTrainedModel, seed: int) -> None:
    """Weights of a size at which every part is heard: attention neither flat nor one-hot, no bias zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 2:
            scale = 0.5 if "embeddings" in name else 1.2 / math.sqrt(parameter.shape[1])
            parameter.copy_(noise * scale)
        else:
            parameter.copy_(noise * 0.3 + (name.lower().replace("_", "").endswith("layernorm.weight")))


def write_legacy_names(path: Path, seed: int) -> None:
    """As bert-base-uncased has been published: gamma and beta, the numbers of the positions, a copy of the tied head,
    pooler and next-sentence head beside the masked-LM head."""
    generator = torch.Generator().manual_seed(seed + 1)
    tensors = load_file(path)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    width = BASE["hidden_size"]
    old["bert.embeddings.position_ids"] = torch.arange(BASE["max_position_embeddings"])[None]
    old["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].clone()
    for name, shape in {
        "bert.pooler.dense.weight": (width, width),
        "bert.pooler.dense.bias": (width,),
        "cls.seq_relationship.weight": (2, width),
        "cls.seq_relationship.bias": (2,),
    }.items():
        old[name] = torch.randn(shape, generator=generator)
    save_file(old, path, {"format": "pt"})


def hub_class(folder: Path) -> type[PreTrainedModel]:
    """The class that a folder's config.json names."""
    return getattr(transformers, json.loads((folder / "config.json").read_text())["architectures"][0])


def load(folder: Path, **config: Any) -> PreTrainedModel:
    return hub_class(folder).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **config).eval()


@torch.no_grad()
def answers(folder: Path, ids: torch.Tensor, lengths: torch.Tensor, **config: Any) -> measure.Tensors:
    """What `expected.safetensors` has of these texts."""
    model = load(folder, **config)
    visible = torch.arange(ids.shape[1])[None] < lengths[:, None]
    out = model(ids.long(), attention_mask=visible.long(), output_hidden_states=True)
    weights = visible[..., None].float()
    hidden = out.last_hidden_state if "last_hidden_state" in out else out.hidden_states[-1]
    tensors = {"first": hidden[:, 0], "mean": (hidden * weights).sum(1) / weights.sum(1)}
    logits = out.get("prediction_logits", out.get("logits"))
    if logits is not None:
        tensors["logits"] = logits * weights if logits.dim() == 3 else logits
    return tensors


def write_expected(folder: Path, seed: int) -> measure.Tensors:
    config = json.loads((folder / "config.json").read_text())
    generator = torch.Generator().manual_seed(seed)
    ids = words(config["vocab_size"], (TEXTS, TIME), generator)
    lengths = torch.tensor([TIME, *torch.randint(3, TIME, (TEXTS - 1,), generator=generator)], dtype=torch.int32)
    ids[torch.arange(TIME)[None] >= lengths[:, None]] = config["pad_token_id"]
    tensors = {"ids": ids, "lengths": lengths, **answers(folder, ids, lengths)}
    save(tensors, folder / "expected.safetensors")
    return tensors


def write_training(folder: Path, seed: int) -> None:
    vocab_size = json.loads((folder / "config.json").read_text())["vocab_size"]
    generator = torch.Generator().manual_seed(seed + 2)
    labels = words(vocab_size, (STEPS, BATCH, TIME), generator)
    hidden = torch.rand(labels.shape, generator=generator) < MASKED_SHARE
    hidden[:, :, 0] = False  # a text begins with a token that is never hidden
    ids = labels.masked_fill(hidden, MASK)
    labels = labels.masked_fill(~hidden, measure.IGNORED)
    model = load(folder)
    lr = torch.tensor(LEARNING_RATES)
    out = measure.train_model(model, dict(model.named_parameters()), ids, labels, lr)
    settings = {"lr": lr, "clip": torch.tensor([measure.CLIP])}
    save({"ids": ids, "labels": labels, **settings, **out}, folder / "training.safetensors")


def words(vocab_size: int, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randint(FIRST_WORD, vocab_size, shape, generator=generator, dtype=torch.int32)
