"""Records to tokens and the places that are learnt, by transformers' own tokenizer and chat templates.

A document is (ids, learnt): a list of ids, and of each whether the loss asks for it.
"""
from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerFast

Document = tuple[list[int], list[bool]]


def text_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return tokenizer(text)["input_ids"]


def chat_ids(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, Any]], prompt: int = 0) -> Document:
    """A conversation; learnt is what its marked template has between `generation` tags, after `prompt` messages."""
    encoded = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    ids, learnt = encoded["input_ids"], [bool(one) for one in encoded["assistant_masks"]]
    if prompt == 0:
        return ids, learnt
    before = tokenizer.apply_chat_template(messages[:prompt], add_generation_prompt=True, return_dict=True)["input_ids"]
    return ids, [one and place >= len(before) for place, one in enumerate(learnt)]


def in_template(tokenizer: PreTrainedTokenizerFast, text: str, loss: str = "all") -> Document:
    """InsCP: the text as an answer to an empty question, up to the end of the turn.

    loss: `all`; `assistant`, from the text's first letter on; `body`, the text alone. A token that holds letters of
    the text beside others counts as one of it.
    """
    messages = [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    rendered = rendered[: rendered.rindex(tokenizer.eos_token) + len(tokenizer.eos_token)]
    begin = rendered.index(text)
    end = {"all": len(rendered), "assistant": len(rendered), "body": begin + len(text)}[loss]
    begin = 0 if loss == "all" else begin
    encoded = tokenizer(rendered, add_special_tokens=False, return_offsets_mapping=True)
    learnt = [to > begin and start < end for start, to in encoded["offset_mapping"]]
    return encoded["input_ids"], learnt


def documents(
    tokenizer: PreTrainedTokenizerFast, objective: str, loss: str, records: list[dict[str, Any]]
) -> list[list[Document]]:
    """For each record its documents: two of a preference, else one."""
    if objective == "cp":
        return [[(ids, [True] * len(ids))] for ids in (text_ids(tokenizer, record["text"]) for record in records)]
    if objective == "inscp":
        return [[in_template(tokenizer, record["text"], loss)] for record in records]
    if objective == "sft":
        return [[chat_ids(tokenizer, record["messages"])] for record in records]
    return [
        [chat_ids(tokenizer, record["prompt"] + record[side], len(record["prompt"])) for side in ("chosen", "rejected")]
        for record in records
    ]
