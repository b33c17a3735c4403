"""Control of glibc's memory allocator, so that freed memory returns to the system."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

__all__ = ["limit_arenas", "trim_heap"]

_M_ARENA_MAX = -8  # as in glibc's malloc.h


def limit_arenas() -> None:
    """Limit the allocator to two arenas, like ``MALLOC_ARENA_MAX=2`` (docs/tuning.md).

    Threads then reuse each other's freed memory. Call before threads start; does nothing
    where the C library is not glibc.
    """
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def trim_heap() -> None:
    """Return freed heap memory to the system; takes some milliseconds.

    After many speakers that is a hundred megabytes and more. Does nothing where the C library
    is not glibc. Any thread may call.
    """
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


@functools.cache  # each CDLL leaks a little memory
def _c_function(name: str) -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
