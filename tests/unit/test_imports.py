"""The package starts fast."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

import asr_core
from tests.support.processes import run_python

HEAVY = ("torch", "transformers", "streamlit", "ctranslate2", "onnxruntime", "av", "pydantic")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import asr_core, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run_python("-c", code).stdout.strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\nfrom asr_core.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip().endswith("[]")


@pytest.mark.parametrize("page", ["live", "upload"])
def test_a_page_does_not_load_torch_or_the_database(page: str) -> None:
    script = ast.parse((Path("pages") / f"{page}.py").read_text())
    imports = [ast.unparse(n) for n in script.body if isinstance(n, ast.Import | ast.ImportFrom)]
    check = "print([m for m in ('torch', 'transformers', 'sqlalchemy') if m in sys.modules])"
    assert run_python("-c", "\n".join(["import sys", *imports, check])).stdout.strip() == "[]"


def test_the_public_names_exist() -> None:
    for name in asr_core.__all__:
        assert getattr(asr_core, name).__module__.startswith("asr_core.")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = asr_core.nothing


@pytest.mark.parametrize(
    ("arguments", "most_s"),
    [(["-c", "import asr_core"], 0.3), (["-m", "asr_core", "--help"], 0.5)],
)
def test_starting_is_quick(arguments: list[str], most_s: float) -> None:
    """Compare the best of three starts with a bare interpreter, since other load only adds time."""

    def seconds(*command: str) -> float:
        best = 60.0
        for _ in range(3):
            started = time.perf_counter()
            run_python(*command)
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(*arguments) - seconds("-c", "pass") < most_s
