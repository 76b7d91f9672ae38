"""What fastText says of texts, by models that it trains here:

    python fasttext_reference.py   {folder, cases: [{name, lines, train, quantize?}]}  ->
                                   [{path, texts, answers: of each text [[label, probability], ...]}]

See fasttext_cases.py. Arguments come as JSON on standard input.
"""
import json
import sys
from pathlib import Path

from fasttext_cases import make_texts, predictions, train


def answer(case: dict, folder: Path) -> dict:
    path, lines = train(case, folder)
    texts = make_texts(lines, 40, seed=11)
    return {"path": str(path), "texts": texts, "answers": predictions(path, texts)}


if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(json.dumps([answer(case, Path(request["folder"])) for case in request["cases"]]))
