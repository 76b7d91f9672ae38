"""The peer of bench/serve_load.mjs: transformers' generate on batches of requests in their order, each padded to its
longest prompt and run until its longest answer, as a server without continuous batching does. Prints a line of JSON.

    serve_load_peer.py FOLDER BATCH THREADS
"""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM


def main(folder: Path, batch: int, threads: int) -> None:
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None
    requests = json.loads((folder / "requests.json").read_text())

    @torch.inference_mode()
    def answer(some: list[dict]) -> None:
        longest = max(len(one["prompt"]) for one in some)
        padded = [[0] * (longest - len(one["prompt"])) + one["prompt"] for one in some]
        mask = [[0] * (longest - len(one["prompt"])) + [1] * len(one["prompt"]) for one in some]
        new = max(one["new_tokens"] for one in some)
        model.generate(
            torch.tensor(padded), attention_mask=torch.tensor(mask), do_sample=False,
            max_new_tokens=new, min_new_tokens=new, pad_token_id=0,
        )

    answer(requests[:1])  # warm
    started = time.perf_counter()
    cpu = time.process_time()
    for at in range(0, len(requests), batch):
        answer(requests[at : at + batch])
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
