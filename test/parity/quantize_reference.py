"""What compressed-tensors and transformers make of quantised folders.

Reads {folders, rows, out} from standard input. Writes, for folder i, out/i.safetensors: its quantised weights as the
package unpacks them and `logits` as transformers computes them. Prints [{packed_again, class}]: whether the package
packs these weights, with the scales of the folder, to the very tensors of the folder, and the class that config.json names.
"""
import json
import sys
from pathlib import Path

import torch
from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationConfig
from safetensors.torch import load_file, save_file
import transformers
from transformers import CompressedTensorsConfig


def modules(tensors):
    ends = (".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point")
    found = {}
    for name, tensor in tensors.items():
        if name.endswith(ends):
            module, _, local = name.rpartition(".")
            found.setdefault(module, {})[local] = tensor
    return found


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def unpacked(folder):
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    scheme = QuantizationConfig.model_validate(config).config_groups["group_0"]
    weights, again = {}, True
    for module, state in modules(load_file(folder / "model.safetensors")).items():
        dense = PackedQuantizationCompressor.decompress(dict(state), scheme)
        dense.pop("weight_shape", None)
        weights[f"{module}.weight"] = dense["weight"]
        again = again and same(PackedQuantizationCompressor.compress(dense, scheme), state)
    return weights, again, scheme.weights.symmetric


def class_of(folder):
    return json.loads((folder / "config.json").read_text())["architectures"][0]


def logits(folder, rows, symmetric):
    # As they stand, these versions lay out zero points unpacked before they read them, and refuse packed ones.
    how = {} if symmetric else {"quantization_config": CompressedTensorsConfig(dequantize=True)}
    model, info = getattr(transformers, class_of(folder)).from_pretrained(folder, output_loading_info=True, **how)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    with torch.no_grad():
        return model.eval()(torch.tensor(rows)).logits.float()


def main():
    job = json.load(sys.stdin)
    told = []
    for i, folder in enumerate(map(Path, job["folders"])):
        weights, again, symmetric = unpacked(folder)
        arrays = {name: weight.float().contiguous() for name, weight in weights.items()}
        arrays["logits"] = logits(folder, job["rows"], symmetric).contiguous()
        save_file(arrays, Path(job["out"]) / f"{i}.safetensors")
        told.append({"packed_again": bool(again), "class": class_of(folder)})
    print(json.dumps(told))


main()
