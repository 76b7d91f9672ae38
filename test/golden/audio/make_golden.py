"""Makes the files beside this one: for each case of test/parity/audio_cases.py a wav file and its log-mel features by the
plain numpy reference there.

    build/parity-env/bin/python test/golden/audio/make_golden.py

Run with numpy 2.4.6; nothing else is needed.
"""
import json
import sys
import wave
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import numpy as np

from audio_cases import CASES, fbank, speech_like

SECONDS = 0.16

for number, (name, config) in enumerate(CASES.items()):
    samples = speech_like(config["sampling_rate"], SECONDS, seed=number)
    with wave.open(str(HERE / f"{name}.wav"), "wb") as file:
        file.setparams((1, 2, config["sampling_rate"], 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    features = fbank(samples, **config)
    expected = {"numpy": np.__version__, "config": config, "features": np.round(features, 7).tolist()}
    (HERE / f"{name}.json").write_text(json.dumps(expected) + "\n")
    print(f"{name}: {features.shape[0]} frames, {features.min():.2f} to {features.max():.2f}")
