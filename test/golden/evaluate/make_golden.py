"""Makes data/, tokenizer/ and expected.json beside this file: what lm-evaluation-harness asks and finds, for tests
without Python.

    build/parity-env-evaluate/bin/python test/golden/evaluate/make_golden.py

Four made-up documents a task (test/parity/evaluate_cases.py). Texts that belong to benchmarks have stand-ins of our own.
"""
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import evaluate_cases
from evaluate_reference import HFLM, TaskManager, found, write_byte_level_model
from lm_eval import utils

SEED = 7
KEPT_LANGUAGES = ("et", "zh")
QUESTION = {"doc_to_text": "Answer truly.\n\nQ: {{question}}\nA:"}
STAND_INS = {
    "truthfulqa_mc1": QUESTION,
    "truthfulqa_mc2": QUESTION,
    "tmmluplus_accounting": {"description": "以下是測試。\n\n"},
    "ceval-valid_law": {"description": "以下是测试。\n\n"},
}
FOLDERS = {"truthfulqa_mc1": "truthful_qa", "tmmluplus_accounting": "tmmluplus", "ceval-valid_law": "ceval-exam"}
RUNS = [
    {"name": "plain", "num_fewshot": 0},
    {"name": "examples", "num_fewshot": 3, "system": "Be kind."},
    {"name": "turns", "num_fewshot": 2, "chat": True, "multiturn": True, "system": "Be kind."},
    {"name": "one turn", "num_fewshot": 1, "chat": True},
]
# A text with the token in it that stands for BOS here, blanks at the end of contexts, none at all, one that is cut.
PAIRS = [["Question: the cat\nAnswer:", " ran"], ["the cat ", "ran"], ["the cat\n\n", "ran away"], ["<|end|>the", " dog"],
         ["", "the dog"], ["", "<|end|>the dog"], ["a b c d e f g h i j k l m n o p q r s t u v w x y z", " 1 2 3"], ["日本語", " 日本"]]
TEXTS = ["the cat sat", "", "x" * 3, "the dog and the cat and " * 6, "日本語 " * 12]


def encodings(model: Path) -> dict:
    lm = HFLM(pretrained=str(model), dtype="float32", device="cpu", max_length=16)
    pairs = []
    for context, continuation in PAIRS:
        if context == "":  # as in TemplateLM.loglikelihood
            ids = lm.tok_encode(continuation, add_special_tokens=False)
            parts = ([lm.prefix_token_id], ids) if ids[0] != lm.prefix_token_id else (ids[:1], ids[1:])
        else:
            parts = lm._encode_pair(context, continuation)
        row = (parts[0] + parts[1])[-(lm.max_length + 1) :]
        pairs.append({"context": context, "continuation": continuation, "ids": row, "first_target": len(row) - len(parts[1])})
    windows = []
    for text in TEXTS:
        rolled = map(utils.make_disjoint_window, utils.get_rolling_token_windows(lm.tok_encode(text), lm.prefix_token_id, lm.max_length, 1))
        windows.append({"text": text, "windows": [{"ids": a + b, "first_target": len(a)} for a, b in rolled]})
    return {"max_length": lm.max_length, "pairs": pairs, "windows": windows}


def short(run: dict) -> dict:
    """Each context once where all answers share it."""
    for samples in run["samples"].values():
        for sample in samples:
            asked = sample.pop("arguments")
            contexts = [one[0] for one in asked]
            sample["context"] = contexts[0] if len(set(contexts)) == 1 else contexts
            sample["continuations"] = [one[-1] for one in asked]
            if len(asked[0]) == 1:  # a text of its own
                del sample["context"]
    return run


if __name__ == "__main__":
    evaluate_cases.CASES = {name: case for name, case in evaluate_cases.CASES.items() if not name.startswith("xcopa_") or name[6:] in KEPT_LANGUAGES}
    data = HERE / "data"
    shutil.rmtree(data, ignore_errors=True)
    evaluate_cases.write_documents(data, SEED, documents=4, shots=4)
    for name, folder in FOLDERS.items():
        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in STAND_INS[name].items()]
        (data / folder / f"{name}.yaml").write_text("".join(lines))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = evaluate_cases.write_task_files(folder / "tasks", data, STAND_INS)
        write_byte_level_model(folder / "model", data)
        manager = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
        runs = {run["name"]: short(found({**run, "model": str(folder / "model")}, names, manager)) for run in RUNS}
        expected = {"runs": {run["name"]: {"settings": run, **runs[run["name"]]} for run in RUNS}, "encodings": encodings(folder / "model")}
        shutil.rmtree(HERE / "tokenizer", ignore_errors=True)
        (HERE / "tokenizer").mkdir()
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            if (folder / "model" / file).exists():
                shutil.copy(folder / "model" / file, HERE / "tokenizer" / file)
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=0) + "\n")
