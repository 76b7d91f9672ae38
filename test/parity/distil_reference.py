"""Distillation in plain torch: what the loss `distillation` is compared with.

    distil_reference.py SEED OUT < {cases: [{temperature, alpha, squared, divergence, hidden?: {student_layers,
                                             teacher_layers, weight, cosine, seed}}]}

Writes random folders OUT/student and OUT/teacher (a Llama each, of another width and depth) and, for each case,
OUT/<number>.safetensors with ids, labels, lr, clip as decoder_expected.py has them, and of ten AdamW steps:
losses (S), grad_norms (S), nll, divergence, hidden (S), grad.<parameter> of the first batch.
"""
from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

import decoder_measure as measure
from decoder_expected import LEARNING_RATES, STEPS, inputs, mask_some

VOCABULARY, BATCH, TIME = 61, 2, 20
SIZES = {"student": {"width": 32, "layers": 2}, "teacher": {"width": 48, "layers": 3}}


def write_model(folder: Path, width: int, layers: int) -> None:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.2,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def run(model: LlamaForCausalLM, ids: torch.Tensor, layers: list[int]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits (B,T,V), and the residual stream behind so many blocks, (B,T,D) each."""
    passed: dict[int, torch.Tensor] = {}

    def first(_module: Any, inputs: Any) -> None:
        passed[0] = inputs[0]

    def keep(number: int):
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            passed[number] = output[0] if isinstance(output, tuple) else output

        return hook

    blocks = model.model.layers
    hooks = [blocks[0].register_forward_pre_hook(first)]
    hooks += [block.register_forward_hook(keep(i + 1)) for i, block in enumerate(blocks)]
    logits = model(ids, use_cache=False).logits
    for hook in hooks:
        hook.remove()
    return logits, [passed[layer] for layer in layers]


def divergence_of(student: torch.Tensor, teacher: torch.Tensor, kind: str) -> torch.Tensor:
    """Log-probabilities (M,V) each -> the mean over the rows."""
    target, other = (teacher, student) if kind == "forward" else (student, teacher)
    return (target.exp() * (target - other)).sum(-1).mean()


def parts_of(case: dict[str, Any], student: Any, teacher: Any, ids: torch.Tensor, labels: torch.Tensor, projections):
    hidden = case.get("hidden")
    own, own_states = run(student, ids, hidden["student_layers"] if hidden else [])
    with torch.no_grad():
        theirs, their_states = run(teacher, ids, hidden["teacher_layers"] if hidden else [])
    learnt = labels[:, 1:] != measure.IGNORED

    def at(x: torch.Tensor) -> torch.Tensor:
        return x[:, :-1][learnt]

    tokens, temperature = labels[:, 1:][learnt], case["temperature"]
    nll = F.cross_entropy(at(own), tokens)
    logs = [(at(x) / temperature).log_softmax(-1) for x in (own, theirs)]
    divergence = divergence_of(*logs, case["divergence"])
    weight = temperature**2 if case["squared"] else 1
    loss = (1 - case["alpha"]) * nll + case["alpha"] * weight * divergence
    apart = torch.zeros(())
    if hidden:
        for x, y, projection in zip(own_states, their_states, projections):
            s, t = at(x) @ projection.T, at(y)
            apart = apart + (s - t).abs().mean() - hidden["cosine"] * F.logsigmoid(F.cosine_similarity(s, t)).mean()
        apart = apart / len(projections)
        loss = loss + hidden["weight"] * apart
    return loss, nll, divergence, apart


def train(case: dict[str, Any], folder: Path, ids: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    student, teacher = measure.load(folder / "student").train(), measure.load(folder / "teacher")
    hidden = case.get("hidden")
    widths = SIZES["teacher"]["width"], SIZES["student"]["width"]
    draw = torch.Generator().manual_seed(hidden["seed"] if hidden else 0)
    projections = [
        torch.nn.Parameter(torch.empty(widths).normal_(0, 1 / math.sqrt(widths[1]), generator=draw))
        for _ in (hidden["student_layers"] if hidden else [])
    ]
    named = dict(student.named_parameters())
    named |= {f"distillation.projections.{i}.weight": p for i, p in enumerate(projections)}
    optimizer = torch.optim.AdamW(
        named.values(), betas=measure.BETAS, eps=measure.EPS, weight_decay=measure.WEIGHT_DECAY
    )
    told, gradients = [], {}
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATES[step]
        optimizer.zero_grad()
        parts = parts_of(case, student, teacher, ids[step].long(), labels[step].long(), projections)
        parts[0].backward()
        if step == 0:
            gradients = {f"grad.{name}": parameter.grad.clone() for name, parameter in named.items()}
        norm = torch.nn.utils.clip_grad_norm_(named.values(), measure.CLIP)
        told.append(torch.stack([*(part.detach() for part in parts), norm.detach()]))
        optimizer.step()
    names = ("losses", "nll", "divergence", "hidden", "grad_norms")
    return {**{name: column.contiguous() for name, column in zip(names, torch.stack(told).T)}, **gradients}


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    seed, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.manual_seed(seed)
    for name, sizes in SIZES.items():
        write_model(folder / name, **sizes)
    ids = inputs(VOCABULARY, seed)(STEPS, BATCH, TIME)
    labels = mask_some(ids, seed)
    given = {
        "ids": ids,
        "labels": labels,
        "lr": torch.tensor(LEARNING_RATES),
        "clip": torch.tensor([measure.CLIP]),
    }
    for number, case in enumerate(json.load(sys.stdin)["cases"]):
        save_file({**given, **train(case, folder, ids, labels)}, folder / f"{number}.safetensors")
    print("{}")


if __name__ == "__main__":
    main()
