"""Memory that a process holds, without what it has freed and without mapped files."""

from __future__ import annotations

import gc

import numpy as np
import psutil
from numpy.typing import NDArray

from asr_core.ops.malloc import trim_heap

__all__ = ["held_mb"]


def held_mb() -> NDArray[np.float64]:
    """Return heap in use and private pages, in MB, after freed memory was returned to the system.

    The app does the same every ten seconds of speech. Needs Linux.
    """
    gc.collect()
    trim_heap()
    heap, pages = psutil.heap_info(), psutil.Process().memory_info()
    return np.array([heap.heap_used + heap.mmap_used, pages.rss - pages.shared]) / 1e6
