"""What lm-evaluation-harness finds, on documents of evaluate_cases.py, request by request.

    python evaluate_reference.py FOLDER [REAL] < runs.json

FOLDER/data gets the documents, some of them from REAL where that is given, FOLDER/byte_level a model with a tokenizer that has no BOS; runs.json lists
{name, model, num_fewshot, chat, multiturn, system, max_length, limit}. Prints {runs: {NAME: {tasks, groups}}}.
"""
import json
import logging
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", DISABLE_MULTIPROC="1")
sys.path.insert(0, str(Path(__file__).resolve().parent))
logging.disable(logging.WARNING)

import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from evaluate_cases import copy_fixed_texts, write_documents, write_parquet, write_real_documents, write_task_files

SEED = 2026
TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content.strip() + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
METRICS = ("acc", "acc_norm", "acc_bytes", "exact_match", "word_perplexity", "byte_perplexity", "bits_per_byte")


def write_byte_level_model(folder: Path, data: Path) -> None:
    """A random Llama of 128 positions, so that much is cut, with a byte-level BPE that is trained on the documents."""
    from tokenizers import ByteLevelBPETokenizer

    files = [str(file) for file in sorted(data.rglob("*.jsonl"))[:6]]
    bpe = ByteLevelBPETokenizer()
    bpe.train(files, vocab_size=600, special_tokens=["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="<|end|>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=600, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.3, bos_token_id=None, eos_token_id=0,
    )
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def found(run: dict, names: list[str], manager: TaskManager) -> dict:
    lm = HFLM(pretrained=run["model"], dtype="float32", device="cpu", batch_size=8, max_length=run.get("max_length"))
    results = simple_evaluate(
        model=lm, tasks=names, task_manager=manager,
        num_fewshot=run["num_fewshot"], log_samples=True, bootstrap_iters=100000, limit=run.get("limit"),
        apply_chat_template=run.get("chat", False), fewshot_as_multiturn=run.get("multiturn", False),
        system_instruction=run.get("system"), random_seed=0, numpy_random_seed=0, torch_random_seed=0, fewshot_random_seed=1234,
    )
    told = {}
    for name, metrics in results["results"].items():
        told[name.removeprefix("local_")] = {
            metric: {"value": value, "stderr": metrics.get(f"{metric}_stderr,none")}
            for metric in METRICS
            if (value := metrics.get(f"{metric},none")) is not None
        }
    samples = {
        name.removeprefix("local_"): [
            {"arguments": [list(argument) for argument in sample["arguments"]], "results": [one[0] if isinstance(one, list) else one for one in sample["resps"]],
             **{metric: sample[metric] for metric in METRICS if metric in sample}}
            for sample in sorted(task, key=lambda sample: sample["doc_id"])
        ]
        for name, task in results["samples"].items()
    }
    return {"results": told, "samples": samples}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    runs = json.load(sys.stdin)
    write_documents(folder / "data", SEED)
    copy_fixed_texts(folder / "data")
    tasks = write_real_documents(folder / "data", Path(sys.argv[2])) if len(sys.argv) > 2 else None
    write_parquet(folder / "data")
    names = write_task_files(folder / "tasks", folder / "data")
    write_byte_level_model(folder / "byte_level", folder / "data")
    manager = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
    if tasks:
        names = [f"local_{name}" for name in tasks]
    print(json.dumps({run["name"]: found(run, names, manager) for run in runs}), file=sys.__stdout__)
