"""transformers as a command-line program: each call prints one JSON document on stdout, all else on stderr.

    reference.py logits FOLDER IDS.json                        [[id, ...], ...] -> {shape: [B, T, V], data: [...]}
    reference.py perplexity FOLDER                             texts on standard input -> [{nll, tokens}], each text
                                                                alone in the assistant's turn after an empty one
    reference.py generate FOLDER IDS.json --max-new-tokens N   prompts -> [{ids, gaps}], greedy, no end obeyed
    reference.py load FOLDER                                   {architecture, parameters, dtype, missing_keys,
                                                                unexpected_keys, tokenizer: {class, size} | null}
    reference.py train FOLDER TRAINING.safetensors [--z-loss Z]
                                                                ids, labels, lr of it -> {losses, grad_norms,
                                                                z_losses}
    reference.py optimize FOLDER TRAINING.safetensors OUT.safetensors
                                                                Adafactor with the settings on standard input, on ids,
                                                                labels, lr -> {}; the arrays of decoder_measure.optimize
    reference.py schedules -                                   [{kind, lr, warmup, steps, min_lr, decay,
                                                                decay_shape}, ...] -> [[lr of step 0 to steps], ...]
    reference.py random_adapter SEED OUT                       a folder per row of adapter_cases.py: base/, adapter/
                                                                -> {seed, folders: [...]}
    reference.py adapter_logits BASE ADAPTER IDS.json          as logits, of the model with the adapter (PEFT)
    reference.py random_encoder CASE SEED OUT                  as random_model, of encoder_cases.py
    reference.py random_speech CASE SEED OUT                   as random_model, of speech_cases.py
    reference.py load_encoders OUT                             as load, of each folder in OUT by the class that its
                                                                config names -> {folder: ...}
    reference.py encoder_answers OUT IDS.json                  of the same the logits too: {folder: {..., logits: [...]}}
    reference.py encode FOLDER TEXTS.json                      [text, ...] -> [{ids, text}], by its AutoTokenizer
    reference.py new_rows OLD NEW PIECES.json                  {first, pieces: [[id, ...], ...]} -> {tensor: values that
                                                                are not the mean of the old rows, or changed old ones}
    reference.py random_model CASE SEED OUT                    a folder with its expected arrays; CASE `all`: one
                                                                per row of the table -> {seed, folders: [...]}

IDS.json is a file, or `-` for standard input. How the arrays lie: decoder_expected.py.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, optimization
from transformers.utils import logging

import adapter_cases
import encoder_cases
import decoder_measure as measure
import speech_cases
from decoder_cases import CASES, random_model
from decoder_expected import write_expected, write_training


def read_ids(path: str) -> list[list[int]]:
    return json.loads(sys.stdin.read() if path == "-" else Path(path).read_text())


def run_logits(args: argparse.Namespace) -> Any:
    out = measure.logits(args.folder, torch.tensor(read_ids(args.ids)))
    return {"shape": list(out.shape), "data": out.flatten().tolist()}


def run_generate(args: argparse.Namespace) -> Any:
    texts = [measure.greedy(args.folder, torch.tensor(ids), args.max_new_tokens) for ids in read_ids(args.ids)]
    return [{"ids": ids.tolist(), "gaps": gaps.tolist()} for ids, gaps in texts]


def run_perplexity(args: argparse.Namespace) -> Any:
    return measure.answer_losses(args.folder, json.load(sys.stdin))


def run_load(args: argparse.Namespace) -> Any:
    return describe_loading(AutoModelForCausalLM, args.folder)


def run_load_encoders(args: argparse.Namespace) -> Any:
    return {folder.name: describe_loading(encoder_cases.hub_class(folder), folder) for folder in args.out.iterdir()}


@torch.no_grad()
def run_encoder_answers(args: argparse.Namespace) -> Any:
    ids = torch.tensor(read_ids(args.ids))
    logits = {folder.name: encoder_cases.load(folder)(ids).logits.flatten().tolist() for folder in args.out.iterdir()}
    return {name: {**loaded, "logits": logits[name]} for name, loaded in run_load_encoders(args).items()}


def describe_loading(kind: Any, folder: Path) -> dict[str, Any]:
    model, info = kind.from_pretrained(folder, dtype="auto", output_loading_info=True)
    return {
        "architecture": type(model).__name__,
        "parameters": model.num_parameters(),
        "dtype": str(model.dtype).removeprefix("torch."),
        "missing_keys": sorted(info["missing_keys"]),
        "unexpected_keys": sorted(info["unexpected_keys"]),
        "mismatched_keys": sorted(key for key, *_ in info["mismatched_keys"]),
        "tokenizer": describe_tokenizer(folder),
    }


def describe_tokenizer(folder: Path) -> dict[str, Any] | None:
    if not (folder / "tokenizer.json").exists():
        return None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return {"class": type(tokenizer).__name__, "size": len(tokenizer), "chat": tokenizer.chat_template is not None}


def run_train(args: argparse.Namespace) -> Any:
    given = load_file(args.data)
    out = measure.train(args.folder, given["ids"], given["labels"], given["lr"], args.z_loss)
    return {name: out[name].tolist() for name in ("losses", "grad_norms", "z_losses") if name in out}


def run_schedules(args: argparse.Namespace) -> Any:
    return [learning_rates(**schedule) for schedule in json.loads(sys.stdin.read())]


def learning_rates(
    kind: str, lr: float, warmup: int, steps: int, min_lr: float, decay: int, decay_shape: str
) -> list[float]:
    """Those of transformers' own schedulers. Those that fall all the way reach their end in step steps - 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = {
        "constant": lambda: optimization.get_constant_schedule_with_warmup(optimizer, warmup),
        "linear": lambda: optimization.get_linear_schedule_with_warmup(optimizer, warmup, steps - 1),
        "cosine": lambda: optimization.get_cosine_with_min_lr_schedule_with_warmup(
            optimizer, warmup, steps - 1, min_lr=min_lr
        ),
        "wsd": lambda: optimization.get_wsd_schedule(
            optimizer, warmup, decay, steps, decay_type=decay_shape, min_lr_ratio=min_lr / lr
        ),
    }[kind]()
    rates = []
    for _ in range(steps + 1):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def run_optimize(args: argparse.Namespace) -> Any:
    given = load_file(args.data)
    save_file(measure.optimize(args.folder, given["ids"], given["labels"], given["lr"], json.load(sys.stdin)), args.out)
    return {}


