"""One measurement for tokenise.mjs: the usual recipe of run_clm.py, map to tokens, then map to rows of one length."""

import itertools
import json
import os
import resource
import sys
import time

corpus, folder, cache, row, processes = sys.argv[1:]
row, processes = int(row), int(processes)
os.environ["HF_DATASETS_CACHE"] = cache
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "true" if processes == 1 else "false"

import datasets  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

datasets.disable_progress_bars()


def cpu_seconds():
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, "tokenizer.json"))
    tokenizer.model_max_length = 10**9

    def encode(batch):
        return {"input_ids": tokenizer(batch["text"], return_attention_mask=False)["input_ids"]}

    def group(batch):
        ids = list(itertools.chain.from_iterable(batch["input_ids"]))
        end = len(ids) // row * row
        return {"input_ids": [ids[i : i + row] for i in range(0, end, row)]}

    before = cpu_seconds()
    began = time.perf_counter()
    data = datasets.load_dataset("json", data_files=corpus, split="train", cache_dir=cache)
    options = {"batched": True, "num_proc": processes if processes > 1 else None}
    tokens = data.map(encode, remove_columns=["text"], **options)
    rows = tokens.map(group, **options)
    count = 0
    for batch in rows.with_format("numpy").iter(batch_size=8):
        count += batch["input_ids"].size
    seconds = time.perf_counter() - began
    cpu = cpu_seconds() - before
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "packed": count, "peak_rss_mb": max(usage) / 1024}))


if __name__ == "__main__":
    main()
