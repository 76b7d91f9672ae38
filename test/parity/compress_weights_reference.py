"""Pruning written plainly: torch.nn.utils.prune for magnitude, Wanda and SparseGPT from their papers, in float64.

compress_weights_reference.py reads [{folder, out, criterion, ...}, ...] on standard input, writes the pruned tensors of
each under their names on disk into the safetensors file `out`, and prints {}. `rows`: token ids, each row one document;
`number`: of the block of the model that is pruned (wanda, sparsegpt), by what transformers feeds it.
"""
from __future__ import annotations

import json
import sys
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import prune
from transformers import AutoModelForCausalLM


def magnitude(model: nn.Module, *, sparsity: float, scope: str, biases: bool) -> dict[str, Tensor]:
    kinds = ["weight", "bias"] if biases else ["weight"]
    linears = {name: part for name, part in model.model.layers.named_modules() if isinstance(part, nn.Linear)}
    pool = [(part, kind) for part in linears.values() for kind in kinds if getattr(part, kind) is not None]
    if scope == "global":
        prune.global_unstructured(pool, pruning_method=prune.L1Unstructured, amount=sparsity)
    else:
        for part, kind in pool:
            prune.l1_unstructured(part, kind, amount=sparsity)
    # It multiplies with its masks: + 0 makes -0 a zero like others.
    return {f"model.layers.{name}.{kind}": getattr(part, kind) + 0 for name, part in linears.items() for kind in kinds
            if getattr(part, kind) is not None}


def inputs_of(model: nn.Module, number: int, rows: list[list[int]]) -> dict[str, tuple[nn.Linear, Tensor]]:
    """Of every linear layer of a block: what goes into it, (places, inputs)."""
    heard: dict[str, Tensor] = {}
    linears = {name: part for name, part in model.model.layers[number].named_modules() if isinstance(part, nn.Linear)}
    hooks = [part.register_forward_hook(lambda _, x, __, name=name: heard.__setitem__(name, x[0].flatten(0, 1)))
             for name, part in linears.items()]
    model(torch.tensor(rows))
    for hook in hooks:
        hook.remove()
    return {name: (part, heard[name].double()) for name, part in linears.items()}


def lowest(scores: Tensor, count: int) -> Tensor:
    """True for the `count` lowest of each row, of equal ones the first."""
    order = torch.sort(scores, dim=-1, stable=True).indices
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, order[..., :count], True)


def lowest_of_groups(scores: Tensor, kept: int, of: int) -> Tensor:
    return lowest(scores.reshape(scores.shape[0], -1, of), of - kept).reshape(scores.shape)


def wanda(weight: Tensor, x: Tensor, *, sparsity: float, pattern: dict[str, int] | None) -> Tensor:
    scores = weight.abs() * x.norm(p=2, dim=0)
    gone = lowest_of_groups(scores, **pattern) if pattern else lowest(scores, int(weight.shape[1] * sparsity))
    return weight.masked_fill(gone, 0)


def sparsegpt(weight: Tensor, x: Tensor, *, sparsity: float, pattern: dict[str, int] | None, block: int,
              damping: float) -> Tensor:
    w, columns = weight.clone(), weight.shape[1]
    h = x.T @ x
    dead = h.diagonal() == 0
    mean = h.diagonal()[~dead].mean()
    h.diagonal()[dead] = mean
    h.diagonal().add_(damping * mean)
    u = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    for begin in range(0, columns, block):
        end = min(begin + block, columns)
        scale = torch.where(dead, 0, 1 / u.diagonal())
        scores = w[:, begin:end].abs() * scale[begin:end]
        gone = lowest(scores.flatten(), int(scores.numel() * sparsity)).view_as(scores)
        for j in range(begin, end):
            if pattern and j % pattern["of"] == 0:
                group = slice(j, j + pattern["of"])
                gone[:, j - begin : j - begin + pattern["of"]] = lowest_of_groups(
                    w[:, group].abs() * scale[group], **pattern)
            q = w[:, j].masked_fill(gone[:, j - begin], 0)
            error = (w[:, j] - q) / u[j, j]
            w[:, j:] -= error[:, None] * u[j, j:]
            w[:, j] = q
    return w


def calibrated(model: nn.Module, criterion: str, *, number: int, rows: list[list[int]], **settings: Any) -> dict[str, Tensor]:
    method = {"wanda": wanda, "sparsegpt": sparsegpt}[criterion]
    return {f"model.layers.{number}.{name}.weight": method(part.weight.double(), x, **settings)
            for name, (part, x) in inputs_of(model, number, rows).items()}


@torch.no_grad()
def run(folder: str, out: str, criterion: str, **settings: Any) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    pruned = magnitude(model, **settings) if criterion == "magnitude" else calibrated(model, criterion, **settings)
    save_file({name: tensor.detach().float().contiguous() for name, tensor in pruned.items()}, out)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for settings in json.load(sys.stdin):
        run(**settings)
    print(json.dumps({}))
