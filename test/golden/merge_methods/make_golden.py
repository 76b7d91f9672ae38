"""Golden arrays of the merge methods: each formula once more, in numpy (float64) and in torch's steps.

    build/parity-env/bin/python test/golden/merge_methods/make_golden.py

Made with torch 2.13.0 and numpy 2.4.6. Writes beside itself

    inputs.safetensors     float32: base.NAME and 0.NAME ... 3.NAME for the tensors `matrix` and `vector`; the
                           bfloat16 and float16 cases take them rounded
    expected.safetensors   float32: CASE.NAME, and in the header under CASE what was asked for:
                           "method=ties compat=BF16 tolerance=0 lambda=0.8 0:weight=0.7 0:density=0.5 ..."

Cases without `compat` are the papers' formulas in float64, rounded to float32 at the end. Those with it run the
steps of mergekit in torch: where `tolerance` is 0 they were found equal to the outputs of mergekit 0.1.4, bit for
bit, on other models; its source was not read. `tolerance` is relative to the largest expected value.
"""
from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
SEED = 123
NAMES = ("matrix", "vector")  # in the lexicographic order in which mergekit draws
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
torch.set_num_threads(1)


def make_inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    inputs = {}
    for name, shape in (("matrix", (9, 40)), ("vector", (53,))):
        base = torch.randn(shape, generator=generator) * 0.3
        inputs[f"base.{name}"] = base
        for i in range(4):
            change = torch.randn(shape, generator=generator) * 0.1
            change[torch.rand(shape, generator=generator) < 0.2] = 0
            inputs[f"{i}.{name}"] = base + change
    return inputs


# ---- random numbers of the default mode ----

MASK = (1 << 64) - 1


def split_mix(state: int, count: int) -> list[int]:
    out = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append(z ^ (z >> 31))
    return out


def counter_draws(name: str, i: int, count: int) -> np.ndarray:
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    key = split_mix(SEED ^ split_mix(value, 1)[0], 1)[0]
    return np.array([n >> 40 for n in split_mix(split_mix((key + i) & MASK, 1)[0], count)]) / 2.0**24


# ---- float64 ----


def largest(numbers: np.ndarray, count: int) -> np.ndarray:
    mask = np.zeros(numbers.size, bool)
    mask[np.argsort(-numbers.ravel(), kind="stable")[:count]] = True
    return mask.reshape(numbers.shape)


def ranks(numbers: np.ndarray) -> np.ndarray:
    rows = numbers.reshape(1, -1) if numbers.ndim < 2 else numbers
    return np.argsort(np.argsort(rows, axis=1, kind="stable"), axis=1, kind="stable").reshape(numbers.shape)


