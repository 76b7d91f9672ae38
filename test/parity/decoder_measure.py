"""What transformers says about a decoder folder: logits, greedy text, likelihood, gradients, training losses.

Everything is float32 with the plain ("eager") attention, whatever dtype the folder stores, and every measurement
loads the folder afresh: a model with dynamic rope remembers the longest sequence it has seen.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.optimization import Adafactor

Tensors = dict[str, torch.Tensor]
IGNORED = -100  # a label that takes no part in the loss
BETAS, EPS, WEIGHT_DECAY = (0.9, 0.95), 1e-8, 0.01
CLIP = 6.0  # the gradient norms of the tiny models lie on both sides of it


def load(folder: Path | str, dtype: torch.dtype = torch.float32, **config: Any) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager", **config)
    return model.eval()


@torch.no_grad()
def logits(folder: Path | str, ids: torch.Tensor, **options: Any) -> torch.Tensor:
    """ids (B,T) -> (B,T,V)."""
    return load(folder, **options)(ids.long()).logits


@torch.no_grad()
def greedy(folder: Path | str, prompt: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """prompt (P) -> the `count` ids that `generate` adds, no end-of-text obeyed, and the gap between the two
    largest logits at each of them."""
    model = load(folder)
    model.generation_config = GenerationConfig()  # the folder's own would name an end-of-text id
    settings = GenerationConfig(max_new_tokens=count, do_sample=False, pad_token_id=0)
    batch = prompt.long()[None]
    out = model.generate(
        batch,
        attention_mask=torch.ones_like(batch),
        generation_config=settings,
        output_logits=True,
        return_dict_in_generate=True,
    )
    assert len(out.logits) == count, f"generate stopped after {len(out.logits)} of {count} tokens"
    top = torch.cat(out.logits).topk(2, dim=-1).values
    return out.sequences[0, len(prompt) :], top[:, 0] - top[:, 1]


def nll(folder: Path | str, ids: torch.Tensor) -> torch.Tensor:
    """ids (B,S) -> (B) float64: minus the sum of log p of the tokens 1..S-1, each given all before it."""
    log_p = logits(folder, ids)[:, :-1].double().log_softmax(-1)
    return -log_p.gather(-1, ids[:, 1:, None].long()).sum((1, 2))


@torch.no_grad()
def answer_losses(folder: Path | str, texts: list[str]) -> list[dict[str, float]]:
    """Of each text, as the answer to an empty question: minus the sum of log p of its own tokens, and how many."""
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    losses = []
    for text in texts:
        turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]
        shown = tokenizer.apply_chat_template(turns, tokenize=False)
        first = shown.rindex(text)
        encoded = tokenizer(shown, add_special_tokens=False, return_offsets_mapping=True)
        ids = torch.tensor(encoded["input_ids"])
        own = torch.tensor([end > first and start < first + len(text) for start, end in encoded["offset_mapping"]])
        log_p = model(ids[None]).logits[0, :-1].double().log_softmax(-1)
        said = log_p.gather(-1, ids[1:, None])[own[1:]]
        losses.append({"nll": -said.sum().item(), "tokens": len(said)})
    return losses


def train(
    folder: Path | str, ids: torch.Tensor, labels: torch.Tensor, lr: torch.Tensor, z_loss: float = 0
) -> Tensors:
    """One AdamW step per batch of ids and labels (S,B,T) at lr (S).

    Returns `losses` (S), each before its step; `grad_norms` (S) before clipping; `grad.<parameter>` of the first
    batch, before clipping. Labels are those of transformers: position t of `labels` names token t itself, the
    model shifts them, and the loss is the mean over the labels that are left. One weight decay for all parameters.
    With z_loss, so much times the mean of log(sum exp logits)^2 over the same labels is minimised as well, and
    returned apart as `z_losses` (S).
    """
    model = load(folder).train()
    return train_model(model, dict(model.named_parameters()), ids, labels, lr, z_loss)


def optimize(
    folder: Path | str, ids: torch.Tensor, labels: torch.Tensor, lr: torch.Tensor, settings: dict[str, Any]
) -> Tensors:
    """As `train` by Adafactor with our settings of the same names, but with `weight.<parameter>` after the last step
    in place of the gradients."""
    model = load(folder).train()
    parameters = dict(model.named_parameters())
    optimizer = Adafactor(
        parameters.values(),
        lr=1.0,  # set before each step
        eps=(settings["eps"], 1e-3),
        clip_threshold=settings["clip_threshold"],
        decay_rate=-settings["decay_rate"],
        beta1=settings["beta1"] or None,
        weight_decay=settings["weight_decay"],
        scale_parameter=False,
        relative_step=False,
    )
    out = train_model(model, parameters, ids, labels, lr, optimizer=optimizer)
    weights = {f"weight.{name}": parameter.detach() for name, parameter in parameters.items()}
    return {"losses": out["losses"], "grad_norms": out["grad_norms"], **weights}


def train_model(
    model: torch.nn.Module,
    parameters: Tensors,
    ids: torch.Tensor,
    labels: torch.Tensor,
    lr: torch.Tensor,
    z_loss: float = 0,
    optimizer: torch.optim.Optimizer | None = None,
) -> Tensors:
    """As `train`, of these parameters of a model that is in training; by another optimizer if one is given."""
    optimizer = optimizer or torch.optim.AdamW(parameters.values(), betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)
    losses, z_losses, norms, gradients = [], [], [], {}
    for step in range(len(lr)):
        optimizer.param_groups[0]["lr"] = float(lr[step])
        optimizer.zero_grad()
        out = model(ids[step].long(), labels=labels[step].long())
        loss, extra = out.loss, z_term(out.logits, labels[step], z_loss)
        (loss + extra if z_loss else loss).backward()
        if step == 0:
            gradients = {f"grad.{name}": parameter.grad.clone() for name, parameter in parameters.items()}
        norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP))
        losses.append(loss.detach())
        z_losses.append(extra.detach())
        optimizer.step()
    extras = {"z_losses": torch.stack(z_losses)} if z_loss else {}
    return {"losses": torch.stack(losses), "grad_norms": torch.stack(norms), **extras, **gradients}


def z_term(logits: torch.Tensor, labels: torch.Tensor, z_loss: float) -> torch.Tensor:
    """logits (B,T,V), labels (B,T) -> scalar."""
    targets = labels[:, 1:] != IGNORED
    return z_loss * logits[:, :-1].float().logsumexp(-1).square()[targets].mean()
