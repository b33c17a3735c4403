"""The package is light to start."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "streamlit", "ctranslate2", "onnxruntime", "av")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import asr_core, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run("-c", code).stdout.strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\nfrom asr_core.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert run("-c", code).stdout.strip().endswith("[]")


def test_the_engine_for_a_cpu_does_not_load_torch() -> None:
    code = (
        "import sys; from asr_core.engines import load_engine; from asr_core.models import resolve\n"
        "load_engine(resolve('tiny.en'), 'onnx')\n"
        "import asr_core.live, asr_core.fullcontext\n"
        "print([m for m in ('torch', 'transformers', 'streamlit') if m in sys.modules])"
    )
    assert run("-c", code).stdout.strip() == "[]"


@pytest.mark.parametrize("page", ["live", "upload"])
def test_a_page_does_not_load_torch_or_the_database(page: str) -> None:
    script = ast.parse((Path("pages") / f"{page}.py").read_text())
    imports = [ast.unparse(n) for n in script.body if isinstance(n, ast.Import | ast.ImportFrom)]
    look = "print([m for m in ('torch', 'transformers', 'sqlalchemy') if m in sys.modules])"
    assert run("-c", "\n".join(["import sys", *imports, look])).stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["-c", "import asr_core"], ["-m", "asr_core", "--help"]])
def test_starting_is_quick(arguments: list[str]) -> None:
    """The best of three, against a bare interpreter: other work on the machine adds, never takes."""

    def seconds(*command: str) -> float:
        best = 60.0
        for _ in range(3):
            started = time.perf_counter()
            run(*command)
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(*arguments) - seconds("-c", "pass") < 0.5
