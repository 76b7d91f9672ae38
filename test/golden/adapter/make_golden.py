"""Makes the golden adapters beside this file, each on a golden decoder of ../decoder, and what PEFT says of them.

    build/parity-env/bin/python test/golden/adapter/make_golden.py [CASE ...]

The rows and the layout of the arrays are those of test/parity/adapter_cases.py.
"""
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import torch
from transformers.utils import logging

from adapter_cases import CASES, random_adapter, write_expected

SEED = 2026
MAX_BYTES = 120_000


def make(name: str) -> None:
    folder, base = HERE / name, HERE.parent / "decoder" / CASES[name].base
    shutil.rmtree(folder, ignore_errors=True)
    random_adapter(name, SEED, base, folder)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    config = folder / "adapter_config.json"
    config.write_text(config.read_text().replace(str(base), f"../../decoder/{base.name}"))
    write_expected(SEED, base, folder)
    (folder / "merged_float32.safetensors").unlink()  # near the other one: for the live test
    size = sum(file.stat().st_size for file in folder.iterdir())
    assert size <= MAX_BYTES, f"{name}: {size} bytes"
    print(f"{name}: {size} bytes")


if __name__ == "__main__":
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name)
