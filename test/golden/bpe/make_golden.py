"""Golden merges of the Python library `tokenizers`, on generated words: those of one letter's runs above all, where a
pair arises again after it was merged.

    build/parity-env/bin/python test/golden/bpe/make_golden.py

Made with tokenizers 0.23.3. Writes cases.json: [{name, texts, case (of bpe_reference.py), vocab, merges}].
"""
from __future__ import annotations

import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))
from bpe_reference import model_of, trained  # noqa: E402

BYTES = {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}}
SPACES = {"pre_tokenizer": {"type": "WhitespaceSplit"}}


def texts(seed: int, letters: str, longest: int, count: int = 40) -> list[str]:
    draw = random.Random(seed)
    word = lambda: "".join(draw.choice(letters) for _ in range(draw.randint(1, longest)))
    return [" ".join(word() for _ in range(12)) for _ in range(count)]


CASES = [
    ("runs of one letter", texts(1, "aaaab", 20), {**SPACES, "vocab_size": 200, "min_frequency": 0}),
    ("few letters", texts(2, "abcd", 9), {**SPACES, "vocab_size": 150, "min_frequency": 3}),
    ("bytes of several scripts", texts(3, "aeé你好กำिन्😀-", 8),
     {**BYTES, "alphabet": "bytes", "special": ["<s>", "</s>"], "vocab_size": 420, "min_frequency": 2}),
    ("short tokens", texts(4, "abc", 12), {**SPACES, "vocab_size": 150, "min_frequency": 1, "max_token_length": 5}),
    ("a special token first", texts(5, "ab", 10),
     {**SPACES, "special": ["<x>"], "vocab_size": 60, "min_frequency": 1}),
]

if __name__ == "__main__":
    made = [{"name": name, "texts": given, "case": case, **model_of(trained(given, case))}
            for name, given, case in CASES]
    (HERE / "cases.json").write_text(json.dumps(made, ensure_ascii=False) + "\n")
