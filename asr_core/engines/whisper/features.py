"""Log-mel spectrograms as Whisper was trained on (Radford et al. 2022, section 2.2).

Computed with numpy, so that no engine needs torch for them. The mel filters are those of
Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above, of equal area.
"""

from __future__ import annotations

import functools
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["FRAMES_PER_SECOND", "HOP_SAMPLES", "log_mel"]

N_FFT = 400
_RADIX = 20  # its square is N_FFT
_FRAMES_PER_FFT = 100  # products so small that BLAS starts no second thread for them
HOP_SAMPLES = 160
FRAMES_PER_SECOND = SAMPLE_RATE_HZ // HOP_SAMPLES

_BREAK_HZ = 1000.0
_HZ_PER_MEL = 200.0 / 3
_LOG_STEP = np.log(6.4) / 27
_MIN_LOG_POWER = -10.0


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    break_mel = _BREAK_HZ / _HZ_PER_MEL
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel))
    return np.where(mel < break_mel, mel * _HZ_PER_MEL, logarithmic)


@functools.cache
def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Return triangular filters, (n_mels, N_FFT // 2 + 1) float32."""
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
    """Return the few frequency bins of each filter that are not zero, with their weights."""
    bands = []
    for weights in mel_filters(n_mels):
        bins = np.flatnonzero(weights)
        band = slice(bins[0], bins[-1] + 1) if len(bins) else slice(0)
        bands.append((band, weights[band]))
    return bands


@functools.cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(N_FFT + 1)[:-1].astype(np.float32)


def log_mel(samples: NDArray[np.float32], n_mels: int, n_frames: int) -> NDArray[np.float32]:
    """Return the log-mel spectrogram of ``samples``, padded with silence.

    Args:
        samples: (n_samples,) float32, mono 16 kHz.
        n_mels: 80; 128 for large-v3 and models made from it.
        n_frames: length of the spectrogram, at 100 frames per second.

    Returns:
        (n_mels, n_frames) float32, floored 8 decades below its peak and scaled to about ±1.
    """
    n_padded = min(n_frames * HOP_SAMPLES, len(samples) + 2 * N_FFT)  # after that, all is silence
    padded = np.zeros(n_padded, np.float32)
    padded[: len(samples)] = samples[:n_padded]
    audible = _log_power(padded, n_mels)
    log_power = np.full((n_mels, n_frames), _MIN_LOG_POWER, np.float32)
    log_power[:, : audible.shape[1]] = audible
    log_power = np.maximum(log_power, log_power.max() - 8.0)
    return cast(NDArray[np.float32], (log_power + 4.0) / 4.0)


def _log_power(samples: NDArray[np.float32], n_mels: int) -> NDArray[np.float32]:
    """Return (n_mels, n_samples // HOP_SAMPLES) decimal logarithms of the power in each band."""
    padded = np.pad(samples, N_FFT // 2, mode="reflect")
    frames = sliding_window_view(padded, N_FFT)[::HOP_SAMPLES][: len(samples) // HOP_SAMPLES]
    power = np.empty((N_FFT // 2 + 1, len(frames)), np.float32)
    for i in range(0, len(frames), _FRAMES_PER_FFT):
        block = slice(i, i + _FRAMES_PER_FFT)
        power[:, block] = _power_spectrum(frames[block] * _hann())
    mel_power = np.empty((n_mels, len(frames)), np.float32)
    for mel, (band, weights) in zip(mel_power, _bands(n_mels), strict=True):
        # Not ``@``: BLAS would start a second thread that keeps a core busy for 25 ms a call.
        np.einsum("f,ft->t", weights, power[band], out=mel)
    return cast(NDArray[np.float32], np.log10(np.maximum(mel_power, 10**_MIN_LOG_POWER)))


def _power_spectrum(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N_FFT // 2 + 1, n_frames) power of (n_frames, N_FFT) real frames.

    This is the Fourier transform of Cooley and Tukey 1965 with two factors of 20, as products
    of small matrices: five times as fast as ``numpy.fft``, and without ``scipy.fft``, whose
    import took a quarter of the time in which a model loads (docs/tuning.md).
    """
    first, second, bins = _fourier_matrices()
    n = len(frames)
    inner = first @ frames.reshape(n, _RADIX, _RADIX)  # (n, real and imaginary by k1, b)
    by_k1 = inner.reshape(n, 2, -1, _RADIX).transpose(2, 0, 1, 3).reshape(-1, n, 2 * _RADIX)
    spectrum = by_k1 @ second  # (k1, n, real and imaginary by k2)
    power = spectrum[..., :_RADIX] ** 2 + spectrum[..., _RADIX:] ** 2
    return cast(NDArray[np.float32], power.transpose(0, 2, 1).reshape(-1, n)[bins])


@functools.cache
def _fourier_matrices() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return what :func:`_power_spectrum` multiplies with, and where each bin comes out.

    With sample 20a + b and bin k1 + 20 k2, a first sum over a gives a value for each k1 and b,
    and a second one over b, with the twiddle factors, the bin. A real signal's bin 400 - k has
    the power of bin k, so that k1 from 0 to 10 are enough.

    Returns:
        (2 * 11, 20) by k1 and a; (11, 2 * 20, 2 * 20) by k1, b and k2; (201,) indices into
        the 11 * 20 bins by k1 and k2. Where there are 2 parts, real and imaginary ones.
    """
    digits, k1 = np.arange(_RADIX), np.arange(_RADIX // 2 + 1)
    angles = -2 * np.pi / _RADIX * np.outer(k1, digits)
    first = np.concatenate([np.cos(angles), np.sin(angles)])
    k = k1[:, None, None] + _RADIX * digits  # (k1, 1, k2)
    angles = -2 * np.pi / N_FFT * digits[:, None] * k  # (k1, b, k2)
    cos, sin = np.cos(angles), np.sin(angles)
    second = np.block([[cos, sin], [-sin, cos]])
    bins = np.arange(N_FFT // 2 + 1)
    bins = np.where(bins % _RADIX < len(k1), bins, N_FFT - bins)
    indices = bins % _RADIX * _RADIX + bins // _RADIX
    return first.astype(np.float32), second.astype(np.float32), indices
