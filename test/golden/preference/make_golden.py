"""Golden arrays of learning from preferences: ten AdamW steps of each loss, in plain torch on a golden decoder.

    build/parity-env/bin/python test/golden/preference/make_golden.py

Made with torch 2.13.0, transformers 5.23.0. Writes beside itself

    cases.json             [{name, kind, beta, label_smoothing, gamma}]
    pairs.safetensors      ids, labels, segments int32 (S,R,T): S steps of R rows, a pair each (segment 0 is chosen),
                           reference float64 (S,R,2): log-probabilities under the model before training
    NAME.safetensors       float64 (S): losses, grad_norms (before clipping), chosen_reward, rejected_reward
"""
from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODEL = HERE.parent / "decoder" / "llama_tied_gqa"
STEPS, ROWS, TIME = 10, 3, 40
LR, CLIP, BETAS, DECAY = 1e-3, 1.0, (0.9, 0.95), 0.01
CASES = [
    {"name": "sigmoid", "kind": "sigmoid", "beta": 0.3, "label_smoothing": 0.0, "gamma": 0.0},
    {"name": "smoothed", "kind": "sigmoid", "beta": 0.3, "label_smoothing": 0.2, "gamma": 0.0},
    {"name": "hinge", "kind": "hinge", "beta": 0.3, "label_smoothing": 0.0, "gamma": 0.0},
    {"name": "ipo", "kind": "ipo", "beta": 0.5, "label_smoothing": 0.0, "gamma": 0.0},
    {"name": "simpo", "kind": "simpo", "beta": 2.0, "label_smoothing": 0.0, "gamma": 1.0},
    {"name": "orpo", "kind": "orpo", "beta": 0.4, "label_smoothing": 0.0, "gamma": 0.0},
]


def draw_pairs(vocabulary: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    number = lambda low, high: int(torch.randint(low, high + 1, (), generator=generator))
    ids = torch.zeros(STEPS, ROWS, TIME, dtype=torch.int32)
    labels, segments = torch.full_like(ids, -100), torch.full_like(ids, -1)
    for step in range(STEPS):
        for row in range(ROWS):
            prompt, place = torch.randint(0, vocabulary, (number(2, 6),), generator=generator), 0
            for segment in range(2):
                answer = torch.randint(0, vocabulary, (number(2, 12),), generator=generator)
                end = place + len(prompt) + len(answer)
                ids[step, row, place:end] = torch.cat([prompt, answer])
                labels[step, row, end - len(answer) : end] = answer
                segments[step, row, place:end] = segment
                place = end
    return {"ids": ids, "labels": labels, "segments": segments}


def answers(model, pairs: dict[str, torch.Tensor], step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(R,2) each: log-probability of each answer, and its tokens; one document at a time, no packing."""
    sums, counts = [], []
    for row in range(ROWS):
        for segment in range(2):
            here = pairs["segments"][step, row] == segment
            ids, labels = (pairs[key][step, row][here].long() for key in ("ids", "labels"))
            log_p = model(ids[None]).logits[0, :-1].log_softmax(-1)
            learnt = labels[1:] != -100
            sums.append(log_p[learnt].gather(1, labels[1:][learnt, None]).sum())
            counts.append(learnt.sum())
    return torch.stack(sums).view(ROWS, 2), torch.stack(counts).view(ROWS, 2)


def loss_and_rewards(case: dict, policy, reference, counts) -> tuple[torch.Tensor, torch.Tensor]:
    beta, smoothing = case["beta"], case["label_smoothing"]
    mean = policy / counts
    ratio = policy - reference
    if case["kind"] == "sigmoid":
        x = beta * (ratio[:, 0] - ratio[:, 1])
        return -(1 - smoothing) * F.logsigmoid(x) - smoothing * F.logsigmoid(-x), beta * ratio
    if case["kind"] == "hinge":
        return torch.relu(1 - beta * (ratio[:, 0] - ratio[:, 1])), beta * ratio
    if case["kind"] == "ipo":
        ratio_of_means = ratio / counts
        return (ratio_of_means[:, 0] - ratio_of_means[:, 1] - 1 / (2 * beta)) ** 2, beta * ratio
    if case["kind"] == "simpo":
        return -F.logsigmoid(beta * (mean[:, 0] - mean[:, 1]) - case["gamma"]), beta * mean
    log_odds = mean - torch.log1p(-torch.exp(mean))
    return -mean[:, 0] - beta * F.logsigmoid(log_odds[:, 0] - log_odds[:, 1]), beta * mean


def load():
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager").eval()


def train(case: dict, pairs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    model = load()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=BETAS, eps=1e-8, weight_decay=DECAY)
    lines = []
    for step in range(STEPS):
        policy, counts = answers(model, pairs, step)
        losses, rewards = loss_and_rewards(case, policy, pairs["reference"][step].float(), counts)
        optimizer.zero_grad()
        losses.mean().backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        lines.append([losses.mean(), norm, *rewards.mean(0)])
    columns = torch.tensor(lines, dtype=torch.float64).T.contiguous()
    names = ("losses", "grad_norms", "chosen_reward", "rejected_reward")
    return {name: column.clone() for name, column in zip(names, columns)}


def main() -> None:
    torch.set_num_threads(1)
    pairs = draw_pairs(json.loads((MODEL / "config.json").read_text())["vocab_size"])
    model = load()
    with torch.no_grad():
        pairs["reference"] = torch.stack([answers(model, pairs, step)[0] for step in range(STEPS)]).double()
    save_file(pairs, HERE / "pairs.safetensors")
    for case in CASES:
        save_file(train(case, pairs), HERE / f"{case['name']}.safetensors")
    (HERE / "cases.json").write_text(json.dumps(CASES, indent=2) + "\n")


if __name__ == "__main__":
    main()