def run_random_model(args: argparse.Namespace) -> Any:
    rows = {name: args.out / name for name in CASES} if args.case == "all" else {args.case: args.out}
    for name, folder in rows.items():
        random_model(name, args.seed, folder)
        write_expected(folder, args.seed)
        if CASES[name].training:
            write_training(folder, args.seed)
    return {"seed": args.seed, "folders": [str(folder) for folder in rows.values()]}


def run_random_encoder(args: argparse.Namespace) -> Any:
    cases = encoder_cases.CASES
    rows = {name: args.out / name for name in cases} if args.case == "all" else {args.case: args.out}
    for name, folder in rows.items():
        encoder_cases.random_encoder(name, args.seed, folder)
        encoder_cases.write_expected(folder, args.seed)
        if cases[name].training:
            encoder_cases.write_training(folder, args.seed)
    return {"seed": args.seed, "folders": [str(folder) for folder in rows.values()]}


def run_random_speech(args: argparse.Namespace) -> Any:
    cases = speech_cases.CASES
    rows = {name: args.out / name for name in cases} if args.case == "all" else {args.case: args.out}
    for name, folder in rows.items():
        speech_cases.random_speech(name, args.seed, folder)
        speech_cases.write_expected(folder, args.seed)
    return {"seed": args.seed, "folders": [str(folder) for folder in rows.values()]}


def run_random_adapter(args: argparse.Namespace) -> Any:
    folders = [args.out / name for name in adapter_cases.CASES]
    for folder in folders:
        base, adapter = folder / "base", folder / "adapter"
        random_model(adapter_cases.CASES[folder.name].base, args.seed, base)
        adapter_cases.random_adapter(folder.name, args.seed + 1, base, adapter)
        adapter_cases.write_expected(args.seed + 2, base, adapter)
    return {"seed": args.seed, "folders": [str(folder) for folder in folders]}


def run_adapter_logits(args: argparse.Namespace) -> Any:
    out = adapter_cases.logits(args.folder, args.adapter, torch.tensor(read_ids(args.ids)))
    return {"shape": list(out.shape), "data": out.flatten().tolist()}


def run_encode(args: argparse.Namespace) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    rows = [tokenizer(text)["input_ids"] for text in read_ids(args.texts)]
    return [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=True)} for ids in rows]


def run_new_rows(args: argparse.Namespace) -> Any:
    given = read_ids(args.pieces)
    first, pieces = given["first"], given["pieces"]
    old, new = (AutoModelForCausalLM.from_pretrained(folder, dtype="auto").state_dict() for folder in (args.folder, args.out))
    wrong = {}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        before, after = old[name], new[name]
        # The mean in double, then float32, then the dtype of the weights.
        mean = torch.stack([before[torch.tensor(ids)].double().mean(0) for ids in pieces]).float().to(before.dtype)
        rows = after[first : first + len(pieces)]
        wrong[name] = int((rows != mean).sum()) + int((after[:first] != before[:first]).sum())
    return wrong


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)

    def verb(run, *arguments: str) -> argparse.ArgumentParser:
        command = verbs.add_parser(run.__name__.removeprefix("run_"))
        command.set_defaults(run=run)
        types = {"folder": Path, "adapter": Path, "out": Path, "seed": int}
        for name in arguments:
            command.add_argument(name, type=types.get(name, str))
        return command

    verb(run_logits, "folder", "ids")
    verb(run_perplexity, "folder")
    verb(run_generate, "folder", "ids").add_argument("--max-new-tokens", type=int, default=20)
    verb(run_load, "folder")
    verb(run_train, "folder", "data").add_argument("--z-loss", type=float, default=0)
    verb(run_optimize, "folder", "data", "out")
    verb(run_schedules, "schedules")
    verb(run_random_adapter, "seed", "out")
    verb(run_adapter_logits, "folder", "adapter", "ids")
    verb(run_encode, "folder", "texts")
    verb(run_new_rows, "folder", "out", "pieces")
    verb(run_random_model, "case", "seed", "out")
    verb(run_random_encoder, "case", "seed", "out")
    verb(run_random_speech, "case", "seed", "out")
    verb(run_load_encoders, "out")
    verb(run_encoder_answers, "out", "ids")
    return parser.parse_args()


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)  # on a busy machine two threads wait for each other longer than these models take
    args = parse()
    print(json.dumps(args.run(args)))
