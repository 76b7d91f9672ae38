"""Probes in plain torch on what transformers makes of sound: what native/probe is compared with.

    probe_reference.py SEED OUT < {utterances, test, classes, steps, cases: [{kind, layers, standardize, lr, weight_decay}]}

Writes a random HuBERT into OUT/model and, into OUT/sounds.safetensors, sound.<i> (samples) of `utterances` utterances; the last
`test` of them are judged. Targets are drawn: of kind utterance a class, of frames a class a place, some of them -1, of sequence a
few tokens from 1 on: OUT/<case>.safetensors has target.<i>, and course (steps), weight (C,D), bias (C), layer_weights (L),
loss (1), prediction.<i> of the tested.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import HubertConfig, HubertModel
from transformers.utils import logging

WIDTH, LAYERS = 24, 3


def random_hubert() -> HubertModel:
    config = HubertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=3,
        intermediate_size=40,
        conv_dim=(12, 12, 12),
        conv_kernel=(10, 3, 2),
        conv_stride=(5, 2, 2),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=4,
        initializer_range=0.3,
    )
    return HubertModel(config).eval()


def draw_target(kind: str, places: int, classes: int) -> torch.Tensor:
    if kind == "utterance":
        return torch.randint(classes, (1,))
    if kind == "frames":
        return torch.randint(-1, classes, (places,))
    return torch.randint(1, classes, (int(torch.randint(1, 4, ())),))


class Probe(torch.nn.Module):
    """The layers of each utterance (L,T,D), standardised by the training ones; all of it from zeros."""

    def __init__(self, train: list[torch.Tensor], classes: int, case: dict[str, Any]) -> None:
        super().__init__()
        x = torch.cat(train, 1)
        self.mean = torch.zeros(x.shape[0], 1, WIDTH, dtype=torch.float64)
        self.deviation = torch.ones(x.shape[0], 1, WIDTH, dtype=torch.float64)
        if case["standardize"] != "none":
            self.mean = x.mean(1, keepdim=True)
            over = (1, 2) if case["standardize"] == "layer" else (1,)
            self.deviation = x.std(over, keepdim=True)
        self.scores = torch.nn.Parameter(torch.zeros(x.shape[0], dtype=torch.float64))
        self.head = torch.nn.Linear(WIDTH, classes, dtype=torch.float64)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        x = (states - self.mean) / self.deviation
        return self.head(torch.einsum("ltd,l->td", x, self.scores.softmax(0)))


def loss_of(kind: str, logits: list[torch.Tensor], targets: list[torch.Tensor]) -> torch.Tensor:
    if kind != "sequence":
        return F.cross_entropy(torch.cat(logits), torch.cat(targets), ignore_index=-1)
    padded = torch.nn.utils.rnn.pad_sequence([rows.log_softmax(-1) for rows in logits])
    lengths = [torch.tensor([len(one) for one in many]) for many in (logits, targets)]
    return F.ctc_loss(padded, torch.cat(targets), lengths[0], lengths[1])  # by length, then the mean


def prediction_of(kind: str, logits: torch.Tensor) -> torch.Tensor:
    best = logits.argmax(-1)
    if kind != "sequence":
        return best
    best = torch.unique_consecutive(best)
    return best[best != 0]


def run(case: dict[str, Any], states: list[torch.Tensor], given: dict[str, Any]) -> dict[str, torch.Tensor]:
    kind, classes, tested = case["kind"], given["classes"], given["test"]
    targets = [draw_target(kind, one.shape[1], classes) for one in states]
    layers = {"weighted": range(LAYERS + 1), "last": [LAYERS]}[case["layers"]]
    seen = [one[list(layers)].double() for one in states]
    if kind == "utterance":
        seen = [one.mean(1, keepdim=True) for one in seen]
    probe = Probe(seen[:-tested], classes, case)
    matrix = {"params": [probe.head.weight], "weight_decay": case["weight_decay"]}
    rest = {"params": [probe.scores, probe.head.bias], "weight_decay": 0.0}
    adam = torch.optim.AdamW([matrix, rest], lr=case["lr"])
    course = []
    for _ in range(given["steps"]):
        adam.zero_grad()
        loss = loss_of(kind, [probe(one) for one in seen[:-tested]], targets[:-tested])
        loss.backward()
        adam.step()
        course.append(loss.item())
    with torch.no_grad():
        logits = [probe(one) for one in seen[-tested:]]
        judged = loss_of(kind, logits, targets[-tested:])
    return {
        "course": torch.tensor(course),
        "weight": probe.head.weight.detach().float(),
        "bias": probe.head.bias.detach().float(),
        "layer_weights": probe.scores.softmax(0).detach().float(),
        "loss": judged.float().view(1),
        **{f"target.{i}": one.int() for i, one in enumerate(targets)},
        **{f"prediction.{i}": prediction_of(kind, one).int() for i, one in enumerate(logits)},
    }


def main() -> None:
    logging.set_verbosity_error()
    seed, out = int(sys.argv[1]), Path(sys.argv[2])
    given = json.load(sys.stdin)
    torch.manual_seed(seed)
    model = random_hubert()
    model.save_pretrained(out / "model")
    sounds = [torch.randn(int(torch.randint(400, 900, ()))) for _ in range(given["utterances"])]
    save_file({f"sound.{i}": one for i, one in enumerate(sounds)}, out / "sounds.safetensors")
    with torch.no_grad():
        heard = [model(one[None], output_hidden_states=True).hidden_states for one in sounds]
    states = [torch.cat(one) for one in heard]
    for number, case in enumerate(given["cases"]):
        save_file(run(case, states, given), out / f"{number}.safetensors")
    print(json.dumps({"cases": len(given["cases"])}))


if __name__ == "__main__":
    main()
