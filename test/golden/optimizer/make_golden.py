"""Golden arrays of optimizers: ten steps of transformers' Adafactor on a golden decoder, for each row of cases.json.

    build/parity-env/bin/python test/golden/optimizer/make_golden.py

Made with torch 2.13.0, transformers 5.23.0. Batches and learning rates are those of the decoder's
training.safetensors; what NAME.safetensors holds, test/parity/decoder_measure.py says under `optimize`.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
MODEL = HERE.parent / "decoder" / "llama_tied_gqa"
sys.path.insert(0, str(HERE.parent.parent / "parity"))
import decoder_measure as measure  # noqa: E402

given = load_file(MODEL / "training.safetensors")
for name, settings in json.loads((HERE / "cases.json").read_text()).items():
    out = measure.optimize(MODEL, given["ids"], given["labels"], given["lr"], settings)
    save_file({key: tensor.contiguous() for key, tensor in out.items()}, HERE / f"{name}.safetensors")
