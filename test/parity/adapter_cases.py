"""The table of LoRA adapters that the golden arrays and the live parity tests are made of, and what PEFT says of them.

A folder of a case is the adapter as PEFT saves it, and expected.safetensors:
  ids (B,T) int32, logits (B,T,V) float32          of the model with the adapter
  train.ids, train.labels (10,B,T) int32           as training.safetensors of decoder_expected.py
  losses, grad_norms, lr (10), clip (1) float32    AdamW on what the adapter trains, from the saved adapter on
  grad.<name in the adapter's file>                of losses[0], before clipping
and what `merge_and_unload` changes, in float32: merged.safetensors, computed in double and rounded once;
merged_float32.safetensors, computed as PEFT does by itself.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

import decoder_measure as measure
from decoder_expected import BATCH, LEARNING_RATES, STEPS, TIME, inputs, mask_some, save


@dataclass(frozen=True)
class AdapterCase:
    """One row: `base` is a row of decoder_cases.py; `config` goes to LoraConfig."""

    base: str
    config: dict[str, Any] = field(default_factory=dict)


ALL = {"target_modules": "all-linear"}
CASES: dict[str, AdapterCase] = {
    "llama": AdapterCase("llama", {"r": 4, "lora_alpha": 6, "target_modules": ["k_proj", "o_proj", "up_proj"]}),
    "llama_tied": AdapterCase(
        "llama_tied_gqa", {"r": 4, "lora_alpha": 6, "use_rslora": True, "target_modules": ["q_proj", "v_proj"]}
    ),
    "llama_also": AdapterCase(
        "llama", {"r": 2, "target_modules": ["o_proj", "down_proj"], "modules_to_save": ["embed_tokens", "norm"]}
    ),
    "qwen2_tied_embedding": AdapterCase(
        "qwen2",
        {"r": 2, "target_modules": ["v_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    ),
    "qwen2_bias": AdapterCase("qwen2", {"r": 3, "lora_alpha": 5, **ALL}),
    "qwen3_patterns": AdapterCase(
        "qwen3_tied",
        {
            "r": 4,
            "lora_alpha": 8,
            "target_modules": ["q_proj", "k_proj", "up_proj"],
            "rank_pattern": {"layers.0.self_attn.q_proj": 2, "up_proj": 3},
            "alpha_pattern": {"layers.1.self_attn.k_proj": 3, "q_proj": 5},
        },
    ),
}


def attach(base: Path, adapter: Path, trainable: bool = False) -> PeftModel:
    return PeftModel.from_pretrained(measure.load(base), str(adapter), is_trainable=trainable).eval()


def random_adapter(name: str, seed: int, base: Path, folder: Path) -> None:
    """Writes the row `name` on the model `base` with everything drawn from `seed`: B is not zero."""
    model = get_peft_model(measure.load(base), LoraConfig(task_type="CAUSAL_LM", **CASES[name].config))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    model.save_pretrained(folder)


@torch.no_grad()
def logits(base: Path, adapter: Path, ids: torch.Tensor) -> torch.Tensor:
    return attach(base, adapter)(ids.long()).logits


def write_expected(seed: int, base: Path, folder: Path) -> None:
    config = measure.load(base).config
    draw = inputs(config.vocab_size, seed)
    ids = draw(BATCH, TIME)
    train_ids = draw(STEPS, BATCH, TIME)
    labels = mask_some(train_ids, seed)
    lr = torch.tensor(LEARNING_RATES)
    model = attach(base, folder, trainable=True).train()
    trained = {plain_name(name): p for name, p in model.named_parameters() if p.requires_grad}
    arrays = measure.train_model(model, trained, train_ids, labels, lr)
    tensors = {"ids": ids, "logits": logits(base, folder, ids), "train.ids": train_ids, "train.labels": labels, "lr": lr}
    save({**tensors, "clip": torch.tensor([measure.CLIP]), **arrays}, folder / "expected.safetensors")
    save(merged(base, folder, torch.float64), folder / "merged.safetensors")
    save(merged(base, folder, torch.float32), folder / "merged_float32.safetensors")


def merged(base: Path, adapter: Path, dtype: torch.dtype) -> measure.Tensors:
    before = measure.load(base).state_dict()
    model = attach(base, adapter).to(dtype).merge_and_unload()
    after = {name: tensor.float() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        del after["lm_head.weight"]
    return {name: tensor for name, tensor in after.items() if not torch.equal(tensor, before[name])}


def plain_name(name: str) -> str:
    """A parameter of the running model under its name in the adapter's file."""
    return name.replace(".default.weight", ".weight").replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".")
