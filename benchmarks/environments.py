"""Virtual environment for each peer system."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

__all__ = ["python_of"]

ENVIRONMENTS = Path.home() / ".cache" / "asr_core" / "peers"


def python_of(name: str, requirements: Sequence[str]) -> Path:
    """Return the interpreter of ``name``, installed on first use; this one if nothing is required.

    Raises:
        subprocess.CalledProcessError: the requirements could not be installed.
    """
    if not requirements:
        return Path(sys.executable)
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    marker = folder / "installed"
    if not marker.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *requirements], check=True)
        marker.touch()
    return python
