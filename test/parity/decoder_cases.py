"""The table of tiny decoder models that the golden arrays and the live parity tests are made of.

Every row is one thing that a Hugging Face decoder folder may do: a family, a head that is tied or not, a rope
scaling, a window, a dtype on disk, shards, the config keys of older releases. `random_model` turns a row and a
seed into a real folder. Rows that differ in the config alone share their shapes, so that one seed gives them the
same model.safetensors, which git then keeps once.

Sizes are small and odd on purpose: rms_norm_eps is large and rope_theta differs from the defaults, so that a
reader who drops either shows it in the logits.
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel


@dataclass(frozen=True)
class Case:
    """One row: `config` is laid over BASE; `without` are the keys that switch the row's feature off again."""

    family: str
    config: dict[str, Any] = field(default_factory=dict)
    without: dict[str, Any] = field(default_factory=dict)
    stored: torch.dtype = torch.float32
    max_shard_size: str | None = None
    legacy: bool = False  # config.json as releases before transformers 5 wrote it
    training: bool = False  # gradients and ten AdamW steps too


BASE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-3,
    "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TIED = {"tie_word_embeddings": True}
SMALL = {**TIED, "intermediate_size": 18}  # leaves room for the gradients beside the weights
PLAIN_ROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}
FULL_ATTENTION = {"layer_types": ["full_attention"] * 3}


def rope(kind: str, **keys: Any) -> dict[str, Any]:
    """Config keys of a scaled rope. With theta 100 and heads of 8 the wavelengths are 6.3, 20, 63 and 199 tokens."""
    return {**TIED, "rope_parameters": {"rope_type": kind, "rope_theta": 100.0, **keys}}


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
# The ramp falls between the first and the third of four frequencies; without truncation at 0.8 and 2.0.
YARN = {"factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 4.0, "beta_slow": 1.0}

CASES: dict[str, Case] = {
    "llama": Case("llama", {"num_key_value_heads": 4}, {"rms_norm_eps": 1e-6}),
    "llama_tied_gqa": Case("llama", SMALL, training=True),
    "llama_bias": Case("llama", {"attention_bias": True, "mlp_bias": True}, {"mlp_bias": False}),
    "llama_head_dim": Case("llama", {"head_dim": 12}),
    "llama_rope_linear": Case("llama", rope("linear", factor=2.5), PLAIN_ROPE),
    "llama_rope_linear_legacy": Case("llama", rope("linear", factor=2.5), PLAIN_ROPE, legacy=True),
    "llama_rope_dynamic": Case("llama", {**rope("dynamic", factor=4.0), "max_position_embeddings": 16}, PLAIN_ROPE),
    "llama_rope_llama3": Case("llama", rope("llama3", **LLAMA3), PLAIN_ROPE),
    "llama_rope_llama3_legacy": Case("llama", rope("llama3", **LLAMA3), PLAIN_ROPE, legacy=True),
    "llama_rope_yarn": Case("llama", rope("yarn", **YARN), PLAIN_ROPE),
    "llama_rope_yarn_attention_factor": Case("llama", rope("yarn", **YARN, attention_factor=0.7), PLAIN_ROPE),
    "llama_rope_yarn_mscale": Case("llama", rope("yarn", **YARN, mscale=0.7, mscale_all_dim=1.3), PLAIN_ROPE),
    "llama_rope_yarn_untruncated": Case("llama", rope("yarn", **YARN, truncate=False), PLAIN_ROPE),
    "llama_bfloat16": Case("llama", stored=torch.bfloat16),
    "llama_sharded": Case("llama", max_shard_size="30KB"),
    "mistral": Case("mistral", {"sliding_window": None}),
    "mistral_sliding_window": Case("mistral", {"sliding_window": 6}, {"sliding_window": None}),
    "mistral_head_dim": Case("mistral", {"head_dim": 12, "sliding_window": None}),
    "qwen2": Case("qwen2", SMALL, training=True),
    "qwen2_sliding_window": Case(
        "qwen2",
        {**SMALL, "use_sliding_window": True, "sliding_window": 6, "num_hidden_layers": 3, "max_window_layers": 1},
        FULL_ATTENTION,
    ),
    # beta_fast and beta_slow left to their defaults, as the Qwen2.5 model cards write it
    "qwen2_rope_yarn_legacy": Case(
        "qwen2", rope("yarn", factor=4.0, original_max_position_embeddings=32), PLAIN_ROPE, legacy=True
    ),
    "qwen3": Case("qwen3", {"head_dim": 16}),
    "qwen3_bias": Case("qwen3", {"head_dim": 8, "attention_bias": True, **TIED}),
    "qwen3_tied": Case(
        "qwen3",
        {**SMALL, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 12},
        training=True,
    ),
}


def random_model(name: str, seed: int, folder: Path) -> None:
    """Writes the row `name`, its weights drawn from `seed`, to `folder` as transformers saves it."""
    case = CASES[name]
    config = AutoConfig.for_model(case.family, **{**BASE, **case.config})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fill(model, seed)
    shards = {"max_shard_size": case.max_shard_size} if case.max_shard_size else {}
    model.to(case.stored).save_pretrained(folder, **shards)
    if case.legacy:
        write_legacy_config(folder / "config.json")


@torch.no_grad()
def fill(model: PreTrainedModel, seed: int) -> None:
    """Weights of a size at which every part is heard: logits of a few units, attention neither flat nor one-hot,
    and embeddings small beside what the layers add, or a tied head would only repeat the last token."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 2:
            scale = 0.3 if "embed_tokens" in name else 1.2 / math.sqrt(parameter.shape[1])
            parameter.copy_(noise * scale)
        else:
            parameter.copy_(noise * 0.3 + ("norm" in name))


LEGACY_KEYS = [
    "architectures", "bos_token_id", "eos_token_id", "hidden_act", "hidden_size", "intermediate_size",
    "max_position_embeddings", "model_type", "num_attention_heads", "num_hidden_layers", "num_key_value_heads",
    "rms_norm_eps", "tie_word_embeddings", "use_cache", "vocab_size",
]  # fmt: skip


def write_legacy_config(path: Path) -> None:
    """Rewrites a config.json with the keys of transformers 4: rope_theta, rope_scaling, torch_dtype; no head_dim."""
    config = json.loads(path.read_text())
    scaling = config["rope_parameters"]
    legacy = {key: config[key] for key in LEGACY_KEYS}
    legacy["rope_theta"] = scaling.pop("rope_theta")
    # Llama 3.1 came with `rope_type`, everything before it with `type`
    kind = scaling.pop("rope_type")
    legacy["rope_scaling"] = {("rope_type" if kind == "llama3" else "type"): kind, **scaling}
    if config["model_type"] == "qwen2":
        # the window that Qwen2 and Qwen2.5 folders name but do not use
        legacy |= {"use_sliding_window": False, "sliding_window": 6, "max_window_layers": 1}
    legacy |= {"torch_dtype": config["dtype"], "transformers_version": "4.43.0"}
    path.write_text(json.dumps(legacy, indent=2, sort_keys=True) + "\n")
