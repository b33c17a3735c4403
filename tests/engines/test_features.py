from __future__ import annotations

import numpy as np
import pytest

from asr_core.engines.features import log_mel


@pytest.mark.parametrize("n_mels", [80, 128])
def test_log_mel_is_that_of_the_reference(beckett: np.ndarray, n_mels: int) -> None:
    from transformers import WhisperFeatureExtractor

    reference = WhisperFeatureExtractor(feature_size=n_mels)
    padded = np.pad(beckett, (0, 30 * 16_000 - len(beckett)))
    wanted = reference(padded, sampling_rate=16_000, return_tensors="np").input_features[0]
    assert np.abs(log_mel(padded, n_mels) - wanted).max() < 1e-3


def test_silence_is_finite() -> None:
    mel = log_mel(np.zeros(16_000, np.float32), 80)
    assert mel.shape == (80, 100)
    assert np.isfinite(mel).all()