class Exact:
    """The formulas; b and x are float64 arrays that hold float32 values, p the parameters of the tensor, q those of
    each input."""

    def __init__(self, name, b, x, p, q):
        self.name, self.b, self.x, self.p, self.q = name, b, x, p, q

    def mask(self, kind: str, i: int) -> np.ndarray | float:
        q, d = self.q[i], (self.x[i] - self.b).astype(np.float32).astype(np.float64)
        density, size = q.get("density", 1), d.size
        if kind == "none" or density >= 1:
            return 1.0
        if kind == "magnitude":
            return largest(abs(d), int(density * size)).astype(float)
        if kind == "outliers":
            top = min(int(q.get("gamma", 0.01) * size), size - int(density * size))
            return largest(abs(d), int(density * size) + top).astype(float) - largest(abs(d), top)
        probability = np.full(d.shape, density)
        if kind == "ranked":
            eps = q.get("epsilon", 0.15)
            probability = density - eps + 2 * eps * ranks(abs(d)) / (d.shape[-1] - 1)
        keep = counter_draws(self.name, i, size).reshape(d.shape) < probability
        scale = abs(d).sum() / abs(d[keep]).sum() if self.p.get("rescale", 1) else 1
        return keep * scale

    def vectors(self, kind: str, elect: bool, normalize: int) -> np.ndarray:
        w = np.array([q.get("weight", 1) for q in self.q])
        terms = np.array([w[i] * self.mask(kind, i) * (x - self.b) for i, x in enumerate(self.x)])
        votes = np.ones_like(terms)
        if elect:
            votes = np.sign(terms) == np.where(terms.sum(0) >= 0, 1, -1)
        total = (terms * votes).sum(0)
        if self.p.get("normalize", normalize):
            weight = np.tensordot(w, votes, 1)
            total = total / np.where(weight == 0, 1, weight)
        return self.b + self.p.get("lambda", 1) * total

    def linear(self):
        w = [q.get("weight", 1) for q in self.q]
        total = sum(a * x for a, x in zip(w, self.x))
        return total / sum(w) if self.p.get("normalize", 1) else total

    def slerp(self):
        return self.circle(self.b, self.x[0], self.p["t"])

    @staticmethod
    def circle(a, b, t):
        theta = math.acos(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))
        return (math.sin((1 - t) * theta) * a + math.sin(t * theta) * b) / math.sin(theta)

    def nuslerp(self):
        origin = self.b if self.p.get("base") else 0 * self.b
        a, b = self.x[0] - origin, self.x[1] - origin
        w = [q["weight"] for q in self.q]
        t = w[1] / sum(w)
        if self.p.get("nuslerp_flatten", 1) or a.ndim < 2:
            return origin + self.circle(a, b, t)
        if self.p.get("nuslerp_row_wise", 0):
            a, b = a.T, b.T
        rows = np.array([self.circle(u, v, t) for u, v in zip(a, b)])
        return origin + (rows.T if self.p.get("nuslerp_row_wise", 0) else rows)

    def multislerp(self):
        origin = self.b if self.p.get("base") else 0 * self.b
        w = np.array([q["weight"] for q in self.q])
        if self.p.get("normalize_weights", 1):
            w = w / w.sum()
        d = [x - origin for x in self.x]
        lengths = [np.linalg.norm(v) for v in d]
        mean = sum(a * v / n for a, v, n in zip(w, d, lengths))
        return origin + mean / np.linalg.norm(mean) * np.dot(w, lengths)

    def karcher(self):
        lengths = [np.linalg.norm(x) for x in self.x]
        units = [x / n for x, n in zip(self.x, lengths)]
        m = sum(units) / np.linalg.norm(sum(units))
        for _ in range(int(self.p.get("max_iter", 10))):
            v = 0 * m
            for u in units:
                theta = math.acos(np.sum(u * m))
                v = v + theta / math.sin(theta) * (u - math.cos(theta) * m) / len(units)
            length = np.linalg.norm(v)
            if length < self.p.get("tol", 1e-5):
                break
            m = math.cos(length) * m + math.sin(length) * v / length
        return m * np.mean(lengths)

    def model_stock(self):
        d, n = [x - self.b for x in self.x], len(self.x)
        axis = -1 if self.p.get("filter_wise") and self.b.ndim > 1 else None
        keep = axis is not None
        length = lambda v: np.sqrt(np.sum(v * v, axis=axis, keepdims=keep))
        pairs = [np.sum(u * v, axis=axis, keepdims=keep) / length(u) / length(v)
                 for u, v in itertools.combinations(d, 2)]
        c = sum(pairs) / len(pairs)
        t = n * c / (1 + (n - 1) * c)
        return t * sum(self.x) / n + (1 - t) * self.b

    def nearswap(self):
        a = np.minimum(1, self.p["t"] / np.maximum(abs(self.b - self.x[0]), 1e-6))
        return a * self.x[0] + (1 - a) * self.b

    def arcee_fusion(self):
        soft = lambda v: np.exp(v) / np.exp(v).sum(-1, keepdims=True)
        p, q = soft(self.x[0]), soft(self.b)
        importance = abs(self.x[0] - self.b) * (p * np.log(p / q)).sum(-1, keepdims=True)
        ordered = np.sort(importance.ravel())
        low, middle, high = (ordered[(ordered.size - 1) * k // 4] for k in (1, 2, 3))
        return np.where(importance >= middle + 1.5 * (high - low), self.x[0], self.b)

    def passthrough(self):
        return self.q[0].get("scale", 1) * self.x[0]

    def sce(self):
        d = np.array([x - self.b for x in self.x])
        variance = d.var(0)
        count = int(self.p.get("select_topk", 1) * np.count_nonzero(variance))
        d = d * (largest(variance, count) if self.p.get("select_topk", 1) < 1 else 1)
        w = (d**2).reshape(len(d), -1).mean(1)
        w = (w / w.sum()).reshape(-1, *[1] * self.b.ndim)
        votes = np.sign(d) == np.where(d.sum(0) >= 0, 1, -1)
        weight = (w * votes).sum(0)
        return self.b + (w * d * votes).sum(0) / np.where(weight == 0, 1, weight)

    def ram(self, plus=False):
        d = np.array([x - self.b for x in self.x])
        changed = abs(d) > self.p.get("epsilon", 1e-5)
        count = changed.sum(0)
        out = (d * changed).sum(0) / np.maximum(count, 1)
        for i in range(len(d)) if plus else ():
            own, shared = changed[i] & (count == 1), changed[i] & (count > 1)
            rho = shared.sum() / own.sum() if own.any() else 0
            out = np.where(own, out * (1 + self.p["r"] * np.clip(rho, 0, self.p["alpha"])), out)
        return self.b + out

    def ramplus_tl(self):
        return self.ram(plus=True)


# ---- torch, step by step ----


class Steps:
    """As Exact, with tensors of the working dtype and torch's global generator."""

    def __init__(self, name, b, x, p, q):
        self.name, self.b, self.x, self.p, self.q = name, b, x, p, q

    def sparse(self, kind: str, i: int) -> torch.Tensor:
        q, d = self.q[i], self.x[i] - self.b
        density, size = q.get("density", 1), d.numel()
        if kind == "none" or density >= 1:
            return d
        order = torch.from_numpy(np.argsort(-d.abs().float().numpy().ravel(), kind="stable").copy())
        mask = torch.zeros(size, dtype=d.dtype)
        if kind == "magnitude":
            mask[order[: int(density * size)]] = 1
            return d * mask.view_as(d)
        if kind == "outliers":
            top = int(q.get("gamma", 0.01) * size)
            if top > 0:
                top = min(top, size - int(density * size))
                mask[order[top : top + int(density * size)]] = 1
            return d * mask.view_as(d)
        dtype, d = d.dtype, d.float() if d.dtype == torch.float16 else d
        probability = torch.full_like(d, density)
        if kind == "ranked":
            eps = q.get("epsilon", 0.15)
            rank = torch.from_numpy(ranks(d.abs().float().numpy())).to(d.dtype)
            probability = (density - eps) + rank / (d.shape[-1] - 1) * (2 * eps)
        kept = d * torch.bernoulli(probability).to(d.dtype)
        if self.p.get("rescale", 1):
            kept = kept * (d.abs().sum() / kept.abs().sum())
        return kept.to(dtype)

    def weights(self) -> torch.Tensor:
        w = torch.tensor([q.get("weight", 1) for q in self.q], dtype=self.b.dtype)
        return w.view(-1, *[1] * self.b.dim())

    def vectors(self, kind: str, elect: bool, normalize: int) -> torch.Tensor:
        w = self.weights()
        terms = torch.stack([self.sparse(kind, i) for i in range(len(self.x))]) * w
        weight = w.sum(0)
        if elect:
            votes = terms.sign() == (terms.sum(0) >= 0).to(terms.dtype) * 2 - 1
            weight, terms = (w * votes).sum(0), terms * votes
        total = terms.sum(0)
        if self.p.get("normalize", normalize):
            total = total / torch.where(weight == 0, torch.ones_like(weight), weight)
        if self.p.get("lambda", 1) != 1:
            total = total * self.p["lambda"]
        return self.b + total

    def linear(self):
        w = self.weights()
        total = (torch.stack(self.x) * w).sum(0)
        return total / w.sum(0) if self.p.get("normalize", 1) else total

    def nearswap(self):
        a = (self.p["t"] / (self.b - self.x[0]).abs().clamp(min=1e-6)).clamp(0, 1)
        return a * self.x[0] + (1 - a) * self.b

    def passthrough(self):
        return self.x[0] * self.q[0].get("scale", 1)

    def sce(self):
        d = torch.stack([x - self.b for x in self.x])
        if self.p.get("select_topk", 1) < 1:
            variance = d.var(dim=0, unbiased=False)
            count = int(self.p["select_topk"] * int(torch.count_nonzero(variance)))
            d = d * torch.from_numpy(largest(variance.float().numpy(), count)).to(d.dtype)
        w = (d**2).flatten(1).mean(1)
        w = (w / w.sum()).view(-1, *[1] * self.b.dim())
        votes = d.sign() == (d.sum(0) >= 0).to(d.dtype) * 2 - 1
        weight = (w * votes).sum(0)
        return self.b + (d * (w * votes)).sum(0) / torch.where(weight == 0, torch.ones_like(weight), weight)


VECTORS = {  # sparsifier, election, default of normalize
    "task_arithmetic": ("none", False, 0),
    "ties": ("magnitude", True, 1),
    "dare_linear": ("random", False, 0),
    "dare_ties": ("random", True, 0),
    "breadcrumbs": ("outliers", False, 0),
    "breadcrumbs_ties": ("outliers", True, 0),
    "della_linear": ("ranked", False, 0),
    "della": ("ranked", True, 1),
}


def each(count: int, **parameters) -> list[dict[str, float]]:
    """Parameters of `count` inputs; a tuple has one value for each."""
    return [{k: v[i] if isinstance(v, tuple) else v for k, v in parameters.items()} for i in range(count)]


W3, SIGNED = (0.7, 0.4, 0.3), (0.7, -0.4, 0.3)
CASES = {  # name: method, parameters of the tensor, of the inputs
    "linear": ("linear", {}, each(3, weight=W3)),
    "linear_sum": ("linear", {"normalize": 0}, each(4, weight=(0.7, -0.4, 0.3, 0.1))),
    "task_arithmetic": ("task_arithmetic", {"lambda": 0.8}, each(4, weight=(0.7, -0.4, 0.3, 0.1))),
    "task_arithmetic_mean": ("task_arithmetic", {"normalize": 1}, each(3, weight=W3)),
    "ties": ("ties", {"lambda": 0.8}, each(3, weight=W3, density=0.55)),
    "ties_signed": ("ties", {"normalize": 0}, each(3, weight=SIGNED, density=(0.3, 1, 0.55))),
    "dare_linear": ("dare_linear", {}, each(3, weight=W3, density=(0.6, 1, 0.3))),
    "dare_linear_plain": ("dare_linear", {"rescale": 0, "normalize": 1}, each(2, weight=0.5, density=0.6)),
    "dare_ties": ("dare_ties", {"lambda": 1.1}, each(3, weight=SIGNED, density=0.6)),
    "breadcrumbs": ("breadcrumbs", {}, each(2, weight=(0.7, 0.4), density=0.7, gamma=0.1)),
    "breadcrumbs_over": ("breadcrumbs", {}, each(2, weight=1, density=0.95, gamma=0.2)),
    "breadcrumbs_ties": ("breadcrumbs_ties", {}, each(3, weight=W3, density=0.7, gamma=0.1)),
    "della_linear": ("della_linear", {}, each(2, weight=(0.7, 0.4), density=0.6, epsilon=0.15)),
    "della": ("della", {"lambda": 0.9}, each(3, weight=W3, density=0.6, epsilon=0.3)),
    "nearswap": ("nearswap", {"t": 0.05}, each(1)),
    "passthrough": ("passthrough", {}, each(1, scale=0.7)),
    "sce": ("sce", {"select_topk": 0.4}, each(3)),
    "sce_all": ("sce", {}, each(3)),
    "slerp": ("slerp", {"t": 0.3}, each(1)),
    "nuslerp": ("nuslerp", {}, each(2, weight=(0.3, 0.6))),
    "nuslerp_base": ("nuslerp", {"base": 1}, each(2, weight=(0.3, 0.6))),
    "nuslerp_rows": ("nuslerp", {"nuslerp_flatten": 0}, each(2, weight=(0.3, 0.6))),
    "nuslerp_columns": ("nuslerp", {"nuslerp_flatten": 0, "nuslerp_row_wise": 1, "base": 1}, each(2, weight=(0.3, 0.6))),
    "multislerp": ("multislerp", {}, each(3, weight=W3)),
    "multislerp_base": ("multislerp", {"base": 1, "normalize_weights": 0}, each(3, weight=W3)),
    "karcher": ("karcher", {}, each(3)),
    "karcher_once": ("karcher", {"max_iter": 1}, each(4)),
    "model_stock": ("model_stock", {}, each(3)),
    "model_stock_rows": ("model_stock", {"filter_wise": 1}, each(2)),
    "arcee_fusion": ("arcee_fusion", {}, each(1)),
    "ram": ("ram", {"epsilon": 0.03}, each(3)),
    "ramplus_tl": ("ramplus_tl", {"epsilon": 0.1, "r": 0.5, "alpha": 10}, each(3)),
}
NO_ORIGIN = {"linear", "karcher", "passthrough"}
ONE_UNIT = 2.0**-23


def run(case: str, dtype: str | None, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    method, p, q = CASES[case]
    torch.manual_seed(SEED)
    out = {}
    for name in NAMES:
        tensors = [inputs[f"{key}.{name}"] for key in ("base", *range(len(q)))]
        if dtype:
            model = Steps(name, tensors[0].to(DTYPES[dtype]), [x.to(DTYPES[dtype]) for x in tensors[1:]], p, q)
        else:
            model = Exact(name, tensors[0].double().numpy(), [x.double().numpy() for x in tensors[1:]], p, q)
        result = model.vectors(*VECTORS[method]) if method in VECTORS else getattr(model, method)()
        out[name] = torch.as_tensor(np.asarray(result) if dtype is None else result).float().contiguous()
    return out


def described(case: str, dtype: str | None) -> str:
    method, p, q = CASES[case]
    words = {"method": method, **({"compat": dtype} if dtype else {})}
    words["base"] = 0 if method in NO_ORIGIN or (method in ("nuslerp", "multislerp") and "base" not in p) else 1
    words["tolerance"] = 0  # but for one unit in the last place between float64 sums of different order:
    if dtype is None:
        words["tolerance"] = ONE_UNIT
    words |= {k: v for k, v in p.items() if k != "base"}
    words |= {f"{i}:{k}": v for i, parameters in enumerate(q) for k, v in parameters.items()}
    return " ".join(f"{k}={v}" for k, v in {**words, "inputs": len(q)}.items())


def main() -> None:
    inputs = make_inputs()
    save_file(inputs, HERE / "inputs.safetensors")
    arrays, asked = {}, {}
    for case, (method, _, _) in CASES.items():
        for dtype in (None, *DTYPES) if method in VECTORS or hasattr(Steps, method) else (None,):
            full = f"{case}.{dtype}" if dtype else case
            asked[full] = described(case, dtype)
            arrays |= {f"{full}.{name}": array for name, array in run(case, dtype, inputs).items()}
    save_file(arrays, HERE / "expected.safetensors", metadata=asked)
    print(len(asked), "cases")


if __name__ == "__main__":
    main()
