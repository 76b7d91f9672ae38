"""Low-rank approximation in numpy, on a model that transformers runs: each call prints one JSON document.

    lowrank_reference.py factor FOLDER OUT    on standard input {rows: [[id, ...], ...], measure, ratio}: writes the
                                              products of all linear layers to OUT, prints {name: {rank, error}}
    lowrank_reference.py products FACTORED DENSE    {name: largest difference of X.out.weight @ X.in.weight from
                                              X.weight, as a share of the largest weight}
    lowrank_reference.py refused FOLDER       the error of from_pretrained, or null
"""

import json
import sys

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM, logging

torch.set_num_threads(1)


def linears(layer):
    return {name: module for name, module in layer.named_modules() if isinstance(module, torch.nn.Linear)}


def inputs(model, layer, ids):
    """What goes into each linear layer of a block, (places, inputs) in double."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _m, args, _y, name=name: seen.__setitem__(name, args[0]))
        for name, module in linears(layer).items()
    ]
    with torch.no_grad():
        model(ids)
    for hook in hooks:
        hook.remove()
    return {name: x.reshape(-1, x.shape[-1]).double().numpy() for name, x in seen.items()}


def scale_of(x, measure):
    if measure == "outputs":
        return np.linalg.cholesky(x.T @ x)
    if measure == "input_sizes":
        return np.diag(np.sqrt(np.sqrt((x**2).mean(0))))
    return np.eye(x.shape[1])


def approximate(w, scale, rank):
    """SVD-LLM as it is written down: the scale is undone by solving with it."""
    u, s, vt = np.linalg.svd(w @ scale, full_matrices=False)
    left = np.linalg.solve(scale.T, vt[:rank].T).T
    return (u[:, :rank] * s[:rank]) @ left, float(np.sqrt((s[rank:] ** 2).sum() / (s**2).sum()))


def factor(folder, out):
    given = json.load(sys.stdin)
    ids = torch.tensor(given["rows"])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    products, report = {}, {}
    for i, layer in enumerate(model.model.layers):
        heard = inputs(model, layer, ids)
        for name, module in linears(layer).items():
            w = module.weight.detach().double().numpy()
            rank = int(given["ratio"] * w.size / sum(w.shape))
            product, error = approximate(w, scale_of(heard[name], given["measure"]), rank)
            key = f"model.layers.{i}.{name}"
            products[key] = product
            report[key] = {"rank": rank, "error": error}
            module.weight.data = torch.from_numpy(product).float()
    save_file(products, out)
    return report


def products(factored, dense):
    a, b = (load_file(f"{folder}/model.safetensors") for folder in (factored, dense))
    names = [name.removesuffix(".in.weight") for name in a if name.endswith(".in.weight")]
    report = {}
    for name in names:
        product = a[f"{name}.out.weight"].astype(np.float64) @ a[f"{name}.in.weight"].astype(np.float64)
        report[name] = float(np.abs(product - b[f"{name}.weight"]).max() / np.abs(product).max())
    return report


def refused(folder):
    try:
        AutoModelForCausalLM.from_pretrained(folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print(json.dumps({"factor": factor, "products": products, "refused": refused}[sys.argv[1]](*sys.argv[2:])))
