"""Log-mel spectrograms as Whisper was trained on (Radford et al. 2022, section 2.2).

In numpy, so that neither engine needs torch for them. The filters are those of
Slaney's auditory toolbox: linear below 1 kHz, logarithmic above, equal area.
"""

from __future__ import annotations

import functools
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["FRAMES_PER_SECOND", "HOP_SAMPLES", "log_mel"]

N_FFT = 400
HOP_SAMPLES = 160
FRAMES_PER_SECOND = SAMPLE_RATE_HZ // HOP_SAMPLES

_BREAK_HZ = 1000.0
_HZ_PER_MEL = 200.0 / 3
_LOG_STEP = np.log(6.4) / 27
_LEAST_LOG_POWER = -10.0


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    break_mel = _BREAK_HZ / _HZ_PER_MEL
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel))
    return np.where(mel < break_mel, mel * _HZ_PER_MEL, logarithmic)


@functools.cache
def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Triangular filters, (n_mels, N_FFT // 2 + 1) float32."""
    nyquist_hz = SAMPLE_RATE_HZ / 2
    top_mel = _BREAK_HZ / _HZ_PER_MEL + np.log(nyquist_hz / _BREAK_HZ) / _LOG_STEP
    edges_hz = _mel_to_hz(np.linspace(0, top_mel, n_mels + 2))
    bins_hz = np.linspace(0, nyquist_hz, N_FFT // 2 + 1)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return cast(NDArray[np.float32], (triangles * 2 / (high - low)).astype(np.float32))


@functools.cache
def _bands(n_mels: int) -> list[tuple[slice, NDArray[np.float32]]]:
    """Of each filter the few bins that it hears, and their weights."""
    bands = []
    for weights in mel_filters(n_mels):
        heard = np.flatnonzero(weights)
        band = slice(heard[0], heard[-1] + 1) if len(heard) else slice(0)
        bands.append((band, weights[band]))
    return bands


@functools.cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(N_FFT + 1)[:-1].astype(np.float32)


def log_mel(samples: NDArray[np.float32], n_mels: int, n_frames: int) -> NDArray[np.float32]:
    """The log-mel spectrogram of ``samples`` and silence after them.

    Args:
        samples: (n_samples,) float32, mono 16 kHz.
        n_mels: 80, or 128 for large-v3 and its kin.
        n_frames: how long the spectrogram is to be, at 100 frames per second.

    Returns:
        (n_mels, n_frames) float32, floored 8 decades below its peak and scaled to
        about ±1.
    """
    n_whole = min(n_frames * HOP_SAMPLES, len(samples) + 2 * N_FFT)  # after that, all is silence
    whole = np.zeros(n_whole, np.float32)
    whole[: len(samples)] = samples[:n_whole]
    heard = _log_power(whole, n_mels)
    log_power = np.full((n_mels, n_frames), _LEAST_LOG_POWER, np.float32)
    log_power[:, : heard.shape[1]] = heard
    log_power = np.maximum(log_power, log_power.max() - 8.0)
    return cast(NDArray[np.float32], (log_power + 4.0) / 4.0)


def _log_power(samples: NDArray[np.float32], n_mels: int) -> NDArray[np.float32]:
    padded = np.pad(samples, N_FFT // 2, mode="reflect")
    frames = sliding_window_view(padded, N_FFT)[::HOP_SAMPLES][: len(samples) // HOP_SAMPLES]
    # scipy's transform takes several frames at once: a tenth of the time of numpy's.
    spectrum = rfft(frames * _hann(), axis=1)
    power = np.ascontiguousarray((spectrum.real**2 + spectrum.imag**2).T)
    mel_power = np.empty((n_mels, len(frames)), np.float32)
    for mel, (band, weights) in zip(mel_power, _bands(n_mels), strict=True):
        # Not ``@``: BLAS would wake a second thread that burns a core for 25 ms a call.
        np.einsum("f,ft->t", weights, power[band], out=mel)
    return cast(NDArray[np.float32], np.log10(np.maximum(mel_power, 10**_LEAST_LOG_POWER)))
