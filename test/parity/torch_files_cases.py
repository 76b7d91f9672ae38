"""Files that torch.save writes, with what they hold told apart: tensors by their path, and the rest as JSON.

Used by test/golden/torch_files/make.py (stored files) and torch_files_reference.py (fresh ones for the parity test).
"""
import argparse
import collections
import json
import random

import numpy as np
import torch
from safetensors.torch import save_file

DTYPES = [
    "bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32",
    "float64", "complex64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
]  # fmt: skip


def dtypes(rng):
    bits = {name: torch.randint(0, 256, (5 * 8,), dtype=torch.uint8, generator=rng) for name in DTYPES}
    bits["bool"] = bits["bool"] % 2
    return {name: raw.view(getattr(torch, name)).clone() for name, raw in bits.items()}


def views(rng):
    x = torch.randn(6, 8, generator=rng)
    y = torch.randn(3, 4, 5, 2, generator=rng).to(torch.bfloat16)
    return {
        "whole": x, "transposed": x.t(), "rows": x[2:5], "columns": x[:, 1:4], "every_third": x[::3, ::3],
        "element": x[1, 2], "scalar": torch.tensor(3.5), "empty": x[:0], "empty_3d": torch.empty(2, 0, 3),
        "expanded": x[0].expand(4, 8), "diagonal": x.diagonal(), "one_column": x[:, 3:4],
        "permuted": y.permute(2, 0, 3, 1), "channels_last": y.to(memory_format=torch.channels_last),
        "inner": y[1:, :, 2, :],
    }  # fmt: skip


def shared(rng):
    base = torch.randn(10, 4, generator=rng)
    return {"embedding": base, "head": base, "again": {"embedding": base}, "part": base[3:7], "flat": base.view(-1)}


def containers(rng):
    namespace = argparse.Namespace(lr=1e-4, name="run", layers=[1, 2], nested=argparse.Namespace(deep=True), none=None)
    ordered = collections.OrderedDict(b=1, a=torch.arange(3))
    return {
        "args": namespace, "ordered": ordered, "empty": {}, "list": [], "tuple": (1, (2, 3)), "one": (1,), "set": {7},
        "frozen": frozenset([8]), "none": None, "flags": [True, False], "text": "größe 模型 🙂", "bytes": b"\x00\xff",
        "integers": [0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, -(2**40), 2**53 - 1], "reals": [0.1, -2.5e300],
        "infinite": float("inf"), "size": torch.Size([2, 3]), "dtype": torch.float16, "device": torch.device("cpu"),
        "by_number": {0: {"step": torch.tensor(5.0)}, 11: "eleven"}, "again": ordered, "many": list(range(1500)),
    }  # fmt: skip


def modules(rng):
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    marked = torch.nn.Parameter(torch.randn(2, generator=rng))
    marked.ours = True
    plain = torch.randn(2, generator=rng)
    plain.note = "kept by torch, not by us"
    return {"model": module.state_dict(), "parameter": torch.nn.Parameter(torch.ones(2)), "marked": marked, "plain": plain}


def generators(rng):
    python, arrays = random.Random(3), np.random.RandomState(3)
    return {
        "model": {"w": torch.randn(2, generator=rng)},
        "RandomState": {"random": python.getstate(), "numpy": arrays.get_state(), "torch": torch.get_rng_state()[:16].clone()},
        "score": np.float64(0.5), "array": np.arange(3), "long": 2**100,
    }  # fmt: skip


CASES = {
    "dtypes": dtypes, "views": views, "shared": shared, "containers": containers, "modules": modules,
    "generators": generators,
}  # fmt: skip
PROTOCOLS = {"containers": [2, 3, 4, 5], "modules": [2, 5]}


def save(case, protocol, seed, folder):
    """Writes NAME.pt and what is in it: NAME.safetensors, tensors by path, and in its metadata the rest."""
    torch.manual_seed(seed)
    content = CASES[case](torch.Generator().manual_seed(seed))
    name = case if protocol == 2 else f"{case}_protocol_{protocol}"
    torch.save(content, folder / f"{name}.pt", pickle_protocol=protocol)
    with torch.serialization.safe_globals(ALLOWED):
        loaded = torch.load(folder / f"{name}.pt", weights_only=protocol == 2 and case != "generators", map_location="cpu")
    tensors = {}
    tree = describe(loaded, [], tensors)
    versions = {"torch": torch.__version__, "tree": json.dumps(tree)}
    save_file(tensors, folder / f"{name}.safetensors", versions)
    return name


ALLOWED = [argparse.Namespace, frozenset, set]


def describe(value, path, tensors):
    """As the reader tells of it: nothing where tensors are and where something is left out."""
    if isinstance(value, torch.Tensor):
        tensors["/".join(path)] = value.detach().contiguous().clone()
        return None
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if isinstance(value, dict):
        return {str(key): describe(item, [*path, str(key)], tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [describe(item, [*path, str(i)], tensors) for i, item in enumerate(value)]
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, float) and (value == float("inf") or isinstance(value, np.floating)):
        return "inf" if value == float("inf") else None
    if isinstance(value, int) and abs(value) >= 2**63:
        return None
    return value if isinstance(value, (bool, int, float, str)) else None
