"""The peers of bench/gpu.mjs: transformers and torch on the same folder and rows, each answer a line of JSON.

    gpu_peer.py limits SETTINGS
    gpu_peer.py train MODE FOLDER whole|packed SETTINGS
    gpu_peer.py decode MODE FOLDER SETTINGS

Modes of training, all with torch's fused AdamW and scaled_dot_product_attention: `eager`, weights in bfloat16 and their
masters, gradients of the step and moments in float32, which is our arithmetic; `autocast`, weights in float32 under
torch.autocast, as transformers' Trainer does; `compile`, eager under torch.compile. Modes of decoding: `eager`, with a
cache that grows; `compile`, with a static cache, which transformers compiles.
"""
from __future__ import annotations

import json
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable

import torch

WARM_UP = 3
PROMPT = 128  # tokens


def say(**row: Any) -> None:
    print(json.dumps(row), flush=True)


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def median_seconds(work: Callable[[], Any], device: str, runs: int) -> float:
    """Of single runs, each waited for."""
    times = []
    for _ in range(WARM_UP + runs):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARM_UP:])


def limits(settings: dict[str, Any]) -> None:
    device = settings["device"]
    size, numbers = (512, 2**20) if device == "cpu" else (8192, 2**29)
    a, b, product = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(3))
    seconds = median_seconds(lambda: torch.mm(a, b, out=product), device, 20)
    source, target = (torch.ones(numbers, device=device, dtype=torch.bfloat16) for _ in range(2))
    copied = median_seconds(lambda: target.copy_(source), device, 20)
    say(
        gemm_tflops=2 * size**3 / seconds / 1e12,
        copy_gb_per_second=2 * source.nbytes / copied / 1e9,
        torch=torch.__version__,
        card="none" if device == "cpu" else torch.cuda.get_device_name(device),
    )


class Optimizer:
    """AdamW on float32 masters of the weights; clips the whole gradient to 1."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.weights = list(model.parameters())
        is_master = self.weights[0].dtype == torch.float32
        self.masters = self.weights if is_master else [w.detach().float() for w in self.weights]
        options = {"lr": 3e-4, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
        self.adamw = torch.optim.AdamW(self.masters, fused=True, **options)

    def step(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        if self.masters is not self.weights:
            for weight, master in zip(self.weights, self.masters):
                master.grad = weight.grad.float()
        self.adamw.step()
        with torch.no_grad():
            if self.masters is not self.weights:
                torch._foreach_copy_(self.weights, self.masters)
        for weight, master in zip(self.weights, self.masters):
            weight.grad = master.grad = None


def load(folder: Path, dtype: torch.dtype, device: str) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").to(device)


def on_device(batch: dict[str, Any], documents: str, device: str) -> dict[str, torch.Tensor]:
    """Positions that restart tell transformers where a packed document begins."""
    names = {"input_ids": "ids", "labels": "labels", "position_ids": "positions"}
    if documents == "whole":
        del names["position_ids"]
    return {name: torch.tensor(batch[key], device=device).view(batch["rows"], -1) for name, key in names.items()}


def train(mode: str, folder: Path, documents: str, settings: dict[str, Any]) -> None:
    device, steps = settings["device"], settings["steps"]
    autocast = mode == "autocast"
    model = load(folder, torch.float32 if autocast else torch.bfloat16, device).train()
    optimizer = Optimizer(model)
    batches = [on_device(one, documents, device) for one in json.loads((folder / f"{documents}.json").read_text())]
    forward = torch.compile(model, dynamic=False) if mode == "compile" else model
    seconds, losses = [], []
    for step in range(WARM_UP + steps):
        wait(device)
        started = time.perf_counter()
        kind = torch.autocast(device.split(":")[0], torch.bfloat16) if autocast else nullcontext()
        with kind:
            loss = forward(**batches[step % len(batches)], use_cache=False).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        wait(device)
        seconds.append(time.perf_counter() - started)
    middle, tokens = statistics.median(seconds[WARM_UP:]), batches[0]["input_ids"].numel()
    say(
        documents=documents,
        tokens_per_second=tokens / middle,
        step_seconds=middle,
        first_step_seconds=seconds[0],
        peak_bytes=None if device == "cpu" else torch.cuda.max_memory_allocated(),
        losses=losses,
    )


def decode(mode: str, folder: Path, settings: dict[str, Any]) -> None:
    device, new_tokens = settings["device"], settings["new_tokens"]
    model = load(folder, torch.bfloat16, device).eval()
    prompt = torch.tensor([[(i * 37) % 1000 for i in range(PROMPT)]], device=device)
    options: dict[str, Any] = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    if mode == "compile":
        options["cache_implementation"] = "static"

    def seconds(tokens: int) -> float:
        return median_seconds(
            lambda: model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=tokens,
                min_new_tokens=tokens,
                **options,
            ),
            device,
            3,
        )

    with torch.inference_mode(mode != "compile"), torch.no_grad():
        # The prompt and what surrounds a call are in both.
        middle = (seconds(new_tokens + 1) - seconds(1)) / new_tokens
    say(tokens_per_second=1 / middle, weight_bytes=(folder / "model.safetensors").stat().st_size)


if __name__ == "__main__":
    what, *names, text = sys.argv[1:]
    given = json.loads(text)
    if what == "limits":
        limits(given)
    elif what == "train":
        train(names[0], Path(names[1]), names[2], given)
    else:
        decode(names[0], Path(names[1]), given)
