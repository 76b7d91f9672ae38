"""Makes random.json beside this file: what CPython's random draws. Any Python from 3.9 on gives the same.

    python3 test/golden/evaluate/make_random.py
"""
import json
import random
from pathlib import Path

SEEDS = [0, 1, 42, 1234, -5, 2**31, 2**32 - 1, 2**32, 2**40 + 7, 2**53 - 1]
# Both ways of sample(), at their borders: up to 21 + 4**ceil(log(3 count, 4)) it swaps within a list.
SAMPLES = [(1, 1), (5, 5), (21, 5), (22, 5), (100, 5), (3000, 25), (84, 6), (85, 6), (86, 6), (277, 25), (278, 25)]


def draws(seed: int) -> dict:
    rng = random.Random(seed)
    numbers = [rng.getrandbits(32) for _ in range(5)]
    samples = [{"size": n, "count": k, "drawn": rng.sample(range(n), k)} for n, k in SAMPLES]
    for _ in range(2000):  # past several rounds of the state
        last = rng.getrandbits(32)
    return {"seed": seed, "numbers": numbers, "samples": samples, "last": last}


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(draws(seed)) for seed in SEEDS)
    (Path(__file__).parent / "random.json").write_text(f"[\n{lines}\n]\n")
