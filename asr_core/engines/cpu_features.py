"""CPU features: the instruction sets that decide precision and speed."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

__all__ = ["max_int8_weight", "use_widest_instructions"]

_CT2_VARIABLE = "CT2_FORCE_CPU_ISA"

_AVX512 = frozenset({"avx512f", "avx512cd", "avx512vl", "avx512bw", "avx512dq"})
"""CPU flags that CTranslate2's AVX512 build is compiled with."""

_VNNI = frozenset({"avx512_vnni", "avx_vnni"})
"""CPU flags of instructions that accumulate products of bytes in 32 bits."""

_CPUINFO = Path("/proc/cpuinfo")


def use_widest_instructions(cpuinfo: Path = _CPUINFO) -> None:
    """Make CTranslate2 use AVX512 where the CPU has it; call before it loads the first model.

    By default it uses AVX2 on processors that are not Intel's; on an AMD EPYC, encoder and
    decoder are a tenth faster with AVX512. A setting of the user's takes precedence.
    """
    if _cpu_flags(cpuinfo) >= _AVX512:
        os.environ.setdefault(_CT2_VARIABLE, "AVX512")


@functools.cache  # called for each layer
def max_int8_weight(cpuinfo: Path = _CPUINFO, machine: str | None = None) -> int:
    """Return the largest weight whose 8-bit products ONNX Runtime accumulates exactly.

    Without VNNI, Intel's and AMD's processors add two products in 16 bits: twice 255 * 63 fits,
    twice 255 * 127 does not (ONNX Runtime's *reduce_range*). Where the CPU cannot be asked, on
    Windows and macOS, it counts as having none.
    """
    if (machine or platform.machine()).lower() not in ("x86_64", "amd64"):
        return 127
    return 127 if _cpu_flags(cpuinfo) & _VNNI else 63


def _cpu_flags(cpuinfo: Path) -> frozenset[str]:
    """Return the CPU's flags; none where the system is not Linux."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())
