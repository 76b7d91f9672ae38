"""Runs mergekit's command `mergekit-yaml` on many configurations, one process each.

A line on standard input is {"config": FILE, "out": FOLDER, "folder": WORKING FOLDER, "arguments": [...]}; a line on
standard output answers it: {"code": EXIT CODE, "log": TEXT}. torch and transformers are loaded once and each run is a
fork that starts the installed command as a shell would, which spares their eight seconds a run. mergekit itself is not
imported here. One thread, as the order of long sums depends on the number.
"""
from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, BinaryIO

import peft  # noqa: F401
import torch
import transformers  # noqa: F401

COMMAND = Path(sys.executable).with_name("mergekit-yaml")


def start(job: dict[str, Any], log: BinaryIO) -> None:
    """The child's part: becomes the command, ends with its exit code."""
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    os.chdir(job["folder"])
    sys.argv = [str(COMMAND), job["config"], job["out"], "--no-write-model-card", *job["arguments"]]
    code = 1
    try:
        runpy.run_path(str(COMMAND), run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            start(job, log)
        _, status = os.waitpid(child, 0)
        log.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "log": log.read().decode(errors="replace")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
