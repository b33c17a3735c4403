"""Concealment of lost packets: the previous audio repeated and faded out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["REPEATED_S", "conceal_loss"]

Samples = NDArray[np.float32]

REPEATED_S = 0.02
"""Audio that is repeated, one packet, as telephones do (3GPP TS 46.011, 1999)."""

_FADE_S = 0.08
"""Duration of the fade; a longer gap held other sounds than the audio before it."""


def conceal_loss(previous: Samples, n_samples: int, rate_hz: int) -> Samples:
    """Return (n_samples,) float32 in place of audio lost after ``previous``, at ``rate_hz``.

    Silence would have edges that a recogniser takes for sounds (docs/tuning.md). It is returned
    only if there is no previous audio.
    """
    tail = previous[-round(REPEATED_S * rate_hz) :]
    if not len(tail):
        return np.zeros(n_samples, np.float32)
    n_audible = min(n_samples, round(_FADE_S * rate_hz))
    gain = 1 - np.arange(1, n_audible + 1) / (_FADE_S * rate_hz)
    concealed = np.zeros(n_samples, np.float32)
    concealed[:n_audible] = np.resize(tail, n_audible) * np.maximum(gain, 0)
    return concealed
