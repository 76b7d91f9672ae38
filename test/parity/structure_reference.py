"""Scores of heads, hidden units and layers, and what a model says without some of them: from hooks on transformers alone.

    structure_reference.py scores SEED OUT   names of rows of decoder_cases.py on standard input, made in OUT -> by name
                                             {folder, ids: [[id, ...], ...], heads: {l1, data, taylor},
                                             rows: {l1, activation, taylor}: by layer; influence: [...], angle: [...]}
    structure_reference.py answers           [{folder, ids, heads?, rows?, layers?}, ...]: by layer the numbers of those
                                             that stay -> [[value, ...], ...], logits with all others zero

Every row of ids is one document, and the loss is summed over its tokens but the first. Angles are of single layers.
"""
from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from decoder_cases import random_model
from decoder_expected import inputs
from decoder_measure import load

ROWS, TIME = 3, 20


class Seen:
    """What went into some modules, with its gradient once there is one."""

    def __init__(self, modules: list[nn.Module]) -> None:
        self.inputs: list[torch.Tensor] = [torch.empty(0)] * len(modules)
        for i, module in enumerate(modules):
            module.register_forward_pre_hook(self.hook(i))

    def hook(self, i: int) -> Callable[..., None]:
        def see(_: nn.Module, args: tuple[Any, ...]) -> None:
            self.inputs[i] = args[0]
            args[0].retain_grad()

        return see


def summed_loss(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    logits = model(ids).logits[:, :-1]
    return nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")


def of_length_one(values: torch.Tensor) -> list[float]:
    return (values / values.norm()).tolist()


def data(x: torch.Tensor, width: int) -> list[float]:
    """sum over places |<x, dL/dx>|, Lin et al."""
    products = (x * x.grad).unflatten(-1, (-1, width)).sum(-1)
    return of_length_one(products.abs().sum((0, 1)))


def taylor(x: torch.Tensor, width: int) -> list[float]:
    """sum over rows |sum over places <x, dL/dx>|, Michel et al."""
    products = (x * x.grad).unflatten(-1, (-1, width)).sum(-1)
    return of_length_one(products.sum(1).abs().sum(0))


def size(linear: nn.Linear, dim: int = 1) -> torch.Tensor:
    """Sums of |weights| of every output, with its |bias|; dim 0: of every input, without."""
    total = linear.weight.detach().abs().sum(dim)
    return total if linear.bias is None or dim == 0 else total + linear.bias.detach().abs()


def head_sizes(attention: nn.Module) -> list[float]:
    width = attention.head_dim
    q, k, v = (size(getattr(attention, name)).unflatten(0, (-1, width)).sum(1) for name in ("q_proj", "k_proj", "v_proj"))
    shared = len(q) // len(k)
    return (q + ((k + v) / shared).repeat_interleave(shared)).tolist()


def row_sizes(mlp: nn.Module) -> list[float]:
    return (size(mlp.gate_proj) + size(mlp.up_proj) + size(mlp.down_proj, 0)).tolist()


def cosines(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cosine_similarity(x.detach().double(), y.detach().double(), dim=-1).clamp(-1, 1)


def scores(folder: Path, ids: torch.Tensor) -> dict[str, Any]:
    model = load(folder)
    layers = list(model.model.layers)
    contexts = Seen([layer.self_attn.o_proj for layer in layers]).inputs
    hidden = Seen([layer.mlp.down_proj for layer in layers]).inputs
    stream = Seen([*layers, model.model.norm]).inputs
    summed_loss(model, ids).backward()
    width = layers[0].self_attn.head_dim
    turns = [cosines(x, y) for x, y in zip(stream, stream[1:])]
    return {
        "heads": {
            "l1": [head_sizes(layer.self_attn) for layer in layers],
            "data": [data(c, width) for c in contexts],
            "taylor": [taylor(c, width) for c in contexts],
        },
        "rows": {
            "l1": [row_sizes(layer.mlp) for layer in layers],
            "activation": [a.detach().abs().mean((0, 1)).tolist() for a in hidden],
            "taylor": [taylor(a, 1) for a in hidden],
        },
        "influence": [(1 - turn).mean().item() for turn in turns],
        "angle": [(turn.acos() / math.pi).mean().item() for turn in turns],
    }


def run_scores(seed: str, out: str) -> Any:
    found = {}
    for name in json.load(sys.stdin):
        folder = Path(out) / name
        random_model(name, int(seed), folder)
        vocab_size = json.loads((folder / "config.json").read_text())["vocab_size"]
        ids = inputs(vocab_size, int(seed))(ROWS, TIME).long()
        found[name] = {"folder": str(folder), "ids": ids.tolist(), **scores(folder, ids)}
    return found


def zero_but(kept: list[int], width: int) -> Callable[..., tuple[torch.Tensor]]:
    """A hook that leaves only these units of `width` values of what goes into a module."""

    def mask(_: nn.Module, args: tuple[Any, ...]) -> tuple[torch.Tensor]:
        units = args[0].unflatten(-1, (-1, width))
        stays = torch.zeros(units.shape[-2], 1)
        stays[kept] = 1
        return ((units * stays).flatten(-2),)

    return mask


@torch.no_grad()
def answer(given: dict[str, Any]) -> list[float]:
    model = load(given["folder"])
    layers = list(model.model.layers)
    for layer, kept in zip(layers, given.get("heads", [])):
        layer.self_attn.o_proj.register_forward_pre_hook(zero_but(kept, layer.self_attn.head_dim))
    for layer, kept in zip(layers, given.get("rows", [])):
        layer.mlp.down_proj.register_forward_pre_hook(zero_but(kept, 1))
    for i, layer in enumerate(layers):
        if i not in given.get("layers", range(len(layers))):  # adds nothing to the stream
            for linear in (layer.self_attn.o_proj, layer.mlp.down_proj):
                linear.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
    return model(torch.tensor(given["ids"])).logits.flatten().tolist()


def run_answers() -> Any:
    return [answer(given) for given in json.load(sys.stdin)]


if __name__ == "__main__":
    run = {"scores": run_scores, "answers": run_answers}[sys.argv[1]]
    print(json.dumps(run(*sys.argv[2:])))
