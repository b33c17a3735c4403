from __future__ import annotations

import subprocess
import sys

import numpy as np

from asr_core.engines.whisper.features import N_FFT, _power_spectrum


def test_the_power_spectrum_is_that_of_the_fourier_transform() -> None:
    rng = np.random.default_rng(0)
    tones = np.sin(2 * np.pi * np.outer(np.arange(0, 201, 7), np.arange(N_FFT)) / N_FFT)
    frames = np.concatenate([rng.normal(size=(20, N_FFT)), tones]).astype(np.float32)
    wanted = np.abs(np.fft.rfft(frames.astype(np.float64), axis=1)).T ** 2
    power = _power_spectrum(frames)
    assert power.shape == (N_FFT // 2 + 1, len(frames))
    np.testing.assert_allclose(power, wanted, rtol=1e-4, atol=1e-5)


def test_features_import_no_scipy() -> None:
    code = "import sys, asr_core.engines.whisper.engine; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
