"""Draws the inputs of one folder and writes what transformers answers: expected.safetensors, training.safetensors.

expected.safetensors
  ids (B,T) int32, logits (B,T,V) float32
  score_ids (B,S) int32, nll (B) float64   S <= max_position_embeddings; sum over the S-1 predicted tokens
  prompt.<i> (P) int32, greedy.<i> (N) int32, gap.<i> (N) float32   i = 0, 1, prompts of different lengths; greedy
                                           holds the new ids only; gap the distance of the two largest logits
training.safetensors
  ids, labels (10,B,T) int32               a batch per step; label t names token t itself (the model shifts); -100
                                           is ignored, label 0, which nothing predicts, always is
  losses (10) float32                      mean over the labels left in that step's batch, before its update
  grad.<parameter>                         gradient of losses[0], before clipping; tied weights appear once
  grad_norms (10) float32                  before clipping
  lr (10), clip (1) float32                AdamW with betas 0.9 0.95, eps 1e-8, weight decay 0.01 on every parameter;
                                           above `clip` the gradient is scaled by clip / (norm + 1e-6)
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy
import safetensors
import torch
import transformers
from safetensors.torch import save_file

import decoder_measure as measure

BATCH, TIME, NEW_TOKENS, PROMPTS = 2, 20, 20, (5, 11)
STEPS, LEARNING_RATES = 10, (1e-3, 2e-3, 4e-3, 6e-3, 8e-3, 8e-3, 6e-3, 4e-3, 2e-3, 1e-3)
VERSIONS = [f"{module.__name__} {module.__version__}" for module in (torch, transformers, safetensors, numpy)]


def write_expected(folder: Path, seed: int) -> measure.Tensors:
    config = json.loads((folder / "config.json").read_text())
    draw = inputs(config["vocab_size"], seed)
    tensors = {"ids": draw(BATCH, TIME), "score_ids": draw(BATCH, min(TIME, config["max_position_embeddings"]))}
    tensors["logits"] = measure.logits(folder, tensors["ids"])
    tensors["nll"] = measure.nll(folder, tensors["score_ids"])
    for i, length in enumerate(PROMPTS):
        prompt = draw(length)
        ids, gap = measure.greedy(folder, prompt, NEW_TOKENS)
        tensors |= {f"prompt.{i}": prompt, f"greedy.{i}": ids.int(), f"gap.{i}": gap}
    save(tensors, folder / "expected.safetensors")
    return tensors


def write_training(folder: Path, seed: int) -> measure.Tensors:
    config = json.loads((folder / "config.json").read_text())
    ids = inputs(config["vocab_size"], seed)(STEPS, BATCH, TIME)
    labels = mask_some(ids, seed)
    lr = torch.tensor(LEARNING_RATES)
    settings = {"lr": lr, "clip": torch.tensor([measure.CLIP])}
    tensors = {"ids": ids, "labels": labels, **settings, **measure.train(folder, ids, labels, lr)}
    save(tensors, folder / "training.safetensors")
    return tensors


def inputs(vocab_size: int, seed: int):
    """A function that draws int32 ids of a shape, one draw after the other."""
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randint(vocab_size, shape, generator=generator, dtype=torch.int32)


def mask_some(ids: torch.Tensor, seed: int) -> torch.Tensor:
    """Labels for ids (S,B,T): a prefix of every row ignored, of its own length, and a hole further on."""
    generator = torch.Generator().manual_seed(seed + 1)
    steps, rows, time = ids.shape
    prefix = torch.randint(1, time // 2, (steps, rows, 1), generator=generator)
    hole = torch.randint(time // 2, time, (steps, rows, 1), generator=generator)
    t = torch.arange(time)
    return ids.masked_fill((t < prefix) | (t == hole), measure.IGNORED)


def save(tensors: measure.Tensors, path: Path) -> None:
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, path, {"made_with": ", ".join(VERSIONS)})
