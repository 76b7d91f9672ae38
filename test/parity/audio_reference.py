"""What torchaudio and scikit-learn make of sound and of points, as one JSON document:

    python audio_reference.py fbank      [{samples, config}]  ->  [{torchaudio, plain}]: frames, a list each
    python audio_reference.py resample   [{samples, from, to}]  ->  [samples]
    python audio_reference.py clusters   {file, seeds, clusters, batches, batch_size}  ->  {width, inertia: [of each seed]};
                                         writes the points, float32, to the file

Samples are whole numbers of 16 bits for fbank, floats for resample; arguments come as JSON on standard input.
"""
import importlib.util
import json
import sys
import types

import numpy as np


def torchaudio_without_extension():
    """Its wheel has a compiled part for one kind of torch; what is used here is Python alone."""
    package = types.ModuleType("torchaudio")
    package.__path__ = list(importlib.util.find_spec("torchaudio").submodule_search_locations)
    extension = types.ModuleType("torchaudio._extension")
    extension.fail_if_no_align = lambda function: function
    extension._IS_RIR_AVAILABLE = extension._IS_ALIGN_AVAILABLE = extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    sys.modules.update({"torchaudio": package, "torchaudio._extension": extension})


def fbank(cases):
    torchaudio_without_extension()
    import torch
    from torchaudio.compliance import kaldi

    from audio_cases import fbank as plain

    torch.set_default_dtype(torch.float64)  # its triangles too: in float32 they move bins by up to 1.4e-4
    windows = {"hann": "hanning"}
    answers = []
    for case in cases:
        config = case["config"]
        theirs = kaldi.fbank(
            torch.tensor([case["samples"]], dtype=torch.float64),
            sample_frequency=config["sampling_rate"],
            num_mel_bins=config["num_mel_bins"],
            frame_length=config.get("frame_length_ms", 25),
            frame_shift=config.get("frame_shift_ms", 10),
            preemphasis_coefficient=config.get("preemphasis", 0.97),
            window_type=windows.get(config["window"], config["window"]),
            dither=0.0,
        )
        answers.append({"torchaudio": theirs.tolist(), "plain": plain(case["samples"], **config).tolist()})
    return answers


def resample(cases):
    torchaudio_without_extension()
    import torch
    from torchaudio.functional import resample as theirs

    kaiser = dict(lowpass_filter_width=64, rolloff=0.955, resampling_method="sinc_interp_kaiser", beta=9.0)
    return [
        theirs(torch.tensor(case["samples"], dtype=torch.float64), case["from"], case["to"], **kaiser).tolist()
        for case in cases
    ]


def clusters(task):
    from sklearn.cluster import MiniBatchKMeans

    points = overlapping_groups(20_000, 16, 90)
    points.tofile(task["file"])
    inertia = []
    for seed in task["seeds"]:
        peer = MiniBatchKMeans(
            task["clusters"],
            batch_size=task["batch_size"],
            max_iter=max(1, task["batches"] * task["batch_size"] // len(points)),
            max_no_improvement=None,
            n_init=1,
            random_state=seed,
        )
        inertia.append(float(peer.fit(points).inertia_ / len(points)))
    return {"width": points.shape[1], "inertia": inertia}


def overlapping_groups(count, width, groups):
    generator = np.random.default_rng(5)
    middles = generator.normal(size=(groups, width)) * 2
    sizes = generator.dirichlet(np.full(groups, 0.7))
    group = generator.choice(groups, count, p=sizes)
    return (middles[group] + generator.normal(size=(count, width))).astype(np.float32)


print(json.dumps({"fbank": fbank, "resample": resample, "clusters": clusters}[sys.argv[1]](json.load(sys.stdin))))
