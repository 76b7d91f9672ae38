"""Makes the golden decoder folders beside this file: tiny random models and what transformers says about them.

    build/parity-env/bin/python test/golden/decoder/make_golden.py [CASE ...]

The environment is the one of `npm run test:parity` (test/parity/requirements.txt: torch 2.13.0, transformers
5.23.0, safetensors 0.8.0, numpy 2.4.6); the versions that really ran stand in the metadata of each array file.
The rows are those of test/parity/decoder_cases.py, the layout of the arrays that of
test/parity/decoder_expected.py. A row with the same seed gives the same bytes on the same machine.

The inputs are the first of SEED, SEED + 1, ... whose greedy texts decide something: several tokens, no near tie.
Refused: a feature that hardly moves the logits, a folder above 120 kB.
"""
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import torch
from transformers.utils import logging

import decoder_measure as measure
from decoder_cases import CASES, random_model
from decoder_expected import PROMPTS, write_expected, write_training

SEED = 2026
MAX_BYTES = 120_000


def make(name: str) -> None:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    random_model(name, SEED, folder)
    expected = decisive_expected(folder)
    if CASES[name].training:
        write_training(folder, SEED)
    size = sum(file.stat().st_size for file in folder.iterdir())
    effect = feature_effect(name, folder, expected)
    check(name, effect, size)
    gap = min(float(expected[f"gap.{i}"].min()) for i in range(len(PROMPTS)))
    shown = "" if effect is None else f", feature moves logits by {effect:.2f}"
    print(f"{name}: {size} bytes, max |logit| {expected['logits'].abs().max():.2f}, least gap {gap:.4f}{shown}")


def decisive_expected(folder: Path) -> measure.Tensors:
    for seed in range(SEED, SEED + 100):
        expected = write_expected(folder, seed)
        if all(decisive(expected[f"greedy.{i}"], expected[f"gap.{i}"]) for i in range(len(PROMPTS))):
            return expected
    raise SystemExit(f"{folder.name}: no inputs with two telling greedy texts in 100 tries")


def decisive(greedy: torch.Tensor, gap: torch.Tensor) -> bool:
    return greedy.unique().numel() >= 6 and float(gap.min()) > 5e-3


def feature_effect(name: str, folder: Path, expected: measure.Tensors) -> float | None:
    """Largest change of a logit when the row's feature is off, relative to the largest logit."""
    if not CASES[name].without:
        return None
    plain = measure.logits(folder, expected["ids"], **CASES[name].without)
    return float((plain - expected["logits"]).abs().max() / expected["logits"].abs().max())


def check(name: str, effect: float | None, size: int) -> None:
    assert size <= MAX_BYTES, f"{name}: {size} bytes"
    assert effect is None or effect > 1e-3, f"{name}: the feature moves the logits by {effect} only"


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name)
