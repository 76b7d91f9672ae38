"""The peer's side of generate.mjs: transformers' generate, eager. Asked {batch, prompt, tokens} a line, it answers with greedily
so many tokens a prompt, as {seconds, cpu_seconds, ids}; asked {read: BYTES}, with how long a sum over so much memory takes, {seconds}.

python bench/generate_peer.py FOLDER DTYPE THREADS
"""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


def read(memory: torch.Tensor) -> dict[str, Any]:
    started = time.perf_counter()
    memory.sum()
    return {"seconds": time.perf_counter() - started}


def generate(model: torch.nn.Module, batch: int, prompt: list[int], tokens: int) -> dict[str, Any]:
    rows = torch.tensor([prompt] * batch)
    options = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None, "use_cache": True}
    started, cpu_started = time.perf_counter(), time.process_time()
    ids = model.generate(
        rows, attention_mask=torch.ones_like(rows), max_new_tokens=tokens, min_new_tokens=tokens, **options
    )
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "ids": ids[0, len(prompt) :].tolist()}


def main(folder: Path, dtype: str, threads: int) -> None:
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    memory = torch.empty(0)
    say({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        if size := asked.get("read"):
            memory = memory if memory.nbytes == size else torch.ones(size // 4)
            say(read(memory))
            continue
        with torch.inference_mode():
            say(generate(model, **asked))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
