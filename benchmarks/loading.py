"""Loading of a model in fresh processes, beside faster-whisper's: ``python -m benchmarks.loading``.

The programs take turns, so that both meet the same machine. What is measured is the whole process,
start of the interpreter, imports and (here) a first transcription included. The files are in the
system's cache, and the graphs of the ONNX engine beside the model, as after the first load.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from asr_core.models import resolve

_PROGRAMS = {
    "this app": "from asr_core.engines.loading import load_engine\n"
    "load_engine(Path(sys.argv[1]), 'onnx', n_threads=int(sys.argv[2]))",
    "faster-whisper": "from faster_whisper import WhisperModel\n"
    "WhisperModel(sys.argv[1], 'cpu', compute_type='int8', cpu_threads=int(sys.argv[2]))",
}


@dataclass(frozen=True)
class Usage:
    """What a process took, from its start to its end."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def run(program: str, *arguments: str) -> Usage:
    """Run ``program`` in a fresh interpreter.

    Raises:
        RuntimeError: it failed.
    """
    code = f"import sys\nfrom pathlib import Path\n{program}"
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", code, *arguments])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"a program failed:\n{code}")
    return Usage(
        used.ru_utime + used.ru_stime, time.monotonic() - started, used.ru_maxrss * 1024 / 1e6
    )


def measure(model: str, repeats: int, n_threads: int) -> dict[str, list[Usage]]:
    """Return the usage of each program, ``repeats`` times by turns, after one that is not counted."""
    usages: dict[str, list[Usage]] = defaultdict(list)
    for i in range(repeats + 1):
        for name, program in _PROGRAMS.items():
            usage = run(program, str(resolve(model)), str(n_threads))
            if i:
                usages[name].append(usage)
    return usages


def main() -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["tiny.en", "base"])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print("| | CPU seconds | seconds | peak memory |\n| --- | --- | --- | --- |")
    for model in options.models:
        usages = measure(model, options.repeats, options.threads)
        for name, used in usages.items():
            cpu_s, wall_s, peak_mb = (
                median(getattr(usage, field) for usage in used)
                for field in ("cpu_s", "wall_s", "peak_mb")
            )
            print(f"| {model}, {name} | {cpu_s:.2f} | {wall_s:.2f} | {peak_mb:.0f} MB |")
        ratio = median(
            ours.cpu_s / theirs.cpu_s for ours, theirs in zip(*usages.values(), strict=True)
        )
        print(f"| {model}, ratio of CPU seconds, run by run | {ratio:.2f} | | |")


if __name__ == "__main__":
    main()
