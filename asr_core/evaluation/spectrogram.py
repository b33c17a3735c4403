"""Spectrogram images."""

from __future__ import annotations

import io

import numpy as np
import scipy.signal
from numpy.typing import NDArray
from PIL import Image

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["spectrogram_png"]

_RANGE_DB = 80.0
_MAX_WIDTH = 1200

# Roughly perceptually uniform: dark blue, magenta, orange, light yellow.
_COLOURS = np.array(
    [[8, 8, 40], [70, 15, 105], [150, 40, 110], [225, 85, 75], [250, 165, 60], [250, 250, 180]]
)


def spectrogram_png(samples: NDArray[np.float32]) -> bytes:
    """Return a PNG of (n_samples,) mono 16 kHz samples: 0 to 8 kHz upwards, 80 dB range."""
    padded = np.pad(samples, (0, max(0, 512 - len(samples))))
    _, _, power = scipy.signal.spectrogram(
        padded, SAMPLE_RATE_HZ, nperseg=512, noverlap=512 - 160, mode="psd"
    )
    decibels = 10 * np.log10(np.maximum(power, 1e-14))
    loud = np.clip((decibels - decibels.max()) / _RANGE_DB + 1, 0, 1)[::-1]
    places = np.linspace(0, 1, len(_COLOURS))
    pixels = np.stack([np.interp(loud, places, _COLOURS[:, c]) for c in range(3)], -1)
    image = Image.fromarray(pixels.astype(np.uint8))
    if image.width > _MAX_WIDTH:
        image = image.resize((_MAX_WIDTH, image.height))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
