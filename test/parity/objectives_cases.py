"""What the runs of objectives_reference.py start from: a tiny model a family, its kind of chat template, and records.

A folder of `write_case` is a model folder as transformers saves it, and beside it

    texts.jsonl    {text}                       all of the same number of tokens, alone and in the chat template
    uneven.jsonl   {text}                       of many lengths
    chats.jsonl    {messages}                   of many lengths, the longest shorter than two of the shortest
    pairs.jsonl    {prompt, chosen, rejected}   lists of messages; lengths as those of chats.jsonl, of both answers
    marked.jinja   the chat template with `{% generation %}` around what an assistant says
"""
from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from decoder_cases import BASE, SMALL, fill
from objectives_documents import chat_ids, in_template, text_ids

RECORDS = 12
VOCABULARY = 320  # bytes, special tokens, and some fifty merges
PAD = "<pad>"  # in no text: transformers keeps the gradient from the embedding of the token that config.json calls pad

# One role a line of the header, as Llama 3 writes it; square brackets, as Mistral; ChatML, as Qwen.
HEADERS = (
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{% generation %}{{- message['content'] | trim + '<|eot_id|>' }}{% endgeneration %}"
    "{%- else %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
BRACKETS = (
    "{{- bos_token }}{%- for message in messages %}"
    "{%- if message['role'] == 'user' %}{{- '[INST] ' + message['content'] + ' [/INST]' }}"
    "{%- elif message['role'] == 'assistant' %}"
    "{% generation %}{{- ' ' + message['content'] + eos_token }}{% endgeneration %}"
    "{%- else %}{{- raise_exception('users and assistants only') }}{%- endif %}{%- endfor %}"
)
CHATML = (
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{% generation %}{{- message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{%- else %}{{- message['content'] + '<|im_end|>' }}{%- endif %}{{- '\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


@dataclass(frozen=True)
class Family:
    """One row: `config` is laid over BASE; special tokens get the first ids, `bos` goes before plain text."""

    template: str
    special: list[str]
    eos: str
    bos: str | None = None
    config: dict[str, Any] = field(default_factory=dict)


LLAMA = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
MISTRAL = ["<s>", "[INST]", "[/INST]", "</s>"]
QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
FAMILIES: dict[str, Family] = {
    "llama": Family(HEADERS, LLAMA, "<|eot_id|>", bos="<|begin_of_text|>", config={"intermediate_size": 40}),
    "mistral": Family(BRACKETS, MISTRAL, "</s>", bos="<s>", config={"sliding_window": 6}),
    "qwen2": Family(CHATML, QWEN, "<|im_end|>", config=SMALL),
    "qwen3": Family(CHATML, QWEN, "<|im_end|>", config={"head_dim": 12}),
}


def write_case(name: str, seed: int, folder: Path) -> None:
    """Writes the row `name`, everything in it drawn from `seed`."""
    family, draw = FAMILIES[name], random.Random(seed)
    words = [draw_word(draw) for _ in range(80)]
    corpus = [*["user assistant"] * 40, *(sentence(draw, words, 12) for _ in range(300))]
    tokenizer = train_tokenizer(family, corpus)
    tokenizer.save_pretrained(folder)
    write_model(name, tokenizer, seed, folder)
    (folder / "marked.jinja").write_text(family.template)
    marked = PreTrainedTokenizerFast.from_pretrained(folder, chat_template=family.template)
    texts = (sentence(draw, words, draw.randint(8, 14)) for _ in iter(int, 1))
    both_lengths = lambda text: (len(text_ids(marked, text)), len(in_template(marked, text)[0]))
    records = {
        "texts": [{"text": text} for text in alike(texts, both_lengths)],
        "uneven": [{"text": sentence(draw, words, draw.randint(2, 14))} for _ in range(RECORDS)],
        "chats": comparable(lambda: draw_chat(draw, words), lambda chat: len(chat_ids(marked, chat["messages"])[0])),
        "pairs": comparable(lambda: draw_pair(draw, words), lambda pair: pair_length(marked, pair)),
    }
    for kind, rows in records.items():
        (folder / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_model(name: str, tokenizer: PreTrainedTokenizerFast, seed: int, folder: Path) -> None:
    ids = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "pad")}
    config = AutoConfig.for_model(name, **{**BASE, "vocab_size": VOCABULARY, **ids, **FAMILIES[name].config})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fill(model, seed)
    model.save_pretrained(folder)


def train_tokenizer(family: Family, texts) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the texts: tokens meet and merge at the seams of templates as they do in real ones."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[*family.special, PAD], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    if family.bos:
        special = [(family.bos, tokenizer.token_to_id(family.bos))]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{family.bos} $A", special_tokens=special)
    plain = family.template.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=PAD,
        chat_template=plain,
        clean_up_tokenization_spaces=False,
    )


def draw_word(draw: random.Random) -> str:
    syllables = ["ka", "mi", "tor", "be", "lu", "sên", "ao", "語", "ri", "da"]
    return "".join(draw.choices(syllables, k=draw.randint(1, 3)))


def sentence(draw: random.Random, words: list[str], count: int) -> str:
    return " ".join(draw.choices(words, k=count)) + draw.choice([".", "!", " ?"])


def draw_exchange(draw: random.Random, words: list[str]) -> list[dict[str, str]]:
    question, answer = (sentence(draw, words, draw.randint(*length)) for length in ((1, 4), (2, 6)))
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def draw_chat(draw: random.Random, words: list[str]) -> dict[str, Any]:
    return {"messages": [turn for _ in range(draw.randint(1, 2)) for turn in draw_exchange(draw, words)]}


def draw_pair(draw: random.Random, words: list[str]) -> dict[str, Any]:
    *prompt, chosen = draw_chat(draw, words)["messages"]
    rejected = {"role": "assistant", "content": sentence(draw, words, draw.randint(2, 6))}
    return {"prompt": prompt, "chosen": [chosen], "rejected": [rejected]}


def pair_length(tokenizer: PreTrainedTokenizerFast, pair: dict[str, Any]) -> int:
    return sum(len(chat_ids(tokenizer, pair["prompt"] + pair[side])[0]) for side in ("chosen", "rejected"))


def alike(things, key: Callable[[Any], Any]) -> list[Any]:
    """The first RECORDS of them that agree in `key`."""
    groups = defaultdict(list)
    for thing in things:
        group = groups[key(thing)]
        group.append(thing)
        if len(group) == RECORDS:
            return group


def comparable(make: Callable[[], Any], length: Callable[[Any], int]) -> list[Any]:
    """RECORDS of them: no two fit where the longest does."""
    shortest = min(length(make()) for _ in range(8)) + 8
    kept = []
    while len(kept) < RECORDS:
        thing = make()
        if shortest <= length(thing) < 2 * shortest:
            kept.append(thing)
    return kept
