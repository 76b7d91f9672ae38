"""The Python library `tokenizers` as a command-line program: prints one JSON document on stdout.

    bpe_reference.py train < {texts, cases}  -> [{vocab: {token: id}, merges: [[left, right], ...]}] of BpeTrainer
    bpe_reference.py time < CASE             -> {seconds, cpu_seconds, vocab_size, peak_rss_mb} of it, with reading its file,
                                                a text a line
    bpe_reference.py load FOLDER < TEXTS     -> {class, ids: [[...]], texts: [decoded], chat} by AutoTokenizer

A case: {pre_tokenizer, alphabet: "bytes" | null, special, vocab_size, min_frequency, max_token_length}, and to be timed
its file.
"""
from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers


def empty(pre_tokenizer: Any) -> Tokenizer:
    bare = json.loads(Tokenizer(models.BPE()).to_str())
    return Tokenizer.from_str(json.dumps({**bare, "pre_tokenizer": pre_tokenizer}))


def trained(texts: Iterable[str], case: dict[str, Any]) -> Tokenizer:
    tokenizer = empty(case["pre_tokenizer"])
    trainer = trainers.BpeTrainer(
        vocab_size=case["vocab_size"],
        min_frequency=case["min_frequency"],
        max_token_length=case.get("max_token_length"),
        special_tokens=case.get("special", []),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if case.get("alphabet") == "bytes" else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def model_of(tokenizer: Tokenizer) -> dict[str, Any]:
    model = json.loads(tokenizer.to_str())["model"]
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    return {"vocab": model["vocab"], "merges": merges}


def run_train(given: dict[str, Any]) -> Any:
    return [model_of(trained(given["texts"], case)) for case in given["cases"]]


def run_time(case: dict[str, Any]) -> Any:
    begun = time.perf_counter()
    with open(case["file"], encoding="utf-8") as lines:
        size = trained((line.rstrip("\n") for line in lines), case).get_vocab_size()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "vocab_size": size,
        "peak_rss_mb": usage.ru_maxrss / 1024,
    }


def run_load(texts: list[str]) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
    ids = [tokenizer(text)["input_ids"] for text in texts]
    chat = [{"role": "user", "content": "hi"}]
    return {
        "class": type(tokenizer).__name__,
        "ids": ids,
        "texts": [tokenizer.decode(row, skip_special_tokens=True) for row in ids],
        "special": {key: getattr(tokenizer, key) for key in ("bos_token", "eos_token", "pad_token")},
        "all_special": sorted(tokenizer.all_special_tokens),
        "chat": tokenizer.apply_chat_template(chat, tokenize=False) if tokenizer.chat_template else None,
    }


RUN = {"train": run_train, "time": run_time, "load": run_load}

if __name__ == "__main__":
    json.dump(RUN[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
