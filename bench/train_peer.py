"""The peer's side of train.mjs: transformers eager and torch's fused AdamW on the same folder, one step a line of
standard input, answered with {loss, seconds, cpu_seconds, peak_bytes}. Positions that restart tell transformers where a packed
document begins. python bench/train_peer.py FOLDER THREADS
"""
from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status).group(1))


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


def take_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: dict[str, Any]) -> float:
    rows = {
        key: torch.tensor(batch[key]).view(batch["rows"], -1) for key in ("ids", "labels", "positions")
    }
    loss = model(
        input_ids=rows["ids"], labels=rows["labels"], position_ids=rows["positions"], use_cache=False
    ).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def main(folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    batches = json.loads((folder / "batches.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=3e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, fused=True
    )
    say({"ready": True})
    for batch, _ in zip(batches, sys.stdin):
        started, cpu_started = time.perf_counter(), time.process_time()
        loss = take_step(model, optimizer, batch)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        say({"loss": loss, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak_bytes()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
