"""Sound in place of packets that were lost: what came before them, dying away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["REPEATED_S", "concealed"]

Samples = NDArray[np.float32]

REPEATED_S = 0.02
"""The last packet is said again, as telephones do (3GPP TS 46.011, 1999), softer and softer."""

_FADED_S = 0.08
"""After that there is silence: longer gaps hold other sounds than what came before."""


def concealed(before: Samples, n_samples: int, rate_hz: int) -> Samples:
    """What to hear for ``n_samples`` that were lost after ``before``, both at ``rate_hz``.

    A recogniser hears the edges of a hole as sounds of their own. With one packet of 20 ms
    in twenty lost, tiny.en had 9.7 % of words wrong with silence in the holes, 8.2 % so, and
    7.9 % without a loss; with one in ten 12.0 and 9.8 % (62 clips of read speech).

    Returns:
        (n_samples,) float32; silence if nothing came before.
    """
    last = before[-round(REPEATED_S * rate_hz) :]
    if not len(last):
        return np.zeros(n_samples, np.float32)
    n_audible = min(n_samples, round(_FADED_S * rate_hz))
    fading = 1 - np.arange(1, n_audible + 1) / (_FADED_S * rate_hz)
    sound = np.zeros(n_samples, np.float32)
    sound[:n_audible] = np.resize(last, n_audible) * np.maximum(fading, 0)
    return sound
