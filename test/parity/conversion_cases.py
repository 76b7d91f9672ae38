"""Checkpoints of torch with what they must become: folders of transformers, and official ones of MelHuBERT.

Used by test/golden/conversions/make.py (stored) and conversion_reference.py (fresh ones for the parity test). Each case
is a folder: `given/` with what is converted, `expected.safetensors` with the tensors of the result, and for MelHuBERT
`expected.json` with keys of its config.json.
"""
import argparse
import json
import random
from collections import OrderedDict

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import prune, weight_norm
from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForCausalLM

LLAMA = dict(
    hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, vocab_size=20
)
BERT = dict(
    hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, vocab_size=20,
    max_position_embeddings=16,
)  # fmt: skip


# ---- transformers ----


def transformers_folder(model, folder, state=None, shards=None):
    """pytorch_model.bin beside the small files, and what save_pretrained writes of the same model."""
    given = folder / "given"
    model.save_pretrained(folder / "saved")
    given.mkdir()
    for name in ("config.json", "generation_config.json"):
        if (folder / "saved" / name).exists():
            (folder / "saved" / name).rename(given / name)
    state = model.state_dict() if state is None else state
    if shards:
        write_shards(state, given, shards)
    else:
        torch.save(state, given / "pytorch_model.bin")
    save_file(load_file(folder / "saved" / "model.safetensors"), folder / "expected.safetensors")
    for file in (folder / "saved").iterdir():
        file.unlink()
    (folder / "saved").rmdir()


def write_shards(state, folder, count):
    names, weight_map = list(state), {}
    for i in range(count):
        file = f"pytorch_model-{i + 1:05}-of-{count:05}.bin"
        part = {name: state[name].clone() for name in names[i::count]}
        torch.save(part, folder / file)
        weight_map.update({name: file for name in part})
    total = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2))


def llama(folder, **config):
    transformers_folder(LlamaForCausalLM(LlamaConfig(**LLAMA, **config)), folder)


def llama_sharded(folder):
    model = LlamaForCausalLM(LlamaConfig(**LLAMA, tie_word_embeddings=False)).to(torch.bfloat16)
    transformers_folder(model, folder, shards=3)


def bert(folder):
    """With the names of norms that TensorFlow gave, and a buffer that older releases saved."""
    model = BertForMaskedLM(BertConfig(**BERT))
    old = OrderedDict()
    for name, tensor in model.state_dict().items():
        if "LayerNorm" in name:
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        old[name] = tensor
    transformers_folder(model, folder, old)


# ---- MelHuBERT: the official names of arXiv 2211.09949, in modules of our own ----

MELHUBERT = dict(
    feat_emb_dim=12, encoder_embed_dim=16, encoder_ffn_embed_dim=24, encoder_layers=2, encoder_attention_heads=4,
    conv_pos=8, conv_pos_groups=2, num_cluster=5, pos_emb_type="conv", activation_fn="gelu", layer_norm_first=False,
    mask_prob=0.7, mask_length=5,
)  # fmt: skip
BINS = 6


def linear(inputs, outputs):
    return torch.nn.Linear(inputs, outputs)


def layer(heads, rows):
    width, model = MELHUBERT["encoder_embed_dim"], torch.nn.Module()
    size = width // MELHUBERT["encoder_attention_heads"] * heads
    model.self_attn = torch.nn.Module()
    for name in ("k_proj", "v_proj", "q_proj"):
        setattr(model.self_attn, name, linear(width, size))
    model.self_attn.out_proj = linear(size, width)
    model.self_attn_layer_norm, model.fc1 = torch.nn.LayerNorm(width), linear(width, rows)
    model.fc2, model.final_layer_norm = linear(rows, width), torch.nn.LayerNorm(width)
    return model


