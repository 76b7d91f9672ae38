"""Whole training runs in plain torch and transformers: what `train` is compared with, an objective at a time.

    objectives_reference.py make SEED OUT       a folder a family of objectives_cases.py
                                                -> {family: {cp, inscp, uneven, sft, dpo: [tokens of a record]}}
    objectives_reference.py train FOLDER < {cells: [...], steps, lr, weight_decay, clip, warmup, min_lr}
                                                -> for each cell, a number an update:
                                                {loss, grad_norm, lr, chosen_reward?, rejected_reward?}
    objectives_reference.py schedules < [{kind, lr, warmup, min_lr, steps}]   -> [[lr of each update]]

A cell is {objective, loss, schedule, records, beta?, gamma?, rows?}. Each update sees all records, or with
rows {length, update, epochs: [[order]]} so many rows a time, as docs/data.md orders them.

Nothing is packed or padded: documents go through the model one by one, in float64 where transformers lets them (it
takes norms, the softmax of attention and rope in float32), so that whatever leaks between documents of a row shows.
"""
from __future__ import annotations

import argparse
import json
import sys
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, optimization
from transformers.utils import logging

from objectives_cases import FAMILIES, pair_length, write_case
from objectives_documents import Document, chat_ids, documents, in_template, text_ids


def load(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").train()


def read_records(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{kind}.jsonl").read_text().splitlines()]


def answer(model: PreTrainedModel, document: Document) -> tuple[torch.Tensor, int]:
    """Sum of the log-probabilities of what is learnt of a document, and its number of tokens."""
    ids, learnt = (torch.tensor(row) for row in document)
    log_p = model(ids[None], use_cache=False).logits[0, :-1].log_softmax(-1)
    log_p = log_p.gather(1, ids[1:, None])[learnt[1:], 0]
    return log_p.sum(), len(log_p)


def language_loss(model: PreTrainedModel, batch: list[list[Document]]) -> dict[str, torch.Tensor]:
    """Mean negative log-likelihood over all that is learnt."""
    sums, counts = zip(*(answer(model, document) for record in batch for document in record))
    return {"loss": -sum(sums) / sum(counts)}


def preference_loss(
    model: PreTrainedModel, batch: list[list[Document]], references: list[torch.Tensor], cell: dict[str, Any]
) -> dict[str, torch.Tensor]:
    """Mean over the pairs; log-probabilities of answers under model and reference, summed, w the chosen, l the other.

    sigmoid  arXiv 2305.18290, eq. 7: -log s(beta (w - w_ref - l + l_ref))
    ipo      arXiv 2310.12036, eq. 17, of means over tokens: (w - w_ref - l + l_ref - 1 / (2 beta))^2
    simpo    arXiv 2405.14734, eq. 6: -log s(beta w / |w| - beta l / |l| - gamma)
    orpo     arXiv 2403.07691, eq. 6 and 7: -w / |w| - beta log s(log odds(w) - log odds(l)), odds of means over tokens
    """
    beta, losses, rewards = cell["beta"], [], []
    for pair, reference in zip(batch, references):
        (w, w_count), (l, l_count) = (answer(model, document) for document in pair)
        sums, counts = torch.stack([w, l]), torch.tensor([w_count, l_count])
        ratios, means = sums - reference, sums / counts
        if cell["loss"] == "sigmoid":
            losses.append(-F.logsigmoid(beta * (ratios[0] - ratios[1])))
        elif cell["loss"] == "ipo":
            losses.append((ratios[0] / w_count - ratios[1] / l_count - 1 / (2 * beta)) ** 2)
        elif cell["loss"] == "simpo":
            losses.append(-F.logsigmoid(beta * means[0] - beta * means[1] - cell["gamma"]))
        else:
            odds = means.exp() / (1 - means.exp())
            losses.append(-means[0] - beta * F.logsigmoid(odds[0].log() - odds[1].log()))
        rewards.append(beta * (ratios if cell["loss"] in ("sigmoid", "ipo") else means).detach())
    chosen, rejected = torch.stack(rewards).mean(0)
    return {"loss": torch.stack(losses).mean(), "chosen_reward": chosen, "rejected_reward": rejected}


def cut(records: list[list[Document]], order: list[int], length: int) -> list[list[list[Document]]]:
    """Texts one after the other in rows of a length, each beginning with the last token of the row before it; what a
    row holds of a text is a document of its own, whose first token nothing predicts."""
    texts = [records[i][0] for i in order]
    starts = [0, *accumulate(len(ids) for ids, _ in texts)]
    rows = []
    for begin in range(0, starts[-1] - 1, length - 1):
        pieces = [(max(begin - start, 0), begin + length - start) for start in starts]
        parts = [(ids[a:max(b, 0)], learnt[a:max(b, 0)]) for (ids, learnt), (a, b) in zip(texts, pieces)]
        rows.append([[part] for part in parts if part[0]])
    return rows


def updates(records: list[list[Document]], cell: dict[str, Any], steps: int) -> list[list[list[Document]]]:
    """The records, or their parts, of each update."""
    rows = cell.get("rows")
    if rows is None:
        return [records] * steps
    if "length" in rows:
        laid = [row for order in rows["epochs"] for row in cut(records, order, rows["length"])]
    else:  # a record a row, numbered from the longest on
        longest = sorted(records, key=lambda record: -sum(len(ids) for ids, _ in record))
        laid = [[longest[i]] for order in rows["epochs"] for i in order]
    size = rows["update"]
    return [[part for row in laid[i * size : (i + 1) * size] for part in row] for i in range(steps)]


def schedule(optimizer: torch.optim.Optimizer, kind: str, lr: float, warmup: int, min_lr: float, steps: int):
    """transformers' schedule of this kind, and how many of its steps come before that of update `i`.

    Ours rises to `lr` in the last of `warmup` updates where transformers' is there one later, and reaches `min_lr` in
    the last update of all, where transformers' does one later.
    """
    last = steps - 1
    if kind == "constant":
        made = optimization.get_constant_schedule_with_warmup(optimizer, warmup)
    elif kind == "linear":
        made = optimization.get_polynomial_decay_schedule_with_warmup(optimizer, warmup, last, lr_end=min_lr, power=1.0)
    else:
        made = optimization.get_cosine_with_min_lr_schedule_with_warmup(optimizer, warmup, last, min_lr=min_lr)
    return lambda i: made.lr_lambdas[0](i + 1 if i < warmup else i) * lr


def run_train(args: argparse.Namespace) -> Any:
    given = json.load(sys.stdin)
    return [train(args.folder, cell, given) for cell in given["cells"]]


def train(folder: Path, cell: dict[str, Any], given: dict[str, Any]) -> dict[str, list[float]]:
    tokenizer = AutoTokenizer.from_pretrained(folder, chat_template=(folder / "marked.jinja").read_text())
    records = documents(tokenizer, cell["objective"], cell["loss"], read_records(folder, cell["records"]))
    model = load(folder)
    references = reference_sums(model, records) if cell["objective"] == "dpo" else {}
    optimizer, lr = make_optimizer(model, given), given["lr"]
    rate = schedule(optimizer, cell["schedule"], lr, given["warmup"], given["min_lr"], given["steps"])
    lines = []
    for step, batch in enumerate(updates(records, cell, given["steps"])):
        figures = loss_of(model, batch, references, cell)
        optimizer.zero_grad()
        figures["loss"].backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), given["clip"])
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        figures |= {"grad_norm": norm, "lr": torch.tensor(rate(step), dtype=torch.float64)}
        lines.append({name: value.item() for name, value in figures.items()})
    return {name: [line[name] for line in lines] for name in lines[0]}


