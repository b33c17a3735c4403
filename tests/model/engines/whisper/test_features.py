from __future__ import annotations

import time

import numpy as np
import psutil
import pytest

from asr_core.engines.whisper.features import log_mel


@pytest.mark.parametrize("n_mels", [80, 128])
def test_log_mel_matches_the_reference(beckett: np.ndarray, n_mels: int) -> None:
    from transformers import WhisperFeatureExtractor

    reference = WhisperFeatureExtractor(feature_size=n_mels)
    padded = np.pad(beckett, (0, 30 * 16_000 - len(beckett)))
    wanted = reference(padded, sampling_rate=16_000, return_tensors="np").input_features[0]
    assert np.abs(log_mel(beckett, n_mels, 3000) - wanted).max() < 1e-3
    assert np.abs(log_mel(padded, n_mels, 3000) - wanted).max() < 1e-3


def test_a_full_window_ends_as_in_the_reference(beckett: np.ndarray) -> None:
    from transformers import WhisperFeatureExtractor

    full = np.tile(beckett, 4)[: 30 * 16_000]
    features = WhisperFeatureExtractor()(full, sampling_rate=16_000, return_tensors="np")
    assert np.abs(log_mel(full, 80, 3000) - features.input_features[0]).max() < 1e-3


def test_silence_is_finite() -> None:
    mel = log_mel(np.zeros(16_000, np.float32), 80, 100)
    assert mel.shape == (80, 100)
    assert np.isfinite(mel).all()


def test_one_thread_is_enough() -> None:
    log_mel(np.ones(16_000, np.float32), 80, 3000)
    before = psutil.Process().cpu_times().user, time.thread_time()
    for _ in range(100):
        log_mel(np.ones(16_000, np.float32), 80, 600)
        time.sleep(0.01)  # a spinning thread would go on spinning now
    spent = psutil.Process().cpu_times().user - before[0]
    assert spent < 2 * (time.thread_time() - before[1]) + 0.1
