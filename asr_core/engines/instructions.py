"""What the processor's instructions are good for."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

__all__ = ["largest_integer", "use_widest_instructions"]

_SETTING = "CT2_FORCE_CPU_ISA"

_AVX512 = frozenset({"avx512f", "avx512cd", "avx512vl", "avx512bw", "avx512dq"})
"""What CTranslate2's AVX512 build is compiled with."""

_EXACT = frozenset({"avx512_vnni", "avx_vnni"})
"""Instructions that add products of bytes up in 32 bits."""

_CPUINFO = Path("/proc/cpuinfo")


def use_widest_instructions(cpuinfo: Path = _CPUINFO) -> None:
    """Have CTranslate2 use AVX512 where there is. To be called before it loads
    the first model of the process.

    By itself it takes AVX2 on processors that are not Intel's; on an AMD EPYC encoder and
    decoder are a tenth quicker with AVX512. What the user set stays.
    """
    if _flags(cpuinfo) >= _AVX512:
        os.environ.setdefault(_SETTING, "AVX512")


@functools.cache  # asked for each layer
def largest_integer(cpuinfo: Path = _CPUINFO, machine: str | None = None) -> int:
    """The largest weight that ONNX Runtime multiplies bytes by without an error.

    Without VNNI, Intel's and AMD's processors add two such products up in 16 bits: 255 times
    63, twice, fits, 255 times 127 does not (ONNX Runtime's *reduce_range*). Where the
    processor cannot be asked, on Windows and macOS, it is taken to have none.
    """
    if (machine or platform.machine()).lower() not in ("x86_64", "amd64"):
        return 127
    return 127 if _flags(cpuinfo) & _EXACT else 63


def _flags(cpuinfo: Path) -> frozenset[str]:
    """None where the system is not Linux."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())
