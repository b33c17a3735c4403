from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from asr_core.ops.malloc import trim_heap


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone keeps and gives back")
def test_freed_memory_goes_back_to_the_system() -> None:
    blocks = [bytes(1000) for _ in range(100_000)]
    last = blocks.pop()  # on top of the heap: without it they would be freed anyway
    del blocks
    before = psutil.Process().memory_info().rss
    trim_heap()
    assert before - psutil.Process().memory_info().rss > 50e6
    del last


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has arenas")
def test_threads_share_two_arenas(tmp_path: Path) -> None:
    script = """
import ctypes, sys, threading
from asr_core.ops.malloc import limit_arenas
if sys.argv[1] == "shared":
    limit_arenas()
barrier = threading.Barrier(8)
def allocate():
    barrier.wait()
    block = bytes(100_000)
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(library.fopen(sys.argv[2].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
"""
    n_arenas = {}
    for how in ("shared", "alone"):
        file = tmp_path / how
        subprocess.run([sys.executable, "-c", script, how, str(file)], check=True)
        n_arenas[how] = file.read_text().count("<heap nr=")
    assert n_arenas["shared"] <= 2 < n_arenas["alone"]