def make_optimizer(model: PreTrainedModel, given: dict[str, Any]) -> torch.optim.Optimizer:
    """Norms and biases are not decayed."""
    matrices = {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": given["weight_decay"]}
    others = {"params": [p for p in model.parameters() if p.dim() != 2], "weight_decay": 0.0}
    return torch.optim.AdamW([matrices, others], lr=given["lr"], betas=(0.9, 0.95), eps=1e-8)


@torch.no_grad()
def reference_sums(model: PreTrainedModel, records: list[list[Document]]) -> dict[int, torch.Tensor]:
    """What the model says of both answers of each pair, by the id of the pair."""
    return {id(pair): torch.stack([answer(model, document)[0] for document in pair]) for pair in records}


def loss_of(model: PreTrainedModel, batch, references: dict[int, torch.Tensor], cell: dict[str, Any]):
    if cell["objective"] != "dpo":
        return language_loss(model, batch)
    return preference_loss(model, batch, [references[id(pair)] for pair in batch], cell)


def run_make(args: argparse.Namespace) -> Any:
    lengths = {}
    for name in FAMILIES:
        folder = args.out / name
        write_case(name, args.seed, folder)
        lengths[name] = record_lengths(folder)
    return lengths


def record_lengths(folder: Path) -> dict[str, list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(folder, chat_template=(folder / "marked.jinja").read_text())
    texts, uneven = ([record["text"] for record in read_records(folder, kind)] for kind in ("texts", "uneven"))
    return {
        "cp": [len(text_ids(tokenizer, text)) for text in texts],
        "inscp": [len(in_template(tokenizer, text)[0]) for text in texts],
        "uneven": [len(text_ids(tokenizer, text)) for text in uneven],
        "sft": [len(chat_ids(tokenizer, chat["messages"])[0]) for chat in read_records(folder, "chats")],
        "dpo": [pair_length(tokenizer, pair) for pair in read_records(folder, "pairs")],
    }


def run_schedules(args: argparse.Namespace) -> Any:
    def rates(row: dict[str, Any]) -> list[float]:
        optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=row["lr"])
        rate = schedule(optimizer, **row)
        return [rate(i) for i in range(row["steps"])]

    return [rates(row) for row in json.load(sys.stdin)]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for run, arguments in ((run_make, {"seed": int, "out": Path}), (run_train, {"folder": Path}), (run_schedules, {})):
        command = verbs.add_parser(run.__name__.removeprefix("run_"))
        command.set_defaults(run=run)
        for name, kind in arguments.items():
            command.add_argument(name, type=kind)
    return parser.parse_args()


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    args = parse()
    print(json.dumps(args.run(args)))
