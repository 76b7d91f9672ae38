"""How the heads of encoders look, from the probabilities that transformers gives out.

[{folder, sounds: [[sample, ...], ...]} | {folder, ids: [[id, ...], ...]}] on standard input -> for each, for each document
[layer][head][diagonality, verticality, globality], in float64 from attentions in float32 ("eager").
"""
from __future__ import annotations

import json
import sys
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel
from transformers.utils import logging


def entropy(p: Tensor) -> Tensor:
    """(...,T) -> (...), in nats."""
    return -torch.xlogy(p, p).sum(-1)


def shapes(a: Tensor) -> list[list[float]]:
    """a (N,T,T): row q says how much place q takes of each place -> (N,3)"""
    a = a.double()
    places = torch.arange(a.shape[-1], dtype=torch.float64)
    distance = (places[:, None] - places).abs() / len(places)
    diagonality = -(a * distance).sum(-1).mean(-1)
    return torch.stack([diagonality, -entropy(a.mean(-2)), entropy(a).mean(-1)], -1).tolist()


@torch.no_grad()
def attention(case: dict[str, Any]) -> Any:
    model = AutoModel.from_pretrained(case["folder"], dtype=torch.float32, attn_implementation="eager").eval()
    documents = case.get("sounds") or case["ids"]
    answers = (model(torch.tensor([document]), output_attentions=True).attentions for document in documents)
    return [[shapes(layer[0]) for layer in layers] for layers in answers]


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    print(json.dumps([attention(case) for case in json.load(sys.stdin)]))
