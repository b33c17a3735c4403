"""What a process holds, apart from what it has freed and from files it has mapped."""

from __future__ import annotations

import gc

import numpy as np
import psutil
from numpy.typing import NDArray

from asr_core.memory import give_back

__all__ = ["held_mb"]


def held_mb() -> NDArray[np.float64]:
    """In use by the C library's heap, and pages of the process's own, in megabytes, once what
    is gone is given back, as the app has it done every ten seconds of speech. Needs Linux."""
    gc.collect()
    give_back()
    heap, pages = psutil.heap_info(), psutil.Process().memory_info()
    return np.array([heap.heap_used + heap.mmap_used, pages.rss - pages.shared]) / 1e6
