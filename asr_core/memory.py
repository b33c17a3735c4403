"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

__all__ = ["give_back", "share_arenas"]

_M_ARENA_MAX = -8  # as in glibc's malloc.h


def share_arenas() -> None:
    """Have the threads to come share two of the C library's arenas, as ``MALLOC_ARENA_MAX=2``
    does: what one thread freed, others may take (a file on base takes 50 MB less). To be
    called before there are threads; does nothing where the C library is not glibc."""
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Have the C library return what it keeps of freed blocks: after a crowd of speakers
    that is a hundred megabytes and more, which others on the machine could use. Takes some
    milliseconds; does nothing where the C library is not glibc. Any thread may call."""
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


@functools.cache  # every look at the library leaves something behind
def _c_function(name: str) -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
