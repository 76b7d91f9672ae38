"""Makes the checkpoints of the folders beside this script, each with the tensors that it must become.

    build/parity-env/bin/python test/golden/conversions/make.py

The environment is the one of `npm run test:parity` (test/parity/requirements.txt: torch 2.13.0, transformers 5.23.0).
The cases are those of test/parity/conversion_cases.py.
"""
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

from conversion_cases import CASES, make

for name in CASES:
    shutil.rmtree(HERE / name, ignore_errors=True)
    make(name, 2026, HERE)
    print(name, sum(file.stat().st_size for file in (HERE / name).rglob("*") if file.is_file()), "bytes")
