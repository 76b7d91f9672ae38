"""Reads a delta as docs/file_formats.md says, with safetensors and numpy alone, and holds it against what it is of.

delta_reference.py DELTA BASE CHAT TARGET SCALE OUT prints {tensors: {name: {relative_error, elements}}, samples_equal,
outputs: {max_ulps, differing}}: errors against float32(chat) - float32(base), whether the base's samples stand where they
should, and how far OUT is from TARGET + SCALE * delta.
"""
import json
import sys

import numpy as np
import torch
from safetensors import safe_open


def decode(f, name):
    parts = {key.rpartition(":")[2]: f.get_tensor(key) for key in f.keys() if key.rpartition(":")[0] == name}
    parts = {key: value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy() for key, value in parts.items()}
    if "values" in parts:
        starts, shape = parts["row_starts"], parts["shape"]
        out = np.zeros((len(starts) - 1, shape[-1]), np.float32)
        out[np.repeat(np.arange(len(starts) - 1), np.diff(starts)), parts["columns"].astype(np.int64)] = parts["values"]
        return out.reshape(shape)
    if "left" in parts:
        return (parts["left"].astype(np.float64) @ parts["right"].astype(np.float64)).astype(np.float32)
    if "scales" in parts:
        codes = parts.get("int8")
        if codes is None:
            pairs, shape = parts["int4"], parts["shape"]
            codes = np.stack([pairs & 15, pairs >> 4], -1).reshape(*pairs.shape[:-1], -1)[..., : shape[-1]].astype(np.int8) - 8
        group = int(f.metadata()["group"])
        return codes.astype(np.float32) * np.repeat(parts["scales"], group, -1)[..., : codes.shape[-1]]
    return f.get_tensor(name).numpy()


def positions(n):
    return [(i * 0x9E3779B97F4A7C15 % 2**64) * n >> 64 for i in range(min(64, n))]


def tensors(folder):
    with safe_open(f"{folder}/model.safetensors", "pt") as f:
        return {name: f.get_tensor(name).float().numpy() for name in f.keys()}


def ulps(a, b):
    """Steps of float32 between two arrays of like sign."""
    return np.abs(a.view(np.int32).astype(np.int64) - b.view(np.int32).astype(np.int64))


def main(delta, base, chat, target, scale, out):
    b, c, t, o = tensors(base), tensors(chat), tensors(target), tensors(out)
    report = {"tensors": {}, "samples_equal": True, "outputs": {"max_ulps": 0, "differing": 0}}
    with safe_open(f"{delta}/delta.safetensors", "pt") as f:
        names = sorted({key.rpartition(":")[0] or key for key in f.keys() if key != ":crc32"})
        for name in names:
            d, decoded = c[name] - b[name], decode(f, name)
            assert decoded.shape == d.shape and decoded.dtype == np.float32, name
            lost = d.astype(np.float64) - decoded
            error = np.linalg.norm(lost) / np.linalg.norm(d.astype(np.float64))
            report["tensors"][name] = {"relative_error": float(error), "elements": int(d.size)}
            if f"{name}:base" in f.keys():
                at = b[name].reshape(-1)[positions(d.size)]
                report["samples_equal"] &= bool(np.array_equal(at, f.get_tensor(f"{name}:base").numpy()))
            expected = (t[name].astype(np.float64) + np.float64(np.float32(scale)) * decoded).astype(np.float32)
            steps = ulps(expected, o[name])
            report["outputs"]["max_ulps"] = max(report["outputs"]["max_ulps"], int(steps.max()))
            report["outputs"]["differing"] += int((steps > 0).sum())
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:5], float(sys.argv[5]), sys.argv[6])
