"""The peer's side of compress_weights.mjs: Wanda and SparseGPT as their public code goes about it, in plain torch, on a plain
Llama: a sample at a time, statistics for each linear layer, each layer run before and after it is pruned.

python bench/compress_weights_peer.py FOLDER THREADS CRITERION PATTERN prints {seconds, cpu_seconds, peak_bytes, zeros, error}.
"""
from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

BLOCK, DAMPING, SPARSITY = 128, 0.01, 0.5
KEPT_INPUTS = 1024  # for the error of the outputs, which both sides tell


class Layer(nn.Module):
    def __init__(self, config: dict, weights: dict[str, Tensor], number: int) -> None:
        super().__init__()
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        self.eps = config["rms_norm_eps"]
        prefix = f"model.layers.{number}."
        for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
                     "mlp.up_proj", "mlp.down_proj"):
            weight = weights[f"{prefix}{name}.weight"]
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            linear.weight.data = weight
            setattr(self, name.split(".")[1], linear)
        self.norms = [weights[f"{prefix}{name}.weight"] for name in ("input_layernorm", "post_attention_layernorm")]

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        a = F.rms_norm(x, x.shape[-1:], self.norms[0], self.eps)
        q, k, v = (part(a).unflatten(-1, (heads, -1)).transpose(1, 2) for part, heads in
                   ((self.q_proj, self.heads), (self.k_proj, self.kv_heads), (self.v_proj, self.kv_heads)))
        q, k = (turned(part, *rotation) for part in (q, k))
        k, v = (part.repeat_interleave(self.heads // self.kv_heads, 1) for part in (k, v))
        x = x + self.o_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        m = F.rms_norm(x, x.shape[-1:], self.norms[1], self.eps)
        return x + self.down_proj(F.silu(self.gate_proj(m)) * self.up_proj(m))

    def linears(self) -> list[nn.Linear]:
        return [part for part in self.modules() if isinstance(part, nn.Linear)]


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def rotation_of(config: dict, length: int) -> tuple[Tensor, Tensor]:
    size = config["hidden_size"] // config["num_attention_heads"]
    angles = torch.outer(torch.arange(length), config["rope_theta"] ** (-torch.arange(0, size, 2) / size)).repeat(1, 2)
    return angles.cos(), angles.sin()


class Wanda:
    def __init__(self, linear: nn.Linear) -> None:
        self.linear, self.count = linear, 0
        self.scaler = torch.zeros(linear.weight.shape[1])

    def add(self, x: Tensor) -> None:
        x = x.reshape(-1, x.shape[-1]).t()
        self.scaler *= self.count / (self.count + 1)
        self.count += 1
        self.scaler += torch.norm(x.float(), p=2, dim=1) ** 2 / self.count

    def prune(self, group: int | None) -> None:
        weight = self.linear.weight.data
        metric = weight.abs() * self.scaler.reshape(1, -1).sqrt()
        mask = torch.zeros_like(metric, dtype=torch.bool)
        if group:
            for i in range(0, metric.shape[1], group):
                lowest = torch.topk(metric[:, i : i + group], group // 2, dim=1, largest=False).indices
                mask.scatter_(1, i + lowest, True)
        else:
            order = torch.sort(metric, dim=-1, stable=True).indices
            mask.scatter_(1, order[:, : int(metric.shape[1] * SPARSITY)], True)
        weight[mask] = 0


class SparseGpt:
    def __init__(self, linear: nn.Linear) -> None:
        self.linear, self.count = linear, 0
        self.h = torch.zeros(linear.weight.shape[1], linear.weight.shape[1])

    def add(self, x: Tensor) -> None:
        x = x.reshape(-1, x.shape[-1]).t()
        self.h *= self.count / (self.count + 1)
        self.count += 1
        x = (2 / self.count) ** 0.5 * x.float()
        self.h += x.matmul(x.t())

    def prune(self, group: int | None) -> None:
        w, h = self.linear.weight.data.clone(), self.h
        columns = w.shape[1]
        dead = torch.diag(h) == 0
        h[dead, dead] = 1
        w[:, dead] = 0
        diagonal = torch.arange(columns)
        h[diagonal, diagonal] += DAMPING * torch.mean(torch.diag(h))
        h = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
        for begin in range(0, columns, BLOCK):
            end = min(begin + BLOCK, columns)
            w1, u = w[:, begin:end].clone(), h[begin:end, begin:end]
            q1, errors = torch.zeros_like(w1), torch.zeros_like(w1)
            if group:
                mask = torch.zeros_like(w1, dtype=torch.bool)
            else:
                scores = w1**2 / torch.diag(u).reshape(1, -1) ** 2
                mask = scores <= torch.sort(scores.flatten()).values[int(scores.numel() * SPARSITY)]
            for i in range(end - begin):
                if group and i % group == 0:
                    scores = w1[:, i : i + group] ** 2 / torch.diag(u)[i : i + group].reshape(1, -1) ** 2
                    mask.scatter_(1, i + torch.topk(scores, group // 2, dim=1, largest=False).indices, True)
                q = w1[:, i].clone()
                q[mask[:, i]] = 0
                q1[:, i] = q
                error = (w1[:, i] - q) / u[i, i]
                w1[:, i:] -= error.unsqueeze(1).matmul(u[i, i:].unsqueeze(0))
                errors[:, i] = error
            w[:, begin:end] = q1
            w[:, end:] -= errors.matmul(h[begin:end, end:])
        self.linear.weight.data = w


def prune_model(layers: list[Layer], samples: list[Tensor], rotation: tuple[Tensor, Tensor], method: type,
                group: int | None) -> list[float]:
    """In place; the mean relative error of the outputs of each linear layer."""
    errors = []
    for layer in layers:
        gathered = {linear: method(linear) for linear in layer.linears()}
        kept: dict[nn.Linear, list[Tensor]] = {linear: [] for linear in gathered}
        share = max(KEPT_INPUTS // len(samples), 1)
        def hear(linear: nn.Linear, x: tuple[Tensor], _: Tensor) -> None:
            gathered[linear].add(x[0])
            kept[linear].append(x[0][0, :: max(x[0].shape[1] // share, 1)])
        hooks = [linear.register_forward_hook(hear) for linear in gathered]
        for x in samples:
            layer(x, rotation)
        for hook in hooks:
            hook.remove()
        for linear, of in gathered.items():
            x, before = torch.cat(kept.pop(linear)), linear.weight.data.clone()
            of.prune(group)
            errors.append(((x @ (before - linear.weight.data).t()).norm() / (x @ before.t()).norm()).item())
        del gathered
        samples = [layer(x, rotation) for x in samples]
    return errors


@torch.no_grad()
def main(folder: Path, threads: int, criterion: str, pattern: str) -> None:
    torch.set_num_threads(threads)
    config = json.loads((folder / "config.json").read_text())
    rows = json.loads((folder / "rows.json").read_text())
    weights = load_file(folder / "model.safetensors")
    layers = [Layer(config, weights, number) for number in range(config["num_hidden_layers"])]
    group = None if pattern == "unstructured" else int(pattern.split(":")[1])
    started, cpu_started = time.perf_counter(), time.process_time()
    ids = torch.tensor(rows["ids"]).view(-1, 1, rows["length"])
    samples = [F.embedding(one, weights["model.embed_tokens.weight"]) for one in ids]
    method = {"wanda": Wanda, "sparsegpt": SparseGpt}[criterion]
    errors = prune_model(layers, samples, rotation_of(config, rows["length"]), method, group)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    linears = [linear.weight for layer in layers for linear in layer.linears()]
    zeros = sum((weight == 0).sum().item() for weight in linears) / sum(weight.numel() for weight in linears)
    peak = 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text()).group(1))
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak, "zeros": zeros,
                      "error": sum(errors) / len(errors)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
