"""Makes the files of torch beside this script, each with what it holds in a safetensors file of the same name.

    build/parity-env/bin/python test/golden/torch_files/make.py

The environment is the one of `npm run test:parity` (test/parity/requirements.txt); the version of torch that really ran
stands in the metadata of each safetensors file. The cases are those of test/parity/torch_files_cases.py.
"""
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

from torch_files_cases import CASES, PROTOCOLS, save

for case in CASES:
    for protocol in PROTOCOLS.get(case, [2]):
        name = save(case, protocol, 2026, HERE)
        print(name, (HERE / f"{name}.pt").stat().st_size, "bytes")
