"""Writes fresh files for the parity tests: torch_files_reference.py files|conversions FOLDER SEED. Prints their names.

`files`: everything that torch.save writes, each with what torch.load read of it. `conversions`: folders of transformers
and official checkpoints of MelHuBERT, each with the tensors that it must become.
"""
import contextlib
import json
import sys
import warnings
from pathlib import Path

import conversion_cases
import torch_files_cases

what, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
warnings.simplefilter("ignore")
with contextlib.redirect_stdout(sys.stderr):
    if what == "files":
        cases = torch_files_cases
        protocols = [(case, protocol) for case in cases.CASES for protocol in cases.PROTOCOLS.get(case, [2])]
        names = [cases.save(case, protocol, seed, folder) for case, protocol in protocols]
    else:
        names = list(conversion_cases.CASES)
        for name in names:
            conversion_cases.make(name, seed, folder)
print(json.dumps(names))