def melhubert(heads=(4, 4), rows=(24, 24)):
    c = MELHUBERT
    model, width = torch.nn.Module(), c["encoder_embed_dim"]
    model.pre_extract_proj = linear(c["feat_emb_dim"], width)
    conv = torch.nn.Conv1d(width, width, c["conv_pos"], padding=c["conv_pos"] // 2, groups=c["conv_pos_groups"])
    model.encoder = torch.nn.Module()
    model.encoder.pos_conv = torch.nn.Sequential(weight_norm(conv, dim=2))
    model.encoder.layers = torch.nn.ModuleList([layer(n, f) for n, f in zip(heads, rows)])
    model.encoder.layer_norm, model.final_proj = torch.nn.LayerNorm(width), linear(width, c["num_cluster"])
    return model


def checkpoint(model, folder, config=None, **more):
    """As the official trainers write it, with the optimizer, arguments and all."""
    optimizer = torch.optim.Adam(model.parameters())
    sum(p.square().sum() for p in model.parameters()).backward()
    optimizer.step()
    states = {
        "Optimizer": optimizer.state_dict(), "Step": 1000, "Args": argparse.Namespace(mode="melhubert", lr=1e-4, seed=None),
        "Runner": {"runner": {"n_epochs": 200}}, **more, "model": model.state_dict(),
        "Upstream_Config": config or {"melhubert": dict(MELHUBERT), "task": {"sequence_length": 750}},
    }  # fmt: skip
    (folder / "given").mkdir()
    torch.save(states, folder / "given" / "states.ckpt")
    statistics = np.stack([np.linspace(-1, 1, BINS), np.linspace(0.5, 2, BINS)]).astype(np.float32)
    np.save(folder / "given" / "mean-std.npy", statistics)


def expect(model, folder, **keys):
    save_file({name: t.contiguous().clone() for name, t in model.state_dict().items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(keys, indent=2))


def melhubert_plain(folder):
    model = melhubert()
    checkpoint(model, folder)
    expect(model, folder, model_type="melhubert", num_attention_heads=4, intermediate_size=24, feat_emb_dim=12)


def melhubert_weights(folder):
    """Global magnitude pruning of weights and biases, masks and originals in the file; saved under the key `hubert`."""
    model = melhubert()
    pool = [
        (module, kind)
        for name, module in model.named_modules()
        if name.startswith("encoder.layers") and isinstance(module, torch.nn.Linear)
        for kind in ("weight", "bias")
    ]
    prune.global_unstructured(pool, pruning_method=prune.L1Unstructured, amount=0.4)
    state = np.random.RandomState(1).get_state()
    checkpoint(
        model, folder, {"hubert": dict(MELHUBERT)}, TotalStep=10, Pruning={"smooth_loss": 1.5, "tgt_smooth_loss": -float("inf"), "pruning_times": 1},
        RandomState={"random": random.Random(1).getstate(), "numpy": state, "torch": torch.get_rng_state()[:64].clone()},
    )  # fmt: skip
    for module, kind in pool:
        prune.remove(module, kind)
    expect(model, folder, model_type="melhubert", masked=24)


def melhubert_heads(folder):
    """Two steps of head pruning: first heads 1 and 3 of layer 0, then what is now its first one, which was head 0."""
    model = melhubert(heads=(1, 3))
    checkpoint(model, folder, Pruned_heads=[{0: [1, 3], 1: [2]}, {0: [0]}])
    sizes = [{"num_attention_heads": n, "num_key_value_heads": n, "intermediate_size": 24} for n in (1, 3)]
    expect(
        model, folder, model_type="tongueforge_melhubert", head_dim=4, layers=sizes,
        removed_heads={"0": [0, 1, 3], "1": [2]},
    )  # fmt: skip


def melhubert_rows(folder):
    model = melhubert(rows=(8, 8))
    checkpoint(model, folder)
    expect(model, folder, model_type="melhubert", intermediate_size=8)


CASES = {
    "llama_tied": lambda folder: llama(folder, tie_word_embeddings=True),
    "llama_untied": lambda folder: llama(folder, tie_word_embeddings=False),
    "llama_sharded": llama_sharded, "bert": bert, "melhubert": melhubert_plain, "melhubert_weights": melhubert_weights,
    "melhubert_heads": melhubert_heads, "melhubert_rows": melhubert_rows,
}  # fmt: skip


def make(name, seed, root):
    torch.manual_seed(seed)
    folder = root / name
    folder.mkdir(parents=True)
    CASES[name](folder)
