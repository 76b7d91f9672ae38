"""Torch-Pruning on a model of transformers: the heads and hidden units that its l1 magnitude keeps, and what is left.

torch_pruning_reference.py FOLDER reads {ids, heads, rows}, the last two how many each layer keeps, and prints
{heads: {kept, data}, rows: {kept, data}}: by layer the numbers that stay, and the logits of the model that it has pruned.
Every head has a key head of its own, and no linear layer a bias: it leaves biases out.
"""
from __future__ import annotations

import json
import sys
from typing import Any

import torch
import torch_pruning
from torch import nn
from transformers import PreTrainedModel

from decoder_measure import load

MAGNITUDE = torch_pruning.importance.MagnitudeImportance(p=1, group_reduction="sum", normalizer=None)


def coupled(model: PreTrainedModel, linear: nn.Linear, outputs: list[int]) -> torch_pruning.Group:
    """What has to go with these outputs of a linear layer, as traced through the model."""
    graph = torch_pruning.DependencyGraph().build_dependency(
        model, {"input_ids": torch.arange(8)[None], "use_cache": False}, output_transform=lambda out: out.logits
    )
    return graph.get_pruning_group(linear, torch_pruning.prune_linear_out_channels, outputs)


def sizes(model: PreTrainedModel, linear: nn.Linear, without: nn.Linear | None) -> torch.Tensor:
    """Of each output of the layer, with all that goes with it but one."""
    group = coupled(model, linear, list(range(linear.out_features)))
    counted = torch_pruning.dependency.Group()
    counted._group = [item for item in group._group if item.dep.target.module is not without]
    counted._DG = group._DG
    return MAGNITUDE(counted)


def pruned(folder: str, ids: torch.Tensor, part: str, keep: int) -> dict[str, Any]:
    model = load(folder)
    all_kept = []
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        first, without, width = (attention.q_proj, attention.o_proj, attention.head_dim) if part == "heads" else (mlp.gate_proj, None, 1)
        scores = sizes(model, first, without).unflatten(0, (-1, width)).sum(1)
        kept = sorted(scores.topk(keep).indices.tolist())
        gone = [unit * width + i for unit in range(len(scores)) if unit not in kept for i in range(width)]
        coupled(model, first, gone).prune()
        all_kept.append(kept)
    with torch.no_grad():
        return {"kept": all_kept, "data": model(ids).logits.flatten().tolist()}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps({part: pruned(sys.argv[1], torch.tensor(given["ids"]), part, given[part]) for part in ("heads", "rows")}))
