"""Iterative global magnitude pruning in plain torch, on a model that transformers runs.

    pruned_training_reference.py FOLDER OUT    on standard input {prunings: [[step, amount], ...]}: trains on the
                                               batches of FOLDER/training.safetensors by AdamW, prunes before these steps
                                               by torch.nn.utils.prune over the weights and biases of all linear layers
                                               in the blocks, and writes losses, grad_norms, masks (1 = stays) and the
                                               weights at the end to OUT
"""

import json
import sys

import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import prune

import decoder_measure as measure

torch.set_num_threads(1)


def pool_of(model):
    """(module, "weight" or "bias") with its name on disk."""
    pool = {}
    for name, module in model.model.layers.named_modules(prefix="model.layers"):
        if isinstance(module, torch.nn.Linear):
            for kind, _ in module.named_parameters(recurse=False):
                pool[f"{name}.{kind}"] = (module, kind)
    return pool


def prune_pool(pool, amount):
    """Masks become permanent, then all is ranked anew: zeros are smallest."""
    for module, kind in pool.values():
        if hasattr(module, f"{kind}_mask"):
            prune.remove(module, kind)
    prune.global_unstructured(list(pool.values()), pruning_method=prune.L1Unstructured, amount=amount)
    return {name: getattr(module, f"{kind}_mask").clone() for name, (module, kind) in pool.items()}


def main(folder, out):
    prunings = {step: amount for step, amount in json.load(sys.stdin)["prunings"]}
    given = load_file(f"{folder}/training.safetensors")
    model = measure.load(folder).train()
    pool = pool_of(model)
    parameters = list(model.parameters())  # pruning renames them, and keeps the objects: moments stay
    optimizer = torch.optim.AdamW(
        parameters, betas=measure.BETAS, eps=measure.EPS, weight_decay=measure.WEIGHT_DECAY
    )
    losses, norms, masks = [], [], {}
    for step, lr in enumerate(given["lr"]):
        if step in prunings:
            for name, mask in prune_pool(pool, prunings[step]).items():
                masks[f"mask.{step}.{name}"] = mask
        optimizer.param_groups[0]["lr"] = float(lr)
        optimizer.zero_grad()
        loss = model(given["ids"][step].long(), labels=given["labels"][step].long()).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, measure.CLIP))
        optimizer.step()
        losses.append(loss.detach())
    for module, kind in pool.values():
        prune.remove(module, kind)
    weights = {f"weight.{name}": value.detach().contiguous() for name, value in model.named_parameters()}
    save_file({"losses": torch.stack(losses), "grad_norms": torch.stack(norms), **masks, **weights}, out)
    print(json.dumps({"steps": len(losses), "prunable": sum(m.numel() for m in masks.values()) // len(prunings)}))


main(*sys.argv[1:])
