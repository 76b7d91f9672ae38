"""Makes the golden speech folders beside this file: tiny random models and what transformers, or for MelHuBERT
test/parity/melhubert.py, says about them.

    build/parity-env/bin/python test/golden/speech/make_golden.py [CASE ...]

The environment is the one of `npm run test:parity` (test/parity/requirements.txt: torch 2.13.0, transformers
5.23.0, safetensors 0.8.0, numpy 2.4.6); the versions that really ran stand in the metadata of each array file.
The rows and the layout of the arrays are those of test/parity/speech_cases.py. A row with the same seed gives the
same bytes on the same machine. Refused: a feature that hardly moves what is measured, a folder above 160 kB.
"""
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import torch
from transformers.utils import logging

from speech_cases import CASES, answers, random_speech, write_expected, write_gradients

SEED = 2026
MAX_BYTES = 160_000


def make(name: str) -> None:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    random_speech(name, SEED, folder)
    expected = write_expected(folder, SEED)
    if CASES[name].gradients:
        write_gradients(folder, SEED, expected)
    effect = feature_effect(name, folder, expected)
    size = sum(file.stat().st_size for file in folder.iterdir())
    assert size <= MAX_BYTES, f"{name}: {size} bytes"
    assert effect is None or effect > 1e-3, f"{name}: the feature moves the states by {effect} only"
    shown = "" if effect is None else f", feature moves them by {effect:.3f}"
    print(f"{name}: {size} bytes, max |state| {expected['states.0'].abs().max():.2f}{shown}")


def feature_effect(name: str, folder: Path, expected: dict[str, torch.Tensor]) -> float | None:
    """Largest change of a state when the row's feature is off, relative to the largest."""
    if not CASES[name].without:
        return None
    plain = answers(folder, SEED, **CASES[name].without)
    return float((plain["last.0"] - expected["last.0"]).abs().max() / expected["last.0"].abs().max())


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name)
