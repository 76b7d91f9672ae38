"""Counts what models of transformers multiply, by torch's FlopCounterMode: JSON on standard input and output.

    [{config, layers?, tokens: [T, ...]}, ...] -> [{core: [MACs for each T], parameters}, ...]

Of speech encoders T is a number of samples. `config` is the content of a config.json; `layers` changes the blocks of a decoder one by one, in plain torch:
{num_attention_heads, num_key_value_heads, intermediate_size, ranks: {module: rank}}. A factored module becomes two
linears.

The counter tells operations, two a multiplication. On CPU it sees nothing of the fused attention, so the backend is
the one of plain products. The positions' product with the frequencies of the rope is left out: it is arithmetic of
transformers' own way to write a table.
"""
from __future__ import annotations

import json
import sys
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification
from transformers.utils import logging

CLASSES = {
    "Model": AutoModel,
    "ForCausalLM": AutoModelForCausalLM,
    "ForMaskedLM": AutoModelForMaskedLM,
    "ForSequenceClassification": AutoModelForSequenceClassification,
}


def factored(linear: nn.Linear, rank: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(linear.in_features, rank, bias=False),
        nn.Linear(rank, linear.out_features, bias=linear.bias is not None),
    )


def resized(linear: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=linear.bias is not None)


def change_layer(layer: nn.Module, sizes: dict[str, Any], width: int) -> None:
    attention, mlp = layer.self_attn, layer.mlp
    heads, keys, inner = sizes["num_attention_heads"], sizes["num_key_value_heads"], sizes["intermediate_size"]
    attention.num_key_value_groups = heads // keys
    size = attention.head_dim
    for name, inputs, outputs in [("q_proj", width, heads), ("k_proj", width, keys), ("v_proj", width, keys)]:
        setattr(attention, name, resized(getattr(attention, name), inputs, outputs * size))
    attention.o_proj = resized(attention.o_proj, heads * size, width)
    for name in ("gate_proj", "up_proj"):
        setattr(mlp, name, resized(getattr(mlp, name), width, inner))
    mlp.down_proj = resized(mlp.down_proj, inner, width)
    for module, rank in sizes.get("ranks", {}).items():
        parent, name = module.split(".")
        part = getattr(layer, parent)
        setattr(part, name, factored(getattr(part, name), rank))


def build(case: dict[str, Any]) -> nn.Module:
    config = AutoConfig.for_model(**case["config"])
    (architecture,) = case["config"]["architectures"]
    (kind,) = [kind for kind in CLASSES if architecture.endswith(kind)]
    model = CLASSES[kind].from_config(config, attn_implementation="sdpa").eval()
    for layer, sizes in zip(model.model.layers, case["layers"], strict=True) if "layers" in case else ():
        change_layer(layer, sizes, config.hidden_size)
    return model


@torch.no_grad()
def macs(model: nn.Module, tokens: int) -> int:
    hears = model.main_input_name == "input_values"
    ids = torch.randn(1, tokens) if hears else torch.randint(3, model.config.vocab_size, (1, tokens))
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(ids, use_cache=False) if hasattr(model.config, "use_cache") else model(ids)
    by_module = counter.get_flop_counts()
    rope = sum(sum(counts.values()) for name, counts in by_module.items() if name.endswith("rotary_emb"))
    flops = counter.get_total_flops() - rope
    assert flops % 2 == 0
    return flops // 2


def measure(case: dict[str, Any]) -> dict[str, Any]:
    model = build(case)
    return {
        "core": [macs(model, tokens) for tokens in case["tokens"]],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


if __name__ == "__main__":
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    print(json.dumps([measure(case) for case in json.load(sys.stdin)]))
