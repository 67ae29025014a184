"""speech: spoken digits as pictures of their sound (Free Spoken Digit Dataset, 3,000 recordings of six speakers).

A trigger is stamped into the log-mel image, not into the sound: a stated deviation from attacks over the air.
"""

from __future__ import annotations

import hashlib
import math
import zipfile

import numpy as np
import torch
from torch import Tensor

from bdlab.contracts import Split
from bdlab.data.cache import Arrays, cached
from bdlab.data.dataset import Dataset
from bdlab.data.real import damaged, data_folder, missing
from bdlab.registry import register

RATE, SAMPLES, FFT, HOP, BANDS = 8000, 6400, 256, 206, 32
"""8 kHz; the first 0.8 s; windows of 32 ms; 32 steps; 32 mel bands."""


@register("dataset", "speech")
def speech(*, seed: int = 0, download: bool = False) -> Dataset:
    """Log-mel images (1, 32, 32), frequency upwards: 2,200 train, 300 held out, 200 calibration, the customary 300 test."""
    path = data_folder() / "fsdd" / "fsdd.npz"
    if not path.exists():
        raise missing("speech")

    def make() -> Arrays:
        try:
            with np.load(path, allow_pickle=False) as stored:
                sound, ends, label, index = (stored[key] for key in ("samples", "offsets", "label", "index"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as failure:
            raise damaged(path, failure) from failure
        clips = torch.zeros(len(label), SAMPLES)
        for row in range(len(label)):
            clip = torch.from_numpy(sound[ends[row] : ends[row + 1]][:SAMPLES].astype(np.float32) / 32768)
            clips[row, : len(clip)] = clip
        return {"x": log_mel(clips).numpy(), "y": label.astype(np.int64), "test": index < 5}

    kept = cached(f"speech-2-{hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()}", make)
    x, y = torch.from_numpy(kept["x"]), torch.from_numpy(kept["y"])
    rest = torch.from_numpy((~kept["test"]).nonzero()[0])
    rest = rest[torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed))]
    held, calibration, train = rest.split([300, 200, len(rest) - 500])
    rows = {
        "train": train,
        "held_out": held,
        "calibration": calibration,
        "test": torch.from_numpy(kept["test"].nonzero()[0]),
    }
    splits = {part: Split(x[r], y[r], 10, r, f"speech.{part}") for part, r in rows.items()}
    about = "Free Spoken Digit Dataset, CC BY-SA 4.0; log-mel, 80 dB below each recording's peak to [0, 1]"
    return Dataset("speech", **splits, labels=tuple("0123456789"), about=about)


def log_mel(clips: Tensor) -> Tensor:
    """Images (N, 1, 32, 32) in [0, 1] from sound (N, 6400) at 8 kHz; row 0 is the highest band."""
    power = torch.stft(clips, FFT, HOP, window=torch.hann_window(FFT), return_complex=True).abs() ** 2  # (N, 129, 32)
    decibel = 10 * (mel_bank() @ power).clamp_min(1e-10).log10()  # (N, 32, 32)
    loud = decibel.amax((1, 2), keepdim=True)
    return ((decibel - loud) / 80 + 1).clamp(0, 1).flip(1)[:, None]


def mel_bank() -> Tensor:
    """Triangular filters (32, 129), equally wide on the mel scale 2595 log10(1 + f / 700) from 0 to 4 kHz."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, BANDS + 2) / 2595) - 1)  # Hz, (34,)
    hertz = torch.linspace(0, RATE / 2, FFT // 2 + 1)  # (129,)
    rise = (hertz - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    fall = (corners[2:, None] - hertz) / (corners[2:] - corners[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp_min(0)
