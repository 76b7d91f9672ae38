"""Makes the models and expected.json beside this file: what fastText says of texts, for tests without Python.

    build/parity-env-fasttext/bin/python test/golden/fasttext/make_golden.py
"""
import json
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import fasttext_cases

LINES = {"labels": 5, "each_words": 6, "lines": 120, "seed": 3}
CASES = [
    {"name": "plain", "lines": LINES, "train": {"dim": 4, "epoch": 30, "lr": 0.2}},
    {"name": "grams", "lines": LINES, "train": {"dim": 4, "epoch": 20, "lr": 0.2, "minn": 1, "maxn": 3, "wordNgrams": 2, "bucket": 60}},
    {"name": "tree", "lines": LINES, "train": {"dim": 4, "epoch": 20, "lr": 0.2, "loss": "hs", "minn": 2, "maxn": 2, "bucket": 40}},
    {"name": "sigmoids", "lines": LINES, "train": {"dim": 4, "epoch": 20, "lr": 0.2, "loss": "ova"}},
    {"name": "pruned", "lines": LINES, "train": {"dim": 5, "epoch": 20, "lr": 0.2, "loss": "hs", "minn": 1, "maxn": 3, "bucket": 2000},
     "quantize": {"cutoff": 260, "qnorm": True, "dsub": 2}},
]


def main():
    expected = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            path, lines = fasttext_cases.train(case, Path(folder))
            texts = fasttext_cases.make_texts(lines, 4, seed=5)
            answers = fasttext_cases.predictions(path, texts)
            shutil.copy(path, HERE / path.name)
        expected.append({"file": path.name, "texts": [{"text": text, "labels": [[label, round(p, 7)] for label, p in labels]}
                                                      for text, labels in zip(texts, answers)]})
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
