"""Log-mel features in plain numpy, as Kaldi's compute-fbank-feats defines them (snip_edges, power, no energy), and the
cases that ours are held against. Written from Kaldi's definitions, in double, one step a line."""
import numpy as np

FLOOR = np.finfo(np.float32).eps

CASES = {
    "melhubert": dict(sampling_rate=16000, num_mel_bins=40, window="hamming"),
    "narrow": dict(sampling_rate=8000, num_mel_bins=40, window="hamming"),
    "povey_80": dict(sampling_rate=16000, num_mel_bins=80, window="povey"),
    "hann_long": dict(sampling_rate=16000, num_mel_bins=23, window="hann", frame_length_ms=40, frame_shift_ms=15),
    "plain": dict(sampling_rate=11025, num_mel_bins=24, window="rectangular", preemphasis=0.0),
}


def mel(frequency):
    return 1127.0 * np.log(1.0 + np.asarray(frequency, dtype=np.float64) / 700.0)


def shape_of(name, length):
    part = np.arange(length) / (length - 1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * part)
    return {"hamming": 0.54 - 0.46 * np.cos(2 * np.pi * part), "hann": hann, "povey": hann**0.85, "rectangular": part**0}[name]


def mel_bank(bins, size, rate, low=20.0):
    """(bins, size / 2): triangles in mel. Kaldi leaves the Nyquist frequency out."""
    step = (mel(rate / 2) - mel(low)) / (bins + 1)
    left = mel(low) + np.arange(bins)[:, None] * step
    points = mel(np.arange(size // 2) * rate / size)[None, :]
    return np.maximum(0, np.minimum((points - left) / step, (left + 2 * step - points) / step))


def fbank(samples, sampling_rate, num_mel_bins=40, frame_length_ms=25, frame_shift_ms=10, preemphasis=0.97,
          window="hamming"):
    """samples: whole numbers of 16 bits -> (frames, bins)"""
    samples = np.asarray(samples, dtype=np.float64)
    length, shift = (int(sampling_rate * 0.001 * ms) for ms in (frame_length_ms, frame_shift_ms))
    size = 1 << (length - 1).bit_length()
    count = 1 + (len(samples) - length) // shift
    frames = np.stack([samples[i * shift : i * shift + length] for i in range(count)])
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames = (frames - preemphasis * before) * shape_of(window, length)
    power = np.abs(np.fft.rfft(frames, size, axis=1)) ** 2
    return np.log(np.maximum(power[:, :-1] @ mel_bank(num_mel_bins, size, sampling_rate).T, FLOOR))


def speech_like(rate, seconds, seed):
    """Whole numbers of 16 bits: a gliding, pulsing tone with overtones, noise, and a stretch of silence."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(120 + 60 * np.sin(2 * np.pi * 3 * time)) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 30)) * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * time))
    sound = 3000 * voice + 200 * generator.standard_normal(len(time))
    sound[len(time) // 2 : len(time) * 3 // 4] = 0
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)
