"""A running engine loads no more than it needs."""

from __future__ import annotations

from tests.support.processes import run_python


def test_the_engine_for_a_cpu_does_not_load_torch() -> None:
    code = (
        "import sys; from asr_core.engines import load_engine; from asr_core.models import resolve\n"
        "load_engine(resolve('tiny.en'), 'onnx')\n"
        "import asr_core.streaming, asr_core.full_context\n"
        "print([m for m in ('torch', 'transformers', 'streamlit') if m in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"
