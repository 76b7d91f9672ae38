"""TRL as a command-line program: trains a folder's model and prints what each update gave, as one JSON document.

    trl_reference.py sft | dpo | simpo FOLDER < {records, template?, options: {...}, steps, rows, accumulation, lr}

records: {messages} for sft, {prompt, chosen, rejected} of messages else, all of which make up each update in their
order; template: a chat template that stands in for the folder's (sft wants `{% generation %}` around answers). options:
further keys of the trainer's config. Prints {losses, grad_norms, chosen_rewards?, rejected_rewards?}, a number an update.
"""
from __future__ import annotations

import json
import sys
import tempfile
from contextlib import redirect_stdout
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer

TRAINERS = {"sft": (SFTConfig, SFTTrainer), "dpo": (DPOConfig, DPOTrainer), "simpo": (CPOConfig, CPOTrainer)}


def recording(trainer: type, losses: list[float]) -> type:
    """The trainer, with the loss of each update before it is rounded for the log."""

    class Recording(trainer):
        def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
            loss = super().training_step(*args, **options)
            losses.append(loss.item())
            return loss

    return Recording


def run(kind: str, folder: str, given: dict[str, Any]) -> dict[str, list[float]]:
    config_class, trainer_class = TRAINERS[kind]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = given.get("template") or tokenizer.chat_template
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    micro_losses: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        config = config_class(
            output_dir=out,
            max_steps=given["steps"],
            per_device_train_batch_size=given["rows"],
            gradient_accumulation_steps=given["accumulation"],
            learning_rate=given["lr"],
            lr_scheduler_type="constant",
            weight_decay=0.01,
            adam_beta2=0.95,
            max_grad_norm=1.0,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            train_sampling_strategy="sequential",
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            disable_tqdm=True,
            **given["options"],
        )
        trainer = recording(trainer_class, micro_losses)(
            model=model,
            args=config,
            train_dataset=Dataset.from_list(given["records"]),
            processing_class=tokenizer,
        )
        trainer.train()
    logs = [line for line in trainer.state.log_history if "grad_norm" in line]
    parts = given["accumulation"]
    out = {
        "losses": [sum(micro_losses[i : i + parts]) for i in range(0, len(micro_losses), parts)],
        "grad_norms": [float(line["grad_norm"]) for line in logs],
    }
    for name in ("chosen", "rejected"):
        if f"rewards/{name}" in logs[0]:
            out[f"{name}_rewards"] = [float(line[f"rewards/{name}"]) for line in logs]
    return out


if __name__ == "__main__":
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    with redirect_stdout(sys.stderr):  # the trainers print their logs
        answer = run(sys.argv[1], sys.argv[2], json.load(sys.stdin))
    print(json.dumps(answer))
