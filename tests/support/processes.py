"""Other Python processes."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["run_python"]


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a new Python process and capture its output.

    Raises:
        CalledProcessError: it failed.
    """
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
