"""The wheel contains all files that the package reads, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, folder], cwd=_ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_contains_the_whole_package(wheel: zipfile.ZipFile) -> None:
    files = {
        str(path.relative_to(_ROOT))
        for path in (_ROOT / "asr_core").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    in_package = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert in_package == files
    assert "asr_core/py.typed" in files
    assert {Path(name).suffix for name in files} >= {".py", ".html"}
    assert any("/migrations/versions/" in name for name in files)


def test_the_wheel_has_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    information = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert b"speak-and-read = asr_core.__main__:main" in wheel.read(information["entry_points.txt"])
    assert "LICENSE" in information
