"""Only supported processor features are used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asr_core.engines.cpu_features import max_int8_weight, use_widest_instructions

_WIDE = "flags\t\t: fpu avx2 avx512f avx512dq avx512cd avx512bw avx512vl\n"


@pytest.mark.parametrize(
    ("cpuinfo", "before", "after"),
    [
        (f"processor\t: 0\n{_WIDE}", None, "AVX512"),
        (_WIDE, "AVX2", "AVX2"),
        ("flags\t\t: fpu avx2 avx512f\n", None, None),
        ("processor\t: 0\n", None, None),
        (None, None, None),
    ],
)
def test_supported_cpu_features_are_used(
    cpuinfo: str | None,
    before: str | None,
    after: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CT2_FORCE_CPU_ISA", before or "")
    if before is None:
        del os.environ["CT2_FORCE_CPU_ISA"]
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo)
    use_widest_instructions(file)
    assert os.environ.get("CT2_FORCE_CPU_ISA") == after


@pytest.mark.parametrize(
    ("flags", "machine", "largest"),
    [
        ("fpu avx2 avx512f avx512_vnni", "x86_64", 127),
        ("fpu avx2 avx_vnni", "x86_64", 127),
        ("fpu avx2 avx512f", "x86_64", 63),
        (None, "AMD64", 63),
        (None, "arm64", 127),
    ],
)
def test_two_int8_products_fit_where_they_are_added_in_sixteen_bits(
    flags: str | None, machine: str, largest: int, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    if flags is not None:
        file.write_text(f"flags\t\t: {flags}\n")
    assert max_int8_weight(file, machine) == largest
    assert largest == 127 or 2 * 255 * largest < 2**15
