"""MelHuBERT written again in plain torch, from its paper (arXiv 2211.09944) and the sizes of its checkpoints, to compare
ours with: attention is two products and a softmax, norms are sums, the convolution of places is torch's own. Names of
the state dict are those of the official checkpoints."""
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """x (B,T,D), visible (B,T) -> (B,T,D)"""
        batch, time, width = x.shape
        split = lambda y: y.view(batch, time, self.heads, -1).permute(0, 2, 1, 3)
        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        weights = scores.masked_fill(~visible[:, None, None], -math.inf).softmax(-1)
        return self.out_proj((weights @ v).permute(0, 2, 1, 3).reshape(batch, time, width))


class Layer(nn.Module):
    """Post-LN: each part is added, then normed."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(x + self.self_attn(x, visible))
        return self.final_layer_norm(x + self.fc2(nn.functional.gelu(self.fc1(x))))


class Encoder(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, kernel = config["hidden_size"], config["num_conv_pos_embeddings"]
        groups = config["num_conv_pos_embedding_groups"]
        convolution = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        if config.get("conv_pos_weight_norm", True):
            convolution = nn.utils.weight_norm(convolution, dim=2)
        self.pos_conv = nn.Sequential(convolution)
        self.layer_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            Layer(width, config["num_attention_heads"], config["intermediate_size"])
            for _ in range(config["num_hidden_layers"])
        )

    def forward(self, x: Tensor, visible: Tensor) -> list[Tensor]:
        x = x * visible[..., None]
        placed = self.pos_conv(x.transpose(1, 2))[..., : x.shape[1]]
        states = [self.layer_norm(x + nn.functional.gelu(placed).transpose(1, 2))]
        for layer in self.layers:
            states.append(layer(states[-1], visible))
        return states


class MelHubert(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.pre_extract_proj = nn.Linear(config["feat_emb_dim"], config["hidden_size"])
        self.encoder = Encoder(config)
        self.final_proj = nn.Linear(config["hidden_size"], config["num_cluster"])

    def forward(self, frames: Tensor, visible: Tensor, hidden: Tensor | None = None) -> list[Tensor]:
        """frames (B,T,C), visible and hidden (B,T) bool -> L+1 of (B,T,D); what is hidden is zero before all else."""
        if hidden is not None:
            frames = frames.masked_fill(hidden[..., None], 0)
        return self.encoder(self.pre_extract_proj(frames), visible)
